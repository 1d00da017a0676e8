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
    """The newest `capacity` candles in fixed memory: a new candle costs O(1) and allocates nothing.

    Rows lie in one piece (a window that slides through a slightly larger buffer and now and
    then moves back to its start), so readers get plain slices.
    """

    _SLACK = 128

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._times = np.empty(capacity + self._SLACK, dtype=np.int64)
        self._values = np.empty((5, capacity + self._SLACK), dtype=np.float64)
        self._start = 0
        self._end = 0

    def __len__(self) -> int:
        return self._end - self._start

    @property
    def memory_bytes(self) -> int:
        return self._times.nbytes + self._values.nbytes

    @property
    def open_times_ms(self) -> IntArray:
        """A view, valid until the next change."""
        return self._times[self._start : self._end]

    def put(self, candle: Candle) -> None:
        """Add the candle, or replace the one of the same open time. One that is older than all
        of a full ring is left out."""
        times = self.open_times_ms
        if len(times) == 0 or candle.open_time_ms > times[-1]:
            self._push(candle)
            return
        row = int(np.searchsorted(times, candle.open_time_ms))
        if times[row] == candle.open_time_ms:
            self._write(self._start + row, candle)
        else:
            self.update(columns_from_candles([candle]))

    def update(self, newer: Columns) -> None:
        """Put many at once, in any position."""
        self.load(self.copy().updated_by(newer))

    def load(self, columns: Columns) -> None:
        """Hold exactly the newest of `columns`."""
        newest = columns.select(slice(-self._capacity, None))
        self._start, self._end = 0, newest.rows
        self._times[: self._end] = newest.open_time_ms
        for target, source in zip(self._values, newest[1:], strict=True):
            target[: self._end] = source

    def copy(self) -> Columns:
        window = slice(self._start, self._end)
        return Columns(self._times[window].copy(), *(row[window].copy() for row in self._values))

    def _push(self, candle: Candle) -> None:
        if self._end == len(self._times):
            self._move_to_front()
        self._write(self._end, candle)
        self._end += 1
        self._start = max(self._start, self._end - self._capacity)

    def _write(self, position: int, candle: Candle) -> None:
        self._times[position] = candle.open_time_ms
        self._values[:, position] = (
            float(candle.open),
            float(candle.high),
            float(candle.low),
            float(candle.close),
            float(candle.volume),
        )

    def _move_to_front(self) -> None:
        count = self._capacity - 1  # the push that follows makes it full again
        self._times[:count] = self._times[self._end - count : self._end].copy()
        self._values[:, :count] = self._values[:, self._end - count : self._end].copy()
        self._start, self._end = 0, count
