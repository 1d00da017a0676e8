"""The eight kinds of event (spec M1). Components never call each other: they publish these.

`OrderRequest`, `Order` and `Fill` are models that travel as they are; the other five live here.
An event never changes after it is made.
"""

from __future__ import annotations

import enum
from decimal import Decimal

import msgspec

from core.models.candles import CandleUpdate, Ticker
from core.models.fills import Fill
from core.models.orders import Order, OrderRequest, Side

__all__ = [
    "Error",
    "Event",
    "Fill",
    "Heartbeat",
    "MarketData",
    "Order",
    "OrderRequest",
    "Reject",
    "Severity",
    "Signal",
]


class Severity(enum.StrEnum):
    INFO = "info"
    WARNING = "warning"
    DANGER = "danger"


class MarketData(msgspec.Struct, frozen=True):
    """A price or candle of one symbol; exactly one of `candle` and `ticker` is set.

    A closed candle is published after it is durable, and once. `latency_ms` is exchange to here.
    """

    exchange: str
    symbol: str
    candle: CandleUpdate | None = None
    ticker: Ticker | None = None
    latency_ms: float = 0.0


class Signal(msgspec.Struct, frozen=True):
    """A strategy's wish on closed candles: +1 long, -1 short, 0 flat. It knows no balance.

    `stop_distance` and `take_profit_distance` are price distances from the entry (ATR based).
    `evidence` is what the strategy saw (indicator name -> value), for the causal trail.
    """

    bot_id: str
    account: str
    strategy: str
    symbol: str
    direction: int
    candle_open_time_ms: int
    reference_price: Decimal
    time_ms: int
    stop_distance: Decimal | None = None
    take_profit_distance: Decimal | None = None
    evidence: dict[str, float] = {}
    reason: str = ""


class Reject(msgspec.Struct, frozen=True):
    """A no. `is_ours` True: denied, nothing was sent; False: rejected by the exchange."""

    client_order_id: str
    account: str
    bot_id: str
    symbol: str
    side: Side
    quantity: Decimal
    code: str
    text: str
    time_ms: int
    is_ours: bool = True


class Error(msgspec.Struct, frozen=True):
    """A fault of one part, shown as that part's state; its neighbours go on (rule 9)."""

    part: str
    text: str
    time_ms: int
    severity: Severity = Severity.WARNING
    bot_id: str = ""


class Heartbeat(msgspec.Struct, frozen=True):
    """A part is alive. `detail` is one short sentence."""

    part: str
    time_ms: int
    detail: str = ""


Event = MarketData | Signal | OrderRequest | Order | Reject | Fill | Error | Heartbeat
