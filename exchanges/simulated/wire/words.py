"""Our words and Bybit's side by side, and numbers as Bybit writes them: strings, no exponent."""

from __future__ import annotations

from decimal import Decimal

from core.models.candles import Timeframe
from core.models.orders import OrderType, Side, TimeInForce
from exchanges.simulated.values import CancelReason, CreateType, StopType, VenueOrderStatus

TIMEFRAMES = {
    "1": Timeframe.M1,
    "3": Timeframe.M3,
    "5": Timeframe.M5,
    "15": Timeframe.M15,
    "30": Timeframe.M30,
    "60": Timeframe.H1,
    "120": Timeframe.H2,
    "240": Timeframe.H4,
    "360": Timeframe.H6,
    "720": Timeframe.H12,
    "D": Timeframe.D1,
    "W": Timeframe.W1,
    "M": Timeframe.MONTH,
}
SIDES = {Side.BUY: "Buy", Side.SELL: "Sell"}
SIDE_OF = {word: side for side, word in SIDES.items()}
ORDER_TYPES = {OrderType.MARKET: "Market", OrderType.LIMIT: "Limit"}
ORDER_TYPE_OF = {word: kind for kind, word in ORDER_TYPES.items()}
TIMES_IN_FORCE = {
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
    TimeInForce.POST_ONLY: "PostOnly",
}
TIME_IN_FORCE_OF = {word: tif for tif, word in TIMES_IN_FORCE.items()}
STATUSES = {
    VenueOrderStatus.UNTRIGGERED: "Untriggered",
    VenueOrderStatus.NEW: "New",
    VenueOrderStatus.PARTLY_FILLED: "PartiallyFilled",
    VenueOrderStatus.FILLED: "Filled",
    VenueOrderStatus.CANCELLED: "Cancelled",
    VenueOrderStatus.DEACTIVATED: "Deactivated",
}
STOP_TYPES = {
    StopType.NONE: "",
    StopType.STOP: "Stop",
    StopType.STOP_LOSS: "StopLoss",
    StopType.TAKE_PROFIT: "TakeProfit",
}
CREATE_TYPES = {
    CreateType.USER: "CreateByUser",
    CreateType.STOP_LOSS: "CreateByStopLoss",
    CreateType.TAKE_PROFIT: "CreateByTakeProfit",
    CreateType.LIQUIDATION: "CreateByLiq",
}
CANCEL_TYPES = {
    CancelReason.NONE: "UNKNOWN",
    CancelReason.BY_USER: "CancelByUser",
    CancelReason.IOC_REMAINDER: "UNKNOWN",
    CancelReason.FOK_NOT_FILLABLE: "UNKNOWN",
    CancelReason.POST_ONLY_WOULD_TAKE: "UNKNOWN",
    CancelReason.REDUCE_ONLY: "CancelByReduceOnly",
    CancelReason.POSITION_CLOSED: "CancelByTpSlTsClear",
    CancelReason.SELF_TRADE: "CancelBySmp",
    CancelReason.LIQUIDATION: "CancelByPrepareLiq",
}
REJECT_REASONS = {
    CancelReason.BY_USER: "EC_PerCancelRequest",
    CancelReason.IOC_REMAINDER: "EC_NoImmediateQtyToFill",
    CancelReason.FOK_NOT_FILLABLE: "EC_NoEnoughQtyToFill",
    CancelReason.POST_ONLY_WOULD_TAKE: "EC_PostOnlyWillTakeLiquidity",
}
NO_REJECT = "EC_NoError"

_MEAN_DIGITS = Decimal("1e-10")


def text(value: Decimal | None) -> str:
    """Every digit of `value`; empty for None."""
    return "" if value is None else format(value, "f")


def text_or_zero(value: Decimal | None) -> str:
    """As `text`, but "0" for None: Bybit's word for a price that is not set."""
    return "0" if value is None else format(value, "f")


def mean_text(value: Decimal | None) -> str:
    """A quotient (mean price, ratio) to ten decimals, without trailing zeros; "0" for None."""
    if value is None:
        return "0"
    return format(value.quantize(_MEAN_DIGITS).normalize(), "f")
