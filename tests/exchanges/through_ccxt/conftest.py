"""Adapters through ccxt against the local server."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable

import pytest
from ccxt_replay import MARKETS, NOW_MS, ReplayServer

from core.clock import ManualClock, SystemClock
from core.limits.api_rate_limiter import APIRateLimiter
from exchanges.ccxt_exchange import CcxtExchange
from exchanges.credentials import Credentials


@pytest.fixture
async def server() -> AsyncIterator[ReplayServer]:
    server = ReplayServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_MS)


@pytest.fixture
async def connect(
    server: ReplayServer, clock: ManualClock
) -> AsyncIterator[Callable[[str], CcxtExchange]]:
    """Builds an adapter with a limiter of its own, in `limiter`."""
    ports: list[CcxtExchange] = []

    def build(exchange: str, *, with_key: bool = True) -> CcxtExchange:
        server.answers |= MARKETS[exchange]
        limiter = APIRateLimiter(exchange, SystemClock())
        port = CcxtExchange(
            exchange,
            "main",
            credentials=Credentials("canary-key", "canary-secret", "canary-words")
            if with_key
            else None,
            clock=clock,
            limiter=limiter.for_account("main"),
            rng=random.Random(1),
            rest_url=server.url,
            request_timeout_s=0.5,
        )
        port.limiter = limiter  # type: ignore[attr-defined]
        ports.append(port)
        return port

    yield build
    for port in ports:
        await port.stop()
