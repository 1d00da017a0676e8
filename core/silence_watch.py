"""Notices that the orders stream has swallowed something, long before the regular reconciliation.

A stream may be connected and silent. What the exchange has acknowledged and must have ended at
once, a market order, is heard of within a moment; what the fills make and what the position says
agree within a moment. Where they do not, the books are read.
"""

from __future__ import annotations

import msgspec

from core.clock import Clock
from core.models.orders import OrderPurpose, OrderType
from core.oms.order_management_system import OrderManagementSystem
from core.oms.order_state import needs_answer

SILENT_S = 3.0  # real seconds that messages may be late
PAUSE_S = 10.0  # to the next reading for the same thing; each further pause is twice as long


class _Missing(msgspec.Struct):
    due_s: float
    pause_s: float = PAUSE_S


class SilenceWatch:
    """For one account; `look` has to be called about once a second."""

    def __init__(self, account: str, *, oms: OrderManagementSystem, clock: Clock) -> None:
        self._account = account
        self._oms = oms
        self._clock = clock
        self._missing: dict[str, _Missing] = {}

    def look(self) -> bool:
        """True when something has been missing for too long, and the books have to be read."""
        now_s = self._clock.monotonic_s()
        names = self._unended_orders() | self._oms.unclear_symbols(self._account)
        for name in self._missing.keys() - names:
            del self._missing[name]
        for name in names - self._missing.keys():
            self._missing[name] = _Missing(now_s + SILENT_S)
        late = [missing for missing in self._missing.values() if now_s >= missing.due_s]
        for missing in late:
            missing.due_s = now_s + missing.pause_s
            missing.pause_s *= 2
        return bool(late)

    def _unended_orders(self) -> set[str]:
        """Market orders that the exchange has; what is being asked for needs no other question."""
        return {
            order.client_order_id
            for order in self._oms.working_orders(self._account)
            if order.order_type is OrderType.MARKET
            and order.purpose in (OrderPurpose.ENTRY, OrderPurpose.EXIT)
            and not needs_answer(order)
        }
