"""What every benchmark returns, and how two sides are measured fairly."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import msgspec


class Row(msgspec.Struct, frozen=True):
    """`ours` and each rival in `unit`, smaller is better; medians. `references` are figures of
    the same run that help to judge `ours`, but are no rivals: a physical limit, a bound."""

    name: str
    unit: str
    ours: float
    rivals: dict[str, float]
    references: dict[str, float] = {}

    @property
    def ratio(self) -> float | None:
        return round(min(self.rivals.values()) / self.ours, 3) if self.rivals else None


def interleaved(rounds: int, sides: dict[str, Callable[[], float]]) -> dict[str, float]:
    """Median of each side, measured in turn, `rounds` times after one warm-up round: this
    machine's other work hits all sides alike."""
    samples: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, measure in sides.items():
            value = measure()
            if number > 0:
                samples[name].append(value)
    return {name: statistics.median(values) for name, values in samples.items()}
