"""MACD and RSI turns on the entry timeframe, taken only with the hourly trend.

Why this one first: it is the textbook combination most traders can check by eye, it uses both
timeframes, and it trades often enough to show a whole round trip within a demo session.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
import numpy as np
import pandas as pd
import talib

from core.models.candles import Timeframe
from core.parameter_form import told
from core.strategy import Strategy, StrategyParameters

Period = Annotated[int, msgspec.Meta(ge=2, le=500)]
Multiple = Annotated[float, msgspec.Meta(gt=0, le=100)]
Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]


class MacdRsiTrendParameters(StrategyParameters, frozen=True):
    """Periods in bars; stop and take profit in multiples of ATR."""

    macd_fast: Annotated[Period, told("Bars of MACD's fast average.", "bars")] = 12
    macd_slow: Annotated[Period, told("Bars of MACD's slow average.", "bars")] = 26
    macd_signal: Annotated[Period, told("Bars of MACD's signal line.", "bars")] = 9
    rsi_period: Annotated[Period, told("Bars of the RSI.", "bars")] = 14
    atr_period: Annotated[Period, told("Bars of the ATR that stops are measured in.", "bars")] = 14
    rsi_middle: Annotated[Percent, told("RSI crossing it is a turn.", "RSI")] = 50.0
    rsi_long_max: Annotated[Percent, told("No long at or above it.", "RSI")] = 72.0
    rsi_short_min: Annotated[Percent, told("No short at or below it.", "RSI")] = 28.0
    stop_atr: Annotated[Multiple, told("Distance of the stop loss.", "ATR")] = 1.0
    take_profit_atr: Annotated[Multiple, told("Distance of the take profit.", "ATR")] = 1.5


class MacdRsiTrend(Strategy):
    """Long when the MACD histogram turns positive, or RSI comes back above its middle, while the
    hourly MACD is above its signal line and RSI is not overbought; short is the mirror image."""

    name: ClassVar[str] = "macd_rsi_trend"
    summary: ClassVar[str] = "MACD and RSI turns on 15 minutes, taken only with the hourly trend."
    required_timeframes: ClassVar[tuple[Timeframe, ...]] = (Timeframe.M15, Timeframe.H1)
    parameters_type: ClassVar[type[StrategyParameters]] = MacdRsiTrendParameters
    parameters: MacdRsiTrendParameters

    @property
    def warm_up_bars(self) -> int:
        entry, pattern = (timeframe.duration_ms for timeframe in self.required_timeframes)
        pattern_bars = self.parameters.macd_slow + self.parameters.macd_signal + 2
        return pattern_bars * (pattern // entry)

    def calculate_indicators(self, frames: dict[Timeframe, pd.DataFrame]) -> pd.DataFrame:
        p = self.parameters
        entry_timeframe, pattern_timeframe = self.required_timeframes
        entry = frames[entry_timeframe].copy()
        close = entry["close"].to_numpy(float)
        high, low = entry["high"].to_numpy(float), entry["low"].to_numpy(float)
        _, _, entry["macd_histogram"] = talib.MACD(close, p.macd_fast, p.macd_slow, p.macd_signal)
        entry["rsi"] = talib.RSI(close, p.rsi_period)
        entry["atr"] = talib.ATR(high, low, close, p.atr_period)
        entry["pattern_histogram"] = self._pattern_histogram(
            entry.index, frames[pattern_timeframe], entry_timeframe, pattern_timeframe
        )
        return entry

    def generate_signals(self, indicators: pd.DataFrame) -> pd.Series:
        p = self.parameters
        histogram, rsi = indicators["macd_histogram"], indicators["rsi"]
        trend = indicators["pattern_histogram"]
        up = _crosses_above(histogram, 0.0) | _crosses_above(rsi, p.rsi_middle)
        down = _crosses_above(-histogram, 0.0) | _crosses_above(-rsi, -p.rsi_middle)
        long = up & (trend > 0) & (rsi < p.rsi_long_max)
        short = down & (trend < 0) & (rsi > p.rsi_short_min)
        return long.astype(int) - short.astype(int)

    def exit_distances(self, row: pd.Series) -> tuple[float, float]:
        atr = float(row["atr"])
        return atr * self.parameters.stop_atr, atr * self.parameters.take_profit_atr

    def explain(self, row: pd.Series, direction: int) -> str:
        way = "up" if direction > 0 else "down"
        return (
            f"Momentum turned {way} (MACD histogram {row['macd_histogram']:+.4g}, "
            f"RSI {row['rsi']:.1f}) with the 1h trend {way}"
        )

    def _pattern_histogram(
        self,
        entry_opens: pd.Index,
        pattern: pd.DataFrame,
        entry_timeframe: Timeframe,
        pattern_timeframe: Timeframe,
    ) -> np.ndarray:
        """Histogram of the newest pattern bar that had *closed* when each entry bar closed."""
        p = self.parameters
        if pattern.empty:
            return np.full(len(entry_opens), np.nan)
        _, _, histogram = talib.MACD(
            pattern["close"].to_numpy(float), p.macd_fast, p.macd_slow, p.macd_signal
        )
        pattern_closes = pd.DatetimeIndex(pattern.index) + pd.Timedelta(
            milliseconds=pattern_timeframe.duration_ms
        )
        entry_closes = pd.DatetimeIndex(entry_opens) + pd.Timedelta(
            milliseconds=entry_timeframe.duration_ms
        )
        newest = np.asarray(pattern_closes.searchsorted(entry_closes, side="right")) - 1
        return np.where(newest >= 0, histogram[np.maximum(newest, 0)], np.nan)


def _crosses_above(values: pd.Series, level: float) -> pd.Series:
    """True on the bar that closes above `level` after one that did not."""
    return (values > level) & (values.shift(1) <= level)
