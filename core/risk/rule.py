"""What a risk rule is: one question, asked of a few figures. Rules are pure and keep nothing."""

from __future__ import annotations

from decimal import ROUND_UP, Decimal
from typing import ClassVar

import msgspec

from core.capital.report import CapitalFigures
from core.models.orders import Denial, OrderRequest
from core.snapshots import RiskLimit


class RiskLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The trader's limits (spec M4). Ratios 0..1; a limit is broken *above* it, not at it."""

    max_daily_loss: Decimal = Decimal("0.03")  # of the day's first equity
    max_position_share: Decimal = Decimal("0.20")  # of equity, one symbol
    max_order_multiple: Decimal = Decimal(10)  # of the average of the newest orders
    order_average_of: int = 20
    order_average_from: int = 5  # fewer known orders say nothing
    max_orders_per_minute: int = 10
    cool_down_s: float = 60.0  # real seconds without entries after too many orders
    max_drawdown: Decimal = Decimal("0.15")  # of the equity's peak


class RiskFacts(msgspec.Struct, frozen=True):
    """Everything a rule may look at, taken in one moment. Quote currency."""

    limits: RiskLimits
    capital: CapitalFigures
    cap_ratio: Decimal
    recent_notionals: list[Decimal]  # entries let through, newest last
    orders_last_minute: int  # all orders let through, exits too, real time
    held_by_symbol: Decimal = Decimal(0)  # by the order's symbol, without the order itself


class Rule:
    """Base of the rules in `core/risk/rules`, one file each; each overrides what it asks.

    `holds_for_the_day`: a breach cannot be resumed before the trading day rolls.
    `closes_everything`: a breach closes all positions. `pauses`: a denial starts the cool-down.
    `alerts`: a denial is also published as an error, for it hints at a fault somewhere.
    """

    name: ClassVar[str]
    holds_for_the_day: ClassVar[bool] = False
    closes_everything: ClassVar[bool] = False
    pauses: ClassVar[bool] = False
    alerts: ClassVar[bool] = False

    def breach(self, facts: RiskFacts) -> str:  # noqa: ARG002 (for subclasses)
        """Why trading has to stop altogether, or "" if it need not."""
        return ""

    def deny(self, request: OrderRequest, facts: RiskFacts) -> Denial | None:  # noqa: ARG002
        """Why this entry may not be sent. Exits are never asked about."""
        return None

    def bar(self, facts: RiskFacts) -> RiskLimit | None:  # noqa: ARG002
        """How much of the limit is used, for the dashboard."""
        return None


def percent(ratio: Decimal) -> str:
    """`3.01 %`, rounded up: what is above a limit never reads as if it were at it."""
    value = (ratio * 100).quantize(Decimal("0.01"), rounding=ROUND_UP)
    return f"{value.normalize():f} %"
