"""What is kept in memory of one series: the newest candles, and the frames made of them.

Nothing here waits for a disk with the lock held, so a slow disk stops no reader.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable

import pandas as pd

from core.market_data.columns import CandleRing, Columns, IntArray, columns_from_candles
from core.market_data.higher_bars import HigherBars
from core.market_data.hot_file import EmptyBars
from core.market_data.integrity import Range, missing_ranges
from core.models.candles import Candle, Timeframe

MAX_ENTRY_MEMORY = 1000
_FRAME_BYTES = 5_000  # of a frame's own, beside its index: its rows are the ring's memory
# (open time of the first row, or None; newest rows wanted, or None) -> rows, known empty bars
ReadStored = Callable[[int | None, int | None], tuple[Columns, list[EmptyBars]]]


class SeriesMemory:
    """Thread safe. `version` grows with every change of the candles."""

    def __init__(
        self, timeframe: Timeframe, *, day_offset_ms: int, read_stored: ReadStored
    ) -> None:
        self.version = 0
        self.rewrites = 0  # changes of the past, after which what was kept up begins anew
        self._timeframe = timeframe
        self._day_offset_ms = day_offset_ms
        self._read_stored = read_stored
        self._lock = threading.RLock()
        self._ring = CandleRing(MAX_ENTRY_MEMORY)
        self.newest: Candle | None = None  # exactly
        self._empty: list[EmptyBars] = []
        self._higher: dict[Timeframe, HigherBars] = {}
        self._frames: dict[Timeframe, tuple[int, pd.DataFrame]] = {}
        self._gaps: tuple[tuple[int, int], list[Range]] = ((-1, 0), [])

    # --- changing ----------------------------------------------------------------------------

    def load(self, columns: Columns, newest: Candle | None, empty: list[EmptyBars]) -> None:
        """Begin anew; `newest` is the last of `columns`, exactly."""
        with self._lock:
            self._ring.load(columns)
            self.newest = newest
            self._empty = empty
            self._higher.clear()
            self.version += 1
            self.rewrites += 1

    def put(self, candle: Candle) -> None:
        """The next candle, or another one of the past."""
        with self._lock:
            newest = self.newest
            self._ring.put(candle)
            if newest is None or candle.open_time_ms > newest.open_time_ms:
                self.newest = candle
                self.version += 1
                return
            if candle.open_time_ms == newest.open_time_ms:
                self.newest = candle
            self._changed_from(candle.open_time_ms)

    def put_many(self, candles: list[Candle]) -> None:
        """At least one, oldest first, anywhere in the series."""
        with self._lock:
            self._ring.update(columns_from_candles(candles))
            newest_ms = candles[-1].open_time_ms
            if self.newest is None or newest_ms >= self.newest.open_time_ms:
                self.newest = candles[-1]
            self._changed_from(candles[0].open_time_ms)

    def set_empty(self, empty: list[EmptyBars], changed_from_ms: int) -> None:
        """All empty bars that reach into memory; those from that time on have changed."""
        with self._lock:
            self._empty = empty
            self._changed_from(changed_from_ms)

    def _changed_from(self, open_time_ms: int) -> None:
        self.version += 1
        self.rewrites += 1
        for bars in self._higher.values():
            bars.changed_from(open_time_ms)

    # --- reading -----------------------------------------------------------------------------

    @property
    def rows(self) -> int:
        return len(self._ring)

    @property
    def open_times_ms(self) -> IntArray:
        with self._lock:
            return self._ring.open_times_ms

    def rows_after(self, open_time_ms: int, rewrites: int) -> tuple[int, Columns]:
        """The present `rewrites`, and the candles newer than that if it was the present one
        then; all of them if not."""
        with self._lock:
            columns = self._ring.view()
            if rewrites == self.rewrites:
                columns = columns.select(columns.open_time_ms > open_time_ms)
            return self.rewrites, columns

    @property
    def empty(self) -> list[EmptyBars]:
        return self._empty

    @property
    def bytes(self) -> int:
        """Rings, and what the frames need beside the rows."""
        with self._lock:
            rings = [self._ring, *(bars.ring for bars in self._higher.values())]
            frames = [frame for _, frame in self._frames.values()]
            return sum(ring.memory_bytes for ring in rings) + sum(
                len(frame) * 8 + _FRAME_BYTES for frame in frames
            )

    def gaps(self, last_ms: int) -> list[Range]:
        """Bars missing from the oldest up to the one that opens at `last_ms`."""
        with self._lock:
            state = (self.version, last_ms)
            if self._gaps[0] != state:
                times = self._ring.open_times_ms
                gaps: list[Range] = []
                if len(times):
                    empty = ranges_of(self._empty)
                    step_ms = self._timeframe.duration_ms
                    gaps = missing_ranges(times, empty, int(times[0]), last_ms, step_ms)
                self._gaps = (state, gaps)
            return list(self._gaps[1])

    def frame(self, timeframe: Timeframe) -> pd.DataFrame:
        """See `BotDataManager.frame`."""
        with self._lock:
            version, frame = self._frames.get(timeframe, (-1, None))
        if frame is None or version != self.version:
            if timeframe is not self._timeframe:
                self._make_bars(timeframe)
            with self._lock:
                is_base = timeframe is self._timeframe
                frame = _frame(self._ring if is_base else self._higher[timeframe].ring)
                self._frames[timeframe] = (self.version, frame)
        own = frame.copy(deep=False)
        # pandas copies on write while another frame has the rows: let it live as long as `own`.
        # (They are the ring's memory, and read-only: at the worst a write is refused.)
        weakref.finalize(own, _let_go, frame).atexit = False
        return own

    def _make_bars(self, timeframe: Timeframe) -> None:
        """Those completed since the last time. Memory serves if it reaches far enough back; else
        the store is read, unlocked, and once more if the series has changed meanwhile."""
        while True:
            with self._lock:
                version, newest = self.version, self.newest
                bars = self._higher.get(timeframe)
                if bars is None:
                    bars = HigherBars(self._timeframe, timeframe, self._day_offset_ms)
                    self._higher[timeframe] = bars
                if newest is None or not bars.is_due(newest.open_time_ms):
                    return
                times, next_ms = self._ring.open_times_ms, bars.next_ms
                if next_ms is not None and len(times) and times[0] <= next_ms:
                    base = self._ring.view().select(times >= next_ms)
                    bars.add(base, ranges_of(self._empty))
                    return
            rows = bars.base_rows_at_most if next_ms is None else None
            stored, empty = self._read_stored(next_ms, rows)
            with self._lock:
                if self.version == version and self._higher.get(timeframe) is bars:
                    # Memory may hold candles that are not saved yet.
                    bars.add(stored.updated_by(self._ring.view()), ranges_of(empty))
                    return


def ranges_of(empty: Iterable[EmptyBars]) -> list[Range]:
    return [(first_ms, last_ms) for first_ms, last_ms, _ in empty]


def _frame(ring: CandleRing) -> pd.DataFrame:
    index = pd.DatetimeIndex(ring.open_times_ms.view("datetime64[ms]"), name="open_time")
    return pd.DataFrame(
        ring.values.T, index=index.tz_localize("UTC"), columns=Columns._fields[1:], copy=False
    )


def _let_go(frame: pd.DataFrame) -> None:
    """The last holder of `frame` is gone."""
