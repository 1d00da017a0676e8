"""The arithmetic of one position: exact, and nothing is lost in rounding.

The position carries its entry cost (sum of price x quantity), not an average price. Closing a
part takes a rounded share of the cost away and leaves the rest in place, so what one close rounds
the last one gets back: over a round trip realised results equal sales minus purchases exactly.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from core.models.orders import Side

_CENT = Decimal("0.00000001")  # smallest unit of the quote currency in the books
_ZERO = Decimal(0)


def to_cents(amount: Decimal) -> Decimal:
    """Nearest smallest unit of the quote currency."""
    return amount.quantize(_CENT, rounding=ROUND_HALF_EVEN)


class Closed(msgspec.Struct, frozen=True):
    """What a trade closed. `realized_pnl` is before fees."""

    quantity: Decimal
    entry_value: Decimal
    realized_pnl: Decimal


class Holding(msgspec.Struct):
    """`quantity` is signed (short below zero); `cost` >= 0 is its entry value.

    `realized` is net of fees and funding since the position was opened, `total_realized` since
    ever. `created_ms` is when it was last opened.
    """

    leverage: Decimal
    quantity: Decimal = _ZERO
    cost: Decimal = _ZERO
    realized: Decimal = _ZERO
    total_realized: Decimal = _ZERO
    created_ms: int = 0
    updated_ms: int = 0
    sequence: int = 0

    @property
    def side(self) -> Side:
        """Long is BUY; means nothing while flat."""
        return Side.SELL if self.quantity < 0 else Side.BUY

    def reducible(self, side: Side) -> Decimal:
        """How much an order of `side` can reduce before it would turn the position."""
        return abs(self.quantity) if self.quantity * side.sign < 0 else _ZERO

    def unrealized(self, price: Decimal) -> Decimal:
        return self.quantity * price - self.cost.copy_sign(self.quantity)

    def trade(self, side: Side, quantity: Decimal, price: Decimal, time_ms: int) -> Closed:
        """Book a trade: first it closes what is opposite, the rest opens."""
        closing = min(quantity, self.reducible(side))
        entry_value = realized = _ZERO
        if closing:
            held = abs(self.quantity)
            entry_value = self.cost if closing == held else to_cents(self.cost * closing / held)
            realized = (entry_value - closing * price) * side.sign
            self.cost -= entry_value
            self.quantity += closing * side.sign
        opening = quantity - closing
        if opening:
            if not self.quantity:
                self.created_ms = time_ms
                self.realized = _ZERO
            self.quantity += opening * side.sign
            self.cost += opening * price
        self.updated_ms = time_ms
        return Closed(closing, entry_value, realized)

    def book_result(self, amount: Decimal) -> None:
        """Add a realised result net of fees, or funding."""
        self.realized += amount
        self.total_realized += amount


class AccountBooks(msgspec.Struct):
    """One account's money, as it is stored.

    `wallet_balance` = `deposits` + the sum of (realized_pnl - fee) over all executions, exactly.
    """

    name: str
    deposits: Decimal
    wallet_balance: Decimal
    total_realized: Decimal = _ZERO
    holdings: dict[str, Holding] = {}
