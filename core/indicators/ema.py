"""Exponential moving average."""

from __future__ import annotations

from math import nan
from typing import ClassVar

from core.indicators.indicator import Indicator, Parameter, check_period
from core.market_data.columns import Columns, FloatArray


class Ema(Indicator):
    """Begins as the plain mean of the first `period` values."""

    __slots__ = ("_count", "_gain", "_period", "_sum", "value")
    name: ClassVar[str] = "ema"
    title: ClassVar[str] = "EMA"
    meaning: ClassVar[str] = "Exponential moving average"
    inputs: ClassVar[tuple[str, ...]] = ("close",)
    outputs: ClassVar[tuple[str, ...]] = ("ema",)
    parameters: ClassVar[tuple[Parameter, ...]] = (Parameter("period", 20),)
    is_overlay: ClassVar[bool] = True

    def __init__(self, period: int = 20) -> None:
        """`period` in bars. Raises ValueError below 2."""
        check_period(period, 2)
        self._period = period
        self._gain = 2.0 / (period + 1)
        self._count = 0
        self._sum = 0.0
        self.value = nan

    def update(self, close: float) -> float:
        if self._count < self._period:
            self._count += 1
            self._sum += close
            if self._count == self._period:
                self.value = self._sum / self._period
        else:
            self.value += (close - self.value) * self._gain
        return self.value

    @property
    def values(self) -> tuple[float, ...]:
        return (self.value,)

    @staticmethod
    def batch(columns: Columns, period: int = 20) -> tuple[FloatArray, ...]:
        import talib

        return (talib.EMA(columns.close, period),)
