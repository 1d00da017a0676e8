"""Keeps every request within 80 % of what the exchange publishes (spec S2).

The counting is pyrate-limiter's in-memory sliding window, exact to the millisecond: a burst can
use a window up but never break it. Its `Limiter` on top is not used, for three reasons: it reads
a clock of its own, it cannot take one request from two buckets (address and account) as a whole,
and it starts a thread. So this is a thin layer: look at every bucket first, then take from all.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from math import ceil, floor

import msgspec
from pyrate_limiter import InMemoryBucket, Rate, RateItem

from core.clock import Clock
from core.limits.limit_headers import HEADER_READERS
from core.limits.published_limits import WHOLE_IP, Scope, Window, limits_of
from core.snapshots import LimiterSnapshot

SHARE = 0.8  # of each published limit; the rest is for the road and for other programs
_NOTICEABLE_S = 0.001  # shorter than this nobody was held back


class LimiterStats(msgspec.Struct, frozen=True):
    """The design's names. Times in seconds; tokens of the family's tightest limit."""

    total_requests: int
    rejected_requests: int
    rejection_rate: float
    avg_wait_time: float
    current_tokens: int
    max_tokens: int


class _Budget:
    """One window of one limit."""

    def __init__(self, window: Window, scope: Scope) -> None:
        self.scope = scope
        self._published_interval_ms = window.interval_ms
        self._bucket = InMemoryBucket([self._rate(window.tokens)])

    def _rate(self, published_tokens: int) -> Rate:
        allowed = floor(published_tokens * SHARE)
        # 80 % of one request is none at all: there the window is stretched instead
        stretch = 1.0 if allowed else SHARE
        self.tokens = max(1, allowed)
        self.interval_ms = ceil(self._published_interval_ms / stretch)
        return Rate(self.tokens, self.interval_ms)

    def resize(self, published_tokens: int) -> None:
        """The exchange has said what its limit really is."""
        self._bucket.rates = [self._rate(published_tokens)]

    def wait_ms(self, tokens: int, now_ms: int) -> int:
        blocking = self._bucket.peek(self.tokens - tokens)
        if blocking is None:
            return 0
        return max(0, int(blocking.timestamp) + self.interval_ms + 1 - now_ms)

    def take(self, tokens: int, now_ms: int) -> None:
        self._bucket.leak(now_ms)
        self._bucket.put(RateItem("", now_ms, weight=tokens))

    def used(self, now_ms: int) -> int:
        self._bucket.leak(now_ms)
        return int(self._bucket.count())


class _Family:
    """Counters and the queue of one kind of request."""

    def __init__(self, budgets: list[_Budget]) -> None:
        self.budgets = budgets
        self.queue = asyncio.Lock()  # first come, first served
        self.held_until_s = float("-inf")
        self.total_requests = 0
        self.rejected_requests = 0
        self.held_back = 0
        self.refused_by_exchange = 0
        self.waited_s = 0.0

    @property
    def tightest(self) -> _Budget:
        return min(self.budgets, key=lambda budget: budget.tokens / budget.interval_ms)


class APIRateLimiter:
    """All requests of one exchange, from every bot and account. Thread safe; monotonic time only.

    One per exchange and process: two of them would double the rate.
    """

    def __init__(
        self,
        exchange: str,
        clock: Clock,
        *,
        sleep: Callable[[float], None] = time.sleep,
        sleep_async: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Raises ValueError for an exchange without published limits."""
        table = limits_of(exchange)
        self.exchange = exchange
        self._clock = clock
        self._sleep = sleep
        self._sleep_async = sleep_async
        self._lock = threading.Lock()
        budgets = {
            name: [_Budget(window, limit.scope) for window in limit.windows]
            for name, limit in table.limits.items()
        }
        self._families = {
            family: _Family([budget for name in names for budget in budgets[name]])
            for family, names in table.families.items()
        }

    def acquire(self, tokens: int = 1, blocking: bool = False, family: str = "market") -> bool:
        """Take `tokens` now, or wait for them if `blocking` (never on the engine's loop: use
        `wait` there). False: not now. Raises ValueError for an unknown family or more tokens
        than a window ever holds."""
        entry = self._family(family, tokens)
        waited_s = 0.0
        while (wait_s := self._take(entry, tokens, waited_s)) > 0:
            if not blocking:
                with self._lock:
                    entry.rejected_requests += 1
                    entry.held_back += 1
                return False
            self._sleep(wait_s)
            waited_s += wait_s
        return True

    async def wait(self, family: str, tokens: int = 1) -> None:
        """Return once `tokens` have been taken; in the order of asking within the family.
        Raises ValueError as `acquire`."""
        entry = self._family(family, tokens)
        asked_s = self._clock.monotonic_s()
        async with entry.queue:
            while True:
                waited_s = self._clock.monotonic_s() - asked_s
                wait_s = self._take(entry, tokens, waited_s)
                if wait_s <= 0:
                    return
                await self._sleep_async(wait_s)

    def get_wait_time(self, tokens: int = 1, family: str = "market") -> float:
        """Seconds until `tokens` could be taken; 0.0: now. Raises ValueError as `acquire`."""
        entry = self._family(family, tokens)
        with self._lock:
            return self._wait_s(entry, tokens)

    def get_stats(self, family: str | None = None) -> LimiterStats:
        """Of one family, or of all together (then tokens are those of "market")."""
        chosen = list(self._families.values()) if family is None else [self._family(family)]
        with self._lock:
            total = sum(entry.total_requests for entry in chosen)
            rejected = sum(entry.rejected_requests for entry in chosen)
            budget = (self._families["market"] if family is None else chosen[0]).tightest
            return LimiterStats(
                total_requests=total,
                rejected_requests=rejected,
                rejection_rate=rejected / (total + rejected) if total + rejected else 0.0,
                avg_wait_time=sum(entry.waited_s for entry in chosen) / total if total else 0.0,
                current_tokens=max(0, budget.tokens - budget.used(self._now_ms())),
                max_tokens=budget.tokens,
            )

    def correct(self, family: str, headers: Mapping[str, str]) -> None:
        """Take the exchange's own word from the headers of an answer: its real limit, and a
        hold until its reset when it has counted more than we have. Exchanges without a
        reader, and answers without such headers, change nothing."""
        reader = HEADER_READERS.get(self.exchange)
        reading = reader({k.lower(): v for k, v in headers.items()}) if reader else None
        if reading is None:
            return
        entry = self._family(family)
        with self._lock:
            for budget in entry.budgets:
                if budget.scope is not Scope.ACCOUNT:
                    continue
                budget.resize(reading.tokens)
                used = reading.tokens - reading.remaining
                if used >= budget.tokens and used > budget.used(self._now_ms()):
                    hold_ms = budget.interval_ms
                    if reading.reset_in_ms is not None:
                        hold_ms = min(hold_ms, reading.reset_in_ms)
                    self._hold(entry, hold_ms / 1000)

    def penalise(self, family: str, retry_after_s: float) -> None:
        """The exchange has refused: nothing of `family` goes out for `retry_after_s` seconds;
        nothing at all if `family` is "ip" (HTTP 403, 418: the address is banned)."""
        whole_ip = family == WHOLE_IP
        entries = list(self._families.values()) if whole_ip else [self._family(family)]
        with self._lock:
            for entry in entries:
                self._hold(entry, max(0.0, retry_after_s))
            entries[0].refused_by_exchange += 1

    def snapshot(self) -> list[LimiterSnapshot]:
        """One line per family; `used_ratio` of its fullest window."""
        with self._lock:
            now_ms = self._now_ms()
            return [
                LimiterSnapshot(
                    exchange=self.exchange,
                    family=family,
                    used_ratio=max(b.used(now_ms) / b.tokens for b in entry.budgets),
                    wait_ms=self._wait_s(entry, 1) * 1000,
                    total_requests=entry.total_requests,
                    held_back=entry.held_back,
                    refused_by_exchange=entry.refused_by_exchange,
                )
                for family, entry in self._families.items()
            ]

    def _family(self, family: str, tokens: int = 1) -> _Family:
        entry = self._families.get(family)
        if entry is None:
            known = ", ".join(self._families)
            raise ValueError(f"unknown family of requests {family!r}; known: {known}")
        most = min(budget.tokens for budget in entry.budgets)
        if not 1 <= tokens <= most:
            raise ValueError(
                f"{tokens} tokens can never be had: {family} gives 1 to {most} at once"
            )
        return entry

    def _take(self, entry: _Family, tokens: int, waited_s: float) -> float:
        """Take from all budgets or from none; returns the seconds still to wait."""
        with self._lock:
            wait_s = self._wait_s(entry, tokens)
            if wait_s > 0:
                return wait_s
            now_ms = self._now_ms()
            for budget in entry.budgets:
                budget.take(tokens, now_ms)
            entry.total_requests += 1
            entry.held_back += waited_s >= _NOTICEABLE_S
            entry.waited_s += waited_s
            return 0.0

    def _wait_s(self, entry: _Family, tokens: int) -> float:
        now_ms = self._now_ms()
        held_s = entry.held_until_s - self._clock.monotonic_s()
        return max(held_s, *(b.wait_ms(tokens, now_ms) / 1000 for b in entry.budgets), 0.0)

    def _hold(self, entry: _Family, seconds: float) -> None:
        entry.held_until_s = max(entry.held_until_s, self._clock.monotonic_s() + seconds)

    def _now_ms(self) -> int:
        return floor(self._clock.monotonic_s() * 1000)


class MultiExchangeRateLimiter:
    """One `APIRateLimiter` per exchange, made when first asked for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limiters: dict[str, APIRateLimiter] = {}
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[APIRateLimiter]:
        return iter(list(self._limiters.values()))

    def limiter(self, exchange: str) -> APIRateLimiter:
        """Raises ValueError for an exchange without published limits."""
        with self._lock:
            if exchange not in self._limiters:
                self._limiters[exchange] = APIRateLimiter(exchange, self._clock)
            return self._limiters[exchange]

    def acquire_multi(self, exchange: str, tokens: int = 1, family: str = "market") -> bool:
        """Take from that exchange's limiter, now or not at all. Raises ValueError."""
        return self.limiter(exchange).acquire(tokens, family=family)

    def get_all_stats(self) -> dict[str, LimiterStats]:
        return {limiter.exchange: limiter.get_stats() for limiter in self}
