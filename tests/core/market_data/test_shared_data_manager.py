from __future__ import annotations

import asyncio
import gc
import logging
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.clock import ManualClock
from core.exchange_port import RequestRejected
from core.market_data.bot_data_manager import AppendOutcome
from core.market_data.shared_data_manager import SharedDataManager
from core.models.candles import Candle, Timeframe

MakeBar = Callable[..., Candle]
MakeHistory = Callable[[list[Candle]], Any]
Logs = list[logging.LogRecord]


@pytest.fixture
def shared(tmp_path: Path, clock: ManualClock) -> Iterator[SharedDataManager]:
    clock.advance_ms(5_000 * 900_000)
    opened = SharedDataManager("Bybit", cache_dir=tmp_path / "cache", clock=clock)
    yield opened
    opened.close()


def test_one_manager_per_series(shared: SharedDataManager) -> None:
    assert shared.get_manager("BTCUSDT") is shared.get_manager("BTCUSDT")
    assert shared.get_manager("BTCUSDT", Timeframe.M1) is not shared.get_manager("BTCUSDT")
    assert shared.get_manager("BTCUSDT").key.exchange == "bybit"


def test_batch_is_durable_and_a_bad_candle_hurts_no_neighbour(
    shared: SharedDataManager, bar: MakeBar, fail_on_unexpected_log: Logs
) -> None:
    outcomes = shared.append_candle_batch(
        {"BTCUSDT": bar(0), "ETHUSDT": bar(0, high=Decimal(1)), "SOLUSDT": bar(3)}
    )
    assert outcomes == {
        "BTCUSDT": AppendOutcome.NEW,
        "ETHUSDT": AppendOutcome.REFUSED,
        "SOLUSDT": AppendOutcome.NEW,
    }
    assert "ETHUSDT" in fail_on_unexpected_log.pop().getMessage()
    assert shared.store.read(shared.get_manager("SOLUSDT").key) == [bar(3)]
    again = shared.append_candle_batch({"BTCUSDT": bar(0), "SOLUSDT": bar(2)})
    assert list(again.values()) == [AppendOutcome.REPEATED, AppendOutcome.CORRECTED]


def test_four_bots_on_one_series_keep_every_row(shared: SharedDataManager, bar: MakeBar) -> None:
    def run(first: int) -> None:
        manager = shared.get_manager("BTCUSDT")
        for number in range(first, 400, 4):
            manager.append_candle(bar(number))
            if number % 50 == first:
                shared.batch_save_parquet()

    threads = [threading.Thread(target=run, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    manager = shared.get_manager("BTCUSDT")
    assert shared.store.read(manager.key) == [bar(n) for n in range(400)]
    assert manager.df_entry_full["close"].tolist() == [float(bar(n).close) for n in range(400)]


def test_two_managers_share_one_cache(
    shared: SharedDataManager, tmp_path: Path, clock: ManualClock, bar: MakeBar
) -> None:
    other = SharedDataManager("bybit", cache_dir=tmp_path / "cache", clock=clock)
    shared.append_candle_batch({"BTCUSDT": bar(0)})
    other.append_candle_batch({"BTCUSDT": bar(1)})
    shared.batch_save_parquet()
    other.append_candle_batch({"BTCUSDT": bar(2)})
    other.close()
    assert shared.store.read(shared.get_manager("BTCUSDT").key) == [bar(n) for n in range(3)]


async def test_batch_load_names_what_failed(
    shared: SharedDataManager, bar: MakeBar, history: MakeHistory, fail_on_unexpected_log: Logs
) -> None:
    exchange = history([bar(n) for n in range(5_000)])

    async def fetch(symbol: str, timeframe: Timeframe, **bounds: Any) -> list[Candle]:
        if symbol == "GONEUSDT":
            raise RequestRejected("Bybit knows no GONEUSDT.")
        rows: list[Candle] = await exchange.fetch(symbol, timeframe, **bounds)
        return rows

    symbols = [f"S{n}USDT" for n in range(12)]
    loaded = await shared.load_historical_batch([*symbols, "GONEUSDT"], fetch)
    assert loaded == dict.fromkeys(symbols, True) | {"GONEUSDT": False}
    assert "knows no GONEUSDT" in fail_on_unexpected_log.pop().getMessage()
    assert shared.get_stats()["total_memory_candles"] == 12_000


def test_cleanup_saves_and_frees_the_least_used(shared: SharedDataManager, bar: MakeBar) -> None:
    for number in range(5):
        shared.get_manager(f"S{number}").append_candle(bar(0), save=False)
    held = shared.get_manager("S1")
    shared.get_manager("S0")
    assert shared.cleanup_old_symbols(max_symbols=2) == 3
    gc.collect()
    assert shared.get_stats()["active_symbols"] == ["S0", "S1"]
    assert shared.cleanup_old_symbols(max_symbols=1) == 1
    assert shared.get_manager("S1") is held, "a bot's manager stays the one of its series"
    freed = shared.get_manager("S3")
    assert freed.rows_in_memory == 0
    assert freed.append_candle(bar(0)) is AppendOutcome.REPEATED


def test_figures_are_true(shared: SharedDataManager, bar: MakeBar, clock: ManualClock) -> None:
    shared.append_candle_batch({"BTCUSDT": bar(4_998), "ETHUSDT": bar(4_990)})
    shared.append_candle_batch({"BTCUSDT": bar(4_999)})
    assert shared.batch_save_parquet() == 2
    snapshot = shared.snapshot()
    assert (snapshot.symbols_loaded, snapshot.candles_in_memory) == (2, 3)
    assert (snapshot.candles_stored, snapshot.last_save_symbols) == (3, 2)
    assert snapshot.last_save_ms == clock.time_ms()
    assert snapshot.gaps_open == 1
    assert snapshot.cache_bytes > sum(s.file_bytes for s in snapshot.series) > 0
    assert snapshot.memory_bytes == shared.get_memory_usage()["bytes"] > 0
    bitcoin = next(s for s in snapshot.series if s.symbol == "BTCUSDT")
    assert (bitcoin.rows, bitcoin.last_ms) == (2, bar(4_999).open_time_ms)
    assert shared.get_stats() == {
        "symbols_loaded": 2,
        "total_candles_managed": 3,
        "active_symbols": ["BTCUSDT", "ETHUSDT"],
        "total_memory_candles": 3,
        "last_batch_save": clock.time_ms(),
    }


def test_close_saves_everything(tmp_path: Path, clock: ManualClock, bar: MakeBar) -> None:
    shared = SharedDataManager("bybit", cache_dir=tmp_path, clock=clock)
    shared.get_manager("BTCUSDT").append_candle(bar(0), save=False)
    shared.close()
    assert (tmp_path / "bybit_btcusdt_15m.parquet").exists()


async def test_batches_handed_to_the_writer_take_effect_in_their_order(
    shared: SharedDataManager, bar: MakeBar
) -> None:
    answers = await asyncio.gather(
        *(
            shared.append_candles([(symbol, Timeframe.M15, bar(n)) for symbol in ("BTC", "ETH")])
            for n in range(30)
        )
    )
    assert all(set(answer) == {AppendOutcome.NEW} for answer in answers)
    assert shared.get_manager("ETH").rows_in_memory == 30


def test_small_changes_can_wait_for_their_merge(shared: SharedDataManager, bar: MakeBar) -> None:
    for number in range(5):
        shared.append_candle_batch({"BTCUSDT": bar(number)})
    shared.append_candle_batch({"ETHUSDT": bar(0)})
    assert shared.batch_save_parquet(min_rows=5) == 1
    key = shared.get_manager("ETHUSDT").key
    assert not shared.store.path_of(key).exists()
    assert shared.store.read(key) == [bar(0)]
    assert shared.batch_save_parquet() == 1


async def test_a_store_that_cannot_be_read_fails_only_what_was_asked(
    tmp_path: Path, clock: ManualClock, history: MakeHistory, fail_on_unexpected_log: Logs
) -> None:
    shared = SharedDataManager("bybit", cache_dir=tmp_path, clock=clock)
    shared.store.close()
    loaded = await shared.load_historical_batch(["BTCUSDT"], history([]).fetch)
    assert loaded == {"BTCUSDT": False}
    assert (
        "history not loaded: The candle store cannot" in fail_on_unexpected_log.pop().getMessage()
    )


def test_frames_share_the_rings_memory(shared: SharedDataManager, bar: MakeBar) -> None:
    """120 KB a symbol, its three frames held (base 15m, pattern 1h, both full)."""
    managers = [shared.get_manager(f"S{n}USDT") for n in range(20)]
    for manager in managers:
        shared.store.append((manager.key, bar(n)) for n in range(2_100))
        manager.load_stored()
    gc.collect()
    tracemalloc.start()
    for manager in managers:
        manager.load_stored()
        held = (manager.df_entry_full, manager.df_entry_resampled, manager.df_pattern_full)
        assert [len(frame) for frame in held] == [1_000, 1_000, 500]
    frames = [(m.df_entry_full, m.df_entry_resampled, m.df_pattern_full) for m in managers]
    gc.collect()
    used_kb = tracemalloc.get_traced_memory()[0] / len(frames) / 1e3
    tracemalloc.stop()
    assert used_kb < 120
    reported_kb = managers[0].memory_bytes / 1e3
    assert abs(used_kb - reported_kb) < 0.25 * used_kb, "what the panel shows is true"


def test_threads_may_do_everything_at_once(shared: SharedDataManager, bar: MakeBar) -> None:
    symbols = [f"S{n}USDT" for n in range(12)]
    faults: list[BaseException] = []

    def run(act: Callable[[int], object]) -> None:
        try:
            for number in range(60):
                act(number)
        except BaseException as fault:
            faults.append(fault)

    def append(number: int) -> None:
        shared.append_candle_batch(dict.fromkeys(symbols, bar(number)))

    def read(number: int) -> None:
        manager = shared.get_manager(symbols[number % 12])
        assert len(manager.df_entry_full) <= 60
        assert manager.df_pattern_full is not None
        assert shared.get_stats()["total_memory_candles"] is not None
        shared.snapshot()

    def tidy(number: int) -> None:
        shared.cleanup_old_symbols(max_symbols=number % 12)
        assert shared.get_memory_usage()["symbols"] <= 12

    threads = [threading.Thread(target=run, args=(act,)) for act in (append, read, tidy, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    for symbol in symbols:
        key = shared.get_manager(symbol).key
        assert shared.store.read(key) == [bar(n) for n in range(60)]
