"""Is the price a slip of the finger? Also the price that a market order was sized by: all limits
are computed from it."""

from __future__ import annotations

from core.models.orders import Denial, OrderRequest, OrderType, Side
from core.risk.rule import RiskFacts, Rule, percent


class PriceDistanceRule(Rule):
    """A limit order that pays more than the market does harm at once; one that waits far away is
    a plan, or a digit too few, and has more room. A reference price has little room both ways."""

    name = "price_distance"

    def deny(self, request: OrderRequest, facts: RiskFacts) -> Denial | None:
        if facts.price is None:
            return None
        market, limits = facts.price.price, facts.limits
        if request.order_type is OrderType.LIMIT and request.price is not None:
            kind, price = "limit", request.price
            room_above, room_below = limits.max_price_through, limits.max_price_away
            if request.side is Side.SELL:
                room_above, room_below = room_below, room_above
        else:
            kind, price = "reference", request.reference_price
            room_above = room_below = limits.max_price_through
        distance = price / market - 1
        if -room_below <= distance <= room_above:
            return None
        word, room = ("above", room_above) if distance > 0 else ("below", room_below)
        return Denial(
            self.name,
            f"the {kind} price {price:f} is {percent(abs(distance))} {word} the market's "
            f"{market:f}, {percent(room)} are allowed",
        )
