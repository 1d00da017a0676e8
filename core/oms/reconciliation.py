"""Brings our books and the exchange's together; start and crash recovery are this same code."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from core.clock import Clock
from core.exchange_port import TradingPort
from core.models.orders import Order
from core.models.positions import Balance, Position
from core.oms.order_management_system import OrderManagementSystem
from core.oms.state_manager import StateManager


class ReconcileReport(msgspec.Struct, frozen=True):
    account: str
    as_of_ms: int
    balance: Balance
    positions: list[Position]
    open_orders: list[Order]
    fills_booked: int  # that the stream had not brought
    unresolved: list[Order]  # ours, still being asked for in the background
    external: dict[str, str]  # symbol -> one sentence


class Reconciler:
    def __init__(
        self,
        *,
        oms: OrderManagementSystem,
        state: StateManager,
        ports: Mapping[str, TradingPort],
        clock: Clock,
    ) -> None: ...

    async def reconcile(self, account: str) -> ReconcileReport:
        """Raises Unavailable (and changes nothing) when the exchange cannot be read."""
        raise NotImplementedError

    def accept_position(self, account: str, symbol: str) -> None:
        """The trader has seen an EXTERNAL position and takes it over as it stands."""
