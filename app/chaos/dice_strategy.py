"""Strategies that have an opinion often and for no reason: schedules need orders, not insight.

An opinion is a pure function of the bar and the bot's number, so a bar told twice, or judged again
after a restart, gives the same signal.
"""

from __future__ import annotations

import hashlib
import math
from typing import ClassVar

import numpy as np
import pandas as pd

from app.chaos.chaos_market import TIMEFRAME
from core.models.candles import Timeframe
from core.strategy import (
    BarMatrix,
    ScorePart,
    ScoreReading,
    Scores,
    ScoringStrategy,
    Strategy,
    StrategyParameters,
)


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


class DiceScores(ScoringStrategy):
    """For a bot that scans: three bars in five have a score above 40, for long or short alike. What
    tells one symbol's bar from another's is its prices."""

    name: ClassVar[str] = "dice scores"
    required_timeframes: ClassVar[tuple[Timeframe, ...]] = (TIMEFRAME,)
    parameters_type: ClassVar[type[StrategyParameters]] = DiceParameters
    score_bars: ClassVar[int] = 2
    score_parts: ClassVar[tuple[ScorePart, ...]] = (ScorePart("dice", 100),)
    parameters: DiceParameters

    @property
    def score_reading(self) -> ScoreReading:
        return ScoreReading("dice", 0, 100)

    @property
    def warm_up_bars(self) -> int:
        return self.score_bars

    def score(self, bars: BarMatrix) -> Scores:
        thrown = [
            (math.nan, 0) if np.isnan(closes).any() else self._throw(opened, closes[-1])
            for opened, closes in zip(bars.open[:, -1].tolist(), bars.close, strict=True)
        ]
        score = np.array([score for score, _ in thrown], dtype=np.float64)
        direction = np.array([direction for _, direction in thrown], dtype=np.int64)
        return Scores(score, direction, score[:, np.newaxis], score)

    def calculate_indicators(self, frames: dict[Timeframe, pd.DataFrame]) -> pd.DataFrame:
        return frames[TIMEFRAME].iloc[-1:]

    def generate_signals(self, indicators: pd.DataFrame) -> pd.Series:
        rows = zip(indicators["open"], indicators["close"], strict=True)
        return pd.Series([self._throw(*row)[1] for row in rows], index=indicators.index)

    def exit_distances(self, row: pd.Series) -> tuple[float, float]:
        close = float(row["close"])
        return close * self.parameters.stop_ratio, close * self.parameters.take_profit_ratio

    def _throw(self, opened: float, close: float) -> tuple[float, int]:
        text = f"{self.parameters.salt}/{float(opened)!r}/{float(close)!r}"
        first, second, *_ = hashlib.blake2b(text.encode()).digest()
        return float(first % 101), 1 if second % 2 else -1
