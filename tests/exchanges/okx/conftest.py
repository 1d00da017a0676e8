"""OKX's public streams on loopback, after its published rules: candles on the business endpoint,
the rest on the public one, each topic answered on its own, 480 requests an hour and connection, a
text ping answered by a text pong, a notice before an upgrade. Message forms are those of the
recorded ones."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from local_exchange import M1, START_MS, LocalExchange, Session, bar

from core.clock import ManualClock
from core.models.candles import Candle

MOST_REQUESTS, MOST_BYTES = 480, 64_000


class LocalOkx(LocalExchange):
    """Attribute: is_ponging. Topics are `channel:instId`."""

    path = "/ws/v5/{route}"

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.is_ponging = True

    async def answer(self, session: Session, text: str) -> None:
        if text == "ping":
            session.requests.append(text)
            if self.is_ponging:
                await session.push("pong")
            return
        request = json.loads(text)
        session.requests.append(request)
        if len(session.requests) > MOST_REQUESTS or len(text) > MOST_BYTES:
            self.broken_rules.append("more requests than an hour allows, or one too long")
        for arg in request["args"]:
            topic = f"{arg['channel']}:{arg['instId']}"
            is_candle = arg["channel"].startswith("candle")
            if (session.route == "business") is not is_candle:
                self.broken_rules.append(f"{topic} asked on the route {session.route}")
            if topic in self.unknown:
                words = (
                    f"Wrong URL or channel:{arg['channel']},instId:{arg['instId']} doesn't exist. "
                    "Please use the correct URL, channel and parameters referring to API document."
                )
                refusal = {"event": "error", "code": "60018", "msg": words, "connId": "a4d3ae55"}
                await session.push(_compact(refusal))
                continue
            if request["op"] == "unsubscribe":
                session.topics.pop(topic, None)
            else:
                session.topics[topic] = None
            told = {"event": request["op"], "arg": arg, "connId": "a4d3ae55"}
            await session.push(_compact(told))

    def wrapped(self, topic: str, data: Any) -> str:
        channel, _, symbol = topic.partition(":")
        return _compact({"arg": {"channel": channel, "instId": symbol}, "data": [data]})

    def symbol_of(self, topic: str) -> str:
        return topic.partition(":")[2]

    async def announce_upgrade(self) -> None:
        notice = {
            "event": "notice",
            "code": "64008",
            "msg": "The connection will soon be closed for a service upgrade. Please reconnect.",
            "connId": "a4d3ae55",
        }
        for session in self.connected:
            await session.push(_compact(notice))

    def kline(self, symbol: str, made: Candle, *, is_closed: bool) -> tuple[str, Any]:
        prices = [str(price) for price in (made.open, made.high, made.low, made.close)]
        contracts, coins = str(made.volume * 100), str(made.volume)
        row = [str(made.open_time_ms), *prices, contracts, coins, "1", str(int(is_closed))]
        return f"candle1m:{symbol}", row

    def ticker(self, symbol: str) -> tuple[str, Any]:
        now_ms = self.clock.time_ms()
        last = str(bar(symbol, M1.floor_ms(now_ms)).open)
        row = {
            "instType": "SWAP", "instId": symbol, "last": last,
            "lastSz": "0.1", "askPx": "20000.1", "askSz": "11", "bidPx": "19999.9", "bidSz": "5",
            "open24h": "16000", "high24h": "21000", "low24h": "15000", "volCcy24h": "2222",
            "vol24h": "2222", "sodUtc0": "2222", "sodUtc8": "2222", "ts": str(now_ms),
        }  # fmt: skip
        return f"tickers:{symbol}", row

    def depth(self, symbol: str) -> tuple[str, Any]:
        row = {
            "asks": [["20000", "100", "0", "2"]],
            "bids": [["19999.5", "10", "0", "1"], ["19999", "4", "0", "1"]],
            "ts": str(self.clock.time_ms()), "seqId": 123456, "instId": symbol,
        }  # fmt: skip
        return f"books5:{symbol}", row


def _compact(message: Any) -> str:
    return json.dumps(message, separators=(",", ":"))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START_MS)


@pytest.fixture
async def venue(clock: ManualClock) -> AsyncIterator[LocalOkx]:
    server = LocalOkx(clock)
    await server.start()
    yield server
    await server.stop()
    assert server.broken_rules == []
