"""Hours pass in no time, in order, and the same every time."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.virtual_time import NothingScheduled, VirtualClock, VirtualTimeLoop


def run(scenario):
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(scenario())


def test_a_day_of_sleep_takes_no_time():
    async def scenario():
        await asyncio.sleep(86_400)
        return asyncio.get_running_loop().time()

    started_s = time.monotonic()
    assert run(scenario) == pytest.approx(86_400)
    assert time.monotonic() - started_s < 1


def test_sleepers_wake_in_the_order_of_their_times():
    woken = []

    async def sleeper(seconds):
        await asyncio.sleep(seconds)
        woken.append((seconds, round(asyncio.get_running_loop().time(), 6)))

    async def scenario():
        await asyncio.gather(*(sleeper(seconds) for seconds in (30, 0.001, 600, 7.5)))

    run(scenario)
    assert woken == [(0.001, 0.001), (7.5, 7.5), (30, 30), (600, 600)]


def test_time_outs_fire_in_virtual_time():
    async def scenario():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await asyncio.sleep(61)
        return asyncio.get_running_loop().time()

    assert run(scenario) == pytest.approx(60)


@pytest.mark.parametrize("pool", [None, ThreadPoolExecutor(1)])
def test_work_for_a_thread_is_done_here_and_in_turn(pool):
    async def scenario():
        loop = asyncio.get_running_loop()
        order = []
        loop.call_soon(order.append, "before")
        await loop.run_in_executor(pool, order.append, "work")
        thread = await asyncio.to_thread(threading.get_ident)
        return order, thread, loop.time()

    order, thread, now_s = run(scenario)
    assert order == ["before", "work"]
    assert thread == threading.get_ident()
    assert now_s == 0


def test_a_fault_of_that_work_reaches_who_waits_for_it():
    def fail():
        raise OSError("disk full")

    async def scenario():
        with pytest.raises(OSError, match="disk full"):
            await asyncio.to_thread(fail)

    run(scenario)


def test_work_that_nobody_waits_for_any_more_is_not_done():
    done = []

    async def scenario():
        waiting = asyncio.create_task(asyncio.to_thread(done.append, 1))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    run(scenario)
    assert done == []


def test_waiting_for_what_cannot_come_is_an_error_not_a_hang():
    async def scenario():
        await asyncio.get_running_loop().create_future()

    loop = VirtualTimeLoop()
    task = loop.create_task(scenario())
    with pytest.raises(NothingScheduled):
        loop.run_until_complete(task)
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()


def test_sockets_are_served_on_the_way():
    async def scenario():
        async def echo(reader, writer):
            writer.write(await reader.readline())
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"hello\n")
            ticking = asyncio.create_task(tick())
            line = await reader.readline()
            ticking.cancel()
            writer.close()
            await asyncio.gather(ticking, writer.wait_closed(), return_exceptions=True)
            return line

    async def tick():
        while True:  # noqa: ASYNC110 (time going on is the point)
            await asyncio.sleep(0.001)

    assert run(scenario) == b"hello\n"


def test_the_clock_shows_market_time_at_its_rate():
    async def scenario() -> tuple[list[int], list[float]]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        await asyncio.sleep(5)
        clock = VirtualClock(loop, market_start_ms=1_000_000, rate=60.0)
        times_ms, seconds = [clock.time_ms()], [clock.monotonic_s()]
        await asyncio.sleep(1.5)
        return [*times_ms, clock.time_ms()], [*seconds, clock.monotonic_s()]

    times_ms, seconds = run(scenario)
    assert times_ms == [1_000_000, 1_090_000]
    assert seconds == pytest.approx([5.0, 6.5])
