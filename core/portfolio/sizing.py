"""How large an order is. A sizing method names an amount of money; `size` makes a quantity of it
that fits the exchange's filters and never exceeds the amount."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal, localcontext
from typing import Protocol

from core.events import Signal
from core.models.instruments import Instrument


class SizingMethod(Protocol):
    """One file each in this room, one line in `sizing_methods.py`."""

    name: str

    def target_notional(self, signal: Signal, equity: Decimal) -> Decimal:
        """Wished position, quote currency."""


def size(target_notional: Decimal, price: Decimal, instrument: Instrument) -> Decimal:
    """Largest quantity on the exchange's step whose notional is at most `target_notional`; 0 when
    not even one step is. Minimums are the caller's question (`below_minimum`)."""
    if target_notional <= 0 or price <= 0:
        return Decimal(0)
    with localcontext(rounding=ROUND_FLOOR):  # also the division must not round up
        wished = min(target_notional / price, instrument.max_quantity)
        return instrument.round_quantity_down(wished)


def below_minimum(quantity: Decimal, price: Decimal, instrument: Instrument) -> str:
    """Which minimum of the exchange the order would miss, in numbers, or ""."""
    if quantity < instrument.min_quantity:
        return (
            f"{quantity} {instrument.base} is below the exchange's minimum of "
            f"{instrument.min_quantity} {instrument.base}"
        )
    if quantity * price < instrument.min_notional:
        return (
            f"{quantity * price:,.2f} {instrument.quote} is below the exchange's minimum of "
            f"{instrument.min_notional} {instrument.quote}"
        )
    return ""
