"""The chart's columns: slots, gaps, growth, decimation."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.snapshots import CandleBlock
from ui.charts.series import GAP_SLOTS, CandleSeries


def _series(block: CandleBlock) -> CandleSeries:
    series = CandleSeries("15m")
    series.load(block)
    return series


def test_without_gaps_a_bar_s_slot_is_its_row(market) -> None:
    series = _series(market.block(50))
    assert series.slots.tolist() == list(range(50))
    assert series.gaps == []


def test_missing_candles_take_slots_and_are_counted(market) -> None:
    keep = np.ones(60, bool)
    keep[10:13] = False
    keep[30:59] = False
    series = _series(market.block(60, keep=keep))
    assert [(g.first_slot, g.width, g.missing) for g in series.gaps] == [
        (10, 3, 3),
        (30, GAP_SLOTS, 29),
    ]
    assert series.last_slot == 30 + GAP_SLOTS
    assert series.row_at(11) is None


def test_a_live_bar_replaces_its_row_then_the_next_is_added(market) -> None:
    series = _series(market.block(10))
    assert series.upsert(market.candle(9, close=1.0))
    assert (series.size, series.column("close")[-1]) == (10, 1.0)
    assert series.upsert(market.candle(10))
    assert (series.size, series.last_slot) == (11, 10)
    assert series.upsert(market.candle(14))
    assert (series.gaps[0].missing, series.last_slot) == (3, 14)


def test_growth_keeps_every_bar(market) -> None:
    series = _series(market.block(10))
    for index in range(10, 2_000):
        assert series.upsert(market.candle(index))
    expected = market.columns(2_000)
    assert np.array_equal(series.times, expected["open_time_ms"])
    assert np.allclose(series.column("close"), expected["close"])


def test_an_old_bar_is_corrected_in_place_or_ignored(market) -> None:
    series = _series(market.block(10, start=5))
    assert series.upsert(market.candle(7, close=2.0))
    assert series.column("close")[2] == 2.0
    assert not series.upsert(market.candle(1))
    assert series.size == 10


def test_a_candle_that_is_not_a_number_is_ignored(market) -> None:
    series = _series(market.block(10))
    bad = msgspec.structs.replace(market.candle(10), high=float("inf"))
    assert not series.upsert(bad)
    assert series.size == 10


def test_rows_that_are_not_numbers_show_as_a_gap(market) -> None:
    block = market.block(10)
    close = np.frombuffer(block.columns["close"]).copy()
    close[4] = np.nan
    series = _series(
        msgspec.structs.replace(block, columns={**block.columns, "close": close.tobytes()})
    )
    assert series.size == 9
    assert series.gaps[0].missing == 1


def test_unsorted_and_double_rows_are_put_in_order(market) -> None:
    order = np.array([3, 1, 2, 0, 3])
    series = _series(market.block(4, keep=order))
    assert np.array_equal(series.times, market.columns(4)["open_time_ms"])


def test_older_bars_go_in_front_and_say_how_far_all_moved(market) -> None:
    series = _series(market.block(50, start=100))
    assert series.prepend(market.block(110)) == 100
    assert np.array_equal(series.times, market.columns(150)["open_time_ms"])
    assert series.prepend(market.block(10)) == 0


def test_a_cut_column_is_refused_with_a_sentence(market) -> None:
    block = market.block(4)
    broken = msgspec.structs.replace(block, columns={**block.columns, "high": b"123"})
    with pytest.raises(ValueError, match="'high' of 4 rows has 3 bytes"):
        _series(broken)
    columns = {name: raw for name, raw in block.columns.items() if name != "low"}
    with pytest.raises(ValueError, match="'low' of 4 rows is missing"):
        _series(msgspec.structs.replace(block, columns=columns))


def test_a_missing_indicator_is_no_value_not_an_error(market) -> None:
    block = market.block(4)
    columns = {name: raw for name, raw in block.columns.items() if name != "rsi_14"}
    series = _series(msgspec.structs.replace(block, columns=columns))
    assert np.isnan(series.column("rsi_14")).all()


def test_lines_break_at_gaps(market) -> None:
    keep = np.ones(20, bool)
    keep[10:12] = False
    series = _series(market.block(20, keep=keep))
    slots, values = series.line("ema_20", 0, series.size, 1)
    assert slots.tolist() == [*range(10), 10, *range(12, 20)]
    assert np.isnan(values[10])
    assert np.isfinite(np.delete(values, 10)).all()


def test_times_of_slots_go_on_after_the_newest_bar(market) -> None:
    series = _series(market.block(10))
    assert series.time_of_slot(12) == market.first_ms + 12 * market.timeframe_ms
    assert series.time_of_slot(-1) is None
    assert series.slot_of_time(market.first_ms + 3 * market.timeframe_ms + 5) == 3
    assert series.slot_of_time(market.first_ms - 1) is None


@settings(deadline=None)
@given(group=st.sampled_from([1, 2, 4, 8, 64]), seed=st.integers(0, 99), rows=st.integers(1, 300))
def test_grouped_bars_keep_every_extreme(group: int, seed: int, rows: int) -> None:
    random = np.random.default_rng(seed)
    times = np.cumsum(random.choice([1, 1, 1, 3], rows)) * 900_000
    low = random.uniform(1, 2, rows)
    columns = {"low": low, "high": low + 1, "open": low, "close": low + 0.5, "volume": low}
    raw = {name: values.tobytes() for name, values in columns.items()}
    series = _series(
        CandleBlock("X", "15m", rows, {"open_time_ms": times.astype("<i8").tobytes(), **raw}, True)
    )
    bars = series.bars(0, rows, group)
    assert bars.high.max() == columns["high"].max()
    assert bars.low.min() == columns["low"].min()
    assert (bars.open[0], bars.close[-1]) == (low[0], columns["close"][-1])
    assert (np.diff(bars.slot) >= group - 1e-9).all()


def _brute(series: CandleSeries, first: int, last: int, group: int) -> list[list[float]]:
    """Slot bucket, open, high, low, close, volume of each group, counted one by one."""
    names = ("open", "high", "low", "close", "volume")
    groups: dict[int, list[int]] = {}
    for row in range(first, last):
        groups.setdefault(int(series.slots[row]) // group, []).append(row)
    found = []
    for bucket, rows in groups.items():
        o, h, low, c, v = (series.column(name)[rows] for name in names)
        middle = bucket * group + (group - 1) / 2
        found.append([middle, o[0], h.max(), low.min(), c[-1], v.max()])
    return found


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # it has no state
)
@given(data=st.data())
def test_kept_groups_are_those_counted_anew_whatever_has_come(data: st.DataObject, market) -> None:
    series = _series(market.block(300))
    group = data.draw(st.sampled_from([2, 4, 16]))
    index = 299
    for _ in range(data.draw(st.integers(0, 40))):
        series.bars(0, series.size, group)  # the groups are kept here
        index += data.draw(st.sampled_from([0, 0, 1, 1, 3]))
        series.upsert(market.candle(index, close=67_000.0 + data.draw(st.integers(-900, 900))))
    if data.draw(st.booleans()):
        series.upsert(market.candle(7, close=60_000.0))
    whole = np.column_stack(series.bars(0, series.size, group)).tolist()
    assert whole == _brute(series, 0, series.size, group)
    first = data.draw(st.integers(0, series.size - 1))
    last = data.draw(st.integers(first + 1, series.size))
    buckets = [row[0] for row in _brute(series, first, last, group)]
    assert series.bars(first, last, group).slot.tolist() == buckets
    slots, closes = series.line("close", 0, series.size, group)
    assert closes.tolist() == [row[4] for row in whole]
    assert len(slots) == len(whole)


def test_heikin_ashi_is_the_recursion_also_from_the_middle(market) -> None:
    series = _series(market.block(400))
    plain = series.bars(0, 400, 1)
    opened = (plain.open[0] + plain.close[0]) / 2
    expected = []
    for o, h, low, c in zip(plain.open, plain.high, plain.low, plain.close, strict=True):
        close = (o + h + low + c) / 4
        expected.append((opened, max(h, opened, close), min(low, opened, close), close))
        opened = (opened + close) / 2
    for first in (0, 1, 250):
        bars = series.smoothed(first, 400, 1)
        found = np.column_stack((bars.open, bars.high, bars.low, bars.close))[-(400 - first) :]
        np.testing.assert_allclose(found, expected[first:], rtol=1e-12)
        assert bars.slot[-1] == 399


def test_an_indicator_that_was_not_sent_is_unknown_not_an_error(market) -> None:
    series = _series(market.block(20))
    assert np.isnan(series.column("sma_50")).all()
    assert series.line("sma_50", 0, 20, 1)[0].size == 0
