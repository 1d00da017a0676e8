"""Hourly closes for sizing: from memory wherever it reaches, the same as the store would say."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.clock import ManualClock
from core.hourly_closes import hourly_closes
from core.market_data.bot_data_manager import BotDataManager
from core.market_data.candle_store import CandleStore
from core.models.candles import Candle, SeriesKey, Timeframe

HOUR_MS = Timeframe.H1.duration_ms
NOW_MS = 1_700_000_000_000 // HOUR_MS * HOUR_MS


@pytest.fixture
def make(tmp_path: Path) -> Any:
    """A manager of so many stored bars up to now, closes counted up from 1, and its store."""
    stores = []

    def made(timeframe: Timeframe, bars: int, without: tuple[int, ...] = ()) -> BotDataManager:
        store = CandleStore(tmp_path)
        stores.append(store)
        key = SeriesKey("bybit", "BTCUSDT", timeframe)
        manager = BotDataManager(key, store=store, clock=ManualClock(NOW_MS))
        first_ms = NOW_MS - bars * timeframe.duration_ms
        rows = [
            Candle(first_ms + n * timeframe.duration_ms, *[Decimal(n + 1)] * 4, Decimal(1))
            for n in range(bars)
            if n not in without
        ]
        store.append((key, row) for row in rows)
        manager.load_stored()
        return manager

    yield made
    for store in stores:
        store.close()


def test_it_is_the_close_of_the_bar_that_ends_with_the_hour(make: Any) -> None:
    manager = make(Timeframe.M15, 41)
    assert hourly_closes(manager, 3) == [33, 37, 41]
    assert hourly_closes(manager, 100) == [Decimal(n) for n in range(1, 42, 4)]


def test_memory_is_enough_for_four_days_of_quarter_hours(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = make(Timeframe.M15, 2_000)
    monkeypatch.setattr(manager, "frame", None)  # no frame, no disk
    assert hourly_closes(manager, 97) == [Decimal(n) for n in range(1_616, 2_001, 4)]


def test_minutes_reach_back_as_far_as_the_store(make: Any) -> None:
    manager = make(Timeframe.M1, 97 * 60)
    assert hourly_closes(manager, 97) == [Decimal(n * 60) for n in range(1, 98)]


def test_hours_are_their_own(make: Any) -> None:
    assert hourly_closes(make(Timeframe.H1, 5), 2) == [4, 5]


def test_an_hour_whose_last_bar_is_missing_has_no_close(make: Any) -> None:
    assert hourly_closes(make(Timeframe.M15, 12, without=(7,)), 9) == [4, 12]


def test_longer_bars_have_none(make: Any) -> None:
    with pytest.raises(ValueError, match="4h bars have no hourly closes"):
        hourly_closes(make(Timeframe.H4, 5), 2)
