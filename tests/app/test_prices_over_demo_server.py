"""The engine of the product on the demo exchange's own sockets: which topics the server serves."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from app.config import AccountConfig
from app.wiring import assemble_engine
from core import account_desk
from core.bots.bot_spec import BotSpec
from core.clock import ScaledClock
from core.engine import Engine
from core.limits.api_rate_limiter import MultiExchangeRateLimiter
from core.models.candles import Timeframe
from core.scanning.settings import ScanSettings
from core.snapshots import AccountMode, BotState
from exchanges.bybit_exchange import BybitExchange
from exchanges.credentials import Credentials
from exchanges.simulated.generated_market import GeneratedMarket
from exchanges.simulated.venue import Venue
from exchanges.simulated.wire.server import DemoServer

MULTI = "multi-15m"
SETTINGS = ScanSettings(watch_count=6, signal_threshold=100.0, scan_interval_s=60.0)


@pytest.fixture
def clock() -> ScaledClock:
    start_ms = GeneratedMarket(seed=5).start_ms
    return ScaledClock(
        market_anchor_ms=start_ms, unix_anchor_ms=time.time_ns() // 1_000_000, rate=60
    )


@pytest.fixture
async def server(clock: ScaledClock) -> AsyncIterator[DemoServer]:
    venue = Venue(market=GeneratedMarket(seed=5), clock=clock)
    server = DemoServer(venue, keys={"key": "secret"})
    await server.start()
    yield server
    await server.stop()
    venue.close()


@pytest.fixture
async def engine(
    server: DemoServer, clock: ScaledClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Engine]:
    # the watchlist needs the busiest fifty whatever the bots do, and the demo has no more
    monkeypatch.setattr(account_desk, "WATCHED_SYMBOLS", 0)
    rng, limiters = random.Random(7), MultiExchangeRateLimiter(clock)
    port = BybitExchange(
        "demo",
        credentials=Credentials("key", "secret"),
        clock=clock,
        limiter=limiters.limiter("bybit").for_account("demo"),
        rng=rng,
        rest_url=server.rest_url,
        ws_public_url=server.ws_public_url,
        ws_private_url=server.ws_private_url,
    )
    engine = assemble_engine(
        [AccountConfig("demo", "bybit", AccountMode.DEMO)],
        data_dir=tmp_path,
        clock=clock,
        rng=rng,
        limiters=limiters,
        open_port=lambda _: port,
    )
    spec = BotSpec(
        bot_id=MULTI,
        kind="MultiTrader",
        account="demo",
        symbol="",
        timeframe=Timeframe.M15,
        strategy="rsi_pattern",
        scan=SETTINGS,
    )
    await engine.start([spec], autostart=True)
    yield engine
    await engine.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 (the state of a server, not one event)
            await asyncio.sleep(0.02)


async def test_the_server_streams_nothing_of_symbols_that_left_the_universe(
    engine: Engine, server: DemoServer
) -> None:
    """Tickers and candles alike; the connection and what stays are untouched."""

    def served() -> set[str]:
        return set(server._public._topics)

    await until(lambda: len(served()) == 12)
    await until(lambda: engine.bots[MULTI].state is BotState.RUNNING)
    before = served()
    narrow = msgspec.structs.replace(SETTINGS, watch_count=2)
    engine.roster.change_scan(MULTI, narrow)
    await until(lambda: len(served()) < 12)
    await until(lambda: len(served()) == 4)
    watched = engine.bots[MULTI].scan_snapshot()
    assert watched is not None
    symbols = {row.symbol for row in watched.rows}
    assert served() == {topic for s in symbols for topic in (f"tickers.{s}", f"kline.15.{s}")}
    assert served() < before
    statistics = engine.feeds["bybit"].port.stream_statistics()
    assert (statistics.connections, statistics.connects, statistics.topics) == (1, 1, 4)
    await engine.stop_bot(MULTI, close_position=False)
    await until(lambda: not served())
