"""Simple moving average."""

from __future__ import annotations

from math import nan
from typing import ClassVar

from core.indicators.indicator import Indicator, Parameter, check_period
from core.market_data.columns import Columns, FloatArray


class Sma(Indicator):
    """The plain mean of the newest `period` closes.

    Summed anew at every bar: a sum that is carried along keeps the rounding of every price that
    has passed through it.
    """

    __slots__ = ("_period", "_window", "value")
    name: ClassVar[str] = "sma"
    title: ClassVar[str] = "SMA"
    meaning: ClassVar[str] = "Simple moving average"
    inputs: ClassVar[tuple[str, ...]] = ("close",)
    outputs: ClassVar[tuple[str, ...]] = ("sma",)
    parameters: ClassVar[tuple[Parameter, ...]] = (Parameter("period", 50),)
    is_overlay: ClassVar[bool] = True

    def __init__(self, period: int = 50) -> None:
        """`period` in bars. Raises ValueError below 2."""
        check_period(period, 2)
        self._period = period
        self._window: tuple[float, ...] = ()
        self.value = nan

    def update(self, close: float) -> float:
        self._window = (*self._window[-self._period + 1 :], close)
        if len(self._window) == self._period:
            self.value = sum(self._window) / self._period
        return self.value

    @property
    def values(self) -> tuple[float, ...]:
        return (self.value,)

    @staticmethod
    def batch(columns: Columns, period: int = 50) -> tuple[FloatArray, ...]:
        import talib

        return (talib.SMA(columns.close, period),)
