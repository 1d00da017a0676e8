"""A position's stop loss and take profit: at most one of each, resting as visible conditional
reduce-only orders of the position's size, gone when the position is ("Full" mode)."""

from __future__ import annotations

from decimal import Decimal

from core.models.orders import OrderType, Side, TimeInForce
from exchanges.simulated.ledger import Ledger
from exchanges.simulated.state import VenueState
from exchanges.simulated.symbol_orders import is_at_work
from exchanges.simulated.values import (
    CancelReason,
    CreateType,
    StopType,
    TriggerDirection,
    VenueOrder,
    VenueOrderStatus,
)

_STOP_TYPES = {
    CreateType.STOP_LOSS: StopType.STOP_LOSS,
    CreateType.TAKE_PROFIT: StopType.TAKE_PROFIT,
}


def protect(
    state: VenueState,
    ledger: Ledger,
    symbol: str,
    prices: dict[CreateType, Decimal | None],
) -> bool:
    """Set the open position's protection. Price None leaves, zero removes. True when something
    changed."""
    changed = False
    for kind, price in prices.items():
        resting = ledger.protection(symbol, kind)
        if price is None or (resting is None and not price):
            continue
        if resting is None:
            _rest(state, ledger, symbol, kind, price)
        elif not price:
            deactivate(state, resting, CancelReason.BY_USER)
        elif price == resting.trigger_price:
            continue
        else:
            state.change(resting, trigger_price=price)
        changed = True
    if changed:
        state.touch(ledger.name, symbol)
    return changed


def follow_position(state: VenueState, ledger: Ledger, symbol: str) -> None:
    """After the position changed: fit protection to its size, or remove it."""
    holding = ledger.holding(symbol)
    for kind in _STOP_TYPES:
        order = ledger.protection(symbol, kind)
        if order is None:
            continue
        if holding.reducible(order.side) == 0:  # flat, or turned around
            if is_at_work(order):
                state.change(
                    order,
                    status=VenueOrderStatus.CANCELLED,
                    cancel_reason=CancelReason.POSITION_CLOSED,
                )
            else:
                deactivate(state, order, CancelReason.POSITION_CLOSED)
        else:
            quantity = abs(holding.quantity) + order.filled_quantity
            if order.quantity != quantity:
                state.change(order, quantity=quantity)


def deactivate(state: VenueState, order: VenueOrder, reason: CancelReason) -> VenueOrder:
    """End a conditional order that has not triggered."""
    return state.change(order, status=VenueOrderStatus.DEACTIVATED, cancel_reason=reason)


def _rest(state: VenueState, ledger: Ledger, symbol: str, kind: CreateType, price: Decimal) -> None:
    holding = ledger.holding(symbol)
    is_long = holding.side is Side.BUY
    falls = is_long is (kind is CreateType.STOP_LOSS)
    sequence = state.next_sequence()
    state.record(
        VenueOrder(
            sequence=sequence,
            priority=sequence,
            order_id=state.new_id(sequence),
            client_order_id="",
            account=ledger.name,
            symbol=symbol,
            side=holding.side.opposite,
            order_type=OrderType.MARKET,
            quantity=abs(holding.quantity),
            status=VenueOrderStatus.UNTRIGGERED,
            created_ms=state.now_ms,
            updated_ms=state.now_ms,
            last_price_on_created=state.price(symbol),
            time_in_force=TimeInForce.IOC,
            reduce_only=True,
            stop_type=_STOP_TYPES[kind],
            trigger_price=price,
            trigger_direction=TriggerDirection.FALLING if falls else TriggerDirection.RISING,
            create_type=kind,
        )
    )
