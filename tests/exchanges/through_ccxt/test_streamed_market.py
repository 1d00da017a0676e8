"""The public stream in our names, and the polling that stands in while it is away."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from aiohttp import web

from core.clock import SystemClock
from core.exchange_port import StreamKind, StreamState, Unavailable
from core.models.books import OrderBookSnapshot
from core.models.candles import Candle, Ticker, Timeframe
from core.models.streams import Channel, Topic
from core.models.trades import PublicTrade
from exchanges.okx_dialect import OkxDialect
from exchanges.polled_streams import PolledMarket
from exchanges.stream_connection import StreamTiming
from exchanges.streamed_market import StreamedMarket, WireMarket

M15 = Timeframe.M15
CANDLES, TICKER = Topic(Channel.CANDLES, "BTCUSDT", M15), Topic(Channel.TICKER, "BTCUSDT")
NOSUCH = Topic(Channel.TICKER, "NOSUCH")
FAST = StreamTiming(ping_interval_s=5.0, answer_timeout_s=0.5)


class OkxStream:
    """Acknowledges what is asked for and sends one message of it; `is_open` False: refuses."""

    def __init__(self) -> None:
        self.is_open = True
        self.port = 0
        self.asked: list[tuple[str, str]] = []  # operation and channel
        self._sockets: set[web.WebSocketResponse] = set()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        application = web.Application()
        application.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def hang_up(self) -> None:
        self.is_open = False
        await asyncio.gather(*(socket.close() for socket in list(self._sockets)))

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if not self.is_open:
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.add(socket)
        async for message in socket:
            if message.data == "ping":
                await socket.send_str("pong")
                continue
            asked = json.loads(message.data)
            for arg in asked["args"]:
                self.asked.append((asked["op"], arg["channel"]))
                await socket.send_str(json.dumps({"event": asked["op"], "arg": arg}))
                await socket.send_str(json.dumps({"arg": arg, "data": [_data(arg)]}))
        self._sockets.discard(socket)
        return socket


def _data(arg: dict[str, str]) -> object:
    now = str(1_700_000_100_000)
    if arg["channel"].startswith("candle"):
        opened = str(M15.floor_ms(int(now)))
        return [opened, "1", "2", "1", "1.5", "500", "5", "7.5", "0"]
    if arg["channel"] == "books5":
        return {"bids": [["19", "300", "0", "1"]], "asks": [["20", "5", "0", "1"]], "ts": now}
    if arg["channel"] == "trades":
        return {
            "instId": arg["instId"],
            "tradeId": "7",
            "px": "20",
            "sz": "40",
            "side": "buy",
            "ts": now,
        }
    return {"instId": arg["instId"], "last": "1.5", "ts": now, "open24h": "1"}


class Asked:
    """What the polling asks; counts."""

    exchange = "okx"

    def __init__(self) -> None:
        self.tickers = self.candles = 0

    async def fetch_tickers(self):
        self.tickers += 1
        return [Ticker("okx", "BTCUSDT", 2, 1)]

    async def fetch_newest_candles(self, symbol, timeframe, count):
        self.candles += 1
        opened_ms = timeframe.floor_ms(SystemClock().time_ms())
        return [Candle(opened_ms, 1, 1, 1, 1, 1)]


class Listener:
    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.states: list[StreamState] = []
        self.books: list[OrderBookSnapshot] = []
        self.trades: list[PublicTrade] = []
        self.changed = asyncio.Event()

    def on_candle(self, update, latency_ms):
        self._note("candle", update.symbol)

    def on_ticker(self, ticker, latency_ms):
        self._note("ticker", f"{ticker.symbol} {ticker.last_price}")

    def on_book(self, book, latency_ms):
        self.books.append(book)
        self.changed.set()

    def on_trades(self, trades, latency_ms):
        self.trades += trades
        self.changed.set()

    def on_stream_state(self, kind, state, detail):
        assert kind is StreamKind.PUBLIC
        self.states.append(state)
        self.changed.set()

    def _note(self, kind: str, symbol: str) -> None:
        self.heard.append((kind, symbol))
        self.changed.set()

    def on_order(self, order):
        raise AssertionError

    on_fill = on_position = on_balance = on_order

    async def until(self, condition) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


class NoJitter(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return 0.05


@pytest.fixture
async def okx() -> AsyncIterator[OkxStream]:
    server = OkxStream()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def market(okx) -> AsyncIterator[tuple[StreamedMarket, Asked]]:
    asked = Asked()

    async def markets() -> dict[str, WireMarket]:
        return {"BTCUSDT": WireMarket("BTC-USDT-SWAP", Decimal("0.01"))}

    streamed = StreamedMarket(
        OkxDialect(f"ws://127.0.0.1:{okx.port}"),
        PolledMarket(asked, clock=SystemClock(), tickers_poll_s=0.1),
        markets,
        clock=SystemClock(),
        rng=NoJitter(1),
        timing=FAST,
        patience_s=0.5,
    )
    yield streamed, asked
    await streamed.stop()


async def test_the_stream_speaks_in_our_names(market) -> None:
    streamed, asked = market
    listener = Listener()
    streamed.subscribe([CANDLES])
    streamed.subscribe([TICKER])
    streamed.start(listener)
    wanted = {("candle", "BTCUSDT"), ("ticker", "BTCUSDT 1.5")}
    await listener.until(lambda: wanted <= set(listener.heard))
    await listener.until(lambda: StreamState.CONNECTED in listener.states)
    assert (asked.tickers, asked.candles) == (0, 0), "nothing is asked for that is streamed"


async def test_while_the_stream_is_away_the_polling_stands_in_and_makes_room_again(
    okx, market
) -> None:
    streamed, asked = market
    listener = Listener()
    streamed.subscribe([CANDLES])
    streamed.subscribe([TICKER])
    streamed.start(listener)
    await listener.until(lambda: ("ticker", "BTCUSDT 1.5") in listener.heard)
    await okx.hang_up()
    await listener.until(lambda: StreamState.DISCONNECTED in listener.states)
    await listener.until(lambda: ("ticker", "BTCUSDT 2") in listener.heard)
    await listener.until(lambda: listener.states[-1] is StreamState.CONNECTED)
    assert asked.candles > 0
    heard = len(listener.heard)
    okx.is_open = True
    await listener.until(lambda: ("ticker", "BTCUSDT 1.5") in listener.heard[heard:])
    async with asyncio.timeout(5):
        while streamed._asked_for:  # noqa: ASYNC110 (nobody tells that nothing is asked any more)
            await asyncio.sleep(0.02)


async def test_books_and_trades_come_in_our_names_and_in_coins(okx, market) -> None:
    """OKX counts contracts. Nobody asks for a book by polling."""
    streamed, asked = market
    listener = Listener()
    book, trades = Topic(Channel.BOOK, "BTCUSDT"), Topic(Channel.TRADES, "BTCUSDT")
    streamed.subscribe([book, trades, Topic(Channel.BOOK, "NOSUCH")])
    streamed.start(listener)
    await listener.until(lambda: listener.books and listener.trades)
    picture, trade = listener.books[0], listener.trades[0]
    assert (picture.symbol, picture.bids, picture.asks) == (
        "BTCUSDT",
        ((Decimal(19), Decimal(3)),),
        ((Decimal(20), Decimal("0.05")),),
    )
    assert (trade.symbol, trade.price, trade.quantity) == ("BTCUSDT", 20, Decimal("0.4"))
    await okx.hang_up()
    await listener.until(lambda: listener.states.count(StreamState.DISCONNECTED) >= 3)
    streamed.unsubscribe([book, trades])
    okx.is_open = True
    await listener.until(lambda: listener.states[-1] is StreamState.CONNECTED)
    assert streamed.statistics().topics == 0
    assert (asked.candles, streamed._asked_for) == (0, set())


async def test_what_nobody_needs_is_neither_streamed_nor_asked_for(okx, market) -> None:
    streamed, asked = market
    listener = Listener()
    streamed.subscribe([CANDLES])
    streamed.subscribe([TICKER, NOSUCH])
    streamed.start(listener)
    await listener.until(lambda: ("ticker", "BTCUSDT 1.5") in listener.heard)
    async with asyncio.timeout(5):
        while not asked.tickers:  # noqa: ASYNC110 (what the stream does not have is polled)
            await asyncio.sleep(0.02)
    streamed.unsubscribe([TICKER, NOSUCH])
    async with asyncio.timeout(5):
        while ("unsubscribe", "tickers") not in okx.asked or streamed._asked_for:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert ("unsubscribe", "candle15m") not in okx.asked
    assert streamed.statistics().topics == 1


async def test_a_market_that_cannot_be_read_yet_is_told_and_asked_again(okx) -> None:
    answers = [Unavailable("OKX could not be read: the connection failed."), None]

    async def markets() -> dict[str, WireMarket]:
        fault = answers.pop(0)
        if fault is not None:
            raise fault
        return {"BTCUSDT": WireMarket("BTC-USDT-SWAP", Decimal("0.01"))}

    streamed = StreamedMarket(
        OkxDialect(f"ws://127.0.0.1:{okx.port}"),
        PolledMarket(Asked(), clock=SystemClock(), tickers_poll_s=0.1),
        markets,
        clock=SystemClock(),
        rng=NoJitter(1),
        timing=FAST,
    )
    listener = Listener()
    streamed.subscribe([TICKER, NOSUCH])
    streamed.start(listener)
    await listener.until(lambda: StreamState.DISCONNECTED in listener.states)
    await streamed.stop()
    assert answers == [None]
