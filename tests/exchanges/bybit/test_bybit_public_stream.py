"""The public stream against a real socket: acknowledgements, outages, and messages that are not
what they should be."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from core.exchange_port import DepthPort, MeasuredStreams, StreamState
from core.models.candles import Timeframe
from core.models.streams import Channel, Topic
from core.snapshots import FeedSnapshot

NOW_MS = 1_700_000_000_000


def kline(symbol="BTCUSDT", *, confirm=False, close="60001.5", ts=NOW_MS):
    bar = {
        "start": NOW_MS - NOW_MS % 900_000,
        "end": 0,
        "interval": "15",
        "open": "60000",
        "close": close,
        "high": "60002",
        "low": "59999.9",
        "volume": "2.081",
        "turnover": "1",
        "confirm": confirm,
        "timestamp": ts,
    }
    return {"topic": f"kline.15.{symbol}", "data": [bar], "ts": ts, "type": "snapshot"}


def ticker(kind="snapshot", ts=NOW_MS, **fields):
    data = {"symbol": "BTCUSDT"} | fields
    return {"topic": "tickers.BTCUSDT", "type": kind, "data": data, "cs": 1, "ts": ts}


def topics(bybit, op="subscribe"):
    return [t for sent in bybit.operations if sent["op"] == op for t in sent["args"]]


async def connected(exchange, recorder, times=1):
    await exchange.start_market_data(recorder)
    await recorder.until(lambda: recorder.count(StreamState.CONNECTED) >= times)


async def test_candles_arrive_exact_with_their_latency(exchange, bybit, recorder, clock):
    exchange.subscribe_candles("BTCUSDT", Timeframe.M15)
    await connected(exchange, recorder)
    clock.advance_ms(40)
    await bybit.push("public", kline(confirm=True))
    await recorder.until(lambda: recorder.candles)
    update = recorder.candles[0]
    assert (update.exchange, update.symbol, update.timeframe) == ("bybit", "BTCUSDT", "15m")
    assert update.is_closed
    assert update.candle.low == Decimal("59999.9")
    assert update.exchange_time_ms == NOW_MS
    assert recorder.latencies_ms == [40.0]


async def test_latency_is_real_time_and_never_negative(exchange, bybit, recorder, clock):
    clock.rate = 10.0
    exchange.subscribe_candles("BTCUSDT", Timeframe.M15)
    await connected(exchange, recorder)
    await bybit.push("public", kline(ts=NOW_MS - 500))
    await bybit.push("public", kline(ts=NOW_MS + 500))
    await recorder.until(lambda: len(recorder.candles) == 2)
    assert recorder.latencies_ms == [50.0, 0.0]


async def test_ticker_deltas_complete_the_snapshot(exchange, bybit, recorder):
    exchange.subscribe_tickers(["BTCUSDT"])
    await connected(exchange, recorder)
    await bybit.push("public", ticker(lastPrice="60000.10", bid1Price="60000", markPrice=""))
    await bybit.push("public", ticker("delta", NOW_MS + 1, ask1Price="60000.2"))
    await recorder.until(lambda: len(recorder.tickers) == 2)
    newest = recorder.tickers[1]
    assert newest.last_price == Decimal("60000.10")
    assert (newest.bid_price, newest.ask_price) == (Decimal(60000), Decimal("60000.2"))
    assert newest.mark_price is None
    assert newest.exchange_time_ms == NOW_MS + 1


async def test_a_delta_after_a_reconnect_is_not_merged_into_the_past(exchange, bybit, recorder):
    exchange.subscribe_tickers(["BTCUSDT"])
    await connected(exchange, recorder)
    await bybit.push("public", ticker(lastPrice="60000", bid1Price="59999"))
    await recorder.until(lambda: recorder.tickers)
    await bybit.stop()
    await bybit.start()
    await recorder.until(lambda: recorder.count(StreamState.CONNECTED) == 2)
    await bybit.push("public", ticker("delta", bid1Price="50000"))
    await bybit.push("public", ticker(lastPrice="50001"))
    await recorder.until(lambda: len(recorder.tickers) == 2)
    assert recorder.tickers[1].last_price == Decimal(50001)
    assert recorder.tickers[1].bid_price is None


async def test_connected_comes_only_after_the_acknowledgements(exchange, bybit, recorder):
    bybit.is_acknowledging = False
    exchange.subscribe_candles("BTCUSDT", Timeframe.M15)
    await exchange.start_market_data(recorder)
    await recorder.until(lambda: recorder.count(StreamState.DISCONNECTED) >= 1)
    assert recorder.count(StreamState.CONNECTED) == 0
    bybit.is_acknowledging = True
    await recorder.until(lambda: recorder.count(StreamState.CONNECTED) == 1)


async def test_subscriptions_survive_a_server_that_is_killed_and_restarted(
    exchange, bybit, recorder
):
    exchange.subscribe_candles("BTCUSDT", Timeframe.M15)
    exchange.subscribe_tickers(["BTCUSDT", "ETHUSDT"])
    await connected(exchange, recorder)
    await bybit.stop()
    await recorder.until(lambda: recorder.count(StreamState.DISCONNECTED) >= 3)
    bybit.operations.clear()
    await bybit.start()
    await recorder.until(lambda: recorder.count(StreamState.CONNECTED) == 2)
    assert sorted(topics(bybit)) == ["kline.15.BTCUSDT", "tickers.BTCUSDT", "tickers.ETHUSDT"]
    await bybit.push("public", kline())
    await recorder.until(lambda: recorder.candles)


async def test_topics_may_change_while_connected(exchange, bybit, recorder):
    await connected(exchange, recorder)
    exchange.subscribe_candles("BTCUSDT", Timeframe.M15)
    exchange.subscribe_candles("BTCUSDT", Timeframe.M15)
    exchange.subscribe_candles("ETHUSDT", Timeframe.H1)
    exchange.unsubscribe_candles("BTCUSDT", Timeframe.M15)
    await bybit.until(lambda: topics(bybit, "unsubscribe") == ["kline.15.BTCUSDT"])
    assert topics(bybit) == ["kline.15.BTCUSDT", "kline.60.ETHUSDT"]
    await bybit.push("public", kline())
    await bybit.push("public", kline("ETHUSDT") | {"topic": "kline.60.ETHUSDT"})
    await recorder.until(lambda: recorder.candles)
    assert recorder.candles[0].symbol == "ETHUSDT"


async def test_a_thousand_symbols_stay_under_the_length_limit(exchange, bybit, recorder):
    exchange.subscribe_tickers([f"LONGCOINNAME{n}USDT" for n in range(1000)])
    await connected(exchange, recorder)
    subscribes = [sent for sent in bybit.operations if sent["op"] == "subscribe"]
    assert len(topics(bybit)) == 1000
    assert len(subscribes) == 2
    assert all(len(str(sent["args"])) <= 21_000 + len(sent["args"]) for sent in subscribes)


async def test_one_refused_topic_does_not_cost_the_others(
    exchange, bybit, recorder, fail_on_unexpected_log
):
    bybit.refused_topics = {"tickers.NOSUCHUSDT"}
    exchange.subscribe_tickers(["BTCUSDT", "NOSUCHUSDT"])
    await connected(exchange, recorder)
    await bybit.push("public", ticker(lastPrice="1"))
    await recorder.until(lambda: recorder.tickers)
    assert "tickers.NOSUCHUSDT" in fail_on_unexpected_log.pop().getMessage()
    assert recorder.count(StreamState.DISCONNECTED) == 0


async def test_a_silent_connection_is_given_up_and_replaced(exchange, bybit, recorder):
    bybit.is_ponging = False
    await connected(exchange, recorder)
    await recorder.until(lambda: recorder.count(StreamState.DISCONNECTED) == 1)
    assert "nothing heard" in recorder.states[-1][2]
    bybit.is_ponging = True
    await recorder.until(lambda: recorder.count(StreamState.CONNECTED) == 2)


@pytest.mark.parametrize(
    "text",
    [
        "<html>",
        '{"topic":"kline.15.BTCUSDT","data":[{}],"ts":1}',
        '{"topic":"tickers.BTCUSDT","type":"snapshot","data":{"symbol":"BTCUSDT",'
        '"lastPrice":"NaN"},"ts":1}',
    ],
)
async def test_an_unreadable_message_is_told_and_the_stream_goes_on(
    exchange, bybit, recorder, fail_on_unexpected_log, text
):
    exchange.subscribe_candles("BTCUSDT", Timeframe.M15)
    exchange.subscribe_tickers(["BTCUSDT"])
    await connected(exchange, recorder)
    await bybit.push("public", text)
    await bybit.push("public", text)
    await bybit.push("public", kline())
    await recorder.until(lambda: recorder.candles)
    assert "unreadable message" in fail_on_unexpected_log.pop().getMessage()
    assert recorder.tickers == []


async def test_a_listener_that_fails_does_not_stop_the_stream(
    exchange, bybit, recorder, fail_on_unexpected_log
):
    exchange.subscribe_candles("BTCUSDT", Timeframe.M15)
    await connected(exchange, recorder)
    recorder.fault = RuntimeError("a bot's bug")
    await bybit.push("public", kline())
    await bybit.push("public", kline(close="60002"))
    await recorder.until(lambda: len(recorder.candles) == 2)
    assert "a listener failed" in fail_on_unexpected_log.pop().getMessage()


async def test_the_streams_figures_reach_the_screens_form(exchange, bybit, recorder):
    exchange.subscribe_candles("BTCUSDT", Timeframe.M15)
    exchange.subscribe_tickers(["BTCUSDT", "ETHUSDT"])
    await connected(exchange, recorder)
    await bybit.push("public", kline(confirm=True))
    await recorder.until(lambda: recorder.candles)
    figures = exchange.stream_statistics()
    assert (figures.connections, figures.topics, figures.messages) == (1, 3, 1)
    topics = exchange.topic_latencies(frozenset({"BTCUSDT"}))
    assert {entry.topic.channel for entry in topics} == {Channel.CANDLES, Channel.TICKER}
    shown = FeedSnapshot(exchange.exchange, figures, topics)
    packed = msgspec.msgpack.encode(shown)
    assert msgspec.msgpack.decode(packed, type=FeedSnapshot) == shown


async def test_trades_and_books_may_be_asked_for(exchange, bybit, recorder):
    assert isinstance(exchange, DepthPort)
    assert isinstance(exchange, MeasuredStreams)
    wanted = [Topic(Channel.TRADES, "BTCUSDT"), Topic(Channel.BOOK, "BTCUSDT")]
    exchange.subscribe(wanted)
    await connected(exchange, recorder)
    assert topics(bybit) == ["publicTrade.BTCUSDT", "orderbook.50.BTCUSDT"]
    exchange.unsubscribe(wanted)
    await bybit.until(lambda: len(topics(bybit, "unsubscribe")) == 2)
