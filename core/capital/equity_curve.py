"""The equity curve in at most 500 points: fine for the last hours, coarser the older it gets.

So one short list serves the one-day view and the three-month view, and memory stays flat.
"""

from __future__ import annotations

from decimal import Decimal

MAX_POINTS = 500


class EquityCurve:
    """Points (time_ms, equity), oldest first."""

    def __init__(self, points: list[tuple[int, Decimal]]) -> None:
        self.points = points

    def add(self, time_ms: int, equity: Decimal) -> int | None:
        """Append a point later than all before; returns the time of the one dropped for it."""
        self.points.append((time_ms, equity))
        if len(self.points) <= MAX_POINTS:
            return None
        return self.points.pop(self._most_crowded(time_ms))[0]

    def _most_crowded(self, now_ms: int) -> int:
        """Index of the point whose neighbours are closest together for its age."""
        times = [time_ms for time_ms, _ in self.points]
        return min(
            range(1, len(times) - 1),
            key=lambda i: (times[i + 1] - times[i - 1]) / (now_ms - times[i] + 1),
        )
