from __future__ import annotations

import logging
import shutil
import sqlite3
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from core.market_data.candle_store import CandleStore, SeriesInfo, StoreFault
from core.market_data.columns import columns_from_candles
from core.models.candles import Candle, SeriesKey, Timeframe
from core.storage.instance_lock import InstanceLock

MakeBar = Callable[..., Candle]
Logs = list[logging.LogRecord]


def _append(store: CandleStore, key: SeriesKey, candles: list[Candle]) -> None:
    store.append((key, candle) for candle in candles)


def test_hot_and_cold_read_as_one_series(store: CandleStore, key: SeriesKey, bar: MakeBar) -> None:
    candles = [bar(n) for n in range(100)]
    _append(store, key, candles[:60])
    assert store.merge() == 1
    _append(store, key, candles[60:])
    assert store.read(key) == candles
    assert store.read(key, last=50) == candles[50:]
    assert store.read(key, start_ms=candles[55].open_time_ms, last=10) == candles[90:]
    middle = store.read(key, start_ms=candles[55].open_time_ms, end_ms=candles[65].open_time_ms)
    assert middle == candles[55:66]
    columns, wanted = store.read_columns(key, last=50), columns_from_candles(candles[50:])
    assert all((a == b).all() for a, b in zip(columns, wanted, strict=True))


def test_unknown_series_is_empty(store: CandleStore, key: SeriesKey) -> None:
    assert store.read(key) == []
    assert store.read_columns(key, last=10).rows == 0
    assert store.info(key) == SeriesInfo(0, None, None, 0)
    assert store.merge() == 0


def test_info_counts_history_that_was_downloaded_behind_the_file(
    store: CandleStore, key: SeriesKey, bar: MakeBar
) -> None:
    _append(store, key, [bar(n) for n in range(100, 160)])
    store.merge()
    _append(store, key, [bar(n) for n in (*range(100), 120, *range(160, 170))])
    assert store.info(key).rows == 170
    store.merge()
    assert store.info(key).rows == 170


def test_correction_wins_before_and_after_the_merge(
    store: CandleStore, key: SeriesKey, bar: MakeBar
) -> None:
    _append(store, key, [bar(n) for n in range(10)])
    store.merge()
    corrected = bar(4, volume=Decimal(99))
    _append(store, key, [corrected, bar(-3)])
    expected = [bar(-3), *(corrected if n == 4 else bar(n) for n in range(10))]
    assert store.read(key) == expected
    assert store.read_columns(key).volume[5] == 99
    store.merge()
    assert store.read(key) == expected


def test_tick_size_may_change(store: CandleStore, key: SeriesKey, bar: MakeBar) -> None:
    tiny = Decimal("0.00000001")
    odd = bar(1, open=tiny, low=tiny, high=Decimal("1e12"), volume=Decimal("1234567890123.5"))
    for candle in (bar(0), odd, bar(2)):
        _append(store, key, [candle])
        store.merge()
    assert store.read(key) == [bar(0), odd, bar(2)]


def test_series_do_not_mix(store: CandleStore, bar: MakeBar) -> None:
    month = SeriesKey("bybit", "BTCUSDT", Timeframe.MONTH)
    minute = SeriesKey("bybit", "BTCUSDT", Timeframe.M1)
    store.append([(month, bar(0)), (minute, bar(1))])
    assert store.merge() == 2
    assert store.read(month) == [bar(0)]
    assert store.read(minute) == [bar(1)]


def test_info_counts_both_parts(store: CandleStore, key: SeriesKey, bar: MakeBar) -> None:
    _append(store, key, [bar(n) for n in range(5)])
    store.merge()
    _append(store, key, [bar(4, volume=Decimal(1)), bar(5)])
    info = store.info(key)
    assert info[:3] == (6, bar(0).open_time_ms, bar(5).open_time_ms)
    assert info.file_bytes > 0


def test_many_series_read_at_once_equal_each_alone(store: CandleStore, bar: MakeBar) -> None:
    names = ("COLD", "BOTH", "HOT", "LONG", "NONE", "COPIED")
    keys = {name: SeriesKey("bybit", name, Timeframe.M15) for name in names}
    _append(store, keys["COLD"], [bar(n) for n in range(30)])
    _append(store, keys["BOTH"], [bar(n) for n in range(30)])
    store.merge()
    shutil.copy(store.path_of(keys["COLD"]), store.path_of(keys["COPIED"]))
    _append(store, keys["BOTH"], [bar(29, volume=Decimal(5)), *(bar(n) for n in range(30, 35))])
    _append(store, keys["HOT"], [bar(3), bar(7)])
    _append(store, keys["LONG"], [bar(n) for n in range(25)])
    store.mark_empty(keys["HOT"], [(bar(4).open_time_ms, bar(6).open_time_ms)])
    for key, found in zip(keys.values(), store.read_newest([*keys.values()], 10), strict=True):
        assert not isinstance(found, StoreFault)
        wanted = store.read_columns(key, last=10)
        assert all((a == b).all() for a, b in zip(found.columns, wanted, strict=True)), key
        assert found.newest == next(iter(store.read(key, last=1)), None)
        assert found.info == store.info(key)
        assert len(found.empty) == (key.symbol == "HOT")
    assert store.info(keys["COPIED"]).rows == 30
    assert store.info(keys["LONG"]).rows == 25


def test_a_series_that_cannot_be_read_keeps_no_other_from_it(
    store: CandleStore, key: SeriesKey, bar: MakeBar
) -> None:
    other = key._replace(symbol="ETHUSDT")
    _append(store, key, [bar(0)])
    store.path_of(other).mkdir()
    good, bad = store.read_newest([key, other], 10)
    assert not isinstance(good, StoreFault)
    assert good.newest == bar(0)
    assert isinstance(bad, StoreFault)
    assert "The candle store cannot read" in str(bad)


def test_an_empty_range_is_found_from_any_bar_in_it(store: CandleStore, key: SeriesKey) -> None:
    step_ms = key.timeframe.duration_ms
    ranges = [(n * step_ms, (n + 2) * step_ms) for n in (10, 20, 30)]
    store.mark_empty(key, ranges)

    def found(first: int, last: int) -> list[int]:
        empty = store.empty_bars(key, first * step_ms, last * step_ms)
        return [e.first_ms // step_ms for e in empty]

    assert found(12, 20) == [10, 20]
    assert found(13, 19) == []
    assert found(21, 21) == [20]
    assert found(0, 9) == []
    assert found(32, 99) == [30]


def test_empty_ranges_survive(tmp_path: Path, key: SeriesKey) -> None:
    store = CandleStore(tmp_path)
    store.mark_empty(key, [(9, 12), (1, 3)])
    store.close()
    again = CandleStore(tmp_path)
    assert again.empty_ranges(key) == [(1, 3), (9, 12)]
    again.close()


def test_two_stores_share_one_directory(tmp_path: Path, key: SeriesKey, bar: MakeBar) -> None:
    one, two = CandleStore(tmp_path), CandleStore(tmp_path)
    _append(one, key, [bar(0)])
    _append(two, key, [bar(1)])
    assert one.read(key) == two.read(key) == [bar(0), bar(1)]
    assert one.merge() == 1
    _append(two, key, [bar(2)])
    assert two.read(key) == [bar(0), bar(1), bar(2)]
    assert two.merge() == 1
    assert one.read(key) == [bar(0), bar(1), bar(2)]
    one.close()
    two.close()


def test_merge_leaves_the_work_to_whoever_is_at_it(
    store: CandleStore, key: SeriesKey, bar: MakeBar, tmp_path: Path
) -> None:
    other = InstanceLock(tmp_path / "cache" / "merge.lock")
    other.acquire()
    _append(store, key, [bar(0)])
    assert store.merge() == 0
    assert store.read(key) == [bar(0)]
    other.release()
    assert store.merge() == 1


def test_appends_reads_and_merges_side_by_side(
    store: CandleStore, key: SeriesKey, bar: MakeBar
) -> None:
    done = threading.Event()
    faults: list[str] = []

    def merge() -> None:
        while not done.is_set():
            store.merge()

    def read() -> None:
        seen = 0
        while not done.is_set():
            times = store.read_columns(key).open_time_ms.tolist()
            if times != [bar(n).open_time_ms for n in range(len(times))] or len(times) < seen:
                faults.append(f"{len(times)} rows after {seen}")
            seen = len(times)

    threads = [threading.Thread(target=target) for target in (merge, read)]
    for thread in threads:
        thread.start()
    for number in range(300):
        _append(store, key, [bar(number)])
    done.set()
    for thread in threads:
        thread.join()
    assert not faults
    assert store.read(key) == [bar(n) for n in range(300)]


def test_damaged_cold_file_is_put_aside_and_history_goes_on(
    store: CandleStore, key: SeriesKey, bar: MakeBar, tmp_path: Path, fail_on_unexpected_log: Logs
) -> None:
    _append(store, key, [bar(0), bar(1)])
    store.merge()
    path = tmp_path / "cache" / "bybit_btcusdt_15m.parquet"
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)
    _append(store, key, [bar(2)])
    assert store.read(key) == [bar(2)]
    [record] = fail_on_unexpected_log
    assert "was put aside" in record.getMessage()
    fail_on_unexpected_log.clear()
    [aside] = path.parent.glob("*.damaged-*")
    assert aside.read_bytes() == content
    store.merge()
    assert store.read(key) == [bar(2)]
    assert store.info(key).rows == 1


@pytest.mark.parametrize("content", [b"", b"PAR1 not really PAR1", b"\0" * 5000])
def test_foreign_file_is_put_aside(
    tmp_path: Path, key: SeriesKey, bar: MakeBar, content: bytes, fail_on_unexpected_log: Logs
) -> None:
    store = CandleStore(tmp_path)
    (tmp_path / "bybit_btcusdt_15m.parquet").write_bytes(content)
    _append(store, key, [bar(0)])
    assert store.merge() == 1
    assert store.read(key) == [bar(0)]
    store.close()
    assert len(fail_on_unexpected_log) == 1
    fail_on_unexpected_log.clear()


def test_file_copied_in_by_hand_is_believed(
    store: CandleStore, key: SeriesKey, bar: MakeBar, tmp_path: Path
) -> None:
    _append(store, key, [bar(0)])
    store.merge()
    elsewhere = CandleStore(tmp_path / "copy")
    name = "bybit_btcusdt_15m.parquet"
    (tmp_path / "copy" / name).write_bytes((tmp_path / "cache" / name).read_bytes())
    assert elsewhere.read(key) == [bar(0)]
    elsewhere.close()


def test_hot_file_that_is_no_database_is_put_aside(
    tmp_path: Path, key: SeriesKey, bar: MakeBar, fail_on_unexpected_log: Logs
) -> None:
    (tmp_path / "hot.sqlite").write_bytes(b"not a database at all" * 100)
    store = CandleStore(tmp_path)
    _append(store, key, [bar(0)])
    assert store.read(key) == [bar(0)]
    assert (tmp_path / "hot.sqlite.damaged-0").exists()
    assert "is damaged" in fail_on_unexpected_log.pop().getMessage()
    store.close()


def test_refused_write_is_a_store_fault_and_harms_nothing(
    tmp_path: Path, key: SeriesKey, bar: MakeBar
) -> None:
    store = CandleStore(tmp_path)
    _append(store, key, [bar(0)])
    full = sqlite3.connect(tmp_path / "hot.sqlite")
    full.execute(
        "CREATE TRIGGER full BEFORE INSERT ON hot_candle"
        " BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
    )
    full.close()
    with pytest.raises(StoreFault, match=r"^The candle store cannot write: disk is full\.$"):
        _append(store, key, [bar(1), bar(2)])
    assert store.read(key) == [bar(0)]
    store.close()
    with pytest.raises(StoreFault, match="closed database"):
        store.read(key)


def test_directory_that_cannot_be_made_is_a_store_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreFault, match="cannot open"):
        CandleStore(tmp_path / "file" / "cache")
