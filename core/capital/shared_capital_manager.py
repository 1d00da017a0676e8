"""One ledger of one account's capital, shared by every bot: nobody spends what another holds."""

from __future__ import annotations

import sqlite3
from datetime import UTC, tzinfo
from decimal import Decimal

from core.clock import Clock
from core.models.fills import Fill
from core.models.orders import Denial, Order, OrderPurpose, OrderRequest
from core.models.positions import Balance, Position
from core.snapshots import CapitalSnapshot


class SharedCapitalManager:
    """Signatures first; filled in next."""

    is_sound: bool
    fault: str

    def __init__(
        self,
        exchange: str,
        initial_capital: Decimal,
        *,
        database: sqlite3.Connection,
        clock: Clock,
        currency: str = "USDT",
        cap_ratio: Decimal = Decimal("0.80"),
        timezone: tzinfo = UTC,
    ) -> None:
        raise NotImplementedError

    def reserve(self, request: OrderRequest) -> Denial | None:
        raise NotImplementedError

    def give_back(self, client_order_id: str) -> None:
        raise NotImplementedError

    def on_fill(self, fill: Fill, purpose: OrderPurpose) -> bool:
        raise NotImplementedError

    def on_order(self, order: Order) -> None:
        raise NotImplementedError

    def on_mark_price(self, symbol: str, price: Decimal) -> None:
        raise NotImplementedError

    def synchronise(self, balance: Balance, positions: list[Position]) -> Decimal:
        raise NotImplementedError

    def snapshot(self) -> CapitalSnapshot:
        raise NotImplementedError
