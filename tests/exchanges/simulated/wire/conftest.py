"""A venue on a clock that the test moves, and the same behind a real server on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from core.clock import ManualClock
from exchanges.simulated.generated_market import GeneratedMarket
from exchanges.simulated.venue import Venue
from exchanges.simulated.wire.rate_windows import RateLimits
from exchanges.simulated.wire.server import DemoServer


@pytest.fixture(scope="session")
def market() -> GeneratedMarket:
    return GeneratedMarket(seed=3)


@pytest.fixture
def clock(market: GeneratedMarket) -> ManualClock:
    return ManualClock(market.start_ms)


@pytest.fixture
def venue(market: GeneratedMarket, clock: ManualClock) -> Iterator[Venue]:
    venue = Venue(market=market, clock=clock)
    yield venue
    venue.close()


@pytest.fixture
def limits() -> RateLimits:
    """Override to serve with other windows."""
    return RateLimits()


@pytest.fixture
async def server(venue: Venue, limits: RateLimits) -> AsyncIterator[DemoServer]:
    server = DemoServer(venue, keys={"key": "secret", "other": "hidden"}, limits=limits)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as client:
        yield client
