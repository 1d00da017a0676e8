"""A part of the equity that grows with the edge the bot's own record shows (Kelly 1956).

f = W - (1 - W) / R, with W the part of its round trips that won and R the average win over the
average loss. The formula is for the money at risk; here it is the size of the position, which
risks less than that, since a stop loses only a part of it. Taken by half and capped all the same:
a record is a sample, and betting above the true f ruins.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, ClassVar

from core.parameter_form import told
from core.portfolio.sizing import ZERO, SizingFacts, SizingMethod
from core.trade_log import RoundTrip


class Kelly(SizingMethod, frozen=True):
    """`multiplier` of f, at most `max_ratio`. With fewer than `min_trades` round trips the record
    says nothing yet and `first_ratio` is used; a record without an edge opens nothing. Only the
    newest `newest_trades` count, so that a bot is judged by what it does now."""

    name: ClassVar[str] = "kelly"
    summary: ClassVar[str] = "Grows with the edge that the bot's own record shows."
    multiplier: Annotated[Decimal, told("Of what Kelly advises; less is calmer.")] = Decimal("0.5")
    max_ratio: Annotated[Decimal, told("Of the equity, at most.", "%")] = Decimal("0.20")
    first_ratio: Annotated[Decimal, told("Until the record is long enough.", "%")] = Decimal("0.02")
    min_trades: int = 30
    newest_trades: int = 200

    def __post_init__(self) -> None:
        super(Kelly, self).__post_init__()  # noqa: UP008 (msgspec makes a new class of this one)
        if not 0 < self.multiplier <= 1:
            raise ValueError(f"multiplier is more than 0 and at most 1, not {self.multiplier}")
        if not 1 <= self.min_trades <= self.newest_trades:
            raise ValueError(f"min_trades is from 1 to newest_trades, not {self.min_trades}")

    def target_notional(self, facts: SizingFacts) -> Decimal:
        record = facts.round_trips()[-self.newest_trades :]
        if len(record) < self.min_trades:
            return self.first_ratio * facts.equity
        fraction = max(ZERO, self.multiplier * kelly_fraction(record))
        return min(fraction, self.max_ratio) * facts.equity


def kelly_fraction(record: Sequence[RoundTrip]) -> Decimal:
    """f of a record that is not empty: 1 when nothing was ever lost, 0 or less without an edge."""
    wins = [trip.net_result for trip in record if trip.net_result > 0]
    losses = [-trip.net_result for trip in record if trip.net_result <= 0]
    won, lost = sum(wins, ZERO), sum(losses, ZERO)
    if not wins:
        return ZERO
    win_rate = Decimal(len(wins)) / len(record)
    if lost == 0:
        return win_rate
    payoff = (won / len(wins)) / (lost / len(losses))
    return win_rate - (1 - win_rate) / payoff
