"""Trades of the whole market, as an exchange publishes them (our own are `fills`)."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core.models.orders import Side


class PublicTrade(msgspec.Struct, frozen=True):
    """`side` is the taker's. `quantity` in the base currency, `time_ms` the exchange's clock."""

    exchange: str
    symbol: str
    trade_id: str
    price: Decimal
    quantity: Decimal
    side: Side
    time_ms: int
