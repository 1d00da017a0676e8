"""The same part of the equity for every position."""

from __future__ import annotations

from decimal import Decimal

from core.events import Signal


class FixedPercent:
    """10 % of equity unless told otherwise. Raises ValueError for a ratio outside 0..1."""

    name = "fixed_percent"

    def __init__(self, ratio: Decimal = Decimal("0.10")) -> None:
        if not 0 < ratio <= 1:
            raise ValueError(f"a position is more than 0 and at most 1 of equity, not {ratio}")
        self.ratio = ratio

    def target_notional(self, signal: Signal, equity: Decimal) -> Decimal:  # noqa: ARG002
        return self.ratio * equity
