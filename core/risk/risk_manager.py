"""The last gate of every order (spec M4)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from decimal import Decimal

import msgspec

from core.capital.shared_capital_manager import SharedCapitalManager
from core.clock import Clock
from core.event_bus import EventBus
from core.models.orders import Denial, OrderRequest
from core.snapshots import RiskSnapshot


class ResumeRefused(Exception):
    """Trading cannot be resumed yet; the text says until when."""


class RiskLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    max_daily_loss: Decimal = Decimal("0.03")
    max_position_share: Decimal = Decimal("0.20")
    max_order_multiple: Decimal = Decimal(10)
    max_orders_per_minute: int = 10
    max_drawdown: Decimal = Decimal("0.15")


class RiskManager:
    """Signatures first; filled in next."""

    def __init__(
        self,
        *,
        bus: EventBus,
        clock: Clock,
        capital: SharedCapitalManager,
        database: sqlite3.Connection,
        limits: RiskLimits,
        on_liquidate: Callable[[str], None],
        on_kill: Callable[[str], None],
    ) -> None:
        raise NotImplementedError

    def check(self, request: OrderRequest) -> Denial | None:
        raise NotImplementedError

    def trip(self, reason: str) -> None:
        raise NotImplementedError

    def resume(self) -> None:
        """Raises ResumeRefused with a sentence."""
        raise NotImplementedError

    def evaluate(self) -> None:
        raise NotImplementedError

    def record_kill_answer(self, text: str) -> None:
        """ "Bybit: 3 of 3 cancelled": shown beside the kill switch."""
        raise NotImplementedError

    def snapshot(self) -> RiskSnapshot:
        raise NotImplementedError
