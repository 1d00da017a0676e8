"""The public stream of an exchange that ccxt speaks to by REST: our dialect and handler, with the
polling behind them for what the stream does not carry, and for all of it while the stream is away.

The stream names instruments in the exchange's own words, which are known only once the markets have
been read; until then what is subscribed waits here.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

import msgspec

from core.clock import Clock
from core.exchange_port import (
    DepthListener,
    ExchangeError,
    ExchangeListener,
    StreamKind,
    StreamState,
    TopicListener,
)
from core.models.books import BookLevel, OrderBookSnapshot
from core.models.candles import CandleUpdate, Ticker
from core.models.fills import Fill
from core.models.orders import Order
from core.models.positions import Balance, Position
from core.models.streams import Channel, StreamStatistics, Topic, TopicLatency, TopicState
from core.models.trades import PublicTrade
from exchanges.polled_streams import PolledMarket
from exchanges.stream_connection import StreamTiming
from exchanges.stream_dialect import StreamDialect
from exchanges.ws_multiplex_handler import WsMultiplexHandler

PATIENCE_S = 30.0  # without the stream; then its topics are asked for
RETRY_S = 5.0
WATCH_S = 1.0
_POLLED = (Channel.CANDLES, Channel.TICKER)


class WireMarket(NamedTuple):
    """`name` is the exchange's own; `lot` is how much of the base currency one of what its trades
    and books count is (a contract)."""

    name: str
    lot: Decimal = Decimal(1)


class StreamedMarket:
    """`markets` reads what the stream has, by our symbols; it may raise ExchangeError, then it is
    asked again."""

    def __init__(
        self,
        dialect: StreamDialect,
        polled: PolledMarket,
        markets: Callable[[], Awaitable[Mapping[str, WireMarket]]],
        *,
        clock: Clock,
        rng: random.Random,
        timing: StreamTiming = StreamTiming(),  # noqa: B008 (immutable)
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._handler = WsMultiplexHandler(dialect, clock=clock, rng=rng, timing=timing)
        self._polled = polled
        self._read_markets = markets
        self._clock = clock
        self._patience_s = patience_s
        self._markets: Mapping[str, WireMarket] = {}
        self._wanted: set[Topic] = set()  # with our symbols
        self._not_streamed: set[Topic] = set()
        self._asked_for: set[Topic] = set()  # by polling, now
        self._is_streaming = False
        self._away_since_s = 0.0
        self._ear: _Ear | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, listener: ExchangeListener) -> None:
        if self._task is None:
            self._away_since_s = self._clock.monotonic_s()
            self._ear = _Ear(listener, self._on_stream)
            self._handler.start(self._ear)
            self._task = asyncio.create_task(self._run(self._ear), name="streamed market")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._handler.stop()
        await self._polled.stop()

    def subscribe(self, topics: Iterable[Topic]) -> None:
        """Trades and books only where the stream has them."""
        for topic in topics:
            if topic not in self._wanted:
                self._wanted.add(topic)
                self._stream(topic)

    def unsubscribe(self, topics: Iterable[Topic]) -> None:
        for topic in topics:
            self._wanted.discard(topic)
            self._not_streamed.discard(topic)
            if topic.symbol in self._markets:
                self._handler.unsubscribe([self._theirs(topic)])

    def statistics(self) -> StreamStatistics:
        return self._handler.statistics()

    def latencies(self, symbols: frozenset[str]) -> list[TopicLatency]:
        known = self._markets.keys() & symbols
        return self._handler.latencies(frozenset(self._markets[name].name for name in known))

    def _stream(self, topic: Topic) -> None:
        """Where the stream has it; else the polling does, and says so of an unknown symbol."""
        if not self._markets:
            return
        try:
            self._handler.subscribe([self._theirs(topic)])
        except (KeyError, ValueError):
            self._not_streamed.add(topic)

    def _theirs(self, topic: Topic) -> Topic:
        """Raises KeyError for a symbol that the exchange does not have."""
        return topic._replace(symbol=self._markets[topic.symbol].name)

    async def _run(self, ear: _Ear) -> None:
        while not self._markets:
            try:
                self._markets = await self._read_markets()
            except ExchangeError as fault:
                ear.on_stream_state(StreamKind.PUBLIC, StreamState.DISCONNECTED, fault.text)
                await asyncio.sleep(RETRY_S)
        ear.ours = {market.name: symbol for symbol, market in self._markets.items()}
        ear.lots = {market.name: market.lot for market in self._markets.values()}
        for topic in list(self._wanted):
            self._stream(topic)
        while True:
            await self._share_out(ear)
            await asyncio.sleep(WATCH_S)

    async def _share_out(self, ear: _Ear) -> None:
        """What is polled: what the stream lacks, and everything while it has been away too long."""
        away_s = self._clock.monotonic_s() - self._away_since_s
        is_given_up = not self._is_streaming and away_s > self._patience_s
        wanted = self._wanted if is_given_up else self._not_streamed & self._wanted
        wanted = {topic for topic in wanted if topic.channel in _POLLED}
        if wanted == self._asked_for:
            return
        for topic in self._asked_for - wanted:
            if topic.timeframe is not None:
                self._polled.unsubscribe_candles(topic.symbol, topic.timeframe)
            else:
                self._polled.unsubscribe_tickers([topic.symbol])
        for topic in wanted - self._asked_for:
            if topic.timeframe is not None:
                self._polled.subscribe_candles(topic.symbol, topic.timeframe)
            else:
                self._polled.subscribe_tickers([topic.symbol])
        self._asked_for = wanted
        if not wanted or ear.of_polling.is_in_place != is_given_up:
            await self._polled.stop()
        ear.of_polling.is_in_place = is_given_up
        if wanted:
            self._polled.start(ear.of_polling)

    def _on_stream(self, state: StreamState) -> None:
        is_streaming = state is StreamState.CONNECTED
        if self._is_streaming and not is_streaming:
            self._away_since_s = self._clock.monotonic_s()
        self._is_streaming = is_streaming


class _Ear:
    """Hears the stream, and passes it on in our names."""

    def __init__(self, listener: ExchangeListener, on_state: Callable[[StreamState], None]) -> None:
        self.ours: Mapping[str, str] = {}
        self.lots: Mapping[str, Decimal] = {}
        self.of_polling = _PollingEar(listener)
        self._listener = listener
        self._on_state = on_state
        self._topics = listener if isinstance(listener, TopicListener) else None
        self._depth = listener if isinstance(listener, DepthListener) else None

    def on_candle(self, update: CandleUpdate, latency_ms: float) -> None:
        named = msgspec.structs.replace(update, symbol=self.ours[update.symbol])
        self._listener.on_candle(named, latency_ms)

    def on_ticker(self, ticker: Ticker, latency_ms: float) -> None:
        named = msgspec.structs.replace(ticker, symbol=self.ours[ticker.symbol])
        self._listener.on_ticker(named, latency_ms)

    def on_trades(self, trades: list[PublicTrade], latency_ms: float) -> None:
        if self._depth is not None:
            self._depth.on_trades([self._named_trade(trade) for trade in trades], latency_ms)

    def _named_trade(self, trade: PublicTrade) -> PublicTrade:
        quantity = trade.quantity * self.lots[trade.symbol]
        return msgspec.structs.replace(trade, symbol=self.ours[trade.symbol], quantity=quantity)

    def on_book(self, book: OrderBookSnapshot, latency_ms: float) -> None:
        if self._depth is None:
            return
        lot = self.lots[book.symbol]
        bids, asks = (
            tuple(BookLevel(level.price, level.quantity * lot) for level in side)
            for side in (book.bids, book.asks)
        )
        named = msgspec.structs.replace(book, symbol=self.ours[book.symbol], bids=bids, asks=asks)
        self._depth.on_book(named, latency_ms)

    def on_topic_state(self, topic: Topic, state: TopicState, text: str) -> None:
        if self._topics is not None:
            named = topic._replace(symbol=self.ours.get(topic.symbol, topic.symbol))
            self._topics.on_topic_state(named, state, text)

    def on_stream_state(self, kind: StreamKind, state: StreamState, detail: str) -> None:
        self._on_state(state)
        if state is StreamState.CONNECTED or not self.of_polling.is_standing_in:
            self._listener.on_stream_state(kind, state, detail)

    def on_order(self, order: Order) -> None:
        """A public stream brings none."""

    def on_fill(self, fill: Fill) -> None:
        """A public stream brings none."""

    def on_position(self, position: Position) -> None:
        """A public stream brings none."""

    def on_balance(self, balance: Balance) -> None:
        """A public stream brings none."""


class _PollingEar:
    """Hears the polling. In the stream's place its state is the state; beside a living stream only
    its trouble is told, and the end of that."""

    def __init__(self, listener: ExchangeListener) -> None:
        self.is_in_place = False
        self._state = StreamState.CONNECTED
        self._listener = listener
        self.on_candle = listener.on_candle
        self.on_ticker = listener.on_ticker
        self.on_order = listener.on_order
        self.on_fill = listener.on_fill
        self.on_position = listener.on_position
        self.on_balance = listener.on_balance

    @property
    def is_standing_in(self) -> bool:
        """The stream is away, and nobody misses it."""
        return self.is_in_place and self._state is StreamState.CONNECTED

    def on_stream_state(self, kind: StreamKind, state: StreamState, detail: str) -> None:
        was, self._state = self._state, state
        is_trouble = StreamState.DISCONNECTED in (was, state)
        if self.is_in_place or is_trouble:
            self._listener.on_stream_state(kind, state, detail)
