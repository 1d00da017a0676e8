"""Average true range, with Wilder's smoothing."""

from __future__ import annotations

from math import nan
from typing import ClassVar

from core.indicators.indicator import Indicator, Parameter, check_period
from core.market_data.columns import Columns, FloatArray


class Atr(Indicator):
    """In units of the price."""

    __slots__ = ("_close", "_count", "_period", "_sum", "value")
    name: ClassVar[str] = "atr"
    title: ClassVar[str] = "ATR"
    meaning: ClassVar[str] = "Average true range"
    inputs: ClassVar[tuple[str, ...]] = ("high", "low", "close")
    outputs: ClassVar[tuple[str, ...]] = ("atr",)
    parameters: ClassVar[tuple[Parameter, ...]] = (Parameter("period", 14),)

    def __init__(self, period: int = 14) -> None:
        """`period` in bars. Raises ValueError below 2."""
        check_period(period, 2)
        self._period = period
        self._count = -1  # ranges seen: the first bar has none, for want of a close before it
        self._close = nan
        self._sum = 0.0
        self.value = nan

    def update(self, high: float, low: float, close: float) -> float:
        previous = self._close
        true_range = (high if high > previous else previous) - (low if low < previous else previous)
        self._close = close
        period = self._period
        if self._count < period:
            self._count += 1
            if self._count > 0:
                self._sum += true_range
            if self._count == period:
                self.value = self._sum / period
        else:
            self.value = (self.value * (period - 1) + true_range) / period
        return self.value

    @property
    def values(self) -> tuple[float, ...]:
        return (self.value,)

    @staticmethod
    def batch(columns: Columns, period: int = 14) -> tuple[FloatArray, ...]:
        import talib

        return (talib.ATR(columns.high, columns.low, columns.close, period),)
