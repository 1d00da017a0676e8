"""Moving average convergence and divergence."""

from __future__ import annotations

from math import nan
from typing import ClassVar

from core.indicators.indicator import Indicator, Parameter, check_period
from core.market_data.columns import Columns, FloatArray


class Macd(Indicator):
    """Difference of two averages, its own average (`signal`), and how far it is above that.

    Both averages begin together, at the first bar that the slow one can have, as in TA-Lib; and
    like there nothing is shown before the signal can be.
    """

    __slots__ = (
        "_count",
        "_fast",
        "_fast_gain",
        "_fast_period",
        "_signal_count",
        "_signal_gain",
        "_signal_period",
        "_slow",
        "_slow_gain",
        "_slow_period",
        "histogram",
        "signal",
        "value",
    )
    name: ClassVar[str] = "macd"
    title: ClassVar[str] = "MACD"
    meaning: ClassVar[str] = "Moving average convergence and divergence"
    inputs: ClassVar[tuple[str, ...]] = ("close",)
    outputs: ClassVar[tuple[str, ...]] = ("macd", "macd_signal", "macd_histogram")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("fast", 12),
        Parameter("slow", 26, 3),
        Parameter("signal", 9),
    )

    def __init__(self, fast: int = 12, slow: int = 26, signal: int = 9) -> None:
        """Periods in bars. Raises ValueError below 2, or unless `fast` is below `slow`."""
        check_period(fast, 2)
        check_period(slow, fast + 1)
        check_period(signal, 2)
        self._fast_period, self._slow_period, self._signal_period = fast, slow, signal
        self._fast_gain, self._slow_gain = 2.0 / (fast + 1), 2.0 / (slow + 1)
        self._signal_gain = 2.0 / (signal + 1)
        self._count = 0
        self._signal_count = 0
        self._fast = self._slow = 0.0  # sums while warming up, then the averages
        self.value = self.signal = self.histogram = nan

    def update(self, close: float) -> float:
        if self._count < self._slow_period:
            self._count += 1
            self._slow += close
            if self._count > self._slow_period - self._fast_period:
                self._fast += close
            if self._count < self._slow_period:
                return nan
            self._slow /= self._slow_period
            self._fast /= self._fast_period
        else:
            self._slow += (close - self._slow) * self._slow_gain
            self._fast += (close - self._fast) * self._fast_gain
        return self._with_signal(self._fast - self._slow)

    def _with_signal(self, macd: float) -> float:
        if self._signal_count < self._signal_period:
            self._signal_count += 1
            self.signal = macd + (self.signal if self._signal_count > 1 else 0.0)
            if self._signal_count < self._signal_period:
                return nan
            self.signal /= self._signal_period
        else:
            self.signal += (macd - self.signal) * self._signal_gain
        self.value, self.histogram = macd, macd - self.signal
        return macd

    @property
    def values(self) -> tuple[float, ...]:
        if self._signal_count < self._signal_period:
            return nan, nan, nan
        return self.value, self.signal, self.histogram

    @staticmethod
    def batch(
        columns: Columns, fast: int = 12, slow: int = 26, signal: int = 9
    ) -> tuple[FloatArray, ...]:
        import talib

        macd, signal_line, histogram = talib.MACD(columns.close, fast, slow, signal)
        return macd, signal_line, histogram
