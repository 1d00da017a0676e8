"""Bybit's own error codes, and which of them each refusal of the venue becomes."""

from __future__ import annotations

from exchanges.simulated.values import RejectReason, VenueReject

_CODES = {
    RejectReason.UNKNOWN_SYMBOL: 10001,
    RejectReason.BAD_PARAMETER: 10001,
    RejectReason.DUPLICATE_CLIENT_ID: 110072,
    RejectReason.ORDER_NOT_FOUND: 110001,
    RejectReason.ORDER_NOT_MODIFIED: 10001,
    RejectReason.INSUFFICIENT_BALANCE: 110007,
    RejectReason.PRICE_NOT_ON_TICK: 10001,
    RejectReason.PRICE_OUT_OF_RANGE: 110003,
    RejectReason.QUANTITY_NOT_ON_STEP: 10001,
    RejectReason.QUANTITY_TOO_SMALL: 10001,
    RejectReason.QUANTITY_TOO_LARGE: 10001,
    RejectReason.NOTIONAL_TOO_SMALL: 110094,
    RejectReason.REDUCE_ONLY_WOULD_INCREASE: 110017,
    RejectReason.REDUCE_ONLY_TAKEN: 110017,
    RejectReason.TRIGGER_NOT_ABOVE_LAST: 110092,
    RejectReason.TRIGGER_NOT_BELOW_LAST: 110093,
    RejectReason.STOP_LOSS_WRONG_SIDE: 10001,
    RejectReason.TAKE_PROFIT_WRONG_SIDE: 10001,
    RejectReason.NO_POSITION: 10001,
    RejectReason.PROTECTION_NOT_MODIFIED: 34040,
    RejectReason.LEVERAGE_OUT_OF_RANGE: 110013,
    RejectReason.LEVERAGE_NOT_MODIFIED: 110043,
    RejectReason.TOO_MANY_ORDERS: 110020,
}
# Bybit's words where a client may look for them; elsewhere the venue's own sentence stands.
_TEXTS = {
    RejectReason.DUPLICATE_CLIENT_ID: "OrderLinkedID is duplicate",
    RejectReason.ORDER_NOT_FOUND: "order not exists or too late to cancel",
    RejectReason.INSUFFICIENT_BALANCE: "ab not enough for new order",
    RejectReason.PROTECTION_NOT_MODIFIED: "not modified",
    RejectReason.LEVERAGE_NOT_MODIFIED: "leverage not modified",
}


class BybitError(Exception):
    """Answered as `{"retCode": code, "retMsg": text}` with HTTP status 200, as Bybit does."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class HttpRefused(Exception):
    """Refused below the envelope: an HTTP status and a plain text (403, 404)."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def refusal(error: BybitError | VenueReject) -> tuple[int, str]:
    """Code and words of a refusal: Bybit's fixed words where it has them, else the sentence."""
    if isinstance(error, BybitError):
        return error.code, error.text
    return _CODES[error.reason], _TEXTS.get(error.reason, error.text)
