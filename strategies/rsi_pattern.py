"""RSI turning back from an extreme, scored, so that many symbols can be ranked by it.

The long pattern: RSI was oversold within the last few bars, has turned up, and has not yet come
back to its middle. The case is the stronger the deeper the dip, the firmer the turn, and when the
price made a new low that RSI did not (divergence). The short pattern is the mirror image.

Wilder's averages are linear in the moves, so the RSI of every bar of every symbol is one product
of two matrices: fifty symbols cost about as much as one.
"""

from __future__ import annotations

import functools
from typing import Annotated, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd
import talib

from core.models.candles import Timeframe
from core.parameter_form import told
from core.strategy import (
    BarMatrix,
    ScorePart,
    ScoreReading,
    Scores,
    ScoringStrategy,
    StrategyParameters,
)

Floats = npt.NDArray[np.float64]
Period = Annotated[int, msgspec.Meta(ge=2, le=40)]
Multiple = Annotated[float, msgspec.Meta(gt=0, le=100)]
Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]

_FIELDS = ("open", "high", "low", "close", "volume")
_MIDDLE = 50.0  # a turn that has come so far is spent
_TURNED, _DEPTH, _FIRMNESS, _DIVERGENCE = 40.0, 25.0, 25.0, 10.0  # parts of a score; 100 in all
_DEEP = 15.0  # points beyond the extreme that count as deep as it gets
_FIRM = 10.0  # points back from the extreme that count as firm as it gets


class RsiPatternParameters(StrategyParameters, frozen=True):
    """Periods in bars; stop and take profit in multiples of ATR. The extreme has to lie within
    `recent_bars`; `earlier_bars` before those are searched for the low that it diverges from.
    A score of `signal_score` is a signal where nobody else sets a threshold."""

    rsi_period: Annotated[Period, told("Bars of the RSI.", "bars")] = 14
    atr_period: Annotated[Period, told("Bars of the ATR that stops are measured in.", "bars")] = 14
    recent_bars: Annotated[Period, told("The extreme lies within these.", "bars")] = 6
    earlier_bars: Annotated[Period, told("Searched for a divergence before those.", "bars")] = 24
    oversold: Annotated[Percent, told("RSI at or below it is oversold.", "RSI")] = 30.0
    overbought: Annotated[Percent, told("RSI at or above it is overbought.", "RSI")] = 70.0
    signal_score: Annotated[Percent, told("A signal where nobody else sets one.", "of 100")] = 70.0
    stop_atr: Annotated[Multiple, told("Distance of the stop loss.", "ATR")] = 1.5
    take_profit_atr: Annotated[Multiple, told("Distance of the take profit.", "ATR")] = 2.5


class RsiPattern(ScoringStrategy):
    """See the module."""

    name: ClassVar[str] = "rsi_pattern"
    summary: ClassVar[str] = "RSI turns back from an extreme; the case is scored from 0 to 100."
    required_timeframes: ClassVar[tuple[Timeframe, ...]] = (Timeframe.M15,)
    parameters_type: ClassVar[type[StrategyParameters]] = RsiPatternParameters
    parameters: RsiPatternParameters
    score_parts: ClassVar[tuple[ScorePart, ...]] = (
        ScorePart("RSI has turned", _TURNED),
        ScorePart("Depth", _DEPTH),
        ScorePart("Firmness", _FIRMNESS),
        ScorePart("Divergence", _DIVERGENCE),
    )

    @property
    def score_reading(self) -> ScoreReading:
        p = self.parameters
        return ScoreReading(f"RSI {p.rsi_period}", 0.0, 100.0, (p.oversold, p.overbought))

    @property
    def warm_up_bars(self) -> int:
        return self.score_bars

    def score(self, bars: BarMatrix) -> Scores:
        return self._measure(bars)

    def calculate_indicators(self, frames: dict[Timeframe, pd.DataFrame]) -> pd.DataFrame:
        """Every row is scored on the bars that end with it, by the very function that ranks."""
        entry = frames[self.required_timeframes[0]].copy()
        columns = [entry[name].to_numpy(float) for name in _FIELDS]
        score, direction, rsi = (np.full(len(entry), np.nan) for _ in range(3))
        if len(entry) >= self.score_bars:
            windows = BarMatrix(
                *(np.lib.stride_tricks.sliding_window_view(c, self.score_bars) for c in columns)
            )
            scores = self._measure(windows)
            first = self.score_bars - 1
            score[first:], direction[first:] = scores.score, scores.direction
            rsi[first:] = scores.reading
        _, high, low, close, _ = columns
        entry["rsi"] = rsi
        entry["score"] = score
        entry["direction"] = direction
        entry["atr"] = talib.ATR(high, low, close, self.parameters.atr_period)
        return entry

    def generate_signals(self, indicators: pd.DataFrame) -> pd.Series:
        is_strong = indicators["score"] >= self.parameters.signal_score
        return indicators["direction"].where(is_strong, 0.0).fillna(0.0).astype(int)

    def exit_distances(self, row: pd.Series) -> tuple[float, float]:
        atr = float(row["atr"])
        return atr * self.parameters.stop_atr, atr * self.parameters.take_profit_atr

    def explain(self, row: pd.Series, direction: int) -> str:
        came_from = "oversold" if direction > 0 else "overbought"
        return f"RSI turned back from {came_from} to {row['rsi']:.1f}, score {row['score']:.0f}"

    def _measure(self, bars: BarMatrix) -> Scores:
        p = self.parameters
        rsi = wilder_rsi(bars.close, p.rsi_period)
        long_parts = self._long_parts(rsi, bars.low, p.oversold)
        mirrored = 100.0 - rsi
        short_parts = self._long_parts(mirrored, -bars.high, 100.0 - p.overbought)
        long, short = long_parts.sum(axis=1), short_parts.sum(axis=1)
        direction = np.nan_to_num(np.sign(long - short)).astype(np.int64)
        parts = np.where((direction < 0)[:, None], short_parts, long_parts)
        return Scores(np.maximum(long, short), direction, parts, rsi[:, -1])

    def _long_parts(self, rsi: Floats, low: Floats, oversold: float) -> Floats:
        """A column for each of `score_parts`."""
        p = self.parameters
        recent = slice(-p.recent_bars, None)
        earlier = slice(-p.recent_bars - p.earlier_bars, -p.recent_bars)
        lowest, before, newest = rsi[:, recent].min(axis=1), rsi[:, -2], rsi[:, -1]
        has_turned = (lowest <= oversold) & (newest > before) & (newest < _MIDDLE)
        has_diverged = low[:, recent].min(axis=1) < low[:, earlier].min(axis=1)
        has_diverged &= lowest > rsi[:, earlier].min(axis=1)
        depth = np.minimum((oversold - lowest) / _DEEP, 1.0)
        firmness = np.minimum((newest - lowest) / _FIRM, 1.0)
        turned = np.full(len(newest), _TURNED)
        parts = (turned, _DEPTH * depth, _FIRMNESS * firmness, _DIVERGENCE * has_diverged)
        found = np.where(has_turned[:, None], np.column_stack(parts), 0.0)
        return np.where(np.isnan(newest)[:, None], np.nan, found)


def wilder_rsi(closes: Floats, period: int) -> Floats:
    """RSI of each row (oldest first), from its bar number `period` on: as TA-Lib computes it on
    that row alone. Rows with a NaN are NaN."""
    moves = np.diff(closes, axis=1)
    weights = _wilder_weights(moves.shape[1], period)
    gain = np.maximum(moves, 0.0) @ weights
    loss = np.maximum(-moves, 0.0) @ weights
    moved = gain + loss
    return 100.0 * np.divide(
        gain, moved, out=np.where(np.isnan(moved), np.nan, 0.0), where=moved > 0
    )


@functools.lru_cache(maxsize=16)
def _wilder_weights(moves: int, period: int) -> Floats:
    """Column t: what each move counts in Wilder's average after move `period + t`. The first
    average is the plain mean of `period` moves; each later move gets 1/period and all before it
    are kept by 1 - 1/period."""
    keep = 1.0 - 1.0 / period
    ages = np.arange(period - 1, moves)[None, :] - np.arange(moves)[:, None]
    weights = np.where(ages >= 0, keep ** np.maximum(ages, 0), 0.0) / period
    later = np.arange(moves - period + 1)
    weights[:period] = keep**later / period
    weights.flags.writeable = False
    return weights
