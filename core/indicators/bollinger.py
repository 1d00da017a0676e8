"""Bollinger bands."""

from __future__ import annotations

from math import nan, sqrt
from typing import ClassVar

import numpy as np

from core.indicators.indicator import Indicator, Parameter, check_period
from core.market_data.columns import Columns, FloatArray

_ROWS_AT_ONCE = 4096  # windows are `period` times as large as the closes they are made of


class Bollinger(Indicator):
    """Mean of the newest `period` closes, and `deviations` standard deviations to either side.

    Not carried along from bar to bar: a variance made by adding and subtracting squares of
    prices has no correct digit left where the market stands still.
    """

    __slots__ = ("_deviations", "_period", "_window", "lower", "upper", "value")
    name: ClassVar[str] = "bollinger"
    title: ClassVar[str] = "Bollinger"
    meaning: ClassVar[str] = "Bollinger bands"
    inputs: ClassVar[tuple[str, ...]] = ("close",)
    outputs: ClassVar[tuple[str, ...]] = ("bollinger", "bollinger_upper", "bollinger_lower")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("period", 20),
        Parameter("deviations", 2, 0.1, 10, is_whole=False),
    )
    is_overlay: ClassVar[bool] = True

    def __init__(self, period: int = 20, deviations: float = 2.0) -> None:
        """`period` in bars. Raises ValueError below 2."""
        check_period(period, 2)
        self._period, self._deviations = period, deviations
        self._window: tuple[float, ...] = ()
        self.value = self.upper = self.lower = nan

    def update(self, close: float) -> float:
        self._window = (*self._window[-self._period + 1 :], close)
        if len(self._window) == self._period:
            mean = sum(self._window) / self._period
            variance = sum([(x - mean) * (x - mean) for x in self._window]) / self._period
            reach = self._deviations * sqrt(variance)
            self.value, self.upper, self.lower = mean, mean + reach, mean - reach
        return self.value

    @property
    def values(self) -> tuple[float, ...]:
        return self.value, self.upper, self.lower

    @staticmethod
    def batch(
        columns: Columns, period: int = 20, deviations: float = 2.0
    ) -> tuple[FloatArray, ...]:
        middle, reach = np.full((2, columns.rows), nan)
        if columns.rows >= period:
            windows = np.lib.stride_tricks.sliding_window_view(columns.close, period)
            for start in range(0, len(windows), _ROWS_AT_ONCE):
                some = windows[start : start + _ROWS_AT_ONCE]
                rows = slice(start + period - 1, start + period - 1 + len(some))
                middle[rows] = some.mean(axis=1)
                reach[rows] = deviations * some.std(axis=1)
        return middle, middle + reach, middle - reach
