"""A candle's way from the exchange's stream to the strategies of one exchange.

Durable first, then memory, then the event (ARCHITECTURE.md): a strategy never sees a bar that a
crash could take back. A hole before the newest bar is filled from REST before anybody hears of
that bar, so no signal is ever computed across a gap.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Collection
from collections.abc import Set as AbstractSet
from decimal import Decimal

from core.book_service import BookService
from core.clock import Clock
from core.event_bus import EventBus
from core.events import Error, MarketData, Severity
from core.exchange_port import ExchangeError, MarketDataPort, StreamKind, StreamState
from core.followed_prices import FollowedPrices
from core.hourly_closes import HOUR, hourly_closes
from core.market_data.bot_data_manager import AppendOutcome, BotDataManager
from core.market_data.candle_store import StoreFault
from core.market_data.shared_data_manager import SharedDataManager
from core.models.books import OrderBookSnapshot
from core.models.candles import Candle, CandleUpdate, Ticker, Timeframe
from core.models.streams import Channel, Topic, TopicState
from core.models.trades import PublicTrade
from core.overdue_bars import OverdueBars
from core.supervision import Supervisor
from core.topic_watch import TopicWatch

log = logging.getLogger(__name__)
SAVE_FROM_ROWS = 60  # a file is rewritten whole, so not for a single new bar
SAVE_INTERVAL_S = 60  # hot rows are durable already; this only moves them into Parquet
WATCH_STORE_INTERVAL_S = 1.0
MONITOR_INTERVAL_S = 300  # spec T3: a backfill every 300 s, whatever the stream says
OVERDUE_INTERVAL_S = 1.0
CORRECTED_WITHIN_S = 40.0  # real seconds after a bar's end; the silence before it is noticed too
RETRY_FIRST_S, RETRY_MOST_S = 1.0, 60.0
LATENCY_SAMPLES = 50_000
_FOR_GOOD = ""  # who follows a series without ever letting go of it
_Series = tuple[str, Timeframe]


class MarketFeed:
    """Receives one exchange's public stream and serves every account on that exchange.

    Attributes: tickers of the followed prices, forming (newest unclosed bar per series),
    latencies_ms, candles_closed, last_message_s (monotonic, None before the first), reconnects,
    backfills, topics (which are silent or refused), prices (who needs which).
    """

    def __init__(
        self,
        port: MarketDataPort,
        *,
        data: SharedDataManager,
        bus: EventBus,
        supervisor: Supervisor,
        clock: Clock,
    ) -> None:
        self.port = port
        self.data = data
        self.forming: dict[_Series, CandleUpdate] = {}
        self.latencies_ms: deque[float] = deque(maxlen=LATENCY_SAMPLES)
        self.candles_closed = 0
        self.first_candle_s: float | None = None
        self.last_message_s: float | None = None
        self.reconnects = 0
        self.backfills = 0
        self.candles_filled = 0
        self.on_closed_candle: list[Callable[[CandleUpdate], None]] = []
        self.books = BookService(port)
        self.prices = FollowedPrices(port, clock, self._on_price_gone)
        self.tickers = self.prices.tickers
        self.bus = bus
        self.public_state = StreamState.CONNECTING
        self._supervisor = supervisor
        self._clock = clock
        self._managers: dict[_Series, BotDataManager] = {}
        self._followers: dict[_Series, set[str]] = {}
        self._streamed: set[_Series] = set()
        self._charted: frozenset[_Series] = frozenset()
        self._told_ms: dict[_Series, int] = {}  # open time of the newest closed bar announced
        self._repairing: dict[_Series, bool] = {}  # whether more has come since it looked
        self._waiting: list[tuple[CandleUpdate, float]] = []  # closed bars and their latency, ms
        self._storing: asyncio.Task[None] | None = None
        self._was_connected = False
        self._is_back = asyncio.Event()
        self._doubted: dict[_Series, int] = {}  # open time of a bar whose correction may be lost
        self._overdue = OverdueBars(clock)
        self.topics = TopicWatch(
            lambda text: self._report(text, Severity.WARNING),
            lambda: self.public_state is StreamState.CONNECTED,
        )

    async def follow(
        self, symbol: str, timeframe: Timeframe, *, by: str = _FOR_GOOD
    ) -> BotDataManager:
        """Load a series, keep it complete, and stream it, until `by` releases it. Raises
        ExchangeError, StoreFault."""
        manager = self.data.get_manager(symbol, timeframe)
        if (symbol, timeframe) not in self._managers:
            await manager.load_historical(self.port.fetch_candles)
        self._keep(symbol, timeframe, by=by)
        return manager

    async def follow_many(
        self, symbols: list[str], timeframe: Timeframe, *, by: str, bars: int
    ) -> dict[str, bool]:
        """As `follow`, with the newest `bars` at least; False (and a log line) where that failed.
        The store is read in one go, and a symbol whose newest closed bar is there costs no
        request. `by` holds the series until `release`."""
        loaded = await self.data.load_historical_batch(
            symbols, self.port.fetch_candles, timeframe, bars
        )
        for symbol, is_loaded in loaded.items():
            if is_loaded:
                self._keep(symbol, timeframe, by=by)
        return loaded

    def release(self, by: str, keep: Collection[str] = ()) -> None:
        """`by` needs only the symbols of `keep`; what nobody else needs is let go of."""
        for series, followers in list(self._followers.items()):
            if by in followers and series[0] not in keep:
                followers.discard(by)
                if not followers:
                    self._let_go(series)

    def is_followed(self, symbol: str, timeframe: Timeframe) -> bool:
        return (symbol, timeframe) in self._managers

    def is_followed_by(self, by: str, symbol: str, timeframe: Timeframe) -> bool:
        return by in self._followers.get((symbol, timeframe), ())

    def chart(self, charted: AbstractSet[_Series]) -> None:
        """These series are streamed for charts from now on, whether or not they are stored; the
        same ones again cost nothing."""
        if charted == self._charted:
            return
        gone, self._charted = self._charted - charted, frozenset(charted)
        for series in gone.difference(self._managers):
            self._stop_streaming(series)
        for series in sorted(charted):
            try:
                self._subscribe(series)
            except RuntimeError as fault:  # more topics than the exchange's connections carry
                self._report(f"{series[0]} {series[1]} is not streamed: {fault}", Severity.WARNING)

    async def poll(self, symbols: list[str], timeframe: Timeframe) -> dict[str, ExchangeError]:
        """Ask, side by side, for the closed bars that no stream has brought; they come in as if
        one had. Returns why, for each followed symbol that could not be asked."""
        asked = [s for s in symbols if (s, timeframe) in self._managers]
        answers = await asyncio.gather(*(self._newer_bars(symbol, timeframe) for symbol in asked))
        faults: dict[str, ExchangeError] = {}
        for symbol, bars in zip(asked, answers, strict=True):
            if isinstance(bars, ExchangeError):
                faults[symbol] = bars
                continue
            for bar in bars:
                now_ms = self._clock.time_ms()
                self.on_candle(
                    CandleUpdate(self.port.exchange, symbol, timeframe, bar, True, now_ms), 0.0
                )
        while self._storing is not None and not self._storing.done():
            await asyncio.wait({self._storing})
        return faults

    async def _newer_bars(self, symbol: str, timeframe: Timeframe) -> list[Candle] | ExchangeError:
        try:
            return await self.port.fetch_candles(
                symbol, timeframe, start_ms=self._told_ms[symbol, timeframe] + 1
            )
        except ExchangeError as fault:
            return fault

    def _keep(self, symbol: str, timeframe: Timeframe, *, by: str) -> None:
        """A loaded series is kept up from now on. A bar that closes before its stream begins is
        a hole that the next one reveals."""
        series = (symbol, timeframe)
        self._followers.setdefault(series, set()).add(by)
        if series not in self._managers:
            manager = self._managers[series] = self.data.get_manager(symbol, timeframe)
            self._told_ms[series] = manager.newest.open_time_ms if manager.newest else -1
            self._subscribe(series)

    def _let_go(self, series: _Series) -> None:
        del self._followers[series], self._managers[series]
        self._doubted.pop(series, None)
        if series not in self._charted:
            self._stop_streaming(series)

    def _stop_streaming(self, series: _Series) -> None:
        self._streamed.discard(series)
        self._told_ms.pop(series, None)
        self.forming.pop(series, None)
        self.port.unsubscribe_candles(*series)
        self.topics.forget(Topic(Channel.CANDLES, *series))

    def _on_price_gone(self, symbol: str) -> None:
        self.topics.forget(Topic(Channel.TICKER, symbol))

    def _subscribe(self, series: _Series) -> None:
        if series not in self._streamed:
            self._streamed.add(series)
            self.port.subscribe_candles(*series)

    @property
    def streamed_symbols(self) -> frozenset[str]:
        """Followed or charted."""
        return frozenset(symbol for symbol, _ in self._streamed)

    def is_streamed(self, symbol: str, timeframe: Timeframe) -> bool:
        """Whether the stream has brought anything of a followed or charted series yet."""
        return (symbol, timeframe) in self.forming

    def is_stored(self, symbol: str, timeframe: Timeframe) -> bool:
        return (symbol, timeframe) in self._managers

    async def monitor(self) -> None:
        """For ever: ask for a bar that has ended without the stream's word, and every 300 s for
        all that is missing."""
        looked_s = self._clock.monotonic_s()
        while True:
            await asyncio.sleep(OVERDUE_INTERVAL_S)
            due = list(self._overdue.look(self._told_ms))
            now_s = self._clock.monotonic_s()
            if now_s - looked_s >= MONITOR_INTERVAL_S:
                looked_s = now_s
                due = [*self._managers, *(series for series in due if series not in self._managers)]
            for series in due:
                self._repair(series)

    async def save_regularly(self) -> None:
        """Merge new candles into their Parquet files, for ever, beside the loop."""
        while True:
            await asyncio.sleep(SAVE_INTERVAL_S)
            try:
                await asyncio.to_thread(self.data.batch_save_parquet, min_rows=SAVE_FROM_ROWS)
            except StoreFault as fault:  # the hot rows stay where they are, durable
                self._report(f"candle files could not be written yet: {fault}", Severity.WARNING)

    async def watch_store(self) -> None:
        """Tell, for ever, when candles cannot be stored any more and when they can again."""
        told: str | None = None
        while True:
            fault = self.data.fault
            if fault and not told:
                self._report(f"{fault} Nothing is entered meanwhile.", Severity.DANGER)
            elif told and not fault:
                self._report("Candles are stored again.", Severity.INFO)
            told = fault
            await asyncio.sleep(WATCH_STORE_INTERVAL_S)

    def message_age_ms(self) -> int | None:
        """Real time since the last message of the stream."""
        if self.last_message_s is None:
            return None
        return int((self._clock.monotonic_s() - self.last_message_s) * 1000)

    def hourly_closes(self, symbols: Collection[str], count: int) -> dict[str, list[Decimal]]:
        """The newest `count` of each of these that is followed with bars that make hours, oldest
        first. Raises StoreFault."""
        return {
            symbol: hourly_closes(manager, count)
            for (symbol, timeframe), manager in self._managers.items()
            if symbol in symbols and timeframe.duration_ms <= HOUR.duration_ms
        }

    # What the stream brings: called by the adapter on the loop.

    def on_ticker(self, ticker: Ticker, latency_ms: float) -> None:
        self._heard(latency_ms)
        if not self.prices.take(ticker):
            return
        self.bus.publish(
            MarketData(self.port.exchange, ticker.symbol, ticker=ticker, latency_ms=latency_ms)
        )

    def on_candle(self, update: CandleUpdate, latency_ms: float) -> None:
        self._heard(latency_ms)
        series = (update.symbol, update.timeframe)
        if not update.is_closed:
            self.forming[series] = update
        elif series in self._managers:
            self._waiting.append((update, latency_ms))
            if self._storing is None or self._storing.done():
                self._storing = self._supervisor.spawn("closed candles", self._store_waiting())
        else:
            self._announce(series, [update.candle], latency_ms)

    def on_trades(self, trades: list[PublicTrade], latency_ms: float) -> None:
        """Nobody asks for them yet."""

    def on_book(self, book: OrderBookSnapshot, latency_ms: float) -> None:
        self._heard(latency_ms)
        self.books.on_book(book)

    def on_stream_state(self, kind: StreamKind, state: StreamState, detail: str) -> None:
        if kind is not StreamKind.PUBLIC:
            return
        self.public_state = state
        if state is StreamState.CONNECTED:
            self._is_back.set()
            self._is_back = asyncio.Event()
            if self._was_connected:
                self.reconnects += 1
                for series in list(self._told_ms):
                    self._repair(series)
            self._was_connected = True
        elif state is StreamState.DISCONNECTED and self._was_connected:
            self.books.forget()
            for series in self._managers:
                self._doubt(series)
            self._report(f"market data lost: {detail}", Severity.WARNING)

    def on_topic_state(self, topic: Topic, state: TopicState, text: str) -> None:
        self.topics.on_topic_state(topic, state, text)
        if topic.timeframe is not None and (topic.symbol, topic.timeframe) in self._managers:
            series = (topic.symbol, topic.timeframe)
            if state is not TopicState.LIVE:
                self._doubt(series)
            elif series in self._doubted:
                self._repair(series)

    def _doubt(self, series: _Series) -> None:
        """The stream breaks off soon after a bar's end: what corrected the bar may be lost."""
        told_ms = self._told_ms[series]
        since_ms = self._clock.time_ms() - series[1].next_open_ms(told_ms)
        if since_ms <= CORRECTED_WITHIN_S * 1000 * self._clock.rate:
            self._doubted[series] = told_ms

    def _heard(self, latency_ms: float) -> None:
        self.last_message_s = self._clock.monotonic_s()
        self.latencies_ms.append(latency_ms)

    async def _store_waiting(self) -> None:
        """One transaction after the other, each with all that has come while the last one took
        its time; but a bar that is not newer than the one before it is judged by what is stored
        then."""
        while self._waiting:
            batch: list[tuple[CandleUpdate, float]] = []
            later: list[tuple[CandleUpdate, float]] = []
            newest_ms: dict[_Series, int] = {}
            for item in self._waiting:
                series, open_ms = _series_of(item[0]), item[0].candle.open_time_ms
                is_newer = open_ms > newest_ms.get(series, -1)
                (batch if is_newer else later).append(item)
                newest_ms[series] = max(open_ms, newest_ms.get(series, -1))
            self._waiting = later
            await self._store(batch)

    async def _store(self, batch: list[tuple[CandleUpdate, float]]) -> None:
        """Announce what is believed once it is durable."""
        try:
            outcomes = await self.data.append_candles(
                [(update.symbol, update.timeframe, update.candle) for update, _ in batch]
            )
        except StoreFault:
            for series in dict.fromkeys(_series_of(update) for update, _ in batch):
                self._repair(series)  # it is told once it is durable
            return
        believed: dict[_Series, list[Candle]] = {}
        latencies_ms: dict[_Series, float] = {}
        for (update, latency_ms), outcome in zip(batch, outcomes, strict=True):
            series = _series_of(update)
            if outcome is AppendOutcome.REFUSED:
                self._report(
                    f"{update.symbol} {update.timeframe}: the exchange sent a bar that "
                    "cannot be true; it was not stored",
                    Severity.WARNING,
                )
            elif outcome is not AppendOutcome.STALE and series in self._managers:
                believed.setdefault(series, []).append(update.candle)
                latencies_ms[series] = latency_ms
        for series, bars in believed.items():
            self._announce(series, bars, latencies_ms[series])

    def _announce(self, series: _Series, bars: list[Candle], latency_ms: float) -> None:
        """Once each, in order, and never across a hole. `bars` come oldest first."""
        told_ms = self._told_ms.get(series)
        if told_ms is not None:
            bars = [bar for bar in bars if bar.open_time_ms > told_ms]
        if not bars:
            return
        next_ms = bars[0].open_time_ms if told_ms is None else series[1].next_open_ms(told_ms)
        manager = self._managers.get(series)
        is_next = bars[0].open_time_ms == next_ms
        if is_next and series not in self._repairing and not (manager and manager.gaps()):
            self._tell(series, bars, latency_ms)
        else:
            self._repair(series)

    def _tell(self, series: _Series, bars: list[Candle], latency_ms: float) -> None:
        """Charts get every bar, strategies the newest: what an older one called for is past."""
        symbol, timeframe = series
        for bar in bars:
            self._told_ms[series] = bar.open_time_ms
            update = CandleUpdate(
                self.port.exchange, symbol, timeframe, bar, True, self._clock.time_ms()
            )
            for listener in self.on_closed_candle:
                listener(update)
            if series not in self._managers:
                continue
            self.candles_closed += 1
            if self.first_candle_s is None:
                self.first_candle_s = self._clock.monotonic_s()
            if bar is bars[-1]:
                self.bus.publish(
                    MarketData(self.port.exchange, symbol, candle=update, latency_ms=latency_ms)
                )

    def _repair(self, series: _Series) -> None:
        """Fill what is missing, then tell the bars that nobody has heard of yet."""
        if series in self._repairing:
            self._repairing[series] = True
            return
        self._repairing[series] = True
        self._supervisor.spawn(f"backfill {series[0]} {series[1]}", self._repair_now(series))

    async def _repair_now(self, series: _Series) -> None:
        try:
            while self._repairing[series]:
                self._repairing[series] = False
                bars = await self._surely_untold(series)
                told_ms = self._told_ms.get(series)
                if told_ms is not None:  # else nobody needs it any more
                    self._tell(series, [b for b in bars if b.open_time_ms > told_ms], 0.0)
        finally:
            del self._repairing[series]

    async def _surely_untold(self, series: _Series) -> list[Candle]:
        """Asks for as long as it takes: until then no signal is computed across the hole."""
        delay_s = RETRY_FIRST_S
        while True:
            try:
                return await self._untold(series)
            except (ExchangeError, StoreFault) as fault:
                if delay_s == RETRY_FIRST_S:
                    done = "fetched" if isinstance(fault, ExchangeError) else "stored"
                    self._report(
                        f"{series[0]} {series[1]}: missing candles could not be {done} yet: "
                        f"{fault}",
                        Severity.WARNING,
                    )
            await self._pause(delay_s)
            delay_s = min(delay_s * 2, RETRY_MOST_S)

    async def _untold(self, series: _Series) -> list[Candle]:
        """Every closed bar after the last one told, oldest first. Raises ExchangeError,
        StoreFault."""
        symbol, timeframe = series
        manager = self._managers.get(series)
        if series not in self._told_ms:
            return []  # nobody needs it any more
        if manager is None:
            return await self.port.fetch_candles(
                symbol, timeframe, start_ms=self._told_ms[series] + 1
            )
        told_ms = self._told_ms[series]
        added = await manager.backfill(self.port.fetch_candles)
        doubted_ms = self._doubted.get(series)
        if doubted_ms is not None:
            added += await manager.check(self.port.fetch_candles, doubted_ms)
            self._doubted.pop(series, None)
        self.backfills += 1
        self.candles_filled += added
        return await asyncio.to_thread(self.data.store.read, manager.key, start_ms=told_ms + 1)

    async def _pause(self, seconds: float) -> None:
        """Shorter when the stream comes back: then it is worth asking at once."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._is_back.wait()

    def _report(self, text: str, severity: Severity) -> None:
        self.bus.publish(
            Error(part="market data", text=text, time_ms=self._clock.time_ms(), severity=severity)
        )


def _series_of(update: CandleUpdate) -> _Series:
    return update.symbol, update.timeframe
