"""How large an order is. A sizing method names an amount of money; `size` makes a quantity of it
that fits the exchange's filters and never exceeds the amount."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal, localcontext
from typing import ClassVar

import msgspec

from core.events import Signal
from core.models.instruments import Instrument
from core.trade_log import RoundTrip

ZERO = Decimal(0)


class SizingFacts(msgspec.Struct, frozen=True):
    """What a method may look at. The last two are asked only by the methods that need them.

    `equity` in quote currency. `round_trips()` is the record of the signal's bot, oldest first.
    `closes(count)` are so many of the newest closed candles' closes of every symbol that bots of
    this account trade, oldest first, all of one timeframe; fewer where there are no more.
    """

    signal: Signal
    equity: Decimal
    round_trips: Callable[[], Sequence[RoundTrip]]
    closes: Callable[[int], Mapping[str, Sequence[Decimal]]]


class SizingMethod(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file each in this room, one line in `sizing_methods.py`. Its fields are what the
    configuration may set; ratios are of equity, 0..1, and ValueError says which one is not."""

    name: ClassVar[str]
    summary: ClassVar[str]  # one sentence for a trader who chooses between methods

    def __post_init__(self) -> None:
        for field in msgspec.structs.fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("ratio") and not 0 < value <= 1:
                raise ValueError(
                    f"{field.name} is more than 0 and at most 1 of equity, not {value}"
                )

    def target_notional(self, facts: SizingFacts) -> Decimal:
        """Wished position, quote currency; 0 or less: none."""
        raise NotImplementedError


def size(target_notional: Decimal, price: Decimal, instrument: Instrument) -> Decimal:
    """Largest quantity on the exchange's step whose notional is at most `target_notional`; 0 when
    not even one step is. Minimums are the caller's question (`below_minimum`)."""
    if target_notional <= 0 or price <= 0:
        return ZERO
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
