"""Time, injected (rule 8): the only module of `core` that may ask the machine what time it is.

Two times are kept apart. *Market time* (`time_ms`) is the exchange's clock: it closes candles,
rolls the trading day, stamps orders. *Monotonic time* (`monotonic_s`) measures real waiting:
time-outs, rate limits, heartbeats. On the demo exchange market time runs `rate` times faster.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    @property
    def rate(self) -> float:
        """Market seconds per real second; 1.0 on a real exchange."""

    def time_ms(self) -> int:
        """Market time, ms UTC."""

    def monotonic_s(self) -> float:
        """Real seconds that never go back; only differences mean something."""


class SystemClock:
    """Real time, corrected by the measured offset of the exchange's clock."""

    rate = 1.0

    def __init__(self) -> None:
        self._offset_ms = 0

    def set_offset(self, offset_ms: int) -> None:
        """`offset_ms`: the exchange's clock minus this machine's."""
        self._offset_ms = offset_ms

    def time_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self._offset_ms

    def monotonic_s(self) -> float:
        return time.monotonic()


class ScaledClock:
    """Market time that runs `rate` times faster from a given anchor (the demo exchange's)."""

    def __init__(self, *, market_anchor_ms: int, unix_anchor_ms: int, rate: float) -> None:
        """At real time `unix_anchor_ms` the market's clock showed `market_anchor_ms`."""
        self.rate = rate
        self._market_anchor_ms = market_anchor_ms
        self._unix_anchor_ms = unix_anchor_ms

    def time_ms(self) -> int:
        real_ms = time.time_ns() / 1_000_000 - self._unix_anchor_ms
        return self._market_anchor_ms + int(real_ms * self.rate)

    def monotonic_s(self) -> float:
        return time.monotonic()


class ManualClock:
    """For tests and simulation: stands still until told to move."""

    def __init__(self, time_ms: int = 1_700_000_000_000, rate: float = 1.0) -> None:
        self.rate = rate
        self._time_ms = time_ms
        self._monotonic_s = 1_000.0

    def time_ms(self) -> int:
        return self._time_ms

    def monotonic_s(self) -> float:
        return self._monotonic_s

    def advance_ms(self, market_ms: int) -> None:
        """Move both times on by `market_ms` of market time."""
        self._time_ms += market_ms
        self._monotonic_s += market_ms / 1000 / self.rate
