"""Orders: the wish (`OrderRequest`), and the newest known state of it (`Order`).

Three words that are never mixed (rule 2): *denied* is our own no, *rejected* is the exchange's
definite no, *unknown* means nobody knows yet.
"""

from __future__ import annotations

import enum
from decimal import Decimal

import msgspec


class Side(enum.StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1


class OrderType(enum.StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP_MARKET = "stop_market"


class TimeInForce(enum.StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    POST_ONLY = "post_only"


class OrderPurpose(enum.StrEnum):
    """Why the order exists: entries may be refused by capital and risk, exits may not."""

    ENTRY = "entry"
    EXIT = "exit"
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    EXTERNAL = "external"


class OrderStatus(enum.StrEnum):
    INTENT = "intent"  # on disk, not sent
    SENT = "sent"  # request left, no answer yet
    ACKNOWLEDGED = "acknowledged"  # working at the exchange
    PARTLY_FILLED = "partly_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    DENIED = "denied"  # by us, nothing was sent
    REJECTED = "rejected"  # by the exchange, definite
    UNKNOWN = "unknown"  # a time-out, a 5xx, a lost connection: being asked for

    @property
    def is_terminal(self) -> bool:
        return self in _TERMINAL


_TERMINAL = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.DENIED, OrderStatus.REJECTED}
)


class OrderRequest(msgspec.Struct, frozen=True):
    """The intent, whole: what is journalled before the request leaves (rule 1).

    `reference_price` is the price the size was computed from; notional and risk checks use it
    for market orders. `stop_loss` and `take_profit` are prices that the exchange attaches to the
    position at the fill. `created_ms` is market time. `reason` is what the trader reads, `sizing`
    how the quantity came about, in figures.
    """

    client_order_id: str
    account: str
    bot_id: str
    strategy: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    reference_price: Decimal
    purpose: OrderPurpose
    created_ms: int
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    reason: str = ""
    sizing: str = ""

    @property
    def notional(self) -> Decimal:
        """Quantity x limit price, or x reference price for a market order; quote currency."""
        return self.quantity * (self.price if self.price is not None else self.reference_price)

    @property
    def increases_risk(self) -> bool:
        return self.purpose is OrderPurpose.ENTRY and not self.reduce_only


class Denial(msgspec.Struct, frozen=True):
    """Our own no, with the rule's name and the numbers in the sentence. Nothing was sent."""

    code: str  # e.g. capital_cap, daily_loss, position_size
    text: str  # "position 20.7 % is above 20 %"


class Order(msgspec.Struct, frozen=True):
    """Newest known state of one order. `fee` is summed over fills, in the quote currency.

    Orders that the exchange made for us (a stop loss attached to a position) have no
    client id of ours: `client_order_id` is empty and `exchange_order_id` names them.
    """

    client_order_id: str
    exchange_order_id: str
    account: str
    bot_id: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    status: OrderStatus
    purpose: OrderPurpose
    created_ms: int
    updated_ms: int
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    filled_quantity: Decimal = Decimal(0)
    average_price: Decimal | None = None
    fee: Decimal = Decimal(0)
    reduce_only: bool = False
    reason: str = ""
    reject_code: str = ""
