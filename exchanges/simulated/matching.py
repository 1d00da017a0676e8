"""Who trades with whom: incoming orders against the book, public trades against resting orders.

Price before time. The market itself is a counterparty with the depth its book shows; a resting
order fills when the market trades at its price (up to that trade's quantity) or through it (all).
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from core.models.orders import OrderType, TimeInForce
from exchanges.simulated.holding import to_cents
from exchanges.simulated.ledger import Ledger
from exchanges.simulated.market import Tick
from exchanges.simulated.protection import deactivate, follow_position, protect
from exchanges.simulated.state import VenueState
from exchanges.simulated.symbol_orders import is_at_work, is_resting
from exchanges.simulated.values import (
    CancelReason,
    CreateType,
    Execution,
    VenueOrder,
    VenueOrderStatus,
)

_ZERO = Decimal(0)


class _Offer(NamedTuple):
    """Something to trade with: a level of the market's book, or an account's order (`maker_id`)."""

    price: Decimal
    quantity: Decimal
    maker_id: str


class Matching:
    """Works on `VenueState`; fee rates are ratios of a trade's value."""

    def __init__(
        self, state: VenueState, *, maker_fee_rate: Decimal, taker_fee_rate: Decimal
    ) -> None:
        self._state = state
        self._maker_fee_rate = maker_fee_rate
        self._taker_fee_rate = taker_fee_rate

    # -- incoming -----------------------------------------------------------------------------

    def execute(self, order: VenueOrder) -> VenueOrder:
        """Match an order that just became active, then rest it or end it by its time in force."""
        if order.reduce_only and not order.is_protection:
            reducible = self._ledger(order).holding(order.symbol).reducible(order.side)
            quantity = min(order.quantity, order.filled_quantity + reducible)
            if quantity == order.filled_quantity:
                return self.cancel(order, CancelReason.REDUCE_ONLY)
            if quantity != order.quantity:
                order = self._state.change(order, quantity=quantity)
        offers = self._offers(order)
        if order.time_in_force is TimeInForce.POST_ONLY and offers:
            return self.cancel(order, CancelReason.POST_ONLY_WOULD_TAKE)
        if order.time_in_force is TimeInForce.FOK:
            within_reach = sum((o.quantity for o in offers if not self._is_own(o, order)), _ZERO)
            if within_reach < order.leaves_quantity:
                return self.cancel(order, CancelReason.FOK_NOT_FILLABLE)
        for offer in offers:
            if not order.is_open:
                break
            order = self._take(order, offer)
        if not order.is_open or is_at_work(order):
            return order
        if order.order_type is OrderType.MARKET or order.time_in_force in (
            TimeInForce.IOC,
            TimeInForce.FOK,
        ):
            return self.cancel(order, CancelReason.IOC_REMAINDER)
        return order

    def cancel(self, order: VenueOrder, reason: CancelReason) -> VenueOrder:
        """End an open order."""
        if order.status is VenueOrderStatus.UNTRIGGERED:
            order = deactivate(self._state, order, reason)
        else:
            order = self._state.change(
                order, status=VenueOrderStatus.CANCELLED, cancel_reason=reason
            )
        self._state.touch(order.account, order.symbol if order.is_protection else "")
        return order

    def _offers(self, order: VenueOrder) -> list[_Offer]:
        """What the order may trade with, best price first; at one price orders before the
        market's own level, and orders by time."""
        resting = self._state.orders[order.symbol].resting(order.side.opposite)
        offers = [_Offer(o.price or _ZERO, o.leaves_quantity, o.order_id) for o in resting]
        offers += [
            _Offer(price, quantity, "")
            for price, quantity in self._state.depth(order.symbol, order.side)
            if quantity > 0
        ]
        sign = order.side.sign
        offers.sort(key=lambda offer: sign * offer.price)  # stable: keeps orders before levels
        limit = order.price
        if limit is None:
            return offers
        return [offer for offer in offers if sign * offer.price <= sign * limit]

    def _take(self, order: VenueOrder, offer: _Offer) -> VenueOrder:
        quantity = min(order.leaves_quantity, offer.quantity)
        if not offer.maker_id:
            filled = self._fill(order, quantity, offer.price, is_maker=False)
            taken = filled.filled_quantity - order.filled_quantity
            self._state.take(order.symbol, offer.price, taken)
            return filled
        maker = self._state.orders[order.symbol].get(offer.maker_id)
        if maker is None:  # ended by an earlier fill of this walk
            return order
        if maker.account == order.account:
            self.cancel(maker, CancelReason.SELF_TRADE)
            return self._state.newest(order)
        for party in (maker, order):
            if party.reduce_only:
                holding = self._ledger(party).holding(party.symbol)
                quantity = min(quantity, holding.reducible(party.side))
        if not quantity:
            return order
        self._fill(maker, quantity, offer.price, is_maker=True)
        return self._fill(order, quantity, offer.price, is_maker=False)

    def _is_own(self, offer: _Offer, order: VenueOrder) -> bool:
        maker = self._state.orders[order.symbol].get(offer.maker_id)
        return maker is not None and maker.account == order.account

    # -- public trades ------------------------------------------------------------------------

    def on_trade(self, symbol: str, tick: Tick) -> None:
        """The market traded: fill what rests at or beyond that price, then pull the triggers."""
        orders = self._state.orders[symbol]
        for side in (tick.taker_side.opposite, tick.taker_side):
            left = tick.quantity
            for order in orders.resting(side):
                price = order.price or _ZERO
                if side.sign * (price - tick.price) < 0:
                    break
                current = orders.get(order.order_id)
                if current is None:  # ended by another order's fill
                    continue
                quantity = current.leaves_quantity
                if price == tick.price:
                    quantity = min(quantity, left)
                    left -= quantity
                if quantity:
                    self._fill(current, quantity, price, is_maker=True)
        for order in orders.triggered_by(tick.price):
            current = orders.get(order.order_id)
            if current is not None:
                self._trigger(current)

    def _trigger(self, order: VenueOrder) -> None:
        if order.status is VenueOrderStatus.UNTRIGGERED:
            order = self._state.change(
                order,
                status=VenueOrderStatus.NEW,
                is_triggered=True,
                priority=self._state.next_sequence(),
            )
        self.execute(order)

    # -- fills --------------------------------------------------------------------------------

    def _fill(
        self, order: VenueOrder, quantity: Decimal, price: Decimal, *, is_maker: bool
    ) -> VenueOrder:
        """Book one trade of `order`, at most what it may still do, and everything that follows."""
        ledger = self._ledger(order)
        if order.reduce_only:
            quantity = min(quantity, ledger.holding(order.symbol).reducible(order.side))
            if not quantity:
                return self.cancel(order, CancelReason.REDUCE_ONLY)
        order = self.book_trade(order, quantity, price, is_maker=is_maker)
        self._set_attached_protection(ledger, order)
        follow_position(self._state, ledger, order.symbol)
        self._end_reduce_only(ledger, order)
        return self._state.newest(order)

    def book_trade(
        self, order: VenueOrder, quantity: Decimal, price: Decimal, *, is_maker: bool
    ) -> VenueOrder:
        """Money and records of one trade; nothing that follows from it."""
        state, ledger = self._state, self._ledger(order)
        rate = self._maker_fee_rate if is_maker else self._taker_fee_rate
        fee = to_cents(quantity * price * rate)
        closed = ledger.trade(
            order.symbol, order.side, quantity, price, fee=fee, time_ms=state.now_ms
        )
        filled = order.filled_quantity + quantity
        is_done = filled == order.quantity
        sequence = state.next_sequence()
        state.record_execution(
            Execution(
                trade_id=state.new_id(sequence),
                exchange_order_id=order.order_id,
                client_order_id=order.client_order_id,
                account=order.account,
                bot_id="",
                symbol=order.symbol,
                side=order.side,
                quantity=quantity,
                price=price,
                fee=fee,
                time_ms=state.now_ms,
                realized_pnl=closed.realized_pnl,
                closed_quantity=closed.quantity,
                is_maker=is_maker,
                exchange_purpose=order.create_type.value if order.is_protection else "",
                sequence=sequence,
                order_price=order.price,
                order_quantity=order.quantity,
                leaves_quantity=order.quantity - filled,
                order_type=order.order_type,
                fee_rate=rate,
                mark_price=state.price(order.symbol),
                stop_type=order.stop_type,
                create_type=order.create_type,
                closed_entry_value=closed.entry_value,
            )
        )
        state.touch(order.account, order.symbol)
        return state.change(
            order,
            status=VenueOrderStatus.FILLED if is_done else VenueOrderStatus.PARTLY_FILLED,
            filled_quantity=filled,
            filled_value=order.filled_value + quantity * price,
            fee=order.fee + fee,
        )

    def _set_attached_protection(self, ledger: Ledger, order: VenueOrder) -> None:
        """Prices that came with an order hold for the position that the order opened."""
        holding = ledger.holding(order.symbol)
        if holding.quantity * order.side.sign > 0:
            follow_position(self._state, ledger, order.symbol)  # turned: the old ones go first
            prices = {
                CreateType.STOP_LOSS: order.stop_loss,
                CreateType.TAKE_PROFIT: order.take_profit,
            }
            protect(self._state, ledger, order.symbol, prices)

    def _end_reduce_only(self, ledger: Ledger, order: VenueOrder) -> None:
        """Resting reduce-only orders end when nothing is left that they could reduce."""
        holding = ledger.holding(order.symbol)
        for other in ledger.orders_of(order.symbol):
            if (
                other.reduce_only
                and is_resting(other)
                and other.order_id != order.order_id
                and not holding.reducible(other.side)
            ):
                self.cancel(other, CancelReason.REDUCE_ONLY)
        current = ledger.orders.get(order.order_id)
        if (
            current is not None
            and current.reduce_only
            and not current.is_protection
            and not holding.reducible(order.side)
        ):
            self.cancel(current, CancelReason.REDUCE_ONLY)

    def _ledger(self, order: VenueOrder) -> Ledger:
        return self._state.ledgers[order.account]
