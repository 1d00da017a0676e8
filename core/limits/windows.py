"""What may still leave within one published window, by two counts at once.

*By departure* at most 80 % of the published tokens leave in any window of ours, and where cancels
and exits draw on the limit, everything else together takes no more than four fifths of those.
*By arrival* no window of the exchange's, wherever it begins, can see more than the published
tokens: a request arrives at some moment between its departure and its answer, so it is held
against the window from the one until a whole window after the other. Without the second count a
burst that the network delayed and the burst after it could meet in one window there.

The counting is pyrate-limiter's in-memory bucket, exact to the millisecond. Its `Limiter` on top
is not used: it reads a clock of its own, cannot take one request from two buckets as a whole, and
starts a thread.
"""

from __future__ import annotations

from math import ceil, floor
from typing import NamedTuple

from pyrate_limiter import InMemoryBucket, Rate, RateItem

from core.limits.limit_headers import Reading
from core.limits.published_limits import ADDRESS, PublishedLimit, Scope, Window

SHARE = 0.8  # of each published limit; the rest is for the road and for other programs
EXITS_SHARE = 0.2  # of ours, at least: nobody else may take it
_UNBOUNDED = 10**9  # the bucket counts, we compare: a limit may shrink while it is in use


class BudgetWindow:
    """One window of one limit."""

    def __init__(self, window: Window, *, serves_exits: bool) -> None:
        self.published_interval_ms = window.interval_ms
        self._serves_exits = serves_exits
        self._departed = InMemoryBucket([Rate(_UNBOUNDED, window.interval_ms)])
        self._ordinary = InMemoryBucket([Rate(_UNBOUNDED, window.interval_ms)])  # not exits
        self._answered = InMemoryBucket([Rate(_UNBOUNDED, window.interval_ms)])
        self._in_flight = 0
        self._others = 0  # tokens that other programs have used, as far as the exchange tells
        self._others_until_ms = 0
        self._set_size(window.tokens)

    def _set_size(self, published: int) -> None:
        self.published = published
        allowed = floor(published * SHARE)
        # 80 % of one request is none at all: there the window is stretched instead
        self.interval_ms = ceil(self.published_interval_ms / (1.0 if allowed else SHARE))
        for bucket in (self._departed, self._ordinary, self._answered):
            bucket.rates = [Rate(_UNBOUNDED, self.interval_ms)]
        self.allowed = max(1, allowed)
        keeps = self._serves_exits and self.allowed > 1
        self.reserved = ceil(self.allowed * EXITS_SHARE) if keeps else 0

    def most_at_once(self, is_exit: bool) -> int:
        return self.allowed if is_exit else self.allowed - self.reserved

    def wait_ms(self, tokens: int, is_exit: bool, now_ms: int) -> int:
        """At least so long until `tokens` may leave; 0: now. While requests are unanswered the
        true wait may be longer: ask again then."""
        waits = [self._free_in_ms(self._departed, self.allowed - tokens, now_ms)]
        if self.reserved and not is_exit:
            room = self.allowed - self.reserved - tokens
            waits.append(self._free_in_ms(self._ordinary, room, now_ms))
        room_there = self.published - tokens - self._in_flight
        if room_there < 0:
            waits.append(self.interval_ms)
        else:
            waits.append(self._free_in_ms(self._answered, room_there, now_ms))
        return max(waits)

    def _free_in_ms(self, bucket: InMemoryBucket, room: int, now_ms: int) -> int:
        """Until ours and other programs' tokens are no more than `room`."""
        alone = self._ours_free_in_ms(bucket, room, now_ms)
        if not self._others or now_ms >= self._others_until_ms:
            return alone
        without_others = max(alone, self._others_until_ms - now_ms)
        if self._others > room:
            return without_others
        beside_others = self._ours_free_in_ms(bucket, room - self._others, now_ms)
        return min(without_others, beside_others)

    def _ours_free_in_ms(self, bucket: InMemoryBucket, room: int, now_ms: int) -> int:
        blocking = bucket.peek(room)  # counted from the newest
        if blocking is None:
            return 0
        return max(0, int(blocking.timestamp) + self.interval_ms + 1 - now_ms)

    def depart(self, tokens: int, is_exit: bool, now_ms: int) -> None:
        _count(self._departed, tokens, now_ms)
        if self.reserved and not is_exit:
            _count(self._ordinary, tokens, now_ms)
        self._in_flight += tokens

    def answer(self, tokens: int, now_ms: int) -> None:
        self._in_flight -= tokens
        _count(self._answered, tokens, now_ms)

    def used(self, now_ms: int) -> int:
        """Tokens in the window that ends now."""
        self._departed.leak(now_ms)
        others = self._others if now_ms < self._others_until_ms else 0
        return int(self._departed.count()) + others

    def empty_in_ms(self, now_ms: int) -> int:
        """Until nothing that has left counts any more."""
        newest = self._departed.peek(0)
        ours = 0 if newest is None else int(newest.timestamp) + self.interval_ms + 1 - now_ms
        return max(0, ours, self._others_until_ms - now_ms if self._others else 0)

    def correct(self, reading: Reading, now_ms: int) -> None:
        """Believe the exchange. What it has counted and we have not was another program's."""
        if reading.tokens is not None and reading.tokens != self.published:
            self._set_size(reading.tokens)
        used = reading.used
        if reading.remaining is not None:
            used = self.published - reading.remaining
        if used is None:
            return
        self._answered.leak(now_ms)
        ours = self._in_flight + int(self._answered.count())
        self._others = max(0, used - ours)
        reset_in_ms = self.interval_ms
        if reading.reset_in_ms is not None:  # of this window: further off is a wrong clock
            reset_in_ms = min(reading.reset_in_ms, self.interval_ms)
        self._others_until_ms = now_ms + reset_in_ms


def _count(bucket: InMemoryBucket, tokens: int, now_ms: int) -> None:
    bucket.leak(now_ms)
    bucket.put(RateItem("", now_ms, weight=tokens))


class Budget:
    """One limit of one exchange, for the address or for one account."""

    def __init__(
        self, name: str, account: str, limit: PublishedLimit, *, serves_exits: bool
    ) -> None:
        self.name = name
        self.account = account  # "" for the address
        self.is_of_account = limit.scope is Scope.ACCOUNT
        self.windows = [BudgetWindow(w, serves_exits=serves_exits) for w in limit.windows]
        self.held_until_s = float("-inf")  # the exchange has refused
        self.is_drawn_on = False
        self.counters = Counters()

    def most_at_once(self, is_exit: bool) -> int:
        return min(window.most_at_once(is_exit) for window in self.windows)

    def wait_ms(self, tokens: int, is_exit: bool, now_ms: int) -> int:
        return max(window.wait_ms(tokens, is_exit, now_ms) for window in self.windows)

    def depart(self, tokens: int, is_exit: bool, now_ms: int) -> None:
        self.is_drawn_on = True
        for window in self.windows:
            window.depart(tokens, is_exit, now_ms)

    def answer(self, tokens: int, now_ms: int) -> None:
        for window in self.windows:
            window.answer(tokens, now_ms)

    def correct(self, reading: Reading, now_ms: int) -> None:
        for window in self.windows:
            if reading.interval_ms in (0, window.published_interval_ms):
                window.correct(reading, now_ms)

    def fullest(self, now_ms: int) -> BudgetWindow:
        return max(self.windows, key=lambda window: window.used(now_ms) / window.allowed)

    @property
    def tightest(self) -> BudgetWindow:
        return min(self.windows, key=lambda window: window.allowed / window.interval_ms)


class Counters:
    """What happened to the requests of a family, or to those whose own limit this is."""

    def __init__(self) -> None:
        self.total = 0
        self.rejected = 0  # by us: asked not to wait
        self.held_back = 0
        self.refused = 0  # by the exchange
        self.waited_s = 0.0

    def grant(self, waited_s: float, was_held_back: bool) -> None:
        self.total += 1
        self.waited_s += waited_s
        self.held_back += was_held_back


class Draw(NamedTuple):
    """How heavily a request draws on a budget."""

    budget: Budget
    weight: int


def own_budget(draws: tuple[Draw, ...]) -> Budget:
    """The limit that is about this kind of request: the account's, else not the whole address's."""
    budgets = [budget for budget, _ in draws]
    return min(budgets, key=lambda budget: (not budget.is_of_account, budget.name == ADDRESS))
