"""Candles as float columns, for indicators and charts, and the ring that keeps the newest.

Exact prices stay in the store; nothing here may decide about money.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.models.candles import Candle

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


class Columns(NamedTuple):
    """One array per field, oldest row first, equal lengths; never written to after it is made."""

    open_time_ms: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray

    @property
    def rows(self) -> int:
        return len(self.open_time_ms)

    def select(self, rows: slice | npt.NDArray[np.bool_] | IntArray) -> Columns:
        """The chosen rows."""
        times, *values = self
        return Columns(times[rows], *(column[rows] for column in values))

    def followed_by(self, newer: Columns) -> Columns:
        """Both, one after the other."""
        return Columns(
            np.concatenate((self.open_time_ms, newer.open_time_ms)),
            *(np.concatenate(pair) for pair in zip(self[1:], newer[1:], strict=True)),
        )

    def updated_by(self, newer: Columns) -> Columns:
        """Union by open time, sorted; where both have a bar, `newer` wins."""
        if not newer.rows or not self.rows or newer.open_time_ms[0] > self.open_time_ms[-1]:
            return self.followed_by(newer) if newer.rows else self
        kept = self.select(~np.isin(self.open_time_ms, newer.open_time_ms))
        union = kept.followed_by(newer)
        return union.select(np.argsort(union.open_time_ms, kind="stable"))


def columns_from_candles(candles: list[Candle]) -> Columns:
    return Columns(
        np.array([c.open_time_ms for c in candles], dtype=np.int64),
        *(
            np.array([float(getattr(c, name)) for c in candles], dtype=np.float64)
            for name in Columns._fields[1:]
        ),
    )


EMPTY = columns_from_candles([])


class CandleRing:
    """The newest `capacity` candles in bounded memory: a new candle costs O(1).

    Rows lie in one piece, a window that slides through a slightly larger buffer. `view` hands
    out the buffer itself, so a row is never written twice: when the window reaches the end, or
    an older row changes, the rows move to a new buffer and whoever holds a view keeps the old.
    """

    _SLACK = 32  # a move copies the ring: 10 us for 1000 rows, once in that many candles

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._start = self._end = 0
        self._times: IntArray
        self._values: FloatArray
        self.load(EMPTY)

    def __len__(self) -> int:
        return self._end - self._start

    @property
    def memory_bytes(self) -> int:
        return self._times.nbytes + self._values.nbytes

    @property
    def open_times_ms(self) -> IntArray:
        """Read-only; stays as it is."""
        view = self._times[self._start : self._end]
        view.flags.writeable = False
        return view

    @property
    def values(self) -> FloatArray:
        """One row per field but the time; read-only; stays as it is."""
        view = self._values[:, self._start : self._end]
        view.flags.writeable = False
        return view

    def view(self) -> Columns:
        """Read-only; stays as it is."""
        return Columns(self.open_times_ms, *self.values)

    def put(self, candle: Candle) -> None:
        """Add the candle, or replace the one of the same open time. One that is older than all
        of a full ring is left out."""
        if len(self) and candle.open_time_ms <= self._times[self._end - 1]:
            self.update(columns_from_candles([candle]))
            return
        if self._end == len(self._times):
            self.load(self.view().select(slice(1 - self._capacity, None)))
        self._times[self._end] = candle.open_time_ms
        self._values[:, self._end] = (
            float(candle.open),
            float(candle.high),
            float(candle.low),
            float(candle.close),
            float(candle.volume),
        )
        self._end += 1
        self._start = max(self._start, self._end - self._capacity)

    def extend(self, newer: Columns) -> None:
        """Add rows that are all newer than those held."""
        count = newer.rows
        if self._end + count > len(self._times):
            self.load(self.view().followed_by(newer))
            return
        rows = slice(self._end, self._end + count)
        self._times[rows] = newer.open_time_ms
        self._values[:, rows] = newer[1:]
        self._end += count
        self._start = max(self._start, self._end - self._capacity)

    def update(self, newer: Columns) -> None:
        """Put many at once, in any position."""
        self.load(self.view().updated_by(newer))

    def drop_from(self, open_time_ms: int) -> None:
        """Forget this bar and all later ones."""
        self.load(self.view().select(self.open_times_ms < open_time_ms))

    def load(self, columns: Columns) -> None:
        """Hold exactly the newest of `columns`."""
        newest = columns.select(slice(-self._capacity, None))
        self._times = np.empty(self._capacity + self._SLACK, dtype=np.int64)
        self._values = np.empty((5, self._capacity + self._SLACK), dtype=np.float64)
        self._start, self._end = 0, newest.rows
        self._times[: self._end] = newest.open_time_ms
        self._values[:, : self._end] = newest[1:]
