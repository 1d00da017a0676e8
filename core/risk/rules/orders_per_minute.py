"""Are orders leaving too fast? Then entries pause for a while."""

from __future__ import annotations

from core.models.orders import Denial, OrderRequest
from core.risk.rule import RiskFacts, Rule
from core.snapshots import RiskLimit


class OrdersPerMinuteRule(Rule):
    """Every order counts, also exits; only entries wait."""

    name = "orders_per_minute"
    pauses = True

    def deny(self, request: OrderRequest, facts: RiskFacts) -> Denial | None:  # noqa: ARG002
        sent, limit = facts.orders_last_minute, facts.limits.max_orders_per_minute
        if sent < limit:
            return None
        return Denial(
            self.name,
            f"{sent} orders left within the last minute, {limit} are allowed; "
            f"entries pause for {facts.limits.cool_down_s:.0f} s",
        )

    def bar(self, facts: RiskFacts) -> RiskLimit:
        return RiskLimit(
            self.name,
            facts.orders_last_minute,
            facts.limits.max_orders_per_minute,
            "orders",
            "pause, then go on",
        )
