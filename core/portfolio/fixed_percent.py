"""The same part of the equity for every position."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from core.portfolio.sizing import SizingFacts, SizingMethod


class FixedPercent(SizingMethod, frozen=True):
    """10 % of equity unless told otherwise."""

    name: ClassVar[str] = "fixed_percent"
    ratio: Decimal = Decimal("0.10")

    def target_notional(self, facts: SizingFacts) -> Decimal:
        return self.ratio * facts.equity
