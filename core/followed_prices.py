"""Whose prices are streamed: those that somebody needs, and no others.

A ticker is ten messages a second for as long as it is subscribed, and a universe of symbols turns
over for weeks. So each who needs prices says which, and what nobody needs any more is let go of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from core.clock import Clock
from core.exchange_port import MarketDataPort
from core.models.candles import Ticker
from core.recent_prices import RecentPrices
from core.risk.rule import MarketPrice


class FollowedPrices:
    """One exchange's tickers, by who needs them. Used on the engine's loop only.

    Attributes: tickers, the newest of each followed symbol; received_s (monotonic), when it came.
    """

    def __init__(self, port: MarketDataPort, clock: Clock, on_gone: Callable[[str], None]) -> None:
        """`on_gone(symbol)`: no price of it comes any more."""
        self.tickers: dict[str, Ticker] = {}
        self.received_s: dict[str, float] = {}
        self._recent = RecentPrices()
        self._port = port
        self._clock = clock
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
            self.tickers.pop(symbol, None)
            self.received_s.pop(symbol, None)
            self._recent.forget(symbol)
            self._on_gone(symbol)

    def take(self, ticker: Ticker) -> bool:
        """The newest of its symbol; False for one that nobody follows: a last one may come after
        it was let go of."""
        if ticker.symbol not in self._all:
            return False
        now_s = self._clock.monotonic_s()
        self.tickers[ticker.symbol] = ticker
        self.received_s[ticker.symbol] = now_s
        self._recent.add(ticker.symbol, ticker.last_price, now_s * self._clock.rate)
        return True

    def newest(self, symbol: str) -> MarketPrice | None:
        """The newest price and its age; None before the first one."""
        ticker = self.tickers.get(symbol)
        if ticker is None:
            return None
        age_s = self._clock.monotonic_s() - self.received_s[symbol]
        return MarketPrice(ticker.last_price, age_s)

    def witnessed(self, symbol: str) -> MarketPrice | None:
        """As `newest`, with what else tells the price."""
        newest = self.newest(symbol)
        if newest is None:
            return None
        median = self._recent.median(symbol, self._clock.monotonic_s() * self._clock.rate)
        mark = self.tickers[symbol].mark_price
        return msgspec.structs.replace(newest, minute_median=median, mark=mark)
