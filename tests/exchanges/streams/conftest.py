"""A net made of objects: connections that a test opens, answers, and breaks, in virtual time."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from app.virtual_time import VirtualClock, VirtualTimeLoop
from core.exchange_port import StreamKind, StreamState
from core.models.candles import Timeframe
from core.models.streams import Channel, Topic, TopicState
from exchanges.bybit_dialect import BybitDialect
from exchanges.stream_connection import Receiver
from exchanges.ws_multiplex_handler import WsMultiplexHandler

START_MS = 1_700_000_100_000


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test of this folder runs in virtual time."""
    return {"virtual": VirtualTimeLoop}


class Link:
    """One connection, seen from the exchange's side. `sent`: what the handler asked."""

    def __init__(self, net: Net, url: str, receiver: Receiver) -> None:
        self.url = url
        self.sent: list[Any] = []
        self.pings = 0
        self.is_open = True
        self._net = net
        self._receiver = receiver

    # the handler's side

    def send(self, payload: bytes) -> None:
        if not self.is_open:
            return
        text = payload.decode()
        self.sent.append(json.loads(text) if text[:1] in "[{" else text)
        for answer in self._net.answers(self.sent[-1]):
            asyncio.get_running_loop().call_soon(self.push, answer)

    def ping(self) -> None:
        self.pings += 1
        if self._net.is_alive:
            asyncio.get_running_loop().call_soon(self._receiver.on_alive)

    def close(self) -> None:
        self.is_open = False

    # the exchange's side

    def push(self, *messages: Any, is_last: bool = True) -> None:
        """In one read of the socket."""
        for place, message in enumerate(messages):
            payload = message if isinstance(message, bytes) else _compact(message)
            self._receiver.on_message(payload, is_last and place == len(messages) - 1)

    def cut(self, reason: str = "reset by peer") -> None:
        self.is_open = False
        self._receiver.on_closed(reason)

    @property
    def topics(self) -> list[str]:
        """What Bybit's words asked for, unsubscriptions taken away."""
        topics: dict[str, None] = {}
        for request in self.sent:
            for topic in request.get("args", ()):
                if request["op"] == "subscribe":
                    topics[topic] = None
                else:
                    topics.pop(topic, None)
        return list(topics)


class Net:
    """Attributes: links (all that were ever opened), attempts_s, is_up, is_alive (answers at
    all), refused (topic -> the exchange's words)."""

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.attempts_s: list[float] = []
        self.is_up = True
        self.is_alive = True
        self.refused: dict[str, str] = {}

    async def connect(self, url: str, receiver: Receiver) -> Link:
        self.attempts_s.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.01)
        if not self.is_up:
            raise ConnectionRefusedError("refused")
        self.links.append(Link(self, url, receiver))
        return self.links[-1]

    @property
    def link(self) -> Link:
        return self.links[-1]

    def answers(self, request: Any) -> list[Any]:
        """As Bybit does."""
        if not self.is_alive or not isinstance(request, dict) or "op" not in request:
            return []
        answer = {"op": request["op"], "success": True, "ret_msg": "", "conn_id": "c"}
        answer["req_id"] = request.get("req_id", "")
        bad = [self.refused[topic] for topic in request.get("args", ()) if topic in self.refused]
        if bad and request["op"] == "subscribe":
            answer |= {"success": False, "ret_msg": bad[0]}
        return [answer]


class Listener:
    """Keeps everything. `slow_s` is what each tick costs in virtual time, `on_tick` is called."""

    def __init__(self) -> None:
        self.candles: list[Any] = []
        self.tickers: list[Any] = []
        self.trades: list[Any] = []
        self.books: list[Any] = []
        self.latencies_ms: list[float] = []
        self.states: list[tuple[StreamState, str]] = []
        self.topics: list[tuple[float, Topic, TopicState, str]] = []
        self.on_tick: Callable[[Any], None] = lambda _: None

    def on_candle(self, update: Any, latency_ms: float) -> None:
        self.candles.append(update)
        self.latencies_ms.append(latency_ms)

    def on_ticker(self, ticker: Any, latency_ms: float) -> None:
        self.tickers.append(ticker)
        self.latencies_ms.append(latency_ms)
        self.on_tick(ticker)

    def on_trades(self, trades: Any, latency_ms: float) -> None:
        self.trades.append(trades)

    def on_book(self, book: Any, latency_ms: float) -> None:
        self.books.append(book)

    def on_stream_state(self, kind: StreamKind, state: StreamState, detail: str) -> None:
        assert kind is StreamKind.PUBLIC
        self.states.append((state, detail))

    def on_topic_state(self, topic: Topic, state: TopicState, text: str) -> None:
        self.topics.append((asyncio.get_running_loop().time(), topic, state, text))

    @property
    def closed(self) -> list[Any]:
        return [update for update in self.candles if update.is_closed]

    def count(self, state: StreamState) -> int:
        return sum(1 for seen, _ in self.states if seen is state)


class Bybit:
    """Messages in Bybit's words."""

    @staticmethod
    def ticker(symbol: str = "BTCUSDT", kind: str = "snapshot", ts: int = 1, **fields: str) -> Any:
        return {"topic": f"tickers.{symbol}", "type": kind, "data": fields, "ts": ts}

    @staticmethod
    def kline(
        symbol: str = "BTCUSDT", *, start: int = 0, close: str = "2", confirm: bool = False
    ) -> Any:
        bar = {"start": start, "open": "2", "high": "3", "low": "1", "close": close, "volume": "5"}
        return {"topic": f"kline.1.{symbol}", "data": [bar | {"confirm": confirm}], "ts": 1}

    @staticmethod
    def book(kind: str, update: int, bids: Any = (), asks: Any = ()) -> Any:
        data = {"s": "BTCUSDT", "b": bids, "a": asks, "u": update}
        return {"topic": "orderbook.50.BTCUSDT", "type": kind, "data": data, "ts": update}

    @staticmethod
    def trade(number: int) -> Any:
        row = {"T": number, "s": "BTCUSDT", "S": "Buy", "v": "1", "p": "2", "i": str(number)}
        return {"topic": "publicTrade.BTCUSDT", "data": [row], "ts": number}


def _compact(message: Any) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


@pytest.fixture
def net() -> Net:
    return Net()


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def words() -> type[Bybit]:
    return Bybit


@pytest.fixture
def make_handler(net: Net) -> Callable[..., WsMultiplexHandler]:
    def make(dialect: Any = None, connect: Any = None) -> WsMultiplexHandler:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        return WsMultiplexHandler(
            dialect or BybitDialect("wss://exchange"),
            clock=VirtualClock(loop, market_start_ms=START_MS),
            rng=random.Random(7),
            connect=connect or net.connect,
        )

    return make


@pytest.fixture
async def handler(
    make_handler: Callable[..., WsMultiplexHandler], listener: Listener
) -> AsyncIterator[WsMultiplexHandler]:
    """On Bybit's words, started, with a ticker and 1-minute candles of BTCUSDT."""
    made = make_handler()
    made.subscribe(
        [Topic(Channel.TICKER, "BTCUSDT"), Topic(Channel.CANDLES, "BTCUSDT", Timeframe.M1)]
    )
    made.start(listener)
    await asyncio.sleep(1)
    yield made
    await made.stop()
