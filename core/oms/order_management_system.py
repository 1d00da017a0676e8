"""The only part that talks to an exchange about orders."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence

from core.clock import Clock
from core.event_bus import EventBus
from core.exchange_port import TradingPort
from core.models.fills import Fill
from core.models.orders import Denial, Order, OrderPurpose, OrderRequest
from core.oms.state_manager import StateManager
from core.supervision import Supervisor


class OrderManagementSystem:
    def __init__(
        self,
        *,
        bus: EventBus,
        clock: Clock,
        database: sqlite3.Connection,
        ports: Mapping[str, TradingPort],
        supervisor: Supervisor,
        state: StateManager,
        owner_of: Callable[[str, str], str],
        on_external: Callable[[str, str, str], None],
        rng: random.Random,
        sleep: Callable[[float], Awaitable[None]] = ...,  # type: ignore[assignment]
        absence_proof_s: float = 20.0,
    ) -> None:
        """`owner_of(account, symbol)` -> bot id ("" if none); `on_external(account, symbol, text)`
        is told of every order or fill that no bot of ours explains."""
        raise NotImplementedError

    def accept(self, request: OrderRequest) -> None: ...
    def submit(self, request: OrderRequest, checks: Sequence[str] = ()) -> None: ...
    def deny(self, request: OrderRequest, denial: Denial, checks: Sequence[str] = ()) -> None: ...
    async def cancel(
        self, account: str, symbol: str, client_order_id: str, exchange_order_id: str
    ) -> None: ...
    def on_order(self, order: Order) -> None: ...
    def on_fill(self, fill: Fill) -> None: ...
    def order(self, client_order_id: str) -> Order | None: ...
    def working_orders(self, account: str | None = None) -> list[Order]: ...
    def orders_of(self, bot_id: str, limit: int = 200) -> list[Order]: ...
    def purpose_of(self, fill: Fill) -> OrderPurpose: ...
    def is_protected(self, account: str, symbol: str) -> bool: ...
    async def resolve_unknown(self, account: str) -> None: ...
