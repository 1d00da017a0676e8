"""Composes the engine's state into one `EngineSnapshot` for the screens. Reads, never changes.

It runs on the engine's loop, where a price that arrives meanwhile has to wait: what moves slowly
is made anew once a second, each part in a snapshot of its own.
"""

from __future__ import annotations

import itertools
import os
import shutil
from bisect import bisect_left, insort
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import msgspec
import psutil

from core.account_desk import AccountDesk
from core.bots.bot import Bot
from core.engine import Engine
from core.exchange_port import MeasuredStreams
from core.market_feed import MarketFeed
from core.metrics import percentiles
from core.models.candles import Timeframe
from core.models.positions import Position
from core.models.streams import StreamStatistics, TopicLatency
from core.reports.live_statistics import LiveStatistics
from core.scanning.snapshots import ScanSnapshot
from core.snapshots import (
    AccountSnapshot,
    BotSnapshot,
    CapitalSnapshot,
    ConnectionState,
    DataSnapshot,
    EngineSnapshot,
    FeedSnapshot,
    LimiterSnapshot,
    LiveCandle,
    MachineSnapshot,
    PositionSnapshot,
    RiskSnapshot,
    TickerRow,
    TradingState,
)
from core.trade_log import TradeLog

LATENCY_WINDOW = 2_000
SLOW_EVERY = 10  # snapshots are a second
SCAN_EVERY = 3  # fifty rows with their prices; the newest prices are in each snapshot


class SnapshotBuilder:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._seq = 0
        self._process = psutil.Process(os.getpid())
        self._machine: MachineSnapshot
        self._data: DataSnapshot
        self._limiters: list[LimiterSnapshot]
        self._percentiles: dict[str, list[float | None]] = {}
        self._topics: dict[str, _TopicLatencies] = {}
        self._figures: dict[str, StreamStatistics] = {}
        self._scans: dict[str, ScanSnapshot | None] = {}
        self._records: dict[str, _BotRecords] = {}
        self._statistics: dict[str, LiveStatistics] = {}
        self._other_capital: list[CapitalSnapshot] = []
        self._slow_parts = (
            self._measure_machine,
            self._measure_latencies,
            self._look_at_data,
            self._look_at_limiters,
            self._look_at_streams,
            self._refresh_statistics,
            self._look_at_other_accounts,
        )

    def build(self, charts: Iterable[tuple[str, Timeframe]]) -> EngineSnapshot:
        """`charts`: what the screens are watching."""
        engine = self._engine
        for turn, renew in enumerate(self._slow_parts):
            if self._seq == 0 or self._seq % SLOW_EVERY == turn:
                renew()
        for turn, bot in enumerate(engine.bots.values()):
            if bot.spec.bot_id not in self._scans or self._seq % SCAN_EVERY == turn % SCAN_EVERY:
                self._scans[bot.spec.bot_id] = bot.scan_snapshot()
        accounts = [_account(desk) for desk in engine.desks.values()]
        desks = [desk for desk in engine.desks.values() if desk.is_built]
        capital = self._capital(desks[0]) if desks else None
        self._seq += 1
        return EngineSnapshot(
            seq=self._seq,
            state=engine.state,
            state_text=engine.state_text,
            market_time_ms=engine.clock.time_ms(),
            clock_rate=engine.clock.rate,
            connections=[self._connection(desk) for desk in engine.desks.values()],
            accounts=accounts,
            bots=[self._bot(bot) for bot in engine.bots.values()],
            positions=[
                self._position(desk, position)
                for desk in desks
                for position in desk.state.positions(desk.name)
                if not position.is_flat
            ],
            working_orders=[order for desk in desks for order in desk.state.open_orders(desk.name)],
            tickers=[row for feed in engine.feeds.values() for row in self._tickers(feed)],
            live_candles=self._live_candles(charts),
            books=[book for feed in engine.feeds.values() for book in feed.books.snapshot()],
            capital=capital,
            risk=_furthest_stopped(accounts) or _no_risk_yet(engine),
            limiters=self._limiters,
            data=self._data,
            machine=self._machine,
            unhandled_exceptions=engine.supervisor.unhandled_exceptions,
            download=engine.downloads.snapshot(),
            protection=[proof for desk in desks for proof in desk.guard.snapshot()],
            findings=engine.roster.findings(),
            feeds=[row for name, feed in engine.feeds.items() for row in self._feed(name, feed)],
            alerts=engine.alerts.prices.snapshot(),
            sending=engine.alerts.sending(),
            other_capital=self._other_capital,
        )

    def _capital(self, desk: AccountDesk) -> CapitalSnapshot:
        known = self._statistics.get(desk.name)
        if known is None or known.capital is not desk.capital:
            known = self._statistics[desk.name] = LiveStatistics(desk.trades, desk.capital)
        return msgspec.structs.replace(
            desk.capital.snapshot(), statistics=known.latest, account=desk.name
        )

    def _connection(self, desk: AccountDesk) -> ConnectionState:
        feed = self._engine.feeds[desk.port.exchange]
        p50, p99 = self._percentiles.get(desk.port.exchange, (None, None))
        return ConnectionState(
            exchange=desk.port.exchange,
            public=feed.public_state.value,
            private=desk.private_state.value,
            detail=desk.state_text,
            latency_p50_ms=p50,
            latency_p99_ms=p99,
            order_latency_ms=desk.oms.last_latency_ms if desk.is_built else None,
            last_message_age_ms=feed.message_age_ms(),
            reconnects=feed.reconnects + max(0, desk.private_connects - 1),
        )

    def _bot(self, bot: Bot) -> BotSnapshot:
        engine = self._engine
        desk = engine.desks[bot.spec.account]
        record = self._record_of(desk, bot.spec.bot_id)
        return BotSnapshot(
            bot_id=bot.spec.bot_id,
            kind=bot.spec.kind,
            account=bot.spec.account,
            symbol=bot.spec.symbol,
            timeframe=bot.spec.timeframe.value,
            strategy=bot.spec.strategy,
            state=bot.state,
            state_text=bot.state_text,
            since_ms=bot.since_ms,
            realized_pnl=record.realized_pnl,
            trades_today=record.trades_since(desk.day_start_ms()),
            last_signal=bot.last_signal,
            candles_closed=bot.candles_closed,
            indicators=bot.indicators,
            name=bot.spec.shown_name,
            signal_exchange=bot.spec.signal_exchange,
            scan=self._scans[bot.spec.bot_id],
        )

    def _position(self, desk: AccountDesk, position: Position) -> PositionSnapshot:
        position = desk.valued(position)
        trade = desk.trades.open_trades.get(position.symbol)
        pnl = position.unrealized_pnl
        risk = None
        entry = desk.oms.entry_request(desk.name, position.symbol)
        if entry is not None and entry.stop_loss is not None:
            risk = abs(entry.reference_price - entry.stop_loss) * position.quantity
        return PositionSnapshot(
            position=position,
            bot_id=self._engine.roster.owner_of(desk.name, position.symbol),
            opened_ms=trade.opened_ms if trade else None,
            pnl_ratio=pnl / position.entry_notional if position.entry_notional else None,
            r_multiple=pnl / risk if risk else None,
            is_protected=desk.oms.is_protected(desk.name, position.symbol),
        )

    def _tickers(self, feed: MarketFeed) -> list[TickerRow]:
        now_s = self._engine.clock.monotonic_s()
        return [
            TickerRow(ticker, int((now_s - feed.prices.received_s[symbol]) * 1000))
            for symbol, ticker in feed.tickers.items()
        ]

    def _live_candles(self, charts: Iterable[tuple[str, Timeframe]]) -> list[LiveCandle]:
        found = (
            service.live(symbol, timeframe)
            for symbol, timeframe in charts
            for service in self._engine.charts.values()
        )
        return [candle for candle in found if candle is not None]

    def _look_at_data(self) -> None:
        """One exchange's managers; with several, the figures are added up."""
        parts = [_data_of(feed) for feed in self._engine.feeds.values()]
        first = parts[0]
        for other in parts[1:]:
            first = DataSnapshot(
                symbols_loaded=first.symbols_loaded + other.symbols_loaded,
                max_symbols=first.max_symbols,
                candles_in_memory=first.candles_in_memory + other.candles_in_memory,
                memory_bytes=first.memory_bytes + other.memory_bytes,
                candles_stored=first.candles_stored + other.candles_stored,
                last_save_ms=max(
                    filter(None, (first.last_save_ms, other.last_save_ms)), default=None
                ),
                last_save_took_ms=first.last_save_took_ms,
                last_save_symbols=first.last_save_symbols + other.last_save_symbols,
                gaps_filled=first.gaps_filled + other.gaps_filled,
                gaps_open=first.gaps_open + other.gaps_open,
                backfills=first.backfills + other.backfills,
                cache_bytes=first.cache_bytes + other.cache_bytes,
                fault=first.fault or other.fault,
                series=first.series + other.series,
            )
        self._data = first

    def _look_at_limiters(self) -> None:
        self._limiters = [row for limiter in self._engine.limiters for row in limiter.snapshot()]

    def _refresh_statistics(self) -> None:
        for known in self._statistics.values():
            known.refresh()

    def _look_at_other_accounts(self) -> None:
        desks = [desk for desk in self._engine.desks.values() if desk.is_built]
        self._other_capital = [self._capital(desk) for desk in desks[1:]]

    def _measure_latencies(self) -> None:
        for name, feed in self._engine.feeds.items():
            recent = list(itertools.islice(reversed(feed.latencies_ms), LATENCY_WINDOW))
            self._percentiles[name] = percentiles(recent, 0.5, 0.99)

    def _look_at_streams(self) -> None:
        for name, feed in self._engine.feeds.items():
            if isinstance(feed.port, MeasuredStreams):
                figures = feed.port.stream_statistics()
                if figures is not None:
                    self._figures[name] = figures

    def _feed(self, name: str, feed: MarketFeed) -> list[FeedSnapshot]:
        figures = self._figures.get(name)
        if figures is None or not isinstance(feed.port, MeasuredStreams):
            return []
        topics = self._topics.setdefault(name, _TopicLatencies())
        topics.look(feed.port, feed.streamed_symbols)
        return [FeedSnapshot(name, figures, topics.rows)]

    def _record_of(self, desk: AccountDesk, bot_id: str) -> _BotRecord:
        records = self._records.get(desk.name)
        if records is None or records.log is not desk.trades:
            records = self._records[desk.name] = _BotRecords(desk.trades)
        return records.of(bot_id)

    def _measure_machine(self) -> None:
        engine = self._engine
        disk = shutil.disk_usage(_existing(engine.data_dir))
        self._machine = MachineSnapshot(
            engine_cpu_ratio=self._process.cpu_percent() / 100,
            engine_rss_mb=self._process.memory_info().rss / 1024**2,
            disk_used_ratio=disk.used / disk.total,
            loop_gap_max_ms=engine.probe.take_recent(),
            uptime_s=engine.clock.monotonic_s() - engine.started_s,
        )


class _TopicLatencies:
    """Each topic's way from the socket, as of the last look at its symbol: one symbol in ten at
    a time, for percentiles of hundreds of topics at once would hold the loop for 20 ms."""

    def __init__(self) -> None:
        self._rows: dict[str, list[TopicLatency]] = {}
        self._turn = 0

    @property
    def rows(self) -> list[TopicLatency]:
        return [row for rows in self._rows.values() for row in rows]

    def look(self, port: MeasuredStreams, symbols: frozenset[str]) -> None:
        ordered = sorted(symbols)
        looked_at = set(ordered[self._turn :: SLOW_EVERY]) | (symbols - self._rows.keys())
        fresh: dict[str, list[TopicLatency]] = {symbol: [] for symbol in looked_at}
        for row in port.topic_latencies(frozenset(looked_at)):
            fresh[row.topic.symbol].append(row)
        self._rows = {s: fresh[s] if s in fresh else self._rows[s] for s in ordered}
        self._turn = (self._turn + 1) % SLOW_EVERY


class _BotRecord:
    """What a bot has made, as of its newest round trip."""

    def __init__(self) -> None:
        self.realized_pnl = Decimal(0)
        self._closed_ms: list[int] = []  # ascending

    def add(self, net_result: Decimal, closed_ms: int) -> None:
        self.realized_pnl += net_result
        insort(self._closed_ms, closed_ms)  # a late fill ends a trade after a later one

    def trades_since(self, time_ms: int) -> int:
        return len(self._closed_ms) - bisect_left(self._closed_ms, time_ms)


class _BotRecords:
    """The records of an account's bots: each round trip is read once, however many there are."""

    def __init__(self, log: TradeLog) -> None:
        self.log = log
        self._read = 0
        self._records: dict[str, _BotRecord] = {}

    def of(self, bot_id: str) -> _BotRecord:
        for trip in itertools.islice(self.log.round_trips, self._read, None):
            record = self._records.setdefault(trip.bot_id, _BotRecord())
            record.add(trip.net_result, trip.closed_ms)
            self._read += 1
        return self._records.setdefault(bot_id, _BotRecord())


def _data_of(feed: MarketFeed) -> DataSnapshot:
    """What nobody follows any more ends where it was let go of: that is no open gap."""
    data = feed.data.snapshot()
    followed = (
        row for row in data.series if feed.is_followed(row.symbol, Timeframe(row.timeframe))
    )
    return msgspec.structs.replace(data, gaps_open=sum(row.gaps for row in followed))


def _account(desk: AccountDesk) -> AccountSnapshot:
    capital: CapitalSnapshot | None = desk.capital.snapshot() if desk.is_built else None
    difference = desk.ledger.difference if desk.is_built else None
    return AccountSnapshot(
        name=desk.name,
        exchange=desk.port.exchange,
        mode=desk.mode,
        currency=capital.currency if capital else "USDT",
        wallet_balance=capital.total if capital else None,
        equity=capital.equity if capital else None,
        unrealized_pnl=capital.unrealized_pnl if capital else None,
        ledger_error=difference.total if difference else None,
        ledger_difference=difference.parts if difference else [],
        risk=desk.risk.snapshot() if desk.is_built else None,
        timezone=str(desk.timezone),
    )


def _furthest_stopped(accounts: list[AccountSnapshot]) -> RiskSnapshot | None:
    """One account's trouble must not hide behind another that is well; None before the first."""
    known = [(account.name, account.risk) for account in accounts if account.risk is not None]
    if not known:
        return None
    name, risk = max(known, key=lambda found: list(TradingState).index(found[1].state))
    if len(known) > 1 and risk.reason:
        return msgspec.structs.replace(risk, reason=f"{name}: {risk.reason}")
    return risk


def _no_risk_yet(engine: Engine) -> RiskSnapshot:
    return RiskSnapshot(TradingState.HALTED, engine.state_text, [])


def _existing(folder: Path) -> Path:
    return folder if folder.exists() else _existing(folder.parent)
