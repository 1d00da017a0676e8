"""Two accounts on one exchange, one simulated and one of paper, fed by one stream: bots, orders,
ids, capital, limits and reconciliations stay each account's own."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal

import pytest
from conftest import BTC, ETH, World

from app.config import AccountConfig
from app.wiring import assemble_engine
from core.bots.bot_spec import BotSpec
from core.engine import Refused
from core.exchange_port import RequestRejected, Unavailable
from core.limits.api_rate_limiter import MultiExchangeRateLimiter
from core.models.candles import Timeframe
from core.models.fills import Fill
from core.models.orders import Order, OrderRequest
from core.snapshot_builder import SLOW_EVERY, SnapshotBuilder
from core.snapshots import AccountMode, BotState, EngineState, Notice, TradingState
from exchanges.paper import PaperExchange
from exchanges.simulated.simulated_exchange import SimulatedExchange

D = Decimal
ONE, TWO = "one", "two"


class TwoAccounts:
    """`engine` over a simulated account that brings the data, and one of paper beside it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ports = {}
        ports = {
            ONE: self._simulated,
            TWO: self._paper,
        }
        self.engine = assemble_engine(
            [
                AccountConfig(ONE, "simulated", AccountMode.DEMO),
                AccountConfig(TWO, "simulated", AccountMode.DEMO, timezone="Asia/Seoul"),
            ],
            data_dir=world.data_dir,
            clock=world.clock,
            rng=random.Random(7),
            limiters=MultiExchangeRateLimiter(world.clock),
            open_port=lambda account: ports[account.name](),
        )
        self.events: dict[str, list[object]] = {ONE: [], TWO: []}
        for name, desk in self.engine.desks.items():
            for kind in (Order, Fill, OrderRequest):
                desk.bus.subscribe(kind, self.events[name].append, part="test")

    def _simulated(self) -> SimulatedExchange:
        port = SimulatedExchange(ONE, venue=self.world.venue, stream_interval_s=0.5)
        self.ports[ONE] = port
        return port

    def _paper(self) -> PaperExchange:
        port = PaperExchange(
            TWO,
            market_data=self.ports[ONE],
            clock=self.world.clock,
            store_path=None,
            is_shared=True,
        )
        self.ports[TWO] = port
        return port

    def of(self, account: str, kind: type) -> list:
        return [event for event in self.events[account] if isinstance(event, kind)]

    def held(self, account: str) -> list[str]:
        return [p.symbol for p in self.engine.desks[account].state.positions(account)]


def bot(account: str, symbol: str) -> BotSpec:
    return BotSpec(
        f"{account}-{symbol.lower()}",
        "UnifiedBot",
        account,
        symbol,
        Timeframe.M15,
        "macd_rsi_trend",
        autostart=True,
    )


BOTS = [bot(ONE, BTC), bot(ONE, ETH), bot(TWO, BTC), bot(TWO, ETH)]


@pytest.fixture
async def two(world):
    two = TwoAccounts(world)
    yield two
    await two.engine.stop()


async def test_the_same_bots_on_both_trade_without_ever_crossing(world, two):
    await two.engine.start(BOTS)
    await world.until(
        lambda: all(b.state is BotState.RUNNING for b in two.engine.bots.values()), within_h=1
    )
    await world.until(
        lambda: all(len(desk.trades.round_trips) >= 2 for desk in two.engine.desks.values()),
        within_h=72,
    )
    for name, desk in two.engine.desks.items():
        assert {event.account for event in two.events[name]} == {name}
        assert {event.bot_id for event in two.of(name, OrderRequest)} <= {
            f"{name}-btcusdt",
            f"{name}-ethusdt",
        }
        assert await desk.measure_ledger_error() == 0
        assert {trip.bot_id.split("-")[0] for trip in desk.trades.round_trips} == {name}
        await desk.reconcile()
        assert desk.ledger.error == 0
        assert desk.risk.snapshot().state is TradingState.ACTIVE
    for name_of in (
        lambda order: order.client_order_id,
        lambda order: order.exchange_order_id,
    ):
        first, second = ({name_of(o) for o in two.of(n, Order)} - {""} for n in (ONE, TWO))
        assert first
        assert first.isdisjoint(second)


async def test_a_resting_stop_of_paper_fires_on_the_prices_of_the_others_stream(world, two):
    await two.engine.start([bot(TWO, ETH)])
    await world.until(lambda: bool(two.held(TWO)), within_h=72)
    await world.until(lambda: not two.held(TWO), within_h=200)
    fill = two.of(TWO, Fill)[-1]
    assert fill.exchange_purpose in ("stop_loss", "take_profit") or fill.closed_quantity
    assert two.held(ONE) == []
    assert two.of(ONE, Fill) == []


async def test_closing_both_at_the_same_moment_makes_two_ids(world, two):
    await two.engine.start(BOTS)
    await world.until(lambda: bool(two.held(ONE)) and bool(two.held(TWO)), within_h=72)
    for name in (ONE, TWO):
        two.events[name].clear()
        two.engine.close_position(name, two.held(name)[0])
    first, second = (two.of(name, OrderRequest)[0] for name in (ONE, TWO))
    assert first.created_ms == second.created_ms
    assert first.client_order_id != second.client_order_id
    for request in (first, second):
        assert two.engine.trail(request.client_order_id)


async def test_a_transfer_on_one_account_is_no_difference_on_the_other(world, two):
    await two.engine.start([])
    world.venue.account(ONE)._ledger.book_result(BTC, D(-100))
    for desk in two.engine.desks.values():
        await desk.reconcile()
    assert [desk.ledger.error for desk in two.engine.desks.values()] == [100, 0]
    before = two.engine.desks[TWO].capital.snapshot().total
    assert two.engine.book_transfer(ONE, D(-100)) == "A withdrawal of 100.00 USDT was booked."
    assert two.engine.desks[TWO].capital.snapshot().total == before


async def test_the_halt_of_one_account_is_shown_and_leaves_the_other_alone(world, two):
    await two.engine.start(BOTS)
    await world.until(
        lambda: all(b.state is BotState.RUNNING for b in two.engine.bots.values()), within_h=1
    )
    two.engine.desks[TWO].risk.trip("Too much was lost.")
    await asyncio.sleep(1)
    snapshot = SnapshotBuilder(two.engine).build([])
    assert (snapshot.risk.state, snapshot.risk.reason) == (
        TradingState.HALTED,
        "two: Too much was lost.",
    )
    assert [account.risk.state for account in snapshot.accounts] == [
        TradingState.ACTIVE,
        TradingState.HALTED,
    ]
    states = {bot_id: bot.state for bot_id, bot in two.engine.bots.items()}
    assert states["one-btcusdt"] is BotState.RUNNING
    assert states["two-btcusdt"] is BotState.STOPPED
    assert two.engine.resume().startswith("Trading is allowed again.")
    assert SnapshotBuilder(two.engine).build([]).risk.state is TradingState.ACTIVE


async def test_the_kill_switch_reaches_an_account_that_is_still_connecting(world, two):
    """The one that trades already must not wait for the one that cannot be reached."""
    reads = two.ports[TWO].fetch_balance
    two.ports[TWO].fetch_balance = nobody
    starting = asyncio.create_task(two.engine.start([]))
    await world.until(lambda: two.engine.desks[ONE].is_built, within_h=1)
    assert two.engine.kill() == "Trading stopped."
    assert two.engine.desks[ONE].risk.snapshot().state is TradingState.HALTED
    two.ports[TWO].fetch_balance = reads
    await starting
    assert two.engine.desks[TWO].risk.snapshot().state is TradingState.HALTED
    two.engine.resume()
    assert two.engine.desks[TWO].risk.snapshot().state is TradingState.ACTIVE


async def test_a_resume_that_one_account_refuses_resumes_the_other(world, two):
    await two.engine.start([])
    two.engine.kill()
    desk = two.engine.desks[TWO]
    desk.risk._change(locked_day_ms=desk.capital.figures().day_start_ms)
    with pytest.raises(Refused, match=r"^two: Today's loss limit is broken"):
        two.engine.resume()
    assert two.engine.desks[ONE].risk.snapshot().state is TradingState.ACTIVE
    assert desk.risk.snapshot().state is TradingState.HALTED


async def test_each_account_has_its_own_trading_day(world, two):
    await two.engine.start([])
    starts = [desk.capital.figures().day_start_ms for desk in two.engine.desks.values()]
    assert (starts[0] - starts[1]) % 86_400_000 == 9 * 3_600_000


async def test_an_account_that_cannot_be_reached_keeps_the_other_from_nothing(world, two):
    reads = two.ports[TWO].fetch_balance
    two.ports[TWO].fetch_balance = nobody
    await two.engine.start(BOTS)
    await world.until(
        lambda: all(b.state is BotState.RUNNING for b in two.engine.bots.values()), within_h=1
    )
    assert two.engine.bots.keys() == {"one-btcusdt", "one-ethusdt"}
    assert (two.engine.state, two.engine.state_text) == (EngineState.RUNNING, "Running.")
    snapshot = SnapshotBuilder(two.engine).build([])
    assert snapshot.connections[1].detail == "Waiting for simulated: no answer"
    two.ports[TWO].fetch_balance = reads
    await world.until(lambda: len(two.engine.bots) == 4, within_h=1)
    await world.until(
        lambda: all(b.state is BotState.RUNNING for b in two.engine.bots.values()), within_h=1
    )


async def test_an_account_that_is_refused_late_is_told_and_the_other_goes_on(world, two):
    two.ports[TWO].fetch_balance = nobody
    await two.engine.start(BOTS)
    two.ports[TWO].fetch_balance = wrong_key
    await world.hours(1)
    [told] = [r.text for r in notices(two) if r.title == "Account not started"]
    assert told == "two: the key is not known"
    assert two.engine.bots["one-btcusdt"].state is BotState.RUNNING


async def wrong_key():
    raise RequestRejected("the key is not known")


async def test_an_account_that_is_refused_at_once_is_told_and_the_other_trades(world, two):
    two.ports[TWO].fetch_balance = wrong_key
    await two.engine.start(BOTS)
    await world.hours(0.2)
    assert two.engine.bots.keys() == {"one-btcusdt", "one-ethusdt"}
    assert two.engine.desks[TWO].state_text == "Not started: the key is not known"
    [told] = [r.text for r in notices(two) if r.title == "Account not started"]
    assert told == "two: the key is not known"


async def test_where_every_account_is_refused_the_start_ends(world, two):
    for port in two.ports.values():
        port.fetch_balance = wrong_key
    with pytest.raises(RequestRejected, match="the key is not known"):
        await two.engine.start(BOTS)


async def test_a_refused_account_is_not_taken_for_one_that_is_up(world, two):
    """The other takes its time; until it is there, nothing is running."""
    reads = two.ports[ONE].fetch_balance
    two.ports[TWO].fetch_balance, two.ports[ONE].fetch_balance = wrong_key, nobody
    starting = asyncio.create_task(two.engine.start(BOTS))
    await asyncio.sleep(60)
    assert two.engine.state is EngineState.RECONCILING
    two.ports[ONE].fetch_balance = reads
    await starting
    assert two.engine.state is EngineState.RUNNING


async def test_a_bot_that_cannot_exist_ends_the_start(world, two):
    with pytest.raises(Refused, match="simulated has no symbol NOSUCH"):
        await two.engine.start([*BOTS, bot(TWO, "NOSUCH")])


def notices(two) -> list[Notice]:
    records = (item.record for item in two.engine.records.backlog(1000))
    return [record for record in records if isinstance(record, Notice)]


async def nobody():
    raise Unavailable("no answer")


async def test_a_screen_is_told_the_capital_of_every_account(world, two):
    await two.engine.start(BOTS)
    builder = SnapshotBuilder(two.engine)
    for _ in range(SLOW_EVERY):
        snapshot = builder.build([])
    assert snapshot.capital.account == ONE
    [other] = snapshot.other_capital
    assert other.account == TWO
    assert other.total == two.engine.desks[TWO].capital.snapshot().total
    assert other.statistics.trades.trades == len(two.engine.desks[TWO].trades.round_trips)
    assert other.total == other.free + other.reserved + other.locked
