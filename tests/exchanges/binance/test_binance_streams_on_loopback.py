"""Binance's combined streams through the real handler, over real sockets."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.clock import ManualClock
from core.event_bus import EventBus
from core.events import Error
from core.exchange_port import StreamKind, StreamState
from core.market_data.shared_data_manager import SharedDataManager
from core.market_feed import MarketFeed
from core.models.candles import CandleUpdate, Timeframe
from core.models.streams import Channel, Topic, TopicState
from core.supervision import Supervisor
from exchanges.binance_dialect import BinanceDialect
from exchanges.stream_connection import StreamTiming
from exchanges.ws_multiplex_handler import WsMultiplexHandler

M1 = Timeframe.M1
BTC, ETH = "BTCUSDT", "ETHUSDT"
FAST = StreamTiming(ping_interval_s=5.0, answer_timeout_s=2.0)


class NoJitter(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return 0.02


class Listener:
    """Keeps everything."""

    def __init__(self) -> None:
        self.candles: list[Any] = []
        self.tickers: list[Any] = []
        self.books: list[Any] = []
        self.states: list[tuple[StreamState, str]] = []
        self.topics: dict[Topic, tuple[TopicState, str]] = {}
        self.changed = asyncio.Event()

    def on_candle(self, update: Any, latency_ms: float) -> None:
        self.candles.append(update)
        self.changed.set()

    def on_ticker(self, ticker: Any, latency_ms: float) -> None:
        self.tickers.append(ticker)
        self.changed.set()

    def on_trades(self, trades: Any, latency_ms: float) -> None:
        """Not asked for here."""

    def on_book(self, book: Any, latency_ms: float) -> None:
        self.books.append(book)
        self.changed.set()

    def on_stream_state(self, kind: StreamKind, state: StreamState, detail: str) -> None:
        self.states.append((state, detail))
        self.changed.set()

    def on_topic_state(self, topic: Topic, state: TopicState, text: str) -> None:
        self.topics[topic] = (state, text)
        self.changed.set()

    def count(self, state: StreamState) -> int:
        return sum(seen is state for seen, _ in self.states)

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(15):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
async def handler(binance: Any, clock: ManualClock) -> AsyncIterator[WsMultiplexHandler]:
    made = WsMultiplexHandler(
        BinanceDialect(binance.url), clock=clock, rng=NoJitter(1), timing=FAST
    )
    yield made
    await made.stop()


def candles(symbol: str) -> Topic:
    return Topic(Channel.CANDLES, symbol, M1)


async def test_each_topic_is_asked_for_on_its_own_route_and_comes_with_its_values(
    binance: Any, handler: WsMultiplexHandler, listener: Listener
) -> None:
    handler.subscribe([candles(BTC), Topic(Channel.TICKER, BTC), Topic(Channel.BOOK, BTC)])
    handler.start(listener)
    await binance.until(lambda: len(binance.streams) == 3)
    await listener.until(lambda: listener.count(StreamState.CONNECTED) >= 1)
    assert {session.route for session in binance.connected} == {"market", "public"}
    opened_ms = M1.floor_ms(binance.clock.time_ms())
    await binance.minutes(1)
    await binance.push(*binance.depth(BTC, 160))
    await listener.until(lambda: listener.books and listener.tickers and len(listener.candles) > 1)
    closed, forming = listener.candles
    [expected] = binance.truth(BTC, opened_ms, opened_ms)
    assert (closed.symbol, closed.candle, closed.is_closed) == (BTC, expected, True)
    assert (forming.candle.open_time_ms, forming.is_closed) == (opened_ms + 60_000, False)
    [ticker] = listener.tickers
    assert ticker.change_24h_ratio == Decimal("-0.00786")
    assert (ticker.bid_price, ticker.mark_price) == (None, None), "futures do not say them here"
    [book] = listener.books
    assert (book.bids[0].price, book.asks[0].quantity) == (Decimal("19999.5"), Decimal(100))


async def test_symbols_come_and_go_on_the_same_connection(
    binance: Any, handler: WsMultiplexHandler, listener: Listener
) -> None:
    handler.subscribe([candles(BTC), Topic(Channel.TICKER, BTC)])
    handler.start(listener)
    await listener.until(lambda: listener.count(StreamState.CONNECTED) == 1)
    handler.subscribe([candles(ETH), Topic(Channel.TICKER, ETH)])
    await binance.until(lambda: len(binance.streams) == 4)
    handler.unsubscribe([candles(BTC), Topic(Channel.TICKER, BTC)])
    await binance.until(lambda: binance.streams == {"ethusdt@kline_1m", "ethusdt@ticker"})
    await binance.minutes(1)
    await listener.until(lambda: listener.tickers)
    assert {update.symbol for update in listener.candles} == {ETH}
    [session] = binance.sessions
    methods = [request["method"] for request in session.requests]
    assert methods == ["SUBSCRIBE", "SUBSCRIBE", "UNSUBSCRIBE"], "one frame for each change"
    assert listener.count(StreamState.CONNECTED) == 1


async def test_the_servers_ping_is_answered_with_its_own_payload(
    binance: Any, handler: WsMultiplexHandler, listener: Listener
) -> None:
    handler.subscribe([candles(BTC)])
    handler.start(listener)
    await binance.until(lambda: binance.streams)
    payload = await binance.ping()
    await binance.until(lambda: binance.sessions[0].pongs)
    assert binance.sessions[0].pongs == [payload]


async def test_five_hundred_topics_keep_to_the_limits_of_a_connection_and_of_a_second(
    binance: Any, handler: WsMultiplexHandler, listener: Listener
) -> None:
    """`LocalBinance` notes every broken rule."""
    topics = [candles(f"COIN{n}USDT") for n in range(500)]
    handler.subscribe(topics)
    handler.start(listener)
    await binance.until(lambda: len(binance.streams) == 500)
    assert sorted(len(session.streams) for session in binance.connected) == [100, 200, 200]
    for topic in topics[:30]:  # each in a turn of its own: a frame each
        handler.unsubscribe([topic])
        await asyncio.sleep(0)
    await binance.until(lambda: len(binance.streams) == 470)


async def test_a_stream_that_does_not_exist_spoils_nothing_but_itself(
    binance: Any,
    handler: WsMultiplexHandler,
    listener: Listener,
    fail_on_unexpected_log: list[Any],
) -> None:
    binance.unknown = {"gone@kline_1m"}
    handler.subscribe([candles(BTC), candles("GONE"), candles(ETH)])
    handler.start(listener)
    await listener.until(lambda: listener.count(StreamState.CONNECTED) == 1)
    assert binance.streams == {"btcusdt@kline_1m", "ethusdt@kline_1m"}
    state, text = listener.topics[candles("GONE")]
    assert (state, text) == (TopicState.REFUSED, "Invalid request: invalid stream")
    fail_on_unexpected_log.clear()


async def test_a_farewell_is_heeded_before_the_connection_is_cut(
    binance: Any, handler: WsMultiplexHandler, listener: Listener
) -> None:
    handler.subscribe([candles(BTC)])
    handler.start(listener)
    await listener.until(lambda: listener.count(StreamState.CONNECTED) == 1)
    await binance.announce_end()
    await listener.until(lambda: listener.count(StreamState.CONNECTED) == 2)
    lost = next(text for state, text in listener.states if state is StreamState.DISCONNECTED)
    assert lost.startswith("Binance closes this connection for maintenance; next attempt in")
    assert binance.streams == {"btcusdt@kline_1m"}


class Fed:
    """The handler behind a real feed and a real store. `told`: closed bars that were announced."""

    exchange = "binance"

    def __init__(self, binance: Any, handler: WsMultiplexHandler, folder: Path) -> None:
        self.binance = binance
        self.fetch_candles = binance.fetch_candles
        self.told: list[CandleUpdate] = []
        self.errors: list[Error] = []
        self._handler = handler
        clock = binance.clock
        self.bus = EventBus(clock)
        self.bus.subscribe(Error, self.errors.append, part="test")
        self.supervisor = Supervisor(self.bus, clock)
        self.data = SharedDataManager("binance", cache_dir=folder, clock=clock)
        self.feed = MarketFeed(
            self,  # type: ignore[arg-type]  # the rest of a port is not asked
            data=self.data,
            bus=self.bus,
            supervisor=self.supervisor,
            clock=clock,
        )
        self.feed.on_closed_candle.append(self.told.append)

    def subscribe_candles(self, symbol: str, timeframe: Timeframe) -> None:
        self._handler.subscribe([Topic(Channel.CANDLES, symbol, timeframe)])

    def subscribe_tickers(self, symbols: list[str]) -> None:
        self._handler.subscribe(Topic(Channel.TICKER, symbol) for symbol in symbols)

    async def start(self) -> None:
        self.feed.prices.add([BTC], by="a test")
        self._handler.start(self.feed)  # type: ignore[arg-type]  # no orders come here
        await self.feed.follow(BTC, M1)
        await self.binance.until(lambda: len(self.binance.streams) == 2)

    async def until_told(self, count: int) -> None:
        async with asyncio.timeout(15):
            while len(self.told) < count:  # noqa: ASYNC110 (the feed announces on its own time)
                await asyncio.sleep(0.01)

    def assert_complete(self, minutes: int) -> None:
        """Every bar since the start was told once and in order, and is stored as it is there."""
        first_ms = M1.floor_ms(self.binance.clock.time_ms()) - minutes * 60_000
        opens = [update.candle.open_time_ms for update in self.told]
        assert opens == [first_ms + 60_000 * n for n in range(minutes)]
        key = self.data.get_manager(BTC, M1).key
        stored = [*self.data.store.read(key, start_ms=first_ms)]
        assert stored == self.binance.truth(BTC, first_ms, opens[-1])
        assert self.supervisor.unhandled_exceptions == 0


@pytest.fixture
async def fed(binance: Any, handler: WsMultiplexHandler, tmp_path: Path) -> AsyncIterator[Fed]:
    made = Fed(binance, handler, tmp_path)
    await made.start()
    yield made
    await handler.stop()
    await made.supervisor.stop()
    made.data.close()


async def test_bars_that_end_while_the_connection_is_gone_are_asked_for(
    binance: Any, fed: Fed
) -> None:
    """The end after 24 hours, and an exchange that is away for a while after it."""
    await binance.minutes(3)
    await fed.until_told(3)
    binance.is_open = False
    await binance.end_connections()
    await binance.minutes(7)
    binance.is_open = True
    await fed.until_told(10)
    await binance.until(lambda: len(binance.streams) == 2)
    await binance.minutes(2)
    await fed.until_told(12)
    fed.assert_complete(12)
    assert fed.feed.reconnects == 1
    assert any("the exchange closed the connection" in error.text for error in fed.errors)


async def test_a_closed_bar_that_the_stream_forgets_is_a_hole_that_is_filled_first(
    binance: Any, fed: Fed
) -> None:
    binance.forgets = {M1.floor_ms(binance.clock.time_ms()) + 60_000 * n for n in (2, 3)}
    asked = binance.candle_requests
    await binance.minutes(2)
    await fed.until_told(2)
    assert binance.candle_requests == asked, "what the stream brings costs no request"
    await binance.minutes(3)
    await fed.until_told(5)
    fed.assert_complete(5)
    assert binance.candle_requests == asked + 1
