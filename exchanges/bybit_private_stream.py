"""Bybit's private stream on pybit's socket: orders, executions, position, wallet, for ever.

pybit brings the signature and both kinds of ping. What it does when the
connection breaks is not ours: with its defaults it dies silently after a short outage, and with
endless retries it tries a hundred times a second. So one pybit socket lives exactly one
connection, and a supervised task on the engine's loop makes the next one. pybit's thread only
hands texts over to that loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import threading
from collections.abc import Callable

import msgspec
import websocket
from pybit._websocket_stream import _V5WebSocketManager

from core.exchange_port import ExchangeListener, StreamKind, StreamState
from core.models.fills import Fill
from core.models.orders import Order
from core.models.positions import Position
from exchanges.bybit_parsers import ControlMessage, PrivateItem, decode_private
from exchanges.credentials import Credentials
from exchanges.stream_backoff import FullJitterBackoff

log = logging.getLogger(__name__)

TOPICS = ("order", "execution", "position", "wallet")
AUTH_EXPIRY_S = 10  # pybit's own 1 s refuses every computer whose clock is 1 s slow

_THREAD_END_S = 1.0

# websocket-client logs "goodbye" as an error at every end of a connection; the stream state
# says the same with the cause, and a second voice would only alarm.
logging.getLogger("websocket").addFilter(lambda record: "goodbye" not in record.getMessage())


class PrivateTiming(msgspec.Struct, frozen=True):
    """Real seconds. `silence_s`: a connection of which nothing is heard for so long, not even a
    pong, is given up: fills that nobody hears of are money that nobody watches. `answer_timeout_s`:
    longest wait for a handshake, a sign-in, an acknowledgement, the rest of a message."""

    ping_interval_s: float = 5.0
    silence_s: float = 12.0
    answer_timeout_s: float = 10.0


class BybitPrivateStream:
    """`start` and `stop` once. CONNECTED comes after authentication and all acknowledgements."""

    def __init__(
        self,
        url: str,
        *,
        account: str,
        credentials: Credentials,
        backoff: FullJitterBackoff,
        timing: PrivateTiming = PrivateTiming(),  # noqa: B008 (immutable)
    ) -> None:
        self._url = url
        self._account = account
        self._credentials = credentials
        self._backoff = backoff
        self._timing = timing
        self._listener: ExchangeListener
        self._task: asyncio.Task[None] | None = None

    def start(self, listener: ExchangeListener) -> None:
        if self._task is None:
            self._listener = listener
            self._task = asyncio.create_task(self._run(), name="bybit private stream")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._tell(StreamState.CONNECTING, f"connecting to {self._url}")
            clock = asyncio.get_running_loop().time
            started_s = clock()
            try:
                detail = await self._one_connection()
            except Exception as fault:  # the stream must outlive its own bugs: seen, then retried
                log.exception("Bybit private stream failed")
                detail = f"{type(fault).__name__}: {fault}"
            self._backoff.connection_lasted(clock() - started_s)
            delay_s = self._backoff.next_delay_s()
            self._tell(StreamState.DISCONNECTED, f"{detail}; next attempt in {delay_s:.1f} s")
            await asyncio.sleep(delay_s)

    async def _one_connection(self) -> str:
        """From the handshake until the connection ends; returns why it ended."""
        session = _Session(self)
        connection = _PybitSocket(
            self._url,
            self._credentials,
            self._timing,
            on_text=session.post_text,
            on_pong=session.post_pong,
            on_end=session.post_end,
        )
        session.subscribe = connection.subscribe_all
        try:
            try:
                async with asyncio.timeout(self._timing.answer_timeout_s):
                    await session.ready
            except TimeoutError:
                return f"no answer from {self._url} in time"
            self._tell(StreamState.CONNECTED, f"{len(TOPICS)} topics")
            return await session.over(self._timing.silence_s)
        except _ConnectionEnded as end:
            return str(end)
        finally:
            session.is_open = False
            await asyncio.shield(asyncio.to_thread(connection.exit))

    def _tell(self, state: StreamState, detail: str) -> None:
        try:
            self._listener.on_stream_state(StreamKind.PRIVATE, state, detail)
        except Exception:  # the listener's fault is its own; the stream goes on
            log.exception("a listener failed on stream state %s", state)

    def _deliver(self, item: PrivateItem) -> None:
        try:
            if isinstance(item, Order):
                self._listener.on_order(item)
            elif isinstance(item, Fill):
                self._listener.on_fill(item)
            elif isinstance(item, Position):
                self._listener.on_position(item)
            else:
                self._listener.on_balance(item)
        except Exception:  # the listener's fault is its own; the next item is still delivered
            log.exception("a listener failed on %s", type(item).__name__)

    def _redact(self, text: str) -> str:
        return self._credentials.redact(text)


class _ConnectionEnded(Exception):
    """The connection is over before it was usable; the text says why."""


class _Session:
    """The loop's side of one connection. `post_*` are called by pybit's thread."""

    def __init__(self, stream: BybitPrivateStream) -> None:
        self.subscribe: Callable[[], None]
        self.is_open = True
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.ended: asyncio.Future[str] = self._loop.create_future()
        self._heard_s = self._loop.time()

    def post_text(self, text: str) -> None:
        self._post(self._on_text, text)

    def post_pong(self) -> None:
        self._post(self._on_pong, "")

    def post_end(self, reason: str) -> None:
        self._post(self._on_end, reason)

    async def over(self, silence_s: float) -> str:
        """Return when the connection has ended, or has been silent for too long; says why."""
        while (left_s := self._heard_s + silence_s - self._loop.time()) > 0:
            await asyncio.wait({self.ended}, timeout=left_s)
            if self.ended.done():
                return self.ended.result()
        return f"nothing heard for {silence_s:.0f} s, pings are not answered"

    def _post(self, handler: Callable[[str], None], text: str) -> None:
        try:
            self._loop.call_soon_threadsafe(handler, text)
        except RuntimeError:
            log.debug("the engine's loop is closed; pybit's thread ends")

    def _on_end(self, reason: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(_ConnectionEnded(reason))
            self.ready.exception()  # seen: nobody may be waiting any more
        if not self.ended.done():
            self.ended.set_result(reason)

    def _on_pong(self, _: str) -> None:
        self._heard_s = self._loop.time()

    def _on_text(self, text: str) -> None:
        self._heard_s = self._loop.time()
        if not self.is_open:
            return  # a late word of a connection that was given up: the next one reconciles
        try:
            message = decode_private(text, self._stream._account)
        except msgspec.DecodeError as fault:
            log.warning("unreadable private message from Bybit: %s", fault)
            self._on_end("Bybit sent a message that cannot be read")  # it may have been a fill
            return
        if isinstance(message, ControlMessage):
            self._on_control(message)
        else:
            for item in message:
                self._stream._deliver(item)

    def _on_control(self, message: ControlMessage) -> None:
        if message.op == "auth":
            if message.success:
                self.subscribe()
            else:
                self._on_end(f"Bybit refused the API key: {self._stream._redact(message.ret_msg)}")
        elif message.op == "subscribe":
            if not message.success:
                self._on_end(f"Bybit refused a subscription: {message.ret_msg}")
            elif not self.ready.done():
                self.ready.set_result(None)


class _PybitSocket(_V5WebSocketManager):  # type: ignore[misc]
    """pybit's socket for one connection: connects in the background, never reconnects."""

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        timing: PrivateTiming,
        *,
        on_text: Callable[[str], None],
        on_pong: Callable[[], None],
        on_end: Callable[[str], None],
    ) -> None:
        super().__init__(
            "Bybit private",
            testnet=False,
            api_key=credentials.api_key,
            api_secret=credentials.api_secret,
            ping_interval=timing.ping_interval_s,
            ping_timeout=None,  # by the wall clock, which may be set; the session watches
            private_auth_expire=AUTH_EXPIRY_S,
        )
        # an address that swallows everything would hold the connecting thread for minutes
        websocket.setdefaulttimeout(timing.answer_timeout_s)
        self._on_text = on_text
        self._tell_pong = on_pong
        self._on_end = on_end
        self._reason = "the connection was closed"
        self._connect(url)

    def _connect(self, url: str) -> None:
        self.endpoint = url
        self.ws = websocket.WebSocketApp(
            url,
            on_open=lambda _ws: self._on_open(),
            on_message=lambda _ws, text: self._on_text(text),
            on_error=lambda _ws, error: self._on_error(error),
            on_pong=lambda _ws, _data: self._on_pong(),
        )
        self.wst = threading.Thread(target=self._run, name="bybit-private", daemon=True)
        self.wst.start()

    def _run(self) -> None:
        try:
            self.ws.run_forever(
                ping_interval=self.ping_interval,
                ping_timeout=self.ping_timeout,
                http_no_proxy=["*"],  # keys go where the trader said, as in REST
            )
        finally:
            self._on_end(self._reason)

    def exit(self) -> None:
        """Blocks until the thread has ended, as a rule: closing alone would not wake it from a
        handshake, or half a message, that never goes on."""
        connection = self.ws.sock
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):  # the other side was faster
                connection.sock.shutdown(socket.SHUT_RDWR)
            self.wst.join(_THREAD_END_S)
        super().exit()

    def _on_pong(self) -> None:
        self._tell_pong()
        super()._on_pong()

    def _on_open(self) -> None:
        self._attempt(self._auth)
        self._send_initial_ping()

    def _send_custom_ping(self) -> None:
        self._attempt(super()._send_custom_ping)  # from a timer's thread, where nobody catches

    def _on_error(self, error: Exception) -> None:
        text = str(error).split(" -+-+- ")[0]  # websocket-client appends whole headers
        self._reason = text or type(error).__name__

    def subscribe_all(self) -> None:
        """One message, sent directly: pybit's own `subscribe` waits without end, on the caller's
        thread, for a connection that has just been lost."""
        self._attempt(
            lambda: self.ws.send(json.dumps({"op": "subscribe", "req_id": "1", "args": TOPICS}))
        )

    def _attempt(self, send: Callable[[], None]) -> None:
        """A connection may break under any message: that is its end, with its reason, no error."""
        try:
            send()
        except (websocket.WebSocketException, OSError) as fault:
            self._on_error(fault)
