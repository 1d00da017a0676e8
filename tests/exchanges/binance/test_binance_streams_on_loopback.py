"""Binance's combined streams through the real handler, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from local_exchange import M1
from streamed_feed import Fed, Listener, NoJitter

from core.clock import ManualClock
from core.exchange_port import StreamState
from core.models.streams import Channel, Topic, TopicState
from exchanges.binance_dialect import BinanceDialect
from exchanges.stream_connection import StreamTiming
from exchanges.ws_multiplex_handler import WsMultiplexHandler

BTC, ETH = "BTCUSDT", "ETHUSDT"
FAST = StreamTiming(ping_interval_s=5.0, answer_timeout_s=2.0)


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
async def handler(venue: Any, clock: ManualClock) -> AsyncIterator[WsMultiplexHandler]:
    made = WsMultiplexHandler(BinanceDialect(venue.url), clock=clock, rng=NoJitter(1), timing=FAST)
    yield made
    await made.stop()


def candles(symbol: str) -> Topic:
    return Topic(Channel.CANDLES, symbol, M1)


async def test_each_topic_is_asked_for_on_its_own_route_and_comes_with_its_values(
    venue: Any, handler: WsMultiplexHandler, listener: Listener
) -> None:
    handler.subscribe([candles(BTC), Topic(Channel.TICKER, BTC), Topic(Channel.BOOK, BTC)])
    handler.start(listener)
    await venue.until(lambda: len(venue.topics) == 3)
    await listener.until(lambda: listener.count(StreamState.CONNECTED) >= 1)
    assert {session.route for session in venue.connected} == {"market", "public"}
    opened_ms = M1.floor_ms(venue.clock.time_ms())
    await venue.minutes(1)
    await venue.push(*venue.depth(BTC, 160))
    await listener.until(lambda: listener.books and listener.tickers and len(listener.candles) > 1)
    closed, forming = listener.candles
    [expected] = venue.truth(BTC, opened_ms, opened_ms)
    assert (closed.symbol, closed.candle, closed.is_closed) == (BTC, expected, True)
    assert (forming.candle.open_time_ms, forming.is_closed) == (opened_ms + 60_000, False)
    [ticker] = listener.tickers
    assert ticker.change_24h_ratio == Decimal("-0.00786")
    assert (ticker.bid_price, ticker.mark_price) == (None, None), "futures do not say them here"
    [book] = listener.books
    assert (book.bids[0].price, book.asks[0].quantity) == (Decimal("19999.5"), Decimal(100))


async def test_symbols_come_and_go_on_the_same_connection(
    venue: Any, handler: WsMultiplexHandler, listener: Listener
) -> None:
    handler.subscribe([candles(BTC), Topic(Channel.TICKER, BTC)])
    handler.start(listener)
    await listener.until(lambda: listener.count(StreamState.CONNECTED) == 1)
    handler.subscribe([candles(ETH), Topic(Channel.TICKER, ETH)])
    await venue.until(lambda: len(venue.topics) == 4)
    handler.unsubscribe([candles(BTC), Topic(Channel.TICKER, BTC)])
    await venue.until(lambda: venue.topics == {"ethusdt@kline_1m", "ethusdt@ticker"})
    await venue.minutes(1)
    await listener.until(lambda: listener.tickers)
    assert {update.symbol for update in listener.candles} == {ETH}
    [session] = venue.sessions
    methods = [request["method"] for request in session.requests]
    assert methods == ["SUBSCRIBE", "SUBSCRIBE", "UNSUBSCRIBE"], "one frame for each change"
    assert listener.count(StreamState.CONNECTED) == 1


async def test_the_servers_ping_is_answered_with_its_own_payload(
    venue: Any, handler: WsMultiplexHandler, listener: Listener
) -> None:
    handler.subscribe([candles(BTC)])
    handler.start(listener)
    await venue.until(lambda: venue.topics)
    payload = await venue.ping()
    await venue.until(lambda: venue.sessions[0].pongs)
    assert venue.sessions[0].pongs == [payload]


async def test_five_hundred_topics_keep_to_the_limits_of_a_connection_and_of_a_second(
    venue: Any, handler: WsMultiplexHandler, listener: Listener
) -> None:
    """`LocalBinance` notes every broken rule."""
    topics = [candles(f"COIN{n}USDT") for n in range(500)]
    handler.subscribe(topics)
    handler.start(listener)
    await venue.until(lambda: len(venue.topics) == 500)
    assert sorted(len(session.topics) for session in venue.connected) == [100, 200, 200]
    for topic in topics[:30]:  # each in a turn of its own: a frame each
        handler.unsubscribe([topic])
        await asyncio.sleep(0)
    await venue.until(lambda: len(venue.topics) == 470)


async def test_a_stream_that_does_not_exist_spoils_nothing_but_itself(
    venue: Any,
    handler: WsMultiplexHandler,
    listener: Listener,
    fail_on_unexpected_log: list[Any],
) -> None:
    venue.unknown = {"gone@kline_1m"}
    handler.subscribe([candles(BTC), candles("GONE"), candles(ETH)])
    handler.start(listener)
    await listener.until(lambda: listener.count(StreamState.CONNECTED) == 1)
    assert venue.topics == {"btcusdt@kline_1m", "ethusdt@kline_1m"}
    state, text = listener.topics[candles("GONE")]
    assert (state, text) == (TopicState.REFUSED, "Invalid request: invalid stream")
    fail_on_unexpected_log.clear()


async def test_a_farewell_is_heeded_before_the_connection_is_cut(
    venue: Any, handler: WsMultiplexHandler, listener: Listener
) -> None:
    handler.subscribe([candles(BTC)])
    handler.start(listener)
    await listener.until(lambda: listener.count(StreamState.CONNECTED) == 1)
    await venue.announce_end()
    await listener.until(lambda: listener.count(StreamState.CONNECTED) == 2)
    lost = next(text for state, text in listener.states if state is StreamState.DISCONNECTED)
    assert lost.startswith("Binance closes this connection for maintenance; next attempt in")
    assert venue.topics == {"btcusdt@kline_1m"}


@pytest.fixture
async def fed(venue: Any, handler: WsMultiplexHandler, tmp_path: Path) -> AsyncIterator[Fed]:
    made = Fed("binance", BTC, venue, handler, tmp_path)
    await made.start()
    yield made
    await made.stop()


async def test_bars_that_end_while_the_connection_is_gone_are_asked_for(fed: Fed) -> None:
    """The end after 24 hours, and an exchange that is away for a while after it."""
    await fed.outlives_an_outage()


async def test_a_closed_bar_that_the_stream_forgets_is_a_hole_that_is_filled_first(
    fed: Fed,
) -> None:
    await fed.fills_what_the_stream_forgets()
