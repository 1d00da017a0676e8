"""What the trader reads for the engine's terms; English here, translated where it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from core.models.orders import OrderStatus, OrderType, Side
from core.scanning.snapshots import SymbolState
from core.snapshots import BotState, EngineState
from ui.i18n import title, tr

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
SYMBOL_STATES = {
    SymbolState.POSITION: "In position",
    SymbolState.ENTERING: "Entering",
    SymbolState.TAKEN: "Not free",
    SymbolState.LOADING: "Loading",
    SymbolState.STALE: "Stale",
    SymbolState.COOLING: "Cooling down",
    SymbolState.SIGNAL: "Signal",
    SymbolState.WATCHED: "Watching",
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
RULES = {
    **LIMITS,
    "order_size": "Order size",
    "failed_orders": "Refused entries",
    "gross_exposure": "Exposure in all",
    "open_symbols": "Open symbols",
    "price_distance": "Price too far",
    "price_jump": "Price jump",
    "stale_price": "Old price",
    "symbol_limit": "Limit of the symbol",
    "kill_switch": "Kill switch",
    "state_lost": "Risk state lost",
    "reducing": "Exits only",
    "capital_cap": "Capital cap",
    "order_settled": "Order is over",
    "ledger_unsound": "Ledger at fault",
    "journal": "Order journal",
    "check_failed": "Check failed",
    "no_exchange": "No exchange",
    "not_reduce_only": "Exit not reduce-only",
    "not_ready": "Not ready",
    "position_unclear": "Position unclear",
    "entry_unanswered": "Entry unanswered",
    "no_stop": "No stop",
    "not_sent": "Not sent",
    "never_arrived": "Never arrived",
    "below_minimum": "Below the minimum",
    "no_valid_stop": "No valid stop",
    "not_trading": "Not traded",
    "amend_above_reservation": "Change too large",
}
ADVICE = {
    "daily_loss": "Trading stands still until tomorrow; exits go on.",
    "largest_position": "Wait until the position is smaller, or raise the limit for it.",
    "orders_per_minute": "Entries go on by themselves after the pause.",
    "drawdown": "Everything is closed; trading goes on when you resume it.",
    "capital_in_use": "Wait until capital is free again.",
    "order_size": "An order this large hints at a mistake; check the size of the bot.",
    "failed_orders": "Look at what the exchange says of them; entries go on after the pause.",
    "gross_exposure": "Close something, or wait until losses have gone back.",
    "open_symbols": "Close a position first, or allow more symbols.",
    "price_distance": "The price looks like a slip of the finger; check it.",
    "price_jump": "Entries go on by themselves when the mark price or the last minute agrees.",
    "stale_price": "Entries go on by themselves with the next fresh price.",
    "symbol_limit": "The limits of this symbol are in the configuration file.",
    "kill_switch": "Trading goes on when you resume it.",
    "state_lost": "Look at the positions, then resume trading.",
    "reducing": "Entries go on by themselves when the reason is gone; exits pass.",
    "capital_cap": "Wait until capital is free, or use smaller positions.",
    "order_settled": "The order has ended already; place a new one.",
    "ledger_unsound": "Exits go on. Look at the capital page before you start again.",
    "journal": "Free some disk space: what is not on disk does not leave.",
    "check_failed": "This is a fault of the program; see the log.",
    "no_exchange": "Check the accounts of the configuration file.",
    "not_reduce_only": "This is a fault of the program; see the log.",
    "not_ready": "Entries go on by themselves once the account is reconciled.",
    "position_unclear": "The next reconciliation tells; entries go on after it.",
    "entry_unanswered": "The exchange is asked; entries go on once it has answered.",
    "no_stop": "An order needs a stop loss before it may leave.",
    "not_sent": "Nothing left the computer; the next signal makes a new order.",
    "never_arrived": "The exchange does not know it; the next signal makes a new order.",
    "below_minimum": "Give the bot more capital, or a symbol with a smaller minimum.",
    "no_valid_stop": "The stop distance is wider than the price; check the strategy.",
    "not_trading": "The exchange has paused or delisted the symbol.",
    "amend_above_reservation": "Cancel the order and place a larger one.",
}
PARTS = {
    "reconciliation": "Reconciliation",
    "watch": "Account watch",
    "protection": "Protection",
    "kill switch": "Kill switch",
    "resync": "Clock",
    "clock": "Clock",
    "closing": "Closing",
    "trades": "Trade log",
    "valuation": "Valuation",
    "take profit": "Take profit",
    "left-over stop": "Left-over stop",
    "market data": "Market data",
    "data monitor": "Missing candles",
    "candle files": "Candle files",
    "candles": "Candles",
    "risk": "Risk",
    "portfolio": "Position size",
    "order gate": "Order checks",
    "order management": "Orders",
    "order": "Orders",
    "cancel": "Orders",
    "asking": "Orders",
    "records": "Log",
    "state manager": "Positions",
    "loop probe": "Engine",
    "link": "Screen link",
    "backfill": "Missing candles",
    "repair": "Missing candles",
    "download": "Download",
}
PARAMETERS = {
    "rsi_period": "RSI period",
    "atr_period": "ATR period",
    "recent_bars": "Recent bars",
    "earlier_bars": "Earlier bars",
    "oversold": "Oversold",
    "overbought": "Overbought",
    "signal_score": "Score of a signal",
    "stop_atr": "Stop loss",
    "take_profit_atr": "Take profit",
    "macd_fast": "MACD fast",
    "macd_slow": "MACD slow",
    "macd_signal": "MACD signal",
    "rsi_middle": "RSI middle",
    "rsi_long_max": "RSI limit of longs",
    "rsi_short_min": "RSI limit of shorts",
    "ratio": "Share of equity",
    "multiplier": "Part of Kelly",
    "max_ratio": "Largest position",
    "first_ratio": "At first",
    "min_trades": "Trades needed",
    "newest_trades": "Newest trades",
    "total_ratio": "All positions",
    "bars": "Candles",
    "risk_ratio": "Risk of a position",
    "atr_multiple": "Stop in ATR",
}
SIZING = {
    "fixed_percent": "fixed percent",
    "kelly": "Kelly",
    "volatility_adjusted": "volatility adjusted",
    "risk_parity": "risk parity",
}
REQUEST_FAMILIES = {
    "address": "all requests",
    "market": "market data",
    "instruments": "instruments",
    "tickers": "tickers",
    "order": "orders",
    "order_create": "new orders",
    "order_amend": "order changes",
    "order_cancel": "cancels",
    "order_read": "order queries",
    "open_orders": "open orders",
    "order_history": "order history",
    "fills": "fills",
    "bookings": "balance history",
    "positions": "positions",
    "balance": "balance",
    "account": "account",
    "leverage": "leverage",
    "protection": "stops",
    "default": "account queries",
    "public": "public requests",
    "private": "private requests",
}
LEDGER_KINDS = {
    "reserved": "Reserved",
    "locked": "Locked",
    "given_back": "Given back",
    "released": "Released",
    "fee": "Fee",
    "funding": "Funding",
    "deposit": "Deposit",
    "withdrawal": "Withdrawal",
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


def part_title(part: str, owners: Mapping[str, str] = MappingProxyType({})) -> str:
    """What the trader reads for the engine's name of one of its parts, in his language.

    `bybit-demo: watch` is "Account watch · bybit-demo"; an order's or a symbol's own task is
    named for what it does; `owners` are accounts and bots by their names in the engine, as the
    trader knows them; a heading that is one already ("Denied") stays as it is.
    """
    if part in owners:
        return owners[part]
    owner, _, duty = part.rpartition(": ")
    if owner and duty in PARTS:
        return f"{tr(PARTS[duty])} · {EXCHANGES.get(owner, owner)}"
    known = PARTS.get(owner) or PARTS.get(part) or PARTS.get(part.partition(" ")[0])
    return tr(known) if known else title(part)


def exchange_name(name: str) -> str:
    return EXCHANGES.get(name, name.title())


def tone_of(value: Decimal | float | None) -> str:
    """The tone of a change: up, down, or the plain text tone for zero and unknown."""
    if value is None or value == 0:
        return "t1"
    return "up" if value > 0 else "down"
