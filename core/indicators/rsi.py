"""Relative strength index, with Wilder's smoothing."""

from __future__ import annotations

from math import nan
from typing import ClassVar

from core.indicators.indicator import Indicator, Parameter, check_period
from core.market_data.columns import Columns, FloatArray


class Rsi(Indicator):
    """0 to 100; 0 where nothing has moved at all, as in TA-Lib."""

    __slots__ = ("_close", "_count", "_gain", "_loss", "_period", "value")
    name: ClassVar[str] = "rsi"
    title: ClassVar[str] = "RSI"
    meaning: ClassVar[str] = "Relative strength index"
    inputs: ClassVar[tuple[str, ...]] = ("close",)
    outputs: ClassVar[tuple[str, ...]] = ("rsi",)
    parameters: ClassVar[tuple[Parameter, ...]] = (Parameter("period", 14),)
    guides: ClassVar[tuple[float, ...]] = (70.0, 30.0)

    def __init__(self, period: int = 14) -> None:
        """`period` in bars. Raises ValueError below 2."""
        check_period(period, 2)
        self._period = period
        self._count = -1  # changes seen: one less than closes
        self._close = nan
        self._gain = 0.0
        self._loss = 0.0
        self.value = nan

    def update(self, close: float) -> float:
        change = close - self._close
        self._close = close
        period = self._period
        if self._count < period:
            self._count += 1
            if self._count == 0:
                return nan
            if change > 0.0:
                self._gain += change
            else:
                self._loss -= change
            if self._count < period:
                return nan
            self._gain /= period
            self._loss /= period
        elif change > 0.0:
            self._gain = (self._gain * (period - 1) + change) / period
            self._loss = self._loss * (period - 1) / period
        else:
            self._gain = self._gain * (period - 1) / period
            self._loss = (self._loss * (period - 1) - change) / period
        moved = self._gain + self._loss
        self.value = 100.0 * self._gain / moved if moved > 0.0 else 0.0
        return self.value

    @property
    def values(self) -> tuple[float, ...]:
        return (self.value,)

    @staticmethod
    def batch(columns: Columns, period: int = 14) -> tuple[FloatArray, ...]:
        import talib

        return (talib.RSI(columns.close, period),)
