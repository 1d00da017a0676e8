"""Order books for the screens: streamed for the symbols that somebody looks at, and no others.

A book is many messages a second, so it is asked for when it comes into view and given up when it
leaves it. What is shown is the newest picture that is known to be true.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import msgspec

from core.exchange_port import DepthPort, MarketDataPort
from core.models.books import OrderBookSnapshot
from core.models.streams import Channel, Topic

LEVELS_SHOWN = 15


class BookService:
    """One exchange's books. Used on the engine's loop only."""

    def __init__(self, port: MarketDataPort) -> None:
        self._port = port if isinstance(port, DepthPort) else None  # some stream no books
        self._followed: frozenset[str] = frozenset()
        self._books: dict[str, OrderBookSnapshot] = {}

    def follow(self, symbols: AbstractSet[str]) -> None:
        """The symbols in view from now on; the same ones again cost nothing."""
        if self._port is None or symbols == self._followed:
            return
        gone, come = self._followed - symbols, symbols - self._followed
        self._followed = frozenset(symbols)
        if gone:
            self._port.unsubscribe([Topic(Channel.BOOK, symbol) for symbol in sorted(gone)])
        for symbol in gone:
            self._books.pop(symbol, None)
        if come:
            self._port.subscribe([Topic(Channel.BOOK, symbol) for symbol in sorted(come)])

    def on_book(self, book: OrderBookSnapshot) -> None:
        if book.symbol in self._followed:  # a last one may come after it was given up
            self._books[book.symbol] = book

    def forget(self) -> None:
        """The stream is lost: what it said is not the market any more."""
        self._books.clear()

    def snapshot(self) -> list[OrderBookSnapshot]:
        """The best levels of each book in view, by symbol."""
        return [
            msgspec.structs.replace(
                book, bids=book.bids[:LEVELS_SHOWN], asks=book.asks[:LEVELS_SHOWN]
            )
            for _, book in sorted(self._books.items())
        ]
