"""A strategy that has an opinion often and for no reason: schedules need orders, not insight.

Its opinion is a pure function of the bar's time and the bot's number, so a bar told twice, or
judged again after a restart, gives the same signal.
"""

from __future__ import annotations

import hashlib
from typing import ClassVar

import pandas as pd

from app.chaos.chaos_market import TIMEFRAME
from core.models.candles import Timeframe
from core.strategy import Strategy, StrategyParameters


class DiceParameters(StrategyParameters, frozen=True):
    """`salt` makes bots differ; an opinion lasts `patience` bars, from the same bars on for all;
    distances are ratios of the price."""

    salt: int = 0
    patience: int = 1
    stop_ratio: float = 0.006
    take_profit_ratio: float = 0.009


class DiceStrategy(Strategy):
    """Two opinions in five are long, two short, one flat."""

    name: ClassVar[str] = "dice"
    required_timeframes: ClassVar[tuple[Timeframe, ...]] = (TIMEFRAME,)
    parameters_type: ClassVar[type[StrategyParameters]] = DiceParameters
    parameters: DiceParameters

    @property
    def warm_up_bars(self) -> int:
        return 2

    def calculate_indicators(self, frames: dict[Timeframe, pd.DataFrame]) -> pd.DataFrame:
        return frames[TIMEFRAME].iloc[-1:]  # nobody asks about the others

    def generate_signals(self, indicators: pd.DataFrame) -> pd.Series:
        return pd.Series([self._opinion(opened) for opened in indicators.index])

    def exit_distances(self, row: pd.Series) -> tuple[float, float]:
        close = float(row["close"])
        return close * self.parameters.stop_ratio, close * self.parameters.take_profit_ratio

    def _opinion(self, opened: pd.Timestamp) -> int:
        bar = opened.value // 1_000_000 // TIMEFRAME.duration_ms
        text = f"{self.parameters.salt}/{bar // self.parameters.patience}"
        return (1, 1, -1, -1, 0)[hashlib.blake2b(text.encode()).digest()[0] % 5]
