"""Would all positions and orders together be too much for what is left of the equity?"""

from __future__ import annotations

from core.models.orders import Denial, OrderRequest
from core.risk.rule import RiskFacts, Rule, percent


class GrossExposureRule(Rule):
    """The ledger's cap counts realized money; this counts open losses too, so it tightens while
    positions lose."""

    name = "gross_exposure"

    def deny(self, request: OrderRequest, facts: RiskFacts) -> Denial | None:
        equity, limit = facts.capital.equity, facts.limits.max_gross_share
        exposure = facts.held_in_all + request.notional
        if exposure <= limit * equity:
            return None
        share = percent(exposure / equity) if equity > 0 else "all"
        return Denial(
            self.name,
            f"positions and orders would hold {share} of the equity, above {percent(limit)}",
        )
