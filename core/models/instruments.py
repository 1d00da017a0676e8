"""What may be traded, and the filters that an order has to fit."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal

import msgspec


def _decimals(step: Decimal) -> int:
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


class Instrument(msgspec.Struct, frozen=True):
    """One symbol of one exchange. Prices are in `quote`, quantities in `base`."""

    exchange: str
    symbol: str
    base: str
    quote: str
    tick_size: Decimal
    quantity_step: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    min_notional: Decimal
    max_leverage: Decimal
    is_trading: bool = True
    listed_ms: int | None = None  # ms UTC; None where the exchange does not say

    @property
    def price_decimals(self) -> int:
        return _decimals(self.tick_size)

    @property
    def quantity_decimals(self) -> int:
        return _decimals(self.quantity_step)

    def round_price(self, price: Decimal) -> Decimal:
        """Nearest tick."""
        ticks = (price / self.tick_size).quantize(Decimal(1), rounding=ROUND_HALF_EVEN)
        return (ticks * self.tick_size).quantize(Decimal(1).scaleb(-self.price_decimals))

    def round_quantity_down(self, quantity: Decimal) -> Decimal:
        """Largest whole number of steps that is not above `quantity`: never up past a limit."""
        steps = (quantity / self.quantity_step).quantize(Decimal(1), rounding=ROUND_DOWN)
        return (steps * self.quantity_step).quantize(Decimal(1).scaleb(-self.quantity_decimals))
