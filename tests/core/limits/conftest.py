"""Every test of this folder runs in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from virtual_limits import virtual_clock

from app.virtual_time import VirtualTimeLoop
from core.limits.api_rate_limiter import APIRateLimiter


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"virtual": VirtualTimeLoop}


@pytest.fixture
async def bybit() -> APIRateLimiter:
    return APIRateLimiter("bybit", virtual_clock())
