"""What the ledger promises, one sentence a test."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from core.capital.shared_capital_manager import SharedCapitalManager
from core.clock import ManualClock
from core.models.fills import Fill, FillKind
from core.models.orders import Order, OrderPurpose, OrderRequest, OrderStatus, OrderType, Side
from core.models.positions import Balance, Position
from core.storage.database import open_database

D = Decimal
Make = Callable[..., SharedCapitalManager]
MakeOrder = Callable[..., OrderRequest]
MakeFill = Callable[..., Fill]
NO_FEE = {"taker_fee_ratio": D(0)}
HOUR_MS = 3_600_000


def ended(status: OrderStatus, filled: str, client_order_id: str = "order-1") -> Order:
    return Order(
        client_order_id=client_order_id,
        exchange_order_id="x",
        account="main",
        bot_id="bot-1",
        symbol="BTCUSDT",
        side=Side.BUY,
        order_type=OrderType.MARKET,
        quantity=D(10),
        status=status,
        purpose=OrderPurpose.ENTRY,
        created_ms=0,
        updated_ms=0,
        filled_quantity=D(filled),
    )


def balance(wallet: str, updated_ms: int = 1_700_049_600_000, currency: str = "USDT") -> Balance:
    return Balance("main", currency, D(wallet), D(wallet), D(wallet), updated_ms)


def position(
    quantity: str, price: str, updated_ms: int = 1_700_049_600_000, symbol: str = "BTCUSDT"
) -> Position:
    return Position("main", symbol, Side.BUY, D(quantity), D(price), updated_ms)


def parts(capital: SharedCapitalManager) -> tuple[Decimal, Decimal, Decimal]:
    snapshot = capital.snapshot()
    assert snapshot.total == snapshot.free + snapshot.reserved + snapshot.locked
    return snapshot.free, snapshot.reserved, snapshot.locked


def test_an_entry_reserves_notional_and_fee(
    capital: SharedCapitalManager, entry: MakeOrder
) -> None:
    assert capital.reserve(entry()) is None
    assert parts(capital) == (D("8999.45"), D("1000.55"), 0)
    assert capital.get_available_capital() == D("6999.45")


def test_asking_twice_reserves_once(capital: SharedCapitalManager, entry: MakeOrder) -> None:
    capital.reserve(entry())
    assert capital.reserve(entry()) is None
    assert capital.snapshot().reserved == D("1000.55")


def test_an_order_that_has_ended_cannot_reserve_again(open_capital: Make, entry: MakeOrder) -> None:
    capital = open_capital()
    capital.reserve(entry())
    capital.give_back("order-1")
    denial = open_capital().reserve(entry())
    assert denial is not None
    assert denial.code == "order_settled"


@pytest.mark.parametrize(("quantity", "fits"), [("80", True), ("80.01", False)])
def test_the_cap_is_80_percent_exactly(
    open_capital: Make, entry: MakeOrder, quantity: str, fits: bool
) -> None:
    denial = open_capital(**NO_FEE).reserve(entry(quantity=quantity))
    assert (denial is None) is fits


def test_the_denial_names_the_numbers(open_capital: Make, entry: MakeOrder) -> None:
    denial = open_capital(**NO_FEE).reserve(entry(quantity="90"))
    assert denial is not None
    assert denial.code == "capital_cap"
    assert denial.text == "9,000.00 USDT needed, 8,000.00 of 10,000.00 is free under the 80% cap"


def test_exits_need_no_capital(capital: SharedCapitalManager, entry: MakeOrder) -> None:
    assert capital.reserve(entry(quantity="500", purpose=OrderPurpose.EXIT)) is None
    assert parts(capital) == (10000, 0, 0)


@pytest.mark.parametrize("quantity", ["0", "-1"])
def test_an_order_for_nothing_is_denied_and_harms_nothing(
    capital: SharedCapitalManager, entry: MakeOrder, quantity: str
) -> None:
    denial = capital.reserve(entry(quantity=quantity))
    assert denial is not None
    assert denial.code == "order_size"
    assert capital.is_sound


def test_give_back_frees_the_reservation_once(
    capital: SharedCapitalManager, entry: MakeOrder
) -> None:
    capital.reserve(entry())
    capital.give_back("order-1")
    capital.give_back("order-1")
    capital.give_back("never seen")
    assert parts(capital) == (10000, 0, 0)


def test_an_entry_fill_moves_reserved_to_locked(
    capital: SharedCapitalManager, entry: MakeOrder, fill: MakeFill
) -> None:
    capital.reserve(entry())
    assert capital.on_fill(fill(quantity="4", price="101", fee="0.2"), OrderPurpose.ENTRY)
    assert parts(capital) == (D("8995.47"), D("600.33"), 404)
    assert capital.on_fill(fill(quantity="6", price="102", fee="0.3"), OrderPurpose.ENTRY)
    assert parts(capital) == (D("8983.5"), 0, 1016)
    assert capital.get_locked_symbols() == ["BTCUSDT"]


def test_a_trade_is_booked_once_even_after_a_restart(
    open_capital: Make, entry: MakeOrder, fill: MakeFill
) -> None:
    capital = open_capital()
    capital.reserve(entry())
    trade = fill(fee="0.5", trade_id="t")
    assert capital.on_fill(trade, OrderPurpose.ENTRY)
    before = capital.snapshot()
    assert not capital.on_fill(trade, OrderPurpose.ENTRY)
    reopened = open_capital("777")
    assert not reopened.on_fill(trade, OrderPurpose.ENTRY)
    assert reopened.snapshot() == before


def test_a_cancel_after_a_partial_fill_gives_back_the_rest(
    open_capital: Make, entry: MakeOrder, fill: MakeFill
) -> None:
    capital = open_capital(**NO_FEE)
    capital.reserve(entry())
    capital.on_fill(fill(quantity="4"), OrderPurpose.ENTRY)
    capital.on_order(ended(OrderStatus.CANCELLED, "4"))
    assert parts(capital) == (9600, 0, 400)
    assert [(line.kind, line.amount) for line in capital.snapshot().ledger] == [
        ("given_back", 600),
        ("locked", 400),
        ("reserved", 1000),
        ("deposit", 10000),
    ]


def test_a_cancel_that_overtakes_its_fills_keeps_their_share(
    open_capital: Make, entry: MakeOrder, fill: MakeFill
) -> None:
    capital = open_capital(**NO_FEE)
    capital.reserve(entry())
    capital.on_order(ended(OrderStatus.CANCELLED, "4"))
    capital.on_order(ended(OrderStatus.CANCELLED, "4"))
    assert parts(capital) == (9600, 400, 0)
    assert [(line.kind, line.amount) for line in capital.snapshot().ledger[:2]] == [
        ("given_back", 600),
        ("reserved", 1000),
    ]
    capital.on_fill(fill(quantity="1"), OrderPurpose.ENTRY)
    assert parts(capital) == (9600, 300, 100)
    capital.on_fill(fill(quantity="3"), OrderPurpose.ENTRY)
    assert parts(capital) == (9600, 0, 400)


def test_a_filled_order_that_overtakes_its_fill_gives_nothing_back(
    open_capital: Make, entry: MakeOrder
) -> None:
    capital = open_capital(**NO_FEE)
    capital.reserve(entry())
    capital.on_order(ended(OrderStatus.FILLED, "10"))
    assert capital.snapshot().reserved == 1000
    assert capital.snapshot().ledger[0].kind == "reserved"


def test_a_working_order_keeps_its_reservation(open_capital: Make, entry: MakeOrder) -> None:
    capital = open_capital(**NO_FEE)
    capital.reserve(entry())
    for status in (OrderStatus.SENT, OrderStatus.UNKNOWN, OrderStatus.ACKNOWLEDGED):
        capital.on_order(ended(status, "0"))
    assert capital.snapshot().reserved == 1000


def test_a_fill_after_the_cancel_is_locked_all_the_same(
    capital: SharedCapitalManager, entry: MakeOrder, fill: MakeFill
) -> None:
    capital.reserve(entry())
    capital.on_order(ended(OrderStatus.CANCELLED, "0"))
    capital.on_fill(fill(), OrderPurpose.ENTRY)
    assert parts(capital) == (9000, 0, 1000)


@pytest.mark.parametrize(
    "purpose", [OrderPurpose.EXIT, OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT]
)
def test_an_exit_releases_pro_rata_and_books_the_result(
    capital: SharedCapitalManager, fill: MakeFill, purpose: OrderPurpose
) -> None:
    capital.on_fill(fill(), OrderPurpose.ENTRY)
    capital.on_fill(
        fill("", side=Side.SELL, quantity="3", price="110", pnl="30", fee="0.2"), purpose
    )
    assert parts(capital) == (D("9329.8"), 0, 700)
    assert capital.snapshot().trades == 0
    capital.on_fill(fill("", side=Side.SELL, quantity="7", price="90", pnl="-70"), purpose)
    assert parts(capital) == (D("9959.8"), 0, 0)
    snapshot = capital.snapshot()
    assert snapshot.realized_pnl == D("-40.2")
    assert snapshot.daily_realized_pnl == D("-40.2")
    assert snapshot.trades == 1


def test_an_exit_of_what_is_not_known_opens_nothing(
    capital: SharedCapitalManager, fill: MakeFill
) -> None:
    capital.on_fill(fill("", side=Side.SELL, pnl="5"), OrderPurpose.STOP_LOSS)
    assert parts(capital) == (10005, 0, 0)
    assert capital.snapshot().trades == 0


def test_an_opposite_entry_closes_before_it_opens(
    capital: SharedCapitalManager, fill: MakeFill
) -> None:
    capital.on_fill(fill(quantity="4"), OrderPurpose.ENTRY)
    capital.on_fill(fill(side=Side.SELL, quantity="10", price="110", pnl="40"), OrderPurpose.ENTRY)
    assert parts(capital) == (9380, 0, 660)
    capital.on_mark_price("BTCUSDT", D(100))
    assert capital.snapshot().unrealized_pnl == 60


def test_a_trade_made_elsewhere_is_locked_as_external(
    capital: SharedCapitalManager, fill: MakeFill
) -> None:
    trade = msgspec.structs.replace(fill(""), bot_id="")
    capital.on_fill(trade, OrderPurpose.EXTERNAL)
    assert [(s.symbol, s.bot_id) for s in capital.snapshot().slices] == [("BTCUSDT", "external")]


def test_funding_moves_cash_and_locks_nothing(
    capital: SharedCapitalManager, fill: MakeFill
) -> None:
    capital.on_fill(fill("", fee="1.5", kind=FillKind.FUNDING), OrderPurpose.EXTERNAL)
    capital.on_fill(fill("", fee="-0.5", kind=FillKind.FUNDING), OrderPurpose.EXTERNAL)
    assert parts(capital) == (9999, 0, 0)
    capital.on_fill(fill("", fee="0", kind=FillKind.FUNDING), OrderPurpose.EXTERNAL)
    assert [line.text for line in capital.snapshot().ledger[:3]] == [
        "BTCUSDT, received",
        "BTCUSDT, received",
        "BTCUSDT, paid",
    ]


def test_losses_may_leave_more_in_use_than_the_cap_and_only_end_entries(
    open_capital: Make, entry: MakeOrder, fill: MakeFill
) -> None:
    capital = open_capital(**NO_FEE)
    capital.reserve(entry(quantity="80"))
    capital.on_fill(fill(quantity="80", fee="500"), OrderPurpose.ENTRY)
    assert capital.is_sound
    assert capital.get_available_capital() == 0
    assert capital.reserve(entry("order-2", quantity="0.01")) is not None
    assert capital.on_fill(fill("", side=Side.SELL, quantity="80"), OrderPurpose.EXIT)
    assert parts(capital) == (9500, 0, 0)


def test_marks_move_equity_peak_and_drawdown(capital: SharedCapitalManager, fill: MakeFill) -> None:
    capital.on_fill(fill(quantity="50"), OrderPurpose.ENTRY)
    capital.on_mark_price("BTCUSDT", D(150))
    capital.on_mark_price("ETHUSDT", D(1))
    capital.on_mark_price("BTCUSDT", D(125))
    snapshot = capital.snapshot()
    assert (snapshot.equity, snapshot.unrealized_pnl) == (11250, 1250)
    assert (snapshot.peak, snapshot.drawdown, snapshot.max_drawdown) == (12500, D("0.1"), D("0.1"))
    assert snapshot.total == 10000
    assert snapshot.daily_pnl == 1250
    assert snapshot.slices[0].unrealized_pnl == 1250


def test_the_price_of_a_closed_position_values_no_later_one(
    capital: SharedCapitalManager, fill: MakeFill
) -> None:
    capital.on_fill(fill(), OrderPurpose.ENTRY)
    capital.on_mark_price("BTCUSDT", D(150))
    capital.on_fill(fill("", side=Side.SELL, quantity="10"), OrderPurpose.EXIT)
    capital.on_fill(fill(), OrderPurpose.ENTRY)
    assert capital.snapshot().unrealized_pnl == 0


def test_the_least_that_is_still_to_come_stays_reserved(
    capital: SharedCapitalManager, entry: MakeOrder
) -> None:
    assert capital.reserve(entry()) is None
    whole = capital.snapshot().reserved
    capital.on_order(ended(OrderStatus.CANCELLED, "0.5"))
    assert capital.snapshot().reserved == whole / 20


def test_an_allocation_by_name_waits_for_its_position(capital: SharedCapitalManager) -> None:
    """The exchange cannot know of it yet: its silence ends nothing."""
    assert capital.allocate_for_position("BTCUSDT", D(100))
    nothing_held = Balance("demo", "USDT", D(10_000), D(10_000), D(10_000), 2**50)
    capital.synchronise(nothing_held, [])
    assert capital.get_locked_symbols() == ["BTCUSDT"]


@pytest.mark.parametrize(("asked_later_ms", "held"), [(-1, ["BTCUSDT"]), (0, [])])
def test_silence_ends_a_position_unless_its_fill_is_newer_than_the_question(
    capital: SharedCapitalManager, fill: MakeFill, asked_later_ms: int, held: list[str]
) -> None:
    execution = fill()
    capital.on_fill(execution, OrderPurpose.ENTRY)
    nothing_held = Balance("demo", "USDT", D(10_000), D(10_000), D(10_000), 2**50)
    capital.synchronise(nothing_held, [], as_of_ms=execution.time_ms + asked_later_ms)
    assert capital.get_locked_symbols() == held


def test_a_new_position_is_worth_what_was_paid_until_the_market_is_heard(
    capital: SharedCapitalManager, fill: MakeFill
) -> None:
    capital.on_fill(fill(), OrderPurpose.ENTRY)
    assert capital.snapshot().slices[0].unrealized_pnl == 0
    capital.on_fill(fill(price="110"), OrderPurpose.ENTRY)  # the first ten are worth more now
    assert capital.figures().equity == 10_100
    capital.on_mark_price("BTCUSDT", D(105))
    capital.on_fill(fill(price="120"), OrderPurpose.ENTRY)  # an execution may be told late
    assert capital.figures().equity == 10_000 + 50 - 50 - 150


def test_funding_values_nothing(capital: SharedCapitalManager, fill: MakeFill) -> None:
    capital.synchronise(
        Balance("demo", "USDT", D(10_000), D(10_000), D(10_000), 1),
        [Position("demo", "BTCUSDT", Side.BUY, D(10), D(100), 1)],
    )
    capital.on_fill(fill("", price="999", kind=FillKind.FUNDING), OrderPurpose.EXTERNAL)
    assert capital.figures().equity == 10_000
    capital.on_fill(fill(price="100", quantity="1"), OrderPurpose.ENTRY)
    assert capital.figures().equity == 10_000


def test_a_position_taken_over_changes_hands_and_nothing_else(
    capital: SharedCapitalManager, open_capital: Make
) -> None:
    capital.synchronise(
        Balance("demo", "USDT", D(10_000), D(10_000), D(10_000), 1),
        [Position("demo", "BTCUSDT", Side.BUY, D(10), D(100), 1)],
    )
    before = capital.figures()
    assert capital.snapshot().slices[0].bot_id == "external"
    capital.take_over("BTCUSDT", "bot-7")
    assert capital.snapshot().slices[0].bot_id == "bot-7"
    assert capital.snapshot().ledger[0].text == "BTCUSDT, taken over by bot-7"
    lines = len(capital.snapshot().ledger)
    capital.take_over("BTCUSDT", "bot-7")
    capital.take_over("ETHUSDT", "bot-7")  # nothing is held there
    assert len(capital.snapshot().ledger) == lines
    capital.take_over("BTCUSDT", "")
    assert capital.figures() == before
    assert open_capital().snapshot().slices[0].bot_id == "manual"


@pytest.mark.parametrize("quantity", ["79", "80", "0", "-1"])
def test_a_preview_says_what_reserving_says_and_keeps_nothing(
    capital: SharedCapitalManager, entry: MakeOrder, quantity: str
) -> None:
    order = entry(quantity=quantity)  # 80 x 100 and its fee are above the cap
    seen = capital.preview(order)
    assert capital.snapshot().reserved == 0
    assert seen == capital.reserve(order)
    assert (seen is None) == (quantity == "79")


def test_a_preview_of_an_exit_needs_nothing_and_of_broken_books_says_so(
    capital: SharedCapitalManager, entry: MakeOrder
) -> None:
    assert capital.preview(entry(quantity="999", purpose=OrderPurpose.EXIT)) is None
    capital._live.write_fault = "the disk is full"
    denial = capital.preview(entry())
    assert denial is not None
    assert (denial.code, denial.text) == ("ledger_unsound", "no new entries: the disk is full")


def test_peak_marks_and_equity_survive_a_restart(
    open_capital: Make, clock: ManualClock, fill: MakeFill
) -> None:
    capital = open_capital()
    capital.on_fill(fill(quantity="50"), OrderPurpose.ENTRY)
    capital.on_mark_price("BTCUSDT", D(150))
    clock.advance_ms(1_000)
    capital.on_mark_price("BTCUSDT", D(125))
    before = capital.snapshot()
    assert open_capital().snapshot() == before


def test_the_day_rolls_at_midnight_of_the_traders_zone(
    open_capital: Make, clock: ManualClock, fill: MakeFill
) -> None:
    capital = open_capital(timezone=ZoneInfo("Asia/Seoul"))  # 21:00 there
    capital.on_fill(fill("", fee="-25", kind=FillKind.FUNDING), OrderPurpose.EXTERNAL)
    clock.advance_ms(3 * HOUR_MS - 1)
    assert capital.figures().daily_pnl == 25
    clock.advance_ms(1)
    assert capital.get_daily_pnl(1) == {"2023-11-16": 0}
    assert capital.figures().daily_pnl == 0
    capital.on_fill(fill("", fee="10", kind=FillKind.FUNDING), OrderPurpose.EXTERNAL)
    assert capital.get_daily_pnl() == {"2023-11-15": 25, "2023-11-16": -10}
    assert capital.get_daily_pnl(1) == {"2023-11-16": -10}
    snapshot = capital.snapshot()
    assert [result for _, result in snapshot.daily_results] == [25.0, -10.0]
    assert (snapshot.best_day, snapshot.worst_day) == (25, -10)


def test_a_week_is_told_unless_asked_otherwise(
    capital: SharedCapitalManager, clock: ManualClock
) -> None:
    for _ in range(40):
        clock.advance_ms(24 * HOUR_MS)
        capital.on_mark_price("BTCUSDT", D(1))
    assert len(capital.get_daily_pnl()) == 7
    assert len(capital.get_daily_pnl(35)) == 35
    assert list(capital.get_daily_pnl(2)) == ["2023-12-24", "2023-12-25"]
    assert len(capital.snapshot().daily_results) == 30


def test_daily_loss_is_a_part_of_the_days_first_equity(
    capital: SharedCapitalManager, fill: MakeFill
) -> None:
    assert capital.figures().daily_loss_ratio == 0
    capital.on_fill(fill("", fee="300", kind=FillKind.FUNDING), OrderPurpose.EXTERNAL)
    assert capital.figures().daily_loss_ratio == D("0.03")


def test_names_of_the_spec_lock_and_release(capital: SharedCapitalManager) -> None:
    assert capital.allocate_for_position("BTCUSDT", D(5000))
    capital.on_mark_price("BTCUSDT", D(100))
    assert capital.snapshot().unrealized_pnl == 0
    assert not capital.allocate_for_position("ETHUSDT", D("3000.01"))
    assert capital.allocate_for_position("ETHUSDT", D(3000))
    assert capital.get_allocation_ratio() == D("0.8")
    assert capital.get_locked_symbols() == ["BTCUSDT", "ETHUSDT"]
    capital.release_position("BTCUSDT", D("-12.5"))
    assert parts(capital) == (D("6987.5"), 0, 3000)
    stats = capital.get_stats()
    assert (stats.realized_pnl, stats.locked_capital) == (D("-12.5"), 3000)
    capital.release_position("SOLUSDT", D(0))
    assert capital.snapshot().trades == 1
    with pytest.raises(ValueError, match="more than zero"):
        capital.allocate_for_position("BTCUSDT", D(0))


def test_the_position_takes_the_place_of_its_allocation(
    capital: SharedCapitalManager, fill: MakeFill
) -> None:
    capital.allocate_for_position("BTCUSDT", D(1100))
    capital.on_fill(fill(side=Side.SELL), OrderPurpose.ENTRY)
    assert parts(capital) == (9000, 0, 1000)
    capital.on_mark_price("BTCUSDT", D(90))
    assert capital.snapshot().unrealized_pnl == 100


def test_the_race_of_the_design_ends_at_8900(open_capital: Make) -> None:
    first = open_capital()
    assert first.allocate_for_position("BTCUSDT", D(500))
    assert first.allocate_for_position("ETHUSDT", D(600))
    assert first.snapshot().free == 8900


def test_synchronise_rebuilds_locks_and_returns_the_difference(
    capital: SharedCapitalManager,
) -> None:
    found = msgspec.structs.replace(position("2", "100"), mark_price=D(110))
    assert capital.synchronise(balance("9990"), [found, position("0", "0", symbol="X")]) == 10
    snapshot = capital.snapshot()
    assert [(s.symbol, s.bot_id, s.amount) for s in snapshot.slices] == [
        ("BTCUSDT", "external", 200)
    ]
    assert snapshot.equity == 10020
    lines = len(snapshot.ledger)
    capital.synchronise(balance("9990"), [found])
    assert len(capital.snapshot().ledger) == lines


def test_synchronise_keeps_the_owner_and_takes_the_exchanges_quantity(
    capital: SharedCapitalManager, fill: MakeFill
) -> None:
    capital.on_fill(fill(quantity="10"), OrderPurpose.ENTRY)
    capital.synchronise(balance("10000"), [position("7", "100")])
    assert [(s.bot_id, s.amount) for s in capital.snapshot().slices] == [("bot-1", 700)]


def test_synchronise_gives_a_position_to_the_bot_whose_order_is_open(
    capital: SharedCapitalManager, entry: MakeOrder
) -> None:
    capital.reserve(entry())
    capital.synchronise(balance("10000"), [position("10", "100")])
    assert {s.bot_id for s in capital.snapshot().slices} == {"bot-1"}


def test_fills_older_than_the_found_position_move_cash_only(
    capital: SharedCapitalManager, fill: MakeFill
) -> None:
    capital.synchronise(balance("10000", 2_000), [position("10", "100", 2_000)])
    capital.on_fill(fill(time_ms=2_000, fee="1"), OrderPurpose.ENTRY)
    assert parts(capital) == (8999, 0, 1000)
    assert [(line.kind, line.amount) for line in capital.snapshot().ledger[:2]] == [
        ("fee", 1),
        ("locked", 0),
    ]
    capital.on_fill(fill("", time_ms=2_000, side=Side.SELL, quantity="1"), OrderPurpose.EXIT)
    assert parts(capital) == (8999, 0, 1000)
    assert capital.snapshot().ledger[0].amount == 0
    capital.on_fill(fill("", time_ms=2_001, side=Side.SELL, quantity="5"), OrderPurpose.EXIT)
    assert parts(capital) == (9499, 0, 500)


def test_synchronise_releases_what_the_exchange_no_longer_holds(
    capital: SharedCapitalManager, fill: MakeFill
) -> None:
    capital.on_fill(fill(time_ms=2_000), OrderPurpose.ENTRY)
    capital.synchronise(balance("10000", updated_ms=1_999), [])
    assert capital.get_locked_symbols() == ["BTCUSDT"]  # the answer is older than the fill
    capital.synchronise(balance("10000", updated_ms=2_001), [], as_of_ms=1_999)
    assert capital.get_locked_symbols() == ["BTCUSDT"]
    capital.synchronise(balance("10000", updated_ms=2_001), [])
    assert capital.get_locked_symbols() == []


def test_an_older_position_never_overwrites_a_newer_fill(
    capital: SharedCapitalManager, fill: MakeFill
) -> None:
    capital.on_fill(fill(time_ms=2_000), OrderPurpose.ENTRY)
    capital.synchronise(balance("10000"), [position("3", "100", updated_ms=1_000)])
    assert capital.snapshot().locked == 1000


def test_synchronise_refuses_another_currency(capital: SharedCapitalManager) -> None:
    with pytest.raises(ValueError, match="in USDT, the balance in USDC"):
        capital.synchronise(balance("1", currency="USDC"), [])


def test_the_first_capital_counts_once(open_capital: Make) -> None:
    open_capital("10000")
    assert open_capital("500").snapshot().initial == 10000


def test_a_ledger_of_another_exchange_is_refused(open_capital: Make, tmp_path: Path) -> None:
    open_capital()
    database = open_database(tmp_path / "capital.sqlite")
    with pytest.raises(ValueError, match="belongs to bybit USDT, not okx USDT"):
        SharedCapitalManager("okx", D(1), database=database, clock=ManualClock())
    database.close()


def test_a_ledger_may_begin_with_nothing(open_capital: Make) -> None:
    capital = open_capital("0")
    assert capital.snapshot().total == capital.figures().daily_loss_ratio == 0
    assert capital.get_allocation_ratio() == capital.get_stats().roi == 0


def test_a_negative_first_capital_is_refused(open_capital: Make) -> None:
    with pytest.raises(ValueError, match="below zero"):
        open_capital("-1")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("UPDATE capital_state SET value='10' WHERE key='total'", "the stored total is 10"),
        ("UPDATE capital_reservations SET amount='-5'", "below nothing"),
        ("UPDATE capital_locks SET amount='-5'", "below nothing"),
    ],
)
def test_books_that_do_not_add_up_refuse_entries_and_let_exits_go_on(
    *,
    open_capital: Make,
    entry: MakeOrder,
    fill: MakeFill,
    tmp_path: Path,
    fail_on_unexpected_log: list[logging.LogRecord],
    damage: str,
    sentence: str,
) -> None:
    capital = open_capital()
    capital.reserve(entry("order-2", symbol="ETHUSDT"))
    capital.on_fill(fill(), OrderPurpose.ENTRY)
    database = open_database(tmp_path / "capital.sqlite")
    database.execute(damage)
    database.close()
    capital = open_capital()
    assert sentence in capital.fault
    assert not capital.is_sound
    denial = capital.reserve(entry("order-3"))
    assert denial is not None
    assert denial.code == "ledger_unsound"
    assert not capital.allocate_for_position("SOLUSDT", D(1))
    assert capital.on_fill(fill("", side=Side.SELL, quantity="10"), OrderPurpose.EXIT)
    assert [record.levelname for record in fail_on_unexpected_log] == ["ERROR"]
    fail_on_unexpected_log.clear()


def test_a_ledger_that_cannot_be_written_denies_entries_and_stays_as_it_was(
    *,
    open_capital: Make,
    entry: MakeOrder,
    fill: MakeFill,
    tmp_path: Path,
    fail_on_unexpected_log: list[logging.LogRecord],
) -> None:
    capital = open_capital()
    before = parts(capital)
    other = open_database(tmp_path / "capital.sqlite")
    other.executescript(
        "CREATE TRIGGER full BEFORE INSERT ON capital_lines"
        " BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
    )
    other.close()
    denial = capital.reserve(entry())
    assert denial is not None
    assert "disk is full" in denial.text
    with pytest.raises(sqlite3.Error):
        capital.on_fill(fill(fee="7"), OrderPurpose.ENTRY)
    assert parts(capital) == before
    assert capital.figures().daily_pnl == 0
    fail_on_unexpected_log.clear()


def test_a_senseless_fill_is_booked_and_ends_entries(
    capital: SharedCapitalManager,
    entry: MakeOrder,
    fill: MakeFill,
    fail_on_unexpected_log: list[logging.LogRecord],
) -> None:
    assert capital.on_fill(fill(price="-100", fee="2"), OrderPurpose.EXTERNAL)
    assert capital.fault == "lock of BTCUSDT is below nothing: -1000"
    assert capital.snapshot().total == 9998
    assert capital.reserve(entry()) is not None
    fail_on_unexpected_log.clear()


def test_marks_that_cannot_be_written_are_followed_all_the_same(
    open_capital: Make,
    fill: MakeFill,
    clock: ManualClock,
    tmp_path: Path,
    fail_on_unexpected_log: list[logging.LogRecord],
) -> None:
    capital = open_capital()
    capital.on_fill(fill(), OrderPurpose.ENTRY)
    other = open_database(tmp_path / "capital.sqlite")
    other.execute("DROP TABLE capital_equity")
    other.close()
    clock.advance_ms(1_000)
    capital.on_mark_price("BTCUSDT", D(101))
    assert capital.snapshot().unrealized_pnl == 10
    assert "could not be written" in capital.fault
    fail_on_unexpected_log.clear()


def test_resetting_the_peak_starts_drawdown_anew(open_capital: Make, fill: MakeFill) -> None:
    capital = open_capital()
    capital.on_fill(fill("", fee="2000", kind=FillKind.FUNDING), OrderPurpose.EXTERNAL)
    assert capital.figures().drawdown == D("0.2")
    capital.reset_peak()
    capital = open_capital()
    assert capital.figures().drawdown == 0
    assert capital.snapshot().max_drawdown == D("0.2")


def test_the_symbol_that_holds_most_includes_its_orders(
    open_capital: Make, entry: MakeOrder, fill: MakeFill
) -> None:
    capital = open_capital(**NO_FEE)
    assert capital.figures().largest_symbol == 0
    capital.on_fill(fill(quantity="3"), OrderPurpose.ENTRY)
    capital.reserve(entry("order-2", quantity="2"))
    capital.reserve(entry("order-3", symbol="ETHUSDT", quantity="4"))
    assert capital.figures().largest_symbol == 500
    assert capital.figures().symbols == {"BTCUSDT", "ETHUSDT"}
    assert capital.committed_to("BTCUSDT", except_order="order-2") == 300


def test_the_export_has_the_designs_keys_and_exact_amounts(
    open_capital: Make, entry: MakeOrder, fill: MakeFill
) -> None:
    capital = open_capital(**NO_FEE)
    capital.on_fill(fill(fee="0.1"), OrderPurpose.ENTRY)
    capital.reserve(entry("order-2", quantity="2"))
    state = json.loads(capital.export_json())
    assert state["total_capital"] == "9999.9"
    assert state["allocations"] == {"BTCUSDT": "1200"}
    assert state["daily_pnl"] == {"2023-11-15": "-0.1"}
    assert set(state) >= {"exchange", "initial_capital", "peak_capital", "max_drawdown", "roi"}


def test_the_newest_fifty_lines_are_kept_newest_first(
    capital: SharedCapitalManager, fill: MakeFill
) -> None:
    for number in range(60):
        trade = fill("", fee=str(number + 1), kind=FillKind.FUNDING)
        capital.on_fill(trade, OrderPurpose.EXTERNAL)
    lines = capital.snapshot().ledger
    assert [line.amount for line in lines] == [D(n) for n in range(60, 10, -1)]


def test_the_equity_curve_ends_now(
    capital: SharedCapitalManager, clock: ManualClock, fill: MakeFill
) -> None:
    for _ in range(5):
        clock.advance_ms(60_000)
        capital.on_mark_price("BTCUSDT", D(1))
    capital.on_fill(fill("", fee="100", kind=FillKind.FUNDING), OrderPurpose.EXTERNAL)
    clock.advance_ms(10)
    curve = capital.snapshot().equity_curve
    assert len(curve) == 6
    assert curve[-1] == (clock.time_ms(), 9900.0)


def test_the_curve_on_disk_stays_as_short_as_in_memory(
    open_capital: Make, clock: ManualClock
) -> None:
    capital = open_capital()
    for _ in range(520):
        clock.advance_ms(60_000)
        capital.on_mark_price("BTCUSDT", D(1))
    curve = capital.snapshot().equity_curve
    assert len(curve) == 500
    assert open_capital().snapshot().equity_curve == curve


def test_the_marks_of_a_second_wait_for_no_disk_but_money_and_days_do(
    open_capital: Make, clock: ManualClock, tmp_path: Path
) -> None:
    """The engine's loop saves them every second: no price must wait there for an fsync."""
    database = open_database(tmp_path / "capital.sqlite")
    capital = open_capital(database=database)
    statements: list[str] = []
    database.set_trace_callback(statements.append)

    def modes() -> list[str]:
        found = [text.rpartition("=")[2] for text in statements if "synchronous" in text]
        statements.clear()
        return found

    assert capital.book_transfer(D(100), "deposit")
    assert modes() == []
    clock.advance_ms(1_500)
    capital.on_mark_price("BTCUSDT", D(1))
    assert modes() == ["NORMAL", "FULL"]
    clock.advance_ms(24 * HOUR_MS)
    capital.figures()
    assert modes() == []
    database.close()
