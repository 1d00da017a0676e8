"""Volume weighted average price of the day."""

from __future__ import annotations

from math import nan
from typing import ClassVar

import numpy as np

from core.indicators.indicator import Indicator
from core.market_data.columns import Columns, FloatArray

_DAY_MS = 86_400_000


class Vwap(Indicator):
    """Begins anew at 00:00 UTC; NaN until the first midnight, for part of a day is no average of
    it. A day without volume so far has its newest typical price."""

    __slots__ = ("_day", "_value", "_volume", "value")
    name: ClassVar[str] = "vwap"
    title: ClassVar[str] = "VWAP"
    meaning: ClassVar[str] = "Volume weighted average price of the day"
    inputs: ClassVar[tuple[str, ...]] = ("open_time_ms", "high", "low", "close", "volume")
    outputs: ClassVar[tuple[str, ...]] = ("vwap",)
    is_overlay: ClassVar[bool] = True

    def __init__(self) -> None:
        self._day: float | None = None
        self._value = self._volume = nan
        self.value = nan

    def update(
        self, open_time_ms: float, high: float, low: float, close: float, volume: float
    ) -> float:
        day = open_time_ms // _DAY_MS
        if day != self._day:
            is_seen_whole = self._day is not None or open_time_ms % _DAY_MS == 0
            self._value = self._volume = 0.0 if is_seen_whole else nan
            self._day = day
        typical = (high + low + close) / 3.0
        self._value += typical * volume
        self._volume += volume
        self.value = typical if self._volume == 0.0 else self._value / self._volume
        return self.value

    @property
    def values(self) -> tuple[float, ...]:
        return (self.value,)

    @staticmethod
    def batch(columns: Columns) -> tuple[FloatArray, ...]:
        typical = (columns.high + columns.low + columns.close) / 3.0
        found = np.full(columns.rows, nan)
        if columns.rows == 0:
            return (found,)
        days = columns.open_time_ms // _DAY_MS
        starts = np.flatnonzero(np.diff(days, prepend=days[0] - 1)).tolist()
        if columns.open_time_ms[0] % _DAY_MS:
            starts = starts[1:]
        for start, stop in zip(starts, [*starts[1:], columns.rows], strict=True):
            day = slice(start, stop)
            volume = np.cumsum(columns.volume[day])
            value = np.cumsum(typical[day] * columns.volume[day])
            known = volume != 0.0
            found[day] = np.where(known, value / np.where(known, volume, 1.0), typical[day])
        return (found,)

    @classmethod
    def warm_up_bars(cls, parameters: tuple[float, ...], duration_ms: int) -> int:  # noqa: ARG003
        """One whole day before."""
        return _DAY_MS // duration_ms + 1
