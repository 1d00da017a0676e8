"""Fills: one execution each, booked once by its trade id."""

from __future__ import annotations

import enum
from decimal import Decimal

import msgspec

from core.models.orders import Side


class FillKind(enum.StrEnum):
    TRADE = "trade"
    FUNDING = "funding"


class Fill(msgspec.Struct, frozen=True):
    """One execution. `fee` > 0 is paid, in the quote currency (funding: the amount paid).

    `realized_pnl` is the exchange's own figure for the closed part, before fees; zero where
    nothing was closed. `time_ms` is the exchange's clock.
    """

    trade_id: str
    exchange_order_id: str
    client_order_id: str
    account: str
    bot_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    time_ms: int
    realized_pnl: Decimal = Decimal(0)
    closed_quantity: Decimal = Decimal(0)
    kind: FillKind = FillKind.TRADE
    is_maker: bool = False
    exchange_purpose: str = ""  # "stop_loss" / "take_profit" where the exchange made the order

    @property
    def cash_flow(self) -> Decimal:
        """What this fill changes in the wallet balance, quote currency."""
        return self.realized_pnl - self.fee
