"""Simulated time for a whole engine: a day passes as fast as the machine can compute it.

An event loop whose clock jumps to the next timer when nothing is left to do, and the market clock
that goes with it. The engine cannot tell: it sleeps, times out and reconciles as ever. It stands
in `app` because it is a choice of how to run the program, like the real clock that
`app/wiring.py` chooses; `core` and the exchanges only know the clock they were given.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class NothingScheduled(RuntimeError):
    """Every task waits and no timer is set: virtual time has nowhere to go."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Starts at 0 s. Sockets are served, but virtual time does not wait for them.

    Work for an executor runs in this thread, one turn of the loop later: whatever it would have
    cost, no virtual time passes, and two runs do the same things in the same order. A loop that
    can only wait for the real world raises NothingScheduled instead of hanging.
    """

    def __init__(self) -> None:
        self._now_s = 0.0
        super().__init__(_JumpingSelector(self._jump))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now_s

    def run_in_executor(
        self,
        executor: Executor | None,  # noqa: ARG002 (whichever was meant, it is this thread)
        func: Callable[[*Arguments], Result],
        *args: *Arguments,
    ) -> asyncio.Future[Result]:
        future: asyncio.Future[Result] = self.create_future()

        def work() -> None:
            if future.cancelled():
                return
            try:
                result = func(*args)
            except Exception as fault:  # noqa: BLE001 (handed to whoever awaits, as executors do)
                future.set_exception(fault)
            else:
                future.set_result(result)

        self.call_soon(work)
        return future

    def _jump(self, seconds: float) -> None:
        self._now_s += seconds


class VirtualClock:
    """`core.clock.Clock` on a virtual loop: the market shows `market_start_ms` now, and runs
    `rate` market seconds per virtual second."""

    def __init__(self, loop: VirtualTimeLoop, *, market_start_ms: int, rate: float = 1.0) -> None:
        self.rate = rate
        self._loop = loop
        self._market_start_ms = market_start_ms
        self._start_s = loop.time()

    def time_ms(self) -> int:
        passed_s = self._loop.time() - self._start_s
        return self._market_start_ms + round(passed_s * 1000 * self.rate)

    def monotonic_s(self) -> float:
        return self._loop.time()


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits: where a real selector would sleep, time jumps."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, Any]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None:
            raise NothingScheduled("Every task waits and no timer is set.")
        self._jump(timeout)
        return ready
