"""How an order's state may change: pure functions, so that every race can be tested as data.

Messages about one order arrive twice, late and out of order, by stream and by REST. Three facts
keep the result the same whatever their order: filled quantity only grows; an end stays an end;
a fill proves more than any status. A *conclusion* is ours (denied, rejected before an exchange
id existed, never arrived); the exchange's own *word* overrules it.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core.models.fills import Fill
from core.models.orders import Order, OrderRequest, OrderStatus

_PROGRESS = {
    OrderStatus.INTENT: 0,
    OrderStatus.SENT: 1,
    OrderStatus.UNKNOWN: 1,
    OrderStatus.ACKNOWLEDGED: 2,
    OrderStatus.PARTLY_FILLED: 3,
}


class FillTotals(msgspec.Struct, frozen=True):
    """What the fills booked for one order add up to; `value` and `fee` in the quote currency."""

    quantity: Decimal = Decimal(0)
    value: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)

    def plus(self, fill: Fill) -> FillTotals:
        return FillTotals(
            self.quantity + fill.quantity,
            self.value + fill.quantity * fill.price,
            self.fee + fill.fee,
        )


def order_from_request(request: OrderRequest) -> Order:
    """The order as an intent: on disk, not sent."""
    return Order(
        client_order_id=request.client_order_id,
        exchange_order_id="",
        account=request.account,
        bot_id=request.bot_id,
        symbol=request.symbol,
        side=request.side,
        order_type=request.order_type,
        quantity=request.quantity,
        status=OrderStatus.INTENT,
        purpose=request.purpose,
        created_ms=request.created_ms,
        updated_ms=request.created_ms,
        price=request.price,
        reduce_only=request.reduce_only,
        reason=request.reason,
    )


def request_text(request: OrderRequest) -> str:
    """The request in one line, as it leaves: for the trail."""
    at = "" if request.price is None else f" at {request.price}"
    stops = "".join(
        f", {name} {price}"
        for name, price in (("stop", request.stop_loss), ("take profit", request.take_profit))
        if price is not None
    )
    reduce_only = ", reduce-only" if request.reduce_only else ""
    return (
        f"{request.order_type.value} {request.side.value} {request.quantity} {request.symbol}{at} "
        f"{request.time_in_force.value}{reduce_only}{stops} as {request.client_order_id}"
    )


def needs_answer(order: Order) -> bool:
    """True while the exchange has not told what became of a request that may have left."""
    if order.status in (OrderStatus.SENT, OrderStatus.UNKNOWN):
        return True
    return order.status is OrderStatus.ACKNOWLEDGED and not order.exchange_order_id


def may_be_absent(order: Order) -> bool:
    """True while nothing has proved that the exchange ever had the order."""
    return (
        order.status in (OrderStatus.SENT, OrderStatus.UNKNOWN)
        and not order.exchange_order_id
        and order.filled_quantity == 0
    )


def apply_conclusion(
    known: Order, status: OrderStatus, *, time_ms: int, reason: str = "", code: str = ""
) -> Order:
    """Our own conclusion (sent, unknown, denied, rejected). Never overrules the exchange's word:
    an order that it named, or filled, stays as it is."""
    if known.status.is_terminal or known.exchange_order_id or known.filled_quantity > 0:
        return known
    if not status.is_terminal and _PROGRESS[status] < _PROGRESS[known.status]:
        return known
    return msgspec.structs.replace(
        known,
        status=status,
        updated_ms=max(known.updated_ms, time_ms),
        reason=(reason or known.reason) if status.is_terminal else known.reason,
        reject_code=code or known.reject_code,
    )


def apply_acknowledgement(known: Order, exchange_order_id: str) -> Order:
    """The request was accepted: nothing is filled by that, and nothing goes back by it.

    The id may be empty: the exchange said that the order exists, not under which name."""
    if known.exchange_order_id or (known.status.is_terminal and not exchange_order_id):
        return known
    status = known.status
    if status.is_terminal or _PROGRESS[status] < _PROGRESS[OrderStatus.ACKNOWLEDGED]:
        status = OrderStatus.ACKNOWLEDGED
    if known.filled_quantity > 0:
        status = known.status  # a fill came first and says more
    return msgspec.structs.replace(known, exchange_order_id=exchange_order_id, status=status)


def apply_word(known: Order, word: Order) -> Order:
    """The exchange's word on an order of which `known` is the newest state.

    Identity (client id, bot, purpose, created) stays ours. The result does not depend on the
    order in which words and fills arrive."""
    is_newer = word.updated_ms >= known.updated_ms or not known.exchange_order_id
    figures = word if word.filled_quantity >= known.filled_quantity else known
    terms = word if is_newer else known  # an amendment changes these
    status = _joined_status(known, word)
    return msgspec.structs.replace(
        known,
        exchange_order_id=known.exchange_order_id or word.exchange_order_id,
        quantity=terms.quantity,
        price=terms.price,
        trigger_price=terms.trigger_price,
        reduce_only=known.reduce_only or word.reduce_only,
        filled_quantity=figures.filled_quantity,
        average_price=figures.average_price or known.average_price,
        fee=figures.fee,
        status=_proved_by_fills(status, figures.filled_quantity, terms.quantity),
        updated_ms=max(known.updated_ms, word.updated_ms),
        reason=(word.reason or known.reason) if word.status.is_terminal else known.reason,
        reject_code=word.reject_code or known.reject_code,
    )


def apply_fills(known: Order, totals: FillTotals) -> Order:
    """What the booked fills prove. Where they cover all that is filled, their sums are exact."""
    if totals.quantity == 0 or totals.quantity < known.filled_quantity:
        return known
    status = known.status
    if not status.is_terminal or not known.exchange_order_id:
        status = OrderStatus.PARTLY_FILLED  # also out of a wrong conclusion of ours
    return msgspec.structs.replace(
        known,
        filled_quantity=totals.quantity,
        average_price=totals.value / totals.quantity,
        fee=totals.fee,
        status=_proved_by_fills(status, totals.quantity, known.quantity),
    )


def _joined_status(known: Order, word: Order) -> OrderStatus:
    ours_alone = not known.exchange_order_id  # an end without an exchange id is our conclusion
    if known.status.is_terminal and not (ours_alone and word.exchange_order_id):
        return known.status
    if word.status.is_terminal or known.status.is_terminal:
        return word.status
    return max(known.status, word.status, key=_PROGRESS.__getitem__)


def _proved_by_fills(status: OrderStatus, filled: Decimal, quantity: Decimal) -> OrderStatus:
    if filled > 0 and filled >= quantity:
        return OrderStatus.FILLED
    if filled > 0 and not status.is_terminal:
        return OrderStatus.PARTLY_FILLED
    return status
