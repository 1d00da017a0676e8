"""Small measurements of the running engine: percentiles and the largest gap of its loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from core.clock import Clock

PROBE_INTERVAL_S = 0.01


def percentile(samples: Sequence[float], share: float) -> float | None:
    """Nearest-rank percentile, `share` 0..1; None without samples."""
    return percentiles(samples, share)[0]


def percentiles(samples: Sequence[float], *shares: float) -> list[float | None]:
    """As `percentile`, of several shares in one pass."""
    if not samples:
        return [None] * len(shares)
    ordered = sorted(samples)
    return [ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in shares]


class LoopGapProbe:
    """How long the event loop was away: the delay of a timer that should fire every 10 ms.

    Attributes: gap_max_ms since the start of `run`, recent_gap_max_ms since `take_recent`.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.gap_max_ms = 0.0
        self._recent_max_ms = 0.0

    async def run(self) -> None:
        while True:
            before_s = self._clock.monotonic_s()
            await asyncio.sleep(PROBE_INTERVAL_S)
            gap_ms = (self._clock.monotonic_s() - before_s - PROBE_INTERVAL_S) * 1000
            self.gap_max_ms = max(self.gap_max_ms, gap_ms)
            self._recent_max_ms = max(self._recent_max_ms, gap_ms)

    def take_recent(self) -> float:
        """Largest gap since the last call, ms."""
        recent, self._recent_max_ms = self._recent_max_ms, 0.0
        return recent
