"""The shift(1) rule, for every strategy: cutting off the future changes no past signal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.models.candles import Timeframe
from core.strategy import Strategy
from strategies import STRATEGIES, strategy_type

BARS = 1200


def random_walk(seed: int, bars: int = BARS) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    close = 60_000 * np.exp(np.cumsum(rng.normal(0, 0.004, bars)))
    open_ = np.concatenate([[60_000.0], close[:-1]])
    spread = np.abs(rng.normal(0, 0.002, bars)) * close
    return pd.DataFrame(
        {
            "open": open_,
            "high": np.maximum(open_, close) + spread,
            "low": np.minimum(open_, close) - spread,
            "close": close,
            "volume": rng.gamma(2.0, 10.0, bars),
        },
        index=pd.date_range("2025-03-01", periods=bars, freq="15min", tz="UTC"),
    )


def closed_bars(base: pd.DataFrame, timeframe: Timeframe, base_minutes: int = 15) -> pd.DataFrame:
    """Higher bars that had closed by the end of `base`."""
    length = pd.Timedelta(milliseconds=timeframe.duration_ms)
    end = base.index[-1] + pd.Timedelta(minutes=base_minutes)
    bars = base.resample(length).agg(
        {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    )
    return bars[bars.index + length <= end]


def signals_of(strategy: Strategy, base: pd.DataFrame) -> pd.Series:
    entry, *higher = strategy.required_timeframes
    frames = {entry: base} | {timeframe: closed_bars(base, timeframe) for timeframe in higher}
    return strategy.generate_signals(strategy.calculate_indicators(frames))


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_cutting_off_the_future_changes_no_past_signal(name: str, seed: int) -> None:
    strategy = STRATEGIES[name]()
    base = random_walk(seed)
    whole = signals_of(strategy, base)
    assert (whole != 0).sum() >= 5, "a strategy that never signals proves nothing here"
    for cut in range(BARS // 2, BARS, 37):
        pd.testing.assert_series_equal(signals_of(strategy, base.iloc[:cut]), whole.iloc[:cut])


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_that_peeks_is_caught(name: str) -> None:
    """The test above can fail: a strategy shifted one bar into the future does."""
    strategy = STRATEGIES[name]()
    base = random_walk(1)
    peeking = signals_of(strategy, base).shift(-1).fillna(0)
    assert any(
        signals_of(strategy, base.iloc[:cut]).shift(-1).fillna(0).iloc[-1] != peeking.iloc[cut - 1]
        for cut in range(BARS // 2, BARS)
    )


@pytest.mark.parametrize("name", STRATEGIES)
def test_signals_on_real_candles_are_of_both_directions_with_positive_distances(
    name: str, real_candles: Path
) -> None:
    strategy = STRATEGIES[name]()
    raw = pd.read_parquet(real_candles / "binanceusdm_BTCUSDT_15m_2025h2.parquet").tail(4000)
    base = raw.set_index(pd.to_datetime(raw["timestamp"], unit="ms", utc=True))
    base = base[["open", "high", "low", "close", "volume"]].astype(float)
    entry, *higher = strategy.required_timeframes
    frames = {entry: base} | {timeframe: closed_bars(base, timeframe) for timeframe in higher}
    indicators = strategy.calculate_indicators(frames)
    signals = strategy.generate_signals(indicators)
    assert {-1, 1} <= set(signals.unique())
    for moment in signals.index[signals != 0]:
        stop, take_profit = strategy.exit_distances(indicators.loc[moment])
        assert 0 < stop < take_profit
        assert strategy.explain(indicators.loc[moment], int(signals[moment]))
    assert (signals.iloc[: strategy.warm_up_bars // 2] == 0).all()


def test_an_unknown_strategy_names_the_likely_one() -> None:
    with pytest.raises(ValueError, match="did you mean 'macd_rsi_trend'"):
        strategy_type("macd_rsi_trand")
