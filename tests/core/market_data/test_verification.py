"""Every kind of damage is found and named; what is sound stays silent."""

from __future__ import annotations

import logging
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from core.market_data.candle_store import CandleStore
from core.market_data.catalogue import describe, stored_keys
from core.market_data.verification import verify_series
from core.models.candles import Candle, SeriesKey, Timeframe

Bar = Callable[..., Candle]


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    return tmp_path / "cache"  # where the fixture `store` is


def test_a_sound_series_has_no_findings(
    store: CandleStore, cache_dir: Path, key: SeriesKey, bar: Bar
) -> None:
    store.append((key, bar(n)) for n in range(50))
    store.merge()
    verdict = verify_series(store, cache_dir, key)
    assert verdict.is_sound
    assert (verdict.rows, verdict.large_moves) == (50, [])


def test_gaps_are_found_and_known_empty_minutes_are_none(
    store: CandleStore, cache_dir: Path, key: SeriesKey, bar: Bar
) -> None:
    store.append((key, bar(n)) for n in (0, 1, 4, 5, 9))
    store.mark_empty(key, [(bar(6).open_time_ms, bar(8).open_time_ms)])
    gaps = verify_series(store, cache_dir, key).gaps
    assert gaps == [(bar(2).open_time_ms, bar(3).open_time_ms)]
    assert describe(store, key).gaps == 1


def test_one_flipped_byte_is_found(
    store: CandleStore,
    cache_dir: Path,
    key: SeriesKey,
    bar: Bar,
    fail_on_unexpected_log: list[logging.LogRecord],
) -> None:
    store.append((key, bar(n)) for n in range(50))
    store.merge()
    path = cache_dir / f"{key.file_stem}.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    verdict = verify_series(store, cache_dir, key)
    assert len(verdict.faults) == 1
    assert "damaged" in verdict.faults[0]
    assert fail_on_unexpected_log.pop().levelno == logging.ERROR
    assert "download it" in verify_series(store, cache_dir, key).faults[0]  # until it is there


def test_a_candle_that_cannot_be_true_is_found(
    store: CandleStore, cache_dir: Path, key: SeriesKey, bar: Bar
) -> None:
    store.append([(key, bar(0)), (key, bar(1, high=Decimal(1)))])
    faults = verify_series(store, cache_dir, key).faults
    assert len(faults) == 1
    assert "high 1 is below" in faults[0]


def test_a_large_move_is_worth_a_look_and_no_fault(
    store: CandleStore, cache_dir: Path, key: SeriesKey, bar: Bar
) -> None:
    tall = bar(1, close=Decimal(200_000), high=Decimal(200_000))
    store.append([(key, bar(0)), (key, tall)])
    verdict = verify_series(store, cache_dir, key)
    assert verdict.is_sound
    assert verdict.large_moves == [tall.open_time_ms]


def test_series_are_known_by_their_files(store: CandleStore, cache_dir: Path, bar: Bar) -> None:
    keys = [
        SeriesKey("bybit", "1000PEPEUSDT", Timeframe.M5),
        SeriesKey("bybit", "BTCUSDT", Timeframe.M15),
        SeriesKey("bybit", "BTCUSDT", Timeframe.D1),
    ]
    midnight = bar(0, open_time_ms=Timeframe.D1.floor_ms(bar(0).open_time_ms))
    store.append((key, midnight) for key in reversed(keys))
    store.merge()
    (cache_dir / "notes.parquet").write_bytes(b"not ours")
    assert stored_keys(cache_dir) == keys
