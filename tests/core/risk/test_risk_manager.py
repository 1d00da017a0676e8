"""Each rule at its boundary, and the kill switch over restarts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.capital.shared_capital_manager import SharedCapitalManager
from core.clock import ManualClock
from core.event_bus import EventBus
from core.events import Error, Severity
from core.models.fills import Fill, FillKind
from core.models.orders import (
    Denial,
    OrderPurpose,
    OrderRequest,
    OrderStatus,
    OrderType,
    Side,
)
from core.oms.order_state import order_from_request
from core.risk.risk_manager import (
    MarketPrice,
    ResumeRefused,
    RiskLimits,
    RiskManager,
    SymbolLimits,
)
from core.snapshots import RiskLimit, TradingState
from core.storage.database import open_database

D = Decimal
MIDDAY_MS = 1_700_049_600_000
DAY_MS = 86_400_000


class Account:
    """A real ledger of 10,000, a real bus, and what risk called for."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(MIDDAY_MS)
        self.bus = EventBus(self.clock)
        self.path = folder / "engine.sqlite"
        self.kills: list[str] = []
        self.liquidations: list[str] = []
        self.alerts: list[Error] = []
        self.bus.subscribe(Error, self.alerts.append, part="test")
        self.number = 0
        self.limits = RiskLimits()
        self.on_liquidate: Callable[[str], Collection[str] | None] = self.liquidations.append
        self.market_price: Callable[[str], MarketPrice | None] | None = None
        self.database = open_database(self.path)
        self.start()

    def start(self) -> None:
        self.capital = SharedCapitalManager(
            "bybit", D(10_000), database=self.database, clock=self.clock
        )
        self.risk = RiskManager(
            bus=self.bus,
            clock=self.clock,
            capital=self.capital,
            database=self.database,
            limits=self.limits,
            on_liquidate=self.on_liquidate,
            on_kill=self.kills.append,
            market_price=self.market_price,
        )

    def restart(self) -> None:
        self.database.close()
        self.database = open_database(self.path)
        self.start()

    def request(
        self, notional: str, purpose: OrderPurpose = OrderPurpose.ENTRY, symbol: str = "BTCUSDT"
    ) -> OrderRequest:
        self.number += 1
        return OrderRequest(
            client_order_id=f"order-{self.number}",
            account="main",
            bot_id="bot-1",
            strategy="test",
            symbol=symbol,
            side=Side.BUY,
            order_type=OrderType.MARKET,
            quantity=D(notional),
            reference_price=D(1),
            purpose=purpose,
            created_ms=self.clock.time_ms(),
            reduce_only=purpose is not OrderPurpose.ENTRY,
        )

    def check(
        self, notional: str = "100", purpose: OrderPurpose = OrderPurpose.ENTRY
    ) -> Denial | None:
        return self.risk.check(self.request(notional, purpose))

    def code(self, notional: str = "100") -> str:
        denial = self.check(notional)
        return denial.code if denial else ""

    def book(self, cash: str = "0", bought: str = "0", symbol: str = "BTCUSDT") -> None:
        """A funding payment of `cash`, or a position of `bought` at a price of 1."""
        self.number += 1
        self.capital.on_fill(
            Fill(
                trade_id=f"trade-{self.number}",
                exchange_order_id="x",
                client_order_id="",
                account="main",
                bot_id="bot-1",
                symbol=symbol,
                side=Side.BUY,
                quantity=D(bought),
                price=D(1),
                fee=-D(cash),
                time_ms=self.clock.time_ms(),
                kind=FillKind.FUNDING if D(cash) else FillKind.TRADE,
            ),
            OrderPurpose.ENTRY,
        )

    def bar(self, name: str) -> RiskLimit:
        return next(bar for bar in self.risk.snapshot().limits if bar.name == name)

    @property
    def state(self) -> TradingState:
        return self.risk.snapshot().state


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    account = Account(tmp_path)
    yield account
    account.database.close()


def test_an_ordinary_entry_passes(account: Account) -> None:
    assert account.check() is None
    assert account.state is TradingState.ACTIVE
    assert account.alerts == []


# daily loss


def test_a_loss_of_exactly_three_percent_trades_on(account: Account) -> None:
    account.book(cash="-300")
    account.risk.evaluate()
    assert account.code() == ""
    assert account.kills == []


def test_a_loss_above_three_percent_ends_the_day(account: Account) -> None:
    account.book(cash="-300.01")
    account.risk.evaluate()
    account.risk.evaluate()
    assert account.kills == ["Loss of today, 3.01 %, is above 3 %."]
    assert account.liquidations == []
    denial = account.check()
    assert denial is not None
    assert denial.code == "daily_loss"
    assert denial.text == "trading is halted: Loss of today, 3.01 %, is above 3 %."
    assert account.state is TradingState.HALTED
    assert [(e.part, e.severity) for e in account.alerts] == [("risk", Severity.DANGER)]


def test_an_open_loss_counts_like_a_realized_one(account: Account) -> None:
    account.book(bought="2000")
    account.capital.on_mark_price("BTCUSDT", D("0.84"))
    assert account.code() == "daily_loss"


def test_the_check_itself_notices_the_loss(account: Account) -> None:
    account.book(cash="-301")
    assert account.code() == "daily_loss"
    assert len(account.kills) == 1


def test_the_lost_day_cannot_be_resumed_even_if_the_loss_is_made_good(account: Account) -> None:
    account.book(cash="-301")
    account.risk.evaluate()
    account.book(cash="500")
    with pytest.raises(ResumeRefused, match="tomorrow"):
        account.risk.resume()
    assert account.state is TradingState.HALTED


def test_the_next_day_has_to_be_resumed_explicitly(account: Account) -> None:
    account.book(cash="-301")
    account.risk.evaluate()
    account.clock.advance_ms(DAY_MS)
    assert account.code() == "daily_loss"
    account.risk.resume()
    assert account.code() == ""
    assert account.risk.snapshot().kill_switch_since_ms is None


def test_a_loss_on_top_of_the_traders_own_kill_still_locks_the_day(account: Account) -> None:
    account.risk.trip("The trader pressed the kill switch.")
    account.book(cash="-301")
    account.risk.evaluate()
    with pytest.raises(ResumeRefused):
        account.risk.resume()
    assert account.kills == ["The trader pressed the kill switch."]


# position size


@pytest.mark.parametrize(("notional", "code"), [("500", ""), ("500.01", "largest_position")])
def test_a_symbol_holds_at_most_a_fifth_of_the_equity(
    account: Account, notional: str, code: str
) -> None:
    account.book(bought="1500")
    account.book(bought="1900", symbol="ETHUSDT")
    assert account.code(notional) == code


def test_the_orders_own_reservation_is_not_counted_twice(account: Account) -> None:
    request = account.request("2000")
    assert account.capital.reserve(request) is None
    assert account.risk.check(request) is None
    second = account.request("1")
    assert account.capital.reserve(second) is None
    denial = account.risk.check(second)
    assert denial is not None
    assert denial.text == "BTCUSDT would hold 20.03 % of the equity, above 20 %"


def test_without_equity_no_position_fits(account: Account) -> None:
    account.limits = RiskLimits(max_daily_loss=D(2), max_drawdown=D(2))
    account.restart()
    account.book(cash="-10000")
    denial = account.check("1")
    assert denial is not None
    assert denial.text == "BTCUSDT would hold all of the equity, above 20 %"
    assert account.bar("largest_position").used == 0.0


# order size


def test_ten_times_the_average_passes_and_more_does_not(account: Account) -> None:
    for _ in range(5):
        assert account.code("100") == ""
    assert account.code("1000.01") == "order_size"
    assert account.code("1000") == ""


def test_four_known_orders_say_nothing(account: Account) -> None:
    for _ in range(4):
        account.check("10")
    assert account.code("1900") == ""


def test_an_order_far_too_large_is_announced_and_not_averaged(account: Account) -> None:
    for _ in range(5):
        account.check("10")
    account.check("1900")
    account.check("1900")
    assert [(e.severity, e.bot_id) for e in account.alerts] == [(Severity.WARNING, "bot-1")] * 2
    assert account.alerts[0].text == (
        "BTCUSDT: an order of 1,900.00 is more than 10 x the average of 10.00"
    )


def test_only_the_last_twenty_are_averaged_and_survive_a_restart(account: Account) -> None:
    account.limits = RiskLimits(max_orders_per_minute=100)
    account.restart()
    for notional in ["1900", *["10"] * 20]:
        account.check(notional)
    account.restart()
    assert account.code("100.01") == "order_size"


def test_a_denial_that_hints_at_no_fault_is_not_announced(account: Account) -> None:
    assert account.code("2001") == "largest_position"
    assert account.alerts == []


# order rate


def test_the_eleventh_order_of_a_minute_starts_the_cool_down(account: Account) -> None:
    for number in range(10):
        assert account.check("100", [OrderPurpose.ENTRY, OrderPurpose.EXIT][number % 2]) is None
    assert account.bar("orders_per_minute").used == 10
    assert account.state is TradingState.ACTIVE
    assert account.code() == "orders_per_minute"
    assert account.state is TradingState.REDUCING
    account.clock.advance_ms(59_999)
    denial = account.check()
    assert denial is not None
    assert denial.code == "reducing"
    assert account.check(purpose=OrderPurpose.EXIT) is None
    account.clock.advance_ms(1)
    assert account.code() == ""


def test_ten_orders_in_a_sliding_minute_are_allowed_for_ever(account: Account) -> None:
    for _ in range(40):
        assert account.code() == ""
        account.clock.advance_ms(6_000)


def test_a_preview_says_what_the_check_says_and_counts_nothing(account: Account) -> None:
    for _ in range(30):
        assert account.risk.preview(account.request("100")) is None
    assert account.bar("orders_per_minute").used == 0
    seen = account.risk.preview(account.request("2001"))
    assert seen is not None
    assert seen.code == "largest_position"
    assert account.risk.preview(account.request("9999", OrderPurpose.EXIT)) is None
    account.risk.trip("by hand")
    halted = account.risk.preview(account.request("100"))
    assert halted is not None
    assert halted.code == "kill_switch"


def test_a_preview_alerts_nobody_and_starts_no_pause(account: Account) -> None:
    for _ in range(5):
        answered(account, OrderStatus.REJECTED)
    seen = account.risk.preview(account.request("100"))
    assert seen is not None
    assert seen.code == "failed_orders"
    assert account.alerts == []
    assert account.state is TradingState.ACTIVE


# refused entries


def answered(account: Account, status: OrderStatus, **changes: Any) -> None:
    """The exchange's word on an entry that was let through."""
    order = order_from_request(account.request("100"))
    account.bus.publish(msgspec.structs.replace(order, status=status, **changes))


def test_five_refused_entries_in_a_row_are_an_alarm_and_a_pause(account: Account) -> None:
    for _ in range(4):
        answered(account, OrderStatus.REJECTED)
    assert account.code() == ""
    answered(account, OrderStatus.REJECTED)
    denial = account.check()
    assert denial is not None
    assert (denial.code, denial.text) == (
        "failed_orders",
        "5 entries in a row were refused by the exchange; entries pause for 60 s",
    )
    [alert] = account.alerts
    assert alert.text == f"BTCUSDT: {denial.text}"
    assert account.state is TradingState.REDUCING
    assert account.risk.snapshot().reason == "Entries pause and go on in 60 s."
    assert account.check(purpose=OrderPurpose.EXIT) is None
    account.clock.advance_ms(60_000)
    assert account.code() == ""  # after the pause it counts anew
    for _ in range(4):
        answered(account, OrderStatus.REJECTED)
    assert account.code() == ""


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        (OrderStatus.ACKNOWLEDGED, {}),
        (OrderStatus.FILLED, {"filled_quantity": D(1)}),
        (OrderStatus.CANCELLED, {"filled_quantity": D(1)}),
    ],
)
def test_an_entry_that_was_taken_ends_the_row(
    account: Account, status: OrderStatus, changes: dict[str, Any]
) -> None:
    for _ in range(4):
        answered(account, OrderStatus.REJECTED)
    answered(account, status, **changes)
    answered(account, OrderStatus.REJECTED)
    assert account.code() == ""


def test_neither_exits_nor_our_own_denials_nor_open_questions_count(account: Account) -> None:
    for _ in range(9):
        answered(account, OrderStatus.REJECTED, purpose=OrderPurpose.EXIT)
        answered(account, OrderStatus.DENIED)
        answered(account, OrderStatus.UNKNOWN)
    assert account.code() == ""
    for _ in range(4):
        answered(account, OrderStatus.REJECTED)
    answered(account, OrderStatus.ACKNOWLEDGED, purpose=OrderPurpose.EXIT)
    answered(account, OrderStatus.CANCELLED)  # unfilled: it says nothing
    answered(account, OrderStatus.REJECTED)
    assert account.code() == "failed_orders"


def test_denied_orders_are_not_counted(account: Account) -> None:
    for _ in range(30):
        account.check("5000")
    assert account.bar("orders_per_minute").used == 0
    assert account.code() == ""


# drawdown


def test_a_drawdown_of_exactly_fifteen_percent_is_borne(account: Account) -> None:
    account.limits = RiskLimits(max_daily_loss=D(1))
    account.restart()
    account.book(cash="-1500")
    account.risk.evaluate()
    assert account.liquidations == []
    account.book(cash="-1")
    account.risk.evaluate()
    account.risk.evaluate()
    reason = "Drawdown of 15.01 % is above 15 %; everything is closed."
    assert account.liquidations == [reason]
    assert account.kills == [reason]
    assert account.code() == "drawdown"


def test_a_drawdown_liquidates_also_after_the_day_was_ended(account: Account) -> None:
    account.book(cash="-400")
    account.risk.evaluate()
    account.book(cash="-1200")
    account.risk.evaluate()
    assert len(account.kills) == 1
    assert len(account.liquidations) == 1
    assert account.risk.snapshot().reason.startswith("Drawdown of 16 %")


def test_resuming_after_a_liquidation_counts_drawdown_anew(account: Account) -> None:
    account.book(cash="-1600")
    account.risk.evaluate()
    account.clock.advance_ms(DAY_MS)
    account.risk.resume()
    assert account.code() == ""
    account.risk.evaluate()
    assert account.bar("drawdown").used == 0.0
    account.clock.advance_ms(DAY_MS)
    account.book(cash="-1300")
    account.risk.evaluate()
    assert len(account.liquidations) == 2


# the kill switch


def test_a_kill_survives_a_restart_and_is_carried_out_again(account: Account) -> None:
    account.book(cash="-1600")
    account.risk.evaluate()
    account.risk.record_kill_answer("Bybit: 3 of 3 cancelled")
    before = account.risk.snapshot()
    assert before.kill_switch_answers == ["Bybit: 3 of 3 cancelled"]
    account.restart()
    assert account.risk.snapshot() == before
    assert account.code() == "drawdown"
    account.risk.evaluate()
    assert len(account.kills) == 2
    assert len(account.liquidations) == 2


def test_exits_always_pass(account: Account) -> None:
    account.risk.trip("test")
    for purpose in (OrderPurpose.EXIT, OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT):
        for _ in range(20):
            assert account.check("100000", purpose) is None


def test_tripping_twice_kills_once(account: Account) -> None:
    account.risk.trip("first")
    account.risk.trip("second")
    assert account.kills == ["first"]
    denial = account.check()
    assert denial is not None
    assert (denial.code, denial.text) == ("kill_switch", "trading is halted: first")


def test_a_resumed_switch_can_be_pulled_again(account: Account) -> None:
    account.risk.trip("first")
    account.risk.record_kill_answer("Bybit: 1 of 1 cancelled")
    account.risk.resume()
    assert account.risk.snapshot().kill_switch_answers == []
    account.risk.evaluate()
    account.risk.trip("second")
    assert account.kills == ["first", "second"]


def test_the_switch_works_while_the_disk_does_not(
    account: Account, fail_on_unexpected_log: list[logging.LogRecord]
) -> None:
    account.database.execute("DROP TABLE risk_state")
    account.risk.trip("The disk is full.")
    assert account.kills == ["The disk is full."]
    assert account.state is TradingState.HALTED
    assert "could not be written" in account.alerts[0].text
    fail_on_unexpected_log.clear()


def test_a_damaged_state_never_starts_as_if_nothing_had_been(account: Account) -> None:
    account.risk.trip("first")
    account.database.execute("UPDATE risk_state SET state = '[]'")
    with pytest.raises(msgspec.ValidationError):
        account.restart()


def test_a_ledger_at_fault_lets_exits_only(
    account: Account, fail_on_unexpected_log: list[logging.LogRecord]
) -> None:
    account.database.execute("UPDATE capital_state SET value='1' WHERE key='total'")
    account.restart()
    assert account.code() == "reducing"
    assert account.check(purpose=OrderPurpose.EXIT) is None
    assert account.risk.snapshot().reason.startswith("The capital ledger is at fault: ")
    fail_on_unexpected_log.clear()


def test_the_bars_are_those_of_the_dashboard(account: Account) -> None:
    account.book(bought="1760")
    account.book(cash="-150")
    bars = [(bar.name, bar.limit, bar.unit) for bar in account.risk.snapshot().limits]
    assert bars == [
        ("daily_loss", 3.0, "%"),
        ("largest_position", 20.0, "%"),
        ("orders_per_minute", 10, "orders"),
        ("drawdown", 15.0, "%"),
        ("capital_in_use", 80.0, "%"),
    ]
    assert account.bar("daily_loss").used == 1.5
    assert account.bar("drawdown").used == 1.5
    assert account.bar("largest_position").used == pytest.approx(17.868, abs=0.001)
    assert account.bar("capital_in_use").used == pytest.approx(17.868, abs=0.001)


# liquidation until flat


def drawn_down(account: Account) -> None:
    account.book(cash="-1600")
    account.risk.evaluate()


def test_liquidation_is_tried_again_until_trading_is_resumed(account: Account) -> None:
    still_open = [["ETHUSDT", "BTCUSDT"], ["BTCUSDT"], []]
    asked: list[str] = []

    def close_everything(reason: str) -> list[str]:
        asked.append(reason)
        return still_open.pop(0) if still_open else []

    account.on_liquidate = close_everything
    account.restart()
    drawn_down(account)
    reason = "Drawdown of 16 % is above 15 %; everything is closed."
    assert account.risk.snapshot().reason == reason + " Still open: BTCUSDT, ETHUSDT."
    account.clock.advance_ms(4_999)
    account.risk.evaluate()
    assert len(asked) == 1
    account.clock.advance_ms(1)
    account.risk.evaluate()
    assert account.risk.snapshot().reason == reason + " Still open: BTCUSDT."
    for _ in range(2):  # and on, for a late fill may open something again
        account.clock.advance_ms(5_000)
        account.risk.evaluate()
    assert asked == [reason] * 4
    assert account.risk.snapshot().reason == reason
    account.clock.advance_ms(DAY_MS)
    account.risk.resume()
    account.risk.evaluate()
    assert len(asked) == 4


def test_a_failed_liquidation_goes_on_after_a_restart(account: Account) -> None:
    account.on_liquidate = lambda _: ["BTCUSDT"]
    account.restart()
    drawn_down(account)
    account.restart()
    account.risk.evaluate()
    assert account.risk.snapshot().reason.endswith("Still open: BTCUSDT.")


def test_a_second_liquidation_begins_at_once(account: Account) -> None:
    drawn_down(account)
    account.clock.advance_ms(DAY_MS)
    account.risk.resume()
    account.clock.advance_ms(DAY_MS)
    account.book(cash="-1300")
    account.risk.evaluate()
    assert len(account.liquidations) == 2


def test_a_liquidation_right_after_the_last_one_does_not_wait(account: Account) -> None:
    account.limits = RiskLimits(max_daily_loss=D(1))
    account.restart()
    drawn_down(account)
    account.risk.resume()
    account.book(cash="-1300")
    account.risk.evaluate()
    assert len(account.liquidations) == 2


def test_what_was_open_at_a_liquidation_is_not_told_of_the_next_kill(account: Account) -> None:
    account.limits = RiskLimits(max_daily_loss=D(1))
    account.on_liquidate = lambda _: ["BTCUSDT"]
    account.restart()
    drawn_down(account)
    account.risk.resume()
    account.risk.trip("first")
    assert account.risk.snapshot().reason == "first"


# nobody is above the rules


def test_a_manual_order_meets_every_rule(account: Account) -> None:
    by_hand = msgspec.structs.replace(account.request("2000.01"), bot_id="", strategy="manual")
    denial = account.risk.check(by_hand)
    assert denial is not None
    assert denial.code == "largest_position"
    account.risk.trip("test")
    small = msgspec.structs.replace(account.request("1"), bot_id="", strategy="manual")
    assert account.risk.check(small) is not None


@pytest.mark.parametrize("purpose", list(OrderPurpose))
def test_what_is_not_reduce_only_is_asked_about_whatever_it_calls_itself(
    account: Account, purpose: OrderPurpose
) -> None:
    account.risk.trip("test")
    request = msgspec.structs.replace(account.request("1", purpose), reduce_only=False)
    assert account.risk.check(request) is not None
    reducing = msgspec.structs.replace(account.request("99999", purpose), reduce_only=True)
    assert account.risk.check(reducing) is None


def test_prices_are_asked_for_by_symbol(account: Account) -> None:
    prices = {"BTCUSDT": MarketPrice(D(1), 2.0), "ETHUSDT": MarketPrice(D(1), 15.5)}
    account.market_price = prices.get
    account.restart()
    assert account.code() == ""
    codes = []
    for symbol in ("ETHUSDT", "SOLUSDT"):
        denial = account.risk.check(account.request("1", symbol=symbol))
        codes.append(denial.code if denial else "")
    assert codes == ["stale_price", "stale_price"]
    assert account.risk.check(account.request("1", OrderPurpose.EXIT, symbol="SOLUSDT")) is None
    prices["BTCUSDT"] = MarketPrice(D(2), 0.0)
    assert account.code() == "price_distance"


def test_new_limits_hold_from_the_next_question_on(account: Account) -> None:
    assert account.code("500") == ""
    account.risk.limits = RiskLimits(symbols={"BTCUSDT": SymbolLimits(max_order_notional=D(400))})
    assert account.code("500") == "symbol_limit"
    account.risk.limits = RiskLimits(max_gross_share=D("0.01"))
    assert account.code("100.01") == "gross_exposure"
    assert account.code("100") == ""


def test_the_orders_own_reservation_is_not_counted_into_the_whole(account: Account) -> None:
    account.risk.limits = RiskLimits(max_gross_share=D("0.05"))
    request = account.request("500")
    assert account.capital.reserve(request) is None
    assert account.risk.check(request) is None


# a state that is gone


def test_a_state_that_is_gone_halts_until_it_is_resumed(account: Account) -> None:
    account.risk.trip("first")
    account.database.execute("DELETE FROM risk_state")
    account.restart()
    assert account.state is TradingState.HALTED
    denial = account.check()
    assert denial is not None
    assert denial.code == "state_lost"
    assert account.risk.snapshot().kill_switch_since_ms == account.clock.time_ms()
    assert len(account.kills) == 2  # carried out
    account.restart()
    assert account.state is TradingState.HALTED
    account.risk.resume()
    account.restart()
    assert account.code() == ""


def test_a_passing_write_fault_of_the_ledger_ends_by_itself(
    account: Account, fail_on_unexpected_log: list[logging.LogRecord]
) -> None:
    account.database.execute("ALTER TABLE capital_days RENAME TO away")
    account.clock.advance_ms(1_000)
    account.capital.on_mark_price("BTCUSDT", D(1))
    account.risk.evaluate()
    assert account.state is TradingState.REDUCING
    account.database.execute("ALTER TABLE away RENAME TO capital_days")
    account.risk.evaluate()
    assert account.state is TradingState.ACTIVE
    fail_on_unexpected_log.clear()


# the day


def test_the_clock_going_back_does_not_give_the_lost_day_back(account: Account) -> None:
    account.book(cash="-301")
    account.risk.evaluate()
    account.clock.advance_ms(-DAY_MS)
    with pytest.raises(ResumeRefused):
        account.risk.resume()


def test_a_kill_at_the_turn_of_the_day_stays(account: Account) -> None:
    account.clock.advance_ms(DAY_MS // 2 - 1)  # one millisecond before midnight
    account.book(cash="-301")
    account.risk.evaluate()
    account.clock.advance_ms(1)
    account.risk.evaluate()
    assert account.state is TradingState.HALTED
    account.risk.resume()
    assert account.code() == ""
