"""What is asked for, how often, and what is made of the answers."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.clock import ManualClock
from core.market_data.bot_data_manager import AppendOutcome, BotDataManager
from core.market_data.candle_store import CandleStore
from core.models.candles import Candle, SeriesKey, Timeframe

MakeBar = Callable[..., Candle]
MakeHistory = Callable[[list[Candle]], Any]
STEP_MS = 900_000


@pytest.fixture
def manager(key: SeriesKey, store: CandleStore, clock: ManualClock) -> BotDataManager:
    return BotDataManager(key, store=store, clock=clock)


def _damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-30] ^= 4  # in the footer, which every reader sees
    path.write_bytes(content)


async def test_many_holes_of_one_bar_take_one_request(
    manager: BotDataManager, store: CandleStore, bar: MakeBar, history: MakeHistory
) -> None:
    holes = set(range(3, 900, 7))
    store.append((manager.key, bar(n)) for n in range(1_000) if n not in holes)
    exchange = history([bar(n) for n in range(1_000)])
    exchange.close_bar(999)
    assert await manager.load_historical(exchange.fetch) == 1_000
    assert len(exchange.requests) == 1
    assert manager.gaps() == []


async def test_exchange_with_forty_percent_of_empty_minutes(
    key: SeriesKey, store: CandleStore, clock: ManualClock, history: MakeHistory
) -> None:
    """Upbit's way: no bar for a minute without trades. One request for the history, and none
    for what is known to be empty."""
    rng = random.Random(3)
    price = Decimal(5)
    start = clock.time_ms() // 60_000
    traded = [
        Candle((start + n) * 60_000, price, price, price, price, Decimal(1))
        for n in range(900)
        if n in (0, 899) or rng.random() > 0.4
    ]
    manager = BotDataManager(key._replace(timeframe=Timeframe.M1), store=store, clock=clock)
    exchange = history(traded)
    clock.advance_ms(900 * 60_000)
    await manager.load_historical(exchange.fetch, bars=900)
    asked = len(exchange.requests)
    assert asked <= 2
    assert manager.gaps() == []
    assert len(manager.frame(Timeframe.H1)) == 15, "empty minutes hold no hour back"
    for _ in range(3):
        await manager.backfill(exchange.fetch)
    assert len(exchange.requests) - asked <= 1, "the last hour's are checked once more"
    asked = len(exchange.requests)
    reborn = BotDataManager(manager.key, store=store, clock=clock)
    await reborn.load_historical(exchange.fetch, bars=900)
    await reborn.backfill(exchange.fetch)
    assert len(exchange.requests) == asked, "what is known to be empty survives a restart"
    assert reborn.gaps() == []


async def test_an_early_no_is_checked_once_more_and_then_believed(
    manager: BotDataManager,
    store: CandleStore,
    bar: MakeBar,
    history: MakeHistory,
    clock: ManualClock,
) -> None:
    exchange = history([bar(n) for n in range(20) if n not in (8, 9)])
    exchange.close_bar(10)
    await manager.load_historical(exchange.fetch)
    asked = len(exchange.requests)
    await manager.backfill(exchange.fetch)
    assert len(exchange.requests) == asked, "not yet an hour later"
    exchange.candles[bar(8).open_time_ms] = bar(8)  # it was only late
    exchange.close_bar(15)
    await manager.backfill(exchange.fetch)
    assert store.read(manager.key)[8] == bar(8)
    assert manager.gaps() == []
    assert manager.frame(Timeframe.H1).index[-1].hour == 3  # bars 12 to 15; 8 to 11 has its 8
    assert manager.frame(Timeframe.H1)["open"].tolist()[2] == float(bar(8).open)
    asked = len(exchange.requests)
    clock.advance_ms(100 * 3_600_000)
    exchange.candles.clear()
    await manager.backfill(exchange.fetch)
    first_asked = min(start for start, _, _ in exchange.requests[asked:])
    assert first_asked >= bar(15).open_time_ms, "bar 9 is settled"


async def test_a_bar_the_stream_brings_is_empty_no_more(
    manager: BotDataManager, store: CandleStore, bar: MakeBar, history: MakeHistory
) -> None:
    exchange = history([bar(n) for n in range(12) if n not in (4, 5, 6)])
    exchange.close_bar(11)
    await manager.load_historical(exchange.fetch)
    assert manager.append_candle(bar(5)) is AppendOutcome.CORRECTED
    assert store.empty_ranges(manager.key) != []
    hours = manager.frame(Timeframe.H1)
    assert hours["volume"].tolist()[1] == float(bar(5).volume + bar(7).volume)


async def test_rest_correction_is_applied_and_logged(
    manager: BotDataManager,
    store: CandleStore,
    bar: MakeBar,
    history: MakeHistory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    exchange = history([bar(n) for n in range(20)])
    exchange.close_bar(9)
    await manager.load_historical(exchange.fetch)
    exchange.candles[bar(9).open_time_ms] = bar(9, volume=Decimal(77))
    exchange.close_bar(10)
    with caplog.at_level(logging.INFO):
        await manager.backfill(exchange.fetch)
    assert "to 77" in caplog.text
    assert store.read(manager.key)[9].volume == 77


async def test_history_of_a_damaged_file_is_fetched_again_bit_by_bit(
    manager: BotDataManager,
    store: CandleStore,
    bar: MakeBar,
    history: MakeHistory,
    fail_on_unexpected_log: list[logging.LogRecord],
) -> None:
    exchange = history([bar(n) for n in range(12_001)])
    store.append((manager.key, bar(n)) for n in range(12_000))
    store.merge()
    _damage(store.path_of(manager.key))
    exchange.close_bar(12_000)
    await manager.load_historical(exchange.fetch)
    assert "was put aside" in fail_on_unexpected_log.pop().getMessage()
    assert store.lost_history(manager.key) == (bar(0).open_time_ms, bar(11_999).open_time_ms)
    for _ in range(3):
        assert await manager.backfill(exchange.fetch) > 0
    assert store.lost_history(manager.key) is None
    assert store.read(manager.key) == [bar(n) for n in range(12_001)]
    asked = len(exchange.requests)
    assert await manager.backfill(exchange.fetch) == 0
    assert len(exchange.requests) == asked
