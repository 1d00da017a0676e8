"""The history of many symbols, fetched behind everybody else's back.

Newest bars first, so that what a trader looks at is there first and the beginning of a symbol's
history need not be known. Every page is durable before the next one is asked for, and only what
is missing is ever asked for: a download that was killed goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TypeVar

from core.clock import Clock
from core.exchange_port import ExchangeError, MarketDataPort, RateLimited, Unavailable
from core.limits.api_rate_limiter import APIRateLimiter
from core.limits.priority import Priority, asking_for
from core.market_data.bot_data_manager import BotDataManager
from core.market_data.candle_store import CandleStore, StoreFault
from core.market_data.integrity import Range, missing_ranges
from core.models.candles import SeriesKey, Timeframe
from core.snapshots import DownloadSnapshot, DownloadState, SymbolDownload

log = logging.getLogger(__name__)

PAGE_BARS = 998  # and a neighbour on each side, asked for again: one answer of an exchange
SYMBOLS_AT_ONCE = 3  # an adapter has four threads for market data: one is left for the bots
RETRY_AFTER_S = (1.0, 2.0, 5.0, 15.0, 30.0)  # of a read that failed; then its symbol is given up
_JUST_CLOSED_MS = 1000  # an exchange asked at the end of a bar may not have its last trades
_LOOK_AGAIN_S = 0.05
_MARKET = "market"
_CANCELLED = "Cancelled. What has come is kept."
T = TypeVar("T")


class PoliteTurn:
    """Lets a request go only while less than `share` of the budget is in use, by whomever."""

    def __init__(self, limiter: APIRateLimiter, share: float) -> None:
        """`share` of the tokens we allow ourselves, above 0 up to 1."""
        self._limiter = limiter
        self._share = share

    async def __call__(self) -> None:
        """Return when it is our turn."""
        while not self._may_go():  # noqa: ASYNC110 (nobody tells when tokens come back)
            await asyncio.sleep(_LOOK_AGAIN_S)

    def _may_go(self) -> bool:
        stats = self._limiter.get_stats(_MARKET)
        in_use = stats.max_tokens - stats.current_tokens
        is_held = self._limiter.get_wait_time(family=_MARKET) > 0
        return not is_held and in_use < max(1.0, stats.max_tokens * self._share)


class _Row:
    """One symbol."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.state = "waiting"
        self.wanted: int | None = None
        self.done = 0
        self.added = 0
        self.text = ""

    def snapshot(self) -> SymbolDownload:
        return SymbolDownload(
            self.symbol, self.state, self.wanted, self.done, self.added, self.text
        )


class HistoryDownload:
    """One download. `run` it once; `pause`, `resume` and `cancel` from the same loop."""

    def __init__(
        self,
        port: MarketDataPort,
        symbols: Iterable[str],
        timeframe: Timeframe,
        *,
        start_ms: int,
        end_ms: int | None = None,
        turn: Callable[[], Awaitable[None]],
        store: CandleStore,
        clock: Clock,
        live_manager: Callable[[SeriesKey], BotDataManager | None] = lambda _key: None,
        symbols_at_once: int = SYMBOLS_AT_ONCE,
    ) -> None:
        """Closed bars that open in `start_ms`..`end_ms` (ms UTC; None: the newest).

        `turn` is awaited before each request. `live_manager` is the manager that a bot uses for a
        series, if one does: then its memory is kept right. Raises ValueError for the month (its
        bars have no fixed length: they are made from days)."""
        if timeframe is Timeframe.MONTH:
            raise ValueError("Month bars are not downloaded: they are made from 1d bars.")
        self.exchange = port.exchange
        self.timeframe = timeframe
        self.start_ms = start_ms
        self.state = DownloadState.RUNNING
        self.state_text = ""
        self._end_ms = end_ms
        self._port = port
        self._turn = turn
        self._store = store
        self._clock = clock
        self._live_manager = live_manager
        self._at_once = symbols_at_once
        self._step_ms = timeframe.duration_ms
        self._rows = [_Row(symbol) for symbol in dict.fromkeys(symbols)]
        self._waiting = deque(self._rows)
        self._may_go = asyncio.Event()
        self._may_go.set()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Running or paused: `run` has not come to its end."""
        return self.state in (DownloadState.RUNNING, DownloadState.PAUSED)

    def pause(self) -> None:
        """No new request until `resume`; those under way are kept."""
        if self.state is DownloadState.RUNNING:
            self.state = DownloadState.PAUSED
            self._may_go.clear()

    def resume(self) -> None:
        if self.state is DownloadState.PAUSED:
            self.state = DownloadState.RUNNING
            self._may_go.set()

    def cancel(self) -> None:
        """End `run` (it raises CancelledError); every page that has come stays."""
        if self.is_running:
            self._end(DownloadState.CANCELLED, _CANCELLED)
            if self._task is not None:
                self._task.cancel()

    async def run(self) -> None:
        """Fetch everything that is missing. A symbol that fails does not keep the others; a disk
        that fails ends all. Never raises but CancelledError: look at `state`."""
        if not self.is_running:
            return  # cancelled before it began
        self._task = asyncio.current_task()
        with asking_for("download", Priority.DOWNLOAD):  # the workers inherit it
            workers = [asyncio.create_task(self._work()) for _ in range(self._at_once)]
        try:
            await asyncio.gather(*workers)
        except StoreFault as fault:
            self._end(DownloadState.FAILED, str(fault))
        except asyncio.CancelledError:
            self._end(DownloadState.CANCELLED, _CANCELLED)
            raise
        else:
            failed = sum(row.state == "failed" for row in self._rows)
            if failed:
                text = f"{failed} of {len(self._rows)} symbols could not be completed."
                self._end(DownloadState.FAILED, text)
            else:
                self._end(DownloadState.DONE, "Everything is there.")
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    def snapshot(self) -> DownloadSnapshot:
        return DownloadSnapshot(
            state=self.state,
            state_text=self.state_text,
            exchange=self.exchange,
            timeframe=self.timeframe.value,
            start_ms=self.start_ms,
            symbols=[row.snapshot() for row in self._rows],
        )

    def _end(self, state: DownloadState, text: str) -> None:
        self.state, self.state_text = state, text
        for row in self._rows:
            if row.state in ("waiting", "loading"):
                row.state = "cancelled"

    async def _work(self) -> None:
        while self._waiting:
            row = self._waiting.popleft()
            try:
                await self._load(row)
            except ExchangeError as fault:
                row.state, row.text = "failed", fault.text
                log.info("download of %s %s failed: %s", row.symbol, self.timeframe, fault.text)
            else:
                row.state = "done"
            finally:
                await self._tidy(SeriesKey(self.exchange, row.symbol, self.timeframe))

    async def _load(self, row: _Row) -> None:
        row.state = "loading"
        key = SeriesKey(self.exchange, row.symbol, self.timeframe)
        own = BotDataManager(key, store=self._store, clock=self._clock)
        await asyncio.to_thread(own.load_stored)
        gaps = await asyncio.to_thread(self._missing, key)
        row.wanted = _bars(gaps, self._step_ms)
        while gaps:
            last_ms = gaps[-1][1]
            first_ms = max(gaps[0][0], last_ms - (PAGE_BARS - 1) * self._step_ms)
            added = await self._patiently(partial(self._page, own, first_ms, last_ms))
            row.added += added
            gaps = _before(gaps, first_ms, self._step_ms)
            if not added and gaps and gaps[-1][1] == first_ms - self._step_ms:
                gaps = await self._skip_empty(key, gaps, first_ms)
            row.done = row.wanted - _bars(gaps, self._step_ms)

    async def _page(self, own: BotDataManager, first_ms: int, last_ms: int) -> int:
        # A bot may have started on this series since the last page.
        manager = self._live_manager(own.key) or own
        return await manager.fill(self._port.fetch_candles, first_ms=first_ms, last_ms=last_ms)

    async def _skip_empty(self, key: SeriesKey, gaps: list[Range], first_ms: int) -> list[Range]:
        """A whole page was empty: a halt, or a time before the symbol was listed. One question
        finds the next older bar; what lies between is remembered as empty."""
        newest_before = partial(
            self._port.fetch_candles,
            key.symbol,
            key.timeframe,
            end_ms=first_ms - self._step_ms,
            limit=1,
        )
        older = await self._patiently(newest_before)
        left = _before(gaps, older[-1].open_time_ms + self._step_ms, self._step_ms) if older else []
        edge_ms = left[-1][1] if left else gaps[0][0] - self._step_ms
        empty = [(max(first, edge_ms + self._step_ms), last) for first, last in gaps]
        await asyncio.to_thread(self._store.mark_empty, key, [r for r in empty if r[0] <= r[1]])
        return left

    async def _tidy(self, key: SeriesKey) -> None:
        """Into Parquet at once, so that a long download never piles up in the hot store; and a
        bot's own view of its series is made right."""
        await asyncio.to_thread(self._store.merge)
        live = self._live_manager(key)
        if live is not None:
            await asyncio.to_thread(live.load_stored)

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """One request, in its turn; again after a pause where that may help."""
        for pause_s in (*RETRY_AFTER_S, None):
            await self._may_go.wait()
            await self._turn()
            try:
                return await ask()
            except RateLimited as fault:
                if pause_s is None:
                    raise
                await asyncio.sleep(max(pause_s, fault.retry_after_s))
            except Unavailable:
                if pause_s is None:
                    raise
                await asyncio.sleep(pause_s)
        raise AssertionError("unreachable")

    def _missing(self, key: SeriesKey) -> list[Range]:
        floor = self.timeframe.floor_ms
        first_ms = floor(self.start_ms + self._step_ms - 1)
        last_ms = floor(self._clock.time_ms() - _JUST_CLOSED_MS) - self._step_ms
        if self._end_ms is not None:
            last_ms = min(last_ms, floor(self._end_ms))
        times = self._store.read_columns(key, start_ms=first_ms, end_ms=last_ms).open_time_ms
        empty = self._store.empty_ranges(key)
        return missing_ranges(times, empty, first_ms, last_ms, self._step_ms)


def _before(gaps: list[Range], time_ms: int, step_ms: int) -> list[Range]:
    """The parts of `gaps` that lie before `time_ms`."""
    return [
        (first_ms, min(last_ms, time_ms - step_ms))
        for first_ms, last_ms in gaps
        if first_ms < time_ms
    ]


def _bars(gaps: list[Range], step_ms: int) -> int:
    return sum((last_ms - first_ms) // step_ms + 1 for first_ms, last_ms in gaps)
