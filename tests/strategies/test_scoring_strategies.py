"""Scores: what one pass over all symbols says is what each symbol's own bars say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st

from core.strategy import BarMatrix, ScoringStrategy
from strategies import STRATEGIES
from strategies.rsi_pattern import RsiPattern, RsiPatternParameters, wilder_rsi

SCORERS = [name for name, kind in STRATEGIES.items() if issubclass(kind, ScoringStrategy)]


def market(symbols: int, bars: int, seed: int) -> BarMatrix:
    rng = np.random.default_rng(seed)
    moves = rng.normal(0, 0.004, (symbols, bars)) + 0.001 * np.sin(np.arange(bars) / 9)
    close = 100 * np.exp(np.cumsum(moves, axis=1))
    open_ = np.hstack([np.full((symbols, 1), 100.0), close[:, :-1]])
    high = np.maximum(open_, close) * (1 + rng.random((symbols, bars)) * 0.002)
    low = np.minimum(open_, close) * (1 - rng.random((symbols, bars)) * 0.002)
    return BarMatrix(open_, high, low, close, rng.random((symbols, bars)))


def frame_of(bars: BarMatrix, row: int) -> pd.DataFrame:
    index = pd.date_range("2025-03-01", periods=bars.close.shape[1], freq="15min", tz="UTC")
    return pd.DataFrame({name: getattr(bars, name)[row] for name in bars._fields}, index=index)


def rsi_pattern_by_hand(frame: pd.DataFrame, p: RsiPatternParameters) -> tuple[float, int]:
    """The module's own words, one symbol and one bar at a time."""

    def side(rsi: list[float], lows: list[float], oversold: float) -> float:
        lowest, newest = min(rsi[-p.recent_bars :]), rsi[-1]
        if lowest > oversold or newest <= rsi[-2] or newest >= 50:
            return 0.0
        score = 40 + 25 * min((oversold - lowest) / 15, 1) + 25 * min((newest - lowest) / 10, 1)
        earlier = slice(-p.recent_bars - p.earlier_bars, -p.recent_bars)
        has_new_low = min(lows[-p.recent_bars :]) < min(lows[earlier])
        return score + 10 * (has_new_low and lowest > min(rsi[earlier]))

    rsi = list(talib.RSI(frame["close"].to_numpy(), p.rsi_period)[p.rsi_period :])
    long = side(rsi, list(frame["low"]), p.oversold)
    mirrored = side([100 - v for v in rsi], [-v for v in frame["high"]], 100 - p.overbought)
    return max(long, mirrored), int(np.sign(long - mirrored))


@pytest.mark.parametrize("seed", range(5))
def test_the_rsi_pattern_of_all_symbols_is_that_of_each_one(seed: int) -> None:
    strategy = RsiPattern()
    bars = market(200, strategy.score_bars, seed)
    scores = strategy.score(bars)
    by_hand = [rsi_pattern_by_hand(frame_of(bars, row), strategy.parameters) for row in range(200)]
    np.testing.assert_allclose(scores.score, [score for score, _ in by_hand], atol=1e-9, rtol=0)
    assert scores.direction.tolist() == [direction for _, direction in by_hand]
    assert set(scores.direction.tolist()) == {-1, 0, 1}
    assert (scores.score >= 70).any()


@given(period=st.integers(2, 40), bars=st.integers(41, 120), seed=st.integers(0, 2**32 - 1))
def test_rsi_by_weights_is_talibs(period: int, bars: int, seed: int) -> None:
    closes = market(3, bars, seed).close
    expected = np.array([talib.RSI(row, period)[period:] for row in closes])
    np.testing.assert_allclose(wilder_rsi(closes, period), expected, atol=1e-9, rtol=0)


def test_rsi_of_a_price_that_stands_still_is_zero_as_in_talib() -> None:
    closes = np.full((1, 50), 5.0)
    assert wilder_rsi(closes, 14).tolist() == [talib.RSI(closes[0], 14)[14:].tolist()]


@pytest.mark.parametrize("name", SCORERS)
def test_the_newest_row_of_a_frame_is_scored_as_the_symbol_is_ranked(name: str) -> None:
    strategy = STRATEGIES[name]()
    assert isinstance(strategy, ScoringStrategy)
    timeframe = strategy.required_timeframes[0]
    bars = market(40, strategy.score_bars + 60, 3)
    newest = BarMatrix(*(column[:, -strategy.score_bars :] for column in bars))
    scores = strategy.score(newest)
    for row in range(40):
        indicators = strategy.calculate_indicators({timeframe: frame_of(bars, row)})
        assert indicators["score"].iloc[-1] == pytest.approx(scores.score[row], abs=1e-9)
        assert int(indicators["direction"].iloc[-1]) == scores.direction[row]


@pytest.mark.parametrize("name", SCORERS)
def test_a_score_knows_only_the_bars_it_was_given(name: str) -> None:
    """The shift(1) rule: what comes later, and what lies before the window, changes nothing."""
    strategy = STRATEGIES[name]()
    assert isinstance(strategy, ScoringStrategy)
    count = strategy.score_bars
    long, other = market(30, 3 * count, 1), market(30, 3 * count, 2)
    for end in range(count, 2 * count, 7):
        window = slice(end - count, end)
        mixed = BarMatrix(
            *(np.hstack([b[:, :end], a[:, end:]]) for a, b in zip(other, long, strict=True))
        )
        mine, its = (
            strategy.score(BarMatrix(*(column[:, window] for column in bars)))
            for bars in (long, mixed)
        )
        assert mine.score.tolist() == its.score.tolist()
        assert mine.direction.tolist() == its.direction.tolist()


@pytest.mark.parametrize("name", SCORERS)
def test_a_row_with_a_missing_bar_has_no_score_and_harms_no_other(name: str) -> None:
    strategy = STRATEGIES[name]()
    assert isinstance(strategy, ScoringStrategy)
    bars = market(10, strategy.score_bars, 4)
    whole = strategy.score(bars)
    for column in bars:
        column[3, 0] = np.nan
    holed = strategy.score(bars)
    assert np.isnan(holed.score[3])
    assert holed.direction[3] == 0
    others = np.arange(10) != 3
    np.testing.assert_allclose(holed.score[others], whole.score[others], atol=1e-9)


@pytest.mark.parametrize("name", SCORERS)
def test_scores_are_between_nothing_and_a_hundred(name: str) -> None:
    strategy = STRATEGIES[name]()
    assert isinstance(strategy, ScoringStrategy)
    scores = strategy.score(market(500, strategy.score_bars, 5))
    assert scores.score.min() >= 0
    assert scores.score.max() <= 100
    assert ((scores.direction == 0) == (scores.score == 0)).all()
