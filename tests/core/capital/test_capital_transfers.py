"""Deposits and withdrawals are no results; differences are explained; a ledger can be begun from
the design's JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.capital.book import CapitalBook, Line
from core.capital.difference import LedgerDifference, explain_difference, less_transfer
from core.capital.performance import Performance, PerformanceTracker
from core.capital.shared_capital_manager import SharedCapitalManager
from core.capital.trading_day import TradingDay
from core.clock import ManualClock
from core.models.fills import Fill, FillKind
from core.models.orders import OrderPurpose, Side
from core.models.positions import Balance, Position
from core.snapshots import DifferencePart

D = Decimal
Make = Callable[..., SharedCapitalManager]
MakeFill = Callable[..., Fill]
DAY_MS = 86_400_000


def balance(wallet: str, currency: str = "USDT") -> Balance:
    return Balance("main", currency, D(wallet), D(wallet), D(wallet), 1_700_049_600_000)


def lose(capital: SharedCapitalManager, fill: MakeFill, amount: str) -> None:
    capital.on_fill(fill("", fee=amount, kind=FillKind.FUNDING), OrderPurpose.EXTERNAL)


# transfers


def test_a_deposit_is_capital_and_no_result(capital: SharedCapitalManager, fill: MakeFill) -> None:
    lose(capital, fill, "100")
    assert capital.book_transfer(D(5_000), "from the bank")
    snapshot = capital.snapshot()
    assert (snapshot.total, snapshot.initial, snapshot.realized_pnl) == (14_900, 15_000, -100)
    assert (snapshot.daily_pnl, snapshot.daily_realized_pnl) == (-100, -100)
    assert (snapshot.ledger[0].kind, snapshot.ledger[0].amount) == ("deposit", 5_000)
    assert snapshot.ledger[0].text == "from the bank"
    assert capital.get_cash_by_kind() == {"deposit": 15_000, "funding": -100}


def test_a_withdrawal_is_no_loss_and_no_drawdown(
    capital: SharedCapitalManager, fill: MakeFill
) -> None:
    lose(capital, fill, "1000")
    assert capital.book_transfer(D(-8_000), "to the bank")
    figures = capital.figures()
    assert (figures.equity, figures.daily_pnl) == (1_000, -1_000)
    tenth = pytest.approx(D("0.1"), abs=D("1e-10"))
    assert (figures.drawdown, figures.daily_loss_ratio) == (tenth, tenth)
    snapshot = capital.snapshot()
    assert (snapshot.max_drawdown, snapshot.initial) == (tenth, 2_000)
    assert (snapshot.ledger[0].kind, snapshot.ledger[0].amount) == ("withdrawal", 8_000)
    lose(capital, fill, "90")
    on_top = pytest.approx(D("0.181"), abs=D("1e-10"))  # nine percent of the 90 that were left
    assert capital.figures().daily_loss_ratio == on_top


def test_transfers_survive_a_restart_and_the_next_day_starts_after_them(
    open_capital: Make, fill: MakeFill, clock: ManualClock
) -> None:
    capital = open_capital()
    lose(capital, fill, "1000")
    capital.book_transfer(D(-8_000), "out")
    before, figures = capital.snapshot(), capital.figures()
    capital = open_capital()
    assert (capital.snapshot(), capital.figures()) == (before, figures)
    clock.advance_ms(DAY_MS)
    assert capital.figures().daily_loss_ratio == 0
    assert capital.figures().day_base == 1_000


def test_the_same_transfer_is_booked_once(open_capital: Make) -> None:
    capital = open_capital()
    assert capital.book_transfer(D(10), "in", transfer_id="t-1")
    assert not capital.book_transfer(D(10), "in", transfer_id="t-1")
    assert capital.book_transfer(D(10), "in", transfer_id="t-2")
    assert capital.book_transfer(D(10), "in")
    assert capital.book_transfer(D(10), "in")
    capital = open_capital()
    assert not capital.book_transfer(D(10), "in", transfer_id="t-2")
    assert capital.snapshot().total == 10_040


def test_a_transfer_of_nothing_is_refused(capital: SharedCapitalManager) -> None:
    with pytest.raises(ValueError, match="nothing"):
        capital.book_transfer(D(0), "")


@pytest.mark.parametrize("withdrawn", ["-10000", "-10001"])
def test_everything_may_be_withdrawn_and_something_come_again(
    capital: SharedCapitalManager, withdrawn: str
) -> None:
    capital.book_transfer(D(withdrawn), "out")
    figures = capital.figures()
    assert (figures.drawdown, figures.daily_loss_ratio) == (0, 0)
    capital.book_transfer(D(2_001), "in")
    figures = capital.figures()
    assert figures.drawdown == figures.daily_loss_ratio == 0
    assert capital.get_allocation_ratio() == 0


@given(
    results=st.lists(st.decimals("-900", "900", places=2), min_size=1, max_size=3),
    transfers=st.lists(st.decimals("-2000", "50000", places=2), min_size=1, max_size=3),
)
def test_no_transfer_moves_a_ratio_that_rules_watch(
    results: list[Decimal], transfers: list[Decimal]
) -> None:

    book = CapitalBook(D("0.8"))
    book.book_line(Line("deposit", "", D(0), D(10_000)))
    day = TradingDay(0, D(10_000), D(10_000))
    tracker = PerformanceTracker(Performance(D(10_000), D(0), {}, day, D(10_000)), [], UTC)
    for result, transfer in zip(results, transfers, strict=False):
        book.book_line(Line("funding", "", D(0), result))
        tracker.refresh(book, 1)
        before = (tracker.drawdown, tracker.state.day_base / tracker.equity)
        pnl = tracker.state.day.result
        tracker.on_transfer(transfer)
        book.book_line(Line("deposit", "", D(0), transfer))
        tracker.refresh(book, 1)
        after = (tracker.drawdown, tracker.state.day_base / tracker.equity)
        assert after[0] == pytest.approx(before[0], abs=D("0.0000001"))
        assert after[1] == pytest.approx(before[1], abs=D("0.0000001"))
        assert tracker.state.day.result == pnl


# explaining a difference


def test_a_difference_is_explained_by_what_is_not_booked(
    capital: SharedCapitalManager, fill: MakeFill
) -> None:
    known = fill(fee="1")
    capital.on_fill(known, OrderPurpose.ENTRY)
    exit_ = fill("", side=Side.SELL, pnl="50", fee="2")
    fee_only = fill("", fee="3")
    paid = fill("", fee="7", kind=FillKind.FUNDING)
    wallet = D(10_000) - 1 + 50 - 2 - 3 - 7 + 200  # and a deposit of 200
    found = capital.explain(balance(str(wallet)), [known, exit_, fee_only, paid])
    assert found.total == 9_999 - wallet
    assert [(part.category, part.amount) for part in found.parts] == [
        ("result", -50),
        ("fee", 5),
        ("funding", 7),
        ("transfer", -200),
    ]
    assert sum(part.amount for part in found.parts) == found.total
    assert [part.text for part in found.parts] == [
        "+50.00 USDT of result at the exchange, from 1 executions that are not booked here",
        "-5.00 USDT of fee at the exchange, from 2 executions that are not booked here",
        "-7.00 USDT of funding at the exchange, from 1 executions that are not booked here",
        "200.00 USDT was deposited at the exchange, or booked there unknown to us",
    ]


def test_books_that_tie_out_need_no_explanation(
    capital: SharedCapitalManager, fill: MakeFill
) -> None:
    trade = fill(fee="1")
    capital.on_fill(trade, OrderPurpose.ENTRY)
    assert capital.explain(balance("9999"), [trade]).parts == []


def test_what_is_left_was_withdrawn() -> None:
    assert explain_difference(D("12.5"), [], "USDT").parts == [
        DifferencePart(
            "transfer",
            D("12.5"),
            "12.50 USDT was withdrawn from the exchange, or booked there unknown to us",
        )
    ]


@pytest.mark.parametrize(
    ("amount", "words"),
    [("0.5", "0.50 USDT was withdrawn from"), ("-0.5", "0.50 USDT was deposited at")],
)
def test_half_a_coin_has_its_direction_too(amount: str, words: str) -> None:
    [part] = explain_difference(D(amount), [], "USDT").parts
    assert part.text.startswith(words)


def test_an_account_of_less_than_one_coin_has_a_drawdown_that_transfers_leave_alone() -> None:
    book = CapitalBook(D("0.8"))
    book.book_line(Line("deposit", "", D(0), D("0.5")))
    day = TradingDay(0, D("0.5"), D("0.5"))
    tracker = PerformanceTracker(Performance(D("0.5"), D(0), {}, day, D("0.5")), [], UTC)
    book.book_line(Line("funding", "", D(0), D("-0.25")))
    tracker.refresh(book, 1)
    assert tracker.drawdown == D("0.5")
    tracker.on_transfer(D("0.25"))
    book.book_line(Line("deposit", "", D(0), D("0.25")))
    tracker.refresh(book, 1)
    assert tracker.drawdown == D("0.5")


def test_a_booked_transfer_leaves_the_other_parts_as_they_were() -> None:
    fee = DifferencePart("fee", D(2), "-2.00 USDT of fee")
    found = LedgerDifference(D(102), [fee, DifferencePart("transfer", D(100), "withdrawn")])
    part = less_transfer(found, D(-60), "USDT")
    assert (part.total, part.parts[0]) == (42, fee)
    assert (part.parts[1].category, part.parts[1].amount) == ("transfer", 40)
    assert part.parts[1].text.startswith("40.00 USDT was withdrawn from")
    assert less_transfer(found, D(-100), "USDT") == LedgerDifference(D(2), [fee])
    more = less_transfer(found, D(-130), "USDT")
    assert more.parts[1].amount == -30
    assert more.parts[1].text.startswith("30.00 USDT was deposited at")


def test_a_balance_of_another_currency_explains_nothing(capital: SharedCapitalManager) -> None:
    with pytest.raises(ValueError, match="in USDT, the balance in USDC"):
        capital.explain(balance("1", "USDC"), [])


# the design's JSON


def test_an_exported_ledger_begins_another_one(
    open_capital: Make, fill: MakeFill, clock: ManualClock
) -> None:
    zone = {"timezone": ZoneInfo("Asia/Seoul")}
    capital = open_capital(**zone)
    lose(capital, fill, "1500")
    clock.advance_ms(2 * DAY_MS)
    lose(capital, fill, "-700")
    capital.allocate_for_position("BTCUSDT", D(300))
    exported = capital.export_json()
    database = capital._live.store._database
    for table in ("lines", "state", "locks", "trades", "days"):
        database.execute(f"DELETE FROM capital_{table}")
    other = open_capital("25000", **zone)
    other.import_json(exported)
    assert json.loads(other.export_json()) == json.loads(exported)
    assert other.is_sound
    assert other.snapshot().slices[0].bot_id == "imported"
    again = open_capital(**zone)
    assert json.loads(again.export_json()) == json.loads(exported)
    assert again.get_daily_pnl() == {"2023-11-15": -1_500, "2023-11-17": 700}


def exported(**changes: object) -> str:
    state = {
        "exchange": "bybit",
        "total_capital": "900",
        "initial_capital": "1000",
        "peak_capital": "1200",
        **changes,
    }
    return json.dumps(state)


def test_the_least_that_a_file_may_say(open_capital: Make) -> None:
    capital = open_capital("1000")
    capital.import_json(exported())
    snapshot = capital.snapshot()
    assert (snapshot.total, snapshot.initial, snapshot.peak) == (900, 1_000, 1_200)
    assert (snapshot.drawdown, snapshot.max_drawdown) == (D("0.25"), D("0.25"))
    assert snapshot.daily_pnl == 0
    assert [line.kind for line in snapshot.ledger] == ["released", "deposit"]
    assert capital.get_cash_by_kind() == {"deposit": 1_000, "released": -100}


def test_todays_result_counts_against_todays_limit(open_capital: Make) -> None:
    capital = open_capital("1000")
    capital.import_json(exported(daily_pnl={"2023-11-15": "-100", "2023-11-14": "40"}))
    figures = capital.figures()
    assert (figures.daily_pnl, figures.day_base, figures.daily_loss_ratio) == (
        -100,
        1_000,
        D("0.1"),
    )
    assert [day for day, _ in capital.snapshot().daily_results] == [1699920000000, 1700006400000]
    assert capital.snapshot().best_day == 40


def test_all_days_of_the_file_are_shown_before_today(open_capital: Make) -> None:
    capital = open_capital("1000")
    days = {"2023-11-12": "1", "2023-11-13": "2", "2023-11-14": "3", "2023-11-16": "9"}
    capital.import_json(exported(daily_pnl=days))
    assert [result for _, result in capital.snapshot().daily_results] == [1.0, 2.0, 3.0, 0.0]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("no json", "this is no capital state"),
        (exported(peak_capital=None), "this is no capital state"),
        (exported(exchange="okx"), "belongs to okx USDT, not bybit USDT"),
        (exported(currency="USDC"), "belongs to bybit USDC, not bybit USDT"),
        (exported(initial_capital="-1"), "an amount below zero"),
        (exported(allocations={"BTCUSDT": "-1"}), "an amount below zero"),
        (exported(daily_pnl={"yesterday": "1"}), "Invalid isoformat"),
    ],
)
def test_a_file_that_does_not_fit_changes_nothing(
    capital: SharedCapitalManager, text: str, sentence: str
) -> None:
    before = capital.snapshot()
    with pytest.raises(ValueError, match=sentence):
        capital.import_json(text)
    assert capital.snapshot() == before


def test_nothing_is_imported_over_a_ledger_that_has_begun(
    capital: SharedCapitalManager, fill: MakeFill
) -> None:
    free_of_charge = fill("", kind=FillKind.FUNDING)
    capital.on_fill(free_of_charge, OrderPurpose.EXTERNAL)  # a trade, though of no money
    with pytest.raises(ValueError, match="has begun already"):
        capital.import_json(exported())


def test_an_allocation_begins_a_ledger_too(capital: SharedCapitalManager) -> None:
    capital.allocate_for_position("BTCUSDT", D(1))
    with pytest.raises(ValueError, match="has begun already"):
        capital.import_json(exported())


def test_the_exchange_says_what_is_behind_an_imported_allocation(open_capital: Make) -> None:
    capital = open_capital("1000")
    capital.import_json(exported(allocations={"BTCUSDT": "50", "ETHUSDT": "60"}))
    assert capital.get_locked_symbols() == ["BTCUSDT", "ETHUSDT"]
    held = Position("main", "BTCUSDT", Side.BUY, D(1), D(80), 1_700_049_600_000)
    assert capital.synchronise(balance("900"), [held]) == 0
    [entry] = capital.snapshot().slices
    assert (entry.symbol, entry.amount, entry.bot_id) == ("BTCUSDT", 80, "external")
