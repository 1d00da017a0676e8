"""Bybit's published request windows, enforced: what a client must survive, it meets here first.

Windows of the address: 600 requests in 5 s, answered by HTTP 403 until a ban ends, and 500 streams
opened in 5 minutes. Windows of the account: a number per rolling second for each endpoint, answered
by 10006 and a reset time; a batch counts as many as it holds orders, apart from single ones.
Source: bybit-exchange.github.io/docs/v5/rate-limit (linear, unified account).
"""

from __future__ import annotations

import math
from collections import deque

import msgspec

from core.clock import Clock
from exchanges.simulated.wire.errors import HttpRefused

_PER_SECOND = {
    "/v5/order/create": 10,
    "/v5/order/amend": 10,
    "/v5/order/cancel": 10,
    "/v5/order/cancel-all": 10,
    "/v5/order/create-batch": 10,
    "/v5/order/cancel-batch": 10,
    "/v5/order/realtime": 50,
    "/v5/order/history": 50,
    "/v5/execution/list": 50,
    "/v5/position/list": 50,
    "/v5/position/closed-pnl": 50,
    "/v5/position/set-leverage": 10,
    "/v5/position/trading-stop": 10,
    "/v5/position/switch-mode": 10,
    "/v5/account/wallet-balance": 50,
    "/v5/account/info": 50,
    "/v5/account/fee-rate": 5,
    "/v5/account/transaction-log": 25,
    "/v5/asset/coin/query-info": 5,
    "/v5/user/query-api": 10,
}


class RateLimits(msgspec.Struct, frozen=True):
    """Windows of one server; the defaults are Bybit's own. Times in real seconds."""

    requests_per_address: int = 600
    address_window_s: float = 5.0
    address_ban_s: float = 600.0
    streams_per_address: int = 500
    streams_window_s: float = 300.0
    per_second: dict[str, int] = msgspec.field(default_factory=lambda: dict(_PER_SECOND))


class Allowance(msgspec.Struct, frozen=True):
    """What the limit headers say. `wait_s` > 0: refused, and free again after so long. Of a batch
    only the first `granted` orders fit in."""

    limit: int
    remaining: int
    wait_s: float
    granted: int = 1


class RateWindows:
    """Counts requests in rolling windows of real time."""

    def __init__(self, clock: Clock, limits: RateLimits) -> None:
        self._clock = clock
        self._limits = limits
        self._by_address: dict[str, deque[float]] = {}
        self._banned_until_s: dict[str, float] = {}
        self._streams: dict[str, deque[float]] = {}
        self._by_account: dict[tuple[str, str], deque[float]] = {}

    def enter(self, address: str) -> None:
        """Count one HTTP request of `address`. Raises HttpRefused 403 while it is banned."""
        now_s = self._clock.monotonic_s()
        if now_s < self._banned_until_s.get(address, -math.inf):
            raise HttpRefused(403, "access too frequent")
        recent = self._by_address.setdefault(address, deque())
        _forget(recent, now_s - self._limits.address_window_s)
        if len(recent) >= self._limits.requests_per_address:
            self._banned_until_s[address] = now_s + self._limits.address_ban_s
            recent.clear()
            raise HttpRefused(403, "access too frequent")
        recent.append(now_s)

    def open_stream(self, address: str) -> None:
        """Count one WebSocket handshake of `address`. Raises HttpRefused 403 when there have been
        too many."""
        now_s = self._clock.monotonic_s()
        recent = self._streams.setdefault(address, deque())
        _forget(recent, now_s - self._limits.streams_window_s)
        if len(recent) >= self._limits.streams_per_address:
            raise HttpRefused(403, "too many connections")
        recent.append(now_s)

    def spend(self, api_key: str, path: str, orders: int = 1) -> Allowance | None:
        """Count one request of an account to an endpoint, a batch as its `orders`; None where no
        window is published."""
        limit = self._limits.per_second.get(path)
        if limit is None:
            return None
        now_s = self._clock.monotonic_s()
        recent = self._by_account.setdefault((api_key, path), deque())
        _forget(recent, now_s - 1.0)
        granted = min(orders, limit - len(recent))
        if granted <= 0:
            return Allowance(limit, 0, recent[0] + 1.0 - now_s, granted=0)
        recent.extend([now_s] * granted)
        return Allowance(limit, limit - len(recent), 0.0, granted)


def _forget(times_s: deque[float], before_s: float) -> None:
    while times_s and times_s[0] <= before_s:
        times_s.popleft()
