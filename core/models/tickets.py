"""What a person writes into the order form, and what it would come to."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core.models.orders import OrderType, Side, TimeInForce


class OrderTicket(msgspec.Struct, frozen=True):
    """`quantity` in base; `price` is the limit, or the trigger of a stop order, None for a market
    order. `ticket_id` is new for each form that is filled, `created_ms` its market time: the same
    ticket sent twice is one order."""

    ticket_id: str
    created_ms: int
    account: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None


class OrderPreview(msgspec.Struct, frozen=True):
    """Money in the quote currency. `quantity` and `price` are rounded to what the exchange takes.
    `fee` is the most it can be (taker). `liquidation_price` is about, None where there is none.
    `risk` is lost at the stop, `risk_ratio` of the equity; `refusal` is why it may not leave now,
    "" when it may."""

    quantity: Decimal
    price: Decimal
    value: Decimal
    margin: Decimal
    fee: Decimal
    liquidation_price: Decimal | None
    available: Decimal
    risk: Decimal | None
    risk_ratio: Decimal | None
    reward_to_risk: Decimal | None
    refusal: str
    refusal_code: str
