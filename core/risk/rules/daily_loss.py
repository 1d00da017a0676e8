"""Has today cost too much? Then no trading for the rest of the day."""

from __future__ import annotations

from core.display import display_number
from core.risk.rule import RiskFacts, Rule, percent
from core.snapshots import RiskLimit


class DailyLossRule(Rule):
    """Realized and unrealized together, against the day's first equity."""

    name = "daily_loss"
    holds_for_the_day = True

    def breach(self, facts: RiskFacts) -> str:
        loss, limit = facts.capital.daily_loss_ratio, facts.limits.max_daily_loss
        return f"Loss of today, {percent(loss)}, is above {percent(limit)}." if loss > limit else ""

    def bar(self, facts: RiskFacts) -> RiskLimit:
        return RiskLimit(
            self.name,
            display_number(facts.capital.daily_loss_ratio * 100),
            display_number(facts.limits.max_daily_loss * 100),
            "%",
            "kill switch, no trading today",
        )
