"""Bar by bar equals at once: TA-Lib is the judge."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st

from core.indicators import INDICATORS, Indicator, run
from core.indicators.atr import Atr
from core.indicators.ema import Ema
from core.indicators.macd import Macd
from core.indicators.rsi import Rsi
from core.market_data.columns import Columns, FloatArray

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
