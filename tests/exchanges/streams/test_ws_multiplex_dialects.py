"""Recorded messages of seven exchanges through their dialects: none crashes, the values are right,
and what is sent to an exchange is what it expects."""

from __future__ import annotations

import contextlib
import gzip
import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.models.candles import Timeframe
from core.models.orders import Side
from core.models.streams import Channel, Topic
from exchanges.binance_dialect import BinanceDialect
from exchanges.bingx_dialect import MAX_MESSAGE_BYTES, BingxDialect
from exchanges.bitget_dialect import BitgetDialect
from exchanges.bybit_dialect import BybitDialect
from exchanges.okx_dialect import OkxDialect
from exchanges.public_dialects import PUBLIC_DIALECTS
from exchanges.stream_dialect import Answer, Book, Goodbye, Ignored, Reply
from exchanges.upbit_dialect import BithumbDialect, UpbitDialect

D = Decimal
MARKET_KINDS = {"kline", "ticker", "trade", "orderbook"}


@pytest.fixture(scope="session")
def recorded(real_wire):
    """Messages of an exchange, by the first six letters of their ids."""

    def of(exchange):
        lines = (real_wire / f"{exchange}.messages.jsonl").read_text(encoding="utf-8").splitlines()
        messages = [json.loads(line) for line in lines]
        return {m["id"][:6]: m for m in messages if m["direction"] == "ws<-server"}

    return of


@pytest.fixture
def parse(recorded):
    """The message with this id, parsed."""

    def parsed(exchange, message_id):
        return PUBLIC_DIALECTS[exchange]().parse(compact(recorded(exchange)[message_id]["payload"]))

    return parsed


def compact(payload):
    return json.dumps(payload, separators=(",", ":")).encode()


def said(text):
    return text if text else None  # UNSET is false as well


@pytest.mark.parametrize("exchange", sorted(PUBLIC_DIALECTS))
def test_no_recorded_message_is_unreadable(exchange, recorded):
    dialect = PUBLIC_DIALECTS[exchange]()
    for message in recorded(exchange).values():
        for payload in (compact(message["payload"]), json.dumps(message["payload"]).encode()):
            understood = dialect.parse(payload)
            if isinstance(understood, Book):
                assert understood.read().time_ms >= 0


TICKERS = [
    # last, bid, ask, change, turnover, time
    ("binance", "b8dcf2", "btcusdt@ticker", "16584.60000000", None, None, "-0.00786",
     "2036102085.69746400", 1672515782136),
    ("binance", "e9562c", "bnbbtc@ticker", "0.0025", "0.0024", "0.0026", "2.5000", "18", 123456789),
    ("bingx", "6934ed", "ETH-USDT@ticker", "2986.23", "2986.15", "2986.17", "0.0336",
     "1789842510.53", 1714650656745),
    ("bingx", "27191e", "BTC-USDT@ticker", "63964.4", "63964.6", "63972.0", "-0.0001",
     "814330726.14", 1786541031249),
    ("bingx", "603895", "BTC-USDT@ticker", "2642.27", "2642.23", "2642.3", "-0.0009",
     "36747069.4", 1727163468053),
    ("bitget", "838c73", "ticker:BTCUSDT", "27000.5", "27000", "27000.5", "-0.00002",
     "10152429.961", 1695715383021),
    ("bitget", "586026", "ticker:ETHUSDT", "2200.10", "1792", "2200.1", "0.00", "0.0000",
     1695702438018),
    ("bithumb", "98055d", "ticker:BTC-SOL", "110", None, None, "-0.08333333", None, 1789399190794),
    ("bithumb", "682b22", "ticker:BTC-SOL", "90", None, None, "0.125", None, 1789399190794),
    ("bybit", "2c83e3", "tickers.BTCUSDT", "17216.00", "17215.50", "17216.00", "0.017103",
     "1570383121.943499", 1673272861686),
    ("bybit", "9ddce7", "tickers.BTCUSDT", "21109.77", None, None, "0.0196",
     "141946527.22907118", 1673853746003),
    ("bybit", "490014", "tickers.BTCUSDT", "63958.60", "63958.60", "63958.70", "-0.00506",
     "3947254153.7179", 1786540397684),
    ("bybit", "4d6653", "tickers.BTCUSDT", "64057.7", None, None, "-0.0042",
     "460629823.77866687", 1786538729776),
    ("bybit", "ad7f5a", "tickers.BTCUSD", None, "28560.00", "28560.50", "0.023362", None,
     1680673822776),
    ("bybit", "5a84b2", "tickers.BTCUSDT", None, None, None, None, None, 1786540397983),
    ("okx", "5813a1", "tickers:ETH-USDT", "9999.99", "8888.88", "9999.99", "0.111110", "2222",
     1597026383085),
    ("upbit", "50666d", "ticker:KRW-ETH", "36929", None, None, "-0.0082180744", "8320.40577449",
     1693383690031),
    ("upbit", "b48d62", "ticker:KRW-BTC", "89886000", None, None, "0.0027219384",
     "51158711929.01375", 1786613070431),
    ("upbit", "51c6bf", "ticker:KRW-BTC", "89887000", None, None, "0.0027330939",
     "51158711929.01375", 1786613071943),
]  # fmt: skip


@pytest.mark.parametrize("case", TICKERS)
def test_tickers(parse, case):
    exchange, message_id, name, last, bid, ask, change, turnover, time_ms = case
    message = parse(exchange, message_id)
    fields = message.fields
    assert (message.name, message.time_ms) == (name, time_ms)
    found = (fields.last_price, fields.bid_price, fields.ask_price)
    assert tuple(map(said, found)) == (last, bid, ask)
    assert (said(fields.change_24h_ratio), said(fields.turnover_24h)) == (change, turnover)


CANDLES = [
    # open time, open, high, low, close, volume, closed
    ("binance", "63dcc7", "ctkusdt@kline_1m",
     (1626992700000, "1.01000", "1.01100", "1.01000", "1.01100", "3927", False)),
    ("binance", "c433fc", "nknusdt@kline_1m",
     (1633998480000, "0.35270000", "0.35280000", "0.35220000", "0.35280000", "25877.00000000",
      False)),
    ("binance", "7e0aaf", "btcusdt@kline_8h",
     (123400000, "0.0010", "0.0025", "0.0015", "0.0020", "1000", False)),
    ("binance", "797800", "btcusdt@kline_1M",
     (1638747660000, "0.0010", "0.0025", "0.0015", "0.0020", "1000", False)),
    ("bingx", "7db91f", "ETH-USDT@kline_1m",
     (1714650540000, "2991.50", "2991.55", "2989.04", "2989.57", "215.89", False)),
    ("bybit", "a86829", "kline.5.BTCUSDT",
     (1672324800000, "16649.5", "16677", "16608", "16677", "2.081", False)),
    ("okx", "bb441f", "candle1D:BTC-USDT",
     (1597026383085, "8533.02", "8553.74", "8527.17", "8548.26", "45247", True)),
    ("okx", "653d0a", "candle1D:ETH-USDT",
     (1597026383085, "8533.02", "8553.74", "8527.17", "8548.26", "45247", False)),
]  # fmt: skip


@pytest.mark.parametrize(("exchange", "message_id", "name", "bar"), CANDLES)
def test_candles(parse, exchange, message_id, name, bar):
    message = parse(exchange, message_id)
    assert message.name == name
    assert [msgspec.structs.astuple(found) for found in message.bars] == [bar]


TRADES = [
    # how many, then the first: id, price, quantity, side, time
    ("binance", "1ce76d", "akrousdt@aggTrade", 1,
     ("14888302", "0.01731", "312", Side.SELL, 1626992742134)),
    ("binance", "02eba2", "sushiusdt@aggTrade", 1,
     ("87353230", "7.6120", "297", Side.BUY, 1626992744108)),
    ("binance", "6b1b09", "nknusdt@aggTrade", 1,
     ("15683430", "0.35280000", "58.00000000", Side.BUY, 1633998523963)),
    ("binance", "885666", "btcusdt@aggTrade", 1,
     ("5933014", "0.001", "100", Side.SELL, 123456785)),
    ("bingx", "718190", "BTC-USDT@trade", 1,
     ("33685717", "40125.48", "0.007146", Side.SELL, 1649832413512)),
    ("bitget", "faf271", "trade:BTCUSDT", 2,
     ("1111111111", "27000.0", "0.001", Side.SELL, 1695716759514)),
    ("bitget", "46711c", "trade:BTCUSDT", 1,
     ("1000000000", "26293.4", "0.0013", Side.BUY, 1695709835822)),
    ("bitget", "50caf5", "publicTrade:BTCUSDT", 1,
     ("1260903622036942849", "100000", "0.00118", Side.BUY, 1736348770627)),
    ("bybit", "3eb063", "publicTrade.BTCUSDT", None,
     ("2290000000050703789", "28165.38", "0.041732", Side.SELL, 1680652847524)),
    ("okx", "d8863f", "trades:BTC-USDT-SWAP", 1,
     ("148266905", "48938.5", "5", Side.BUY, 1640131236050)),
    ("okx", "018184", "trades:BTC-USD", 1,
     ("130639474", "42219.9", "0.12060306", Side.BUY, 1630048897897)),
    ("upbit", "c85d37", "trade:KRW-ETH", 1,
     ("1696585056846000", "37625", "0.00008428", Side.SELL, 1696585056846)),
]  # fmt: skip


@pytest.mark.parametrize("case", TRADES)
def test_trades(parse, recorded, case):
    exchange, message_id, name, count, first = case
    message = parse(exchange, message_id)
    assert message.name == name
    assert len(message.trades) == (count or len(recorded(exchange)[message_id]["payload"]["data"]))
    trade = message.trades[0]
    number, price, quantity, side, time_ms = first
    assert (trade.trade_id, trade.side, trade.time_ms) == (number, side, time_ms)
    assert (trade.price, trade.quantity) == (D(price), D(quantity))
    assert [t.time_ms for t in message.trades] == sorted(t.time_ms for t in message.trades)


def test_bingx_trades_come_newest_first_and_go_oldest_first(parse, recorded):
    rows = recorded("bingx")["7cb529"]["payload"]["data"]
    trades = parse("bingx", "7cb529").trades
    assert [(t.price, t.quantity, t.time_ms) for t in reversed(trades)] == [
        (D(row["p"]), D(row["q"]), row["T"]) for row in rows
    ]
    assert {t.side for t in trades} == {Side.BUY, Side.SELL}


BOOKS = [
    # snapshot?, first bid, first ask, id, time
    ("binance", "cfbc5b", "btcusdt@depth20@100ms", True, ("7403.89", "0.002"), ("7405.96", "3.340"),
     390497878, 1571889248277),
    ("binance", "614745", "btcusdt@depth5@100ms", True, ("0.0024", "10"), ("0.0026", "100"), 160,
     0),
    ("bingx", "c01283", "ETH-USDT@depth20@100ms", True, ("2990.64", "14.13"), ("2991.06", "12.80"),
     None, 1714650397486),
    ("bitget", "6ed33a", "books5:BTCUSDT", True, ("27000.0", "2.710"), ("27000.5", "8.760"), None,
     1695716059516),
    ("bybit", "913901", "orderbook.1.BTCUSDT", True, ("28165.07", "0.175231"),
     ("28165.08", "0.996816"), 20404754, 1680652806504),
    ("bybit", "521a0f", "orderbook.50.BTCUSDT", False, ("30247.20", "30.028"), ("30248.70", "0"),
     177400507, 1687940967466),
    ("okx", "4606d0", "books:BTC-USDT", True, ("8476.97", "256"), ("8476.98", "415"), None, None),
    ("upbit", "440e07", "orderbook:KRW-BTC", True, ("89886000", "0.04721853"),
     ("89890000", "0.00426302"), None, 1786613105466),
    ("upbit", "2d8e31", "orderbook:KRW-ETH", True, ("137001000", "0.03656812"),
     ("137002000", "0.10623869"), None, 1746601573804),
]  # fmt: skip


@pytest.mark.parametrize("case", BOOKS)
def test_books(parse, case):
    exchange, message_id, name, is_snapshot, bid, ask, update_id, time_ms = case
    message = parse(exchange, message_id)
    change = message.read()
    assert (message.name, change.is_snapshot) == (name, is_snapshot)
    assert change.bids[0] == (D(bid[0]), D(bid[1]))
    assert change.asks[0] == (D(ask[0]), D(ask[1]))
    assert update_id is None or change.update_id == update_id
    assert time_ms is None or change.time_ms == time_ms


def test_answers(parse):
    assert parse("bybit", "aeb372") == Answer(request_id="1", text="subscribe")
    refused = parse("bybit", "2c17b4")
    assert not refused.is_accepted
    assert refused.text == "Invalid topic: invalid.topic.BTCUSDT"
    assert parse("okx", "d8863f").name == "trades:BTC-USDT-SWAP"
    assert parse("okx", "0da7f2") == Answer(topic="fills:")
    assert parse("okx", "1422db") == Answer(topic="trades:ETH-USDT")
    assert parse("bitget", "20089e") == Answer(topic="ticker:BTCUSDT")
    assert parse("binance", "a41d1b") == Answer(is_accepted=False, text="Invalid symbol.")


def test_farewells_and_signs_of_life(parse):
    assert isinstance(parse("binance", "43417c"), Goodbye)
    assert isinstance(parse("binance", "157b77"), Goodbye)
    assert isinstance(parse("binance", "79e254"), Goodbye)
    upgrade = b'{"event":"notice","code":"64008","msg":"The connection will soon be closed"}'
    assert isinstance(OkxDialect().parse(upgrade), Goodbye)
    assert isinstance(OkxDialect().parse(b"pong"), Ignored)
    assert isinstance(BitgetDialect().parse(b"pong"), Ignored)
    assert BingxDialect().parse(gzip.compress(b"Ping")) == Reply(b"Pong")
    assert isinstance(parse("bybit", "846355"), Ignored)
    assert isinstance(parse("bithumb", "e4715d"), Ignored)


def test_a_refused_topic_is_known_by_the_words_of_the_exchange():
    text = "Wrong URL or channel:candle1m,instId:BTC-USDT-SWAP doesn't exist. Please use"
    payload = compact({"event": "error", "code": "60018", "msg": text, "connId": "a"})
    answer = OkxDialect().parse(payload)
    assert (answer.topic, answer.is_accepted) == ("candle1m:BTC-USDT-SWAP", False)
    arg = {"instType": "USDT-FUTURES", "channel": "ticker", "instId": "NOUSDT"}
    payload = compact({"event": "error", "arg": arg, "code": 30001, "msg": "doesn't exist"})
    answer = BitgetDialect().parse(payload)
    assert (answer.topic, answer.is_accepted) == ("ticker:NOUSDT", False)
    payload = compact({"id": "7", "code": 80015, "msg": "invalid", "dataType": ""})
    answer = BingxDialect().parse(payload)
    assert (answer.request_id, answer.is_accepted) == ("7", False)
    payload = compact({"id": 3, "error": {"code": 2, "msg": "Invalid request"}})
    answer = BinanceDialect().parse(payload)
    assert (answer.request_id, answer.is_accepted) == ("3", False)


REQUESTS = [
    (BinanceDialect, "BTCUSDT",
     [{"method": "SUBSCRIBE", "id": 1,
       "params": ["btcusdt@kline_15m", "btcusdt@ticker", "btcusdt@aggTrade",
                  "btcusdt@depth20@100ms"]}]),
    (OkxDialect, "BTC-USDT-SWAP",
     [{"op": "subscribe",
       "args": [{"channel": "candle15m", "instId": "BTC-USDT-SWAP"},
                {"channel": "tickers", "instId": "BTC-USDT-SWAP"},
                {"channel": "trades", "instId": "BTC-USDT-SWAP"},
                {"channel": "books5", "instId": "BTC-USDT-SWAP"}]}]),
    (BitgetDialect, "BTCUSDT",
     [{"op": "subscribe",
       "args": [{"instType": "USDT-FUTURES", "channel": channel, "instId": "BTCUSDT"}
                for channel in ("candle15m", "ticker", "trade", "books15")]}]),
    (BybitDialect, "BTCUSDT",
     [{"op": "subscribe", "req_id": "1",
       "args": ["kline.15.BTCUSDT", "tickers.BTCUSDT", "publicTrade.BTCUSDT",
                "orderbook.50.BTCUSDT"]}]),
    (BingxDialect, "BTC-USDT",
     [{"id": str(number), "reqType": "sub", "dataType": f"BTC-USDT@{channel}"}
      for number, channel in
      enumerate(("kline_15m", "ticker", "trade", "depth20@100ms"), start=1)]),
    (UpbitDialect, "KRW-BTC",
     [[{"ticket": "twinstar-1"}, {"type": "candle.15m", "codes": ["KRW-BTC"]},
       {"type": "ticker", "codes": ["KRW-BTC"]}, {"type": "trade", "codes": ["KRW-BTC"]},
       {"type": "orderbook", "codes": ["KRW-BTC"]}, {"format": "DEFAULT"}]]),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "symbol", "expected"), REQUESTS)
def test_what_an_exchange_is_asked(dialect, symbol, expected):
    made = dialect()
    topics = [
        Topic(Channel.CANDLES, symbol, Timeframe.M15),
        *(Topic(channel, symbol) for channel in (Channel.TICKER, Channel.TRADES, Channel.BOOK)),
    ]
    names = [made.wire_name(topic) for topic in topics]
    requests = list(made.subscribe(names, names))
    assert [json.loads(request.payload) for request in requests] == expected
    assert [name for request in requests for name in request.names] == names


GIVEN_UP = [
    (BinanceDialect, {"method": "UNSUBSCRIBE", "params": ["btc@ticker"], "id": 1}),
    (OkxDialect, {"op": "unsubscribe", "args": [{"channel": "tickers", "instId": "BTC"}]}),
    (BitgetDialect,
     {"op": "unsubscribe",
      "args": [{"instType": "USDT-FUTURES", "channel": "ticker", "instId": "BTC"}]}),
    (BybitDialect, {"op": "unsubscribe", "req_id": "1", "args": ["tickers.BTC"]}),
    (BingxDialect, {"id": "1", "reqType": "unsub", "dataType": "BTC@ticker"}),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "expected"), GIVEN_UP)
def test_how_a_topic_is_given_up(dialect, expected):
    made = dialect()
    name = made.wire_name(Topic(Channel.TICKER, "BTC"))
    [request] = made.unsubscribe([name], [])
    assert json.loads(request.payload) == expected
    assert (request.names, request.is_unsubscribe) == ((name,), True)


@pytest.mark.parametrize(
    ("dialect", "frames"),
    [
        (BinanceDialect, [100, 100, 50]),
        (OkxDialect, [100, 100, 50]),
        (BitgetDialect, [40, 40, 40, 40, 40, 40, 10]),
        (BybitDialect, [250]),
        (BingxDialect, [1] * 250),
        (UpbitDialect, [250]),
    ],
)
def test_many_topics_are_asked_for_in_as_few_frames_as_the_exchange_takes(dialect, frames):
    made = dialect()
    names = [made.wire_name(Topic(Channel.TICKER, f"COIN{n}USDT")) for n in range(250)]
    requests = list(made.subscribe(names, names))
    assert [len(request.names) for request in requests] == frames
    assert [name for request in requests for name in request.names] == names
    numbers = [request.request_id for request in requests if request.request_id]
    assert len(set(numbers)) == len(numbers)
    assert made.url(Channel.TICKER).startswith("wss://")
    assert dialect("ws://127.0.0.1:1").url(Channel.TICKER).startswith("ws://127.0.0.1:1")


def test_upbits_list_is_always_the_whole_one():
    dialect = UpbitDialect()
    [request] = dialect.subscribe(["ticker:KRW-ETH"], ["ticker:KRW-BTC", "ticker:KRW-ETH"])
    assert json.loads(request.payload)[1] == {"type": "ticker", "codes": ["KRW-BTC", "KRW-ETH"]}
    [request] = dialect.unsubscribe(["ticker:KRW-ETH"], ["ticker:KRW-BTC", "ticker:KRW-ETH"])
    assert json.loads(request.payload)[1] == {"type": "ticker", "codes": ["KRW-BTC"]}
    assert not request.is_answered
    assert list(dialect.unsubscribe(["ticker:KRW-BTC"], [])) == []


def test_what_an_exchange_does_not_stream_is_refused_in_words():
    with pytest.raises(ValueError, match="upbit streams no 1d candles"):
        UpbitDialect().wire_name(Topic(Channel.CANDLES, "KRW-BTC", Timeframe.D1))
    with pytest.raises(ValueError, match="bithumb streams no 1m candles"):
        BithumbDialect().wire_name(Topic(Channel.CANDLES, "KRW-BTC", Timeframe.M1))


def test_every_day_begins_at_utc_midnight():
    for dialect in (OkxDialect, BitgetDialect):
        name = dialect().wire_name(Topic(Channel.CANDLES, "X", Timeframe.D1))
        assert name == "candle1Dutc:X"


def test_okx_counts_a_swaps_volume_in_coins():
    row = ["1597026360000", "1", "2", "0.5", "1.5", "300", "3", "4.5", "1"]
    payload = {"arg": {"channel": "candle1m", "instId": "BTC-USDT-SWAP"}, "data": [row]}
    [bar] = OkxDialect().parse(compact(payload)).bars
    assert (bar.volume, bar.is_closed) == ("3", True)


def test_bitget_candles_bring_history_of_which_the_newest_is_news():
    rows = [[str(60_000 * n), "1", "2", "0.5", "1.5", str(n), "9", "9"] for n in range(3)]
    payload = {
        "action": "snapshot",
        "arg": {"instType": "USDT-FUTURES", "channel": "candle1m", "instId": "BTCUSDT"},
        "data": rows,
        "ts": 1695702747821,
    }
    message = BitgetDialect().parse(compact(payload))
    assert message.name == "candle1m:BTCUSDT"
    assert [(bar.open_time_ms, bar.volume, bar.is_closed) for bar in message.bars] == [
        (120_000, "2", False)
    ]


def test_upbit_candles_are_by_utc():
    payload = {
        "type": "candle.1m",
        "code": "KRW-BTC",
        "candle_date_time_utc": "2025-01-02T04:28:00",
        "candle_date_time_kst": "2025-01-02T13:28:00",
        "opening_price": 142009000.0,
        "high_price": 142009000.0,
        "low_price": 141970000.0,
        "trade_price": 142000000.0,
        "candle_acc_trade_volume": 0.23,
        "timestamp": 1735792121000,
    }
    message = UpbitDialect().parse(compact(payload))
    assert message.name == "candle.1m:KRW-BTC"
    assert [bar.open_time_ms for bar in message.bars] == [1735792080000]
    payload["candle_date_time_utc"] = "soon"
    with pytest.raises(msgspec.ValidationError, match="date and time"):
        UpbitDialect().parse(compact(payload))


def test_gzip_that_unpacks_without_end_is_refused():
    bomb = gzip.compress(b"0" * (MAX_MESSAGE_BYTES + 1))
    with pytest.raises(msgspec.DecodeError, match="too large"):
        BingxDialect().parse(bomb)
    with pytest.raises(msgspec.DecodeError, match="not gzip"):
        BingxDialect().parse(b"\x1f\x8bnonsense")


@pytest.mark.parametrize("exchange", sorted(PUBLIC_DIALECTS))
@given(noise=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_noise_is_refused_in_one_way(exchange, noise):
    with contextlib.suppress(msgspec.DecodeError):
        PUBLIC_DIALECTS[exchange]().parse(noise)


@pytest.mark.parametrize("exchange", sorted(PUBLIC_DIALECTS))
def test_a_field_of_another_type_is_refused_in_one_way(exchange, recorded):
    dialect = PUBLIC_DIALECTS[exchange]()
    for message in recorded(exchange).values():
        if message["kind"] not in MARKET_KINDS:
            continue
        for changed in mutilated(message["payload"]):
            with contextlib.suppress(msgspec.DecodeError):
                dialect.parse(compact(changed))


def mutilated(value):
    """`value` with each of its parts replaced in turn."""
    parts = value.items() if isinstance(value, dict) else enumerate(value[:3])
    for place, part in parts:
        for wrong in (None, [], {}, -1, "?", 1e400, "NaN"):
            yield replaced(value, place, wrong)
        if isinstance(part, (dict, list)):
            for changed in mutilated(part):
                yield replaced(value, place, changed)


def replaced(value, place, part):
    copy = value.copy()
    copy[place] = part
    return copy
