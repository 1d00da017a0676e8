"""One look at many symbols: their newest closed bars scored in one pass, strongest first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import NamedTuple

from core.market_data.bot_data_manager import BotDataManager
from core.models.candles import Timeframe
from core.scanning.board import CandleBoard
from core.strategy import ScoringStrategy


class Scored(NamedTuple):
    """One symbol of a scan. `score` is NaN while bars are missing. `is_fresh`: its newest bar is
    the newest that has closed by the exchange's clock; only then it may be entered. `parts` and
    `reading` are the strategy's, for the screen."""

    symbol: str
    score: float
    direction: int
    turnover_24h: Decimal
    candle_open_time_ms: int  # of the newest bar, -1 without one
    is_fresh: bool
    parts: list[float]
    reading: float

    @property
    def is_complete(self) -> bool:
        """Whether it has all the bars that a score needs."""
        return not math.isnan(self.score)


class Scan:
    """Scores a set of symbols; what has not changed since the last time is not scored again."""

    def __init__(self, strategy: ScoringStrategy, timeframe: Timeframe) -> None:
        self._strategy = strategy
        self._timeframe = timeframe
        self.board = CandleBoard(strategy.score_bars, timeframe)
        self._symbols: list[str] = []
        self._scores: list[float] = []
        self._directions: list[int] = []
        self._parts: list[list[float]] = []
        self._readings: list[float] = []

    def run(
        self,
        managers: Mapping[str, BotDataManager],
        *,
        now_ms: int,
        turnover_of: Callable[[str], Decimal],
    ) -> list[Scored]:
        """The symbols of `managers`, strongest first: by score, then turnover, then name. `now_ms`
        is market time."""
        symbols = list(managers)
        changed = [self.board.follow(symbol, manager) for symbol, manager in managers.items()]
        if any(changed) or symbols != self._symbols:
            self._symbols = symbols
            scores = self._strategy.score(self.board.matrix(symbols))
            self._scores, self._directions = scores.score.tolist(), scores.direction.tolist()
            self._parts, self._readings = scores.parts.tolist(), scores.reading.tolist()
        newest_ms = newest_closed_ms(self._timeframe, now_ms)
        ranked = [
            Scored(
                symbol,
                score,
                direction,
                turnover_of(symbol),
                open_ms := self.board.newest_open_ms(symbol) or -1,
                open_ms == newest_ms,
                parts,
                reading,
            )
            for symbol, score, direction, parts, reading in zip(
                symbols, self._scores, self._directions, self._parts, self._readings, strict=True
            )
        ]
        ranked.sort(key=strength)
        return ranked


def newest_closed_ms(timeframe: Timeframe, now_ms: int) -> int:
    """Open time of the newest bar that has closed at `now_ms`, both ms UTC."""
    return timeframe.floor_ms(timeframe.floor_ms(now_ms) - 1)


def strength(scored: Scored) -> tuple[float, Decimal, str]:
    """Sorts the strongest first, and the same way every time."""
    score = scored.score if scored.is_complete else -1.0
    return -score, -scored.turnover_24h, scored.symbol
