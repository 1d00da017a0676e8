"""Would one symbol hold too much of the equity?"""

from __future__ import annotations

from decimal import Decimal

from core.display import display_number
from core.models.orders import Denial, OrderRequest
from core.risk.rule import RiskFacts, Rule, percent
from core.snapshots import RiskLimit


class LargestPositionRule(Rule):
    """Counts the position, the symbol's other orders and this one, by notional."""

    name = "largest_position"

    def deny(self, request: OrderRequest, facts: RiskFacts) -> Denial | None:
        equity, limit = facts.capital.equity, facts.limits.max_position_share
        own_limit = facts.limits_of(request.symbol).max_position_share
        if own_limit is not None:
            limit = min(limit, own_limit)
        position = facts.held_by_symbol + request.notional
        if position <= limit * equity:
            return None
        share = percent(position / equity) if equity > 0 else "all"
        return Denial(
            self.name, f"{request.symbol} would hold {share} of the equity, above {percent(limit)}"
        )

    def bar(self, facts: RiskFacts) -> RiskLimit:
        equity = facts.capital.equity
        share = facts.capital.largest_symbol / equity if equity > 0 else Decimal(0)
        return RiskLimit(
            self.name,
            display_number(share * 100),
            display_number(facts.limits.max_position_share * 100),
            "%",
            "the order is denied",
        )
