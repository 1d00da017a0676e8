"""The orders of all accounts on one symbol, and which trades concern them.

Most trades concern nobody. Two integers, the highest price at or below which something happens
and the lowest at or above which it does, let numpy skip them.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from core.models.instruments import Instrument
from core.models.orders import OrderType, Side
from exchanges.simulated.market import TickBlock
from exchanges.simulated.values import TriggerDirection, VenueOrder, VenueOrderStatus

_NEVER_BELOW = -1
_NEVER_ABOVE = 2**62


class SymbolOrders:
    """Open orders by exchange id."""

    def __init__(self, instrument: Instrument) -> None:
        self._tick_size = instrument.tick_size
        self._orders: dict[str, VenueOrder] = {}
        self._falls_to = _NEVER_BELOW
        self._rises_to = _NEVER_ABOVE
        self._is_stale = False

    def __len__(self) -> int:
        return len(self._orders)

    def get(self, order_id: str) -> VenueOrder | None:
        return self._orders.get(order_id)

    def put(self, order: VenueOrder) -> None:
        """Add, replace, or, when it is final, remove."""
        if order.is_open:
            self._orders[order.order_id] = order
        else:
            self._orders.pop(order.order_id, None)
        self._is_stale = True

    def first_concerned(self, block: TickBlock, start: int) -> int | None:
        """Index, from `start` on, of the first trade that fills or triggers an order."""
        falls_to, rises_to = self._bounds()
        prices = block.prices[start:]
        concerned = (prices <= falls_to) | (prices >= rises_to)
        index = int(np.argmax(concerned)) if len(concerned) else 0
        return start + index if len(concerned) and concerned[index] else None

    def are_concerned_between(self, lowest: int, highest: int) -> bool:
        """Whether trades that reach from `lowest` to `highest` (in ticks) may fill or trigger an
        order."""
        falls_to, rises_to = self._bounds()
        return lowest <= falls_to or highest >= rises_to

    def triggered_by(self, price: Decimal) -> list[VenueOrder]:
        """Conditional orders that a trade at `price` sets off, and protection still at work,
        oldest first."""
        return sorted(
            (
                order
                for order in self._orders.values()
                if is_at_work(order)
                or (
                    order.status is VenueOrderStatus.UNTRIGGERED
                    and order.trigger_price is not None
                    and (
                        price >= order.trigger_price
                        if order.trigger_direction is TriggerDirection.RISING
                        else price <= order.trigger_price
                    )
                )
            ),
            key=lambda order: order.priority,
        )

    def resting(self, side: Side) -> list[VenueOrder]:
        """Limit orders of `side` in the book, by price, then time."""
        return sorted(
            (order for order in self._orders.values() if order.side is side and is_resting(order)),
            key=lambda order: (-side.sign * (order.price or Decimal(0)), order.priority),
        )

    def _bounds(self) -> tuple[int, int]:
        if self._is_stale:
            self._find_bounds()
        return self._falls_to, self._rises_to

    def _find_bounds(self) -> None:
        falls_to, rises_to = _NEVER_BELOW, _NEVER_ABOVE
        for order in self._orders.values():
            if order.status is VenueOrderStatus.UNTRIGGERED:
                level, falls = (
                    order.trigger_price,
                    (order.trigger_direction is TriggerDirection.FALLING),
                )
            else:
                level, falls = order.price, order.side is Side.BUY
            if level is None:  # protection still at work: every trade is a chance
                falls_to = _NEVER_ABOVE
            elif falls:
                falls_to = max(falls_to, int(level / self._tick_size))
            else:
                rises_to = min(rises_to, int(level / self._tick_size))
        self._falls_to, self._rises_to, self._is_stale = falls_to, rises_to, False


def is_resting(order: VenueOrder) -> bool:
    """In the book, where others can trade with it."""
    return order.order_type is OrderType.LIMIT and order.status in (
        VenueOrderStatus.NEW,
        VenueOrderStatus.PARTLY_FILLED,
    )


def is_at_work(order: VenueOrder) -> bool:
    """Triggered protection that found too little depth: it goes on until the position is gone."""
    return order.is_protection and order.status in (
        VenueOrderStatus.NEW,
        VenueOrderStatus.PARTLY_FILLED,
    )
