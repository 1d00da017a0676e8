"""Is this order far larger than usual? A slipped digit or a fault looks like that."""

from __future__ import annotations

from decimal import Decimal

from core.models.orders import Denial, OrderRequest
from core.risk.rule import RiskFacts, Rule


class OrderSizeRule(Rule):
    """Against the average notional of the newest entries, once enough of them are known."""

    name = "order_size"
    alerts = True

    def deny(self, request: OrderRequest, facts: RiskFacts) -> Denial | None:
        known = facts.recent_notionals[-facts.limits.order_average_of :]
        if len(known) < facts.limits.order_average_from:
            return None
        average = sum(known, Decimal(0)) / len(known)
        if request.notional <= facts.limits.max_order_multiple * average:
            return None
        return Denial(
            self.name,
            f"an order of {request.notional:,.2f} is more than "
            f"{facts.limits.max_order_multiple} x the average of {average:,.2f}",
        )
