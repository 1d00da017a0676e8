"""Timeframes on UTC boundaries, and the names of candle files."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.models.candles import SeriesKey, Timeframe


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("timeframe", "moment", "opened", "following"),
    [
        (Timeframe.M15, "2026-11-20T14:32:07", "2026-11-20T14:30", "2026-11-20T14:45"),
        (Timeframe.H4, "2026-11-20T14:32:07", "2026-11-20T12:00", "2026-11-20T16:00"),
        (Timeframe.D1, "2026-11-20T14:32:07", "2026-11-20", "2026-11-21"),
        (Timeframe.W1, "2026-11-20T14:32:07", "2026-11-16", "2026-11-23"),
        (Timeframe.W1, "2026-11-16T00:00:00", "2026-11-16", "2026-11-23"),
        (Timeframe.MONTH, "2026-12-31T23:59:59", "2026-12-01", "2027-01-01"),
        (Timeframe.MONTH, "2028-02-29T12:00:00", "2028-02-01", "2028-03-01"),
    ],
)
def test_bars_open_on_utc_boundaries(
    timeframe: Timeframe, moment: str, opened: str, following: str
) -> None:
    assert timeframe.floor_ms(ms(moment)) == ms(opened)
    assert timeframe.next_open_ms(ms(moment)) == ms(following)


@given(st.sampled_from(Timeframe), st.integers(0, 4_000_000_000_000))
def test_every_moment_lies_in_exactly_one_bar(timeframe: Timeframe, time_ms: int) -> None:
    opened, following = timeframe.floor_ms(time_ms), timeframe.next_open_ms(time_ms)
    assert opened <= time_ms < following
    assert timeframe.floor_ms(opened) == opened
    assert timeframe.floor_ms(following) == following


def test_file_names_are_lower_case_without_punctuation_and_distinct_everywhere() -> None:
    assert SeriesKey("Bybit", "BTCUSDT", Timeframe.M15).file_stem == "bybit_btcusdt_15m"
    assert SeriesKey("upbit", "KRW-BTC", Timeframe.M1).file_stem == "upbit_krwbtc_1m"
    stems = {SeriesKey("x", "Y", timeframe).file_stem.lower() for timeframe in Timeframe}
    assert len(stems) == len(Timeframe), "1m and 1M must differ where case does not count"
