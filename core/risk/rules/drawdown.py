"""Has the equity fallen too far from its peak? Then everything is closed."""

from __future__ import annotations

from core.display import display_number
from core.risk.rule import RiskFacts, Rule, percent
from core.snapshots import RiskLimit


class DrawdownRule(Rule):
    """From the highest equity ever, or since trading was resumed after the last time."""

    name = "drawdown"
    closes_everything = True

    def breach(self, facts: RiskFacts) -> str:
        fallen, limit = facts.capital.drawdown, facts.limits.max_drawdown
        if fallen <= limit:
            return ""
        return f"Drawdown of {percent(fallen)} is above {percent(limit)}; everything is closed."

    def bar(self, facts: RiskFacts) -> RiskLimit:
        return RiskLimit(
            self.name,
            display_number(facts.capital.drawdown * 100),
            display_number(facts.limits.max_drawdown * 100),
            "%",
            "everything is closed",
        )
