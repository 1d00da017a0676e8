"""Binance's USDⓈ-M combined streams on loopback, after its published rules: routed endpoints, 200
streams a connection, 10 messages a second from a client, pings that want their payload back, an
end after 24 hours. Message forms are those of the recorded ones."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from local_exchange import M1, START_MS, LocalExchange, Session, bar

from core.clock import ManualClock
from core.models.candles import Candle

MOST_STREAMS, MOST_MESSAGES_A_SECOND = 200, 10
_ROUTES = {"kline": "market", "ticker": "market", "aggTrade": "market", "depth20": "public"}
_INVALID = {"code": 2, "msg": "Invalid request: invalid stream"}


class LocalBinance(LocalExchange):
    path = "/{route}/stream"

    async def answer(self, session: Session, text: str) -> None:
        request = json.loads(text)
        session.requests.append(request)
        if session.most_frames_within(1.0) > MOST_MESSAGES_A_SECOND:
            self.broken_rules.append("more than ten messages within a second")
        names = request["params"]
        if any(_ROUTES[name.split("@")[1].split("_")[0]] != session.route for name in names):
            self.broken_rules.append(f"{names} asked on the route {session.route}")
        if request["method"] == "UNSUBSCRIBE":
            for name in names:
                session.topics.pop(name, None)
        elif self.unknown.intersection(names):
            await session.push(_compact({"error": _INVALID, "id": request["id"]}))
            return
        else:
            session.topics |= dict.fromkeys(names)
        if len(session.topics) > MOST_STREAMS:
            self.broken_rules.append(f"{len(session.topics)} streams on one connection")
        await session.push(_compact({"result": None, "id": request["id"]}))

    def wrapped(self, topic: str, data: Any) -> str:
        return _compact({"stream": topic, "data": data})

    def symbol_of(self, topic: str) -> str:
        return topic.split("@", maxsplit=1)[0].upper()

    async def ping(self) -> bytes:
        """As every three minutes; returns the payload that has to come back."""
        payload = str(self.clock.time_ms()).encode()
        for session in self.connected:
            await session.socket.ping(payload)
        return payload

    async def announce_end(self) -> None:
        """What is sent some minutes before a connection ends."""
        event = {"e": "serverShutdown", "E": self.clock.time_ms()}
        for session in self.connected:
            await session.push(self.wrapped("serverShutdown", event))

    def kline(self, symbol: str, made: Candle, *, is_closed: bool) -> tuple[str, Any]:
        open_ms = made.open_time_ms
        row = {
            "t": open_ms, "T": open_ms + M1.duration_ms - 1, "s": symbol, "i": "1m", "f": 100,
            "L": 200, "o": str(made.open), "c": str(made.close), "h": str(made.high),
            "l": str(made.low), "v": str(made.volume), "n": 100, "x": is_closed,
            "q": "1.0000", "V": "500", "Q": "0.500", "B": "123456",
        }  # fmt: skip
        event = {"e": "kline", "E": self.clock.time_ms(), "s": symbol, "k": row}
        return f"{symbol.lower()}@kline_1m", event

    def ticker(self, symbol: str) -> tuple[str, Any]:
        now_ms = self.clock.time_ms()
        event = {
            "e": "24hrTicker", "E": now_ms, "s": symbol, "p": "-131.4", "P": "-0.786",
            "w": "16628.97", "c": str(bar(symbol, M1.floor_ms(now_ms)).open), "Q": "0.002",
            "o": "16716.0", "h": "16764.8", "l": "16456.5", "v": "122474.8", "q": "2036102085.6",
            "O": 1, "C": 2, "F": 1, "L": 2, "n": 3,
        }  # fmt: skip
        return f"{symbol.lower()}@ticker", event

    def depth(self, symbol: str, update: int) -> tuple[str, Any]:
        event = {
            "e": "depthUpdate", "E": self.clock.time_ms(), "T": self.clock.time_ms(), "s": symbol,
            "U": update - 1, "u": update, "pu": update - 2,
            "b": [["19999.5", "10"], ["19999", "4"]], "a": [["20000", "100"]],
        }  # fmt: skip
        return f"{symbol.lower()}@depth20@100ms", event


def _compact(message: Any) -> str:
    return json.dumps(message, separators=(",", ":"))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START_MS)


@pytest.fixture
async def venue(clock: ManualClock) -> AsyncIterator[LocalBinance]:
    server = LocalBinance(clock)
    await server.start()
    yield server
    await server.stop()
    assert server.broken_rules == []
