"""What a risk rule is: one question, asked of a few figures. Rules are pure and keep nothing."""

from __future__ import annotations

from decimal import ROUND_UP, Decimal
from typing import ClassVar

import msgspec

from core.capital.report import CapitalFigures
from core.models.orders import Denial, OrderRequest
from core.snapshots import RiskLimit


class SymbolLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tighter limits of one symbol; None: only the general ones. Notional in quote currency."""

    is_allowed: bool = True  # False: positions in it may only be closed
    max_position_share: Decimal | None = None  # of equity
    max_position_notional: Decimal | None = None
    max_order_notional: Decimal | None = None


class RiskLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The trader's limits (spec M4, D5). Ratios 0..1; a limit is broken *above* it, not at it."""

    max_daily_loss: Decimal = Decimal("0.03")  # of the day's first equity
    max_position_share: Decimal = Decimal("0.20")  # of equity, one symbol
    max_gross_share: Decimal = Decimal("0.80")  # of equity, all symbols together
    max_symbols: int = 50  # held or ordered at the same time
    max_order_multiple: Decimal = Decimal(10)  # of the average of the newest orders
    order_average_of: int = 20
    order_average_from: int = 5  # fewer known orders say nothing
    max_orders_per_minute: int = 10
    max_failed_orders: int = 5  # entries in a row that the exchange refused
    cool_down_s: float = 60.0  # real seconds without entries after too many of either
    max_drawdown: Decimal = Decimal("0.15")  # of the equity's peak
    max_price_age_s: float = 15.0  # real seconds since the symbol's newest price
    max_price_jump: Decimal = Decimal("0.03")  # from all that witnesses the newest price
    max_price_through: Decimal = Decimal("0.05")  # worse than the market, of its price
    max_price_away: Decimal = Decimal("0.50")  # better than the market, of its price
    symbols: dict[str, SymbolLimits] = {}


class MarketPrice(msgspec.Struct, frozen=True):
    """The newest price of a symbol, quote currency, and how many real seconds ago it came.

    Its witnesses, None where there are none: the median of the last minute of market time, and
    the exchange's mark price.
    """

    price: Decimal
    age_s: float
    minute_median: Decimal | None = None
    mark: Decimal | None = None


class RiskFacts(msgspec.Struct, frozen=True):
    """Everything a rule may look at, taken in one moment. Quote currency.

    What is held is counted without the order that is asked about. `price` None: the symbol's
    price is not known; with `follows_prices` False nobody here could know any.
    """

    limits: RiskLimits
    capital: CapitalFigures
    cap_ratio: Decimal
    recent_notionals: list[Decimal]  # entries let through, newest last
    orders_last_minute: int  # all orders let through, exits too, real time
    failed_in_a_row: int = 0  # entries that the exchange refused since it took one
    held_by_symbol: Decimal = Decimal(0)
    held_in_all: Decimal = Decimal(0)
    price: MarketPrice | None = None
    follows_prices: bool = False

    def limits_of(self, symbol: str) -> SymbolLimits:
        return self.limits.symbols.get(symbol, _GENERAL)


_GENERAL = SymbolLimits()


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
        """Why this order may not be sent. Orders that only reduce are never asked about."""
        return None

    def bar(self, facts: RiskFacts) -> RiskLimit | None:  # noqa: ARG002
        """How much of the limit is used, for the dashboard."""
        return None


def percent(ratio: Decimal) -> str:
    """`3.01 %`, rounded up: what is above a limit never reads as if it were at it."""
    value = (ratio * 100).quantize(Decimal("0.01"), rounding=ROUND_UP)
    return f"{value.normalize():f} %"
