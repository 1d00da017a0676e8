"""A man in the middle on real sockets, in front of a Bybit on loopback: HTTP and WebSocket.

It passes on byte for byte until its plan says otherwise, so the unmodified adapter (pybit, picows)
meets what networks, load balancers and maintenance pages do to it. It understands just as much of
the wire as it needs to know where a request, an answer or a message ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, NamedTuple, Protocol, TypeVar

ORDER_CREATE = "/v5/order/create"
HTML = b"<!DOCTYPE html><html><body><h1>We'll be back soon</h1></body></html>"
GARBAGE = bytes(range(128, 256)) * 4
_PAUSES = 20  # in what drips
LATE_S = 0.3  # of what arrives after its sender has given up


_Kind = TypeVar("_Kind", bound=enum.StrEnum)


class HttpFault(enum.StrEnum):
    """What becomes of one request. Where the exchange has got it, the name of its group says so."""

    # not delivered
    REFUSED = "the connection is reset"
    HALF_OPEN = "accepted, never answered"
    MAINTENANCE = "a page of HTML with status 200"
    TOO_MANY = "HTTP 429 from a load balancer"
    FORBIDDEN = "HTTP 403"
    UNAVAILABLE = "HTTP 503"
    RATE_LIMITED = "10006 with the time of its reset"
    # delivered, and the answer suffers
    LOST_ACK = "the connection is cut instead of the answer"
    SWALLOWED = "the answer never comes"
    DELAYED = "the answer comes late"
    DRIPPED = "the answer comes byte by byte"
    HTML_ACK = "a page of HTML instead of the answer"
    GARBAGE_ACK = "bytes that are no HTTP"
    TRUNCATED_JSON = "half of the answer's JSON, well framed"
    CUT_BODY = "half of the answer, then the end"
    BAD_GATEWAY = "HTTP 502 after the exchange has got it"
    REPEATED = "delivered twice, the second answer is shown"
    # delivered after the sender has given up
    LATE = "the connection is reset, and the request arrives later"


class StreamFault(enum.StrEnum):
    """What becomes of one message of a stream, and of those behind it."""

    CUT = "the connection is reset"
    STALLED = "nothing comes any more, pongs neither"
    LOST = "the message is missing"
    DUPLICATED = "it comes twice"
    REORDERED = "the next one overtakes it"
    DELAYED = "it and all behind it come late"
    DRIPPED = "it comes byte by byte"
    NOISE = "a message that is no JSON comes before it"
    TRUNCATED = "half of it comes, well framed"
    HTML = "a page of HTML comes instead"


class Request(NamedTuple):
    """`path` without its query; `is_stream` for the handshake of a WebSocket."""

    method: str
    path: str
    head: bytes
    body: bytes

    @property
    def is_stream(self) -> bool:
        return b"\r\nupgrade: websocket" in self.head.lower()

    @property
    def order_id(self) -> str:
        """The client order id that it carries, "" for none."""
        if not self.body:
            return ""
        return str(json.loads(self.body).get("orderLinkId") or "")


class Plan(Protocol):
    """When to misbehave. Asked once for each request and each text message of the exchange."""

    def for_request(self, request: Request) -> HttpFault | None: ...

    def for_message(self, path: str, message: bytes) -> StreamFault | None: ...


class Behave:
    """Nothing happens."""

    def for_request(self, request: Request) -> HttpFault | None:
        return None

    def for_message(self, path: str, message: bytes) -> StreamFault | None:
        return None


class Script(Behave):
    """Each fault in turn, for the requests to `path`; and one for the messages that hold `text`
    on the stream `path`."""

    def __init__(
        self,
        *,
        path: str = ORDER_CREATE,
        faults: list[HttpFault] | None = None,
        text: bytes = b"",
        stream_faults: list[StreamFault] | None = None,
    ) -> None:
        self._path, self._text = path, text
        self._faults, self._stream_faults = faults or [], stream_faults or []

    def for_request(self, request: Request) -> HttpFault | None:
        return self._faults.pop(0) if self._faults and request.path == self._path else None

    def for_message(self, path: str, message: bytes) -> StreamFault | None:
        if self._stream_faults and path == self._path and self._text in message:
            return self._stream_faults.pop(0)
        return None


class Dice(Behave):
    """Faults at random until `heal`; `struck` counts them. Requests for candles suffer like all
    others, as do handshakes. `without`: what would end everything for longer than one can wait."""

    def __init__(
        self,
        seed: int,
        *,
        request_share: float,
        message_share: float,
        without: frozenset[enum.StrEnum] = frozenset(),
    ) -> None:
        self._rng = random.Random(seed)
        self._request_share, self._message_share = request_share, message_share
        self._http_faults = [fault for fault in HttpFault if fault not in without]
        self._stream_faults = [fault for fault in StreamFault if fault not in without]
        self.struck: Counter[str] = Counter()

    def for_request(self, request: Request) -> HttpFault | None:
        return self._throw(self._request_share, self._http_faults)

    def for_message(self, path: str, message: bytes) -> StreamFault | None:
        return self._throw(self._message_share, self._stream_faults)

    def heal(self) -> None:
        self._request_share = self._message_share = 0.0

    def _throw(self, share: float, kinds: list[_Kind]) -> _Kind | None:
        if self._rng.random() >= share:
            return None
        kind = self._rng.choice(kinds)
        self.struck[kind.name] += 1
        return kind


class Moment(enum.StrEnum):
    """Where a request or a message is, for those who want to act just then (kill the client)."""

    ARRIVED = "arrived"  # the exchange has not got it
    DELIVERED = "delivered"  # the exchange has answered, the client does not know
    ANSWERED = "answered"  # the client has been told
    MESSAGE = "message"  # the exchange has said it, the client does not know
    MESSAGE_TOLD = "message told"


Watcher = Callable[[Moment, str, bytes], None]
"""Moment, path, and the request's body or the message."""


class MisbehavingProxy:
    """`plan` and `watcher` may be changed at any time."""

    def __init__(self, host: str, port: int, plan: Plan | None = None) -> None:
        """Of the exchange."""
        self.plan: Plan = plan or Behave()
        self.watcher: Watcher = lambda moment, path, body: None
        self.delay_s = 0.3
        self.port = 0
        self._address = (host, port)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Resets every connection."""
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._run(self._serve(reader, writer))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the client, to its end."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            try:
                while True:
                    request = await _read_request(reader)
                    fault = self.plan.for_request(request)
                    if request.is_stream and fault is None:
                        await self._stream(request, reader, writer)
                        return
                    answer = await self._answer_to(request, fault)
                    await self._send(answer, fault, writer)
                    if request.is_stream or fault in _ENDS:
                        return
                    self.watcher(Moment.ANSWERED, request.path, request.body)
            finally:
                writer.transport.abort()

    # --- requests

    async def _answer_to(self, request: Request, fault: HttpFault | None) -> bytes:
        """All that the client will get for its request."""
        if fault in _INSTEAD:
            return _INSTEAD[fault]()
        if fault in (HttpFault.REFUSED, HttpFault.LATE):
            if fault is HttpFault.LATE:
                self._run(self._deliver_late(request))
            return b""
        if fault is HttpFault.HALF_OPEN:
            await asyncio.Event().wait()
        answer = await self._ask(request)
        if fault is HttpFault.REPEATED:
            answer = await self._ask(request)
        if fault is HttpFault.SWALLOWED:
            await asyncio.Event().wait()
        if fault is HttpFault.DELAYED:
            await asyncio.sleep(self.delay_s)
        return _SPOILED.get(fault, _as_it_is)(answer)

    async def _ask(self, request: Request) -> bytes:
        """The exchange's whole answer, head and body."""
        self.watcher(Moment.ARRIVED, request.path, request.body)
        reader, writer = await asyncio.open_connection(*self._address)
        try:
            writer.write(request.head + request.body)
            head, body = await _read_message(reader)
        finally:
            writer.transport.abort()
        self.watcher(Moment.DELIVERED, request.path, request.body)
        return head + body

    async def _deliver_late(self, request: Request) -> None:
        await asyncio.sleep(LATE_S)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._ask(request)

    async def _send(
        self, data: bytes, fault: enum.StrEnum | None, writer: asyncio.StreamWriter
    ) -> None:
        """Whole, or byte by byte over `delay_s`."""
        if fault not in (HttpFault.DRIPPED, StreamFault.DRIPPED):
            writer.write(data)
            await writer.drain()
            return
        pause_every = max(1, len(data) // _PAUSES)
        for place in range(len(data)):
            writer.write(data[place : place + 1])
            await writer.drain()
            if place % pause_every == 0:
                await asyncio.sleep(self.delay_s / _PAUSES)

    # --- streams

    async def _stream(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        from_exchange, to_exchange = await asyncio.open_connection(*self._address)
        try:
            to_exchange.write(request.head)
            writer.write(await from_exchange.readuntil(b"\r\n\r\n"))
            up = asyncio.create_task(_copy(reader, to_exchange))
            down = asyncio.create_task(self._pass_on(request.path, from_exchange, writer))
            try:
                await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                up.cancel()
                down.cancel()
                await asyncio.gather(up, down, return_exceptions=True)
        finally:
            to_exchange.transport.abort()

    async def _pass_on(
        self, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Every frame of the exchange, until one of the two leaves or the plan says so."""
        held = b""
        while True:
            frame, opcode, payload = await _read_frame(reader)
            if opcode != _TEXT:
                writer.write(frame)
                continue
            fault = self.plan.for_message(path, payload)
            self.watcher(Moment.MESSAGE, path, payload)
            if fault is StreamFault.CUT:
                return
            if fault is StreamFault.STALLED:
                while True:
                    await _read_frame(reader)
            if fault is StreamFault.DELAYED:
                await asyncio.sleep(self.delay_s)
            if fault is StreamFault.REORDERED and not held:
                held = frame
                continue
            await self._send(_misshapen(frame, payload, fault) + held, fault, writer)
            held = b""
            self.watcher(Moment.MESSAGE_TOLD, path, payload)


@contextlib.contextmanager
def proxy_thread(host: str, port: int, plan: Plan | None = None) -> Iterator[MisbehavingProxy]:
    """A proxy that runs on a loop of its own, for callers that block."""
    proxy = MisbehavingProxy(host, port, plan)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="misbehaving proxy", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(proxy.start(), loop).result()
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


_TEXT = 1  # opcode
_ENDS = frozenset(
    {
        HttpFault.REFUSED,
        HttpFault.LATE,
        HttpFault.LOST_ACK,
        HttpFault.GARBAGE_ACK,
        HttpFault.CUT_BODY,
    }
)


async def _read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body of an HTTP message that states its length."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            length = int(value)
    return head, await reader.readexactly(length)


async def _read_request(reader: asyncio.StreamReader) -> Request:
    head, body = await _read_message(reader)
    method, target, _ = head.split(b" ", 2)
    return Request(method.decode(), target.partition(b"?")[0].decode(), head, body)


async def _read_frame(reader: asyncio.StreamReader) -> tuple[bytes, int, bytes]:
    """One frame of a server (unmasked): all of its bytes, its opcode, its payload."""
    start = await reader.readexactly(2)
    length = start[1] & 0x7F
    extended = await reader.readexactly({126: 2, 127: 8}.get(length, 0))
    if extended:
        length = int.from_bytes(extended, "big")
    payload = await reader.readexactly(length)
    return start + extended + payload, start[0] & 0x0F, payload


def _text_frame(payload: bytes) -> bytes:
    length = len(payload)
    size = bytes([length]) if length < 126 else b"\x7e" + length.to_bytes(2, "big")
    return bytes([0x80 | _TEXT]) + size + payload


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


def _http(status: int, body: bytes, kind: str, **headers: object) -> bytes:
    lines = [f"HTTP/1.1 {status} Something", f"Content-Type: {kind}"]
    lines += [f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _rate_limited() -> bytes:
    now_ms = time.time_ns() // 1_000_000
    words = {"retCode": 10006, "retMsg": "Too many visits.", "result": {}, "retExtInfo": {}}
    return _http(
        200,
        json.dumps(words | {"time": now_ms}).encode(),
        "application/json",
        X_Bapi_Limit=10,
        X_Bapi_Limit_Status=0,
        X_Bapi_Limit_Reset_Timestamp=now_ms + 400,
        Timenow=now_ms,
    )


def _as_it_is(answer: bytes) -> bytes:
    return answer


def _half_of_json(answer: bytes) -> bytes:
    body = answer.partition(b"\r\n\r\n")[2]
    return _http(200, body[: len(body) // 2], "application/json")


def _half_of_body(answer: bytes) -> bytes:
    return answer[: -(len(answer.partition(b"\r\n\r\n")[2]) // 2)]


def _misshapen(frame: bytes, payload: bytes, fault: StreamFault | None) -> bytes:
    """What comes instead of a frame."""
    match fault:
        case StreamFault.LOST:
            return b""
        case StreamFault.DUPLICATED:
            return frame + frame
        case StreamFault.NOISE:
            return _text_frame(b'{"topic":"wal') + frame
        case StreamFault.TRUNCATED:
            return _text_frame(payload[: len(payload) // 2])
        case StreamFault.HTML:
            return _text_frame(HTML)
        case _:
            return frame


_INSTEAD: dict[HttpFault | None, Callable[[], bytes]] = {
    HttpFault.MAINTENANCE: lambda: _http(200, HTML, "text/html"),
    HttpFault.TOO_MANY: lambda: _http(429, b"Too Many Requests", "text/plain"),
    HttpFault.FORBIDDEN: lambda: _http(403, b"access too frequent.", "text/plain"),
    HttpFault.UNAVAILABLE: lambda: _http(503, b"Service Unavailable", "text/plain"),
    HttpFault.RATE_LIMITED: _rate_limited,
}
_SPOILED: dict[HttpFault | None, Callable[[bytes], bytes]] = {
    HttpFault.LOST_ACK: lambda _: b"",
    HttpFault.HTML_ACK: lambda _: _http(200, HTML, "text/html"),
    HttpFault.BAD_GATEWAY: lambda _: _http(502, b"Bad Gateway", "text/plain"),
    HttpFault.GARBAGE_ACK: lambda _: GARBAGE,
    HttpFault.TRUNCATED_JSON: _half_of_json,
    HttpFault.CUT_BODY: _half_of_body,
}
