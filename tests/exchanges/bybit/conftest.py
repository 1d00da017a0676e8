"""A scripted Bybit on loopback: real sockets, answers as told. It has no market and no books; it
exists to misbehave in ways that the demo exchange must not."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from core.clock import ManualClock
from core.exchange_port import StreamKind, StreamState
from exchanges.bybit_exchange import BybitExchange
from exchanges.bybit_private_stream import PrivateTiming
from exchanges.credentials import Credentials
from exchanges.stream_connection import StreamTiming

KEY, SECRET = "canary-key-7f3a", "canary-secret-91bc"


def envelope(result: dict[str, Any], code: int = 0, message: str = "OK") -> dict[str, Any]:
    return {"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": 1}


class ScriptedBybit:
    """`answers[path]` is a body, a response factory or a list of them used one after another."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.stamps: dict[str, list[int]] = {}  # X-BAPI-TIMESTAMP of each signed request
        self.answers: dict[str, Any] = {}
        self.operations: list[dict[str, Any]] = []  # what came over the streams
        self.refused_topics: set[str] = set()
        self.refuse_auth = ""
        self.is_acknowledging = True
        self.is_ponging = True
        self.connections = 0
        self.changed = asyncio.Event()
        self._sockets: dict[str, list[web.WebSocketResponse]] = {"public": [], "private": []}
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/v5/public/linear", self._public)
        app.router.add_get("/v5/private", self._private)
        app.router.add_route("*", "/{path:.*}", self._rest)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        for sockets in self._sockets.values():
            for socket in sockets:
                if socket._req is not None and socket._req.transport is not None:
                    socket._req.transport.abort()  # as a killed server does: no close frame
            sockets.clear()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.port}"

    def count(self, path: str) -> int:
        return sum(1 for seen, _ in self.requests if seen == path)

    def sent_to(self, path: str) -> list[dict[str, Any]]:
        return [parameters for seen, parameters in self.requests if seen == path]

    async def push(self, kind: str, message: dict[str, Any] | str) -> None:
        text = message if isinstance(message, str) else json.dumps(message, separators=(",", ":"))
        for socket in self._sockets[kind]:
            await socket.send_str(text)

    async def until(self, condition: Callable[[], bool], seconds: float = 5.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def _note(self) -> None:
        self.changed.set()

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        parameters = dict(request.query) if request.method == "GET" else await request.json()
        self.requests.append((request.path, parameters))
        if "X-BAPI-TIMESTAMP" in request.headers:
            stamp_ms = int(request.headers["X-BAPI-TIMESTAMP"])
            self.stamps.setdefault(request.path, []).append(stamp_ms)
        self._note()
        answer = self.answers.get(request.path, envelope({"list": []}))
        if isinstance(answer, list):
            answer = answer.pop(0)
        if callable(answer):
            answer = answer(parameters)
        if asyncio.iscoroutine(answer):
            answer = await answer
        if isinstance(answer, web.StreamResponse):
            return answer
        return web.json_response(answer)

    async def _public(self, request: web.Request) -> web.WebSocketResponse:
        return await self._stream(request, "public")

    async def _private(self, request: web.Request) -> web.WebSocketResponse:
        return await self._stream(request, "private")

    async def _stream(self, request: web.Request, kind: str) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=self.is_ponging)
        await socket.prepare(request)
        self.connections += 1
        self._sockets[kind].append(socket)
        self._note()
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            operation = json.loads(message.data)
            self.operations.append(operation)
            self._note()
            answer = self._answer(operation)
            if answer is not None:
                await socket.send_str(json.dumps(answer))
        if socket in self._sockets[kind]:
            self._sockets[kind].remove(socket)
        return socket

    def _answer(self, operation: dict[str, Any]) -> dict[str, Any] | None:
        op = operation["op"]
        answer = {"success": True, "ret_msg": op, "op": op, "conn_id": "c"}
        if "req_id" in operation:
            answer["req_id"] = operation["req_id"]
        if op == "ping":
            return answer | {"ret_msg": "pong"} if self.is_ponging else None
        if op == "auth":
            return answer | {"success": not self.refuse_auth, "ret_msg": self.refuse_auth}
        if not self.is_acknowledging:
            return None
        bad = self.refused_topics & set(operation["args"])
        if op == "subscribe" and bad:
            return answer | {"success": False, "ret_msg": f"Invalid symbol :[{bad.pop()}]"}
        return answer


class Recorder:
    """A listener that keeps everything, and wakes whoever waits for it."""

    def __init__(self) -> None:
        self.candles: list[Any] = []
        self.tickers: list[Any] = []
        self.items: list[Any] = []
        self.latencies_ms: list[float] = []
        self.states: list[tuple[StreamKind, StreamState, str]] = []
        self.fault: Exception | None = None
        self._changed = asyncio.Event()

    def _note(self) -> None:
        self._changed.set()
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault

    def on_candle(self, update: Any, latency_ms: float) -> None:
        self.candles.append(update)
        self.latencies_ms.append(latency_ms)
        self._note()

    def on_ticker(self, ticker: Any, latency_ms: float) -> None:
        self.tickers.append(ticker)
        self.latencies_ms.append(latency_ms)
        self._note()

    def on_item(self, item: Any) -> None:
        self.items.append(item)
        self._note()

    on_order = on_fill = on_position = on_balance = on_item

    def on_stream_state(self, kind: StreamKind, state: StreamState, detail: str) -> None:
        self.states.append((kind, state, detail))
        self._changed.set()

    def count(self, state: StreamState) -> int:
        return sum(1 for _, seen, _ in self.states if seen is state)

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


class OpenTurn:
    """Remembers when it ended."""

    def __init__(self) -> None:
        self.is_ended = False

    def end(self) -> None:
        self.is_ended = True


class OpenLimiter:
    """Lets everything through and remembers what it was told."""

    def __init__(self) -> None:
        self.waited: list[str] = []
        self.priorities: list[Any] = []
        self.turns: list[OpenTurn] = []
        self.hold_s = 0.0
        self.corrected: list[dict[str, str]] = []
        self.penalties: list[tuple[str, float]] = []

    async def wait(
        self, family: str, tokens: int = 1, *, priority: Any = None, owner: str | None = None
    ) -> OpenTurn:
        self.waited.append(family)
        self.priorities.append(priority)
        self.turns.append(OpenTurn())
        return self.turns[-1]

    def get_wait_time(self, family: str, tokens: int = 1, *, priority: Any = None) -> float:
        return self.hold_s

    def correct(self, family: str, headers: Any) -> None:
        self.corrected.append(dict(headers))

    def penalise(self, family: str, retry_after_s: float) -> None:
        self.penalties.append((family, retry_after_s))


class SmallJitter(random.Random):
    """Reconnects in a hundredth of the drawn time: tests do not wait for politeness."""

    def uniform(self, a: float, b: float) -> float:
        return super().uniform(a, b) / 100


@pytest.fixture
async def bybit() -> AsyncIterator[ScriptedBybit]:
    server = ScriptedBybit()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_700_000_000_000)


@pytest.fixture
def limiter() -> OpenLimiter:
    return OpenLimiter()


@pytest.fixture
def jitter() -> random.Random:
    return SmallJitter(7)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
async def exchange(
    bybit: ScriptedBybit, clock: ManualClock, limiter: OpenLimiter, jitter: random.Random
) -> AsyncIterator[BybitExchange]:
    port = BybitExchange(
        "main",
        credentials=Credentials(KEY, SECRET),
        clock=clock,
        limiter=limiter,
        rng=jitter,
        rest_url=f"http://{bybit.url}",
        ws_public_url=f"ws://{bybit.url}/v5/public/linear",
        ws_private_url=f"ws://{bybit.url}/v5/private",
        request_timeout_s=1.0,
        stream_timing=StreamTiming(ping_interval_s=0.6, answer_timeout_s=0.3),
        private_timing=PrivateTiming(ping_interval_s=0.2, silence_s=0.5, answer_timeout_s=0.3),
    )
    yield port
    await port.stop()
