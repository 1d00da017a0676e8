"""The conditions that a trader wants to hear of at night (spec M9), each told once when it begins.

A condition is over when it has not held for a minute; only then can it begin anew. So one that
flickers is one message.
"""

from __future__ import annotations

from collections import deque

import msgspec

from core.clock import Clock

SILENT_S = 30.0
MOST_RECONNECTS, RECONNECTS_WITHIN_S = 3, 600.0
MOST_FAILED_RATIO, FAILURES_WITHIN_S, FEWEST_ORDERS = 0.05, 3_600.0, 20
MOST_DAILY_LOSS = 0.03
MOST_LOAD, LOADED_FOR_S = 0.80, 60.0
OVER_AFTER_S = 60.0


class MachineLoad(msgspec.Struct, frozen=True):
    """Shares in use of the machine's processors, memory, and of the disk with our data."""

    cpu: float
    memory: float
    disk: float


class HealthFacts(msgspec.Struct, frozen=True):
    """`silent_s` by exchange: real seconds since its last message; `reconnects` by exchange since
    the start; `daily_loss` by account, a share of the day's first equity."""

    silent_s: dict[str, float] = {}
    reconnects: dict[str, int] = {}
    daily_loss: dict[str, float] = {}
    machine: MachineLoad | None = None


class HealthWatch:
    """`look` every few seconds; `on_order` for each order that was sent."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held_s: dict[str, float] = {}  # conditions that were told: when they last held
        self._loaded_since_s: dict[str, float] = {}
        self._reconnects: dict[str, deque[tuple[float, int]]] = {}
        self._orders: deque[tuple[float, bool]] = deque()

    def on_order(self, *, failed: bool) -> None:
        self._orders.append((self._clock.monotonic_s(), failed))

    def look(self, facts: HealthFacts) -> list[str]:
        """Sentences about what has begun since the last look."""
        now_s = self._clock.monotonic_s()
        holding = self._holding(facts, now_s)
        fresh = [text for name, text in holding.items() if name not in self._held_s]
        for name in holding:
            self._held_s[name] = now_s
        for name, held_s in list(self._held_s.items()):
            if now_s - held_s >= OVER_AFTER_S:
                del self._held_s[name]
        return fresh

    def _holding(self, facts: HealthFacts, now_s: float) -> dict[str, str]:
        found: dict[str, str] = {}
        for exchange, silent_s in facts.silent_s.items():
            if silent_s >= SILENT_S:
                found[f"silent {exchange}"] = f"{exchange}: nothing has come for {silent_s:.0f} s."
        for exchange, count in facts.reconnects.items():
            recent = self._recent_reconnects(exchange, count, now_s)
            if recent > MOST_RECONNECTS:
                found[f"reconnects {exchange}"] = (
                    f"{exchange}: connected anew {recent} times within 10 minutes."
                )
        for account, loss in facts.daily_loss.items():
            if loss > MOST_DAILY_LOSS:
                found[f"loss {account}"] = f"{account}: today's loss is {loss:.1%}."
        found |= self._failing_orders(now_s)
        return found | self._load(facts.machine, now_s)

    def _recent_reconnects(self, exchange: str, count: int, now_s: float) -> int:
        seen = self._reconnects.setdefault(exchange, deque([(now_s, count)]))
        if seen[-1][1] != count:
            seen.append((now_s, count))
        while len(seen) > 1 and now_s - seen[1][0] >= RECONNECTS_WITHIN_S:
            seen.popleft()
        return count - seen[0][1]

    def _failing_orders(self, now_s: float) -> dict[str, str]:
        while self._orders and now_s - self._orders[0][0] > FAILURES_WITHIN_S:
            self._orders.popleft()
        sent, failed = len(self._orders), sum(failed for _, failed in self._orders)
        if sent < FEWEST_ORDERS or failed / sent <= MOST_FAILED_RATIO:
            return {}
        return {"orders": f"{failed} of {sent} orders failed within an hour."}

    def _load(self, machine: MachineLoad | None, now_s: float) -> dict[str, str]:
        """A moment of work is no condition: processors and memory have to stay in use."""
        if machine is None:
            return {}
        found = {}
        for name, share, lasting_s in (
            ("processor", machine.cpu, LOADED_FOR_S),
            ("memory", machine.memory, LOADED_FOR_S),
            ("disk", machine.disk, 0.0),
        ):
            if share <= MOST_LOAD:
                self._loaded_since_s.pop(name, None)
            elif now_s - self._loaded_since_s.setdefault(name, now_s) >= lasting_s:
                found[name] = f"The {name} is in use to {share:.0%}."
        return found
