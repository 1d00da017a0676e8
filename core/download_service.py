"""Downloads and repairs of candle history inside a running engine, beside its bots.

One download at a time; it takes its turn behind every other request (`PoliteTurn`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec

from core.clock import Clock
from core.limits.api_rate_limiter import MultiExchangeRateLimiter
from core.limits.published_limits import PUBLISHED_LIMITS
from core.market_data.bot_data_manager import BotDataManager
from core.market_data.catalogue import describe, stored_keys
from core.market_data.download import HistoryDownload, PoliteTurn
from core.market_feed import MarketFeed
from core.models.candles import SeriesKey, Timeframe
from core.snapshots import DownloadSnapshot, DownloadState, SeriesSnapshot
from core.supervision import Supervisor

SHARE = 0.5  # of the request budget; the other half is always free for the bots
REPAIR_ANSWER_S = 8.0  # a longer repair goes on after the answer
MAX_SYMBOLS = 2000


class DownloadRefused(Exception):
    """A command that cannot be done; the sentence says why."""


class DownloadService:
    def __init__(
        self,
        *,
        feeds: Mapping[str, MarketFeed],
        limiters: MultiExchangeRateLimiter,
        supervisor: Supervisor,
        clock: Clock,
        cache_dir: Path,
    ) -> None:
        self._cache_dir = cache_dir
        self._feeds = feeds
        self._limiters = limiters
        self._supervisor = supervisor
        self._clock = clock
        self._download: HistoryDownload | None = None

    def start(
        self, symbols: list[str], timeframe: Timeframe, start_ms: int, exchange: str = ""
    ) -> str:
        """Raises DownloadRefused."""
        if self._running() is not None:
            raise DownloadRefused("A download is running already; cancel it first.")
        if not 1 <= len(set(symbols)) <= MAX_SYMBOLS:
            raise DownloadRefused(f"Choose 1 to {MAX_SYMBOLS} symbols.")
        if start_ms >= self._clock.time_ms():
            raise DownloadRefused("The oldest bar wanted lies in the future.")
        feed = self._feed(exchange)
        self._download = self._made(feed, symbols, timeframe, start_ms)
        self._supervisor.spawn("download", self._download.run())
        return f"Downloading {len(set(symbols))} symbols."

    def pause(self) -> str:
        """Raises DownloadRefused."""
        self._must_run().pause()
        return "The download is paused."

    def resume(self) -> str:
        """Raises DownloadRefused."""
        self._must_run().resume()
        return "The download goes on."

    def cancel(self) -> str:
        """Raises DownloadRefused."""
        self._must_run().cancel()
        return "The download was cancelled; what has come is kept."

    async def repair(self, symbol: str, timeframe: Timeframe, exchange: str = "") -> str:
        """Ask for the bars missing inside a stored series; the outcome as a sentence.
        Raises DownloadRefused, StoreFault."""
        feed = self._feed(exchange)
        store = feed.data.store
        key = SeriesKey(feed.data.exchange, symbol, timeframe)
        info = await asyncio.to_thread(store.info, key)
        if info.first_ms is None:
            raise DownloadRefused(f"There are no stored candles of {symbol} {timeframe}.")
        end_ms = None if feed.is_stored(symbol, timeframe) else info.last_ms
        repair = self._made(feed, [symbol], timeframe, info.first_ms, end_ms)
        task = self._supervisor.spawn(f"repair {symbol} {timeframe}", repair.run())
        await asyncio.wait({task}, timeout=REPAIR_ANSWER_S)
        row = repair.snapshot().symbols[0]
        if repair.is_running:
            return f"The exchange is being asked for the gaps of {symbol} {timeframe}."
        if repair.state is not DownloadState.DONE:
            raise DownloadRefused(row.text or repair.state_text)
        if not row.wanted:
            return f"{symbol} {timeframe} has no gaps."
        if row.added < row.wanted:
            missing = row.wanted - row.added
            return f"{row.added} candles came; the exchange has none for the other {missing} bars."
        return f"{row.added} candles came; {symbol} {timeframe} has no gaps any more."

    async def stored_series(self) -> list[SeriesSnapshot]:
        """Everything that is stored, with the memory of what is loaded. Raises StoreFault."""
        loaded = {
            (row.exchange, row.symbol, row.timeframe): row
            for feed in self._feeds.values()
            for row in feed.data.snapshot().series
        }
        found: list[SeriesSnapshot] = []
        for feed in self._feeds.values():
            found += await asyncio.to_thread(self._stored, feed)
        listed = [
            msgspec.structs.replace(row, memory_bytes=in_memory.memory_bytes)
            if (in_memory := loaded.pop((row.exchange, row.symbol, row.timeframe), None))
            else row
            for row in found
        ]
        return [*listed, *loaded.values()]

    def snapshot(self) -> DownloadSnapshot | None:
        """The last download; None before the first."""
        return None if self._download is None else self._download.snapshot()

    def _made(
        self,
        feed: MarketFeed,
        symbols: list[str],
        timeframe: Timeframe,
        start_ms: int,
        end_ms: int | None = None,
    ) -> HistoryDownload:
        def live_manager(key: SeriesKey) -> BotDataManager | None:
            if not feed.is_stored(key.symbol, key.timeframe):
                return None
            return feed.data.get_manager(key.symbol, key.timeframe)

        try:
            return HistoryDownload(
                feed.port,
                symbols,
                timeframe,
                start_ms=start_ms,
                end_ms=end_ms,
                turn=self._turn(feed.port.exchange),
                store=feed.data.store,
                clock=self._clock,
                live_manager=live_manager,
            )
        except ValueError as fault:
            raise DownloadRefused(str(fault)) from None

    def _turn(self, exchange: str) -> Callable[[], Awaitable[None]]:
        if exchange not in PUBLISHED_LIMITS:  # one in this process: it counts no requests
            return _at_once
        return PoliteTurn(self._limiters.limiter(exchange), SHARE)

    def _feed(self, exchange: str) -> MarketFeed:
        if not exchange:
            return next(iter(self._feeds.values()))
        if exchange not in self._feeds:
            raise DownloadRefused(f"No account is at the exchange {exchange!r}.")
        return self._feeds[exchange]

    def _stored(self, feed: MarketFeed) -> list[SeriesSnapshot]:
        """One exchange's stored series (disk)."""
        keys = [k for k in stored_keys(self._cache_dir) if k.exchange == feed.data.exchange]
        return [describe(feed.data.store, key) for key in keys]

    def _running(self) -> HistoryDownload | None:
        download = self._download
        return download if download is not None and download.is_running else None

    def _must_run(self) -> HistoryDownload:
        download = self._running()
        if download is None:
            raise DownloadRefused("No download is running.")
        return download


async def _at_once() -> None:
    """It is always our turn."""
