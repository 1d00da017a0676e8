"""`python run.py bench NAME`: measures, beside the named rivals, in one run.

Every benchmark ends with one JSON line; ratio = best rival / ours, so above 1 means we win.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from app.benchmarks.measure import Row
from app.options import EXIT_OK, EXIT_USAGE


def main(words: list[str]) -> int:
    from app.benchmarks.feed import feed
    from app.benchmarks.orders import orders
    from app.benchmarks.scan import scan
    from app.benchmarks.screen import screen
    from app.benchmarks.startup import startup
    from app.benchmarks.store import store

    benchmarks: dict[str, Callable[[], list[Row]]] = {
        "feed": feed,
        "orders": orders,
        "scan": scan,
        "screen": screen,
        "startup": startup,
        "store": store,
    }
    name = words[0] if words else ""
    if name not in benchmarks:
        known = ", ".join(benchmarks)
        print(f"TwinStar Quantum: bench what? Known: {known}", file=sys.stderr)
        return EXIT_USAGE
    rows = benchmarks[name]()
    for row in rows:
        sides = row.rivals | row.references
        rivals = ", ".join(f"{who} {value:.3f}" for who, value in sides.items())
        print(f"{row.name:28} {row.ours:9.3f} {row.unit:4} {rivals}")
    table = [
        {
            "name": row.name,
            "unit": row.unit,
            "ours": round(row.ours, 4),
            "rivals": {who: round(value, 4) for who, value in row.rivals.items()},
            "references": {who: round(value, 4) for who, value in row.references.items()},
            "ratio": row.ratio,
        }
        for row in rows
    ]
    print(json.dumps({"bench": name, "rows": table}))
    return EXIT_OK
