"""Bybit's public stream on one picows connection: candles and tickers, for ever.

The hot path is `_on_payload`: bytes to typed message to listener, nothing else. Around it one
supervised task connects, subscribes, waits for the acknowledgements, watches that the connection
lives, and starts over after a wait with full jitter. Subscriptions are a set of topics that may
change at any time; the connection follows the set.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Iterable

import msgspec
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from core.clock import Clock
from core.exchange_port import ExchangeListener, StreamKind, StreamState
from core.models.candles import Ticker, Timeframe
from exchanges.bybit_parsers import (
    ControlMessage,
    KlineMessage,
    TickerMessage,
    candle_update,
    decode_public,
    merge_ticker,
)
from exchanges.bybit_words import INTERVAL_OF
from exchanges.stream_backoff import FullJitterBackoff

log = logging.getLogger(__name__)

MAX_ARGS_CHARS = 21_000  # docs/v5/ws/connect.mdx, public channel: length of the args array
PING = b'{"op":"ping"}'


class StreamTiming(msgspec.Struct, frozen=True):
    """`ping_interval_s`: Bybit asks for 20 s. `answer_timeout_s`: longest wait for a handshake,
    an acknowledgement, or for anything at all after a ping; then the connection is given up."""

    ping_interval_s: float = 20.0
    answer_timeout_s: float = 10.0


class BybitPublicStream:
    """`start` and `stop` once; subscribe and unsubscribe at any time, connected or not."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        backoff: FullJitterBackoff,
        timing: StreamTiming = StreamTiming(),  # noqa: B008 (immutable)
    ) -> None:
        self._url = url
        self._clock = clock
        self._backoff = backoff
        self._timing = timing
        self._candle_topics: dict[str, tuple[str, Timeframe]] = {}
        self._ticker_topics: dict[str, str] = {}
        self._tickers: dict[str, Ticker] = {}
        self._listener: ExchangeListener
        self._task: asyncio.Task[None] | None = None
        self._connection: _Connection | None = None

    def start(self, listener: ExchangeListener) -> None:
        if self._task is None:
            self._listener = listener
            self._task = asyncio.create_task(self._run(), name="bybit public stream")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def subscribe_candles(self, symbol: str, timeframe: Timeframe) -> None:
        topic = f"kline.{INTERVAL_OF[timeframe]}.{symbol}"
        if topic not in self._candle_topics:
            self._candle_topics[topic] = (symbol, timeframe)
            self._follow([topic], "subscribe")

    def unsubscribe_candles(self, symbol: str, timeframe: Timeframe) -> None:
        topic = f"kline.{INTERVAL_OF[timeframe]}.{symbol}"
        if self._candle_topics.pop(topic, None) is not None:
            self._follow([topic], "unsubscribe")

    def subscribe_tickers(self, symbols: Iterable[str]) -> None:
        new = {f"tickers.{symbol}": symbol for symbol in symbols}
        for topic in self._ticker_topics.keys() & new.keys():
            del new[topic]
        self._ticker_topics |= new
        self._follow(list(new), "subscribe")

    def _follow(self, topics: list[str], op: str) -> None:
        if self._connection is not None:
            self._connection.request(op, topics)

    async def _run(self) -> None:
        while True:
            self._tell(StreamState.CONNECTING, f"connecting to {self._url}")
            clock = asyncio.get_running_loop().time
            started_s = clock()
            try:
                detail = await self._one_connection()
            except (OSError, TimeoutError, WSError) as fault:
                detail = f"no connection to {self._url}: {fault or 'no answer in time'}"
            except Exception as fault:  # the stream must outlive its own bugs: seen, then retried
                log.exception("Bybit public stream failed")
                detail = f"{type(fault).__name__}: {fault}"
            self._backoff.connection_lasted(clock() - started_s)
            delay_s = self._backoff.next_delay_s()
            self._tell(StreamState.DISCONNECTED, f"{detail}; next attempt in {delay_s:.1f} s")
            await asyncio.sleep(delay_s)

    async def _one_connection(self) -> str:
        """From the handshake until the connection ends; returns why it ended."""
        connection = _Connection(self)
        async with asyncio.timeout(self._timing.answer_timeout_s):
            transport, _ = await ws_connect(
                lambda: connection,
                self._url,
                disconnect_on_exception=False,
                max_redirects=0,
            )
        self._tickers.clear()  # a delta must not be merged into what was before the gap
        self._connection = connection
        try:
            topics = [*self._candle_topics, *self._ticker_topics]
            connection.request("subscribe", topics)
            if await connection.acknowledged(self._timing.answer_timeout_s):
                self._tell(StreamState.CONNECTED, f"{len(topics)} topics")
                await connection.watch(self._timing)
        finally:
            self._connection = None
            transport.disconnect(graceful=False)
        return connection.end_reason

    def _refused(self, topic: str, text: str) -> None:
        """One topic that Bybit will not serve; the others go on."""
        self._candle_topics.pop(topic, None)
        self._ticker_topics.pop(topic, None)
        log.warning("Bybit refused the subscription %s: %s", topic, text)

    def _tell(self, state: StreamState, detail: str) -> None:
        try:
            self._listener.on_stream_state(StreamKind.PUBLIC, state, detail)
        except Exception:  # the listener's fault is its own; the stream goes on
            log.exception("a listener failed on stream state %s", state)

    def _on_payload(self, payload: bytes) -> ControlMessage | None:
        """Deliver one message; answers to our own requests go back to the connection."""
        message = decode_public(payload)
        if type(message) is TickerMessage:
            symbol = self._ticker_topics.get(message.topic)
            if symbol is not None:
                previous = None if message.type == "snapshot" else self._tickers.get(symbol)
                ticker = merge_ticker(previous, message.data, message.ts)
                if ticker is not None:
                    self._tickers[symbol] = ticker
                    self._listener.on_ticker(ticker, self._latency_ms(message.ts))
            return None
        if type(message) is KlineMessage:
            series = self._candle_topics.get(message.topic)
            if series is not None:
                latency_ms = self._latency_ms(message.ts)
                for bar in message.data:
                    self._listener.on_candle(candle_update(bar, *series, message.ts), latency_ms)
            return None
        return message if isinstance(message, ControlMessage) else None

    def _latency_ms(self, exchange_time_ms: int) -> float:
        """Real ms; clocks that differ by less than the way through the net give 0."""
        return max(0.0, (self._clock.time_ms() - exchange_time_ms) / self._clock.rate)


class _Connection(WSListener):
    """One connection's life: what was asked, what was acknowledged, whether anything is heard."""

    def __init__(self, stream: BybitPublicStream) -> None:
        self.end_reason = "the connection was closed"
        self._stream = stream
        self._transport: WSTransport | None = None
        self._request_ids = itertools.count(1)
        self._pending: dict[str, tuple[str, list[str]]] = {}
        self._settled = asyncio.Event()
        self._heard = True
        self._ended = asyncio.Event()
        self._fragments: list[bytes] = []
        self._has_complained = False

    # ---- called by picows

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002
        self._ended.set()
        self._settled.set()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self._heard = True
        msg_type = frame.msg_type
        if msg_type is WSMsgType.TEXT and frame.fin:
            self._on_payload(frame.get_payload_as_bytes())
        elif msg_type in (WSMsgType.TEXT, WSMsgType.CONTINUATION):
            self._fragments.append(frame.get_payload_as_bytes())
            if frame.fin:
                payload = b"".join(self._fragments)
                self._fragments.clear()
                self._on_payload(payload)
        elif msg_type is WSMsgType.CLOSE:
            self.end_reason = f"Bybit closed the connection ({frame.get_close_reason()})"
            transport.disconnect()

    def _on_payload(self, payload: bytes) -> None:
        try:
            control = self._stream._on_payload(payload)
        except msgspec.DecodeError as fault:
            if not self._has_complained:  # once a connection: a changed format comes in floods
                self._has_complained = True
                log.warning("unreadable message from Bybit: %s in %.200r", fault, payload)
        except Exception:  # a listener's fault is its own; the stream goes on
            log.exception("a listener failed on a message from Bybit")
        else:
            if control is not None:
                self._on_answer(control)

    # ---- requests and their answers

    def request(self, op: str, topics: list[str]) -> None:
        """Ask for `topics` in as few messages as the length limit allows."""
        batch: list[str] = []
        chars = 0
        for topic in topics:
            if batch and chars + len(topic) + 3 > MAX_ARGS_CHARS:
                self._send(op, batch)
                batch, chars = [], 0
            batch.append(topic)
            chars += len(topic) + 3
        if batch:
            self._send(op, batch)
        if not self._pending:
            self._settled.set()

    def _send(self, op: str, topics: list[str]) -> None:
        request_id = str(next(self._request_ids))
        self._pending[request_id] = (op, topics)
        self._settled.clear()
        self._write(msgspec.json.encode({"op": op, "req_id": request_id, "args": topics}))

    def _write(self, payload: bytes) -> None:
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.send(WSMsgType.TEXT, payload)

    def _on_answer(self, answer: ControlMessage) -> None:
        op, topics = self._pending.pop(str(answer.req_id), ("", []))
        if op == "subscribe" and not answer.success and "already" not in answer.ret_msg:
            if len(topics) == 1:
                self._stream._refused(topics[0], answer.ret_msg)
            else:  # one bad topic spoils its batch: ask again one by one
                for topic in topics:
                    self._send(op, [topic])
        if not self._pending:
            self._settled.set()

    async def acknowledged(self, timeout_s: float) -> bool:
        """True when every request has its answer, False when the connection ended before.
        Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            await self._settled.wait()
        return not self._ended.is_set()

    async def watch(self, timing: StreamTiming) -> None:
        """Ping, and return when the connection has ended or has gone silent."""
        while not await self._ends_within(timing.ping_interval_s - timing.answer_timeout_s):
            self._heard = False
            overdue = set(self._pending)
            self._write(PING)
            if await self._ends_within(timing.answer_timeout_s):
                return
            if not self._heard:
                self.end_reason = f"nothing heard for {timing.answer_timeout_s:.0f} s after a ping"
                return
            if overdue & self._pending.keys():
                self.end_reason = "a subscription was not acknowledged"
                return

    async def _ends_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True
