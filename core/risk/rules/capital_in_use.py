"""How much of the capital is in use? The ledger itself refuses what is above the cap; this is
only its bar among the others."""

from __future__ import annotations

from decimal import Decimal

from core.display import display_number
from core.risk.rule import RiskFacts, Rule
from core.snapshots import RiskLimit


class CapitalInUseRule(Rule):
    name = "capital_in_use"

    def bar(self, facts: RiskFacts) -> RiskLimit:
        total = facts.capital.total
        used = facts.capital.committed / total if total > 0 else Decimal(0)
        return RiskLimit(
            self.name,
            display_number(used * 100),
            display_number(facts.cap_ratio * 100),
            "%",
            "the order is denied",
        )
