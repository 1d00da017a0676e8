"""The rules in the order they are asked and shown; a new one is a file and a line here."""

from __future__ import annotations

from core.risk.rule import Rule
from core.risk.rules.capital_in_use import CapitalInUseRule
from core.risk.rules.daily_loss import DailyLossRule
from core.risk.rules.drawdown import DrawdownRule
from core.risk.rules.failed_orders import FailedOrdersRule
from core.risk.rules.gross_exposure import GrossExposureRule
from core.risk.rules.largest_position import LargestPositionRule
from core.risk.rules.open_symbols import OpenSymbolsRule
from core.risk.rules.order_size import OrderSizeRule
from core.risk.rules.orders_per_minute import OrdersPerMinuteRule
from core.risk.rules.price_distance import PriceDistanceRule
from core.risk.rules.price_jump import PriceJumpRule
from core.risk.rules.stale_price import StalePriceRule
from core.risk.rules.symbol_limits import SymbolLimitsRule

RULES: tuple[Rule, ...] = (
    DailyLossRule(),
    StalePriceRule(),
    PriceJumpRule(),
    PriceDistanceRule(),
    SymbolLimitsRule(),
    LargestPositionRule(),
    GrossExposureRule(),
    OpenSymbolsRule(),
    OrderSizeRule(),
    OrdersPerMinuteRule(),
    FailedOrdersRule(),
    DrawdownRule(),
    CapitalInUseRule(),
)
