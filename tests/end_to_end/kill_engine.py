"""Kills the real engine by hand, as often as wanted: `python tests/end_to_end/kill_engine.py
--kills 500 [--seed N] [--speed S]`. Ends with one line of JSON; anything amiss ends it earlier.
The exit code is 1 when a restart was not ready within ten seconds."""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

READY_WITHIN_S = 10.0
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent), str(HERE)]

from kill_run import Figures, KillRun, points  # noqa: E402
from program import Home  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", type=float, default=600.0, help="market seconds a second")
    words = parser.parse_args()
    began_s = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="twinstar-kills-"))
    home = Home(folder)
    try:
        with KillRun(home, seed=words.seed, speed=words.speed) as run:
            run.run(told(itertools.islice(points(words.seed), words.kills), run.figures))
    except BaseException:
        print(f"everything is kept in {folder}", file=sys.stderr)
        raise
    finally:
        home.end_everything()
    shutil.rmtree(folder)
    figures = run.figures
    for point, count in sorted(figures.kills.items()):
        print(f"{count:5} {point}")
    ready_s = figures.ready_s
    print(
        json.dumps(
            {
                "kills": figures.kills.total(),
                "checks": len(ready_s),
                "orders": figures.orders,
                "fills": figures.fills,
                "ready_s_p50": round(statistics.median(ready_s), 2),
                "ready_s_max": round(max(ready_s), 2),
                "took_s": round(time.monotonic() - began_s),
            }
        )
    )
    return int(max(ready_s) > READY_WITHIN_S)


def told(points: Iterator[str], figures: Figures) -> Iterator[str]:
    """The same points; how far it is, every 25 kills."""
    for number, point in enumerate(points):
        if number and number % 25 == 0:
            print(f"{number} kills, {figures.orders} orders, {figures.fills} fills", flush=True)
        yield point


if __name__ == "__main__":
    sys.exit(main())
