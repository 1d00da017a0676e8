"""kill -9 and many processes at once: nothing acknowledged is lost, nothing is there twice.

A kill loses nothing that was handed to the system, so a disk of memory will do.
"""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from core.market_data.candle_store import CandleStore
from core.models.candles import Candle, SeriesKey, Timeframe

ROOT = Path(__file__).resolve().parents[3]
KEY = SeriesKey("bybit", "BTCUSDT", Timeframe.M15)
PROCESSES = 8
MERGES_EACH = 1_000
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and fork are POSIX")

# Appends its share of the candles, merging (or finding another at it) after each.
APPEND_AND_MERGE = """
import sys
from decimal import Decimal
from pathlib import Path
from core.market_data.candle_store import CandleStore
from core.models.candles import Candle, SeriesKey, Timeframe

folder, first, step, count = Path(sys.argv[1]), *map(int, sys.argv[2:])
store = CandleStore(folder)
key = SeriesKey("bybit", "BTCUSDT", Timeframe.M15)
merged = seen = 0
for number in range(first, step * count, step):
    price = Decimal(number + 1) / 8
    store.append([(key, Candle(number * 900_000, price, price, price, price, Decimal(number)))])
    merged += store.merge()
    if number % 97 == 0:
        rows = [c.open_time_ms for c in store.read(key)]
        assert rows == sorted(set(rows)) and number * 900_000 in rows and len(rows) >= seen
        seen = len(rows)
store.close()
print(merged)
"""


def test_three_hundred_kills_lose_no_acknowledged_candle(memory_disk: Path) -> None:
    script = Path(__file__).with_name("killed_store.py")
    ended = subprocess.run(
        [sys.executable, str(script), str(memory_disk), "--kills", "300"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-2_000:] + ended.stderr[-2_000:]
    figures = json.loads(ended.stdout.splitlines()[-1])
    assert (figures["kills"], figures["points"], figures["faults"]) == (300, 19, [])


def test_eight_processes_of_a_thousand_merges_give_the_exact_union(memory_disk: Path) -> None:
    words = [sys.executable, "-c", APPEND_AND_MERGE, str(memory_disk)]
    children = [
        subprocess.Popen(
            [*words, str(first), str(PROCESSES), str(MERGES_EACH)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for first in range(PROCESSES)
    ]
    merged = [int(child.communicate()[0]) for child in children]
    assert [child.returncode for child in children] == [0] * PROCESSES
    assert sum(merged) > PROCESSES, "most found another at it, but not all"
    store = CandleStore(memory_disk)
    expected = []
    for number in range(PROCESSES * MERGES_EACH):
        price = Decimal(number + 1) / 8
        expected.append(Candle(number * 900_000, price, price, price, price, Decimal(number)))
    assert store.read(KEY) == expected
    store.close()
