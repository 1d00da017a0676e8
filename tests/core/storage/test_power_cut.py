"""Every legal state after a power cut, at every step, is read by the real loader."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.market_data.candle_store import CandleStore
from core.models.candles import Candle, SeriesKey, Timeframe
from core.storage.durable import write_atomic

KEY = SeriesKey("bybit", "BTCUSDT", Timeframe.M15)
SQLITE_FILES = ("hot.sqlite", "hot.sqlite-wal")


def _candle(number: int, volume: int = 1) -> Candle:
    price = Decimal(60_000 + number * 7919 % 500) / 10
    return Candle(number * 900_000, price, price + 5, price - 5, price, Decimal(volume))


class PowerCuts:
    """Runs a store on a disk that records, and looks at every state that a cut may leave.

    `legal` are the contents that may be read now: one, or two while an append is under way.
    """

    def __init__(self, folder: Path, disk: Any) -> None:
        self.folder = folder
        self.live = folder / "live"
        self.disk = disk
        self.states = 0
        self.faults: list[str] = []
        self.legal: list[list[Candle]] = [[]]
        self.during_a_merge: dict[str, list[Candle]] = {}  # to append at that step
        self.store = CandleStore(self.live, disk=disk)
        disk.on_cut = self._cut

    def append(self, candles: list[Candle]) -> None:
        if not candles:
            return
        after = {c.open_time_ms: c for c in self.legal[0]} | {c.open_time_ms: c for c in candles}
        self.legal.append([after[time_ms] for time_ms in sorted(after)])
        self.store.append((KEY, candle) for candle in candles)
        self.legal = self.legal[1:]
        self._cut("acknowledged")

    def _cut(self, step: str) -> None:
        self.append(self.during_a_merge.pop(step, []))
        sqlite = {
            name: (self.live / name).read_bytes()
            for name in SQLITE_FILES
            if (self.live / name).exists()
        }
        for files in self.disk.states():
            if self.faults:
                return
            self.states += 1
            after = self.folder / "after"
            shutil.rmtree(after, ignore_errors=True)
            after.mkdir()
            for name, content in (files | sqlite).items():
                (after / name).write_bytes(content)
            self._look(after, step)

    def _look(self, after: Path, step: str) -> None:
        store = CandleStore(after)
        if store.read(KEY) not in self.legal:
            self.faults.append(f"{step}: {len(store.read(KEY))} candles are left")
        store.merge()
        if store.read(KEY) not in self.legal:
            self.faults.append(f"{step}: wrong after the next merge")
        store.close()


@pytest.fixture
def run(memory_disk: Path, power_cut_disk: Any) -> Callable[..., PowerCuts]:
    def work(rows: int = 800, **instead: Callable[..., None]) -> PowerCuts:
        """Two merges, the second over a file that is there, with corrections before and in it."""
        for name, act in instead.items():
            setattr(power_cut_disk, name, act)
        cuts = PowerCuts(memory_disk, power_cut_disk)
        cuts.append([_candle(n) for n in range(rows)])
        cuts.store.merge()
        cuts.append([_candle(n) for n in range(rows, rows + 20)])
        cuts.append([_candle(10, volume=7)])
        cuts.during_a_merge = {
            "merge: hot rows read": [_candle(rows + 20), _candle(rows + 1, volume=8)],
            "merge: noted": [_candle(rows + 21)],
            "merge: file replaced": [_candle(10, volume=9), _candle(rows + 22)],
        }
        cuts.store.merge()
        assert not cuts.during_a_merge
        cuts.append([_candle(rows + 23)])
        cuts.disk.on_cut = lambda step: None
        cuts.store.close()
        return cuts

    return work


def test_no_power_cut_takes_a_candle_back(run: Callable[..., PowerCuts]) -> None:
    cuts = run()
    assert not cuts.faults
    assert cuts.states > 60


@pytest.mark.parametrize("forgotten", ["sync", "sync_folder"])
def test_the_search_finds_a_forgotten_sync(
    run: Callable[..., PowerCuts],
    forgotten: str,
    fail_on_unexpected_log: list[logging.LogRecord],
) -> None:
    cuts = run(60, **{forgotten: lambda path: None})
    assert cuts.faults
    fail_on_unexpected_log.clear()


def test_log_of_the_hot_file_may_be_torn_anywhere(memory_disk: Path) -> None:
    """SQLite's log is cut off or zeroed at every sector of the last commit."""
    store = CandleStore(memory_disk / "live")
    log = memory_disk / "live" / "hot.sqlite-wal"
    store.append((KEY, _candle(n)) for n in range(20))
    before = log.stat().st_size
    store.append((KEY, _candle(n)) for n in range(20, 40))
    content = log.read_bytes()
    for end in range(before, len(content), 512):
        for torn in (content[:end], content[:end] + bytes(len(content) - end)):
            after = memory_disk / "after"
            shutil.rmtree(after, ignore_errors=True)
            shutil.copytree(memory_disk / "live", after)
            (after / "hot.sqlite-shm").unlink()
            (after / "hot.sqlite-wal").write_bytes(torn)
            found = CandleStore(after)
            assert len(found.read(KEY)) in (20, 40)
            found.close()
    store.close()


def test_a_file_is_always_the_old_or_the_new_one(tmp_path: Path, power_cut_disk: Any) -> None:
    old, new = b"old" * 700, b"new" * 900
    path = tmp_path / "state.bin"
    seen: list[tuple[str, set[bytes | None]]] = []

    def look(step: str) -> None:
        seen.append((step, {files.get(path.name) for files in power_cut_disk.states()}))

    write_atomic(path, old, disk=power_cut_disk)
    power_cut_disk.on_cut = look
    write_atomic(path, new, disk=power_cut_disk)
    assert all(contents <= {old, new} for _, contents in seen)
    assert seen[0][1] == {old}
    assert seen[-1] == ("sync folder", {new})
