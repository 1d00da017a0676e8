"""By hand: the whole program on fifty symbols for as many market hours as asked for, over the real
wire, with the demo exchange enforcing its request limits.

    PYTHONPATH=.:tests/end_to_end python tests/end_to_end/fifty_run.py FOLDER --hours 24 --speed 900

Ends with one JSON line; 0 unless a promise was broken. Memory has settled after about five real
minutes, so its verdict wants `--hours 120` at that speed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from program import Home

from core.snapshots import EngineSnapshot, EngineState

WARM_UP_RATIO = 3 / 4  # of the run: each of the first merges of the files makes the heap larger
# What memory may grow by afterwards, beyond its noise: the rings of fifty symbols fill up to a
# thousand bars each, and are full after ten days of market time.
MOST_GROWTH_MB = 2.0


def broken(snapshot: EngineSnapshot) -> list[str]:
    """The promises that this moment breaks."""
    found = []
    capital = snapshot.capital
    if capital is not None:
        if capital.total != capital.free + capital.reserved + capital.locked:
            found.append(f"capital does not add up: {capital}")
        if min(capital.free, capital.reserved, capital.locked, capital.available) < 0:
            found.append(f"capital below zero: {capital}")
        if capital.reserved + capital.locked > capital.cap_ratio * capital.total:
            found.append(f"more than the cap is in use: {capital.allocation_ratio}")
    for bot in snapshot.bots:
        if bot.scan is None:
            continue
        mine = [row for row in snapshot.positions if row.bot_id == bot.bot_id]
        if len(mine) > bot.scan.settings.position_limit:
            found.append(f"{bot.bot_id} holds {len(mine)} positions")
    refused = sum(row.refused_by_exchange for row in snapshot.limiters)
    if refused:
        found.append(f"{refused} requests were refused for their rate")
    if snapshot.unhandled_exceptions:
        found.append(f"{snapshot.unhandled_exceptions} unhandled exceptions")
    return found


def watch(home: Home, engine_pid: int, seconds: float) -> dict[str, Any]:
    """Figures of the run; `broken` holds each broken promise once."""
    process = psutil.Process(engine_pid)
    samples: list[tuple[float, float]] = []
    faults: dict[str, None] = {}
    scan_ms: list[float] = []
    began_s = time.monotonic()
    with home.attach() as screen:
        screen.until(lambda s: s.state is EngineState.RUNNING, timeout_s=60)
        first_ms = screen.next_snapshot().market_time_ms
        while (passed_s := time.monotonic() - began_s) < seconds:
            snapshot = screen.next_snapshot()
            faults.update(dict.fromkeys(broken(snapshot)))
            samples.append((passed_s, process.memory_info().rss / 1024**2))
            scan_ms += [b.scan.took_ms for b in snapshot.bots if b.scan and b.scan.took_ms]
        end = screen.next_snapshot()
    late = np.array([sample for sample in samples if sample[0] > seconds * WARM_UP_RATIO])
    slope, offset = np.polyfit(late[:, 0], late[:, 1], 1)
    noise = float(np.std(late[:, 1] - np.polyval((slope, offset), late[:, 0])))
    growth = float(slope) * seconds * (1 - WARM_UP_RATIO)
    if growth > MOST_GROWTH_MB + 2 * noise:
        faults[f"memory has grown by {growth:.1f} MB in the last quarter"] = None
    return {
        "market_hours": round((end.market_time_ms - first_ms) / 3_600_000, 1),
        "snapshots": len(samples),
        "trades_today": {bot.bot_id: bot.trades_today for bot in end.bots},
        "scans": sum(bot.scan.scan_number for bot in end.bots if bot.scan),
        "scan_ms": {
            "p50": round(float(np.median(scan_ms)), 2),
            "p99": round(float(np.percentile(scan_ms, 99)), 2),
        },
        "requests": max((row.total_requests for row in end.limiters), default=0),
        "rss_mb": [round(mb, 1) for _, mb in samples[:: max(1, len(samples) // 20)]],
        "rss_growth_mb": round(growth, 2),
        "rss_noise_mb": round(noise, 2),
        "broken": list(faults),
    }


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("folder", type=Path)
    words.add_argument("--hours", type=float, default=24.0)
    words.add_argument("--speed", type=float, default=900.0)
    asked = words.parse_args()
    home = Home(asked.folder)
    report = asked.folder / "report.json"
    try:
        engine = home.start_engine(
            "--demo", "--autostart", "--speed", f"{asked.speed:g}", "--report", str(report)
        )
        figures = watch(home, engine.pid, asked.hours * 3600 / asked.speed)
        code = engine.terminate()
    finally:
        home.end_everything()
    written = json.loads(report.read_text(encoding="utf-8"))
    figures["round_trips"] = written["round_trips"]
    figures["ledger_error"] = written["ledger_error"]
    figures["loop_gap_ms"] = written["loop_gap_ms"]["engine_max"]
    if code or written["ledger_error"] != 0:
        figures["broken"].append(f"ended with {code}, ledger off by {written['ledger_error']}")
    print(json.dumps(figures))
    return 1 if figures["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())
