"""The one road: reserve, check, journal, send; and what comes back reaches the ledger once."""

import sqlite3
from decimal import Decimal

import msgspec
import pytest

from core.capital.shared_capital_manager import SharedCapitalManager
from core.events import Error, Heartbeat, Order, Reject, Signal
from core.exchange_port import RequestRejected
from core.models.orders import Denial, OrderPurpose, OrderStatus, OrderType, Side
from core.order_gate import OrderGate
from core.risk.risk_manager import RiskLimits, RiskManager

NO_RULE_IN_THE_WAY = RiskLimits(
    max_position_share=Decimal(1), max_order_multiple=Decimal(1000), max_orders_per_minute=1000
)


class Gate:
    """Real capital and real risk on the world's bus and disk."""

    def __init__(self, world, limits: RiskLimits = NO_RULE_IN_THE_WAY, **more) -> None:
        self.world = world
        self.capital = SharedCapitalManager(
            "demo", Decimal(25000), database=world.database, clock=world.clock
        )
        self.risk = RiskManager(
            bus=world.bus,
            clock=world.clock,
            capital=self.capital,
            database=world.database,
            limits=limits,
            on_liquidate=lambda _reason: None,
            on_kill=lambda _reason: None,
        )
        self.gate = OrderGate(
            bus=world.bus,
            capital=self.capital,
            risk=self.risk,
            oms=world.oms,
            clock=world.clock,
            **more,
        )
        self.gate.settle()

    def held(self) -> tuple[Decimal, Decimal]:
        snapshot = self.capital.snapshot()
        return snapshot.reserved, snapshot.locked

    def ledger_error(self) -> Decimal:
        wallet = Decimal(25000) + sum(f.cash_flow for f in self.world.exchange.books.fills)
        return self.capital.snapshot().total - wallet


@pytest.fixture
def gate(world):
    return Gate(world)


async def ask(world, **terms):
    request = world.request(**terms)
    world.bus.publish(request)
    await world.idle()
    return request


async def test_an_entry_is_reserved_then_locked(world, gate):
    request = world.request(quantity="10")
    world.bus.publish(request)
    reserved, locked = gate.held()
    assert reserved > 1000
    assert locked == 0
    await world.idle()
    world.deliver()
    assert gate.held() == (0, 1000)
    assert gate.ledger_error() == 0
    assert world.oms.unsettled_orders() == []
    assert world.oms.fills_not_in_capital() == []


async def test_a_word_filled_that_overtakes_its_fills_frees_nothing_early(world, gate):
    request = await ask(world, quantity="10")
    fills = [m for m in world.exchange.outbox if not isinstance(m, Order)]
    world.oms.on_order(world.exchange.order(request.client_order_id))
    assert world.oms.order(request.client_order_id).status is OrderStatus.FILLED
    assert gate.held()[0] > 1000
    assert [o.client_order_id for o in world.oms.unresolved("demo")] == [request.client_order_id]
    for fill in fills * 2:
        world.oms.on_fill(fill)
    assert gate.held() == (0, 1000)
    assert world.oms.unresolved("demo") == []


async def test_a_round_trip_ties_out_to_the_exchange(world, gate):
    await ask(world, quantity="10")
    world.deliver()
    world.exchange.price = Decimal(103)
    await ask(world, side=Side.SELL, quantity="10", purpose=OrderPurpose.EXIT)
    world.deliver()
    assert gate.held() == (0, 0)
    assert gate.ledger_error() == 0
    assert gate.capital.snapshot().realized_pnl > 0


async def test_a_preview_asks_everybody_in_the_roads_order_and_leaves_no_trace(world, gate):
    preview = gate.gate.preview
    assert preview(world.request(quantity="10")) is None
    no_stop = msgspec.structs.replace(world.request(), stop_loss=None)
    assert preview(no_stop).code == "no_stop"
    assert preview(world.request(quantity="250")).code == "capital_cap"
    gate.risk.trip("by hand")
    assert preview(world.request(quantity="10")).code == "kill_switch"
    assert preview(world.request(Side.SELL, purpose=OrderPurpose.EXIT)) is None
    assert gate.held() == (0, 0)
    assert world.oms.working_orders() == []
    assert world.of(Reject) == []


async def test_no_capital_is_a_denial_with_numbers_and_nothing_is_sent(world, gate):
    request = await ask(world, quantity="250")
    (reject,) = world.of(Reject)
    assert reject.is_ours
    assert world.oms.order(request.client_order_id).status is OrderStatus.DENIED
    assert world.exchange.books.requests == []
    assert gate.held() == (0, 0)
    assert world.oms.unsettled_orders() == []
    steps = {s.step: s.text for s in world.oms.journal.trail(request.client_order_id)}
    assert steps["capital"].startswith("denied")
    assert "20000" in steps["capital"]


async def test_risk_denies_after_the_reservation_and_gives_it_back(world):
    gate = Gate(world, RiskLimits())
    request = await ask(world, quantity="60")  # 24 % of the equity, the rule says 20 %
    (reject,) = world.of(Reject)
    assert (reject.is_ours, reject.client_order_id) == (True, request.client_order_id)
    assert "20" in reject.text
    assert gate.held() == (0, 0)
    assert world.exchange.books.requests == []


async def test_capital_that_was_denied_is_free_for_the_very_next_order(world):
    Gate(world, RiskLimits(max_position_share=Decimal("0.5"), max_order_multiple=Decimal(1000)))
    too_large, next_one = world.request(quantity="150"), world.request(quantity="120")

    def ask_for_both(_beat):
        world.bus.publish(too_large)
        world.bus.publish(next_one)

    world.bus.subscribe(Heartbeat, ask_for_both, part="test")
    world.bus.publish(Heartbeat("test", world.clock.time_ms()))
    await world.idle()
    assert world.exchange.books.requests == [next_one.client_order_id]


async def test_the_trail_keeps_every_check_with_its_numbers(world, gate):
    request = await ask(world)
    trail = world.oms.trail(request.client_order_id)
    assert [line.step for line in trail][:5] == ["size", "intent", "capital", "risk", "request"]
    assert trail[2].text == "passed: needs 100, 20000.00 available"
    assert "daily_loss" in trail[3].text


def signal_for(request):
    return Signal(
        bot_id=request.bot_id,
        account=request.account,
        strategy=request.strategy,
        symbol=request.symbol,
        direction=1,
        candle_open_time_ms=1_699_999_200_000,
        reference_price=Decimal("100.5"),
        time_ms=request.created_ms,
        evidence={"rsi": 55.25, "atr": 1.5},
        reason="RSI above 50",
    )


async def test_the_trail_begins_with_the_candle_and_what_the_strategy_saw(world, gate):
    request = world.request()
    world.bus.publish(signal_for(request))
    world.bus.publish(request)
    await world.idle()
    trail = world.oms.trail(request.client_order_id)
    assert [(line.step, line.text) for line in trail[:4]] == [
        ("candle", "opened 2023-11-14 22:00 UTC, closed at 100.5"),
        ("indicators", "rsi 55.25, atr 1.5"),
        ("signal", "long: RSI above 50"),
        ("size", "1 x 100 = 100"),
    ]
    await world.restart()
    assert world.oms.trail(request.client_order_id)[: len(trail)] == trail


async def test_a_later_order_of_the_bot_is_not_put_down_to_an_old_signal(world, gate):
    world.bus.publish(signal_for(world.request()))
    world.clock.advance_ms(1)
    later = await ask(world)
    assert world.oms.trail(later.client_order_id)[0].step == "size"


async def test_an_entry_without_a_stop_is_refused(world, gate):
    request = msgspec.structs.replace(world.request(), stop_loss=None)
    world.bus.publish(request)
    await world.idle()
    assert world.oms.order(request.client_order_id).reject_code == "no_stop"
    assert world.exchange.books.requests == []


async def test_while_the_books_are_not_right_entries_wait_and_exits_leave(world):
    Gate(world, why_held=lambda: "the clock jumped")
    entry = await ask(world)
    leave = await ask(world, side=Side.SELL, purpose=OrderPurpose.EXIT)
    assert world.oms.order(entry.client_order_id).reject_code == "not_ready"
    assert "the clock jumped" in world.oms.order(entry.client_order_id).reason
    assert world.exchange.books.requests == [leave.client_order_id]


async def test_no_entry_follows_one_that_nobody_has_answered_for_also_after_a_restart(world):
    """The bot of the next run knows nothing of it: it would enter a second time."""
    Gate(world)
    world.exchange.script.append("lost_ack")
    world.exchange.is_readable = False
    first = world.request()
    world.bus.publish(first)
    await world.idle(20)
    await world.restart()
    Gate(world)
    assert world.oms.order(first.client_order_id).status is OrderStatus.UNKNOWN
    again = await ask(world)
    assert world.oms.order(again.client_order_id).reject_code == "entry_unanswered"
    other = await ask(world, symbol="ETHUSDT")
    assert other.client_order_id in world.exchange.books.requests
    leaving = await ask(world, side=Side.SELL, purpose=OrderPurpose.EXIT)
    assert leaving.client_order_id in world.exchange.books.requests
    world.exchange.is_readable = True
    await world.reconciler.reconcile("demo")
    await world.idle()
    assert world.oms.unanswered_entry("demo", first.symbol) == ""
    assert first.client_order_id in world.exchange.books.requests
    assert again.client_order_id not in world.exchange.books.requests


async def test_a_halted_account_refuses_entries_and_lets_exits_go(world, gate):
    await ask(world, quantity="1")
    world.deliver()
    gate.risk.trip("the trader pulled the kill switch")
    entry = await ask(world)
    leave = await ask(world, side=Side.SELL, purpose=OrderPurpose.EXIT)
    world.deliver()
    assert world.oms.order(entry.client_order_id).status is OrderStatus.DENIED
    assert world.oms.order(leave.client_order_id).status is OrderStatus.FILLED
    assert gate.held() == (0, 0)


@pytest.mark.parametrize(
    "step", [RequestRejected("insufficient balance", "110007"), "lost_request"]
)
async def test_what_was_not_placed_gives_its_capital_back(world, gate, step):
    world.exchange.script.append(step)
    request = await ask(world, quantity="10")
    assert world.oms.order(request.client_order_id).status is OrderStatus.REJECTED
    assert gate.held() == (0, 0)
    assert world.oms.unsettled_orders() == []


async def test_an_unknown_order_keeps_its_capital(world, gate):
    world.exchange.script.append("lost_request")
    world.exchange.is_readable = False
    await ask(world, quantity="10")
    assert gate.held()[0] > 1000


async def test_a_cancelled_rest_is_given_back_and_the_late_fill_booked(world, gate):
    request = await ask(world, quantity="10", order_type=OrderType.LIMIT)
    theirs = world.exchange.order(request.client_order_id)
    world.exchange.fill(theirs, Decimal(4))
    world.exchange.end(theirs, OrderStatus.CANCELLED)
    world.deliver()
    assert gate.held() == (0, 400)
    world.exchange.fill(theirs, Decimal(1))
    world.deliver()
    assert gate.held() == (0, 500)
    assert gate.ledger_error() == 0


async def test_the_same_wish_twice_is_sent_once(world, gate):
    request = await ask(world)
    world.bus.publish(request)
    await world.idle()
    assert world.exchange.books.requests == [request.client_order_id]
    assert world.of(Reject) == []  # a no would tell the bot that its order is not there
    assert any("asked for twice" in error.text for error in world.of(Error))


async def test_an_exit_that_could_open_a_position_is_refused(world, gate):
    request = msgspec.structs.replace(
        world.request(side=Side.SELL, purpose=OrderPurpose.EXIT), reduce_only=False
    )
    world.bus.publish(request)
    (reject,) = world.of(Reject)
    assert reject.code == "not_reduce_only"


async def test_an_account_without_an_exchange_is_refused(world, gate):
    world.bus.publish(msgspec.structs.replace(world.request(), account="nowhere"))
    (reject,) = world.of(Reject)
    assert reject.code == "no_exchange"


class BrokenRisk:
    def check(self, request):
        raise ZeroDivisionError("equity is zero")

    def snapshot(self):
        raise ZeroDivisionError("equity is zero")


async def test_a_check_that_breaks_stops_entries_and_no_exit(world, fail_on_unexpected_log):
    capital = SharedCapitalManager(
        "demo", Decimal(25000), database=world.database, clock=world.clock
    )
    OrderGate(bus=world.bus, capital=capital, risk=BrokenRisk(), oms=world.oms, clock=world.clock)
    entry = await ask(world)
    leave = await ask(world, side=Side.SELL, purpose=OrderPurpose.EXIT)
    assert world.oms.order(entry.client_order_id).status is OrderStatus.DENIED
    assert capital.snapshot().reserved == 0
    assert leave.client_order_id in world.exchange.books.requests
    assert len(fail_on_unexpected_log) == 2
    fail_on_unexpected_log.clear()


@pytest.mark.parametrize("operation", ["INSERT", "UPDATE"])  # the intent; that it is sent
async def test_what_cannot_be_written_is_not_sent(world, gate, operation, fail_on_unexpected_log):
    world.database.execute(
        f"CREATE TRIGGER full_disk BEFORE {operation} ON oms_orders "
        "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    )
    await ask(world)
    (reject,) = world.of(Reject)
    assert (reject.is_ours, reject.code) == (True, "journal")
    assert "disk full" in reject.text
    assert world.exchange.books.requests == []
    assert gate.held() == (0, 0)
    fail_on_unexpected_log.clear()


class CapitalThatDies:
    """Stands for a process that ends between the journal's commit and the ledger's."""

    def __init__(self, capital):
        self.capital = capital

    def on_fill(self, fill, purpose):
        raise sqlite3.OperationalError("killed here")

    def __getattr__(self, name):
        return getattr(self.capital, name)


async def test_a_fill_that_never_reached_the_ledger_is_made_good_at_start(
    world, fail_on_unexpected_log
):
    gate = Gate(world)
    gate.gate._capital = CapitalThatDies(gate.capital)
    request = await ask(world, quantity="10")
    world.deliver()
    fail_on_unexpected_log.clear()
    assert gate.held()[1] == 0
    await world.restart()
    gate = Gate(world)
    assert gate.held() == (0, 1000)
    assert gate.ledger_error() == 0
    assert world.oms.order(request.client_order_id).status is OrderStatus.FILLED
    report = await world.reconciler.reconcile("demo")
    assert report.is_clean
    assert gate.ledger_error() == 0


async def test_an_intent_that_never_left_ends_as_denied_at_start(world):
    gate = Gate(world)
    request = world.request(quantity="10")
    world.oms.accept(request)
    gate.capital.reserve(request)  # and here the process died
    await world.restart()
    gate = Gate(world)
    assert world.oms.order(request.client_order_id).status is OrderStatus.DENIED
    assert gate.held() == (0, 0)
    await world.reconciler.reconcile("demo")
    assert world.exchange.books.requests == []


# --- changing a working order ---------------------------------------------------------------


async def test_a_change_within_what_was_reserved_is_passed_on(world, gate):
    request = await ask(world, quantity="10", order_type=OrderType.LIMIT)
    world.deliver()
    denial = await gate.gate.amend(request.client_order_id, quantity=Decimal(8), price=Decimal(110))
    world.deliver()
    assert denial is None
    assert world.oms.order(request.client_order_id).price == 110


async def test_a_change_above_what_was_reserved_is_a_new_order(world, gate):
    request = await ask(world, quantity="10", order_type=OrderType.LIMIT)
    world.deliver()
    for terms in ({"quantity": Decimal(11)}, {"price": Decimal("100.1")}):
        denial = await gate.gate.amend(request.client_order_id, **terms)
        assert denial.code == "amend_above_reservation"
        assert "1000 are reserved for it" in denial.text
    assert world.exchange.order(request.client_order_id).quantity == 10


async def test_no_entry_is_changed_while_the_books_are_not_right(world):
    reasons = [""]
    gate = Gate(world, why_held=lambda: reasons[0])
    request = await ask(world, quantity="10", order_type=OrderType.LIMIT)
    world.deliver()
    reasons[0] = "not reconciled"
    denial = await gate.gate.amend(request.client_order_id, quantity=Decimal(5))
    assert denial.code == "not_ready"


async def test_an_exit_may_be_changed_at_will(world, gate):
    await ask(world, quantity="10")
    world.deliver()
    leave = await ask(
        world,
        side=Side.SELL,
        quantity="5",
        purpose=OrderPurpose.EXIT,
        order_type=OrderType.LIMIT,
    )
    world.deliver()
    assert await gate.gate.amend(leave.client_order_id, quantity=Decimal(10)) is None
    assert world.exchange.order(leave.client_order_id).quantity == 10


async def test_an_end_that_never_reached_the_ledger_is_made_good_at_start(world):
    """The rejection was journalled, and here the process died."""
    gate = Gate(world)
    world.bus.unsubscribe(Order, gate.gate._on_order)
    world.exchange.script.append(RequestRejected("no"))
    await ask(world, quantity="10")
    assert gate.held()[0] >= 1000
    await world.restart()
    assert Gate(world).held() == (0, 0)


async def test_a_fill_without_an_order_of_ours_settles_nothing(world, gate):
    by_hand = world.exchange.place_by_hand("BTCUSDT", Side.BUY, Decimal(1))
    world.exchange.fill(by_hand, Decimal(1))
    world.deliver()
    assert world.oms.journal.fills_not_in_capital("demo") == []


class CapitalOnAFullDisk(CapitalThatDies):
    def give_back(self, client_order_id):
        raise sqlite3.OperationalError("disk full")

    def on_order(self, order):
        raise sqlite3.OperationalError("disk full")


async def test_what_the_ledger_could_not_take_is_told_once_and_made_good(world):
    gate = Gate(world)
    capital = gate.capital
    gate.risk.check = lambda _request: Denial("no", "no")
    gate.gate._capital = CapitalOnAFullDisk(capital)
    for _ in range(2):
        await ask(world, quantity="10")
    assert len([e for e in world.of(Error) if "ledger is behind" in e.text]) == 1
    assert gate.held()[0] >= 2000
    gate.gate._capital = capital
    gate.gate.settle()
    assert gate.held() == (0, 0)


FULL = 2  # PRAGMA synchronous


async def test_an_order_waits_for_the_disk_once_and_before_it_leaves(world, gate):
    synced_when_sent = []

    def levels(statement: str) -> None:
        if statement == "COMMIT":
            ((level,),) = world.database.execute("PRAGMA synchronous")
            commits.append(level)

    commits: list[int] = []
    world.exchange.on_accepted = lambda: synced_when_sent.append(commits[-1] == FULL)
    world.database.set_trace_callback(levels)
    world.bus.publish(world.request())
    assert len(commits) >= 3  # the intent, the reservation, "sent"
    assert [level == FULL for level in commits] == [False] * (len(commits) - 1) + [True]
    await world.idle(20)
    assert synced_when_sent == [True]
