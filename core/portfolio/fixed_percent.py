"""The same part of the equity for every position."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar

from core.parameter_form import told
from core.portfolio.sizing import SizingFacts, SizingMethod


class FixedPercent(SizingMethod, frozen=True):
    """10 % of equity unless told otherwise."""

    name: ClassVar[str] = "fixed_percent"
    summary: ClassVar[str] = "The same part of the equity for every position."
    ratio: Annotated[Decimal, told("Of the equity, each position.", "%")] = Decimal("0.10")

    def target_notional(self, facts: SizingFacts) -> Decimal:
        return self.ratio * facts.equity
