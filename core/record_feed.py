"""The ordered list of what a screen must not lose: fills, orders, closed bars, notices.

Bounded: a screen that was away longer than the list is long gets the newest part and attaches
anew. `seq` grows by one with each item.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from core.clock import Clock
from core.snapshots import ClosedCandle, FeedItem, Record

KEPT_ITEMS = 5_000


class RecordFeed:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._items: deque[FeedItem] = deque(maxlen=KEPT_ITEMS)
        self._seq = 0
        self.listeners: list[Callable[[FeedItem], None]] = []

    def add(self, record: Record, time_ms: int | None = None) -> None:
        """`time_ms` (market time) is now unless the record is of the past."""
        self._seq += 1
        item = FeedItem(self._seq, self._clock.time_ms() if time_ms is None else time_ms, record)
        self._items.append(item)
        for listener in self.listeners:
            listener(item)

    def backlog(self, count: int) -> list[FeedItem]:
        """The newest `count` items, oldest first. Closed bars are left out: a chart that is
        opened asks for its history."""
        items = [item for item in self._items if not isinstance(item.record, ClosedCandle)]
        return items[-count:] if count > 0 else []

    @property
    def last_seq(self) -> int:
        return self._seq
