"""By hand: does a screen that hangs, again and again, cost the engine anything?

    PYTHONPATH=.:tests/end_to_end python tests/end_to_end/stalled_run.py FOLDER --minutes 5

The real engine and the demo exchange with fifty symbols and eight bots of one symbol, first
without a screen, then with the real one (offscreen) whose thread is held for 300 ms every two
seconds and which turns from chart to chart. Ends with one JSON line; 0 unless a promise is broken:
the delay of the feed (socket to listener) has a p99 of at most 1 ms and twice that of the run
without a screen, frames outside the stalls a p95 of at most 33 ms, the screen with its eight charts
at most 160 MB, the engine 200 MB.
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

CHARTS = ("BTC", "ETH", "SOL", "XRP", "DOGE", "ADA", "AVAX", "LINK")
MOST_DELAY_MS, MOST_RATIO, MOST_FRAME_MS = 1.0, 2.0, 33.0
MOST_SCREEN_MB, MOST_ENGINE_MB = 160.0, 200.0
STALL_MS = 300
SAMPLE_S = 2.0  # the engine renews the figures of its streams every second
SETTLE_S = 30.0  # history, first charts, imports
GROWTH_MB = 2.0  # in the second half, beyond the noise: rings that fill


def configured(folder: Path) -> Path:
    bots = "".join(
        f'[[bots]]\naccount = "demo"\nsymbol = "{base}USDT"\nstrategy = "macd_rsi_trend"\n'
        for base in CHARTS
    )
    scan = '[[bots]]\naccount = "demo"\nkind = "MultiTrader"\nstrategy = "rsi_pattern"\n'
    path = folder / "trading.toml"
    folder.mkdir(parents=True, exist_ok=True)
    account = '[[accounts]]\nname = "demo"\nexchange = "bybit"\nmode = "demo"\n'
    path.write_text(account + bots + scan, encoding="utf-8")
    return path


def messages(snapshot: EngineSnapshot) -> int:
    return sum(feed.figures.messages for feed in snapshot.feeds)


def watch(home: Home, engine: psutil.Process, seconds: float) -> dict[str, Any]:
    """The feed's delay over all topics, and the engine's memory. Each topic's figures are of its
    newest messages, so each sample is new where the topic has had that many since."""
    p50s, p99s, memory = [], [], []
    with home.attach() as link:
        began_s = time.monotonic()
        first = link.next_snapshot()
        while (passed_s := time.monotonic() - began_s) < seconds:
            time.sleep(SAMPLE_S)
            newest = link.next_snapshot()
            topics = [topic for feed in newest.feeds for topic in feed.topics]
            p50s += [topic.p50_ms for topic in topics if topic.p50_ms is not None]
            p99s += [topic.p99_ms for topic in topics if topic.p99_ms is not None]
            memory.append((passed_s, engine.memory_info().rss / 1024**2))
        last = link.next_snapshot()
    return {
        "messages_per_s": round((messages(last) - messages(first)) / (time.monotonic() - began_s)),
        "delay_p50_ms": round(float(np.median(p50s)), 3),
        "delay_p99_ms": round(float(np.median(p99s)), 3),
        "delay_p99_worst_topic_ms": round(max(p99s), 3),
        "rss_mb": round(memory[-1][1], 1),
        "rss_growth_mb": growth_mb(memory),
    }


def growth_mb(memory: list[tuple[float, float]]) -> float:
    """Of the second half, less two deviations of the noise about its line; 0 is within it."""
    late = np.array(memory[len(memory) // 2 :])
    slope, offset = np.polyfit(late[:, 0], late[:, 1], 1)
    noise = float(np.std(late[:, 1] - np.polyval((slope, offset), late[:, 0])))
    return round(max(0.0, float(slope) * float(np.ptp(late[:, 0])) - 2 * noise), 2)


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("folder", type=Path)
    words.add_argument("--minutes", type=float, default=5.0)
    words.add_argument("--speed", type=float, default=1.0)
    asked = words.parse_args()
    seconds = asked.minutes * 60
    home, figures_file = Home(asked.folder), asked.folder / "screen.json"
    config = str(configured(asked.folder))
    try:
        running = home.start_engine(
            "--config", config, "--autostart", "--speed", f"{asked.speed:g}"
        )
        engine = psutil.Process(running.pid)
        with home.attach() as link:
            link.until(lambda s: s.state is EngineState.RUNNING, timeout_s=60)
        time.sleep(SETTLE_S)
        alone = watch(home, engine, seconds)
        screen = home.start(
            str(figures_file),
            str(STALL_MS),
            "--for",
            f"{seconds + SETTLE_S:g}",
            program=(str(Path(__file__).with_name("stalled_screen.py")),),
        )
        time.sleep(SETTLE_S)
        watched = watch(home, engine, seconds - 5)
        code = screen.wait()
        running.terminate()
    finally:
        home.end_everything()
    seen = json.loads(figures_file.read_text(encoding="utf-8"))
    frames = seen["frame_ms"]
    shown = {
        "frames": seen["frames"],
        "frame_ms": frames,
        "rss_mb": seen["rss_mb"][-1][1],
        "rss_growth_mb": growth_mb(seen["rss_mb"]),
    }
    broken = [
        name
        for name, is_so in {
            "the screen ended badly": code != 0,
            "feed delay": watched["delay_p99_ms"] > MOST_DELAY_MS,
            "feed delay beside a run without a screen": watched["delay_p99_ms"]
            > MOST_RATIO * alone["delay_p99_ms"],
            "frames": frames["p95"] > MOST_FRAME_MS,
            "memory of the screen": shown["rss_mb"] > MOST_SCREEN_MB,
            "memory of the engine": watched["rss_mb"] > MOST_ENGINE_MB,
            "memory grows": max(watched["rss_growth_mb"], shown["rss_growth_mb"]) > GROWTH_MB,
        }.items()
        if is_so
    ]
    figures = {"alone": alone, "with_screen": watched, "screen": shown, "broken": broken}
    print(json.dumps(figures))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
