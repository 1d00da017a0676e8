"""Virtual time for limiters, and what an exchange would count."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from app.virtual_time import VirtualClock, VirtualTimeLoop

MARKET_START_MS = 1_700_000_000_000


def virtual_clock() -> VirtualClock:
    """The clock of the running loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return VirtualClock(loop, market_start_ms=MARKET_START_MS)


def in_virtual_time(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """For tests that hypothesis calls many times: a loop of its own for each."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(story())


def most_in_any(interval_ms: float, events: list[tuple[float, int]]) -> int:
    """The fullest sliding window of that length; events are (time in s, tokens)."""
    most = used = oldest = 0
    ordered = sorted(events)
    for time_s, tokens in ordered:
        used += tokens
        while ordered[oldest][0] <= time_s - interval_ms / 1000:
            used -= ordered[oldest][1]
            oldest += 1
        most = max(most, used)
    return most
