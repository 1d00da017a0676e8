"""Why the ledger and the exchange's balance differ: a difference is explained, never booked away.

What the exchange has executed and the ledger has not booked explains its own part, by category.
What is left is a transfer that nobody told us about, or a booking that nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from core.capital.book import ZERO
from core.models.fills import Fill, FillKind
from core.snapshots import DifferencePart

_TRANSFER = "transfer"


class LedgerDifference(msgspec.Struct, frozen=True):
    """`total` is our total minus the exchange's wallet balance; the parts add up to it."""

    total: Decimal
    parts: list[DifferencePart]


def explain_difference(
    difference: Decimal, unbooked: Iterable[Fill], currency: str
) -> LedgerDifference:
    """`unbooked` are the exchange's executions that the ledger does not have."""
    amounts = {"result": ZERO, "fee": ZERO, "funding": ZERO}
    counts = dict.fromkeys(amounts, 0)
    for fill in unbooked:
        if fill.kind is FillKind.FUNDING:
            found = {"funding": -fill.cash_flow}
        else:
            found = {"result": -fill.realized_pnl, "fee": fill.fee}
        for category, amount in found.items():
            amounts[category] += amount
            counts[category] += amount != 0
    parts = [
        DifferencePart(
            category,
            amount,
            f"{-amount:+,.2f} {currency} of {category} at the exchange, "
            f"from {counts[category]} executions that are not booked here",
        )
        for category, amount in amounts.items()
        if amount != 0
    ]
    return _with_rest(difference, parts, currency)


def less_transfer(found: LedgerDifference, amount: Decimal, currency: str) -> LedgerDifference:
    """What is left of a difference once a transfer of `amount` (below zero: gone) is booked."""
    parts = [part for part in found.parts if part.category != _TRANSFER]
    return _with_rest(found.total + amount, parts, currency)


def _with_rest(difference: Decimal, parts: list[DifferencePart], currency: str) -> LedgerDifference:
    rest = difference - sum((part.amount for part in parts), ZERO)
    if rest == 0:
        return LedgerDifference(difference, parts)
    word = "withdrawn from" if rest > 0 else "deposited at"
    text = f"{abs(rest):,.2f} {currency} was {word} the exchange, or booked there unknown to us"
    return LedgerDifference(difference, [*parts, DifferencePart(_TRANSFER, rest, text)])
