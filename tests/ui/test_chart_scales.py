"""Round prices, round times, and the viewport's arithmetic."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.snapshots import CandleBlock
from ui.charts import scales
from ui.charts.series import CandleSeries
from ui.charts.viewport import DEFAULT_BARS, ROOM_RIGHT, Viewport


@pytest.mark.parametrize(
    ("low", "high", "height", "first", "step"),
    [
        (65_400, 67_600, 430, 65_500, 250),
        (7.8e-6, 8.3e-6, 350, 7.8e-6, 1e-7),
        (-290, 290, 120, -250, 250),
    ],
)
def test_round_values(low: float, high: float, height: float, first: float, step: float) -> None:
    values = scales.round_values(low, high, height)
    assert values[0] == pytest.approx(first)
    assert np.diff(values) == pytest.approx(step)


@given(
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(0, 5_000),
)
def test_round_values_never_flood_the_axis(low: float, high: float, height: float) -> None:
    values = scales.round_values(low, high, height)
    assert len(values) <= max(2.0, height / 42 + 2)


def test_bodies_are_odd_and_leave_room() -> None:
    assert [scales.body_px(px) for px in (1, 2, 3, 6, 9.09, 20)] == [1, 1, 1, 3, 5, 13]


def test_bars_are_grouped_past_one_per_two_pixels() -> None:
    assert [scales.group_size(px) for px in (9.0, 2.0, 1.9, 0.6, 0.1)] == [1, 1, 2, 4, 32]


def test_labels_stand_at_round_times_and_days_are_marked(market) -> None:
    series = CandleSeries("15m")
    series.load(market.block(200))
    ticks = scales.time_ticks(series, 50, 180, 9.0)
    assert [t.label for t in ticks[:4]] == ["15:00", "18:00", "21:00", "Nov 21"]
    assert [t.is_major for t in ticks[:4]] == [False, False, False, True]
    assert all(b.slot - a.slot >= 64 / 9 for a, b in itertools.pairwise(ticks))


def test_a_year_of_days_is_labelled_by_months() -> None:
    series = CandleSeries("1d")
    series.clear("1d")
    times = 1_763_596_800_000 + np.arange(400) * 86_400_000
    ones = np.ones(400).tobytes()
    columns = dict.fromkeys(("open", "high", "low", "close", "volume"), ones)
    series.load(
        CandleBlock(
            "X", "1d", 400, {"open_time_ms": times.astype("<i8").tobytes(), **columns}, True
        )
    )
    labels = [tick.label for tick in scales.time_ticks(series, 0, 400, 3.0)]
    assert labels[:3] == ["Dec", "2026", "Feb"]


def test_no_bars_no_labels() -> None:
    assert scales.time_ticks(CandleSeries("1m"), 0, 100, 9.0) == []


def test_the_first_view_is_130_bars_and_room() -> None:
    view = Viewport()
    view.reset(999)
    assert view.width == DEFAULT_BARS + ROOM_RIGHT
    assert view.right == 999.5 + ROOM_RIGHT


@given(st.floats(0.2, 5), st.floats(0, 1))
def test_zoom_keeps_the_anchor(factor: float, share: float) -> None:
    view = Viewport()
    view.reset(5_000)
    view.pan(-2_000)
    anchor = view.left + share * view.width
    view.zoom(factor, anchor)
    assert view.left + share * view.width == pytest.approx(anchor, abs=1e-6)


@given(st.lists(st.tuples(st.floats(), st.floats(), st.booleans()), max_size=20))
def test_the_series_never_leaves_the_view(moves: list[tuple[float, float, bool]]) -> None:
    view = Viewport()
    view.reset(300)
    for one, two, is_zoom in moves:
        if is_zoom:
            view.zoom(one, view.left + 10)
        else:
            view.pan(two)
        assert math.isfinite(view.left)
        assert view.width > 0
        assert view.right > -0.5
        assert view.left < 300.5


def test_a_new_bar_scrolls_only_when_the_last_was_visible() -> None:
    view = Viewport()
    view.reset(500)
    left = view.left
    assert view.grow(501)
    assert view.left == left + 1
    view.pan(-200)
    left = view.left
    assert not view.grow(502)
    assert view.left == left
    view.go_to_latest()
    assert view.sees_last
