"""Whose prices are streamed: those that somebody needs, and no others.

A ticker is ten messages a second for as long as it is subscribed, and a universe of symbols turns
over for weeks. So each who needs prices says which, and what nobody needs any more is let go of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from core.exchange_port import MarketDataPort


class FollowedPrices:
    """One exchange's tickers, by who needs them. Used on the engine's loop only."""

    def __init__(self, port: MarketDataPort, on_gone: Callable[[str], None]) -> None:
        """`on_gone(symbol)`: no price of it comes any more."""
        self._port = port
        self._on_gone = on_gone
        self._needed: dict[str, frozenset[str]] = {}  # by who needs them
        self._all: frozenset[str] = frozenset()  # asked at every tick

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._all

    def add(self, symbols: Iterable[str], *, by: str) -> None:
        """`by` needs these as well."""
        self.replace(self._needed.get(by, frozenset()).union(symbols), by=by)

    def replace(self, symbols: Iterable[str], *, by: str) -> None:
        """`by` needs these and no others from now on; the same ones again cost nothing."""
        wanted, before = frozenset(symbols), self._needed.get(by, frozenset())
        if wanted == before:
            return
        if wanted:
            self._needed[by] = wanted
        else:
            del self._needed[by]
        followed, self._all = self._all, frozenset().union(*self._needed.values())
        come, gone = sorted(self._all - followed), sorted(followed - self._all)
        if come:
            self._port.subscribe_tickers(come)
        if gone:
            self._port.unsubscribe_tickers(gone)
        for symbol in gone:
            self._on_gone(symbol)
