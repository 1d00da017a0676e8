"""An exchange's public streams on loopback: real sockets, a market that anybody can compute, a
clock that a test moves. A subclass says in its exchange's words what is asked and answered, and
notes in `broken_rules` what a client must not do."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from aiohttp import WSMsgType, web

from core.clock import ManualClock
from core.models.candles import Candle, Timeframe

M1 = Timeframe.M1
START_MS = M1.floor_ms(1_700_000_100_000)


def bar(symbol: str, open_ms: int) -> Candle:
    """The one-minute bar of that time: the same whoever asks, and how often."""
    number = open_ms // M1.duration_ms
    middle = Decimal(20_000 + (number * 37 + len(symbol)) % 900)
    return Candle(open_ms, middle, middle + 5, middle - 5, middle + number % 7 - 3, Decimal(12))


class Session:
    """One connection of a client. Attributes: route, topics (subscribed), requests (as they came),
    pongs, frame_times_s (of the loop)."""

    def __init__(self, route: str, socket: web.WebSocketResponse) -> None:
        self.route = route
        self.socket = socket
        self.topics: dict[str, None] = {}
        self.requests: list[Any] = []
        self.pongs: list[bytes] = []
        self.frame_times_s: list[float] = []

    async def push(self, text: str) -> None:
        if not self.socket.closed:
            await self.socket.send_str(text)

    def most_frames_within(self, seconds: float) -> int:
        times = self.frame_times_s
        return max((sum(a <= b < a + seconds for b in times) for a in times), default=0)


class LocalExchange(ABC):
    """Attributes: sessions (all there ever were), is_open, forgets (open times of closed bars that
    are never streamed), unknown (topics that are refused), candle_requests."""

    path: str  # of its WebSocket, with {route}

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.sessions: list[Session] = []
        self.is_open = True
        self.forgets: set[int] = set()
        self.unknown: set[str] = set()
        self.broken_rules: list[str] = []
        self.candle_requests = 0
        self.port = 0
        self.changed = asyncio.Event()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def connected(self) -> list[Session]:
        return [session for session in self.sessions if not session.socket.closed]

    @property
    def topics(self) -> set[str]:
        """What is subscribed now, on whichever connection."""
        return {topic for session in self.connected for topic in session.topics}

    async def start(self) -> None:
        application = web.Application()
        application.router.add_get(self.path, self._serve)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self.end_connections()
        if self._runner is not None:
            await self._runner.cleanup()

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(15):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    # ---- the streams

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if not self.is_open:
            return web.Response(status=503)
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        session = Session(request.match_info["route"], socket)
        self.sessions.append(session)
        self.changed.set()
        async for message in socket:
            session.frame_times_s.append(asyncio.get_running_loop().time())
            if message.type is WSMsgType.PONG:
                session.pongs.append(bytes(message.data))
            elif message.type is WSMsgType.PING:
                await socket.pong(message.data)
            else:
                await self.answer(session, message.data)
            self.changed.set()
        self.changed.set()
        return socket

    @abstractmethod
    async def answer(self, session: Session, text: str) -> None:
        """To one message of a client."""

    @abstractmethod
    def wrapped(self, topic: str, data: Any) -> str:
        """A message of a topic as it goes out."""

    async def push(self, topic: str, data: Any) -> None:
        """To everybody who has subscribed to it."""
        for session in self.connected:
            if topic in session.topics:
                await session.push(self.wrapped(topic, data))

    async def end_connections(self) -> None:
        for session in self.connected:
            await session.socket.close(code=1008, message=b"the end")

    # ---- the market

    @abstractmethod
    def kline(self, symbol: str, made: Candle, *, is_closed: bool) -> tuple[str, Any]:
        """Topic and data of a one-minute bar."""

    @abstractmethod
    def ticker(self, symbol: str) -> tuple[str, Any]: ...

    @abstractmethod
    def symbol_of(self, topic: str) -> str: ...

    async def minutes(self, count: int) -> None:
        """So many bars end, one after the other."""
        for _ in range(count):
            opened_ms = M1.floor_ms(self.clock.time_ms())
            self.clock.advance_ms(M1.duration_ms)
            now_ms = M1.floor_ms(self.clock.time_ms())
            for symbol in sorted({self.symbol_of(topic) for topic in self.topics}):
                if opened_ms not in self.forgets:
                    ended = bar(symbol, opened_ms)
                    await self.push(*self.kline(symbol, ended, is_closed=True))
                forming = bar(symbol, now_ms)
                await self.push(*self.kline(symbol, forming, is_closed=False))
                await self.push(*self.ticker(symbol))

    async def fetch_candles(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 1000,
    ) -> list[Candle]:
        """As by REST: `MarketDataPort.fetch_candles`."""
        assert timeframe is M1
        self.candle_requests += 1
        newest_ms = M1.floor_ms(self.clock.time_ms()) - M1.duration_ms
        if end_ms is not None:
            newest_ms = min(newest_ms, M1.floor_ms(end_ms))
        if start_ms is None:
            first_ms = newest_ms - (limit - 1) * M1.duration_ms
        else:
            first_ms = -(-start_ms // M1.duration_ms) * M1.duration_ms
            newest_ms = min(newest_ms, first_ms + (limit - 1) * M1.duration_ms)
        return self.truth(symbol, first_ms, newest_ms)

    def truth(self, symbol: str, first_ms: int, newest_ms: int) -> list[Candle]:
        return [bar(symbol, ms) for ms in range(first_ms, newest_ms + 1, M1.duration_ms)]
