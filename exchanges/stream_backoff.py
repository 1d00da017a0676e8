"""How long to wait before the next connection attempt: full jitter, so that a thousand clients
cut off together do not come back together, and for ever, so that none gives up."""

from __future__ import annotations

import random


class FullJitterBackoff:
    """Delays drawn evenly from 0 to `base_s` x 2^attempt, never above `cap_s`."""

    def __init__(self, rng: random.Random, *, base_s: float = 0.5, cap_s: float = 60.0) -> None:
        self._rng = rng
        self._base_s = base_s
        self._cap_s = cap_s
        self._attempt = 0

    def next_delay_s(self) -> float:
        """Seconds to wait before the next attempt."""
        ceiling_s = min(self._cap_s, self._base_s * 2.0**self._attempt)
        if ceiling_s < self._cap_s:
            self._attempt += 1
        return self._rng.uniform(0.0, ceiling_s)

    def connection_lasted(self, seconds: float) -> None:
        """Start small again only after a connection that outlived the longest delay:
        one that is accepted and dropped at once counts as one more failure."""
        if seconds >= self._cap_s:
            self._attempt = 0
