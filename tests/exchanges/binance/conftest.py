"""Binance's USDⓈ-M combined streams on loopback, after its published rules: routed endpoints, 200
streams a connection, 10 messages a second from a client, pings that want their payload back, an
end after 24 hours. Message forms are those of the recorded ones."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from core.clock import ManualClock
from core.models.candles import Candle, Timeframe

M1 = Timeframe.M1
START_MS = M1.floor_ms(1_700_000_100_000)
MOST_STREAMS, MOST_MESSAGES_A_SECOND = 200, 10
_ROUTES = {"kline": "market", "ticker": "market", "aggTrade": "market", "depth20": "public"}
_INVALID = {"code": 2, "msg": "Invalid request: invalid stream"}


def bar(symbol: str, open_ms: int) -> Candle:
    """The one-minute bar of that time: the same whoever asks, and how often."""
    number = open_ms // M1.duration_ms
    middle = Decimal(20_000 + (number * 37 + len(symbol)) % 900)
    return Candle(open_ms, middle, middle + 5, middle - 5, middle + number % 7 - 3, Decimal(12))


class Session:
    """One connection of a client. Attributes: route, streams, requests (as they came), pongs."""

    def __init__(self, route: str, socket: web.WebSocketResponse) -> None:
        self.route = route
        self.socket = socket
        self.streams: dict[str, None] = {}
        self.requests: list[dict[str, Any]] = []
        self.pongs: list[bytes] = []
        self.frame_times_s: list[float] = []

    async def push(self, message: dict[str, Any]) -> None:
        if not self.socket.closed:
            await self.socket.send_str(json.dumps(message, separators=(",", ":")))

    @property
    def busiest_second(self) -> int:
        """Most frames that came within any second."""
        return max(
            (
                sum(first <= moment < first + 1 for moment in self.frame_times_s)
                for first in self.frame_times_s
            ),
            default=0,
        )


class LocalBinance:
    """Attributes: sessions (all there ever were), is_open, forgets (closed bars that are never
    streamed), unknown (streams that are refused)."""

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
        self._numbers = itertools.count(1)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def connected(self) -> list[Session]:
        return [session for session in self.sessions if not session.socket.closed]

    @property
    def streams(self) -> set[str]:
        """What is subscribed now, on whichever connection."""
        return {stream for session in self.connected for stream in session.streams}

    async def start(self) -> None:
        application = web.Application()
        application.router.add_get("/{route}/stream", self._serve)
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
                await self._answer(session, json.loads(message.data))
            if session.busiest_second > MOST_MESSAGES_A_SECOND:
                self.broken_rules.append("more than ten messages within a second")
            self.changed.set()
        self.changed.set()
        return socket

    async def _answer(self, session: Session, request: dict[str, Any]) -> None:
        session.requests.append(request)
        names = request["params"]
        if any(_ROUTES[name.split("@")[1].split("_")[0]] != session.route for name in names):
            self.broken_rules.append(f"{names} asked on the route {session.route}")
        if request["method"] == "UNSUBSCRIBE":
            for name in names:
                session.streams.pop(name, None)
        elif self.unknown.intersection(names):
            await session.push({"error": _INVALID, "id": request["id"]})
            return
        else:
            session.streams |= dict.fromkeys(names)
        if len(session.streams) > MOST_STREAMS:
            self.broken_rules.append(f"{len(session.streams)} streams on one connection")
        await session.push({"result": None, "id": request["id"]})

    async def push(self, stream: str, data: dict[str, Any]) -> None:
        """To everybody who has subscribed to it, in the combined form."""
        for session in self.connected:
            if stream in session.streams:
                await session.push({"stream": stream, "data": data})

    async def ping(self) -> bytes:
        """As every three minutes; returns the payload that has to come back."""
        payload = str(self.clock.time_ms()).encode()
        for session in self.connected:
            await session.socket.ping(payload)
        return payload

    async def announce_end(self) -> None:
        """What is sent some minutes before a connection ends."""
        for session in self.connected:
            event = {"e": "serverShutdown", "E": self.clock.time_ms()}
            await session.push({"stream": "serverShutdown", "data": event})

    async def end_connections(self) -> None:
        """As after 24 hours."""
        for session in self.connected:
            await session.socket.close(code=1008, message=b"24 hours")

    # ---- the market

    async def minutes(self, count: int) -> None:
        """So many bars end, one after the other."""
        for _ in range(count):
            opened_ms = M1.floor_ms(self.clock.time_ms())
            self.clock.advance_ms(M1.duration_ms)
            for symbol in sorted({name.split("@")[0].upper() for name in self.streams}):
                if opened_ms not in self.forgets:
                    await self.push(*self._kline(symbol, opened_ms, is_closed=True))
                await self.push(*self._kline(symbol, M1.floor_ms(self.clock.time_ms())))
                await self.push(*self.ticker(symbol))

    def _kline(
        self, symbol: str, open_ms: int, *, is_closed: bool = False
    ) -> tuple[str, dict[str, Any]]:
        made = bar(symbol, open_ms)
        row = {
            "t": open_ms, "T": open_ms + M1.duration_ms - 1, "s": symbol, "i": "1m", "f": 100,
            "L": 200, "o": str(made.open), "c": str(made.close), "h": str(made.high),
            "l": str(made.low), "v": str(made.volume), "n": 100, "x": is_closed,
            "q": "1.0000", "V": "500", "Q": "0.500", "B": "123456",
        }  # fmt: skip
        event = {"e": "kline", "E": self.clock.time_ms(), "s": symbol, "k": row}
        return f"{symbol.lower()}@kline_1m", event

    def ticker(self, symbol: str) -> tuple[str, dict[str, Any]]:
        event = {
            "e": "24hrTicker", "E": self.clock.time_ms(), "s": symbol, "p": "-131.4", "P": "-0.786",
            "w": "16628.97", "c": str(bar(symbol, M1.floor_ms(self.clock.time_ms())).open),
            "Q": "0.002", "o": "16716.0", "h": "16764.8", "l": "16456.5", "v": "122474.8",
            "q": "2036102085.6", "O": 1, "C": 2, "F": 1, "L": 2, "n": 3,
        }  # fmt: skip
        return f"{symbol.lower()}@ticker", event

    def depth(self, symbol: str, update: int) -> tuple[str, dict[str, Any]]:
        event = {
            "e": "depthUpdate", "E": self.clock.time_ms(), "T": self.clock.time_ms(), "s": symbol,
            "U": update - 1, "u": update, "pu": update - 2,
            "b": [["19999.5", "10"], ["19999", "4"]], "a": [["20000", "100"]],
        }  # fmt: skip
        return f"{symbol.lower()}@depth20@100ms", event

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
        self.candle_requests += 1
        newest_ms = M1.floor_ms(self.clock.time_ms()) - M1.duration_ms
        newest_ms = min(newest_ms, newest_ms if end_ms is None else M1.floor_ms(end_ms))
        if start_ms is None:
            first_ms = newest_ms - (limit - 1) * M1.duration_ms
        else:
            first_ms = -(-start_ms // M1.duration_ms) * M1.duration_ms
            newest_ms = min(newest_ms, first_ms + (limit - 1) * M1.duration_ms)
        return self.truth(symbol, first_ms, newest_ms)

    def truth(self, symbol: str, first_ms: int, newest_ms: int) -> list[Candle]:
        return [bar(symbol, ms) for ms in range(first_ms, newest_ms + 1, M1.duration_ms)]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START_MS)


@pytest.fixture
async def binance(clock: ManualClock) -> AsyncIterator[LocalBinance]:
    server = LocalBinance(clock)
    await server.start()
    yield server
    await server.stop()
    assert server.broken_rules == []
