"""Candles of an exchange that streams none, made from its trades by the handler."""

from __future__ import annotations

import asyncio

import pytest

from core.models.candles import Timeframe
from core.models.streams import Channel, Topic
from exchanges.upbit_dialect import BithumbDialect

CANDLES = Topic(Channel.CANDLES, "KRW-BTC", Timeframe.M1)
TRADES = Topic(Channel.TRADES, "KRW-BTC")
OPEN_MS = 1_700_000_160_000  # the first minute that begins after the handler has connected


@pytest.fixture
async def handler(make_handler, listener):
    made = make_handler(BithumbDialect("wss://exchange"))
    made.subscribe([CANDLES])
    made.start(listener)
    await asyncio.sleep(1)
    yield made
    await made.stop()


def trade(number, offset_ms, price):
    return {
        "type": "trade",
        "code": "KRW-BTC",
        "trade_timestamp": OPEN_MS + offset_ms,
        "trade_price": price,
        "trade_volume": 0.5,
        "ask_bid": "BID",
        "sequential_id": number,
        "timestamp": OPEN_MS + offset_ms,
    }


async def until(listener_time_ms, handler):
    """Sleep until market time `listener_time_ms`."""
    await asyncio.sleep((listener_time_ms - handler._clock.time_ms()) / 1000)


async def test_bars_are_built_shown_and_closed_by_the_clock(handler, net, listener):
    assert [part.get("type") for part in net.link.sent[0]] == [None, "trade", None]
    await until(OPEN_MS + 1_000, handler)
    net.link.push(trade(1, 100, 10.5), trade(2, 200, 12), trade(3, 300, 9))
    assert not listener.candles[-1].is_closed
    assert listener.candles[-1].candle.high == 12
    await until(OPEN_MS + 61_000, handler)
    assert listener.closed == []  # the last trades may still come
    net.link.push(trade(4, 59_900, 11))
    await until(OPEN_MS + 64_000, handler)
    [closed] = listener.closed
    bar = closed.candle
    assert (closed.exchange, closed.symbol, closed.timeframe) == ("bithumb", "KRW-BTC", "1m")
    assert (bar.open_time_ms, str(bar.open), bar.high, bar.low, bar.close, bar.volume) == (
        OPEN_MS, "10.5", 12, 9, 11, 2
    )  # fmt: skip
    assert listener.trades == []  # nobody asked for the trades themselves


async def test_the_bar_of_a_reconnect_is_not_called_closed(handler, net, listener):
    await until(OPEN_MS + 1_000, handler)
    net.link.push(trade(1, 500, 10))
    net.link.cut()
    await until(OPEN_MS + 30_000, handler)
    net.link.push(trade(5, 29_000, 11))
    net.link.push(trade(6, 61_000, 12), trade(7, 121_000, 13))
    assert [update.candle.open_time_ms for update in listener.closed] == [OPEN_MS + 60_000]


async def test_trades_stay_as_long_as_anybody_needs_them(handler, net, listener):
    handler.subscribe([TRADES, CANDLES])
    handler.unsubscribe([CANDLES])
    await asyncio.sleep(1)
    await until(OPEN_MS + 1_000, handler)
    net.link.push(trade(1, 500, 10))
    assert [[t.trade_id for t in trades] for trades in listener.trades] == [["1"]]
    assert listener.candles == []
    handler.unsubscribe([TRADES])
    assert handler.statistics().topics == 0
