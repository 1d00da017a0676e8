"""kill -9 of a real process that appends and merges: nothing acknowledged is lost."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from core.market_data.candle_store import CandleStore
from core.models.candles import Candle, SeriesKey, Timeframe

ROOT = Path(__file__).resolve().parents[3]
KEY = SeriesKey("bybit", "BTCUSDT", Timeframe.M15)
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")

# Appends candle after candle and says so on stdout once each is durable; a thread merges.
APPEND_AND_MERGE = """
import sys, threading
from decimal import Decimal
from pathlib import Path
from core.market_data.candle_store import CandleStore
from core.models.candles import Candle, SeriesKey, Timeframe

store = CandleStore(Path(sys.argv[1]))
key = SeriesKey("bybit", "BTCUSDT", Timeframe.M15)
number = int(sys.argv[2])

def merge():
    while True:
        store.merge()

threading.Thread(target=merge, daemon=True).start()
while True:
    price = Decimal(number + 1) / 8
    store.append([(key, Candle(number * 900_000, price, price, price, price, Decimal(number)))])
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
    number += 1
"""

APPEND_A_SHARE = """
import sys
from decimal import Decimal
from pathlib import Path
from core.market_data.candle_store import CandleStore
from core.models.candles import Candle, SeriesKey, Timeframe

store = CandleStore(Path(sys.argv[1]))
key = SeriesKey("bybit", "BTCUSDT", Timeframe.M15)
for number in range(int(sys.argv[2]), 150, 3):
    price = Decimal(number + 1) / 8
    store.append([(key, Candle(number * 900_000, price, price, price, price, Decimal(number)))])
    if number % 5 == 0:
        store.merge()
store.close()
"""

# Dies at one named point of a merge.
DIE_IN_MERGE = """
import os, signal, sys
from pathlib import Path
from core.market_data import candle_store
from core.storage import durable

point = sys.argv[2]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def dying_write(path, data, *, disk):
    if point == "noted":
        die()
    if point == "half written":
        path.with_name(f".{path.name}.{os.getpid()}.tmp").write_bytes(data[: len(data) // 2])
        die()
    durable.write_atomic(path, data)
    if point == "replaced":
        die()

candle_store.write_atomic = dying_write
store = candle_store.CandleStore(Path(sys.argv[1]))
if point == "deleting":
    store._hot._writer.create_function("die", 0, die)
    store._hot._writer.execute(
        "CREATE TEMP TRIGGER die AFTER DELETE ON hot_candle BEGIN SELECT die(); END"
    )
store.merge()
"""


def _candle(number: int, volume: int | None = None) -> Candle:
    price = Decimal(number + 1) / 8
    exact_volume = Decimal(number if volume is None else volume)
    return Candle(number * 900_000, price, price, price, price, exact_volume)


def test_random_kills_lose_no_acknowledged_candle(tmp_path: Path) -> None:
    rng = random.Random(7)
    acknowledged = -1
    for _ in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", APPEND_AND_MERGE, str(tmp_path), str(acknowledged + 1)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        ) as child:
            assert child.stdout is not None
            for _ in range(rng.randrange(1, 400)):
                acknowledged = int(child.stdout.readline())
            child.kill()
            rest = [line for line in child.stdout.read().split("\n")[:-1] if line]
            acknowledged = int(rest[-1]) if rest else acknowledged
        store = CandleStore(tmp_path)
        stored = store.read(KEY)
        store.close()
        # One more may be durable whose word did not get out.
        assert stored in ([_candle(n) for n in range(acknowledged + more)] for more in (1, 2))


@pytest.mark.parametrize("point", ["noted", "half written", "replaced", "deleting"])
def test_merge_killed_at_any_point_is_repeated(tmp_path: Path, point: str) -> None:
    store = CandleStore(tmp_path)
    store.append((KEY, _candle(n)) for n in range(50))
    store.merge()
    store.append((KEY, _candle(n, volume=7_000)) for n in range(40, 60))
    store.close()
    ended = subprocess.run(
        [sys.executable, "-c", DIE_IN_MERGE, str(tmp_path), point], cwd=ROOT, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    expected = [*map(_candle, range(40)), *(_candle(n, volume=7_000) for n in range(40, 60))]
    again = CandleStore(tmp_path)
    assert again.read(KEY) == expected
    again.append([(KEY, _candle(60))])
    assert again.merge() == 1
    assert again.read(KEY) == [*expected, _candle(60)]
    assert not list(tmp_path.glob(".*.tmp")), "what the killed merge left is swept"
    again.close()


def test_several_processes_share_one_cache(tmp_path: Path) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", APPEND_A_SHARE, str(tmp_path), str(first)], cwd=ROOT
        )
        for first in range(3)
    ]
    assert [child.wait() for child in children] == [0, 0, 0]
    store = CandleStore(tmp_path)
    assert store.read(KEY) == [_candle(n) for n in range(150)]
    store.close()
