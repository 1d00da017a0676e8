"""What the simulated exchange says: its orders, executions, positions, wallet, events, refusals.

They extend the core's models by what only an exchange knows (why an order was cancelled, what an
order asked for when it filled), so that any exchange's wire format can be filled from them. All
are immutable: a change makes a new value, so an event never changes after it was sent.
"""

from __future__ import annotations

import enum
from decimal import Context, Decimal
from typing import Generic, TypeVar

import msgspec

from core.models.candles import Ticker
from core.models.fills import Fill
from core.models.orders import Order, OrderPurpose, OrderStatus, OrderType, Side, TimeInForce
from core.models.positions import Balance, Position
from exchanges.simulated.market import TickBlock

T = TypeVar("T")
_TWELVE_DIGITS = Context(prec=12)


class RejectReason(enum.StrEnum):
    """Why a request changed nothing. The wire maps each to its exchange's code."""

    UNKNOWN_SYMBOL = "unknown_symbol"
    BAD_PARAMETER = "bad_parameter"
    DUPLICATE_CLIENT_ID = "duplicate_client_id"
    ORDER_NOT_FOUND = "order_not_found"  # never existed, or already final
    ORDER_NOT_MODIFIED = "order_not_modified"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    PRICE_NOT_ON_TICK = "price_not_on_tick"
    PRICE_OUT_OF_RANGE = "price_out_of_range"
    QUANTITY_NOT_ON_STEP = "quantity_not_on_step"
    QUANTITY_TOO_SMALL = "quantity_too_small"
    QUANTITY_TOO_LARGE = "quantity_too_large"
    NOTIONAL_TOO_SMALL = "notional_too_small"
    REDUCE_ONLY_WOULD_INCREASE = "reduce_only_would_increase"
    REDUCE_ONLY_TAKEN = "reduce_only_taken"  # other reduce-only orders hold the position
    TRIGGER_NOT_ABOVE_LAST = "trigger_not_above_last"  # a rising trigger at or below last price
    TRIGGER_NOT_BELOW_LAST = "trigger_not_below_last"
    STOP_LOSS_WRONG_SIDE = "stop_loss_wrong_side"
    TAKE_PROFIT_WRONG_SIDE = "take_profit_wrong_side"
    NO_POSITION = "no_position"  # protection asked for a flat symbol
    PROTECTION_NOT_MODIFIED = "protection_not_modified"
    LEVERAGE_OUT_OF_RANGE = "leverage_out_of_range"
    LEVERAGE_NOT_MODIFIED = "leverage_not_modified"
    TOO_MANY_ORDERS = "too_many_orders"


class VenueReject(Exception):
    """A definite no: nothing happened. `text` is one sentence."""

    def __init__(self, reason: RejectReason, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text


class VenueOrderStatus(enum.StrEnum):
    UNTRIGGERED = "untriggered"  # a conditional order that waits for its trigger price
    NEW = "new"
    PARTLY_FILLED = "partly_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"  # incl. partly filled, then cancelled
    DEACTIVATED = "deactivated"  # a conditional order that ended before its trigger

    @property
    def is_final(self) -> bool:
        return self in _FINAL


_FINAL = frozenset(
    {VenueOrderStatus.FILLED, VenueOrderStatus.CANCELLED, VenueOrderStatus.DEACTIVATED}
)
_CORE_STATUS = {
    VenueOrderStatus.UNTRIGGERED: OrderStatus.ACKNOWLEDGED,
    VenueOrderStatus.NEW: OrderStatus.ACKNOWLEDGED,
    VenueOrderStatus.PARTLY_FILLED: OrderStatus.PARTLY_FILLED,
    VenueOrderStatus.FILLED: OrderStatus.FILLED,
    VenueOrderStatus.CANCELLED: OrderStatus.CANCELLED,
    VenueOrderStatus.DEACTIVATED: OrderStatus.CANCELLED,
}


class StopType(enum.StrEnum):
    """What a conditional order is for: the trader's own stop, or a position's protection."""

    NONE = ""
    STOP = "stop"
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"


class TriggerDirection(enum.IntEnum):
    NONE = 0
    RISING = 1  # fires when the last price is at or above the trigger
    FALLING = 2


class CreateType(enum.StrEnum):
    USER = "user"
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    LIQUIDATION = "liquidation"


class CancelReason(enum.StrEnum):
    NONE = ""
    BY_USER = "by_user"
    IOC_REMAINDER = "ioc_remainder"  # nothing (more) to fill at once: market, IOC
    FOK_NOT_FILLABLE = "fok_not_fillable"
    POST_ONLY_WOULD_TAKE = "post_only_would_take"
    REDUCE_ONLY = "reduce_only"  # nothing left to reduce
    POSITION_CLOSED = "position_closed"  # protection of a position that is gone
    SELF_TRADE = "self_trade"
    LIQUIDATION = "liquidation"


class PlaceOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A request. With `trigger_price` it is conditional: it rests unseen until the last price
    reaches it in `trigger_direction`, then acts as MARKET or LIMIT. `stop_loss`/`take_profit`
    are prices for the position, set when the order fills."""

    symbol: str
    side: Side
    order_type: OrderType  # MARKET or LIMIT
    quantity: Decimal
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    client_order_id: str = ""
    reduce_only: bool = False
    trigger_price: Decimal | None = None
    trigger_direction: TriggerDirection = TriggerDirection.NONE
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None


class VenueOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Newest state of one order. `sequence` grows with every change at the venue; `priority` is
    the one at which the order took its place in the queue.

    `filled_value` is the sum of price x quantity over fills; `fee` likewise, quote currency.
    """

    sequence: int
    priority: int
    order_id: str
    client_order_id: str
    account: str
    symbol: str
    side: Side
    order_type: OrderType  # MARKET or LIMIT
    quantity: Decimal
    status: VenueOrderStatus
    created_ms: int
    updated_ms: int
    last_price_on_created: Decimal
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    stop_type: StopType = StopType.NONE
    trigger_price: Decimal | None = None
    trigger_direction: TriggerDirection = TriggerDirection.NONE
    is_triggered: bool = False
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    filled_quantity: Decimal = Decimal(0)
    filled_value: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    create_type: CreateType = CreateType.USER
    cancel_reason: CancelReason = CancelReason.NONE

    @property
    def is_open(self) -> bool:
        return not self.status.is_final

    @property
    def leaves_quantity(self) -> Decimal:
        """What still works; zero for a final order."""
        return self.quantity - self.filled_quantity if self.is_open else Decimal(0)

    @property
    def average_price(self) -> Decimal | None:
        """Mean fill price to twelve digits; None before the first fill."""
        if not self.filled_quantity:
            return None
        return _TWELVE_DIGITS.divide(self.filled_value, self.filled_quantity)

    @property
    def is_protection(self) -> bool:
        """One of the (at most two) orders the exchange keeps for a position."""
        return self.create_type in (CreateType.STOP_LOSS, CreateType.TAKE_PROFIT)

    def to_order(self, account: str, bot_id: str = "") -> Order:
        """The same in the core's words, for an adapter that runs the venue in process."""
        order_type = self.order_type
        if self.trigger_price is not None and order_type is OrderType.MARKET:
            order_type = OrderType.STOP_MARKET
        purpose = OrderPurpose.EXIT if self.reduce_only else OrderPurpose.ENTRY
        if self.create_type is CreateType.STOP_LOSS:
            purpose = OrderPurpose.STOP_LOSS
        elif self.create_type is CreateType.TAKE_PROFIT:
            purpose = OrderPurpose.TAKE_PROFIT
        elif self.create_type is CreateType.LIQUIDATION:
            purpose = OrderPurpose.EXTERNAL
        return Order(
            client_order_id=self.client_order_id,
            exchange_order_id=self.order_id,
            account=account,
            bot_id=bot_id,
            symbol=self.symbol,
            side=self.side,
            order_type=order_type,
            quantity=self.quantity,
            status=_CORE_STATUS[self.status],
            purpose=purpose,
            created_ms=self.created_ms,
            updated_ms=self.updated_ms,
            price=self.price,
            trigger_price=self.trigger_price,
            filled_quantity=self.filled_quantity,
            average_price=self.average_price,
            fee=self.fee,
            reduce_only=self.reduce_only,
            reason=self.cancel_reason.value,
        )


class Execution(Fill, frozen=True, kw_only=True):
    """A fill with what the order was at that moment. `account` is the venue's account name.

    `leaves_quantity` is what the order still worked after this fill. `closed_entry_value` is the
    entry cost of the closed part, so mean entry price = closed_entry_value / closed_quantity.
    """

    sequence: int
    order_price: Decimal | None
    order_quantity: Decimal
    leaves_quantity: Decimal
    order_type: OrderType
    fee_rate: Decimal
    mark_price: Decimal
    stop_type: StopType = StopType.NONE
    create_type: CreateType = CreateType.USER
    closed_entry_value: Decimal = Decimal(0)

    @property
    def value(self) -> Decimal:
        """Price x quantity, quote currency."""
        return self.price * self.quantity

    @property
    def is_liquidation(self) -> bool:
        return self.create_type is CreateType.LIQUIDATION


class VenuePosition(Position, frozen=True, kw_only=True):
    """`realized_pnl` is of the open position, `total_realized_pnl` of the symbol since ever;
    both after fees and funding. Margins in quote currency."""

    sequence: int
    created_ms: int
    value: Decimal = Decimal(0)
    initial_margin: Decimal = Decimal(0)
    maintenance_margin: Decimal = Decimal(0)
    realized_pnl: Decimal = Decimal(0)
    total_realized_pnl: Decimal = Decimal(0)


class Wallet(Balance, frozen=True, kw_only=True):
    """`wallet_balance` = deposits + sum of (realized_pnl - fee) over executions, exactly."""

    unrealized_pnl: Decimal = Decimal(0)
    position_margin: Decimal = Decimal(0)
    order_margin: Decimal = Decimal(0)
    maintenance_margin: Decimal = Decimal(0)
    total_realized_pnl: Decimal = Decimal(0)


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Newest first. `next_cursor` is empty on the last page."""

    items: list[T]
    next_cursor: str


class VenueTicker(Ticker, frozen=True, kw_only=True):
    """Every field of `Ticker` is filled. Volumes in base, turnover in quote, over 24 h."""

    bid_size: Decimal
    ask_size: Decimal
    volume_24h: Decimal
    price_24h_ago: Decimal
    price_1h_ago: Decimal
    next_funding_ms: int
    open_interest: Decimal


class OrderChanged(msgspec.Struct, frozen=True):
    order: VenueOrder


class Executed(msgspec.Struct, frozen=True):
    execution: Execution


class PositionChanged(msgspec.Struct, frozen=True):
    position: VenuePosition


class WalletChanged(msgspec.Struct, frozen=True):
    wallet: Wallet


class Traded(msgspec.Struct, frozen=True):
    """Public trades of a watched symbol since the last `Venue.advance`, oldest first."""

    symbol: str
    ticks: TickBlock


# Private events carry their account's name in the value they hold.
VenueEvent = OrderChanged | Executed | PositionChanged | WalletChanged | Traded
