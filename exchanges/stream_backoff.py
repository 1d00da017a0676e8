"""How long to wait before the next connection attempt: full jitter, so that a thousand clients
cut off together do not come back together, and for ever, so that none gives up; and a budget of
attempts per host, which holds whatever the jitter draws and however many connections there are."""

from __future__ import annotations

import asyncio
import random
from collections import deque

CONNECT_WINDOW_S = 301.0  # five minutes, for clocks that do not agree to the tick


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


class ConnectBudget:
    """At most `most` attempts in any five minutes, `pause_s` apart; in the loop's seconds."""

    def __init__(self, most: int, pause_s: float = 0.0) -> None:
        self.attempts = 0
        self._most = most
        self._pause_s = pause_s
        self._taken_s: deque[float] = deque(maxlen=most)

    async def wait(self) -> None:
        """Until one more attempt is allowed; it counts as made."""
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        allowed_s = now_s
        if self._taken_s:
            allowed_s = max(allowed_s, self._taken_s[-1] + self._pause_s)
        if len(self._taken_s) == self._most:
            allowed_s = max(allowed_s, self._taken_s[0] + CONNECT_WINDOW_S)
        self._taken_s.append(allowed_s)
        self.attempts += 1
        if allowed_s > now_s:
            await asyncio.sleep(allowed_s - now_s)
