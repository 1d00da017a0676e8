"""Is the newest price believable? One wrong trade or message would size and place an order by a
price that nobody else sees (spec M10: abnormal prices)."""

from __future__ import annotations

from core.models.orders import Denial, OrderRequest
from core.risk.rule import RiskFacts, Rule, percent


class PriceJumpRule(Rule):
    """One witness that agrees is enough: the mark price follows a real move at once, and the
    median of the last minute does within half a minute, so that the wait ends by itself."""

    name = "price_jump"
    alerts = True

    def deny(self, request: OrderRequest, facts: RiskFacts) -> Denial | None:
        if facts.price is None:
            return None
        price, limit = facts.price.price, facts.limits.max_price_jump
        witnesses = {"the median of the last minute": facts.price.minute_median}
        witnesses["the mark price"] = facts.price.mark
        jumps = {name: price / said - 1 for name, said in witnesses.items() if said}
        if not jumps or min(map(abs, jumps.values())) <= limit:
            return None
        words = (
            f"{percent(abs(jump))} {'above' if jump > 0 else 'below'} {name}"
            for name, jump in jumps.items()
        )
        return Denial(
            self.name,
            f"the last price of {request.symbol}, {price:f}, is {' and '.join(words)}; above "
            f"{percent(limit)} entries wait until one of them agrees",
        )
