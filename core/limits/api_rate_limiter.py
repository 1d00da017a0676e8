"""Keeps every request within 80 % of what the exchange publishes (spec S2), in a fair order.

One limiter per exchange and process: two of them would double the rate. What may leave is counted
in `windows.py`, whose turn it is in `turns.py`; here both meet, and what the exchange says of its
limits (headers, refusals) is believed.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from math import ceil, floor

import msgspec

from core.clock import Clock
from core.limits.limit_headers import HEADER_READERS
from core.limits.priority import Priority, current_owner, lowered
from core.limits.published_limits import (
    ADDRESS,
    MAY_EXIT,
    USUAL_PRIORITY,
    ExchangeLimits,
    Family,
    Scope,
    limits_of,
)
from core.limits.turns import Ask, Look, Turn, Waiter, WaitingRoom
from core.limits.windows import Budget, Counters, Draw, own_budget
from core.snapshots import LimiterSnapshot

LONGEST_FLIGHT_MS = 2_000  # after that a request has arrived, or is taken for lost
_NOTICEABLE_S = 0.001  # shorter than this nobody was held back
_NANOSECOND_MS = 1e-6  # 1.001 s are 1001 ms, whatever floats say
_POLITE_S = 0.01  # a thread that waits looks again: nobody wakes it


class LimiterStats(msgspec.Struct, frozen=True):
    """The design's names. Times in seconds; tokens of the family's tightest limit."""

    total_requests: int
    rejected_requests: int
    rejection_rate: float
    avg_wait_time: float
    current_tokens: int
    max_tokens: int


class APIRateLimiter:
    """All requests of one exchange, from every bot and account. Monotonic time only.

    `wait` belongs on the engine's loop; everything else may be called from any thread.
    """

    def __init__(
        self, exchange: str, clock: Clock, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Raises ValueError for an exchange without published limits."""
        self.exchange = exchange
        self._table = limits_of(exchange)
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.RLock()
        self._budgets: dict[tuple[str, str], Budget] = {}  # by limit and account
        self._counters = {family: Counters() for family in Family}
        self._exits_draw_on = _drawn_on_by_exits(self._table)
        self._held_until_s = float("-inf")  # the exchange refuses this machine
        self._refused = 0
        self._room = WaitingRoom()
        self._flights: deque[Turn] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def for_account(self, account: str) -> AccountLimiter:
        """What one account's adapter asks: limits counted per account are its own."""
        return AccountLimiter(self, account)

    # --- asking -----------------------------------------------------------------------------

    async def wait(
        self,
        family: str,
        tokens: int = 1,
        *,
        account: str = "",
        priority: Priority | None = None,
        owner: str | None = None,
    ) -> Turn:
        """Return when a request of `family` may leave; end the turn when its answer is here.

        `tokens` multiplies the family's weight. The class is the family's usual one and the owner
        the task's (`asking_for`) unless said. Raises ValueError for an unknown family or for more
        tokens than a window ever holds."""
        ask = self._ask(family, tokens, account, priority, owner)
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._room.is_empty and self._look(ask).wait_ms <= 0:
                return self._depart(ask, waited_s=0.0)
            waiter = Waiter(ask, self._clock.monotonic_s(), loop.create_future())
            self._room.add(waiter)
        self._call_up(loop)
        try:
            return await waiter.future
        except asyncio.CancelledError:
            self._give_up(waiter, loop)
            raise

    def acquire(
        self, tokens: int = 1, blocking: bool = False, family: str = "market", *, account: str = ""
    ) -> bool:
        """Take `tokens` now, or wait for them if `blocking` (never on the engine's loop: use
        `wait` there). False: not now. Behind those who `wait` already. Raises ValueError as
        `wait`."""
        ask = self._ask(family, tokens, account, None, None)
        asked_s = self._clock.monotonic_s()
        while True:
            with self._lock:
                if self._room.may_pass(ask, self._look):
                    self._depart(ask, self._clock.monotonic_s() - asked_s).end()
                    return True
                if not blocking:
                    self._count_rejection(ask)
                    return False
                wait_s = self._look(ask).wait_ms / 1000
            self._sleep(max(wait_s, _POLITE_S))

    def get_wait_time(
        self,
        tokens: int = 1,
        family: str = "market",
        *,
        account: str = "",
        priority: Priority | None = None,
    ) -> float:
        """Seconds until `tokens` could be taken if nobody else asked, at the least; 0.0: now.
        Raises ValueError as `wait`."""
        ask = self._ask(family, tokens, account, priority, None)
        with self._lock:
            return self._look(ask).wait_ms / 1000

    # --- what the exchange says -------------------------------------------------------------

    def correct(self, family: str, headers: Mapping[str, str], *, account: str = "") -> None:
        """Take the exchange's own word from the headers of an answer: its real limits, and what
        other programs have used of them. Exchanges without a reader, and answers without such
        headers, change nothing."""
        reader = HEADER_READERS.get(self.exchange)
        if reader is None:
            return
        readings = reader({name.lower(): value for name, value in headers.items()})
        draws = self._draws(_family(family), account)
        own = own_budget(draws)
        with self._lock:
            now_ms = self._now_ms()
            for reading in readings:
                for budget, _ in draws:
                    if budget.name == reading.limit or (not reading.limit and budget is own):
                        budget.correct(reading, now_ms)

    def penalise(self, family: str, retry_after_s: float, *, account: str = "") -> None:
        """The exchange has refused: nothing that draws on the family's own limit goes out for
        `retry_after_s` real seconds; nothing at all, of any account, if `family` is "address"
        (HTTP 403, 418: this machine is banned)."""
        until_s = self._clock.monotonic_s() + max(0.0, retry_after_s)
        with self._lock:
            if family == ADDRESS:
                self._held_until_s = max(self._held_until_s, until_s)
                self._refused += 1
                return
            known = _family(family)
            own = own_budget(self._draws(known, account))
            own.held_until_s = max(own.held_until_s, until_s)
            own.counters.refused += 1
            self._counters[known].refused += 1

    # --- showing ----------------------------------------------------------------------------

    def get_stats(self, family: str | None = None, *, account: str = "") -> LimiterStats:
        """Of one family, or of all together (then tokens are those of "market")."""
        chosen = list(self._counters.values())
        if family is not None:
            chosen = [self._counters[_family(family)]]
        with self._lock:
            total = sum(one.total for one in chosen)
            rejected = sum(one.rejected for one in chosen)
            draws = self._draws(_family(family or Family.MARKET), account)
            tightest = min(
                (budget.tightest for budget, _ in draws),
                key=lambda window: window.allowed / window.interval_ms,
            )
            return LimiterStats(
                total_requests=total,
                rejected_requests=rejected,
                rejection_rate=rejected / (total + rejected) if total + rejected else 0.0,
                avg_wait_time=sum(one.waited_s for one in chosen) / total if total else 0.0,
                current_tokens=max(0, tightest.allowed - tightest.used(self._now_ms())),
                max_tokens=tightest.allowed,
            )

    def snapshot(self) -> list[LimiterSnapshot]:
        """One line for each limit drawn on so far, its fullest window; the address first."""
        with self._lock:
            waiting: dict[Budget, int] = {}
            for waiter in self._room.waiters():
                for budget, _ in waiter.ask.draws:
                    waiting[budget] = waiting.get(budget, 0) + 1
            lines = [
                self._line(budget, waiting.get(budget, 0))
                for budget in self._budgets.values()
                if budget.is_drawn_on or budget.counters.refused or budget in waiting
            ]
        return sorted(lines, key=lambda line: (line.account, line.family != ADDRESS, line.family))

    def _line(self, budget: Budget, waiting: int) -> LimiterSnapshot:
        now_ms, now_s = self._now_ms(), self._clock.monotonic_s()
        window, counters = budget.fullest(now_ms), budget.counters
        used = window.used(now_ms)
        blocked_s = max(0.0, budget.held_until_s - now_s, self._held_until_s - now_s)
        refused = counters.refused + (self._refused if budget.name == ADDRESS else 0)
        return LimiterSnapshot(
            exchange=self.exchange,
            family=budget.name,
            used_ratio=used / window.allowed,
            wait_ms=max(budget.wait_ms(1, False, now_ms), blocked_s * 1000),
            total_requests=counters.total,
            held_back=counters.held_back,
            refused_by_exchange=refused,
            account=budget.account,
            used=used,
            allowed=window.allowed,
            published=window.published,
            window_ms=window.interval_ms,
            waiting=waiting,
            avg_wait_ms=counters.waited_s / counters.total * 1000 if counters.total else 0.0,
            reset_ms=window.empty_in_ms(now_ms),
            blocked_ms=round(blocked_s * 1000),
        )

    # --- inside -----------------------------------------------------------------------------

    def _ask(
        self,
        family: str,
        tokens: int,
        account: str,
        priority: Priority | None,
        owner: str | None,
    ) -> Ask:
        known = _family(family)
        wanted = lowered(USUAL_PRIORITY[known] if priority is None else priority)
        is_exit = wanted is Priority.EXIT
        one = self._draws(known, account)
        most = min(budget.most_at_once(is_exit) // weight for budget, weight in one)
        if not 1 <= tokens <= most:
            raise ValueError(
                f"{tokens} tokens can never be had: {family} gives 1 to {most} at once"
            )
        draws = tuple(Draw(budget, weight * tokens) for budget, weight in one)
        asker = current_owner() if owner is None else owner
        return Ask(known, account, wanted, asker, draws, self._counters[known])

    def _draws(self, family: Family, account: str) -> tuple[Draw, ...]:
        return tuple(
            Draw(self._budget(name, account), weight)
            for name, weight in self._table.families[family].items()
        )

    def _budget(self, name: str, account: str) -> Budget:
        limit = self._table.limits[name]
        owner = account if limit.scope is Scope.ACCOUNT else ""
        with self._lock:
            if (name, owner) not in self._budgets:
                self._budgets[name, owner] = Budget(
                    name, owner, limit, serves_exits=name in self._exits_draw_on
                )
            return self._budgets[name, owner]

    def _look(self, ask: Ask) -> Look:
        now_ms, now_s = self._now_ms(), self._clock.monotonic_s()
        self._end_lost_flights(now_ms)
        held_s = max(
            self._held_until_s - now_s, *(budget.held_until_s - now_s for budget, _ in ask.draws)
        )
        waits = [
            (window.wait_ms(weight, ask.is_exit, now_ms), window)
            for window, weight in ask.windows()
        ]
        wait_ms = max(wait for wait, _ in waits)
        if held_s > 0:
            # a hold blocks by itself; what it keeps waiting must not keep the windows from others
            return Look(max(wait_ms, ceil(held_s * 1000)), ())
        return Look(wait_ms, tuple(window for wait, window in waits if wait > 0))

    def _call_up(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let go whose turn it is, and come back when the next one's may be."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            again_ms = self._room.call_up(self._look, self._let_go)
        if again_ms is not None:
            self._timer = loop.call_later(again_ms / 1000, self._call_up, loop)

    def _let_go(self, waiter: Waiter) -> None:
        if waiter.future.done():  # cancelled; its task has not come round to say so
            return
        turn = self._depart(waiter.ask, self._clock.monotonic_s() - waiter.asked_s)
        waiter.future.set_result(turn)

    def _depart(self, ask: Ask, waited_s: float) -> Turn:
        now_ms = self._now_ms()
        was_held_back = waited_s >= _NOTICEABLE_S
        ask.counters.grant(waited_s, was_held_back)
        ask.own.counters.grant(waited_s, was_held_back)
        for budget, weight in ask.draws:
            budget.depart(weight, ask.is_exit, now_ms)
        turn = Turn(ask, now_ms, self._end)
        self._flights.append(turn)
        return turn

    def _end(self, turn: Turn) -> None:
        with self._lock:
            if not turn.is_ended:
                turn.count_answer(self._now_ms())
            while self._flights and self._flights[0].is_ended:
                self._flights.popleft()

    def _end_lost_flights(self, now_ms: int) -> None:
        while self._flights and (
            self._flights[0].is_ended or self._flights[0].departed_ms + LONGEST_FLIGHT_MS < now_ms
        ):
            self._end(self._flights[0])

    def _give_up(self, waiter: Waiter, loop: asyncio.AbstractEventLoop) -> None:
        """Whoever asked has been cancelled, perhaps when it was just its turn."""
        if waiter.is_waiting:
            with self._lock:
                self._room.remove(waiter)
            self._call_up(loop)
        elif not waiter.future.cancelled():
            waiter.future.result().end()

    def _count_rejection(self, ask: Ask) -> None:
        for counters in (ask.counters, ask.own.counters):
            counters.rejected += 1
            counters.held_back += 1

    def _now_ms(self) -> int:
        return floor(self._clock.monotonic_s() * 1000 + _NANOSECOND_MS)


class AccountLimiter:
    """The limiter as the adapter of one account sees it."""

    def __init__(self, limiter: APIRateLimiter, account: str) -> None:
        self._limiter = limiter
        self._account = account

    async def wait(
        self,
        family: str,
        tokens: int = 1,
        *,
        priority: Priority | None = None,
        owner: str | None = None,
    ) -> Turn:
        """As `APIRateLimiter.wait`."""
        return await self._limiter.wait(
            family, tokens, account=self._account, priority=priority, owner=owner
        )

    def get_wait_time(
        self, family: str, tokens: int = 1, *, priority: Priority | None = None
    ) -> float:
        """As `APIRateLimiter.get_wait_time`."""
        return self._limiter.get_wait_time(tokens, family, account=self._account, priority=priority)

    def correct(self, family: str, headers: Mapping[str, str]) -> None:
        """As `APIRateLimiter.correct`."""
        self._limiter.correct(family, headers, account=self._account)

    def penalise(self, family: str, retry_after_s: float) -> None:
        """As `APIRateLimiter.penalise`."""
        self._limiter.penalise(family, retry_after_s, account=self._account)


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


def _family(name: str) -> Family:
    try:
        return Family(name)
    except ValueError:
        known = ", ".join(Family)
        raise ValueError(f"unknown family of requests {name!r}; known: {known}") from None


def _drawn_on_by_exits(table: ExchangeLimits) -> frozenset[str]:
    return frozenset(name for family in MAY_EXIT for name in table.families[family])
