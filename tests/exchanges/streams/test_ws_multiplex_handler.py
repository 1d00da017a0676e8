"""One connection and its topics: routing, delivery under load, silence, refusal, reconnects."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from core.exchange_port import StreamState
from core.models.candles import Timeframe
from core.models.streams import Channel, Topic, TopicState
from exchanges import stream_queue
from exchanges.bybit_dialect import BybitDialect
from exchanges.stream_dialect import StreamLimits

TICKER = Topic(Channel.TICKER, "BTCUSDT")
CANDLES = Topic(Channel.CANDLES, "BTCUSDT", Timeframe.M1)


class Narrow(BybitDialect):
    """At most two topics a connection, three connections."""

    limits = StreamLimits(topics_per_connection=2, connections=3)


async def keep_talking(net, message, seconds):
    for _ in range(seconds):
        if net.is_up and net.link.is_open:
            net.link.push(message)
        await asyncio.sleep(1)


async def test_one_connection_carries_a_thousand_symbols(make_handler, net, listener, words):
    handler = make_handler()
    symbols = [f"LONGCOINNAME{number}USDT" for number in range(1000)]
    handler.subscribe(Topic(Channel.TICKER, symbol) for symbol in symbols)
    handler.subscribe(Topic(Channel.CANDLES, symbol, Timeframe.M1) for symbol in symbols)
    handler.start(listener)
    await asyncio.sleep(1)
    assert len(net.links) == 1
    assert len(net.link.topics) == 2000
    assert all(len(str(request["args"])) < 21_000 * 1.1 for request in net.link.sent)
    for symbol in symbols[::100]:
        net.link.push(words.ticker(symbol, lastPrice="5"))
    assert [ticker.symbol for ticker in listener.tickers] == symbols[::100]
    assert listener.count(StreamState.CONNECTED) == 1
    await handler.stop()


async def test_what_the_limits_do_not_allow_on_one_connection_goes_on_another(
    make_handler, net, listener, words
):
    handler = make_handler(Narrow("wss://exchange"))
    handler.subscribe(Topic(Channel.TICKER, f"C{number}") for number in range(3))
    handler.start(listener)
    await asyncio.sleep(1)
    assert [len(link.topics) for link in net.links] == [2, 1]
    assert listener.count(StreamState.CONNECTED) == 1
    net.links[1].push(words.ticker("C2", lastPrice="5"))
    assert [ticker.symbol for ticker in listener.tickers] == ["C2"]
    handler.subscribe(Topic(Channel.TICKER, f"C{number}") for number in range(3, 6))
    await asyncio.sleep(1)
    assert [len(link.topics) for link in net.links] == [2, 2, 2]
    assert [state for state, _ in listener.states].count(StreamState.DISCONNECTED) == 0
    with pytest.raises(RuntimeError, match="watch fewer symbols"):
        handler.subscribe([Topic(Channel.TICKER, "C6")])
    await handler.stop()


async def test_symbols_come_and_go_while_it_runs(handler, net, listener, words):
    eth = Topic(Channel.TICKER, "ETHUSDT")
    handler.subscribe([eth])
    handler.unsubscribe([TICKER])
    await asyncio.sleep(1)
    assert net.link.topics == ["kline.1.BTCUSDT", "tickers.ETHUSDT"]
    net.link.push(words.ticker(lastPrice="1"), words.ticker("ETHUSDT", lastPrice="2"))
    assert [ticker.symbol for ticker in listener.tickers] == ["ETHUSDT"]
    assert handler.statistics().unrouted == 1  # a topic just given up may still speak
    handler.subscribe([TICKER])
    await asyncio.sleep(1)
    net.link.push(words.ticker(lastPrice="3"))
    assert listener.tickers[-1].last_price == Decimal(3)


async def test_every_tick_is_delivered_while_the_listener_keeps_up(handler, net, listener, words):
    net.link.push(*(words.ticker(lastPrice=str(n)) for n in range(1, 60)))
    assert [int(ticker.last_price) for ticker in listener.tickers] == list(range(1, 60))
    assert handler.statistics().ticks_dropped == 0


async def test_behind_a_flood_the_newest_tick_is_delivered_and_the_rest_counted(
    handler, net, listener, words
):
    count = stream_queue.BEHIND_AFTER + 500
    net.link.push(*(words.ticker(lastPrice=str(n)) for n in range(1, count + 1)))
    assert int(listener.tickers[-1].last_price) == count
    figures = handler.statistics()
    assert figures.ticks_dropped > 400
    assert figures.delivered + figures.ticks_dropped == figures.messages == count


async def test_a_flood_of_deltas_loses_no_field(handler, net, listener, words):
    net.link.push(words.ticker(lastPrice="1", bid1Price="1"))
    deltas = [words.ticker(kind="delta", bid1Price="2")]
    deltas += [words.ticker(kind="delta", ask1Price=str(n)) for n in range(3, 500)]
    net.link.push(*deltas)
    newest = listener.tickers[-1]
    assert (newest.bid_price, newest.ask_price) == (Decimal(2), Decimal(499))


async def test_a_closed_candle_is_never_dropped(make_handler, net, listener, words):
    handler = make_handler()
    symbols = [f"C{number}" for number in range(1500)]
    handler.subscribe(Topic(Channel.CANDLES, symbol, Timeframe.M1) for symbol in symbols)
    handler.start(listener)
    await asyncio.sleep(1)
    burst = [words.kline(s, start=60_000, close="1") for s in symbols]
    burst += [words.kline(s, start=0, confirm=True) for s in symbols]
    net.link.push(*burst)
    await asyncio.sleep(1)
    assert [update.symbol for update in listener.closed] == symbols
    assert handler.statistics().ticks_dropped >= 500  # the queue holds a thousand
    await handler.stop()


async def test_a_forming_bar_never_follows_its_own_end(handler, net, listener, words):
    net.link.push(words.kline(start=60_000), is_last=False)
    net.link.push(words.kline(start=60_000, confirm=True))
    net.link.push(words.kline(start=60_000, close="3"), words.kline(start=120_000))
    seen = [(u.candle.open_time_ms, u.is_closed) for u in listener.candles]
    assert seen == [(60_000, True), (120_000, False)]


async def test_a_confirmation_overtaken_by_its_own_correction_is_left_out(
    handler, net, listener, words
):
    net.link.push(words.kline(start=0, confirm=True) | {"ts": 5})
    net.link.push(words.kline(start=0, close="3", confirm=True) | {"ts": 9})
    net.link.push(words.kline(start=0, confirm=True) | {"ts": 5})
    net.link.push(words.kline(start=60_000, confirm=True) | {"ts": 4})  # another bar
    seen = [(u.candle.open_time_ms, u.candle.close) for u in listener.closed]
    assert seen == [(0, 2), (0, 3), (60_000, 2)]


async def test_a_burst_whose_end_is_not_told_is_delivered_in_the_next_turn(
    handler, net, listener, words
):
    net.link.push(words.ticker(lastPrice="1"), is_last=False)
    assert listener.tickers == []
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(listener.tickers) == 1


async def test_a_listener_may_give_topics_up_while_it_is_called(handler, net, listener, words):
    handler.subscribe(Topic(Channel.TICKER, f"C{n}") for n in range(5))
    await asyncio.sleep(1)
    listener.on_tick = lambda _: handler.unsubscribe(
        Topic(Channel.TICKER, f"C{n}") for n in range(5)
    )
    net.link.push(*(words.ticker(f"C{n}", lastPrice="1") for n in range(5)))
    assert [ticker.symbol for ticker in listener.tickers] == ["C0"]


async def test_trades_come_each_and_in_order(handler, net, listener, words):
    handler.subscribe([Topic(Channel.TRADES, "BTCUSDT")])
    await asyncio.sleep(1)
    net.link.push(*(words.trade(number) for number in range(300)))
    ids = [trade.trade_id for trades in listener.trades for trade in trades]
    assert ids == [str(number) for number in range(300)]


async def test_a_book_with_a_gap_is_not_shown_until_it_is_whole_again(
    handler, net, listener, words
):
    handler.subscribe([Topic(Channel.BOOK, "BTCUSDT")])
    await asyncio.sleep(1)
    net.link.push(words.book("delta", 4, [("9", "1")]))
    assert listener.books == []
    net.link.push(words.book("snapshot", 5, [("10", "1"), ("9", "2")], [("11", "1")]))
    net.link.push(words.book("delta", 6, [("10", "0")], [("10.5", "3")]))
    assert [level.price for level in listener.books[-1].bids] == [9]
    assert listener.books[-1].asks[0] == (Decimal("10.5"), Decimal(3))
    net.link.push(words.book("delta", 6, [("10.4", "1")]))  # a repetition
    assert len(listener.books) == 3 or listener.books[-1].bids[0].price == 9
    shown = len(listener.books)
    net.link.push(words.book("delta", 8, [("10.4", "1")]))
    net.link.push(words.book("delta", 9, [("10.4", "0")]))
    assert len(listener.books) == shown
    asked_before = len(net.link.sent)
    await asyncio.sleep(2)
    asked = [(r["op"], r["args"]) for r in net.link.sent[asked_before:] if "args" in r]
    assert asked == [
        ("unsubscribe", ["orderbook.50.BTCUSDT"]),
        ("subscribe", ["orderbook.50.BTCUSDT"]),
    ]
    net.link.push(words.book("snapshot", 20, [("10", "1")], [("11", "1")]))
    assert len(listener.books) == shown + 1


async def test_prices_go_before_the_books_that_came_with_them(handler, net, listener, words):
    handler.subscribe([Topic(Channel.BOOK, "BTCUSDT")])
    await asyncio.sleep(1)
    books_by_then: list[int] = []
    listener.on_tick = lambda _: books_by_then.append(len(listener.books))
    net.link.push(
        words.book("snapshot", 5, [("10", "1")], [("11", "1")]),
        words.book("delta", 6, [("10", "2")]),
        words.ticker(lastPrice="1"),
        words.ticker(lastPrice="2"),
    )
    assert books_by_then == [0, 0]
    [book] = listener.books
    assert book.bids == ((10, 2),)


async def test_a_book_message_that_cannot_be_read_is_a_gap(
    handler, net, listener, words, fail_on_unexpected_log
):
    handler.subscribe([Topic(Channel.BOOK, "BTCUSDT")])
    await asyncio.sleep(1)
    net.link.push(words.book("snapshot", 5, [("10", "1")], [("11", "1")]))
    net.link.push(words.book("delta", 6, [("ten", "1")]), words.ticker(lastPrice="1"))
    net.link.push(words.book("delta", 7, [("10", "4")]), words.ticker(lastPrice="2"))
    assert (len(listener.books), len(listener.tickers)) == (1, 2)
    assert handler.statistics().unreadable == 1
    assert "Expected a number, got 'ten'" in fail_on_unexpected_log.pop().getMessage()
    net.link.push(words.book("snapshot", 9, [("10", "7")], [("11", "1")]))
    assert listener.books[-1].bids == ((10, 7),)


async def test_a_silent_topic_is_told_within_15_s_and_asked_for_anew_alone(
    handler, net, listener, words
):
    net.link.push(words.ticker(lastPrice="1"))
    start_s = asyncio.get_running_loop().time()
    await keep_talking(net, words.kline(start=60_000), 20)
    [(told_s, topic, state, text)] = listener.topics
    assert (topic, state) == (TICKER, TopicState.STALE)
    assert told_s - start_s <= 15.0
    assert "nothing has come for" in text
    asked = [request["args"] for request in net.link.sent[1:] if "args" in request]
    assert asked == [["tickers.BTCUSDT"], ["tickers.BTCUSDT"]]
    assert handler.statistics().stale == 1
    net.link.push(words.ticker(lastPrice="2"))
    await asyncio.sleep(1)
    assert listener.topics[-1][1:3] == (TICKER, TopicState.LIVE)
    assert handler.statistics().stale == 0
    assert len(net.attempts_s) == 1


async def test_a_market_without_trades_is_not_asked_for_without_end(handler, net, listener, words):
    await keep_talking(net, words.ticker(lastPrice="1"), 3600)
    asked = [r for r in net.link.sent[1:] if r.get("args") == ["kline.1.BTCUSDT"]]
    assert 10 < len(asked) < 2 * 25  # twice a look, at most every five minutes in the end
    assert len(net.attempts_s) == 1


async def test_a_refused_topic_is_told_once_and_asked_again_until_it_is_served(
    make_handler, net, listener, words, fail_on_unexpected_log
):
    handler = make_handler()
    net.refused = {"tickers.NEWUSDT": "Invalid symbol :[NEWUSDT]"}
    new = Topic(Channel.TICKER, "NEWUSDT")
    handler.subscribe([TICKER, new])
    handler.start(listener)
    await keep_until_connected(net)
    await keep_talking(net, words.ticker(lastPrice="1"), 300)
    assert listener.count(StreamState.CONNECTED) == 1
    asked = [r for r in net.link.sent if r.get("args") == ["tickers.NEWUSDT"]]
    assert [r["op"] for r in asked].count("subscribe") == 4  # at once, and 30, 90, 210 s later
    refusals = [entry for entry in listener.topics if entry[1] == new]
    assert [entry[2] for entry in refusals] == [TopicState.REFUSED]
    assert "Invalid symbol" in refusals[0][3]
    assert "NEWUSDT" in fail_on_unexpected_log.pop().getMessage()
    net.refused = {}
    await keep_talking(net, words.ticker(lastPrice="1"), 300)
    net.link.push(words.ticker("NEWUSDT", lastPrice="7"))
    await asyncio.sleep(1)
    assert listener.topics[-1][1:3] == (new, TopicState.LIVE)
    assert listener.tickers[-1].last_price == Decimal(7)
    await handler.stop()


async def keep_until_connected(net):
    await asyncio.sleep(1)
    assert net.links


async def test_an_hour_of_refusal_costs_few_connects_and_is_survived(handler, net, listener, words):
    net.is_up = False
    net.link.cut()
    await asyncio.sleep(3600)
    attempts = net.attempts_s
    assert max(sum(s <= t < s + 300 for t in attempts) for s in attempts) <= 60
    assert len(attempts) > 100  # it never gives up
    net.is_up = True
    await asyncio.sleep(21)
    assert listener.states[-1][0] is StreamState.CONNECTED
    assert net.link.topics == ["tickers.BTCUSDT", "kline.1.BTCUSDT"]


async def test_connections_that_are_dropped_at_once_stay_within_the_budget(handler, net, listener):
    async def drop():
        while True:
            await asyncio.sleep(0.02)
            if net.link.is_open:
                net.link.cut()

    dropping = asyncio.ensure_future(drop())
    await asyncio.sleep(1200)
    dropping.cancel()
    assert max(sum(s <= t < s + 300 for t in net.attempts_s) for s in net.attempts_s) <= 60


async def test_a_handshake_that_hangs_is_given_up_in_words(make_handler, listener):
    async def hang(url, receiver):
        await asyncio.sleep(3600)

    handler = make_handler(connect=hang)
    handler.start(listener)
    await asyncio.sleep(11)
    details = [text for state, text in listener.states if state is StreamState.DISCONNECTED]
    assert details[0].startswith("no connection to wss://exchange: no answer in time; next")
    await handler.stop()


async def test_a_half_open_connection_is_found_and_replaced(handler, net, listener):
    net.is_alive = False
    await asyncio.sleep(31)
    assert listener.count(StreamState.DISCONNECTED) >= 1
    net.is_alive = True
    await asyncio.sleep(40)
    assert listener.states[-1][0] is StreamState.CONNECTED


async def test_nothing_is_merged_across_a_reconnect(handler, net, listener, words):
    net.link.push(words.ticker(lastPrice="1", bid1Price="0.9"))
    net.link.cut()
    await asyncio.sleep(5)
    net.link.push(words.ticker(kind="delta", bid1Price="5"))
    assert len(listener.tickers) == 1
    net.link.push(words.ticker(lastPrice="6"))
    assert listener.tickers[-1].bid_price is None


async def test_latency_is_kept_by_topic(handler, net, listener, words):
    net.link.push(words.ticker(lastPrice="1"), is_last=False)
    await asyncio.sleep(0.25)
    await asyncio.sleep(2)
    net.link.push(words.ticker(lastPrice="1"))
    found = {entry.topic: entry for entry in handler.latencies(frozenset({"BTCUSDT"}))}
    ticker, candles = found[TICKER], found[CANDLES]
    assert (ticker.messages, candles.messages) == (2, 0)
    assert ticker.p99_ms is not None
    assert ticker.age_s == 0.0
    assert (candles.p50_ms, candles.age_s) == (None, None)
    assert handler.latencies(frozenset({"ETHUSDT"})) == []
