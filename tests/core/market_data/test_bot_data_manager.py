from __future__ import annotations

import logging
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
import talib

from core.clock import ManualClock
from core.exchange_port import Unavailable
from core.indicators import Macd
from core.market_data.bot_data_manager import AppendOutcome, BotDataManager
from core.market_data.candle_store import CandleStore, StoreFault
from core.market_data.columns import columns_from_candles
from core.market_data.higher_bars import MAX_HIGHER_MEMORY
from core.market_data.integrity import BadCandle
from core.market_data.resampling import resample
from core.models.candles import Candle, SeriesKey, Timeframe

MakeBar = Callable[..., Candle]
MakeHistory = Callable[[list[Candle]], Any]
Logs = list[logging.LogRecord]
STEP_MS = 900_000


@pytest.fixture
def manager(key: SeriesKey, store: CandleStore, clock: ManualClock) -> BotDataManager:
    return BotDataManager(key, store=store, clock=clock)


@pytest.fixture
def restarted(key: SeriesKey, store: CandleStore, clock: ManualClock) -> BotDataManager:
    """A second manager on the same store, as after a restart."""
    return BotDataManager(key, store=store, clock=clock)


# --- appending -------------------------------------------------------------------------------


def test_closed_candle_is_durable_then_in_memory(
    manager: BotDataManager, store: CandleStore, key: SeriesKey, bar: MakeBar
) -> None:
    assert manager.append_candle(bar(0)) is AppendOutcome.NEW
    assert store.read(key) == [bar(0)]
    assert manager.newest == bar(0)
    assert manager.df_entry_full["close"].tolist() == [float(bar(0).close)]


def test_repeated_candle_changes_nothing(manager: BotDataManager, bar: MakeBar) -> None:
    manager.append_candle(bar(0))
    manager.append_candle(bar(1))
    version = manager.version
    assert manager.append_candle(bar(1)) is AppendOutcome.REPEATED
    assert manager.append_candle(bar(0)) is AppendOutcome.REPEATED
    assert manager.version == version


def test_late_correction_of_the_newest_is_applied_and_logged(
    manager: BotDataManager,
    store: CandleStore,
    key: SeriesKey,
    bar: MakeBar,
    caplog: pytest.LogCaptureFixture,
) -> None:
    manager.append_candle(bar(0))
    corrected = bar(0, volume=Decimal(5))
    with caplog.at_level(logging.INFO):
        assert manager.append_candle(corrected) is AppendOutcome.CORRECTED
    assert "volume 0.125 to 5" in caplog.text
    assert store.read(key) == [corrected]
    assert manager.df_entry_full["volume"].tolist() == [5.0]


def test_stream_may_not_rewrite_an_older_bar(
    manager: BotDataManager, store: CandleStore, key: SeriesKey, bar: MakeBar
) -> None:
    manager.append_candle(bar(0))
    manager.append_candle(bar(1))
    assert manager.append_candle(bar(0, volume=Decimal(5))) is AppendOutcome.STALE
    assert store.read(key) == [bar(0), bar(1)]


def test_late_bar_fills_its_hole_without_being_the_newest(
    manager: BotDataManager, bar: MakeBar, clock: ManualClock
) -> None:
    clock.advance_ms(3 * STEP_MS)
    manager.append_candle(bar(0))
    manager.append_candle(bar(2))
    assert manager.append_candle(bar(1)) is AppendOutcome.CORRECTED
    assert manager.newest == bar(2)
    assert manager.df_entry_full["close"].tolist() == [float(bar(n).close) for n in range(3)]


def test_shuffled_stream_ends_in_order(
    manager: BotDataManager, store: CandleStore, key: SeriesKey, bar: MakeBar, clock: ManualClock
) -> None:
    clock.advance_ms(1_600 * STEP_MS)
    order = list(range(1_500))
    rng = random.Random(1)
    for _ in range(60):
        place = rng.randrange(len(order) - 3)
        order[place], order[place + 2] = order[place + 2], order[place]
    for number in order:
        manager.append_candle(bar(number))
    assert store.read(key) == [bar(n) for n in range(1_500)]
    assert manager.df_entry_full.index.is_monotonic_increasing
    tail = store.read_columns(key, last=1_000)
    assert manager.df_entry_full["close"].tolist() == tail.close.tolist()
    assert manager.df_entry_full["volume"].tolist() == tail.volume.tolist()


def test_first_candle_after_a_restart_is_not_new_twice(
    manager: BotDataManager, restarted: BotDataManager, bar: MakeBar
) -> None:
    manager.append_candle(bar(0))
    assert restarted.append_candle(bar(0)) is AppendOutcome.REPEATED


def test_bad_or_future_candle_is_refused(manager: BotDataManager, bar: MakeBar) -> None:
    with pytest.raises(BadCandle, match="below"):
        manager.append_candle(bar(0, high=Decimal(1)))
    with pytest.raises(BadCandle, match="opens in the future"):
        manager.append_candle(bar(2))
    assert manager.rows_in_memory == 0


def test_move_over_half_warns_and_is_kept(
    manager: BotDataManager, bar: MakeBar, fail_on_unexpected_log: Logs
) -> None:
    manager.append_candle(bar(0))
    low = Decimal(20_000)
    assert manager.append_candle(bar(1, low=low, close=low)) is AppendOutcome.NEW
    assert "moved from" in fail_on_unexpected_log.pop().getMessage()


def test_failed_write_leaves_memory_as_it_was(
    manager: BotDataManager, store: CandleStore, bar: MakeBar
) -> None:
    manager.append_candle(bar(0))
    store.close()
    with pytest.raises(StoreFault):
        manager.append_candle(bar(1))
    assert manager.newest == bar(0)
    assert manager.rows_in_memory == 1


def test_unsaved_candles_become_durable_on_save(
    manager: BotDataManager, store: CandleStore, key: SeriesKey, bar: MakeBar
) -> None:
    assert manager.append_candle(bar(0), save=False) is AppendOutcome.NEW
    assert manager.append_candle(bar(1), save=False) is AppendOutcome.NEW
    assert manager.append_candle(bar(0), save=False) is AppendOutcome.REPEATED
    assert store.read(key) == []
    manager.save_parquet()
    assert store.read(key) == [bar(0), bar(1)]
    assert manager.info.file_bytes > 0


# --- history and gaps ------------------------------------------------------------------------


async def test_first_load_asks_once_and_second_not_at_all(
    manager: BotDataManager, restarted: BotDataManager, bar: MakeBar, history: MakeHistory
) -> None:
    exchange = history([bar(n) for n in range(3_000)])
    exchange.close_bar(2_000)
    assert await manager.load_historical(exchange.fetch) == 1_000
    assert len(exchange.requests) == 1
    assert manager.newest == bar(2_000)
    assert await restarted.load_historical(exchange.fetch) == 1_000
    assert len(exchange.requests) == 1
    assert restarted.gaps() == []


async def test_restart_asks_only_for_what_is_missing(
    manager: BotDataManager, restarted: BotDataManager, bar: MakeBar, history: MakeHistory
) -> None:
    exchange = history([bar(n) for n in range(3_000)])
    exchange.close_bar(1_500)
    await manager.load_historical(exchange.fetch)
    exchange.close_bar(1_510)
    await restarted.load_historical(exchange.fetch)
    # From the newest known bar on: REST has the last word on the one the cut may have spoilt.
    last = (bar(1_500).open_time_ms, bar(1_510).open_time_ms, 11)
    assert exchange.requests[1:] == [last]
    assert restarted.newest == bar(1_510)


async def test_new_listing_is_not_asked_for_again(
    manager: BotDataManager, restarted: BotDataManager, bar: MakeBar, history: MakeHistory
) -> None:
    exchange = history([bar(n) for n in range(50)])
    exchange.close_bar(49)
    assert await manager.load_historical(exchange.fetch) == 50
    asked = len(exchange.requests)
    assert await restarted.load_historical(exchange.fetch) == 50
    assert len(exchange.requests) == asked


@pytest.mark.parametrize("outage", [1, 4, 24, 1_200])
async def test_after_an_outage_the_series_equals_the_exchanges(
    manager: BotDataManager, store: CandleStore, bar: MakeBar, history: MakeHistory, outage: int
) -> None:
    exchange = history([bar(n) for n in range(3_000)])
    exchange.page_rows = 200
    exchange.close_bar(1_000)
    await manager.load_historical(exchange.fetch)
    first_back = 1_001 + outage
    exchange.close_bar(first_back)
    assert manager.append_candle(bar(first_back)) is AppendOutcome.NEW
    if outage < 1_000:  # longer ones end before the oldest bar in memory
        assert manager.gaps() == [(bar(1_001).open_time_ms, bar(first_back - 1).open_time_ms)]
    assert await manager.backfill(exchange.fetch) == outage
    assert manager.gaps() == []
    stored = store.read(manager.key, start_ms=bar(1_000).open_time_ms)
    assert stored == [bar(n) for n in range(1_000, first_back + 1)]
    assert manager.df_entry_full["close"].tolist() == [
        float(bar(n).close) for n in range(first_back - 999, first_back + 1)
    ]
    assert manager.gaps_filled >= 1


async def test_bar_still_forming_is_never_stored(
    manager: BotDataManager,
    bar: MakeBar,
    history: MakeHistory,
    clock: ManualClock,
) -> None:
    exchange = history([bar(n) for n in range(20)])
    exchange.sends_forming_bar = True
    exchange.close_bar(10)
    clock.advance_ms(STEP_MS - 1_000)
    await manager.load_historical(exchange.fetch)
    assert manager.newest == bar(10)
    assert await manager.backfill(exchange.fetch) == 0
    assert manager.newest == bar(10)


async def test_bars_that_do_not_exist_are_asked_for_once(
    manager: BotDataManager,
    bar: MakeBar,
    history: MakeHistory,
) -> None:
    traded = [bar(n) for n in range(1_100) if n % 5 not in (1, 2)]
    exchange = history(traded)
    exchange.close_bar(1_000)
    await manager.load_historical(exchange.fetch)
    asked = len(exchange.requests)
    assert await manager.backfill(exchange.fetch) == 0
    assert len(exchange.requests) == asked
    assert manager.gaps() == []
    assert len(manager.frame(Timeframe.H1)) > 200, "empty bars hold no hour back"


async def test_bar_the_exchange_is_late_with_is_asked_for_again(
    manager: BotDataManager,
    bar: MakeBar,
    history: MakeHistory,
) -> None:
    exchange = history([bar(n) for n in range(11)])
    exchange.close_bar(11)
    await manager.load_historical(exchange.fetch)
    assert manager.gaps() == [(bar(11).open_time_ms, bar(11).open_time_ms)]
    exchange.candles[bar(11).open_time_ms] = bar(11)
    assert await manager.backfill(exchange.fetch) == 1
    assert manager.gaps() == []


async def test_rest_corrects_the_bar_before_the_gap(
    manager: BotDataManager, store: CandleStore, bar: MakeBar, history: MakeHistory
) -> None:
    exchange = history([bar(n) for n in range(20)])
    exchange.close_bar(9)
    await manager.load_historical(exchange.fetch)
    manager.append_candle(bar(9, volume=Decimal("0.001")))
    exchange.close_bar(10)
    assert await manager.backfill(exchange.fetch) == 2
    assert store.read(manager.key, last=2) == [bar(9), bar(10)]
    assert manager.newest == bar(10)


async def test_bad_row_from_rest_stays_a_gap(
    manager: BotDataManager,
    bar: MakeBar,
    history: MakeHistory,
    fail_on_unexpected_log: Logs,
) -> None:
    exchange = history([bar(n) for n in range(20)])
    exchange.candles[bar(5).open_time_ms] = bar(5, low=Decimal(-1))
    exchange.close_bar(9)
    await manager.load_historical(exchange.fetch)
    assert manager.gaps() == [(bar(5).open_time_ms, bar(5).open_time_ms)]
    assert "not above zero" in fail_on_unexpected_log.pop().getMessage()
    exchange.candles[bar(5).open_time_ms] = bar(5)
    assert await manager.backfill(exchange.fetch) == 1


async def test_older_history_is_filled_on_demand(
    manager: BotDataManager, bar: MakeBar, history: MakeHistory
) -> None:
    exchange = history([bar(n) for n in range(3_000)])
    exchange.close_bar(2_999)
    await manager.load_historical(exchange.fetch)
    first_ms, last_ms = bar(500).open_time_ms + 17, bar(5_000).open_time_ms
    assert await manager.fill(exchange.fetch, first_ms=first_ms, last_ms=last_ms) == 1_500
    columns = manager.history(Timeframe.M15, count=2_500)
    assert columns.close.tolist() == [float(bar(n).close) for n in range(500, 3_000)]
    assert manager.rows_in_memory == 1_000
    assert manager.newest == bar(2_999)


async def test_failed_request_is_not_an_empty_history(
    manager: BotDataManager, bar: MakeBar, history: MakeHistory
) -> None:
    async def fail(*_: object, **__: object) -> list[Candle]:
        raise Unavailable("Bybit did not answer.")

    exchange = history([bar(n) for n in range(20)])
    exchange.close_bar(9)
    with pytest.raises(Unavailable):
        await manager.load_historical(fail)
    assert await manager.load_historical(exchange.fetch) == 10


# --- frames ----------------------------------------------------------------------------------


def test_frames_hold_closed_bars_in_utc(
    manager: BotDataManager, bar: MakeBar, clock: ManualClock
) -> None:
    clock.advance_ms(100 * STEP_MS)
    for number in range(10):
        manager.append_candle(bar(number))
    entry, pattern = manager.df_entry_resampled, manager.df_pattern_full
    assert isinstance(entry.index, pd.DatetimeIndex)
    assert str(entry.index.tz) == "UTC"
    assert entry.index[0] == pd.Timestamp("2023-11-01", tz="UTC")
    assert list(entry.columns) == ["open", "high", "low", "close", "volume"]
    assert len(entry) == 10
    assert pattern.index.tolist() == [entry.index[0], entry.index[4]]
    assert pattern["close"].tolist() == [float(bar(3).close), float(bar(7).close)]


def test_entry_and_pattern_frames_follow_their_timeframes(
    key: SeriesKey, store: CandleStore, clock: ManualClock, bar: MakeBar
) -> None:
    clock.advance_ms(100 * STEP_MS)
    manager = BotDataManager(
        key,
        store=store,
        clock=clock,
        entry_timeframe=Timeframe.M30,
        pattern_timeframe=Timeframe.H2,
    )
    for number in range(16):
        manager.append_candle(bar(number))
    frames = (manager.df_entry_full, manager.df_entry_resampled, manager.df_pattern_full)
    assert [len(frame) for frame in frames] == [16, 8, 2]


@pytest.mark.parametrize("timeframe", [Timeframe.H1, Timeframe.D1, Timeframe.W1, Timeframe.MONTH])
def test_frames_kept_up_bar_by_bar_equal_those_made_at_once(
    manager: BotDataManager,
    store: CandleStore,
    bar: MakeBar,
    clock: ManualClock,
    timeframe: Timeframe,
) -> None:
    clock.advance_ms(10_000 * STEP_MS)
    store.append((manager.key, bar(n)) for n in range(3_000))
    manager.load_stored()
    for number in range(3_000, 3_400):
        manager.append_candle(bar(number))
        kept_up = manager.frame(timeframe)
    at_once = resample(
        columns_from_candles([bar(n) for n in range(3_400)]), Timeframe.M15, timeframe
    )
    assert kept_up["close"].tolist() == at_once.close.tolist()[-MAX_HIGHER_MEMORY:]
    assert kept_up["high"].tolist() == at_once.high.tolist()[-MAX_HIGHER_MEMORY:]
    history = manager.history(timeframe, count=2, end_ms=int(at_once.open_time_ms[-1]))
    assert history.close.tolist() == at_once.close.tolist()[-2:]


def test_month_comes_from_the_store_when_memory_is_shorter(
    manager: BotDataManager, bar: MakeBar, clock: ManualClock
) -> None:
    clock.advance_ms(10_000 * STEP_MS)
    months = []
    for number in range(2_900):
        manager.append_candle(bar(number))
        if number in (0, 2_878, 2_879, 2_899):
            months.append(len(manager.frame(Timeframe.MONTH)))
    assert months == [0, 0, 1, 1]


def test_correction_reaches_the_higher_frames(
    manager: BotDataManager, bar: MakeBar, clock: ManualClock
) -> None:
    clock.advance_ms(100 * STEP_MS)
    for number in (0, 1, 3, 4):
        manager.append_candle(bar(number))
    assert len(manager.df_pattern_full) == 0
    manager.append_candle(bar(2))
    assert manager.df_pattern_full["volume"].tolist() == [
        float(sum(bar(n).volume for n in range(4)))
    ]


def test_nothing_is_computed_twice_for_one_candle(manager: BotDataManager, bar: MakeBar) -> None:
    calls: list[int] = []

    def compute() -> int:
        calls.append(manager.version)
        return len(calls)

    manager.append_candle(bar(0))
    assert [manager.indicator_cache.get("rsi", compute) for _ in range(3)] == [1, 1, 1]
    manager.append_candle(bar(0))
    assert manager.indicator_cache.get("rsi", compute) == 1
    manager.append_candle(bar(1))
    assert manager.indicator_cache.get("rsi", compute) == 2


def test_an_indicator_kept_up_equals_one_computed_at_once(
    manager: BotDataManager, bar: MakeBar, clock: ManualClock
) -> None:
    clock.advance_ms(2_000 * STEP_MS)
    made: list[Macd] = []

    def make() -> Macd:
        made.append(Macd())
        return made[-1]

    for number in range(1_300):
        manager.append_candle(bar(number))
        if number % 3 == 0:
            values = manager.indicator_cache.keep_up("macd", make)
    at_once = talib.MACD(np.array([float(bar(n).close) for n in range(1_300)]), 12, 26, 9)
    assert values == pytest.approx([float(column[-1]) for column in at_once], abs=1e-9)
    assert len(made) == 1
    manager.append_candle(bar(1_299, close=bar(1_299).high))  # a correction
    corrected = manager.indicator_cache.keep_up("macd", make)
    assert corrected[0] > values[0]
    assert len(made) == 2


def test_callers_changes_to_a_frame_stay_theirs(manager: BotDataManager, bar: MakeBar) -> None:
    manager.append_candle(bar(0))
    frame = manager.df_entry_full
    frame["rsi"] = 50.0
    frame.loc[frame.index[0], "close"] = 1.0
    again = manager.df_entry_full
    assert "rsi" not in again.columns
    assert again["close"].tolist() == [float(bar(0).close)]


def test_impossible_timeframes_are_refused(
    manager: BotDataManager, store: CandleStore, clock: ManualClock
) -> None:
    with pytest.raises(ValueError, match="5m bars cannot be made"):
        manager.frame(Timeframe.M5)
    month = SeriesKey("bybit", "BTCUSDT", Timeframe.MONTH)
    with pytest.raises(ValueError, match="no fixed length"):
        BotDataManager(month, store=store, clock=clock)
