from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market_data.columns import Columns, columns_from_candles
from core.market_data.resampling import bar_opens_ms, resample
from core.models.candles import Candle, Timeframe

TARGETS = [t for t in Timeframe if t.duration_ms > Timeframe.M15.duration_ms]


def _made_one_by_one(candles: list[Candle], base: Timeframe, target: Timeframe) -> list[Candle]:
    """The definition, exact and slow: whole bars only."""
    buckets: dict[int, list[Candle]] = {}
    for candle in candles:
        buckets.setdefault(target.floor_ms(candle.open_time_ms), []).append(candle)
    return [
        Candle(
            open_ms,
            rows[0].open,
            max(c.high for c in rows),
            min(c.low for c in rows),
            rows[-1].close,
            sum((c.volume for c in rows), Decimal(0)),
        )
        for open_ms, rows in buckets.items()
        if len(rows) * base.duration_ms == target.next_open_ms(open_ms) - open_ms
    ]


def _assert_equal(found: Columns, expected: list[Candle]) -> None:
    wanted = columns_from_candles(expected)
    for name in ("open_time_ms", "open", "high", "low", "close"):
        assert getattr(found, name).tolist() == getattr(wanted, name).tolist(), name
    np.testing.assert_allclose(found.volume, wanted.volume, rtol=1e-12)


@pytest.mark.parametrize("target", TARGETS)
def test_bars_equal_those_made_one_by_one(bar: Callable[..., Candle], target: Timeframe) -> None:
    holes = {5, 700, 701, 2_000}
    candles = [bar(n) for n in range(3, 6_500) if n not in holes]
    bars = resample(columns_from_candles(candles), Timeframe.M15, target)
    expected = _made_one_by_one(candles, Timeframe.M15, target)
    assert expected, "the series must hold at least one whole bar"
    _assert_equal(bars, expected)


@given(
    minutes=st.sets(st.integers(0, 400), min_size=1),
    target=st.sampled_from([Timeframe.M5, Timeframe.M15, Timeframe.H1, Timeframe.H2]),
)
def test_any_set_of_minutes_gives_only_whole_bars(minutes: set[int], target: Timeframe) -> None:
    candles = [
        Candle(
            n * 60_000, Decimal(n + 5), Decimal(n + 9), Decimal(n + 1), Decimal(n + 4), Decimal(n)
        )
        for n in sorted(minutes)
    ]
    bars = resample(columns_from_candles(candles), Timeframe.M1, target)
    _assert_equal(bars, _made_one_by_one(candles, Timeframe.M1, target))


def test_minutes_known_to_be_empty_do_not_hold_a_bar_back(bar: Callable[..., Candle]) -> None:
    candles = [bar(n) for n in range(12) if n not in (4, 5, 9)]
    opens = [bar(n).open_time_ms for n in range(12)]
    base = columns_from_candles(candles)
    assert resample(base, Timeframe.M15, Timeframe.H1).open_time_ms.tolist() == [opens[0]]
    bars = resample(base, Timeframe.M15, Timeframe.H1, [(opens[4], opens[5])])
    assert bars.open_time_ms.tolist() == [opens[0], opens[4]]


@pytest.mark.parametrize("timeframe", list(Timeframe))
def test_vector_of_opens_equals_floor(timeframe: Timeframe) -> None:
    times = np.arange(1_700_000_000_000, 1_710_000_000_000, 7_777_777_777, dtype=np.int64)
    times = np.append(times, [0, -1, -86_400_000, 1_709_164_800_000])
    expected = [timeframe.floor_ms(int(t)) for t in times]
    assert bar_opens_ms(times, timeframe).tolist() == expected


@pytest.mark.parametrize(
    ("base", "target"),
    [
        (Timeframe.H1, Timeframe.M15),
        (Timeframe.M3, Timeframe.M5),
        (Timeframe.W1, Timeframe.MONTH),
        (Timeframe.MONTH, Timeframe.D1),
    ],
)
def test_impossible_timeframe_is_refused(base: Timeframe, target: Timeframe) -> None:
    with pytest.raises(ValueError, match="cannot be made"):
        resample(columns_from_candles([]), base, target)


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_real_bars_are_exact_and_steps_agree(
    read_real: Callable[[str], list[Candle]], symbol: str
) -> None:
    candles = read_real(f"bybitlinear_{symbol}_5m_2025jun-aug.parquet")
    base = columns_from_candles(candles)
    for target in (Timeframe.M15, Timeframe.H1, Timeframe.H4, Timeframe.D1, Timeframe.W1):
        bars = resample(base, Timeframe.M5, target)
        _assert_equal(bars, _made_one_by_one(candles, Timeframe.M5, target))
    quarter = resample(base, Timeframe.M5, Timeframe.M15)
    in_steps = resample(quarter, Timeframe.M15, Timeframe.H1)
    at_once = resample(base, Timeframe.M5, Timeframe.H1)
    assert in_steps.close.tolist() == at_once.close.tolist()
    assert in_steps.high.tolist() == at_once.high.tolist()
