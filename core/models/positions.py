"""Positions and balances, as the exchange reports them (its truth wins for quantities)."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core.models.orders import Side


class Position(msgspec.Struct, frozen=True):
    """One-way position. `quantity` >= 0 in base; 0 is flat, and then `side` means nothing."""

    account: str
    symbol: str
    side: Side
    quantity: Decimal
    entry_price: Decimal
    updated_ms: int
    mark_price: Decimal | None = None
    unrealized_pnl: Decimal = Decimal(0)
    leverage: Decimal = Decimal(1)
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    liquidation_price: Decimal | None = None

    @property
    def is_flat(self) -> bool:
        return self.quantity == 0

    @property
    def signed_quantity(self) -> Decimal:
        return self.quantity * self.side.sign

    @property
    def entry_notional(self) -> Decimal:
        return self.quantity * self.entry_price


class Balance(msgspec.Struct, frozen=True):
    """One currency of one account. `wallet_balance` holds realised results only."""

    account: str
    currency: str
    wallet_balance: Decimal
    available_balance: Decimal
    equity: Decimal
    updated_ms: int


class AcceptedPosition(msgspec.Struct, frozen=True):
    """A position taken as the exchange shows it, though the fills do not explain it: on the
    trader's word, or because the difference is less than can be traded (`is_dust`). `quantity` is
    signed, base; `time_ms` is market time."""

    account: str
    symbol: str
    bot_id: str  # whose it is from now on
    quantity: Decimal
    time_ms: int
    is_dust: bool = False
