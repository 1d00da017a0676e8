"""What the engine tells a screen: the newest value of everything, at most ten times a second,
and an ordered list of what must not be lost.

Display only: nothing here decides about money. Money stays `Decimal` (it is shown exactly);
chart columns are floats.
"""

from __future__ import annotations

import enum
from decimal import Decimal

import msgspec

from core.models.alerts import PriceAlert, SendingSnapshot
from core.models.books import OrderBookSnapshot
from core.models.candles import Ticker
from core.models.fills import Fill
from core.models.instruments import Instrument
from core.models.orders import Order
from core.models.positions import Position
from core.models.streams import StreamStatistics, TopicLatency
from core.parameter_form import PartForm
from core.reports.statistics import Statistics
from core.scanning.snapshots import ScanSnapshot

PROTOCOL_VERSION = 1


class EngineState(enum.StrEnum):
    STARTING = "starting"
    RECONCILING = "reconciling"
    RUNNING = "running"
    STOPPING = "stopping"


class BotState(enum.StrEnum):
    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    ERROR = "error"


class TradingState(enum.StrEnum):
    """Risk states (NautilusTrader's words): all orders, exits only, nothing but cancels."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


class AccountMode(enum.StrEnum):
    DEMO = "demo"
    PAPER = "paper"
    LIVE = "live"


class ConnectionState(msgspec.Struct, frozen=True):
    """`last_message_age_ms` is real time since the last message, None before the first."""

    exchange: str
    public: str
    private: str
    detail: str = ""
    latency_p50_ms: float | None = None
    latency_p99_ms: float | None = None
    order_latency_ms: float | None = None
    last_message_age_ms: int | None = None
    reconnects: int = 0


class AccountSnapshot(msgspec.Struct, frozen=True):
    name: str
    exchange: str
    mode: AccountMode
    currency: str
    wallet_balance: Decimal | None
    equity: Decimal | None
    unrealized_pnl: Decimal | None
    ledger_error: Decimal | None  # our ledger minus the exchange's wallet balance
    ledger_difference: list[DifferencePart] = []  # what explains it; the amounts add up to it
    risk: RiskSnapshot | None = None  # this account's own; None before it is connected
    timezone: str = "UTC"  # IANA name: where its trading day begins at midnight


class DifferencePart(msgspec.Struct, frozen=True):
    """`category`: result, fee, funding (of trades not booked here) or transfer (the rest, which
    the trader may book). `amount` is its share of the difference; `text` is one sentence."""

    category: str
    amount: Decimal
    text: str


class BotSnapshot(msgspec.Struct, frozen=True):
    """`name` is the trader's own word for the bot, `bot_id` where he gave none. `scan` is what a
    bot that scans many symbols shows, None for one that follows `symbol` alone."""

    bot_id: str
    kind: str  # a key of `core.bots.kinds.BOT_KINDS`
    account: str
    symbol: str  # "" for a bot of many symbols
    timeframe: str
    strategy: str
    state: BotState
    state_text: str  # one sentence: what it does or why it stopped
    since_ms: int | None
    realized_pnl: Decimal
    trades_today: int
    last_signal: str
    candles_closed: int
    indicators: dict[str, float] = {}
    name: str = ""
    signal_exchange: str = ""  # whose candles the signals come from; "": the account's exchange
    scan: ScanSnapshot | None = None

    @property
    def title(self) -> str:
        """What a tab or a list calls it."""
        return self.symbol or self.name


class CapitalSlice(msgspec.Struct, frozen=True):
    """Capital held by one symbol. `state` is "locked" (position) or "reserved" (order)."""

    symbol: str
    bot_id: str
    amount: Decimal
    state: str
    share: Decimal  # of total capital, 0..1
    unrealized_pnl: Decimal | None


class LedgerLine(msgspec.Struct, frozen=True):
    time_ms: int
    kind: str  # reserved, locked, given_back, released, fee, funding, deposit, withdrawal
    text: str
    amount: Decimal


class CapitalSnapshot(msgspec.Struct, frozen=True):
    """total = free + reserved + locked (`free` includes the part that is kept, never used)."""

    currency: str
    initial: Decimal
    total: Decimal
    free: Decimal
    reserved: Decimal
    locked: Decimal
    available: Decimal  # what a new order may take: cap x total - reserved - locked, not below 0
    cap_ratio: Decimal  # 0.80
    allocation_ratio: Decimal
    realized_pnl: Decimal
    unrealized_pnl: Decimal
    equity: Decimal
    daily_pnl: Decimal
    daily_realized_pnl: Decimal
    peak: Decimal
    drawdown: Decimal  # 0..1 of peak
    max_drawdown: Decimal
    slices: list[CapitalSlice]
    ledger: list[LedgerLine]  # newest first, at most 50
    equity_curve: list[tuple[int, float]]  # (ms UTC, equity), at most 500 points
    daily_results: list[tuple[int, float]]  # (day start ms, result), at most 30
    best_day: Decimal | None = None
    worst_day: Decimal | None = None
    trades: int = 0
    statistics: Statistics | None = None
    account: str = ""


class RiskLimit(msgspec.Struct, frozen=True):
    """One rule's bar: `used` of `limit`, in `unit` ("%" or "orders")."""

    name: str  # daily_loss, largest_position, orders_per_minute, drawdown, capital_in_use
    used: float
    limit: float
    unit: str
    consequence: str


class RiskSnapshot(msgspec.Struct, frozen=True):
    state: TradingState
    reason: str
    limits: list[RiskLimit]
    kill_switch_since_ms: int | None = None
    kill_switch_answers: list[str] = []  # "Bybit: 3 of 3 cancelled"


class LimiterSnapshot(msgspec.Struct, frozen=True):
    """One limit of one exchange. Times are real ms from now.

    `family` names the limit ("address", "order_create"); one row for each limit that has been drawn
    on, with its fullest window. A request is counted in the row of its own limit, so that rows add
    up; its use shows wherever it draws. `used_ratio` is of the 80 % we allow ourselves.
    """

    exchange: str
    family: str
    used_ratio: float
    wait_ms: float  # until one more ordinary request could leave
    total_requests: int
    held_back: int  # requests that had to wait
    refused_by_exchange: int
    account: str = ""  # "": a limit of this machine's address, whichever account asks
    used: int = 0  # tokens in the last window, other programs' included where the exchange tells
    allowed: int = 0  # tokens we allow ourselves in a window
    published: int = 0  # tokens the exchange allows
    window_ms: int = 0
    waiting: int = 0  # requests in the queue now
    avg_wait_ms: float = 0.0  # over all requests
    reset_ms: int = 0  # until the window is empty again if nothing more leaves
    blocked_ms: int = 0  # the exchange refused: nothing leaves before; 0: not blocked


class DataSnapshot(msgspec.Struct, frozen=True):
    symbols_loaded: int
    max_symbols: int
    candles_in_memory: int
    memory_bytes: int
    candles_stored: int
    last_save_ms: int | None
    last_save_took_ms: float | None
    last_save_symbols: int
    gaps_filled: int
    gaps_open: int
    backfills: int
    cache_bytes: int
    series: list[SeriesSnapshot] = []
    fault: str | None = None  # why candles cannot be stored now; meanwhile nothing is entered


class SeriesSnapshot(msgspec.Struct, frozen=True):
    exchange: str
    symbol: str
    timeframe: str
    rows: int
    first_ms: int | None
    last_ms: int | None
    gaps: int
    file_bytes: int
    memory_bytes: int = 0  # 0: on disk only


class MachineSnapshot(msgspec.Struct, frozen=True):
    engine_cpu_ratio: float
    engine_rss_mb: float
    disk_used_ratio: float
    loop_gap_max_ms: float
    uptime_s: float


class LiveCandle(msgspec.Struct, frozen=True):
    """The forming bar of a watched chart, with the engine's indicator values on it."""

    symbol: str
    timeframe: str
    open_time_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    indicators: dict[str, float] = {}


class EngineSnapshot(msgspec.Struct, frozen=True):
    """Everything, newest value per key. `market_time_ms` is the exchange's clock."""

    seq: int
    state: EngineState
    state_text: str
    market_time_ms: int
    clock_rate: float
    connections: list[ConnectionState]
    accounts: list[AccountSnapshot]
    bots: list[BotSnapshot]
    positions: list[PositionSnapshot]
    working_orders: list[Order]
    tickers: list[TickerRow]
    live_candles: list[LiveCandle]
    capital: CapitalSnapshot | None  # the first account's
    risk: RiskSnapshot  # of the account that is stopped furthest; its name in the reason
    limiters: list[LimiterSnapshot]
    data: DataSnapshot
    machine: MachineSnapshot
    unhandled_exceptions: int = 0
    download: DownloadSnapshot | None = None  # the last one, from its start on
    protection: list[ProtectionSnapshot] = []  # one for each position that is not flat
    findings: list[FindingSnapshot] = []  # what waits for the trader's word
    feeds: list[FeedSnapshot] = []  # of exchanges whose stream is measured; renewed every second
    alerts: list[PriceAlert] = []  # oldest first
    books: list[OrderBookSnapshot] = []  # of the symbols in view, where the exchange streams them
    sending: SendingSnapshot = SendingSnapshot()
    other_capital: list[CapitalSnapshot] = []  # of the other accounts; renewed every second


class FeedSnapshot(msgspec.Struct, frozen=True):
    """One exchange's public stream: its figures, and each topic's way from the socket to the
    strategies of the symbols that are followed."""

    exchange: str
    figures: StreamStatistics
    topics: list[TopicLatency]


class PositionSnapshot(msgspec.Struct, frozen=True):
    """`opened_ms` and the percentages are the engine's; None where it cannot know."""

    position: Position
    bot_id: str
    opened_ms: int | None
    pnl_ratio: Decimal | None
    r_multiple: Decimal | None
    is_protected: bool


class TickerRow(msgspec.Struct, frozen=True):
    ticker: Ticker
    age_ms: int  # real time since the last message of this symbol


class ClosedCandle(msgspec.Struct, frozen=True, tag=True):
    """A bar closed on a watched chart; ordered, never dropped."""

    candle: LiveCandle


class FillRecord(msgspec.Struct, frozen=True, tag=True):
    fill: Fill
    purpose: str  # entry, exit, stop_loss, take_profit, external
    trade_pnl: Decimal | None = None  # net result of the round trip this fill closed


class OrderRecord(msgspec.Struct, frozen=True, tag=True):
    order: Order


class Notice(msgspec.Struct, frozen=True, tag=True):
    """A line of the log; `severity` info/warning/danger, toast when `toast`.

    `title` is two or three words ("Candle closed", "Filled", "Denied"), `text` one sentence.
    A refused order's notice carries the rule's or the exchange's `code` and the order's id.
    """

    severity: str
    title: str
    text: str
    symbol: str = ""
    bot_id: str = ""
    toast: bool = False
    code: str = ""
    client_order_id: str = ""


Record = ClosedCandle | FillRecord | OrderRecord | Notice


class FeedItem(msgspec.Struct, frozen=True):
    """One entry of the ordered list. `seq` grows by one; a gap means items were lost: reattach."""

    seq: int
    time_ms: int
    record: Record


class CandleBlock(msgspec.Struct, frozen=True):
    """Chart history, columns as little-endian bytes: `open_time_ms` int64, the rest float64.

    Raw columns rather than Arrow: the screen reads them with `numpy.frombuffer` and so needs
    no pyarrow, which costs it 0.1 s and 36 MB. Indicators are the engine's own (same code as
    the strategy's), NaN while warming up, one column for each of their outputs, named by
    `IndicatorSpec.column`.
    """

    symbol: str
    timeframe: str
    rows: int
    columns: dict[str, bytes]
    is_end_of_history: bool  # nothing older exists


class Attached(msgspec.Struct, frozen=True):
    """First answer to a screen: who the engine is, and the newest part of the ordered list
    without closed candles (a chart asks for its history). Sent again when the exchange's
    instruments have become known."""

    protocol_version: int
    engine_pid: int
    data_dir: str
    instruments: list[Instrument]
    strategies: list[PartForm]
    backlog: list[FeedItem]
    last_seq: int  # the next item of the ordered list has the number after this
    snapshot: EngineSnapshot
    sizing_methods: list[PartForm] = []


class DownloadState(enum.StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class SymbolDownload(msgspec.Struct, frozen=True, array_like=True):
    """One symbol's share of a download, counted in bars that were missing when it began.

    `state` is waiting, loading, done, failed or cancelled; `wanted` is None until somebody has
    looked; `added` bars came, the rest of `done` does not exist at the exchange.
    """

    symbol: str
    state: str
    wanted: int | None = None
    done: int = 0
    added: int = 0
    text: str = ""  # why it failed


class DownloadSnapshot(msgspec.Struct, frozen=True):
    """The history being fetched. `start_ms`: oldest bar wanted, ms UTC."""

    state: DownloadState
    state_text: str
    exchange: str
    timeframe: str
    start_ms: int
    symbols: list[SymbolDownload]


class ProtectionSnapshot(msgspec.Struct, frozen=True):
    """The proof that one position is protected at the exchange, and for how long it was not.

    Seconds are real time since this engine first saw the position. `stop_quantity` is what the
    resting stops would close, base currency. `text` is one sentence.
    """

    account: str
    symbol: str
    bot_id: str
    is_protected: bool
    text: str
    protected_s: float = 0.0
    unprotected_s: float = 0.0
    unprotected_longest_s: float = 0.0
    stop_price: Decimal | None = None
    stop_quantity: Decimal = Decimal(0)
    take_profit_price: Decimal | None = None
    times_replaced: int = 0  # how often a lost stop was put back
    is_foreign: bool = False  # no order of ours explains it, and nothing protects it


class FindingSnapshot(msgspec.Struct, frozen=True):
    """Something at the exchange that nothing of ours explains: its symbol pauses until the trader
    accepts it. `is_ignored`: he has said that he knows. `text` is one sentence."""

    account: str
    symbol: str
    text: str
    is_ignored: bool


class TrailLine(msgspec.Struct, frozen=True):
    """One line of an order's causal trail. `time_ms` is market time."""

    time_ms: int
    step: str  # candle, signal, size, intent, capital, risk, request, answer, exchange, fill ...
    text: str
