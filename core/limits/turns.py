"""Whose turn it is: requests that wait, and those that are on their way.

Classes go in order, owners within a class take turns, an owner's own requests go as they were
asked. A request that cannot go claims the windows that hold it, so that lighter ones behind it do
not use them up for ever. Every tenth turn belongs to whoever has waited longest, cancels and
exits aside: these are few and nobody goes before them, so all others get through in the end too.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import NamedTuple

from core.limits.priority import Priority
from core.limits.published_limits import Family
from core.limits.windows import Budget, BudgetWindow, Counters, Draw, own_budget

STRAGGLERS_TURN = 10


class Ask(NamedTuple):
    """What a request needs to leave."""

    family: Family
    account: str
    priority: Priority
    owner: str
    draws: tuple[Draw, ...]
    counters: Counters  # of its family

    @property
    def is_exit(self) -> bool:
        return self.priority is Priority.EXIT

    @property
    def own(self) -> Budget:
        return own_budget(self.draws)

    def windows(self) -> Iterator[tuple[BudgetWindow, int]]:
        for budget, weight in self.draws:
            for window in budget.windows:
                yield window, weight


class Turn:
    """A request that may leave: use as `with`, around sending it and reading the answer.

    Until its end it may arrive at any moment, so it counts against the exchange's window. End it
    from any thread; a second end does nothing.
    """

    __slots__ = ("_ask", "_end", "departed_ms", "is_ended")

    def __init__(self, ask: Ask, departed_ms: int, end: Callable[[Turn], None]) -> None:
        self._ask = ask
        self._end = end
        self.departed_ms = departed_ms
        self.is_ended = False

    def end(self) -> None:
        """The answer is here, or nobody waits for it any more."""
        self._end(self)

    def count_answer(self, now_ms: int) -> None:
        """For the limiter, under its lock."""
        self.is_ended = True
        for budget, weight in self._ask.draws:
            budget.answer(weight, now_ms)

    def __enter__(self) -> Turn:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()


class Waiter:
    __slots__ = ("ask", "asked_s", "future", "is_waiting")

    def __init__(self, ask: Ask, asked_s: float, future: asyncio.Future[Turn]) -> None:
        self.ask = ask
        self.asked_s = asked_s
        self.future = future
        self.is_waiting = True


_Lane = tuple[str, Family]  # account and family: what these need is the same but for its weight


class _Class:
    """The waiting requests of one priority: by owner, then by lane."""

    def __init__(self) -> None:
        self.owners: OrderedDict[str, dict[_Lane, deque[Waiter]]] = OrderedDict()

    def add(self, waiter: Waiter) -> None:
        lane = (waiter.ask.account, waiter.ask.family)
        lanes = self.owners.setdefault(waiter.ask.owner, {})
        lanes.setdefault(lane, deque()).append(waiter)

    def remove(self, waiter: Waiter) -> None:
        lane = (waiter.ask.account, waiter.ask.family)
        lanes = self.owners[waiter.ask.owner]
        lanes[lane].remove(waiter)
        if not lanes[lane]:
            del lanes[lane]
        if not lanes:
            del self.owners[waiter.ask.owner]

    def heads(self) -> Iterator[Waiter]:
        for lanes in self.owners.values():
            for line in lanes.values():
                yield line[0]

    def next_of(self, owner: str, may_go: Callable[[Ask], bool]) -> Waiter | None:
        for line in self.owners.get(owner, {}).values():
            if may_go(line[0].ask):
                return line[0]
        return None

    def had_its_turn(self, owner: str) -> None:
        if owner in self.owners:
            self.owners.move_to_end(owner)


class Look(NamedTuple):
    """How a request stands: it may leave after `wait_ms`; `blocking` are the windows that are too
    full for it (none where the exchange itself has told it to wait)."""

    wait_ms: int
    blocking: tuple[BudgetWindow, ...]


class WaitingRoom:
    """Decides who goes; the limiter says how each stands and lets them go."""

    def __init__(self) -> None:
        self._classes = {priority: _Class() for priority in Priority}
        self._turns_since_straggler = 0

    @property
    def is_empty(self) -> bool:
        return not any(waiting.owners for waiting in self._classes.values())

    def add(self, waiter: Waiter) -> None:
        self._classes[waiter.ask.priority].add(waiter)

    def remove(self, waiter: Waiter) -> None:
        """Of one that waits."""
        self._classes[waiter.ask.priority].remove(waiter)
        waiter.is_waiting = False

    def waiters(self) -> Iterator[Waiter]:
        for one in self._classes.values():
            for lanes in one.owners.values():
                for line in lanes.values():
                    yield from line

    def call_up(self, look: Callable[[Ask], Look], let_go: Callable[[Waiter], None]) -> int | None:
        """Let everybody go whose turn it is. Returns after how many ms to call again; None:
        nobody waits."""
        calling = _Calling(look)

        def go(waiter: Waiter) -> None:
            self.remove(waiter)
            self._classes[waiter.ask.priority].had_its_turn(waiter.ask.owner)
            self._turns_since_straggler += 1
            let_go(waiter)

        for priority, waiting in self._classes.items():
            if priority is Priority.ORDER and self._is_stragglers_turn:
                straggler = self._straggler(calling)
                if straggler is not None:
                    go(straggler)
                    self._turns_since_straggler = 0
            is_moving = True
            while is_moving:
                is_moving = False
                for owner in [*waiting.owners]:
                    if (waiter := waiting.next_of(owner, calling.may_go)) is not None:
                        go(waiter)
                        is_moving = True
        return calling.soonest_ms

    @property
    def _is_stragglers_turn(self) -> bool:
        return self._turns_since_straggler >= STRAGGLERS_TURN - 1

    def _straggler(self, calling: _Calling) -> Waiter | None:
        """Who has waited longest, if it may go now; else what it needs is kept for it. One that
        the exchange itself holds is passed over: nobody can help it."""
        heads = [
            head
            for priority, waiting in self._classes.items()
            if priority is not Priority.EXIT
            for head in waiting.heads()
        ]
        for head in sorted(heads, key=lambda waiter: waiter.asked_s):
            if calling.may_go(head.ask):
                return head
            if calling.is_claiming(head.ask):
                return None
        return None

    def may_pass(self, ask: Ask, look: Callable[[Ask], Look]) -> bool:
        """Whether a request that does not queue may leave now without what somebody ahead of it
        waits for."""
        calling = _Calling(look)
        if self._is_stragglers_turn and ask.priority is not Priority.EXIT:
            self._straggler(calling)
        for priority, waiting in self._classes.items():
            if priority <= ask.priority:
                for head in waiting.heads():
                    calling.may_go(head.ask)
        return calling.may_go(ask)


class _Calling:
    """What is known during one call: nothing frees itself while it lasts."""

    def __init__(self, look: Callable[[Ask], Look]) -> None:
        self._look = look
        self._claimed: set[BudgetWindow] = set()  # kept for somebody ahead
        self._stuck: dict[_Lane, bool] = {}  # lanes whose head cannot go; True: it claims
        self.soonest_ms: int | None = None

    def may_go(self, ask: Ask) -> bool:
        lane = (ask.account, ask.family)
        if lane in self._stuck:
            return False
        if any(window in self._claimed for window, _ in ask.windows()):
            return False
        look = self._look(ask)
        if look.wait_ms <= 0:
            return True
        self._stuck[lane] = bool(look.blocking)
        self._claimed.update(look.blocking)
        known = self.soonest_ms
        self.soonest_ms = look.wait_ms if known is None else min(known, look.wait_ms)
        return False

    def is_claiming(self, ask: Ask) -> bool:
        return self._stuck.get((ask.account, ask.family), True)
