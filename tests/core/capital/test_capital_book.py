"""The arithmetic alone: exact at every limit, and it notices when it does not add up."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from core.capital.book import CapitalBook, Line, PositionLock, Reservation
from core.capital.report import ratio
from core.models.fills import Fill
from core.models.orders import OrderPurpose, OrderRequest, Side
from core.models.positions import Position

D = Decimal
MakeFill = Callable[..., Fill]
MakeOrder = Callable[..., OrderRequest]


@pytest.fixture
def book() -> CapitalBook:
    book = CapitalBook(D("0.80"))
    book.book_line(Line("deposit", "", D(1_000), D(1_000)))
    return book


def reserve(book: CapitalBook, order_id: str, symbol: str = "BTCUSDT", amount: str = "100") -> None:
    book.reserve(Reservation(order_id, symbol, f"bot of {order_id}", D(10), D(amount)), "")


def test_a_book_whose_parts_do_not_add_up_says_so(book: CapitalBook) -> None:
    assert book.audit() == ""
    book.total += 1
    assert book.audit() == "the parts of the total 1001 add up to 1000"


@pytest.mark.parametrize(
    ("quantity", "amount", "booked", "is_wrong"),
    [("1", "0", "1", False), ("1", "-0.01", "0", True), ("1", "1", "1.01", True)],
)
def test_a_reservation_below_nothing_is_wrong(
    book: CapitalBook, quantity: str, amount: str, booked: str, is_wrong: bool
) -> None:
    book.reserve(Reservation("o", "BTCUSDT", "b", D(quantity), D(amount), D(booked)), "")
    assert bool(book.audit()) is is_wrong


@pytest.mark.parametrize(
    ("quantity", "amount", "is_wrong"),
    [("0", "0", False), ("-0.01", "1", True), ("1", "-0.01", True)],
)
def test_a_lock_below_nothing_is_wrong(
    book: CapitalBook, quantity: str, amount: str, is_wrong: bool
) -> None:
    book.locks["BTCUSDT"] = PositionLock("BTCUSDT", "b", Side.BUY, D(quantity), D(amount), 0)
    assert bool(book.audit()) is is_wrong


def test_a_copy_is_a_draft(book: CapitalBook, fill: MakeFill) -> None:
    draft = book.copy()
    reserve(draft, "o")
    draft.transfer(D(5), "")
    draft.fill(fill("", quantity="1"), OrderPurpose.ENTRY)
    assert (book.total, book.cash, book.reservations, book.locks) == (
        1_000,
        {"deposit": 1_000},
        {},
        {},
    )
    assert draft.total == 1_005


def test_the_room_is_the_cap_less_what_is_committed_and_never_below_nothing(
    book: CapitalBook,
) -> None:
    reserve(book, "o", amount="799.99")
    assert book.available == D("0.01")
    reserve(book, "p", amount="0.02")
    assert book.available == 0
    assert book.committed == D("800.01")


def test_a_position_found_is_owned_by_who_has_an_order_in_its_symbol(
    book: CapitalBook, fill: MakeFill
) -> None:
    reserve(book, "eth", "ETHUSDT")
    reserve(book, "btc", "BTCUSDT")
    found = Position("main", "BTCUSDT", Side.BUY, D(1), D(10), 0)
    book.synchronise([found], 0)
    assert book.locks["BTCUSDT"].bot_id == "bot of btc"


def test_what_a_symbol_holds_leaves_out_one_order_of_its_own(book: CapitalBook) -> None:
    reserve(book, "btc", amount="30")
    reserve(book, "btc-2", amount="5")
    reserve(book, "eth", "ETHUSDT", "7")
    assert book.committed_by_symbol() == {"BTCUSDT": 35, "ETHUSDT": 7}
    assert book.committed_to("BTCUSDT") == 35
    assert book.committed_to("BTCUSDT", "btc") == 5
    assert book.committed_to("BTCUSDT", "eth") == 35
    assert book.committed_to("SOLUSDT", "eth") == 0


def test_a_thirds_rounding_is_given_back_in_full_at_the_end(
    book: CapitalBook, fill: MakeFill
) -> None:
    """A share is rounded down, so the last one takes what is left: nothing stays held."""
    reserve(book, "o", amount="100")
    for quantity in ("3", "3"):
        book.fill(fill("o", quantity=quantity, price="1"), OrderPurpose.ENTRY)
    assert book.reservations["o"].amount == 40
    book.fill(fill("o", quantity="0.3333333", price="1"), OrderPurpose.ENTRY)
    assert book.reservations["o"].amount == D("36.66666700")
    book.fill(fill("o", quantity="3.6666667", price="1"), OrderPurpose.ENTRY)
    assert book.reservations == {}
    assert book.locked == 10


def test_a_short_gains_when_the_price_falls(book: CapitalBook, fill: MakeFill) -> None:
    book.fill(fill("", side=Side.SELL, quantity="2", price="50"), OrderPurpose.ENTRY)
    lock = book.locks["BTCUSDT"]
    assert lock.unrealized_pnl(D(40)) == 20
    assert lock.unrealized_pnl(D(70)) == -40


def test_a_part_of_nothing_is_nothing() -> None:
    assert ratio(D(5), D(0)) == 0
    assert ratio(D(0), D(5)) == 0
    assert ratio(D(1), D(4)) == D("0.25")
