"""The curve stays short without losing its age; days follow the trader's calendar."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from core.capital.equity_curve import MAX_POINTS, EquityCurve
from core.capital.trading_day import day_name, day_start_ms, next_day_start_ms

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


def test_twenty_days_keep_the_last_hour_whole_and_the_first_day() -> None:
    curve = EquityCurve([])
    dropped = set()
    last_ms = 20 * DAY_MS
    for time_ms in range(0, last_ms + 1, 2 * MINUTE_MS):
        dropped.add(curve.add(time_ms, Decimal(1)))
    times = [time_ms for time_ms, _ in curve.points]
    assert len(times) == MAX_POINTS
    assert times == sorted(times)
    assert not dropped.intersection(times)
    assert times[0] == 0
    assert sum(t > last_ms - HOUR_MS for t in times) == 30
    assert sum(t > last_ms - DAY_MS for t in times) >= 100
    assert max(b - a for a, b in itertools.pairwise(times)) <= 2 * DAY_MS


def test_midnight_is_the_zones_own() -> None:
    zone = ZoneInfo("America/New_York")
    noon_utc = int(datetime(2026, 3, 8, 12, tzinfo=UTC).timestamp()) * 1000  # clocks go forward
    start = day_start_ms(noon_utc, zone)
    assert day_name(start, zone) == "2026-03-08"
    assert next_day_start_ms(start, zone) - start == 23 * HOUR_MS
    autumn = day_start_ms(int(datetime(2026, 11, 1, 12, tzinfo=UTC).timestamp()) * 1000, zone)
    assert next_day_start_ms(autumn, zone) - autumn == 25 * HOUR_MS
