"""The candles of one symbol: exact and durable in the store, the newest 1000 in memory.

Gaps are found by arithmetic, not by luck: every bar between the oldest in memory and the newest
that has closed (by the exchange's clock) is there, or known to be empty, or missing. Missing ones
are asked for; what the exchange then does not have, though it has later bars, is remembered as
empty. An answer given soon after a bar's end may have come too soon: it is checked once more an
hour later, and then it holds.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import threading
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pandas as pd

from core.clock import Clock
from core.market_data.candle_store import CandleStore, SeriesInfo, StoredSeries, StoreFault
from core.market_data.columns import Columns, IntArray
from core.market_data.exchange_days import day_offset_ms
from core.market_data.higher_bars import base_bars_at_most
from core.market_data.hot_file import EmptyBars
from core.market_data.indicator_cache import IndicatorCache
from core.market_data.integrity import (
    BadCandle,
    Range,
    check_candle,
    coalesced,
    is_large_move,
    missing_ranges,
)
from core.market_data.paging import PAGE_ROWS, fetch_range
from core.market_data.paging import FetchCandles as FetchCandles  # noqa: PLC0414 (whoever has a manager has one)
from core.market_data.resampling import check_resampling, next_bar_open_ms, resample
from core.market_data.series_memory import (
    MAX_ENTRY_MEMORY,
    SeriesMemory,
    ranges_of,
)
from core.models.candles import Candle, SeriesKey, Timeframe

log = logging.getLogger(__name__)

RECHECK_EMPTY_MS = 3_600_000
_LOST_PAGES_AT_ONCE = 5


class AppendOutcome(enum.StrEnum):
    NEW = "new"  # the newest bar: act on it
    CORRECTED = "corrected"  # history changed (late correction or a hole filled): no signal
    REPEATED = "repeated"  # already known, exactly so
    STALE = "stale"  # contradicts an older bar: ignored, only REST may correct that
    REFUSED = "refused"  # in a batch only: the candle cannot be true


class BotDataManager:
    """Thread safe. The store is written first, then memory changes.

    `writing` is held by whoever changes the series, over the disk's whole answer; readers of
    what is in memory never wait for it. `classify` and `remember` are the two halves of
    `append_candle` for a batch, called with it held, and `take_stored` is the second half of
    `load_stored`.
    """

    def __init__(
        self,
        key: SeriesKey,
        *,
        store: CandleStore,
        clock: Clock,
        entry_timeframe: Timeframe | None = None,
        pattern_timeframe: Timeframe = Timeframe.H1,
        day_offset: int | None = None,
    ) -> None:
        """`entry_timeframe` None is the base; `day_offset` (ms before 00:00 UTC at which days
        begin) None is the exchange's. Raises ValueError for the month as base (its bars have no
        fixed length) and for timeframes that the base cannot make."""
        if key.timeframe is Timeframe.MONTH:
            raise ValueError("month bars cannot be a base: they have no fixed length")
        self.key = key
        self.writing = threading.RLock()
        self._stored = SeriesInfo(0, None, None, 0)
        self._added = 0  # candles since the store was last looked at
        self.backfills = 0
        self.gaps_filled = 0
        self._entry_timeframe = entry_timeframe or key.timeframe
        # A base above the pattern timeframe is its own pattern.
        is_finer = pattern_timeframe.duration_ms > key.timeframe.duration_ms
        self._pattern_timeframe = pattern_timeframe if is_finer else key.timeframe
        check_resampling(key.timeframe, self._entry_timeframe)
        check_resampling(key.timeframe, self._pattern_timeframe)
        self._store = store
        self._clock = clock
        self._step_ms = key.timeframe.duration_ms
        self._day_offset_ms = day_offset_ms(key.exchange) if day_offset is None else day_offset
        self._memory = SeriesMemory(
            key.timeframe, day_offset_ms=self._day_offset_ms, read_stored=self._read_stored
        )
        self.indicator_cache = IndicatorCache(self._memory)
        self._unsaved: list[Candle] = []
        self._filling = asyncio.Lock()

    # --- history -----------------------------------------------------------------------------

    async def load_historical(self, fetch: FetchCandles, bars: int = MAX_ENTRY_MEMORY) -> int:
        """Store first; the exchange is asked only for what is missing of the newest `bars`
        (spec S5). Returns the number of candles in memory. Raises ExchangeError, StoreFault."""
        await asyncio.to_thread(self.load_stored)
        return await self.fill_recent(fetch, bars)

    async def fill_recent(self, fetch: FetchCandles, bars: int = MAX_ENTRY_MEMORY) -> int:
        """The second half of `load_historical`."""
        if self.lacks_recent(bars):
            last_ms = self._newest_closed_ms()
            await self.fill(fetch, first_ms=last_ms - (bars - 1) * self._step_ms, last_ms=last_ms)
        return self.rows_in_memory

    def load_stored(self) -> None:
        """Bring the newest stored candles into memory (disk). Raises StoreFault."""
        with self.writing:
            self._flush()
            [stored] = self._store.read_newest([self.key], MAX_ENTRY_MEMORY)
            if isinstance(stored, StoreFault):
                raise stored
            self.take_stored(stored)

    def take_stored(self, stored: StoredSeries) -> None:
        """What `load_stored` has read; `writing` is held since before it was."""
        self._memory.load(stored.columns, stored.newest, stored.empty)
        self._stored = stored.info
        self._added = 0

    def lacks_recent(self, bars: int = MAX_ENTRY_MEMORY) -> bool:
        """Whether one of the newest `bars` closed bars is neither in memory nor known not to
        exist; to be asked after `load_stored`."""
        last_ms = self._newest_closed_ms()
        first_ms = last_ms - (bars - 1) * self._step_ms
        times, empty = self._memory.open_times_ms, ranges_of(self._memory.empty)
        return bool(missing_ranges(times, empty, first_ms, last_ms, self._step_ms))

    async def backfill(self, fetch: FetchCandles) -> int:
        """Ask for every gap from the oldest bar in memory to the newest closed one, and once
        more for bars that were found empty too soon after their end; when nothing was missing,
        for a few pages of what a damaged file has lost. Returns the number of candles added or
        corrected. Raises ExchangeError, StoreFault."""
        self.backfills += 1
        times = self._memory.open_times_ms
        last_ms = self._newest_closed_ms()
        first_ms = int(times[0]) if len(times) else last_ms - (MAX_ENTRY_MEMORY - 1) * self._step_ms
        changed = await self.fill(fetch, first_ms=first_ms, last_ms=last_ms, recheck=True)
        return changed or await self._fill_lost(fetch)

    async def fill(
        self, fetch: FetchCandles, *, first_ms: int, last_ms: int, recheck: bool = False
    ) -> int:
        """Ask for what is missing of the closed bars that `first_ms`..`last_ms` lie in; returns
        the number of candles added or corrected. Raises ExchangeError, StoreFault."""
        first_ms = self.key.timeframe.floor_ms(first_ms)
        last_ms = min(self.key.timeframe.floor_ms(last_ms), self._newest_closed_ms())
        async with self._filling:
            changed = 0
            for asked in await asyncio.to_thread(self._requests, first_ms, last_ms, recheck):
                filled = await self._fill_range(fetch, asked)
                self.gaps_filled += filled > 0
                changed += filled
            if changed:
                await asyncio.to_thread(self.refresh_info)
            return changed

    async def check(self, fetch: FetchCandles, open_ms: int) -> int:
        """REST's word on one bar that is there already; returns how many were corrected. Raises
        ExchangeError, StoreFault."""
        async with self._filling:
            return await self._fill_range(fetch, (open_ms, open_ms))

    async def _fill_range(self, fetch: FetchCandles, asked: Range) -> int:
        changed = 0
        unanswered: list[Range] = []

        async def take(page: list[Candle]) -> None:
            nonlocal changed
            rows = self._believable(page, unanswered)
            if rows:
                changed += await asyncio.to_thread(self._store_fetched, rows)

        unanswered += await fetch_range(fetch, self.key, asked, take)
        await asyncio.to_thread(self._remember_empty, asked, unanswered)
        return changed

    async def _fill_lost(self, fetch: FetchCandles) -> int:
        lost = await asyncio.to_thread(self._store.lost_history, self.key)
        if lost is None:
            return 0
        first_ms = max(lost[0], lost[1] - (_LOST_PAGES_AT_ONCE * PAGE_ROWS - 1) * self._step_ms)
        changed = await self.fill(fetch, first_ms=first_ms, last_ms=lost[1])
        rest = (lost[0], first_ms - self._step_ms) if first_ms > lost[0] else None
        await asyncio.to_thread(self._store.set_lost_history, self.key, rest)
        return changed

    def _requests(self, first_ms: int, last_ms: int, recheck: bool) -> list[Range]:
        """What to ask for: gaps that lie close together in one request. Each is widened to the
        bars we have on both sides of it, so that the answer proves what is not there; and REST
        has the last word on the bar before a cut, at no extra cost."""
        step_ms = self._step_ms
        times, empty = self._times_and_empty(first_ms, last_ms)
        if recheck:
            empty = [e for e in empty if not self._is_to_be_rechecked(e)]
        gaps = missing_ranges(times, ranges_of(empty), first_ms, last_ms, step_ms)
        newest_closed_ms = self._newest_closed_ms()

        def widened(gap: Range) -> Range:
            before_ms, after_ms = gap[0] - step_ms, gap[1] + step_ms
            has_after = after_ms <= newest_closed_ms and _holds(times, after_ms)
            return before_ms if _holds(times, before_ms) else gap[0], (
                after_ms if has_after else gap[1]
            )

        return [widened(gap) for gap in coalesced(gaps, step_ms, PAGE_ROWS - 2)]

    def _times_and_empty(self, first_ms: int, last_ms: int) -> tuple[IntArray, list[EmptyBars]]:
        """Of that range at least: from memory if it reaches so far back, else from the store."""
        times = self._memory.open_times_ms
        if len(times) and times[0] <= first_ms:
            return times, self._memory.empty
        stored = self._store.read_columns(
            self.key, start_ms=first_ms - self._step_ms, end_ms=last_ms + self._step_ms
        )
        return stored.open_time_ms, self._store.empty_bars(self.key, first_ms, last_ms)

    def _is_to_be_rechecked(self, empty: EmptyBars) -> bool:
        certain_ms = empty.last_ms + self._step_ms + RECHECK_EMPTY_MS
        return empty.checked_ms < certain_ms <= self._clock.time_ms()

    def _believable(self, page: list[Candle], refused: list[Range]) -> list[Candle]:
        """Rows that have closed and can be true; the others' times go to `refused`."""
        last_ms = self._newest_closed_ms()
        rows = []
        for candle in page:
            if candle.open_time_ms > last_ms:
                continue
            try:
                check_candle(self.key, candle)
            except BadCandle as fault:
                log.warning("Fetched candle refused: %s", fault)
                refused.append((candle.open_time_ms, candle.open_time_ms))
            else:
                rows.append(candle)
        return rows

    def _store_fetched(self, rows: list[Candle]) -> int:
        """Keep rows that REST has sent, corrections included; returns how many were changes."""
        first_ms, last_ms = rows[0].open_time_ms, rows[-1].open_time_ms
        with self.writing:
            self._flush()
            stored = self._store.read(self.key, start_ms=first_ms, end_ms=last_ms)
            known = {c.open_time_ms: c for c in stored}
            changed = [c for c in rows if known.get(c.open_time_ms) != c]
            if not changed:
                return 0
            for candle in changed:
                if candle.open_time_ms in known:
                    self._log_correction(known[candle.open_time_ms], candle)
            for previous, candle in pairwise(rows):
                self._warn_of_large_move(previous, candle)
            self._store.append((self.key, c) for c in changed)
            self._unmark_empty(c.open_time_ms for c in changed)
            self._memory.put_many(changed)
            return len(changed)

    def _remember_empty(self, asked: Range, unanswered: list[Range]) -> None:
        """Bars that the exchange does not have though it has later ones are empty."""
        with self.writing:
            newest_ms = self.newest.open_time_ms if self.newest else asked[0]
            last_ms = min(asked[1], newest_ms - self._step_ms)
            times = self._store.read_columns(
                self.key, start_ms=asked[0], end_ms=last_ms
            ).open_time_ms
            empty = missing_ranges(times, unanswered, asked[0], last_ms, self._step_ms)
            if not empty:
                return
            self._store.mark_empty(self.key, empty, checked_ms=self._clock.time_ms())
            self._memory.set_empty(self._empty_from(self._memory.open_times_ms), empty[0][0])

    def _unmark_empty(self, times_ms: Iterable[int]) -> None:
        exist = [
            (time_ms, time_ms)
            for time_ms in times_ms
            if any(first_ms <= time_ms <= last_ms for first_ms, last_ms, _ in self._memory.empty)
        ]
        if exist:
            self._store.unmark_empty(self.key, exist)
            self._memory.set_empty(self._empty_from(self._memory.open_times_ms), exist[0][0])

    def _empty_from(self, times: IntArray) -> list[EmptyBars]:
        return self._store.empty_bars(self.key, int(times[0])) if len(times) else []

    # --- live --------------------------------------------------------------------------------

    def append_candle(self, candle: Candle, save: bool = True) -> AppendOutcome:
        """A candle that the stream says is closed. Durable on return unless `save` is False
        (then `save_parquet` does it). Raises BadCandle, StoreFault; memory is then unchanged."""
        with self.writing:
            outcome = self.classify(candle)
            if outcome in (AppendOutcome.NEW, AppendOutcome.CORRECTED):
                if save:
                    self._store.append([(self.key, candle)])
                else:
                    self._unsaved.append(candle)
                    if len(self._unsaved) == MAX_ENTRY_MEMORY:  # as many as memory holds
                        self._flush()
                self.remember(candle)
            return outcome

    def classify(self, candle: Candle) -> AppendOutcome:
        """What `append_candle` would make of it; changes nothing. Raises BadCandle, StoreFault."""
        check_candle(self.key, candle)
        # The stream's word closes a bar, not our clock; but the next bar cannot be over.
        if candle.open_time_ms > self._clock.time_ms() + self._step_ms:
            raise BadCandle(
                f"{self.key.exchange} {self.key.symbol} {self.key.timeframe} bar"
                f" {candle.open_time_ms} opens in the future."
            )
        newest = self._memory.newest
        if newest is None:
            self.load_stored()
            newest = self._memory.newest
        if newest is None or candle.open_time_ms > newest.open_time_ms:
            return AppendOutcome.NEW
        if candle == newest:
            return AppendOutcome.REPEATED
        if candle.open_time_ms == newest.open_time_ms:
            return AppendOutcome.CORRECTED
        known = self._known(candle.open_time_ms)
        if known is None:
            return AppendOutcome.CORRECTED
        return AppendOutcome.REPEATED if known == candle else AppendOutcome.STALE

    def remember(self, candle: Candle) -> None:
        """Take a classified candle (NEW or CORRECTED) into memory; it is in the store by now."""
        newest = self._memory.newest
        is_new = newest is None or candle.open_time_ms > newest.open_time_ms
        if newest is not None and is_new:
            self._warn_of_large_move(newest, candle)
        elif newest is not None and candle.open_time_ms == newest.open_time_ms:
            self._log_correction(newest, candle)
        self._memory.put(candle)
        if is_new:
            self._added += 1
        else:
            self._unmark_empty([candle.open_time_ms])

    def _known(self, open_time_ms: int) -> Candle | None:
        for candle in reversed(self._unsaved):
            if candle.open_time_ms == open_time_ms:
                return candle
        stored = self._store.read(self.key, start_ms=open_time_ms, end_ms=open_time_ms)
        return stored[0] if stored else None

    def _warn_of_large_move(self, previous: Candle, candle: Candle) -> None:
        follows = candle.open_time_ms == previous.open_time_ms + self._step_ms
        if follows and is_large_move(previous.close, candle.close):
            log.warning(
                "%s %s %s moved from %s to %s in one bar: kept, but look at it.",
                *self.key,
                previous.close,
                candle.close,
            )

    def _log_correction(self, known: Candle, candle: Candle) -> None:
        log.info(
            "%s %s %s bar %d corrected: close %s to %s, volume %s to %s.",
            *self.key,
            candle.open_time_ms,
            known.close,
            candle.close,
            known.volume,
            candle.volume,
        )

    # --- reading -----------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """Grows with every change of the candles."""
        return self._memory.version

    @property
    def rows_in_memory(self) -> int:
        return self._memory.rows

    @property
    def newest(self) -> Candle | None:
        """The newest closed candle, exactly."""
        return self._memory.newest

    @property
    def info(self) -> SeriesInfo:
        """Figures about the stored series; touches no disk."""
        stored, newest = self._stored, self.newest
        if newest is None or not self._added:
            return stored
        first_ms = newest.open_time_ms if stored.first_ms is None else stored.first_ms
        return stored._replace(
            rows=stored.rows + self._added, first_ms=first_ms, last_ms=newest.open_time_ms
        )

    @property
    def memory_bytes(self) -> int:
        """Rows and frames in memory."""
        return self._memory.bytes

    def recent(self, count: int) -> Columns:
        """The newest `count` bars in memory, fewer if there are no more; read-only."""
        _, columns = self._memory.rows_after(0, -1)
        return columns.select(slice(max(0, columns.rows - count), None))

    def gaps(self) -> list[Range]:
        """Bars missing from the oldest in memory up to the newest closed one."""
        return self._memory.gaps(self._newest_closed_ms())

    def frame(self, timeframe: Timeframe) -> pd.DataFrame:
        """The newest closed bars, at most 1000 (base) or 500 (higher): DatetimeIndex (UTC, bar
        open), float columns. The caller's own: changing it changes nothing here. Computed once a
        candle; the first call for a higher timeframe reads the store. Raises ValueError when the
        base cannot make them, StoreFault."""
        return self._memory.frame(timeframe)

    def history(self, timeframe: Timeframe, *, count: int, end_ms: int | None = None) -> Columns:
        """The newest `count` closed bars with open time <= `end_ms`, from the store (disk: use a
        thread). Raises ValueError as `frame`, StoreFault."""
        base = self.key.timeframe
        check_resampling(base, timeframe)
        last_ms = None
        if end_ms is not None:
            last_ms = next_bar_open_ms(end_ms, timeframe, self._day_offset_ms) - 1
        base_rows = (count + 1) * base_bars_at_most(base, timeframe)
        columns = self._store.read_columns(self.key, end_ms=last_ms, last=base_rows)
        bars = resample(
            columns,
            base,
            timeframe,
            ranges_of(self._empty_from(columns.open_time_ms)),
            day_offset_ms=self._day_offset_ms,
        )
        return bars.select(slice(max(0, bars.rows - count), None))

    @property
    def df_entry_full(self) -> pd.DataFrame:
        """Base candles."""
        return self.frame(self.key.timeframe)

    @property
    def df_entry_resampled(self) -> pd.DataFrame:
        """Bars of the entry timeframe."""
        return self.frame(self._entry_timeframe)

    @property
    def df_pattern_full(self) -> pd.DataFrame:
        """Bars of the pattern timeframe."""
        return self.frame(self._pattern_timeframe)

    def save_parquet(self) -> None:
        """Make everything durable and merge it into the Parquet file (disk: use a thread).
        Raises StoreFault."""
        self.make_durable()
        self._store.merge()
        self.refresh_info()

    def refresh_info(self) -> None:
        """Read the figures about the stored series again (disk). Raises StoreFault."""
        with self.writing:
            self._stored = self._store.info(self.key)
            self._added = 0

    def make_durable(self) -> None:
        """Write what was appended with `save=False`. Raises StoreFault."""
        with self.writing:
            self._flush()

    # --- inside ------------------------------------------------------------------------------

    def _flush(self) -> None:
        self._store.append((self.key, candle) for candle in self._unsaved)
        self._unsaved.clear()

    def _newest_closed_ms(self) -> int:
        return self.key.timeframe.floor_ms(self._clock.time_ms()) - self._step_ms

    def _read_stored(
        self, start_ms: int | None, last: int | None
    ) -> tuple[Columns, list[EmptyBars]]:
        columns = self._store.read_columns(self.key, start_ms=start_ms, last=last)
        return columns, self._empty_from(columns.open_time_ms)


def _holds(times: IntArray, time_ms: int) -> bool:
    row = int(np.searchsorted(times, time_ms))
    return row < len(times) and int(times[row]) == time_ms
