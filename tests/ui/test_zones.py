"""Times in the zone of the account: across changes of summer time, too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.snapshots import AccountMode, AccountSnapshot
from ui import formatting, zones
from ui.charts import scales
from ui.charts.bars_chart import BarsChart
from ui.charts.series import CandleSeries

SEOUL, LONDON, CHATHAM = (
    ZoneInfo(name) for name in ("Asia/Seoul", "Europe/London", "Pacific/Chatham")
)
SUMMER_ENDS_MS = 1_761_440_400_000  # in London, 2025-10-26 01:00 UTC


def account(timezone: str) -> AccountSnapshot:
    return AccountSnapshot(
        "main", "bybit", AccountMode.DEMO, "USDT", None, None, None, None, timezone=timezone
    )


def test_a_zone_is_found_by_its_name_and_an_unknown_one_is_utc() -> None:
    assert zones.of_first([account("Asia/Seoul")]) is zones.named("Asia/Seoul")
    assert zones.of_first([]) is UTC
    assert [zones.named(name) for name in ("UTC", "Mars/Olympus", "../etc", "")] == [UTC] * 4


@given(
    st.integers(0, 4_000_000_000_000),
    st.sampled_from([UTC, SEOUL, LONDON, CHATHAM, ZoneInfo("America/New_York")]),
)
def test_the_axis_shifts_a_moment_as_the_wall_clock_does(time_ms: int, zone) -> None:
    wall = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)
    expected = f"{wall.astimezone(zone):%Y-%m-%d %H:%M}"
    assert formatting.date_time(zones.shifted_ms(time_ms, zone)) == expected
    times = np.array([time_ms - 400 * 86_400_000, time_ms, time_ms + 1000], np.int64)
    walls = scales._wall_times(np.maximum(times, 0), zone)
    assert formatting.date_time(int(walls[1])) == expected


def test_a_change_of_summer_time_is_found_to_the_second() -> None:
    changes = zones.changes_ms(LONDON, 2025)
    assert [offset for _, offset in changes] == [0, 3_600_000, 0]
    assert changes[2][0] == SUMMER_ENDS_MS


@pytest.mark.parametrize(
    ("zone", "label"),
    [
        (UTC, "Nov 20 15:00 UTC"),
        (SEOUL, "Nov 21 00:00 KST"),
        (ZoneInfo("America/Sao_Paulo"), "Nov 20 12:00 UTC−03"),
    ],
)
def test_the_crosshair_names_its_zone(zone, label: str) -> None:
    """ux 23"""
    assert scales.cursor_label(1_763_650_800_000, 900_000, zone) == label


def test_a_day_bar_bears_its_own_date_everywhere() -> None:
    midnight_ms = 1_763_596_800_000  # 2025-11-20 00:00 UTC
    assert scales.cursor_label(midnight_ms, 86_400_000, ZoneInfo("America/New_York")) == (
        "Nov 20 2025"
    )


def test_days_of_the_axis_begin_at_the_account_s_midnight(market) -> None:
    series = CandleSeries("15m")
    series.load(market.block(200))  # from 2025-11-20 00:00 UTC
    ticks = scales.time_ticks(series, 0, 130, 9.0, SEOUL)
    (day,) = [tick for tick in ticks if tick.is_major]
    assert day.label == "Nov 21"
    assert int(series.times[day.slot]) == 1_763_596_800_000 + 15 * 3_600_000


def test_the_chart_s_axis_and_its_date_box_speak_in_the_zone(trading_chart, hand, market) -> None:
    """ux 23, 30"""
    trading_chart.set_zone(SEOUL)
    days = [text for _, text, is_major in trading_chart.canvas.time_axis.labels if is_major]
    assert days  # 500 bars are five days; the view ends on the 25th in Seoul
    hand.move(500, 150)
    label = trading_chart.canvas.time_axis.cursor_label[1]
    assert label.endswith(" KST")
    trading_chart.ask_date()
    assert trading_chart.ask_box.title.text() == "Go to date (KST)"
    trading_chart._take_date("2025-11-22 09:00")  # midnight UTC: 48 hours in
    view = trading_chart.canvas.viewport_model
    assert abs((view.left + view.right) / 2 - 48 * 4) < 1


def test_a_day_s_bar_is_named_by_the_day_that_began_in_its_zone(qtbot) -> None:
    """A trading day of Seoul begins at 15:00 UTC of the day before."""
    chart = BarsChart()
    qtbot.addWidget(chart)
    assert chart._day(1_763_564_400_000) == "19 Nov"
    chart.set_zone(SEOUL)
    assert chart._day(1_763_564_400_000) == "20 Nov"
