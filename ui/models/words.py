"""What the trader reads for the engine's terms; English here, translated where it is shown."""

from __future__ import annotations

from decimal import Decimal

from core.models.orders import OrderStatus, OrderType, Side
from core.snapshots import BotState, EngineState

BOT_STATES = {
    BotState.STOPPED: "Stopped",
    BotState.STARTING: "Starting",
    BotState.RUNNING: "Running",
    BotState.PAUSED: "Paused",
    BotState.STOPPING: "Stopping",
    BotState.ERROR: "Error",
}
ENGINE_STATES = {
    EngineState.STARTING: "starting",
    EngineState.RECONCILING: "reconciling",
    EngineState.RUNNING: "running",
    EngineState.STOPPING: "stopping",
}
ORDER_STATES = {
    OrderStatus.INTENT: "Intent",
    OrderStatus.SENT: "Sent",
    OrderStatus.ACKNOWLEDGED: "Working",
    OrderStatus.PARTLY_FILLED: "Partly filled",
    OrderStatus.FILLED: "Filled",
    OrderStatus.CANCELLED: "Cancelled",
    OrderStatus.DENIED: "Denied",
    OrderStatus.REJECTED: "Rejected",
    OrderStatus.UNKNOWN: "Unknown",
}
ORDER_STATE_TONES = {
    OrderStatus.DENIED: "warn",
    OrderStatus.REJECTED: "danger",
    OrderStatus.UNKNOWN: "warn",
}
ORDER_TYPES = {
    OrderType.MARKET: "Market",
    OrderType.LIMIT: "Limit",
    OrderType.STOP_MARKET: "Stop",
}
SIDES = {Side.BUY: "Buy", Side.SELL: "Sell"}
DIRECTIONS = {Side.BUY: "Long", Side.SELL: "Short"}
SIDE_TONES = {Side.BUY: "up", Side.SELL: "down"}
PURPOSES = {
    "entry": "Entry",
    "exit": "Exit",
    "stop_loss": "Stop loss",
    "take_profit": "Take profit",
    "external": "External",
}
LIMITS = {
    "daily_loss": "Daily loss",
    "largest_position": "Largest position",
    "orders_per_minute": "Orders this minute",
    "drawdown": "Drawdown",
    "capital_in_use": "Capital in use",
}
REQUEST_FAMILIES = {
    "market": "market data",
    "order": "orders",
    "account": "account",
    "position": "position settings",
}
LEDGER_KINDS = {
    "reserved": "Reserved",
    "locked": "Locked",
    "given_back": "Given back",
    "released": "Released",
    "fee": "Fee",
    "funding": "Funding",
    "deposit": "Deposit",
}
EXCHANGES = {
    "bybit": "Bybit",
    "binance": "Binance",
    "okx": "OKX",
    "bitget": "Bitget",
    "bingx": "BingX",
    "upbit": "Upbit",
    "bithumb": "Bithumb",
}
SEVERITY_TONES = {"info": "t1", "warning": "warn", "danger": "danger"}


def exchange_name(name: str) -> str:
    return EXCHANGES.get(name, name.title())


def tone_of(value: Decimal | float | None) -> str:
    """The tone of a change: up, down, or the plain text tone for zero and unknown."""
    if value is None or value == 0:
        return "t1"
    return "up" if value > 0 else "down"
