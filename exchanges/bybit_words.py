"""Bybit's words and ours side by side: small tables, and how its numbers become exact.

Numbers arrive as strings; an empty one means "not said". What is not what it claims to be raises
`msgspec.ValidationError`, like every other fault of a message's form.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core.models.candles import Timeframe
from core.models.orders import OrderPurpose, OrderStatus, Side, TimeInForce
from exchanges.numbers import decimal_or_none

EXCHANGE = "bybit"
CATEGORY = "linear"
SETTLE_COIN = "USDT"

INTERVAL_OF = {
    Timeframe.M1: "1",
    Timeframe.M3: "3",
    Timeframe.M5: "5",
    Timeframe.M15: "15",
    Timeframe.M30: "30",
    Timeframe.H1: "60",
    Timeframe.H2: "120",
    Timeframe.H4: "240",
    Timeframe.H6: "360",
    Timeframe.H12: "720",
    Timeframe.D1: "D",
    Timeframe.W1: "W",
    Timeframe.MONTH: "M",
}
SIDE_OF = {Side.BUY: "Buy", Side.SELL: "Sell"}
TIME_IN_FORCE_OF = {
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
    TimeInForce.POST_ONLY: "PostOnly",
}

_SIDES = {word: side for side, word in SIDE_OF.items()}
STATUSES = {
    "Created": OrderStatus.ACKNOWLEDGED,
    "New": OrderStatus.ACKNOWLEDGED,
    "Untriggered": OrderStatus.ACKNOWLEDGED,
    "Triggered": OrderStatus.ACKNOWLEDGED,
    "PartiallyFilled": OrderStatus.PARTLY_FILLED,
    "Filled": OrderStatus.FILLED,
    "Cancelled": OrderStatus.CANCELLED,
    "PartiallyFilledCanceled": OrderStatus.CANCELLED,
    "Deactivated": OrderStatus.CANCELLED,
    "Rejected": OrderStatus.REJECTED,
}
PROTECTION = {
    "StopLoss": OrderPurpose.STOP_LOSS,
    "PartialStopLoss": OrderPurpose.STOP_LOSS,
    "TrailingStop": OrderPurpose.STOP_LOSS,
    "TakeProfit": OrderPurpose.TAKE_PROFIT,
    "PartialTakeProfit": OrderPurpose.TAKE_PROFIT,
}
NO_REASON = frozenset({"", "EC_NoError", "UNKNOWN"})


def price_or_none(text: str) -> Decimal | None:
    """Bybit writes "no price" as "", "0" or "0.00"."""
    value = decimal_or_none(text)
    return value if value else None


def side_of(word: str) -> Side:
    try:
        return _SIDES[word]
    except KeyError:
        raise msgspec.ValidationError(f"Expected Buy or Sell, got {word!r}") from None
