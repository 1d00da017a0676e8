"""Do we know what the market is now? An order against an old price is a bet on yesterday."""

from __future__ import annotations

from core.models.orders import Denial, OrderRequest
from core.risk.rule import RiskFacts, Rule


class StalePriceRule(Rule):
    name = "stale_price"

    def deny(self, request: OrderRequest, facts: RiskFacts) -> Denial | None:
        if not facts.follows_prices:
            return None
        if facts.price is None:
            return Denial(self.name, f"no price of {request.symbol} has come yet")
        age_s, limit_s = facts.price.age_s, facts.limits.max_price_age_s
        if age_s <= limit_s:
            return None
        text = f"the newest price of {request.symbol} is {age_s:.1f} s old, above {limit_s:g} s"
        return Denial(self.name, text)
