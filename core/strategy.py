"""Strategies are stateless: candles in, signals out (spec M2). Same code live and in backtest.

Write one as a subclass in `strategies/`, one file, and register it in `strategies/__init__.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from core.models.candles import Timeframe


class StrategyParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of a strategy's declared parameters; defaults make it runnable at once."""


class Strategy(ABC):
    """Turns closed candles into signals; knows neither balance nor position.

    Frames have a `DatetimeIndex` (UTC, bar open) and float columns open, high, low, close,
    volume; the entry timeframe first. Every row is a closed candle. Frames of a higher timeframe
    hold closed bars only, and a row of the entry frame may use a higher bar only if that bar had
    closed when the entry row closed (the shift(1) rule; `tests/strategies` proves it for every
    registered strategy by cutting off the future).
    """

    name: ClassVar[str]
    summary: ClassVar[str]  # one sentence for a trader who chooses between strategies
    required_timeframes: ClassVar[tuple[Timeframe, ...]]
    parameters_type: ClassVar[type[StrategyParameters]]

    def __init__(self, parameters: StrategyParameters | None = None) -> None:
        self.parameters = parameters if parameters is not None else self.parameters_type()

    @property
    @abstractmethod
    def warm_up_bars(self) -> int:
        """Entry bars needed before the first signal can be trusted."""

    @abstractmethod
    def calculate_indicators(self, frames: dict[Timeframe, pd.DataFrame]) -> pd.DataFrame:
        """Entry frame with one float column added per indicator (NaN while warming up)."""

    @abstractmethod
    def generate_signals(self, indicators: pd.DataFrame) -> pd.Series:
        """-1, 0 or 1 per row, known at that row's close."""

    @abstractmethod
    def exit_distances(self, row: pd.Series) -> tuple[float, float]:
        """Price distances (stop loss, take profit) from the entry for a signal on `row`."""

    def explain(self, row: pd.Series, direction: int) -> str:  # noqa: ARG002 (for subclasses)
        """One short sentence a trader reads in the causal trail."""
        return f"{self.name}: {'long' if direction > 0 else 'short'}"


class BarMatrix(NamedTuple):
    """The newest closed bars of many symbols: one row a symbol, oldest bar first, equal lengths."""

    open: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    close: npt.NDArray[np.float64]
    volume: npt.NDArray[np.float64]


class ScorePart(NamedTuple):
    """What a score is made of, as a screen names it: `most` points of the 100."""

    name: str
    most: float


class ScoreReading(NamedTuple):
    """The one figure a score is read from: its name, its range, and where it means something."""

    name: str
    low: float
    high: float
    marks: tuple[float, ...] = ()


class Scores(NamedTuple):
    """One entry a row: 0 (nothing) to 100 (as strong as it gets), for 1 long or -1 short; score
    and direction are 0 where there is no pattern, the score NaN where a bar is missing (NaN).
    A row of `parts` has a column for each of the strategy's `score_parts` and adds up to the
    score; `reading` is the strategy's `score_reading` on the newest bar, NaN where unknown."""

    score: npt.NDArray[np.float64]
    direction: npt.NDArray[np.int64]
    parts: npt.NDArray[np.float64]
    reading: npt.NDArray[np.float64]


class ScoringStrategy(Strategy):
    """A strategy that also says how strong its case is, so that many symbols can be ranked.

    A symbol's score is a function of its newest `score_bars` closed bars alone, and its frame's
    newest signal and indicators tell of the same bars (`tests/strategies` holds both to it).
    """

    score_bars: ClassVar[int] = 100
    score_parts: ClassVar[tuple[ScorePart, ...]]

    @property
    @abstractmethod
    def score_reading(self) -> ScoreReading:
        """What `Scores.reading` is."""

    @abstractmethod
    def score(self, bars: BarMatrix) -> Scores:
        """All rows in one pass; `bars` has `score_bars` columns."""
