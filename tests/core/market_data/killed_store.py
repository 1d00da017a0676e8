"""Kills the candle store again and again, at random moments and at every named point of append,
merge and cleanup, and looks each time at what is left. By hand, for a night:

    PYTHONPATH=. python tests/core/market_data/killed_store.py FOLDER --kills 10000

One process forks a child for each kill (a start of Python costs more than what is tested), the
child goes on where the last one was killed, and says through a pipe what it has acknowledged. A
second child reads what is on the disk. The last line is JSON: kills, points reached, candles,
and every fault found.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import struct
import sys
import time
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq

from core.clock import ManualClock
from core.market_data.candle_store import CandleStore
from core.market_data.shared_data_manager import SharedDataManager
from core.models.candles import Candle, SeriesKey, Timeframe
from core.storage.disk import Disk

SYMBOLS = ("BTCUSDT", "ETHUSDT", "1000PEPEUSDT")
STEP_MS = 60_000
CORRECTED_AFTER = 5  # bars; every tenth bar corrects the one so far before it
POINTS = (
    "append: rows written",
    "append: committed",
    "merge: hot rows read",
    "merge: noted",
    "merge: file replaced",
    "merge: hot rows deleted",
    "merge: hot rows gone",
    "merge: done",
    "cleanup: begun",
    "cleanup: done",
    "before create",
    "after create",
    "half written",
    "after write",
    "after sync",
    "before rename",
    "after rename",
    "after sync_folder",
    "before remove",
)


class KillingDisk(Disk):
    """The real disk, and the end of the process at the `nth` time that `point` is reached."""

    def __init__(self, point: str | None, nth: int) -> None:
        self._point = point
        self._left = nth

    def reach(self, point: str) -> None:
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def create(self, path: Path, mode: int) -> None:
        self.reach("before create")
        super().create(path, mode)
        self.reach("after create")

    def write(self, path: Path, data: bytes) -> None:
        super().write(path, data[: len(data) // 2])
        self.reach("half written")
        super().write(path, data)
        self.reach("after write")

    def sync(self, path: Path) -> None:
        super().sync(path)
        self.reach("after sync")

    def rename(self, path: Path, target: Path) -> None:
        self.reach("before rename")
        super().rename(path, target)
        self.reach("after rename")

    def remove(self, path: Path) -> None:
        self.reach("before remove")
        super().remove(path)

    def sync_folder(self, folder: Path) -> None:
        super().sync_folder(folder)
        self.reach("after sync_folder")


def candle(number: int, symbol: str, *, is_corrected: bool = False) -> Candle:
    tick = Decimal("0.0000001") if symbol == "1000PEPEUSDT" else Decimal("0.1")
    price = (10_000 + number % 97) * tick
    volume = Decimal(number) + (Decimal("0.5") if is_corrected else 0)
    return Candle(number * STEP_MS, price, price + tick, price - tick, price, volume)


def work(folder: Path, start: int, acknowledge: int, disk: KillingDisk) -> None:
    """Append, correct, save and clean up, for ever; never returns."""
    clock = ManualClock(10**15)
    data = SharedDataManager("x", cache_dir=folder, clock=clock, disk=disk)
    number = start
    while True:
        if number % 10 == 9:
            old = number - CORRECTED_AFTER
            data.store.append(
                (SeriesKey("x", s, Timeframe.M1), candle(old, s, is_corrected=True))
                for s in SYMBOLS
            )
        data.append_candle_batch({s: candle(number, s) for s in SYMBOLS}, Timeframe.M1)
        os.write(acknowledge, struct.pack("<q", number))
        if number % 4 == 3:
            data.batch_save_parquet()
        if number % 7 == 6:
            disk.reach("cleanup: begun")
            data.cleanup_old_symbols(max_symbols=1)
            disk.reach("cleanup: done")
        number += 1


def faults_of(folder: Path, acknowledged: int) -> list[str]:
    """What is wrong with the store after `acknowledged` was the last bar that was said."""
    faults = []
    store = CandleStore(folder)
    for symbol in SYMBOLS:
        key = SeriesKey("x", symbol, Timeframe.M1)
        found = store.read(key)
        numbers = [c.open_time_ms // STEP_MS for c in found]
        if numbers not in (list(range(acknowledged + 1)), list(range(acknowledged + 2))):
            faults.append(f"{symbol}: {len(numbers)} bars after {acknowledged} was acknowledged")
            continue
        for number, is_stored in enumerate(found):
            corrector = number + CORRECTED_AFTER
            may_be = corrector % 10 == 9 and corrector <= acknowledged + 1
            must_be = corrector % 10 == 9 and corrector <= acknowledged
            expected = [candle(number, symbol, is_corrected=True)] if may_be else []
            expected += [] if must_be else [candle(number, symbol)]
            if is_stored not in expected:
                faults.append(f"{symbol}: bar {number} is {is_stored}")
        path = store.path_of(key)
        if path.exists():
            pq.read_table(path)
    faults += [f"damaged: {path.name}" for path in folder.glob("*.damaged-*")]
    store.close()
    return faults


def forked(act: object) -> int:
    """Run `act` in a child; its process id."""
    pid = os.fork()
    if pid == 0:
        try:
            act()  # type: ignore[operator]
        finally:
            os._exit(0)
    return pid


def kill_once(folder: Path, acknowledged: int, rng: random.Random, point: str | None) -> int:
    """One child's life; the last bar it acknowledged."""
    reading, writing = os.pipe()
    disk = KillingDisk(point, rng.randint(1, 3))
    pid = forked(lambda: work(folder, acknowledged + 1, writing, disk))
    os.close(writing)
    if point is None:
        time.sleep(rng.uniform(0.002, 0.05))
        os.kill(pid, signal.SIGKILL)
    said = b""
    while chunk := os.read(reading, 65_536):
        said += chunk
    os.close(reading)
    _, status = os.waitpid(pid, 0)
    if not os.WIFSIGNALED(status):
        raise RuntimeError(f"the child was not killed but failed, at {point}")
    return struct.unpack("<q", said[-8:])[0] if said else acknowledged


def verified(folder: Path, acknowledged: int) -> list[str]:
    reading, writing = os.pipe()

    def look() -> None:
        os.write(writing, json.dumps(faults_of(folder, acknowledged)).encode()[:60_000])

    pid = forked(look)
    os.close(writing)
    answer = b""
    while chunk := os.read(reading, 65_536):
        answer += chunk
    os.close(reading)
    os.waitpid(pid, 0)
    return json.loads(answer) if answer else ["the store could not be read"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    acknowledged, faults, points = -1, [], set()
    kills = generations = 0
    folder = options.folder / "0"
    while kills < options.kills and not faults:
        if acknowledged > 2_000:  # a new store, so that looking at it stays quick
            generations += 1
            folder, acknowledged = options.folder / str(generations), -1
        point = POINTS[kills // 2 % len(POINTS)] if kills % 2 else None
        acknowledged = kill_once(folder, acknowledged, rng, point)
        kills += 1
        points.add(point)
        faults = [f"kill {kills} at {point}: {f}" for f in verified(folder, acknowledged)]
    figures = {
        "kills": kills,
        "points": len(points - {None}),
        "candles": (generations * 2_000 + acknowledged + 1) * len(SYMBOLS),
        "faults": faults,
    }
    print(json.dumps(figures))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
