"""Positions, balances and open orders of every account, as the exchange reports them.

Private stream first, REST to check (spec M6). A REST answer describes the moment it was asked
for: what the stream has said since then stands.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core.clock import Clock
from core.event_bus import EventBus
from core.models.orders import Order, OrderPurpose, Side
from core.models.positions import Balance, Position


class Protection(msgspec.Struct, frozen=True):
    """Stop and take profit that rest for one position; `stop_quantity` is what the stops would
    close, in base."""

    stop_price: Decimal | None = None
    stop_quantity: Decimal = Decimal(0)
    take_profit_price: Decimal | None = None


class StateManager:
    """Synchronous and single-threaded, like the bus. Knows nothing about who owns what."""

    def __init__(self, bus: EventBus, clock: Clock) -> None:
        """Follows `Order` events for the open orders; positions and balances are given to it.
        `clock` dates what nobody else can: how old a balance is."""
        self._clock = clock
        self._positions: dict[tuple[str, str], Position] = {}
        self._left_out: set[tuple[str, str]] = set()  # flat because an answer did not name them
        self._heard_ms: dict[tuple[str, str], int] = {}  # when the stream spoke of it, market time
        self._balances: dict[str, Balance] = {}
        self._open_orders: dict[tuple[str, str], Order] = {}
        bus.subscribe(Order, self.on_order, part="state manager")

    def on_position(self, position: Position) -> None:
        """From the private stream. An older message than the known one changes nothing."""
        if self._take(position):
            self._heard_ms[position.account, position.symbol] = self._clock.time_ms()

    def _take(self, position: Position) -> bool:
        key = (position.account, position.symbol)
        known = self._positions.get(key)
        if known is not None and position.updated_ms < known.updated_ms:
            return False
        self._positions[key] = position
        self._left_out.discard(key)
        return True

    def on_balance(self, balance: Balance) -> None:
        """From the private stream. An older message than the known one changes nothing."""
        known = self._balances.get(balance.account)
        if known is None or balance.updated_ms >= known.updated_ms:
            self._balances[balance.account] = balance

    def on_order(self, order: Order) -> None:
        """From the bus: the order as the OMS knows it."""
        key = (order.account, order.client_order_id or order.exchange_order_id)
        if order.status.is_terminal:
            self._open_orders.pop(key, None)
        else:
            self._open_orders[key] = order

    def replace_positions(self, account: str, positions: list[Position], as_of_ms: int) -> None:
        """The whole REST answer of one account, asked for at `as_of_ms` (market time).

        A known position that is not in it is flat now, unless the stream spoke of it since. One
        that the next answer names again is back, however old its own time is: it was never gone."""
        for position in positions:
            key = (account, position.symbol)
            known = self._positions.get(key)
            if key in self._left_out:
                del self._positions[key]
            elif (
                known is not None
                and known.updated_ms == position.updated_ms  # a stop comes and goes without a date
                and self._heard_ms.get(key, -1) >= as_of_ms
            ):
                continue
            self._take(position)
        named = {position.symbol for position in positions}
        for (owner, symbol), known in list(self._positions.items()):
            if owner != account or symbol in named or known.is_flat:
                continue
            if known.updated_ms < as_of_ms:
                self._positions[(owner, symbol)] = _flat(known, as_of_ms)
                self._left_out.add((owner, symbol))

    def flatten(self, account: str, symbol: str) -> None:
        """The trader's word that a position is no more."""
        known = self._positions.get((account, symbol))
        if known is not None:
            self._positions[(account, symbol)] = _flat(known, known.updated_ms)

    def position(self, account: str, symbol: str) -> Position | None:
        """None when the exchange has never told of one; a closed one is kept as flat."""
        return self._positions.get((account, symbol))

    def positions(self, account: str | None = None) -> list[Position]:
        """Every position that is not flat."""
        return [
            position
            for (owner, _), position in self._positions.items()
            if not position.is_flat and account in (None, owner)
        ]

    def balance(self, account: str) -> Balance | None:
        """None before the exchange's first word."""
        return self._balances.get(account)

    def balance_age_ms(self, account: str) -> int | None:
        """Market time since the exchange's last word on the balance; None before the first."""
        balance = self._balances.get(account)
        return None if balance is None else max(0, self._clock.time_ms() - balance.updated_ms)

    def open_orders(self, account: str | None = None) -> list[Order]:
        """Every order that has not ended, exchange-made stops included."""
        return [
            order for (owner, _), order in self._open_orders.items() if account in (None, owner)
        ]

    def protection(self, account: str, symbol: str) -> Protection:
        """What rests at the exchange against the symbol's position."""
        position = self._positions.get((account, symbol))
        if position is None or position.is_flat:
            return Protection()
        found = Protection(
            stop_price=position.stop_loss,
            # a stop of the position itself is for all of it, however large it becomes
            stop_quantity=position.quantity if position.stop_loss is not None else Decimal(0),
            take_profit_price=position.take_profit,
        )
        for order in self.open_orders(account):
            if order.symbol != symbol or not _closes(position, order):
                continue
            if _is_take_profit(position, order):
                price = order.trigger_price if order.price is None else order.price
                found = msgspec.structs.replace(found, take_profit_price=price)
            elif order.trigger_price is not None and position.stop_loss is None:
                rest = order.quantity - order.filled_quantity
                found = msgspec.structs.replace(
                    found,
                    stop_price=order.trigger_price,
                    stop_quantity=found.stop_quantity
                    + (rest if order.quantity else position.quantity),  # 0: the whole position
                )
        return found

    def is_protected(self, account: str, symbol: str) -> bool:
        """True when a stop rests at the exchange for the whole position, or there is none."""
        position = self._positions.get((account, symbol))
        if position is None or position.is_flat:
            return True
        return self.protection(account, symbol).stop_quantity >= position.quantity


def _flat(known: Position, updated_ms: int) -> Position:
    return msgspec.structs.replace(
        known,
        quantity=Decimal(0),
        unrealized_pnl=Decimal(0),
        stop_loss=None,
        take_profit=None,
        updated_ms=updated_ms,
    )


def _closes(position: Position, order: Order) -> bool:
    return order.reduce_only and order.side is not position.side


def _is_take_profit(position: Position, order: Order) -> bool:
    """By its name; without one, by the side of the price that it waits on."""
    if order.purpose in (OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT):
        return order.purpose is OrderPurpose.TAKE_PROFIT
    if order.trigger_price is None:
        return order.price is not None  # a resting reduce-only limit order takes a profit
    price = position.mark_price or position.entry_price
    above = order.trigger_price > price
    return above if position.side is Side.BUY else order.trigger_price < price
