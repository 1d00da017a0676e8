"""Bar by bar equals at once: TA-Lib is the judge."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st

from core.indicators import INDICATORS, Indicator, batch, columns_of, default_spec, make, run
from core.indicators.atr import Atr
from core.indicators.bollinger import Bollinger
from core.indicators.ema import Ema
from core.indicators.macd import Macd
from core.indicators.rsi import Rsi
from core.indicators.sma import Sma
from core.indicators.vwap import Vwap
from core.market_data.columns import Columns, FloatArray
from core.models.indicators import IndicatorSpec

AtOnce = Callable[[Columns], tuple[FloatArray, ...]]
CASES: list[tuple[Callable[[], Indicator], AtOnce]] = [
    (lambda: Ema(20), lambda c: (talib.EMA(c.close, 20),)),
    (lambda: Ema(2), lambda c: (talib.EMA(c.close, 2),)),
    (lambda: Rsi(14), lambda c: (talib.RSI(c.close, 14),)),
    (lambda: Rsi(2), lambda c: (talib.RSI(c.close, 2),)),
    (lambda: Atr(14), lambda c: (talib.ATR(c.high, c.low, c.close, 14),)),
    (lambda: Atr(2), lambda c: (talib.ATR(c.high, c.low, c.close, 2),)),
    (lambda: Macd(12, 26, 9), lambda c: talib.MACD(c.close, 12, 26, 9)),
    (lambda: Macd(3, 4, 2), lambda c: talib.MACD(c.close, 3, 4, 2)),
    (lambda: Sma(50), lambda c: (talib.SMA(c.close, 50),)),
    (lambda: Sma(2), lambda c: (talib.SMA(c.close, 2),)),
    (lambda: Bollinger(20, 2.0), lambda c: Bollinger.batch(c, 20, 2.0)),
    (lambda: Bollinger(3, 1.5), lambda c: Bollinger.batch(c, 3, 1.5)),
    (Vwap, Vwap.batch),
]


def _columns(closes: list[float]) -> Columns:
    close = np.array(closes, dtype=np.float64)
    return Columns(
        np.arange(len(close), dtype=np.int64) * 60_000,
        close,
        close * 1.01,
        close * 0.985,
        close,
        np.ones(len(close)),
    )


def _assert_equal(make: Callable[[], Indicator], at_once: AtOnce, columns: Columns) -> None:
    indicator = make()
    found = run(indicator, columns)
    for name, expected in zip(indicator.outputs, at_once(columns), strict=True):
        np.testing.assert_allclose(found[name], expected, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize(("make", "at_once"), CASES)
@pytest.mark.parametrize("name", ["binancespot_BTCUSDT_15m", "binanceusdm_1000PEPEUSDT_15m_2025h2"])
def test_real_history(
    make: Callable[[], Indicator], at_once: AtOnce, real_candles: Path, name: str
) -> None:
    table = pq.read_table(real_candles / f"{name}.parquet").to_pydict()
    fields = ("timestamp", *Columns._fields[1:])
    columns = Columns(*(np.array(table[field])[-10_000:] for field in fields))
    _assert_equal(make, at_once, columns)


@pytest.mark.parametrize(("make", "at_once"), CASES)
@given(closes=st.lists(st.floats(1.0, 1e5), min_size=1, max_size=120))
def test_any_prices(make: Callable[[], Indicator], at_once: AtOnce, closes: list[float]) -> None:
    _assert_equal(make, at_once, _columns(closes))


@pytest.mark.parametrize("name", sorted(INDICATORS))
def test_a_copy_goes_its_own_way(name: str) -> None:
    original = INDICATORS[name]()
    columns = _columns([100.0 + math.sin(n) for n in range(60)])
    run(original, columns)
    before = original.values
    forming = copy.copy(original)
    forming.update(*(500.0 for _ in forming.inputs))
    assert original.values == before
    assert forming.values != before


def test_market_that_never_moves_has_an_rsi_of_zero_as_in_talib() -> None:
    _assert_equal(lambda: Rsi(14), lambda c: (talib.RSI(c.close, 14),), _columns([5.0] * 40))


@pytest.mark.parametrize(
    "make", [lambda: Ema(1), lambda: Rsi(0), lambda: Atr(1), lambda: Macd(9, 9, 3)]
)
def test_a_period_that_means_nothing_is_refused(make: Callable[[], Indicator]) -> None:
    with pytest.raises(ValueError, match="too short"):
        make()


@pytest.mark.parametrize("name", sorted(INDICATORS))
def test_at_once_is_the_same_as_bar_by_bar(name: str) -> None:
    spec = default_spec(name)
    columns = _columns([100.0 + 5 * math.sin(n / 9) for n in range(3000)])
    found = batch(spec, columns)
    assert tuple(found) == columns_of(spec)
    expected = run(make(spec), columns)
    for column, output in zip(found, INDICATORS[name].outputs, strict=True):
        np.testing.assert_allclose(found[column], expected[output], rtol=1e-9, atol=1e-9)
        assert np.isfinite(found[column][-1])


def test_bollinger_is_the_textbook_s_also_across_its_chunks() -> None:
    closes = np.random.default_rng(1).normal(67_000, 50, 9000)
    middle, upper, _ = Bollinger.batch(_columns(closes.tolist()), 20, 2.0)
    for row in (19, 4096 + 18, 4096 + 19, 8999):
        window = closes[row - 19 : row + 1]
        assert middle[row] == pytest.approx(window.mean(), rel=1e-12)
        assert upper[row] == pytest.approx(window.mean() + 2 * window.std(), rel=1e-12)
    assert np.isnan(middle[:19]).all()


def test_vwap_begins_anew_at_midnight_and_says_nothing_about_part_of_a_day() -> None:
    day_ms = 86_400_000
    times = np.arange(day_ms // 2, 3 * day_ms, 3_600_000)
    close = np.linspace(10.0, 20.0, times.size)
    columns = Columns(times, close, close + 1, close - 1, close, np.full(times.size, 2.0))
    (found,) = Vwap.batch(columns)
    assert np.isnan(found[:12]).all()
    assert found[12] == pytest.approx(close[12])
    assert found[13] == pytest.approx((close[12] + close[13]) / 2)
    assert found[36] == pytest.approx(close[36])


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (IndicatorSpec("nonsense"), "There is no indicator 'nonsense'."),
        (IndicatorSpec("ema"), "EMA takes period."),
        (IndicatorSpec("vwap", (3,)), "VWAP takes no parameters."),
        (IndicatorSpec("ema", (1,)), "EMA: period is a whole number from 2 to 500."),
        (IndicatorSpec("ema", (2.5,)), "EMA: period is a whole number from 2 to 500."),
        (IndicatorSpec("ema", (math.nan,)), "EMA: period is a whole number from 2 to 500."),
        (
            IndicatorSpec("macd", (26, 12, 9)),
            "MACD: a period of 12 bars is too short: at least 27.",
        ),
    ],
)
def test_what_is_no_indicator_is_refused_with_a_sentence(spec, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        make(spec)


def test_columns_are_named_after_output_and_parameters() -> None:
    assert columns_of(IndicatorSpec("bollinger", (20, 2.5))) == (
        "bollinger_20_2.5", "bollinger_upper_20_2.5", "bollinger_lower_20_2.5",
    )  # fmt: skip
    assert columns_of(IndicatorSpec("vwap")) == ("vwap",)
