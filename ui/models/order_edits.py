"""What may be changed in a table's cell, and what is wrong with an entry before it is sent."""

from __future__ import annotations

from decimal import Decimal

from core.models.orders import Order, OrderPurpose, OrderType, Side
from core.snapshots import PositionSnapshot
from ui import formatting
from ui.bridge import Bridge
from ui.i18n import tr
from ui.models.table import Edit

_PROTECTIVE = (OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT)


def is_protective(order: Order) -> bool:
    """A stop or take profit: it belongs to its position and is moved with it."""
    return order.purpose in _PROTECTIVE


def waits_for(order: Order) -> Decimal | None:
    """The price that a working order waits for."""
    return order.price if order.price is not None else order.trigger_price


def _entry(text: str) -> tuple[Decimal | None, str]:
    value = formatting.parse(text)
    if value is None:
        return None, tr("That is not a number.")
    if value <= 0:
        return None, tr("It has to be above zero.")
    return value, ""


def rounded_price(bridge: Bridge, symbol: str, text: str) -> Decimal:
    """A checked entry on the instrument's tick."""
    value = formatting.parse(text) or Decimal(0)
    instrument = bridge.instruments.get(symbol)
    return value if instrument is None else instrument.round_price(value)


def rounded_quantity(bridge: Bridge, symbol: str, text: str) -> Decimal:
    """A checked entry on the instrument's step, never rounded up."""
    value = formatting.parse(text) or Decimal(0)
    instrument = bridge.instruments.get(symbol)
    return value if instrument is None else instrument.round_quantity_down(value)


def order_price(bridge: Bridge) -> Edit[Order]:
    def start(order: Order) -> str:
        price = waits_for(order)
        can = is_protective(order) or _is_amendable(order)
        return f"{price:f}" if price is not None and can and bridge.is_attached else ""

    def problem(order: Order, text: str) -> str:
        value, wrong = _entry(text)
        if value is not None and rounded_price(bridge, order.symbol, text) <= 0:
            return tr("It has to be above zero.")
        if value is not None and is_protective(order):
            held = bridge.position(order.account, order.symbol)
            is_stop = order.purpose is OrderPurpose.STOP_LOSS
            return wrong_side(held, value, is_stop=is_stop) if held is not None else ""
        return wrong

    return Edit(start, problem)


def order_size(bridge: Bridge) -> Edit[Order]:
    def start(order: Order) -> str:
        return f"{order.quantity:f}" if _is_amendable(order) and bridge.is_attached else ""

    def problem(order: Order, text: str) -> str:
        value, wrong = _entry(text)
        if value is None:
            return wrong
        size = rounded_quantity(bridge, order.symbol, text)
        instrument = bridge.instruments.get(order.symbol)
        if instrument is not None and size < instrument.min_quantity:
            least = formatting.quantity(instrument.min_quantity)
            return tr("The exchange takes at least {least}.", least=least)
        if size <= order.filled_quantity:
            filled = formatting.quantity(order.filled_quantity)
            return tr("{filled} of it is filled already.", filled=filled)
        notional = size * (order.price or Decimal(0))
        if instrument is not None and 0 < notional < instrument.min_notional:
            least = f"{formatting.money(instrument.min_notional)} {instrument.quote}"
            return tr("The exchange takes at least {least}.", least=least)
        return ""

    return Edit(start, problem)


def stop_of(bridge: Bridge, *, is_stop: bool) -> Edit[PositionSnapshot]:
    """Stop loss or take profit of a position; without one the edit begins at the mark price."""

    def start(held: PositionSnapshot) -> str:
        position = held.position
        if not bridge.is_attached:
            return ""
        kept = position.stop_loss if is_stop else position.take_profit
        if not is_stop and position.stop_loss is None:
            return ""  # first things first: a take profit without a stop protects nothing
        return f"{kept or position.mark_price or position.entry_price:f}"

    def problem(held: PositionSnapshot, text: str) -> str:
        value, wrong = _entry(text)
        return wrong if value is None else wrong_side(held, value, is_stop=is_stop)

    return Edit(start, problem)


def wrong_side(held: PositionSnapshot, price: Decimal, *, is_stop: bool) -> str:
    """Why this price cannot protect (or take the profit of) the position, "" if it can."""
    position = held.position
    mark = position.mark_price or position.entry_price
    has_to_be_below = (position.side is Side.BUY) == is_stop
    shown = formatting.price(mark, 8 if mark < 1 else 2)
    if has_to_be_below and price >= mark:
        return tr("It has to be below the mark price {mark}.", mark=shown)
    if not has_to_be_below and price <= mark:
        return tr("It has to be above the mark price {mark}.", mark=shown)
    return ""


def _is_amendable(order: Order) -> bool:
    return bool(order.client_order_id and order.exchange_order_id) and (
        order.order_type is OrderType.LIMIT
    )
