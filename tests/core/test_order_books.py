"""A book kept from messages is the exchange's, or it is not shown."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.models.books import BookChange, BookGap, BookLevel, OrderBook

D = Decimal


def levels(*pairs):
    return [BookLevel(D(price), D(quantity)) for price, quantity in pairs]


def change(update_id, bids=(), asks=(), *, is_snapshot=False, previous_id=None):
    return BookChange(
        "BTCUSDT", is_snapshot, list(bids), list(asks), update_id or 0, update_id, previous_id
    )


@pytest.fixture
def book():
    kept = OrderBook("bybit", "BTCUSDT", depth=2)
    kept.apply(
        change(10, levels((9, 1), (8, 2), (7, 3)), levels((11, 1), (12, 2)), is_snapshot=True)
    )
    return kept


def test_best_levels_first_and_no_deeper_than_asked(book):
    picture = book.snapshot()
    assert picture.bids == ((D(9), D(1)), (D(8), D(2)))
    assert picture.asks == ((D(11), D(1)), (D(12), D(2)))


def test_a_change_sets_adds_and_removes(book):
    book.apply(change(11, levels((9, 0), (8, 5)), levels(("10.5", 4))))
    picture = book.snapshot()
    assert picture.bids == ((D(8), D(5)), (D(7), D(3)))
    assert picture.asks[0] == (D("10.5"), D(4))


def test_a_repetition_and_an_older_change_do_nothing(book):
    before = book.snapshot()
    book.apply(change(10, levels((9, 0))))
    book.apply(change(9, levels((9, 0))))
    assert book.snapshot() == before


@pytest.mark.parametrize(
    "gap", [change(12, levels((9, 0))), change(15, levels((9, 0)), previous_id=11)]
)
def test_a_gap_makes_the_book_unknown_until_the_next_snapshot(book, gap):
    with pytest.raises(BookGap, match="belongs"):
        book.apply(gap)
    assert not book.is_known
    book.apply(change(16, levels((9, 5))))
    assert not book.is_known
    book.apply(change(3, levels((5, 1)), levels((6, 1)), is_snapshot=True))
    assert book.snapshot().bids == ((D(5), D(1)),)


def test_named_predecessors_may_leave_numbers_out(book):
    book.apply(change(15, levels((9, 7)), previous_id=10))
    assert book.snapshot().bids[0] == (D(9), D(7))


def test_bids_at_the_asks_cannot_be_true(book):
    with pytest.raises(BookGap, match="not below"):
        book.apply(change(11, levels((11, 1))))
    assert not book.is_known


@given(
    st.lists(
        st.tuples(st.integers(1, 50), st.integers(0, 3), st.integers(51, 100), st.integers(0, 3)),
        max_size=40,
    )
)
def test_changes_in_order_give_what_the_exchange_has(steps):
    book = OrderBook("bybit", "BTCUSDT", depth=100)
    bids, asks = {}, {}
    book.apply(change(1, is_snapshot=True))
    for number, (bid, bid_size, ask, ask_size) in enumerate(steps, start=2):
        bids[bid], asks[ask] = bid_size, ask_size
        book.apply(change(number, levels((bid, bid_size)), levels((ask, ask_size))))
    picture = book.snapshot()
    assert dict(picture.bids) == {price: size for price, size in bids.items() if size}
    assert dict(picture.asks) == {price: size for price, size in asks.items() if size}
    assert [level.price for level in picture.bids] == sorted(dict(picture.bids), reverse=True)
