"""Strongest first, the same way every time, and nothing scored twice."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from core.clock import ManualClock
from core.market_data.shared_data_manager import SharedDataManager
from core.models.candles import Candle, Timeframe
from core.scanning.scan import Scan, Scored, newest_closed_ms
from core.strategy import (
    BarMatrix,
    ScorePart,
    ScoreReading,
    Scores,
    ScoringStrategy,
    StrategyParameters,
)

M15 = Timeframe.M15
STEP_MS = M15.duration_ms
START_MS = 1_767_571_200_000
BARS = 5


class LastClose(ScoringStrategy):
    """A symbol's score is its newest close."""

    name: ClassVar[str] = "last_close"
    required_timeframes: ClassVar[tuple[Timeframe, ...]] = (M15,)
    parameters_type: ClassVar[type[StrategyParameters]] = StrategyParameters
    score_bars: ClassVar[int] = BARS
    score_parts: ClassVar[tuple[ScorePart, ...]] = (ScorePart("close", 100.0),)
    passes = 0

    @property
    def score_reading(self) -> ScoreReading:
        return ScoreReading("close", 0.0, 100.0)

    @property
    def warm_up_bars(self) -> int:
        return BARS

    def score(self, bars: BarMatrix) -> Scores:
        self.passes += 1
        score = np.where(np.isnan(bars.close).any(axis=1), np.nan, bars.close[:, -1])
        direction = np.where(np.isnan(score), 0, 1)
        return Scores(score, direction, score[:, None], score)

    def calculate_indicators(self, frames: dict[Timeframe, pd.DataFrame]) -> pd.DataFrame:
        raise NotImplementedError  # of no interest to a scan

    def generate_signals(self, indicators: pd.DataFrame) -> pd.Series:
        raise NotImplementedError

    def exit_distances(self, row: pd.Series) -> tuple[float, float]:
        raise NotImplementedError


class Desk:
    """A few series whose newest close is given; `now_ms` is just after the newest bar's end."""

    def __init__(self, folder: Path) -> None:
        self.data = SharedDataManager(
            "bybit", cache_dir=folder, clock=ManualClock(START_MS + 1000 * STEP_MS)
        )
        self.strategy = LastClose()
        self.scan = Scan(self.strategy, M15)
        self.turnovers: dict[str, Decimal] = {}

    def close(self, symbol: str, number: int, price: int) -> None:
        one = Decimal(price)
        bar = Candle(START_MS + number * STEP_MS, one, one, one, one, Decimal(1))
        self.data.get_manager(symbol).append_candle(bar, save=False)

    def fill(self, symbol: str, price: int, bars: int = BARS, turnover: int = 0) -> None:
        for number in range(BARS - bars, BARS):
            self.close(symbol, number, price)
        self.turnovers[symbol] = Decimal(turnover)

    def run(self, symbols: list[str], number: int = BARS - 1) -> list[Scored]:
        return self.scan.run(
            {symbol: self.data.get_manager(symbol) for symbol in symbols},
            now_ms=START_MS + (number + 1) * STEP_MS + 5,
            turnover_of=lambda symbol: self.turnovers[symbol],
        )


@pytest.fixture
def desk(tmp_path: Path) -> Any:
    made = Desk(tmp_path)
    yield made
    made.data.close()


def names(ranked: list[Scored]) -> list[str]:
    return [scored.symbol for scored in ranked]


def test_ties_are_broken_by_turnover_and_then_by_name(desk: Desk) -> None:
    desk.fill("BUSDT", 50, turnover=7)
    desk.fill("AUSDT", 50, turnover=7)
    desk.fill("DUSDT", 50, turnover=9)
    desk.fill("CUSDT", 80, turnover=1)
    desk.fill("EUSDT", 10, turnover=99)
    expected = ["CUSDT", "DUSDT", "AUSDT", "BUSDT", "EUSDT"]
    rng = random.Random(1)
    for _ in range(20):
        assert names(desk.run(rng.sample(expected, 5))) == expected


def test_a_symbol_with_too_few_bars_comes_last_and_has_no_score(desk: Desk) -> None:
    desk.fill("AUSDT", 90, bars=BARS - 1, turnover=9)
    desk.fill("BUSDT", 1, turnover=1)
    desk.turnovers["CUSDT"] = Decimal(0)
    ranked = desk.run(["CUSDT", "AUSDT", "BUSDT"])
    assert names(ranked) == ["BUSDT", "AUSDT", "CUSDT"]
    assert [scored.is_complete for scored in ranked] == [True, False, False]
    assert ranked[2].candle_open_time_ms == -1
    assert not ranked[2].is_fresh


def test_only_the_newest_closed_bar_is_fresh(desk: Desk) -> None:
    desk.fill("AUSDT", 50)
    desk.fill("BUSDT", 60)
    desk.close("BUSDT", BARS, 61)
    fresh = {scored.symbol: scored.is_fresh for scored in desk.run(["AUSDT", "BUSDT"], BARS)}
    assert fresh == {"AUSDT": False, "BUSDT": True}


def test_what_has_not_changed_is_not_scored_again(desk: Desk) -> None:
    desk.fill("AUSDT", 50)
    desk.fill("BUSDT", 60)
    changes: list[tuple[Callable[[], object], int]] = [
        (lambda: None, 1),
        (lambda: None, 1),
        (lambda: desk.close("AUSDT", BARS, 70), 2),
        (lambda: None, 2),
        (lambda: desk.close("BUSDT", BARS, 40), 3),
    ]
    for change, passes in changes:
        change()
        ranked = desk.run(["AUSDT", "BUSDT"])
        assert desk.strategy.passes == passes
    assert [(scored.symbol, scored.score) for scored in ranked] == [("AUSDT", 70), ("BUSDT", 40)]
    assert names(desk.run(["BUSDT"])) == ["BUSDT"]
    assert names(desk.run(["AUSDT", "BUSDT"])) == ["AUSDT", "BUSDT"]


@pytest.mark.parametrize(
    ("timeframe", "now", "newest"),
    [
        (Timeframe.M15, "2026-01-05T00:00:00", "2026-01-04T23:45:00"),
        (Timeframe.M15, "2026-01-05T00:14:59", "2026-01-04T23:45:00"),
        (Timeframe.M15, "2026-01-05T00:15:00", "2026-01-05T00:00:00"),
        (Timeframe.D1, "2026-03-01T12:00:00", "2026-02-28T00:00:00"),
        (Timeframe.MONTH, "2026-03-01T00:00:00", "2026-02-01T00:00:00"),
    ],
)
def test_the_newest_closed_bar_by_the_clock(timeframe: Timeframe, now: str, newest: str) -> None:
    now_ms, newest_ms = (
        int(pd.Timestamp(text, tz="UTC").timestamp()) * 1000 for text in (now, newest)
    )
    assert newest_closed_ms(timeframe, now_ms) == newest_ms
