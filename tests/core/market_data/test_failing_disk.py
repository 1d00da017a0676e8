"""A disk that is full, slow, or says that it could not sync: nothing stored is harmed, the state
says so, the loop goes on, and all is well again when the disk is."""

from __future__ import annotations

import errno
import json
import logging
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from io import FileIO
from pathlib import Path

import pytest

from core.market_data import cold_file
from core.market_data.candle_store import CandleStore, StoreFault
from core.models.candles import Candle, SeriesKey
from core.storage.disk import Disk

ROOT = Path(__file__).resolve().parents[3]
MakeBar = Callable[..., Candle]

SCRIPT = """
import asyncio, json, sys, time
from decimal import Decimal
from pathlib import Path
from core.clock import ManualClock
from core.market_data.candle_store import CandleStore, StoreFault
from core.market_data.shared_data_manager import SharedDataManager
from core.models.candles import Candle, SeriesKey, Timeframe

folder, switch = Path(sys.argv[1]), Path(sys.argv[2])
data = SharedDataManager("x", cache_dir=folder, clock=ManualClock(13 * 900_000))
symbols = ["BTCUSDT", "ETHUSDT"]
said = {"faults": [], "states": [], "gap_ms": 0.0}

def batch(number):
    price = Decimal(number + 1)
    candle = Candle(number * 900_000, price, price, price, price, Decimal(1))
    return dict.fromkeys(symbols, candle)

async def measure_gaps():
    while True:
        before = time.monotonic()
        await asyncio.sleep(0.005)
        said["gap_ms"] = max(said["gap_ms"], (time.monotonic() - before) * 1000)

async def main():
    for number in range(10):
        data.append_candle_batch(batch(number))
    data.batch_save_parquet()
    manager = data.get_manager("BTCUSDT")
    for letter in "ef":
        switch.write_text(letter)
        for act in (lambda: data.append_candle_batch(batch(10)), data.batch_save_parquet):
            try:
                act()
            except StoreFault as fault:
                said["faults"].append(str(fault))
            said["states"].append(data.fault)
        assert manager.rows_in_memory == 10, "memory never runs ahead of the disk"
        assert len(data.store.read(manager.key)) == 10
    switch.write_text("s")
    started = time.monotonic()
    watch = asyncio.create_task(measure_gaps())
    storing = asyncio.gather(
        *(
            data.append_candles([(s, Timeframe.M15, c) for s, c in batch(number).items()])
            for number in (10, 11)
        )
    )
    while not storing.done():  # what engine and screen ask for meanwhile
        data.snapshot(), data.get_stats(), data.get_memory_usage()
        manager.gaps(), manager.df_entry_full, manager.df_pattern_full, manager.info
        await asyncio.sleep(0.02)
    said["outcomes"] = [[str(o) for o in answer] for answer in storing.result()]
    said["took_s"] = time.monotonic() - started
    watch.cancel()
    switch.write_text(" ")
    data.append_candle_batch(batch(12))
    data.batch_save_parquet()
    said["states"].append(data.fault)
    data.close()

asyncio.run(main())
store = CandleStore(folder)
for symbol in symbols:
    rows = store.read(SeriesKey("x", symbol, Timeframe.M15))
    assert [c.open_time_ms // 900_000 for c in rows] == list(range(13)), rows
store.close()
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def failing_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("needs Linux and a C compiler to stand between SQLite and the disk")
    library = tmp_path_factory.mktemp("disk") / "failing_disk.so"
    source = Path(__file__).with_name("failing_disk.c")
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True
    )
    return library


def test_full_slow_or_lying_disk_harms_nothing_and_stops_no_order(
    failing_disk: Path, tmp_path: Path
) -> None:
    switch = tmp_path / "switch"
    switch.touch()
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "cache"), str(switch)],
        cwd=ROOT,
        env=os.environ | {"LD_PRELOAD": str(failing_disk), "FAILING_DISK": str(switch)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3_000:]
    said = json.loads(ended.stdout.splitlines()[-1])
    assert said["faults"][0] == "The candle store cannot write: disk I/O error."
    assert said["faults"][1] == "The candle store cannot write: database or disk is full."
    assert said["states"][0] == said["faults"][0]
    assert said["states"][-1] is None, "and well again"
    assert said["outcomes"] == [["new", "new"], ["new", "new"]]
    assert said["took_s"] > 3.5, "two commits of two seconds"
    assert said["gap_ms"] < 250, "meanwhile the loop went on"


class FullDisk(Disk):
    """Refuses the `nth` step of a durable write."""

    def __init__(self) -> None:
        self.left = -1

    def _step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise OSError(errno.ENOSPC, "No space left on device")

    def create(self, path: Path, mode: int) -> None:
        self._step()
        super().create(path, mode)

    def write(self, path: Path, data: bytes) -> None:
        super().write(path, data[: len(data) // 2])
        self._step()
        super().write(path, data)

    def sync(self, path: Path) -> None:
        self._step()
        super().sync(path)

    def rename(self, path: Path, target: Path) -> None:
        self._step()
        super().rename(path, target)

    def sync_folder(self, folder: Path) -> None:
        self._step()
        super().sync_folder(folder)


def _has_fault(store: CandleStore) -> bool:
    return store.fault is not None


@pytest.mark.parametrize("step", range(1, 6))
def test_a_merge_refused_at_any_step_loses_nothing(
    tmp_path: Path, key: SeriesKey, bar: MakeBar, step: int
) -> None:
    disk = FullDisk()
    store = CandleStore(tmp_path, disk=disk)
    store.append((key, bar(n)) for n in range(30))
    store.merge()
    store.append((key, bar(n, volume=Decimal(9))) for n in range(25, 40))
    expected = [*(bar(n) for n in range(25)), *(bar(n, volume=Decimal(9)) for n in range(25, 40))]
    disk.left = step
    with pytest.raises(StoreFault, match="No space left"):
        store.merge()
    assert _has_fault(store)
    assert store.read(key) == expected
    store.append([(key, bar(40))])
    assert _has_fault(store), "appends work, merges do not yet"
    assert store.merge() == 1
    assert not _has_fault(store)
    assert store.read(key) == [*expected, bar(40)]
    assert not list(tmp_path.glob(".*.tmp"))
    store.close()


def test_no_flipped_bit_and_no_cut_gets_past_the_checks(bar: MakeBar, tmp_path: Path) -> None:
    content = cold_file.encode(cold_file.table_from_candles([bar(n) for n in range(300)]))
    checks = cold_file.checks_of(content)
    path = tmp_path / "x.parquet"
    damaged = [content[:length] for length in range(0, len(content), 61)]
    rng = random.Random(2)
    for place in range(0, len(content), 17):
        flipped = bytearray(content)
        flipped[place] ^= 1 << rng.randrange(8)
        damaged.append(bytes(flipped))
    damaged += [bytes(len(content)), content[::-1]]
    for bad in damaged:
        path.write_bytes(bad)
        with FileIO(path) as file, pytest.raises(cold_file.Damaged):
            cold_file.read(file, checks)


def test_no_flipped_bit_of_the_hot_file_becomes_a_price(
    tmp_path: Path,
    key: SeriesKey,
    bar: MakeBar,
    fail_on_unexpected_log: list[logging.LogRecord],
) -> None:
    """A damaged row is missing, or the file is put aside, or refuses: never a wrong candle."""
    candles = {bar(n).open_time_ms: bar(n) for n in range(200)}
    store = CandleStore(tmp_path / "sound")
    store.append((key, candle) for candle in candles.values())
    store.close()  # the last connection copies the log into the file
    content = (tmp_path / "sound" / "hot.sqlite").read_bytes()
    rng = random.Random(5)
    lost = 0
    for number in range(150):
        folder = tmp_path / str(number)
        folder.mkdir()
        flipped = bytearray(content)
        flipped[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        (folder / "hot.sqlite").write_bytes(flipped)
        try:
            damaged = CandleStore(folder)
        except StoreFault:
            lost += 1
            continue
        try:
            found = damaged.read(key)
        except StoreFault:
            found = []
        assert all(candles[c.open_time_ms] == c for c in found)
        lost += len(found) < len(candles)
        damaged.close()
    assert lost > 30, "the flips hit something"
    fail_on_unexpected_log.clear()
