"""`python run.py bench NAME`: measures, beside the named rivals, in one run.

Every benchmark ends with one JSON line; ratio = best rival / ours, so above 1 means we win.
Runs are interleaved and medians taken: this machine's other work hits all sides alike.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable

import msgspec

from app.options import EXIT_OK, EXIT_USAGE


class Row(msgspec.Struct, frozen=True):
    """`ours` and each rival in `unit`, smaller is better; medians."""

    name: str
    unit: str
    ours: float
    rivals: dict[str, float]

    @property
    def ratio(self) -> float | None:
        return round(min(self.rivals.values()) / self.ours, 3) if self.rivals else None


def interleaved(rounds: int, sides: dict[str, Callable[[], float]]) -> dict[str, float]:
    """Median of each side, measured in turn, `rounds` times after one warm-up round."""
    samples: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, measure in sides.items():
            value = measure()
            if number > 0:
                samples[name].append(value)
    return {name: statistics.median(values) for name, values in samples.items()}


def main(words: list[str]) -> int:
    from app.benchmarks.startup import startup

    benchmarks: dict[str, Callable[[], list[Row]]] = {"startup": startup}
    name = words[0] if words else ""
    if name not in benchmarks:
        known = ", ".join(benchmarks)
        print(f"TwinStar Quantum: bench what? Known: {known}", file=sys.stderr)
        return EXIT_USAGE
    rows = benchmarks[name]()
    for row in rows:
        rivals = ", ".join(f"{who} {value:.3f}" for who, value in row.rivals.items())
        print(f"{row.name:28} {row.ours:9.3f} {row.unit:4} {rivals}")
    table = [
        {
            "name": row.name,
            "unit": row.unit,
            "ours": round(row.ours, 4),
            "rivals": {who: round(value, 4) for who, value in row.rivals.items()},
            "ratio": row.ratio,
        }
        for row in rows
    ]
    print(json.dumps({"bench": name, "rows": table}))
    return EXIT_OK
