"""The one road for an order: reserve capital, check risk, journal, send."""

from __future__ import annotations

from core.clock import Clock
from core.event_bus import EventBus
from core.oms.order_management_system import OrderManagementSystem


class OrderGate:
    """Subscribes OrderRequest, Fill and Order."""

    def __init__(
        self,
        *,
        bus: EventBus,
        capital: object,
        risk: object,
        oms: OrderManagementSystem,
        clock: Clock,
    ) -> None: ...

    def settle(self) -> None:
        """Once at start, before the first reconcile: gives capital what a crash kept from it."""
