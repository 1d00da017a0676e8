"""Bars that ended by the exchange's clock without anybody having said so."""

from __future__ import annotations

import pytest

from core.clock import ManualClock
from core.models.candles import Timeframe
from core.overdue_bars import GRACE_S, OverdueBars

OPEN_MS = 1_700_000_100_000
SERIES = ("BTCUSDT", Timeframe.M1)


@pytest.fixture
def clock():
    return ManualClock(OPEN_MS)


def test_a_bar_is_overdue_after_its_grace_and_named_once(clock):
    overdue = OverdueBars(clock)
    told = {SERIES: OPEN_MS - 60_000}
    clock.advance_ms(60_000 + int(GRACE_S * 1000) - 1)
    assert list(overdue.look(told)) == []
    clock.advance_ms(1)
    assert list(overdue.look(told)) == [SERIES]
    clock.advance_ms(30_000)
    assert list(overdue.look(told)) == []
    clock.advance_ms(30_000)
    assert list(overdue.look(told)) == [SERIES]  # the next one


def test_a_bar_that_was_told_is_not_overdue(clock):
    overdue = OverdueBars(clock)
    clock.advance_ms(70_000)
    assert list(overdue.look({SERIES: OPEN_MS})) == []


def test_the_grace_is_real_time(clock):
    clock.rate = 60.0
    overdue = OverdueBars(clock)
    clock.advance_ms(60_000 + 4_000)
    assert list(overdue.look({SERIES: OPEN_MS - 60_000})) == []
    clock.advance_ms(int(GRACE_S * 1000 * 60))
    assert list(overdue.look({SERIES: OPEN_MS - 60_000})) == [SERIES]


def test_a_month_is_walked_by_the_calendar(clock):
    month = ("BTCUSDT", Timeframe.MONTH)
    overdue = OverdueBars(clock)
    october_ms = Timeframe.MONTH.floor_ms(Timeframe.MONTH.floor_ms(OPEN_MS) - 1)
    assert list(overdue.look({month: october_ms})) == []
    assert list(overdue.look({month: october_ms - 1})) == [month]


def test_a_series_let_go_and_followed_again_is_looked_at_anew(clock):
    overdue = OverdueBars(clock)
    told = {SERIES: OPEN_MS - 120_000}
    clock.advance_ms(10_000)
    assert list(overdue.look(told)) == [SERIES]
    assert list(overdue.look({})) == []
    assert list(overdue.look(told)) == [SERIES]
