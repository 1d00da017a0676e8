"""OKX's public streams through the real handler, over real sockets."""

from __future__ import annotations

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
from exchanges.okx_dialect import OkxDialect
from exchanges.stream_connection import StreamTiming
from exchanges.ws_multiplex_handler import WsMultiplexHandler

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
FAST = StreamTiming(ping_interval_s=1.0, answer_timeout_s=0.8)


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
async def handler(venue: Any, clock: ManualClock) -> AsyncIterator[WsMultiplexHandler]:
    made = WsMultiplexHandler(
        OkxDialect(f"{venue.url}/ws/v5"), clock=clock, rng=NoJitter(1), timing=FAST
    )
    yield made
    await made.stop()


def candles(symbol: str) -> Topic:
    return Topic(Channel.CANDLES, symbol, M1)


async def test_each_topic_is_asked_for_on_its_own_endpoint_and_comes_with_its_values(
    venue: Any, handler: WsMultiplexHandler, listener: Listener
) -> None:
    handler.subscribe([candles(BTC), Topic(Channel.TICKER, BTC), Topic(Channel.BOOK, BTC)])
    handler.start(listener)
    await venue.until(lambda: len(venue.topics) == 3)
    await listener.until(lambda: listener.count(StreamState.CONNECTED) >= 1)
    assert {session.route for session in venue.connected} == {"business", "public"}
    opened_ms = M1.floor_ms(venue.clock.time_ms())
    await venue.minutes(1)
    await venue.push(*venue.depth(BTC))
    await listener.until(lambda: listener.books and listener.tickers and len(listener.candles) > 1)
    closed, forming = listener.candles
    [expected] = venue.truth(BTC, opened_ms, opened_ms)
    assert (closed.symbol, closed.candle, closed.is_closed) == (BTC, expected, True)
    assert (forming.candle.open_time_ms, forming.is_closed) == (opened_ms + 60_000, False)
    [ticker] = listener.tickers
    assert (ticker.bid_price, ticker.ask_price) == (Decimal("19999.9"), Decimal("20000.1"))
    assert ticker.change_24h_ratio == Decimal("0.302812")
    [book] = listener.books
    assert (book.bids[0].price, book.asks[0].quantity) == (Decimal("19999.5"), Decimal(100))


async def test_symbols_come_and_go_on_the_same_connection(
    venue: Any, handler: WsMultiplexHandler, listener: Listener
) -> None:
    handler.subscribe([candles(BTC)])
    handler.start(listener)
    await listener.until(lambda: listener.count(StreamState.CONNECTED) == 1)
    handler.subscribe([candles(ETH)])
    await venue.until(lambda: len(venue.topics) == 2)
    handler.unsubscribe([candles(BTC)])
    await venue.until(lambda: venue.topics == {f"candle1m:{ETH}"})
    await venue.minutes(1)
    await listener.until(lambda: len(listener.candles) == 2)
    assert {update.symbol for update in listener.candles} == {ETH}
    [session] = venue.sessions
    operations = [request["op"] for request in session.requests if request != "ping"]
    assert operations == ["subscribe", "subscribe", "unsubscribe"]


async def test_a_connection_for_new_topics_is_no_reconnect(
    venue: Any, handler: WsMultiplexHandler, listener: Listener
) -> None:
    """It would be counted, and alarm the trader when many are opened."""
    handler.subscribe([Topic(Channel.TICKER, BTC)])
    handler.start(listener)
    await listener.until(lambda: listener.count(StreamState.CONNECTED) == 1)
    handler.subscribe([candles(BTC)])
    await venue.until(lambda: len(venue.connected) == 2 and len(venue.topics) == 2)
    await venue.minutes(1)
    await listener.until(lambda: len(listener.candles) == 2)
    assert [state for state, _ in listener.states][-1] is StreamState.CONNECTED
    assert listener.count(StreamState.CONNECTED) == 1
    await venue.end_connections()
    await listener.until(lambda: listener.count(StreamState.CONNECTED) == 2)


async def test_a_quiet_connection_is_kept_by_text_pings_and_given_up_without_a_pong(
    venue: Any, handler: WsMultiplexHandler, listener: Listener
) -> None:
    handler.subscribe([candles(BTC)])
    handler.start(listener)
    await venue.until(lambda: venue.sessions and venue.sessions[0].requests.count("ping") == 2)
    assert listener.count(StreamState.DISCONNECTED) == 0
    venue.is_ponging = False
    await listener.until(lambda: listener.count(StreamState.DISCONNECTED) == 1)
    lost = next(text for state, text in listener.states if state is StreamState.DISCONNECTED)
    assert lost.startswith("nothing heard for 1 s after a ping")
    venue.is_ponging = True
    await listener.until(lambda: listener.count(StreamState.CONNECTED) == 2)
    await venue.until(lambda: venue.topics == {f"candle1m:{BTC}"})


async def test_many_topics_are_asked_for_in_a_few_requests(
    venue: Any, handler: WsMultiplexHandler, listener: Listener
) -> None:
    handler.subscribe(Topic(Channel.TICKER, f"COIN{n}-USDT-SWAP") for n in range(250))
    handler.start(listener)
    await venue.until(lambda: len(venue.topics) == 250)
    [session] = [session for session in venue.connected if session.topics]
    requests = [request for request in session.requests if request != "ping"]
    assert [len(request["args"]) for request in requests] == [100, 100, 50]


async def test_a_topic_that_does_not_exist_spoils_nothing_but_itself(
    venue: Any,
    handler: WsMultiplexHandler,
    listener: Listener,
    fail_on_unexpected_log: list[Any],
) -> None:
    venue.unknown = {"candle1m:GONE-USDT-SWAP"}
    handler.subscribe([candles(BTC), candles("GONE-USDT-SWAP"), candles(ETH)])
    handler.start(listener)
    await listener.until(lambda: listener.count(StreamState.CONNECTED) == 1)
    assert venue.topics == {f"candle1m:{BTC}", f"candle1m:{ETH}"}
    state, text = listener.topics[candles("GONE-USDT-SWAP")]
    assert state is TopicState.REFUSED
    assert text.startswith("Wrong URL or channel:candle1m,instId:GONE-USDT-SWAP doesn't exist")
    fail_on_unexpected_log.clear()


async def test_a_notice_of_an_upgrade_is_heeded_before_the_connection_is_cut(
    venue: Any, handler: WsMultiplexHandler, listener: Listener
) -> None:
    handler.subscribe([candles(BTC)])
    handler.start(listener)
    await listener.until(lambda: listener.count(StreamState.CONNECTED) == 1)
    await venue.announce_upgrade()
    await listener.until(lambda: listener.count(StreamState.CONNECTED) == 2)
    lost = next(text for state, text in listener.states if state is StreamState.DISCONNECTED)
    assert lost.startswith("OKX closes this connection for an upgrade; next attempt in")
    assert venue.topics == {f"candle1m:{BTC}"}


@pytest.fixture
async def fed(venue: Any, handler: WsMultiplexHandler, tmp_path: Path) -> AsyncIterator[Fed]:
    made = Fed("okx", BTC, venue, handler, tmp_path)
    await made.start()
    yield made
    await made.stop()


async def test_bars_that_end_while_the_connection_is_gone_are_asked_for(fed: Fed) -> None:
    await fed.outlives_an_outage()


async def test_a_closed_bar_that_the_stream_forgets_is_a_hole_that_is_filled_first(
    fed: Fed,
) -> None:
    await fed.fills_what_the_stream_forgets()
