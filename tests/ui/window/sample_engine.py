"""An engine in full work, made by hand: what a screen has to show on one afternoon."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import numpy as np

from core.commands import CommandResult
from core.models.candles import Ticker
from core.models.fills import Fill
from core.models.instruments import Instrument
from core.models.orders import Order, OrderPurpose, OrderStatus, OrderType, Side
from core.models.positions import Position
from core.models.tickets import OrderPreview
from core.reports.statistics import DayStatistics, Statistics, TradeStatistics
from core.snapshots import (
    AccountMode,
    AccountSnapshot,
    BotSnapshot,
    BotState,
    CandleBlock,
    CapitalSlice,
    CapitalSnapshot,
    ConnectionState,
    DataSnapshot,
    EngineSnapshot,
    EngineState,
    FeedItem,
    FillRecord,
    LedgerLine,
    LimiterSnapshot,
    LiveCandle,
    MachineSnapshot,
    Notice,
    OrderRecord,
    PositionSnapshot,
    Record,
    RiskLimit,
    RiskSnapshot,
    SeriesSnapshot,
    TickerRow,
    TradingState,
)

NOW_MS = 1_763_649_127_000  # 2025-11-20 14:32:07 UTC
QUARTER_MS = 15 * 60_000
D = Decimal

WATCHED = [
    (base, price, change, int(age))
    for base, price, change, age in (
        line.split()
        for line in """
        BTC 67074.5 0.0142 1
        ETH 3412.18 0.0087 1
        SOL 168.97 0.0394 2
        XRP 0.5873 -0.0062 1
        BNB 602.40 0.0031 3
        DOGE 0.14218 0.0227 1
        ADA 0.4461 -0.0118 4
        AVAX 34.212 0.0461 2
        LINK 14.883 0.0109 2
        DOT 6.204 -0.0044 6
        TRX 0.12041 0.0012 3
        LTC 82.17 -0.0091 5
        ATOM 8.317 -0.0236 380
        NEAR 6.742 0.0512 2
        APT 9.104 0.0177 4
        OP 2.381 -0.0152 3
        ARB 1.0266 -0.0027 2
        SUI 1.2874 0.0683 1
        INJ 24.61 0.0294 5
        PEPE 0.000008124 0.0402 2
        WIF 2.841 -0.0194 3
        """.strip().splitlines()
    )
]  # base, price, 24 h change as a ratio, age in tenths of a second


def sample_instruments() -> list[Instrument]:
    return [
        Instrument(
            exchange="bybit",
            symbol=f"{base}USDT",
            base=base,
            quote="USDT",
            tick_size=D(1).scaleb(D(price).as_tuple().exponent),
            quantity_step=D("0.001"),
            min_quantity=D("0.001"),
            max_quantity=D(1000),
            min_notional=D(5),
            max_leverage=D(50),
        )
        for base, price, _change, _age in WATCHED
    ]


def _tickers() -> list[TickerRow]:
    return [
        TickerRow(
            Ticker(
                "bybit", f"{base}USDT", D(price), NOW_MS, D(price), D(price), D(price) + D("0.1"),
                D(price) * D("1.001"), D(price) * D("0.978"), D(change), D(4180000000), D("0.0001"),
            ),
            age_ms=age * 100,
        )
        for base, price, change, age in WATCHED
    ]  # fmt: skip


def _bot(
    bot_id: str, symbol: str, timeframe: str, *, state: BotState, pnl: str, text: str
) -> BotSnapshot:
    return BotSnapshot(
        bot_id, "UnifiedBot", "main", symbol, timeframe, "macd_rsi_trend", state, text,
        NOW_MS - 51_480_000, D(pnl), 3, "long", 128, {"rsi_14": 72.8, "atr_14": 167.6},
    )  # fmt: skip


def working_order(symbol: str, side: Side, price: str, quantity: str, order_id: str) -> Order:
    return Order(
        client_order_id=order_id, exchange_order_id=f"x{order_id}", account="main", bot_id="b1",
        symbol=symbol, side=side, order_type=OrderType.LIMIT, quantity=D(quantity),
        status=OrderStatus.ACKNOWLEDGED, purpose=OrderPurpose.ENTRY, created_ms=NOW_MS - 60_000,
        updated_ms=NOW_MS - 60_000, price=D(price), reason="MACD crossed up",
    )  # fmt: skip


def _positions() -> list[PositionSnapshot]:
    return [
        PositionSnapshot(
            Position("main", "BTCUSDT", Side.BUY, D("0.067"), D("65869.1"), NOW_MS, D("67074.5"),
                     D("80.76"), D(10), D("65495.8"), D("67362.1"), D("60590")),
            "b1", NOW_MS - 36_120_000, D("0.0183"), D("3.23"), True,
        ),
        PositionSnapshot(
            Position("main", "SOLUSDT", Side.SELL, D("14.3"), D("167.97"), NOW_MS, D("168.97"),
                     D("-14.30"), D(10), D("170.20"), None, None),
            "b3", NOW_MS - 1_200_000, D("-0.0060"), D("-0.45"), False,
        ),
    ]  # fmt: skip


def _capital() -> CapitalSnapshot:
    day = 86_400_000
    curve = [
        (NOW_MS - (80 - i) * day, 20_000 + 65.0 * i + 220 * math.sin(i / 4)) for i in range(80)
    ]
    days = [(NOW_MS // day * day - (29 - i) * day, 170 * math.sin(i * 1.7) + 55) for i in range(30)]
    return CapitalSnapshot(
        currency="USDT", initial=D("20000.00"), total=D("25067.20"), free=D("17052.00"),
        reserved=D("1200.00"), locked=D("6815.20"), available=D("12038.56"), cap_ratio=D("0.80"),
        allocation_ratio=D("0.3197"), realized_pnl=D("5067.20"), unrealized_pnl=D("95.06"),
        equity=D("25162.26"), daily_pnl=D("162.26"), daily_realized_pnl=D("67.20"),
        peak=D("25524.71"), drawdown=D("0.0142"), max_drawdown=D("0.0312"),
        slices=[
            CapitalSlice("BTCUSDT", "b1", D("4413.23"), "locked", D("0.176"), D("80.76")),
            CapitalSlice("SOLUSDT", "b3", D("2401.97"), "locked", D("0.096"), D("14.30")),
            CapitalSlice("ETHUSDT", "b2", D("1200.00"), "reserved", D("0.048"), None),
        ],
        ledger=[
            LedgerLine(NOW_MS - 1_176_000, "locked", "SOLUSDT, filled 14.3 at 167.97",
                       D("2401.97")),
            LedgerLine(NOW_MS - 1_177_000, "reserved", "SOLUSDT, market buy 14.3", D("2406.80")),
            LedgerLine(NOW_MS - 2_700_000, "given_back", "AVAXUSDT, order denied by risk rule",
                       D("5198.40")),
            LedgerLine(NOW_MS - 10_100_000, "released", "LINKUSDT, stop loss, result −11.92",
                       D("1804.10")),
        ],
        equity_curve=curve, daily_results=days, best_day=D("318.44"), worst_day=D("-168.96"),
        trades=74, statistics=_statistics(), account="main",
    )  # fmt: skip


def _statistics() -> Statistics:
    """Half a year: three days of four gain, two days of a holiday on which nothing ran."""
    today = datetime.fromtimestamp(NOW_MS / 1000, UTC).date()
    names = [(today - timedelta(days=170 - i)).isoformat() for i in range(171)]
    calendar = [(name, 170 * math.sin(i * 1.7) + 55) for i, name in enumerate(names)]
    return Statistics(
        trades=TradeStatistics(
            trades=74, won=45, lost=28, net_result=D("5067.20"), gross_profit=D("9120.40"),
            gross_loss=D("4053.20"), fees=D("812.10"), funding=D("-31.07"), win_rate=45 / 74,
            profit_factor=2.25, expectancy=D("68.476"), exposure=0.382,
        ),
        days=DayStatistics(19, 0.2581, None, None, 0.0312, {
            "sharpe": "Needs 20 finished days, there are 19.",
            "sortino": "Needs 20 finished days, there are 19.",
        }),
        calendar=calendar[:100] + calendar[102:],
        bots=["", "b1", "b2"],
        symbols=["BTCUSDT", "ETHUSDT"],
    )  # fmt: skip


def rich_snapshot(seq: int = 1) -> EngineSnapshot:
    """An engine in full work: three bots, two positions, one stale symbol, a limit near its end."""
    return EngineSnapshot(
        seq=seq,
        state=EngineState.RUNNING,
        state_text="Running.",
        market_time_ms=NOW_MS,
        clock_rate=1.0,
        connections=[
            ConnectionState("bybit", "connected", "connected", "", 12.0, 31.0, 84.0, 100, 1)
        ],
        accounts=[
            AccountSnapshot("main", "bybit", AccountMode.DEMO, "USDT", D("25067.20"),
                            D("25162.26"), D("95.06"), D("0.00")),
        ],
        bots=[
            _bot("b1", "BTCUSDT", "15m", state=BotState.RUNNING, pnl="80.76",
                 text="Waiting for the next candle."),
            _bot("b2", "ETHUSDT", "1h", state=BotState.PAUSED, pnl="-6.12",
                 text="Paused. No new entries; stops stay."),
            _bot("b3", "SOLUSDT", "15m", state=BotState.ERROR, pnl="14.30",
                 text="The exchange refused the key."),
        ],
        positions=_positions(),
        working_orders=[
            working_order("ETHUSDT", Side.BUY, "3390.00", "0.35", "w1"),
            working_order("BTCUSDT", Side.SELL, "67800.0", "0.067", "w2"),
        ],
        tickers=_tickers(),
        live_candles=[
            LiveCandle("BTCUSDT", "15m", NOW_MS // QUARTER_MS * QUARTER_MS, 67_010.0, 67_140.0,
                       66_980.0, 67_074.5, 112.0,
                       {"ema_20": 66_900.0, "ema_60": 66_600.0, "rsi_14": 72.8, "atr_14": 167.6,
                        "macd_12_26_9": 160.2, "macd_signal_12_26_9": 166.7,
                        "macd_histogram_12_26_9": -6.5}),
        ],
        capital=_capital(),
        risk=RiskSnapshot(
            TradingState.ACTIVE, "",
            [
                RiskLimit("daily_loss", 0.0, 3.0, "%", "kill switch, no trading today"),
                RiskLimit("largest_position", 17.6, 20.0, "%", "the order is denied"),
                RiskLimit("orders_per_minute", 1.0, 10.0, "orders", "pause, then go on"),
                RiskLimit("drawdown", 1.42, 15.0, "%", "everything is closed"),
                RiskLimit("capital_in_use", 32.0, 80.0, "%", "the order is denied"),
            ],
        ),
        limiters=[
            LimiterSnapshot("bybit", "market data", 0.31, 0.0, 40_112, 210, 0),
            LimiterSnapshot("bybit", "orders", 0.04, 0.0, 1_096, 2, 0),
            LimiterSnapshot("bybit", "account", 0.83, 120.0, 300, 0, 0),
        ],
        data=DataSnapshot(
            53, 100, 51_204, 4_800_000, 1_204_331, NOW_MS - 7_000, 0.9, 50, 3, 0, 1, 6_200_000,
            [SeriesSnapshot("bybit", "BTCUSDT", "15m", 35_000, NOW_MS - 35_000 * QUARTER_MS,
                            NOW_MS, 0, 175_000)],
        ),
        machine=MachineSnapshot(0.18, 112.0, 0.41, 11.0, 532_000.0),
    )  # fmt: skip


def candle_block(symbol: str, timeframe: str, count: int, end_ms: int | None) -> CandleBlock:
    """A smooth random-looking walk; the same for the same arguments."""
    count = max(count, 1)
    end_ms = end_ms if end_ms is not None else NOW_MS // QUARTER_MS * QUARTER_MS
    times = end_ms - np.arange(count, 0, -1, dtype=np.int64) * QUARTER_MS
    rng = np.random.default_rng(7)
    close = 67_040 + np.cumsum(rng.normal(0, 70, count))[::-1]
    close = close - close[-1] + 67_040
    opened = np.concatenate([[close[0]], close[:-1]])
    high = np.maximum(opened, close) + rng.random(count) * 90
    low = np.minimum(opened, close) - rng.random(count) * 90
    x = np.arange(count) / 9
    columns = {
        "open": opened, "high": high, "low": low, "close": close,
        "volume": 80 + rng.random(count) * 200,
        "ema_20": close - 60 * np.sin(x), "ema_60": close - 180 * np.sin(x / 3),
        "rsi_14": 50 + 25 * np.sin(x), "atr_14": np.full(count, 160.0),
        "macd_12_26_9": 120 * np.sin(x), "macd_signal_12_26_9": 120 * np.sin(x - 0.5),
        "macd_histogram_12_26_9": 40 * np.cos(x),
    }  # fmt: skip
    raw = {name: values.astype("<f8").tobytes() for name, values in columns.items()}
    raw["open_time_ms"] = times.astype("<i8").tobytes()
    return CandleBlock(symbol, timeframe, count, raw, is_end_of_history=False)


def preview_answer(refusal: str = "") -> CommandResult:
    """What the engine says of a ticket of 0.010 BTC at 66,950."""
    preview = OrderPreview(
        quantity=D("0.010"),
        price=D("66950.0"),
        value=D("669.50"),
        margin=D("66.95"),
        fee=D("0.37"),
        liquidation_price=D("60590.4"),
        available=D(12_038),
        risk=D("3.00"),
        risk_ratio=D("0.00012"),
        reward_to_risk=D("2.5"),
        refusal=refusal,
        refusal_code="largest_position" if refusal else "",
    )
    return CommandResult(0, True, preview=preview)


def sample_records() -> list[tuple[int, Record]]:
    """(ms UTC, record): a trade that was closed, one that is open, and lines of the log."""
    entry = Fill("t1", "x1", "c1", "main", "b1", "BTCUSDT", Side.BUY, D("0.067"), D("65869.1"),
                 D("2.43"), NOW_MS - 36_120_000)  # fmt: skip
    closing = Fill("t0", "x0", "c0", "main", "b1", "BTCUSDT", Side.SELL, D("0.050"), D("66420.0"),
                   D("1.80"), NOW_MS - 50_000_000, D("27.42"), D("0.050"))  # fmt: skip
    filled = msgspec.structs.replace(
        working_order("BTCUSDT", Side.BUY, "65869.1", "0.067", "c1"),
        status=OrderStatus.FILLED, filled_quantity=D("0.067"), average_price=D("65869.1"),
    )  # fmt: skip
    return [
        (closing.time_ms, FillRecord(closing, "take_profit", D("27.42"))),
        (entry.time_ms, OrderRecord(filled)),
        (entry.time_ms, FillRecord(entry, "entry")),
        (NOW_MS - 2_711_360, Notice("warning", "Denied",
            "AVAXUSDT Buy 152.0 · rule: position 20.7 % is above 20 %", "AVAXUSDT", "b2")),
        (NOW_MS - 1_175_912, Notice("info", "Filled", "SOLUSDT Sell 14.3 @ 167.97 · fee 0.48",
            "SOLUSDT", "b3")),
        (NOW_MS - 126_588, Notice("info", "Candle closed",
            "BTCUSDT 15m C 67,040.1 · stored in 0.6 ms · no signal", "BTCUSDT", "b1")),
    ]  # fmt: skip


def sample_backlog() -> list[FeedItem]:
    return [FeedItem(i, t, record) for i, (t, record) in enumerate(sample_records(), start=1)]
