"""Has the trader set tighter limits for this symbol?"""

from __future__ import annotations

from core.models.orders import Denial, OrderRequest
from core.risk.rule import RiskFacts, Rule


class SymbolLimitsRule(Rule):
    """Amounts in quote currency; its share of the equity is `largest_position`'s question."""

    name = "symbol_limit"

    def deny(self, request: OrderRequest, facts: RiskFacts) -> Denial | None:
        limits, symbol = facts.limits_of(request.symbol), request.symbol
        if not limits.is_allowed:
            return Denial(self.name, f"{symbol} may only be closed, by the limits set for it")
        most = limits.max_order_notional
        if most is not None and request.notional > most:
            text = f"an order of {request.notional:,.2f} is above {symbol}'s limit of {most:,.2f}"
            return Denial(self.name, text)
        most, position = limits.max_position_notional, facts.held_by_symbol + request.notional
        if most is not None and position > most:
            text = f"{symbol} would hold {position:,.2f}, above its limit of {most:,.2f}"
            return Denial(self.name, text)
        return None
