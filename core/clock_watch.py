"""Notices that time was lost: the machine slept, the process was stopped, a clock was set.

After any of these the orders stream may be dead without knowing it, requests would be signed with
a wrong time, and whatever was about to be sent was meant for another market. So nobody sends
before clock and books are right again (`AccountDesk`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from core.clock import Clock
from core.supervision import Supervisor

LONGEST_PAUSE_S = 5.0  # an exchange admits a signed request for about as long
LARGEST_STEP_S = 1.0  # Bybit refuses a request that is dated further ahead than this
EXIT_HOLD_S = 5.0  # an order that is on its way out waits so long, then it leaves
RETRY_FIRST_S, RETRY_MOST_S = 1.0, 30.0


class ClockWatch:
    """Asked often (by a task, and before anything is sent); compares with the last time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.rebase()

    def rebase(self) -> None:
        """Time is right now: what came before does not count."""
        self._monotonic_s = self._clock.monotonic_s()
        self._market_ms = self._clock.time_ms()

    def look(self) -> str:
        """What has happened since the last look, as a sentence; "" when time went on evenly."""
        paused_s = self._clock.monotonic_s() - self._monotonic_s
        market_s = (self._clock.time_ms() - self._market_ms) / 1000 / self._clock.rate
        self.rebase()
        if paused_s > LONGEST_PAUSE_S:
            return f"The program stood still for {paused_s:.0f} s."
        step_s = market_s - paused_s
        if abs(step_s) > LARGEST_STEP_S:  # a machine that sleeps stops the one, not the other
            return f"The clock jumped by {step_s:+.1f} s, or the machine slept."
        return ""


class SteadyClock:
    """The clock as it was when it was last known to be right, carried on by monotonic time.

    What has legal force by the hour goes by it: a clock that somebody sets past midnight must
    not end the trading day, and with it a day's loss limit, until it is corrected a second later.
    """

    def __init__(self, clock: Clock) -> None:
        """`clock` is right now."""
        self._clock = clock
        self.trust()

    @property
    def rate(self) -> float:
        return self._clock.rate

    def trust(self) -> None:
        """The clock is right, as of now."""
        self._right_ms, self._right_s = self._clock.time_ms(), self._clock.monotonic_s()

    def time_ms(self) -> int:
        passed_s = self._clock.monotonic_s() - self._right_s
        return self._right_ms + int(passed_s * 1000 * self._clock.rate)

    def monotonic_s(self) -> float:
        return self._clock.monotonic_s()


class InStep:
    """Whether clock and books of one account are right, and the way back to it.

    `reconcile()` measures the exchange's clock, brings the books together and calls `regained`,
    or tells that it could not. `on_lost(text)` is told the moment it is noticed."""

    def __init__(
        self,
        *,
        part: str,
        clock: Clock,
        supervisor: Supervisor,
        reconcile: Callable[[], Coroutine[Any, Any, None]],
        on_lost: Callable[[str], None],
    ) -> None:
        self._part = part
        self._watch = ClockWatch(clock)
        self._supervisor = supervisor
        self._reconcile = reconcile
        self._on_lost = on_lost
        self._is_in_step = asyncio.Event()

    def regained(self) -> None:
        self._is_in_step.set()

    def rebase(self) -> None:
        """The clock was corrected by ourselves, or nobody has looked for good reason."""
        self._watch.rebase()

    def look(self) -> None:
        """Once a second, and before anything leaves."""
        text = self._watch.look()
        if text and self._is_in_step.is_set():
            self._is_in_step.clear()
            self._on_lost(f"{text} Reconciling first.")
            self._supervisor.spawn(f"{self._part}: resync", self._regain())

    async def wait(self) -> None:
        """Until it is in step again, for some seconds at most: an exit must not wait for ever."""
        self.look()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EXIT_HOLD_S):
                await self._is_in_step.wait()

    async def _regain(self) -> None:
        delay_s = RETRY_FIRST_S
        await self._reconcile()
        while not self._is_in_step.is_set():
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, RETRY_MOST_S)
            await self._reconcile()
