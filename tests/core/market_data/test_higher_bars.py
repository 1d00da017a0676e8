from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.market_data.columns import Columns, columns_from_candles
from core.market_data.exchange_days import day_offset_ms
from core.market_data.higher_bars import MAX_HIGHER_MEMORY, HigherBars
from core.market_data.resampling import bar_open_ms, next_bar_open_ms, resample
from core.models.candles import Candle, Timeframe

MINUTE_MS = 60_000
KST_MS = 9 * 3_600_000
TARGETS = [Timeframe.M5, Timeframe.H1, Timeframe.D1, Timeframe.W1, Timeframe.MONTH]


def _minute(number: int, seed: int = 0) -> Candle:
    base = Decimal(1_000 + (number * 7919 + seed) % 101)
    volume = Decimal((number * 31 + seed) % 1_000).scaleb(-3)
    return Candle(number * MINUTE_MS, base, base + 3, base - 2, base + 1, volume)


def _exact(candles: list[Candle], base: Timeframe, target: Timeframe, offset: int) -> list[Candle]:
    """The definition, with decimals: whole bars only."""
    buckets: dict[int, list[Candle]] = {}
    for candle in candles:
        buckets.setdefault(bar_open_ms(candle.open_time_ms, target, offset), []).append(candle)
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
        if len(rows) * base.duration_ms == next_bar_open_ms(open_ms, target, offset) - open_ms
    ]


def _assert_same(found: Columns, wanted: Columns) -> None:
    for name in Columns._fields:
        assert getattr(found, name).tolist() == getattr(wanted, name).tolist(), name


@pytest.mark.parametrize("offset", [0, KST_MS])
@pytest.mark.parametrize("target", [t for t in Timeframe if t.duration_ms > 900_000])
def test_every_real_series_is_resampled_exactly_volume_included(
    real_candles: Path, target: Timeframe, offset: int, real_series: Callable[[str], list[Candle]]
) -> None:
    for path in sorted(real_candles.glob("*.parquet")):
        base = Timeframe(path.stem.split("_")[2])
        candles = real_series(path.name)
        found = resample(columns_from_candles(candles), base, target, day_offset_ms=offset)
        _assert_same(found, columns_from_candles(_exact(candles, base, target, offset)))


@pytest.fixture(scope="module")
def real_series(real_candles: Path) -> Callable[[str], list[Candle]]:
    import pyarrow.parquet as pq

    known: dict[str, list[Candle]] = {}

    def read(name: str) -> list[Candle]:
        if name not in known:
            table = pq.read_table(real_candles / name).slice(0, 6_000).to_pydict()
            fields = ("timestamp", "open", "high", "low", "close", "volume")
            known[name] = [
                Candle(time_ms, *(Decimal(repr(value)) for value in values))
                for time_ms, *values in zip(*(table[field] for field in fields), strict=True)
            ]
        return known[name]

    return read


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.tuples(st.integers(1, 900), st.integers(0, 90)), min_size=1, max_size=6),
    target=st.sampled_from(TARGETS[:3]),
    offset=st.sampled_from([0, KST_MS]),
    first=st.integers(0, 3_000),
    seed=st.integers(0, 50),
)
def test_bars_kept_up_equal_those_made_at_once(
    lengths: list[tuple[int, int]], target: Timeframe, offset: int, first: int, seed: int
) -> None:
    bars = HigherBars(Timeframe.M1, target, offset)
    candles: list[Candle] = []
    empty: list[tuple[int, int]] = []
    number = first
    for length, pause in lengths:
        for _ in range(length):
            candles.append(_minute(number, seed))
            number += 1
        if bars.is_due(candles[-1].open_time_ms):
            start_ms = -1 if bars.next_ms is None else bars.next_ms
            new = [c for c in candles if c.open_time_ms >= start_ms]
            bars.add(columns_from_candles(new), empty)
        if pause:
            empty.append((number * MINUTE_MS, (number + pause - 1) * MINUTE_MS))
            number += pause
    if bars.is_due(candles[-1].open_time_ms):
        bars.add(
            columns_from_candles([c for c in candles if c.open_time_ms >= (bars.next_ms or -1)]),
            empty,
        )
    at_once = resample(
        columns_from_candles(candles), Timeframe.M1, target, empty, day_offset_ms=offset
    )
    closed = at_once.select(at_once.open_time_ms < bars.closed_until_ms(candles[-1].open_time_ms))
    _assert_same(bars.ring.view(), closed.select(slice(-MAX_HIGHER_MEMORY, None)))


def test_a_correction_makes_only_its_bar_and_later_ones_again() -> None:
    bars = HigherBars(Timeframe.M1, Timeframe.M5, 0)
    bars.add(columns_from_candles([_minute(n) for n in range(100)]), [])
    bars.changed_from(52 * MINUTE_MS)
    assert bars.next_ms == 50 * MINUTE_MS
    assert len(bars.ring) == 10
    bars.changed_from(70 * MINUTE_MS)
    assert bars.next_ms == 50 * MINUTE_MS
    bars.changed_from(-5 * MINUTE_MS)
    assert bars.next_ms is None, "older than all that is held: begin anew"


def test_days_of_korea_begin_at_its_midnight() -> None:
    def moment(year: int, month: int, day: int, hour: int) -> int:
        return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp()) * 1000

    noon = moment(2025, 9, 3, 12)
    offset = day_offset_ms("Bithumb")
    assert bar_open_ms(noon, Timeframe.D1, offset) == moment(2025, 9, 2, 15)
    assert bar_open_ms(moment(2025, 9, 3, 15), Timeframe.D1, offset) == moment(2025, 9, 3, 15)
    assert bar_open_ms(noon, Timeframe.W1, offset) == moment(2025, 8, 31, 15)
    assert bar_open_ms(noon, Timeframe.MONTH, offset) == moment(2025, 8, 31, 15)
    assert next_bar_open_ms(noon, Timeframe.MONTH, offset) == moment(2025, 9, 30, 15)
    assert bar_open_ms(noon, Timeframe.H4, offset) == noon, "hours lie on the UTC grid"
    assert day_offset_ms("upbit") == 0, "09:00 in Korea is 00:00 UTC"


def test_volumes_too_fine_to_be_added_exactly_are_added_as_floats() -> None:
    volume = np.array([1 / 3, 1 / 7, 1e15, 0.1, 0.2])
    ones = np.ones(5)
    base = Columns(np.arange(5, dtype=np.int64) * MINUTE_MS, ones, ones, ones, ones, volume)
    assert resample(base, Timeframe.M1, Timeframe.M5).volume[0] == pytest.approx(volume.sum())
