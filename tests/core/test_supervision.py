"""Tasks end when their owner does, and none begins behind its back."""

from __future__ import annotations

import asyncio

from core.clock import ManualClock
from core.event_bus import EventBus
from core.supervision import Supervisor


def supervisor() -> Supervisor:
    clock = ManualClock()
    return Supervisor(EventBus(clock), clock)


async def test_nothing_starts_once_the_end_has_begun() -> None:
    """A stream's last word used to start a reconciliation on a port that was closed already."""
    owner = supervisor()
    ran: list[str] = []

    async def work(name: str) -> None:
        ran.append(name)

    async def until_cancelled() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            owner.spawn("late", work("late"))

    owner.spawn("stream", until_cancelled())
    await asyncio.sleep(0)
    await owner.stop()
    owner.spawn("later", work("later"))
    owner.keep_running("for ever", lambda: work("for ever"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert ran == []
    assert owner.unhandled_exceptions == 0


async def test_stop_waits_for_the_end_of_each_task() -> None:
    owner = supervisor()
    ended: list[str] = []

    async def slow_to_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("cleaned up")

    owner.spawn("part", slow_to_end())
    await asyncio.sleep(0)
    await owner.stop()
    assert ended == ["cleaned up"]
