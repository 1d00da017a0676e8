"""Every task is supervised (rule 9): a fault becomes its part's visible state, others go on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from core.clock import Clock
from core.event_bus import EventBus
from core.events import Error, Severity

log = logging.getLogger(__name__)
RESTART_DELAY_S = 1.0


class Supervisor:
    """Owns the engine's tasks. `unhandled_exceptions` counts faults nobody had foreseen."""

    def __init__(self, bus: EventBus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self.unhandled_exceptions = 0
        self._is_stopping = False

    def spawn(self, part: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run once; a fault is published as `part`'s error."""
        task = self._start(part, self._once(part, work))
        task.add_done_callback(lambda _: work.close())  # cancelled before its first step
        return task

    def keep_running(
        self, part: str, work: Callable[[], Coroutine[Any, Any, None]]
    ) -> asyncio.Task[None]:
        """Run for ever: after a fault, once more after a pause."""
        return self._start(part, self._repeat(part, work))

    async def stop(self) -> None:
        """Cancel every task and wait for the end of each. Nothing starts any more: a stream that
        speaks up meanwhile must not set work going on parts that are being closed."""
        self._is_stopping = True
        while tasks := [task for task in self._tasks if task is not asyncio.current_task()]:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def report(self, part: str, fault: BaseException) -> None:
        """Count and publish a fault that reached a boundary."""
        self.unhandled_exceptions += 1
        log.error("%s failed", part, exc_info=fault)
        self._bus.publish(
            Error(
                part=part,
                text=f"{type(fault).__name__}: {fault}",
                time_ms=self._clock.time_ms(),
                severity=Severity.DANGER,
            )
        )

    def _start(self, part: str, guarded: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(guarded, name=part)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._is_stopping:
            task.cancel()
        return task

    async def _once(self, part: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as fault:  # noqa: BLE001 (the boundary: shown, counted, contained)
            self.report(part, fault)

    async def _repeat(self, part: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await work()
                return
            except Exception as fault:  # noqa: BLE001 (the boundary: shown, counted, contained)
                self.report(part, fault)
            await asyncio.sleep(RESTART_DELAY_S)
