"""The candles of one symbol: exact and durable in the store, the newest 1000 in memory.

Gaps are found by arithmetic, not by luck: every bar between the oldest in memory and the newest
that has closed (by the exchange's clock) is there, or known to be empty, or missing. Missing ones
are asked for; what the exchange then does not have, though it has later bars, is remembered as
empty and never asked for again.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import threading
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Protocol, TypeVar, cast

import pandas as pd

from core.clock import Clock
from core.market_data.candle_store import CandleStore, SeriesInfo
from core.market_data.columns import EMPTY, CandleRing, Columns, columns_from_candles
from core.market_data.integrity import (
    BadCandle,
    Range,
    check_candle,
    is_large_move,
    missing_ranges,
)
from core.market_data.resampling import check_resampling, resample
from core.models.candles import Candle, SeriesKey, Timeframe

log = logging.getLogger(__name__)

MAX_ENTRY_MEMORY = 1000
_PAGE_ROWS = 1000
_BYTES_PER_ROW = 48
T = TypeVar("T")


class AppendOutcome(enum.StrEnum):
    NEW = "new"  # the newest bar: act on it
    CORRECTED = "corrected"  # history changed (late correction or a hole filled): no signal
    REPEATED = "repeated"  # already known, exactly so
    STALE = "stale"  # contradicts an older bar: ignored, only REST may correct that
    REFUSED = "refused"  # in a batch only: the candle cannot be true


class FetchCandles(Protocol):
    """`MarketDataPort.fetch_candles`, or a rate-limited wrapper of it."""

    async def __call__(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 1000,
    ) -> list[Candle]: ...


class IndicatorCache:
    """Results that hold until the candles change; nothing is computed twice for one candle."""

    def __init__(self, version: Callable[[], int]) -> None:
        self._version = version
        self._results: dict[str, tuple[int, object]] = {}

    def get(self, name: str, compute: Callable[[], T]) -> T:
        """The result of `compute` on the present candles; `name` says which (incl. parameters)."""
        version = self._version()  # before: a candle that comes meanwhile makes the result old
        known = self._results.get(name)
        if known is not None and known[0] == version:
            return cast("T", known[1])
        result = compute()
        self._results[name] = (version, result)
        return result


class BotDataManager:
    """Thread safe. The store is written first, then memory changes.

    `version` grows with every change of the candles. `lock` guards memory; `classify` and
    `remember` are the two halves of `append_candle` for a batch, called with it held.
    """

    def __init__(
        self,
        key: SeriesKey,
        *,
        store: CandleStore,
        clock: Clock,
        entry_timeframe: Timeframe | None = None,
        pattern_timeframe: Timeframe = Timeframe.H1,
    ) -> None:
        """`entry_timeframe` None is the base. Raises ValueError for the month as base (its bars
        have no fixed length) and for timeframes that the base cannot make."""
        if key.timeframe is Timeframe.MONTH:
            raise ValueError("month bars cannot be a base: they have no fixed length")
        self.key = key
        self.lock = threading.RLock()
        self.version = 0
        self.indicator_cache = IndicatorCache(lambda: self.version)
        self.info = SeriesInfo(0, None, None, 0)
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
        self._ring = CandleRing(MAX_ENTRY_MEMORY)
        self._newest: Candle | None = None
        self._unsaved: list[Candle] = []
        self._empty: list[Range] = []
        self._bars: dict[Timeframe, tuple[int, Columns]] = {}  # next bar to make, bars made
        self._frames: dict[Timeframe, tuple[int, pd.DataFrame]] = {}
        self._filling = asyncio.Lock()

    # --- history -----------------------------------------------------------------------------

    async def load_historical(self, fetch: FetchCandles, bars: int = MAX_ENTRY_MEMORY) -> int:
        """Store first; the exchange is asked only for what is missing of the newest `bars`
        (spec S5). Returns the number of candles in memory. Raises ExchangeError, StoreFault."""
        await asyncio.to_thread(self.load_stored)
        last_ms = self._newest_closed_ms()
        await self.fill(fetch, first_ms=last_ms - (bars - 1) * self._step_ms, last_ms=last_ms)
        return self.rows_in_memory

    def load_stored(self) -> None:
        """Bring the newest stored candles into memory (disk). Raises StoreFault."""
        with self.lock:
            self._flush()
            self._ring.load(self._store.read_columns(self.key, last=MAX_ENTRY_MEMORY))
            newest = self._store.read(self.key, last=1)
            self._newest = newest[0] if newest else None
            self._empty = self._store.empty_ranges(self.key)
            self._history_changed()
            self.refresh_info()

    async def backfill(self, fetch: FetchCandles) -> int:
        """Ask for every gap from the oldest bar in memory to the newest closed one; returns the
        number of candles added or corrected. Raises ExchangeError, StoreFault."""
        self.backfills += 1
        with self.lock:
            times = self._ring.open_times_ms
            first_ms = int(times[0]) if len(times) else None
        last_ms = self._newest_closed_ms()
        if first_ms is None:
            first_ms = last_ms - (MAX_ENTRY_MEMORY - 1) * self._step_ms
        return await self.fill(fetch, first_ms=first_ms, last_ms=last_ms)

    async def fill(self, fetch: FetchCandles, *, first_ms: int, last_ms: int) -> int:
        """Ask for what is missing of the closed bars that `first_ms`..`last_ms` lie in; returns
        the number of candles added or corrected. Raises ExchangeError, StoreFault."""
        first_ms = self.key.timeframe.floor_ms(first_ms)
        last_ms = min(self.key.timeframe.floor_ms(last_ms), self._newest_closed_ms())
        async with self._filling:
            changed = 0
            for gap in await asyncio.to_thread(self._missing, first_ms, last_ms):
                filled = await self._fill_gap(fetch, *gap)
                self.gaps_filled += filled > 0
                changed += filled
            if changed:
                await asyncio.to_thread(self.refresh_info)
            return changed

    async def _fill_gap(self, fetch: FetchCandles, first_ms: int, last_ms: int) -> int:
        with self.lock:
            newest_ms = self._newest.open_time_ms if self._newest else None
        # The newest bar we have is asked for again with what follows it: if the stream was cut
        # off just then, REST has the last word on it, at no extra cost.
        start_ms = first_ms - self._step_ms if first_ms - self._step_ms == newest_ms else first_ms
        changed = 0
        refused: list[int] = []
        while start_ms <= last_ms:
            limit = min(_PAGE_ROWS, (last_ms - start_ms) // self._step_ms + 1)
            page = await fetch(
                self.key.symbol, self.key.timeframe, start_ms=start_ms, end_ms=last_ms, limit=limit
            )
            rows = await asyncio.to_thread(self._believable, page, start_ms, last_ms, refused)
            if not rows:
                break
            changed += await asyncio.to_thread(self._store_fetched, rows)
            start_ms = rows[-1].open_time_ms + self._step_ms
        await asyncio.to_thread(self._remember_empty, first_ms, last_ms, refused)
        return changed

    def _believable(
        self, page: list[Candle], start_ms: int, last_ms: int, refused: list[int]
    ) -> list[Candle]:
        """Rows of the asked range, oldest first, that have closed and can be true."""
        last_ms = min(last_ms, self._newest_closed_ms())
        rows = []
        for candle in sorted(page, key=lambda c: c.open_time_ms):
            if not start_ms <= candle.open_time_ms <= last_ms:
                continue
            try:
                check_candle(self.key, candle)
            except BadCandle as fault:
                log.warning("Fetched candle refused: %s", fault)
                refused.append(candle.open_time_ms)
            else:
                rows.append(candle)
        return rows

    def _store_fetched(self, rows: list[Candle]) -> int:
        """Keep rows that REST has sent, corrections included; returns how many were changes."""
        stored = self._store.read(
            self.key, start_ms=rows[0].open_time_ms, end_ms=rows[-1].open_time_ms
        )
        known = {c.open_time_ms: c for c in stored}
        changed = [c for c in rows if known.get(c.open_time_ms) != c]
        for candle in changed:
            if candle.open_time_ms in known:
                self._log_correction(known[candle.open_time_ms], candle)
        for previous, candle in pairwise(rows):
            self._warn_of_large_move(previous, candle)
        self._store.append((self.key, c) for c in changed)
        with self.lock:
            self._ring.update(columns_from_candles(changed))
            if changed and (
                self._newest is None or changed[-1].open_time_ms >= self._newest.open_time_ms
            ):
                self._newest = changed[-1]
            self._history_changed()
        return len(changed)

    def _remember_empty(self, first_ms: int, last_ms: int, refused: Iterable[int]) -> None:
        """Bars that the exchange does not have though it has later ones will never come."""
        with self.lock:
            newest_ms = self._newest.open_time_ms if self._newest else first_ms
        missing = self._missing(first_ms, min(last_ms, newest_ms - self._step_ms))
        empty = [r for r in missing if not any(r[0] <= time_ms <= r[1] for time_ms in refused)]
        if not empty:
            return
        self._store.mark_empty(self.key, empty)
        with self.lock:
            self._empty = self._store.empty_ranges(self.key)
            self._history_changed()

    def _missing(self, first_ms: int, last_ms: int) -> list[Range]:
        times = self._store.read_columns(self.key, start_ms=first_ms, end_ms=last_ms).open_time_ms
        return missing_ranges(times, self._empty, first_ms, last_ms, self._step_ms)

    # --- live --------------------------------------------------------------------------------

    def append_candle(self, candle: Candle, save: bool = True) -> AppendOutcome:
        """A candle that the stream says is closed. Durable on return unless `save` is False
        (then `save_parquet` does it). Raises BadCandle, StoreFault; memory is then unchanged."""
        with self.lock:
            outcome = self.classify(candle)
            if outcome in (AppendOutcome.NEW, AppendOutcome.CORRECTED):
                if save:
                    self._store.append([(self.key, candle)])
                else:
                    self._unsaved.append(candle)
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
        if self._newest is None:
            stored = self._store.read(self.key, last=1)
            self._newest = stored[0] if stored else None
        newest = self._newest
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
        newest = self._newest
        if newest is None or candle.open_time_ms > newest.open_time_ms:
            if newest is not None:
                self._warn_of_large_move(newest, candle)
            self._newest = candle
            self.version += 1
            first_ms = candle.open_time_ms if self.info.first_ms is None else self.info.first_ms
            self.info = self.info._replace(
                rows=self.info.rows + 1, first_ms=first_ms, last_ms=candle.open_time_ms
            )
        else:
            if candle.open_time_ms == newest.open_time_ms:
                self._log_correction(newest, candle)
                self._newest = candle
            self._history_changed()
        self._ring.put(candle)

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
    def rows_in_memory(self) -> int:
        return len(self._ring)

    @property
    def newest(self) -> Candle | None:
        """The newest closed candle, exactly."""
        return self._newest

    @property
    def memory_bytes(self) -> int:
        with self.lock:
            frames = sum(len(frame) * _BYTES_PER_ROW for _, frame in self._frames.values())
            bars = sum(bars.rows * _BYTES_PER_ROW for _, bars in self._bars.values())
            return self._ring.memory_bytes + frames + bars

    def gaps(self) -> list[Range]:
        """Bars missing from the oldest in memory up to the newest closed one."""
        with self.lock:
            times = self._ring.open_times_ms
            if len(times) == 0:
                return []
            last_ms = self._newest_closed_ms()
            return missing_ranges(times, self._empty, int(times[0]), last_ms, self._step_ms)

    def frame(self, timeframe: Timeframe) -> pd.DataFrame:
        """At most 1000 closed bars: DatetimeIndex (UTC, bar open), float columns. The caller's
        own: changing it changes nothing here. Computed once a candle; the first call for a
        higher timeframe reads the store. Raises ValueError when the base cannot make them,
        StoreFault."""
        with self.lock:
            version, frame = self._frames.get(timeframe, (-1, None))
            if frame is None or version != self.version:
                is_base = timeframe is self.key.timeframe
                frame = _frame(self._ring.copy() if is_base else self._higher_bars(timeframe))
                self._frames[timeframe] = (self.version, frame)
            return frame.copy(deep=False)  # pandas copies on write

    def history(self, timeframe: Timeframe, *, count: int, end_ms: int | None = None) -> Columns:
        """The newest `count` closed bars with open time <= `end_ms`, from the store (disk: use a
        thread). Raises ValueError as `frame`, StoreFault."""
        check_resampling(self.key.timeframe, timeframe)
        last_ms = None if end_ms is None else timeframe.next_open_ms(end_ms) - 1
        base_rows = (count + 1) * _base_bars_at_most(self.key.timeframe, timeframe)
        base = self._store.read_columns(self.key, end_ms=last_ms, last=base_rows)
        bars = resample(base, self.key.timeframe, timeframe, self._empty)
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
        self.info = self._store.info(self.key)

    def make_durable(self) -> None:
        """Write what was appended with `save=False`. Raises StoreFault."""
        with self.lock:
            self._flush()

    # --- inside ------------------------------------------------------------------------------

    def _flush(self) -> None:
        self._store.append((self.key, candle) for candle in self._unsaved)
        self._unsaved.clear()

    def _history_changed(self) -> None:
        self.version += 1
        self._bars.clear()

    def _newest_closed_ms(self) -> int:
        return self.key.timeframe.floor_ms(self._clock.time_ms()) - self._step_ms

    def _higher_bars(self, timeframe: Timeframe) -> Columns:
        """Bars made so far plus those that have closed since; all anew after a correction."""
        check_resampling(self.key.timeframe, timeframe)
        if self._newest is None:
            return EMPTY
        self._flush()
        closed_until_ms = timeframe.floor_ms(self._newest.open_time_ms + self._step_ms)
        next_ms, bars = self._bars.get(timeframe, (None, EMPTY))
        if next_ms is not None and closed_until_ms <= next_ms:
            return bars
        times = self._ring.open_times_ms
        if next_ms is not None and len(times) and times[0] <= next_ms:
            base = self._ring.copy()
            base = base.select(base.open_time_ms >= next_ms)
        elif next_ms is not None:
            base = self._store.read_columns(self.key, start_ms=next_ms)
        else:
            base_rows = (MAX_ENTRY_MEMORY + 1) * _base_bars_at_most(self.key.timeframe, timeframe)
            base = self._store.read_columns(self.key, last=base_rows)
        bars = bars.followed_by(resample(base, self.key.timeframe, timeframe, self._empty))
        bars = bars.select(slice(max(0, bars.rows - MAX_ENTRY_MEMORY), None))
        self._bars[timeframe] = (closed_until_ms, bars)
        return bars


def _base_bars_at_most(base: Timeframe, target: Timeframe) -> int:
    longest_ms = 31 * Timeframe.D1.duration_ms if target is Timeframe.MONTH else target.duration_ms
    return longest_ms // base.duration_ms


def _frame(columns: Columns) -> pd.DataFrame:
    index = pd.DatetimeIndex(
        columns.open_time_ms.astype("datetime64[ms]"), tz="UTC", name="open_time"
    )
    values = {name: getattr(columns, name) for name in Columns._fields[1:]}
    return pd.DataFrame(values, index=index)
