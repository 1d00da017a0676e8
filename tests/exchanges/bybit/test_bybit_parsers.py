"""Recorded messages of Bybit through the parsers: none crashes, and the values are right."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.models.candles import Candle
from core.models.fills import Fill
from core.models.orders import Order, OrderPurpose, OrderStatus, OrderType, Side
from core.models.positions import Balance, Position
from exchanges import bybit_parsers as parsers
from exchanges.bybit_parsers import ControlMessage

D = Decimal


@pytest.fixture(scope="session")
def messages(real_wire):
    lines = (real_wire / "bybit.messages.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture
def recorded(messages):
    """Payload of the message whose id begins so."""

    def find(start):
        [found] = [m["payload"] for m in messages if m["id"].startswith(start)]
        return found

    return find


def compact(payload):
    return json.dumps(payload, separators=(",", ":")).encode()


def test_no_recorded_stream_message_is_unreadable(messages):
    streams = [m for m in messages if m["direction"] == "ws<-server"]
    assert len(streams) > 60
    for message in streams:
        for payload in (compact(message["payload"]), json.dumps(message["payload"]).encode()):
            assert isinstance(parsers.decode_private(payload, "main"), ControlMessage | list)


def test_execution_that_closes(recorded):
    [fill] = parsers.decode_private(compact(recorded("7f648c")), "main")
    assert fill == Fill(
        trade_id="0ab1bdf7-4219-438b-b30a-32ec863018f7",
        exchange_order_id="9aac161b-8ed6-450d-9cab-c5cc67c21784",
        client_order_id="test-order-link-001",
        account="main",
        bot_id="",
        symbol="BTCUSDT",
        side=Side.SELL,
        quantity=D("0.5"),
        price=D("95900.1"),
        fee=D("26.3725275"),
        time_ms=1746270400353,
        closed_quantity=D("0.5"),
    )


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("33a6c1", (OrderStatus.FILLED, OrderType.LIMIT, OrderPurpose.ENTRY, D("29500.00"))),
        ("cd9846", (OrderStatus.ACKNOWLEDGED, OrderType.LIMIT, OrderPurpose.ENTRY, D(55000))),
        (
            "9dae27",
            (OrderStatus.ACKNOWLEDGED, OrderType.STOP_MARKET, OrderPurpose.STOP_LOSS, 48000),
        ),
        ("1613bd", (OrderStatus.ACKNOWLEDGED, OrderType.STOP_MARKET, OrderPurpose.ENTRY, 45000)),
        (
            "c22255",
            (OrderStatus.ACKNOWLEDGED, OrderType.STOP_MARKET, OrderPurpose.TAKE_PROFIT, 55000),
        ),
    ],
)
def test_order_kinds(recorded, start, expected):
    [order] = parsers.decode_private(compact(recorded(start)), "main")
    assert (order.status, order.order_type, order.purpose, order.trigger_price) == expected


def test_a_filled_order_has_exact_numbers(recorded):
    [order] = parsers.decode_private(compact(recorded("33a6c1")), "main")
    assert isinstance(order, Order)
    assert order.quantity == order.filled_quantity == D("0.100")
    assert order.average_price == order.price == D("30000.50")
    assert order.fee == D("1.650028")
    assert (order.created_ms, order.updated_ms) == (1672364262444, 1672364262457)
    assert order.client_order_id == "test-client-order-001"


def test_orders_of_other_categories_are_not_ours(recorded):
    assert parsers.decode_private(compact(recorded("82a510")), "main") == []  # spot
    assert parsers.decode_private(compact(recorded("417248")), "main") == []  # option


def test_a_rejected_order_keeps_what_it_had_filled(recorded):
    row = recorded("82a510")["data"][0] | {"category": "linear", "rejectReason": "EC_PostOnly"}
    [order] = parsers.orders([row], "main")
    assert order.status is OrderStatus.REJECTED
    assert (order.filled_quantity, order.quantity) == (D("50.0"), D("100.0"))
    assert order.reject_code == "EC_PostOnly"


def test_a_status_nobody_has_heard_of_is_unknown_not_final(recorded):
    row = recorded("33a6c1")["data"][0] | {"orderStatus": "Brewing"}
    [order] = parsers.orders([row], "main")
    assert order.status is OrderStatus.UNKNOWN


def test_open_position_of_the_stream(recorded):
    [position] = parsers.decode_private(compact(recorded("c6dfe0")), "main")
    assert position == Position(
        account="main",
        symbol="ETHUSDT",
        side=Side.SELL,
        quantity=D("0.01"),
        entry_price=D("3641.075"),
        updated_ms=1762199125472,
        mark_price=D("3641.33"),
        unrealized_pnl=D("-0.00255"),
        leverage=D("30"),
        liquidation_price=D("51764.83003276"),
    )


def test_flat_position_has_no_side_to_read(recorded):
    [position] = parsers.decode_private(compact(recorded("f4c837")), "main")
    assert position.is_flat
    assert parsers.position_modes(recorded("f4c837")["data"]) == {2}


def test_position_of_rest(recorded):
    [position] = parsers.positions(recorded("37c3c3")["result"]["list"], "main")
    assert (position.entry_price, position.leverage) == (D(70), D(10))
    assert position.stop_loss is None
    assert position.liquidation_price is None


def test_wallet(recorded):
    [balance] = parsers.decode_private(compact(recorded("017128")), "main")
    assert balance == Balance(
        account="main",
        currency="USDT",
        wallet_balance=D("9647.75537647"),
        available_balance=D("9556.6056555"),
        equity=D("10226.20575506"),
        updated_ms=1700034722104,
    )
    assert parsers.decode_private(compact(recorded("c4f422")), "main") == []  # BTC only


def test_isolated_margin_leaves_the_available_balance_to_us(recorded):
    row = recorded("017128")["data"][0] | {"totalAvailableBalance": ""}
    balance = parsers.wallet([row], "main", 1)
    assert balance is not None
    assert balance.available_balance == D("9647.75537647") - D("127.8573161")


def test_executions_of_rest(recorded):
    fills = parsers.fills(recorded("1968a1")["result"]["list"], "main")
    assert [(f.symbol, f.price, f.fee, f.is_maker) for f in fills] == [
        ("BTCUSDT", D("50000.00"), D("0.0150"), True),
        ("ETHUSDT", D("3000.00"), D("0.9000"), False),
    ]


def test_open_order_of_rest(recorded):
    [order] = parsers.orders(recorded("ed7756")["result"]["list"], "main")
    assert (order.price, order.quantity, order.trigger_price) == (D("1600.00"), D("0.10"), None)
    assert order.average_price is None
    assert order.reject_code == ""


def test_klines_of_rest(recorded):
    [candle] = parsers.candles(recorded("9f2602")["result"]["list"])
    assert candle == Candle(1709891679000, D(27450), D(27460), D(27440), D(27455), D("123.45"))


def test_instruments(messages, recorded):
    [instrument] = parsers.instruments(recorded("6a4e58")["result"]["list"])
    assert (instrument.tick_size, instrument.quantity_step) == (D("0.01"), D("0.001"))
    assert (instrument.min_quantity, instrument.max_quantity) == (D("0.001"), D(100))
    assert (instrument.min_notional, instrument.max_leverage) == (D(1), D(10))
    assert instrument.listed_ms is None  # "0"
    for message in messages:
        if message["kind"] == "instrument" and message["direction"] == "http<-server":
            parsers.instruments(message["payload"]["result"]["list"])


def test_answers_to_our_own_requests(recorded):
    pong = parsers.decode_private(compact(recorded("846355")), "main")
    assert isinstance(pong, ControlMessage)


def test_tickers_of_rest():
    row = {"symbol": "BTCUSDT", "lastPrice": "63958.60", "bid1Price": "63958.60", "markPrice": ""}
    silent = {"symbol": "ETHUSDT", "lastPrice": ""}
    [ticker] = parsers.tickers([row, silent], 5)
    assert (ticker.last_price, ticker.bid_price) == (D("63958.60"), D("63958.60"))
    assert (ticker.mark_price, ticker.ask_price, ticker.exchange_time_ms) == (None, None, 5)


numbers = st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=0, max_value=10**9)


@given(numbers)
def test_decimals_come_through_unchanged(value):
    text = f"{value:f}"
    row = ["0", text, text, text, text, text, "0"]
    [candle] = parsers.candles([row])
    assert (candle.open, candle.volume) == (value, value)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-inf", "1,5", "0x10", "many", " "])
def test_what_is_not_a_number_is_a_malformed_message(text):
    with pytest.raises(msgspec.ValidationError):
        parsers.candles([["0", text, "1", "1", "1", "1", "0"]])


@given(st.binary(max_size=200))
def test_noise_is_refused_in_one_way(noise):
    with contextlib.suppress(msgspec.DecodeError):
        parsers.decode_private(noise, "main")


@pytest.mark.parametrize("start", ["33a6c1", "7f648c", "c6dfe0", "017128"])
def test_a_field_of_another_type_is_refused_in_one_way(recorded, start):
    payload = recorded(start)
    rows = payload["data"] if isinstance(payload["data"], list) else [payload["data"]]
    for name in rows[0]:
        for wrong in (None, [], {}, -1, "?"):
            changed = json.loads(json.dumps(payload))
            target = changed["data"][0] if isinstance(changed["data"], list) else changed["data"]
            target[name] = wrong
            with contextlib.suppress(msgspec.DecodeError):
                parsers.decode_private(compact(changed), "main")
