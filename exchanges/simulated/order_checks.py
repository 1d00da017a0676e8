"""The questions an exchange asks of every order before it takes it; each answers by VenueReject.

Pure: an instrument's filters, and on which side of the price triggers have to lie.
"""

from __future__ import annotations

from decimal import Decimal

from core.models.instruments import Instrument
from core.models.orders import OrderType, Side
from exchanges.simulated.values import PlaceOrder, RejectReason, TriggerDirection, VenueReject


def check_order(request: PlaceOrder, instrument: Instrument, last_price: Decimal) -> None:
    """Everything that needs no account."""
    check_quantity(request.quantity, instrument)
    if request.order_type is OrderType.LIMIT:
        if request.price is None:
            raise VenueReject(RejectReason.BAD_PARAMETER, "A limit order needs a price.")
        check_price(request.price, instrument, "price")
    elif request.price is not None:
        raise VenueReject(RejectReason.BAD_PARAMETER, "A market order has no price.")
    elif request.order_type is not OrderType.MARKET:
        raise VenueReject(
            RejectReason.BAD_PARAMETER, "An order is MARKET or LIMIT; a stop has a trigger price."
        )
    base_price = request.price if request.price is not None else last_price
    if request.trigger_price is not None:
        check_price(request.trigger_price, instrument, "trigger price")
        check_trigger(request.trigger_price, request.trigger_direction, last_price)
        if request.price is None:
            base_price = request.trigger_price
    if not request.reduce_only:
        check_notional(request.quantity * base_price, instrument)
    check_protection(request.side, base_price, request.stop_loss, request.take_profit, instrument)


def check_quantity(quantity: Decimal, instrument: Instrument) -> None:
    if not quantity.is_finite() or quantity <= 0:
        raise VenueReject(RejectReason.BAD_PARAMETER, f"Quantity {quantity} is not above zero.")
    if quantity < instrument.min_quantity:
        raise VenueReject(
            RejectReason.QUANTITY_TOO_SMALL,
            f"Quantity {quantity:f} is below the minimum of {instrument.min_quantity:f}.",
        )
    if quantity > instrument.max_quantity:
        raise VenueReject(
            RejectReason.QUANTITY_TOO_LARGE,
            f"Quantity {quantity:f} is above the maximum of {instrument.max_quantity:f}.",
        )
    if quantity % instrument.quantity_step:
        raise VenueReject(
            RejectReason.QUANTITY_NOT_ON_STEP,
            f"Quantity {quantity:f} is not a multiple of {instrument.quantity_step:f}.",
        )


def check_price(price: Decimal, instrument: Instrument, name: str) -> None:
    if not price.is_finite() or price <= 0:
        raise VenueReject(RejectReason.PRICE_OUT_OF_RANGE, f"The {name} {price} is not above zero.")
    if price % instrument.tick_size:
        raise VenueReject(
            RejectReason.PRICE_NOT_ON_TICK,
            f"The {name} {price:f} is not a multiple of the tick {instrument.tick_size:f}.",
        )


def check_notional(notional: Decimal, instrument: Instrument) -> None:
    if notional < instrument.min_notional:
        raise VenueReject(
            RejectReason.NOTIONAL_TOO_SMALL,
            f"Order value {notional:f} is below the minimum of {instrument.min_notional:f}.",
        )


def check_trigger(price: Decimal, direction: TriggerDirection, last_price: Decimal) -> None:
    if direction is TriggerDirection.NONE:
        raise VenueReject(
            RejectReason.BAD_PARAMETER, "A conditional order needs a trigger direction."
        )
    if direction is TriggerDirection.RISING and price <= last_price:
        raise VenueReject(
            RejectReason.TRIGGER_NOT_ABOVE_LAST,
            f"Expect rising, but the trigger price {price:f} is not above the last {last_price:f}.",
        )
    if direction is TriggerDirection.FALLING and price >= last_price:
        raise VenueReject(
            RejectReason.TRIGGER_NOT_BELOW_LAST,
            f"Expect falling, but the trigger price {price:f} is not below the last "
            f"{last_price:f}.",
        )


def check_protection(
    side: Side,
    base_price: Decimal,
    stop_loss: Decimal | None,
    take_profit: Decimal | None,
    instrument: Instrument,
) -> None:
    """`side` of the position that is protected. None and zero (remove) are always right."""
    if stop_loss:
        check_price(stop_loss, instrument, "stop loss")
        if (base_price - stop_loss) * side.sign <= 0:
            relation = "below" if side is Side.BUY else "above"
            raise VenueReject(
                RejectReason.STOP_LOSS_WRONG_SIDE,
                f"The stop loss {stop_loss:f} must be {relation} the price {base_price:f}.",
            )
    if take_profit:
        check_price(take_profit, instrument, "take profit")
        if (take_profit - base_price) * side.sign <= 0:
            relation = "above" if side is Side.BUY else "below"
            raise VenueReject(
                RejectReason.TAKE_PROFIT_WRONG_SIDE,
                f"The take profit {take_profit:f} must be {relation} the price {base_price:f}.",
            )
