"""Would one more symbol be too many to hold at once?"""

from __future__ import annotations

from core.models.orders import Denial, OrderRequest
from core.risk.rule import RiskFacts, Rule


class OpenSymbolsRule(Rule):
    name = "open_symbols"

    def deny(self, request: OrderRequest, facts: RiskFacts) -> Denial | None:
        others, limit = len(facts.capital.symbols - {request.symbol}), facts.limits.max_symbols
        if facts.held_by_symbol > 0 or others < limit:
            return None
        text = f"{others} symbols are held or ordered already, {limit} are allowed"
        return Denial(self.name, text)
