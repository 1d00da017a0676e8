"""Does the exchange refuse one entry after another? Asking again and again helps nobody (spec M10:
alarm first, then by itself)."""

from __future__ import annotations

from core.models.orders import Denial, OrderRequest
from core.risk.rule import RiskFacts, Rule


class FailedOrdersRule(Rule):
    """Counted from the last entry that was accepted, or from the last pause."""

    name = "failed_orders"
    pauses = True
    alerts = True

    def deny(self, request: OrderRequest, facts: RiskFacts) -> Denial | None:  # noqa: ARG002
        failed, limit = facts.failed_in_a_row, facts.limits.max_failed_orders
        if failed < limit:
            return None
        return Denial(
            self.name,
            f"{failed} entries in a row were refused by the exchange; "
            f"entries pause for {facts.limits.cool_down_s:.0f} s",
        )
