"""Order books: what an exchange says of them, the book kept from it, and a picture of that book.

A book is right or it is not shown: a gap in the sequence, or a best bid at or above the best ask,
makes it unknown until the next snapshot.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import msgspec


class BookLevel(NamedTuple):
    """`quantity` in the base currency; zero in a change removes the level."""

    price: Decimal
    quantity: Decimal


class BookChange(msgspec.Struct, frozen=True):
    """One message about a book. A snapshot replaces it, a change follows the message
    `previous_id` (None: the exchange numbers messages without holes)."""

    symbol: str
    is_snapshot: bool
    bids: list[BookLevel]
    asks: list[BookLevel]
    time_ms: int
    update_id: int | None = None
    previous_id: int | None = None


class OrderBookSnapshot(msgspec.Struct, frozen=True):
    """Best levels first. `time_ms` is the exchange's clock."""

    exchange: str
    symbol: str
    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]
    time_ms: int
    update_id: int | None = None


class BookGap(Exception):
    """A change does not follow the last one, or the book cannot be true: ask for a snapshot."""


class OrderBook:
    """The book of one symbol, kept from messages. `is_known` is False until a snapshot came, and
    after a gap."""

    def __init__(self, exchange: str, symbol: str, depth: int) -> None:
        """`depth`: levels of a side in a picture."""
        self.is_known = False
        self._exchange = exchange
        self._symbol = symbol
        self._depth = depth
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}
        self._update_id: int | None = None
        self._time_ms = 0

    def apply(self, change: BookChange) -> None:
        """Raises BookGap; the book is then unknown. A change before the first snapshot, or older
        than the book, is ignored."""
        if change.is_snapshot:
            self._bids = {}
            self._asks = {}
        elif not self.is_known:
            return
        elif change.update_id is not None and self._update_id is not None:
            if change.update_id <= self._update_id:
                return
            expected = self._update_id if change.previous_id is not None else self._update_id + 1
            said = change.previous_id if change.previous_id is not None else change.update_id
            if said != expected:
                self.is_known = False
                raise BookGap(f"{self._symbol}: book update {said} came where {expected} belongs")
        _merge(self._bids, change.bids)
        _merge(self._asks, change.asks)
        self._update_id = change.update_id
        self._time_ms = change.time_ms
        self.is_known = True
        if self._bids and self._asks and max(self._bids) >= min(self._asks):
            self.is_known = False
            raise BookGap(f"{self._symbol}: the best bid is not below the best ask")

    def forget(self) -> None:
        """What came before a gap in the connection is not continued."""
        self.is_known = False

    def snapshot(self) -> OrderBookSnapshot:
        bids = sorted(self._bids.items(), reverse=True)[: self._depth]
        asks = sorted(self._asks.items())[: self._depth]
        return OrderBookSnapshot(
            self._exchange,
            self._symbol,
            tuple(BookLevel(*level) for level in bids),
            tuple(BookLevel(*level) for level in asks),
            self._time_ms,
            self._update_id,
        )


def _merge(side: dict[Decimal, Decimal], levels: list[BookLevel]) -> None:
    for price, quantity in levels:
        if quantity:
            side[price] = quantity
        else:
            side.pop(price, None)
