"""What one bot may know and ask of its account. Bots never see the desk: no balance, no orders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from core.account_desk import AccountDesk
from core.models.instruments import Instrument
from core.models.orders import OrderPurpose, Side

_ORDERS_REMEMBERED = 500


class PastEntry(NamedTuple):
    """An entry of the bot that is over: its round trip ended, or nothing was ever filled."""

    symbol: str
    ended_ms: int


class BotAccount:
    """One account as one bot sees it."""

    def __init__(
        self,
        desk: AccountDesk,
        bot_id: str,
        *,
        owner_of: Callable[[str], str],
        reserved: Callable[[], Mapping[str, str]],
    ) -> None:
        """`owner_of(symbol)`: the bot that trades it on this account, "" if none. `reserved()`:
        symbols that belong to one bot alone whatever is open, with its id, "" for those that wait
        for the trader's word."""
        self._desk = desk
        self._bot_id = bot_id
        self._owner_of = owner_of
        self._reserved = reserved

    @property
    def is_ready(self) -> bool:
        """Reconciled and heard: entries may leave."""
        return self._desk.is_ready

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return self._desk.instruments

    async def prepare(self, symbol: str) -> None:
        """Leverage, before the first order. Raises ExchangeError."""
        await self._desk.prepare(symbol)

    def side(self, symbol: str) -> Side | None:
        """Of the position that is open there, whoever's it is; None when flat."""
        position = self._desk.state.position(self._desk.name, symbol)
        return None if position is None or position.is_flat else position.side

    def engaged(self) -> frozenset[str]:
        """Symbols in which this bot has a position, or an entry that may still become one."""
        return frozenset(s for s in self._busy_symbols() if self._owner_of(s) == self._bot_id)

    def taken(self) -> frozenset[str]:
        """Symbols that this bot must not enter: another bot's, those in which somebody else has a
        position or an order, and those that wait for the trader's word."""
        others = {s for s, owner in self._reserved().items() if owner != self._bot_id}
        return frozenset(others | (self._busy_symbols() - self.engaged()))

    def past_entries(self) -> Iterator[PastEntry]:
        """From the books, so the same after a restart; in no order."""
        for trip in self._desk.trades.round_trips_of(self._bot_id):
            yield PastEntry(trip.symbol, trip.closed_ms)
        for order in self._desk.oms.orders_of(self._bot_id, _ORDERS_REMEMBERED):
            is_entry = order.purpose is OrderPurpose.ENTRY
            if is_entry and order.status.is_terminal and order.filled_quantity == 0:
                yield PastEntry(order.symbol, order.updated_ms)

    def entered_ms(self) -> dict[str, int]:
        """When this bot last sent an entry for a symbol, market time."""
        orders = self._desk.oms.orders_of(self._bot_id, _ORDERS_REMEMBERED)
        entries = (order for order in reversed(orders) if order.purpose is OrderPurpose.ENTRY)
        return {order.symbol: order.created_ms for order in entries}

    def _busy_symbols(self) -> set[str]:
        desk = self._desk
        if not desk.is_built:
            return set()
        ours = [order for order in desk.oms.working_orders(desk.name) if order.client_order_id]
        return (
            {
                position.symbol
                for position in desk.state.positions(desk.name)
                if not position.is_flat
            }
            | {order.symbol for order in ours}
            | {order.symbol for order in desk.oms.unsettled_orders()}
            | desk.oms.unclear_symbols(desk.name)  # filled, and the position's message is late
        )
