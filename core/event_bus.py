"""Delivers events by class, in order, and keeps one subscriber's fault from its neighbours.

Publishing from inside a handler queues the event behind the one being delivered, so every
subscriber sees the same order and nothing recurses.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from core.clock import Clock
from core.events import Error, Event, Severity

log = logging.getLogger(__name__)
E_ = TypeVar("E_", bound=Event)


class EventBus:
    """Synchronous and single-threaded: publish only from the engine's loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._handlers: dict[type, list[tuple[str, Callable[[Any], None]]]] = {}
        self._queue: deque[Event] = deque()
        self._delivering = False

    def subscribe(self, kind: type[E_], handler: Callable[[E_], None], *, part: str) -> None:
        """Call `handler` for each event of `kind`; `part` names the subscriber in errors."""
        self._handlers.setdefault(kind, []).append((part, handler))

    def unsubscribe(self, kind: type[E_], handler: Callable[[E_], None]) -> None:
        handlers = self._handlers.get(kind, [])
        self._handlers[kind] = [entry for entry in handlers if entry[1] != handler]

    def publish(self, event: Event) -> None:
        self._queue.append(event)
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._queue:
                self._deliver(self._queue.popleft())
        finally:
            self._delivering = False

    def _deliver(self, event: Event) -> None:
        for part, handler in tuple(self._handlers.get(type(event), ())):
            try:
                handler(event)
            except Exception as fault:  # a subscriber's fault is its own visible state
                log.exception("%s failed on %s", part, type(event).__name__)
                if not isinstance(event, Error):  # an error handler's error must not loop
                    self._queue.append(
                        Error(
                            part=part,
                            text=f"{type(fault).__name__}: {fault}",
                            time_ms=self._clock.time_ms(),
                            severity=Severity.DANGER,
                        )
                    )
