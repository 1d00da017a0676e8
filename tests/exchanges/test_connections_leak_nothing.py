"""Ports that come and go over real sockets leave nothing behind: no task, thread, descriptor, no
object. A thousand of them by hand: TWINSTAR_RECONNECTS=1000."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import threading
import weakref

import psutil
import pytest

from core.clock import ManualClock, SystemClock
from core.exchange_port import StreamKind, StreamState
from core.limits.api_rate_limiter import APIRateLimiter
from core.models.candles import Timeframe
from core.snapshots import AccountMode
from exchanges.credentials import Credentials
from exchanges.exchange_manager import AccountSpec, ExchangeManager
from exchanges.simulated.generated_market import GeneratedMarket
from exchanges.simulated.venue import Venue
from exchanges.simulated.wire.rate_windows import RateLimits
from exchanges.simulated.wire.server import DemoServer

RECONNECTS = int(os.environ.get("TWINSTAR_RECONNECTS", "12"))
WARM_UP = 4


class Listener:
    def __init__(self) -> None:
        self.connected: set[StreamKind] = set()
        self.changed = asyncio.Event()

    def on_stream_state(self, kind, state, detail):
        if state is StreamState.CONNECTED:
            self.connected.add(kind)
            self.changed.set()

    def nothing(self, *_):
        """What the streams bring is not asked about here."""

    on_candle = on_ticker = on_order = on_fill = on_position = on_balance = nothing
    on_trades = on_book = on_topic_state = nothing

    async def until_connected(self) -> None:
        async with asyncio.timeout(20):
            while len(self.connected) < 2:
                self.changed.clear()
                await self.changed.wait()


class Held:
    """What the process holds."""

    def __init__(self) -> None:
        gc.collect()
        process = psutil.Process()
        self.tasks = len(asyncio.all_tasks())
        self.threads = threading.active_count()
        self.descriptors = process.num_fds() if hasattr(process, "num_fds") else 0
        self.rss_mb = process.memory_info().rss / 1e6


async def settled() -> None:
    """The server's side of a connection ends a moment after ours."""
    for _ in range(50):
        before = len(asyncio.all_tasks())
        await asyncio.sleep(0.01)
        if len(asyncio.all_tasks()) == before:
            break


@pytest.mark.timeout(3600)
async def test_ports_that_come_and_go_leave_nothing_behind() -> None:
    clock = ManualClock(GeneratedMarket(1).start_ms)
    venue = Venue(market=GeneratedMarket(1), clock=clock)
    unlimited = RateLimits(streams_per_address=10**6)
    server = DemoServer(venue, keys={"key": "secret"}, limits=unlimited)
    await server.start()
    limiter = APIRateLimiter("bybit", SystemClock())
    ports: list[weakref.ref[object]] = []

    async def come_and_go() -> None:
        manager = ExchangeManager(random.Random(1))
        port = manager.add(
            AccountSpec(
                name="main",
                exchange="bybit",
                mode=AccountMode.DEMO,
                clock=clock,
                limiter=limiter.for_account("main"),
                credentials=Credentials("key", "secret"),
                rest_url=server.rest_url,
                ws_public_url=server.ws_public_url,
                ws_private_url=server.ws_private_url,
            )
        )
        ports.append(weakref.ref(port))
        listener = Listener()
        await port.start_market_data(listener)
        port.subscribe_candles("BTCUSDT", Timeframe.M1)
        await port.start_trading(listener)
        await listener.until_connected()
        await port.fetch_balance()
        await manager.stop()

    try:
        for _ in range(WARM_UP):
            await come_and_go()
        await settled()
        before = Held()
        for _ in range(RECONNECTS):
            await come_and_go()
        await settled()
        after = Held()
    finally:
        await server.stop()
        venue.close()
    assert after.tasks <= before.tasks
    assert after.threads <= before.threads
    assert abs(after.descriptors - before.descriptors) <= 2
    assert [port for port in ports if port() is not None] == []
    assert not limiter._flights
    print(f"{RECONNECTS} reconnects: {before.rss_mb:.1f} -> {after.rss_mb:.1f} MB")
    if RECONNECTS >= 500:  # what is allocated at first is not a leak
        assert after.rss_mb - before.rss_mb < RECONNECTS * 0.01
