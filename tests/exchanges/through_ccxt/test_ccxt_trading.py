"""Orders, positions and balances of four exchanges through ccxt: what leaves, exactly once, and
what every answer means."""

from __future__ import annotations

import asyncio
import json
import traceback
from decimal import Decimal

import pytest
from aiohttp import web
from ccxt_replay import SWAPS, in_turn, said, status

from core.exchange_port import (
    DuplicateOrder,
    ExchangeError,
    OutcomeUnknown,
    RateLimited,
    RequestRejected,
    StreamState,
    Unavailable,
)
from core.models.orders import (
    Order,
    OrderPurpose,
    OrderRequest,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)
from core.models.positions import Balance, Position

D = Decimal

CREATE = {
    "binance": "/fapi/v1/order",
    "okx": "/api/v5/trade/batch-orders",
    "bitget": "/api/v2/mix/order/place-order",
    "bingx": "/openApi/swap/v2/trade/order",
}
ACCEPTED = {
    "binance": {"orderId": 77, "symbol": "BTCUSDT", "status": "NEW", "clientOrderId": "c1"},
    "okx": {"code": "0", "msg": "", "data": [{"ordId": "77", "clOrdId": "c1", "sCode": "0"}]},
    "bitget": {"code": "00000", "msg": "success", "data": {"orderId": "77", "clientOid": "c1"}},
    "bingx": {"code": 0, "msg": "", "data": {"order": {"orderId": 77, "symbol": "BTC-USDT"}}},
}


def order(**changes: object) -> OrderRequest:
    values: dict[str, object] = {
        "client_order_id": "c1",
        "account": "main",
        "bot_id": "b",
        "strategy": "macd",
        "symbol": "BTCUSDT",
        "side": Side.BUY,
        "order_type": OrderType.MARKET,
        "quantity": D("0.012"),
        "reference_price": D(60_000),
        "purpose": OrderPurpose.ENTRY,
        "created_ms": 1,
    }
    return OrderRequest(**(values | changes))  # type: ignore[arg-type]


def sent_order(server, exchange) -> dict[str, str]:
    (sent,) = server.to(CREATE[exchange])
    return sent["list"][0] if exchange == "okx" else sent


@pytest.mark.parametrize("exchange", SWAPS)
async def test_an_order_leaves_once_with_its_own_id_and_exact_numbers(
    connect, server, exchange
) -> None:
    server.answers[CREATE[exchange]] = ACCEPTED[exchange]
    port = connect(exchange)
    request = order(
        order_type=OrderType.LIMIT,
        price=D("65000.1"),
        time_in_force=TimeInForce.IOC,
        reduce_only=True,
        side=Side.SELL,
    )
    assert await port.place_order(request) == "77"
    sent = sent_order(server, exchange)
    size, identifier, reduces = {
        "binance": ("quantity", "newClientOrderId", "true"),
        "okx": ("sz", "clOrdId", True),
        "bitget": ("size", "clientOid", "YES"),
        "bingx": ("quantity", "clientOrderID", "true"),
    }[exchange]
    assert sent[size] == ("1.2" if exchange == "okx" else "0.012")  # contracts of 0.01 BTC
    assert (sent[identifier], sent["reduceOnly"]) == ("c1", reduces)
    assert sent["px" if exchange == "okx" else "price"] == "65000.1"
    assert sent["side"].lower() == "sell"
    assert port.limiter.get_stats().total_requests == len(server.requests)


@pytest.mark.parametrize("exchange", SWAPS)
async def test_a_stop_travels_with_the_order_where_the_exchange_takes_it(
    connect, server, exchange
) -> None:
    server.answers[CREATE[exchange]] = ACCEPTED[exchange]
    await connect(exchange).place_order(order(stop_loss=D("58000.5"), take_profit=D(66_000)))
    sent = json.dumps(sent_order(server, exchange))
    assert ("58000.5" in sent and "66000" in sent) == (exchange != "binance")


REFUSED = {
    "binance": lambda code: said(int(code)),
    "okx": lambda code: {"code": "1", "msg": "", "data": [{"sCode": code, "sMsg": "no"}]},
    "bitget": said,
    "bingx": lambda code: said(int(code)),
}
MEANINGS = {
    "binance": [
        ("-2019", RequestRejected),
        ("-4116", DuplicateOrder),
        ("-1007", OutcomeUnknown),
        ("-1008", OutcomeUnknown),
        ("-1015", RateLimited),
    ],
    "okx": [
        ("51008", RequestRejected),
        ("51016", DuplicateOrder),
        ("50004", OutcomeUnknown),
        ("50026", OutcomeUnknown),
        ("50011", RateLimited),
    ],
    "bitget": [
        ("40762", RequestRejected),
        ("40786", DuplicateOrder),
        ("40725", OutcomeUnknown),
        ("45001", OutcomeUnknown),
        ("40010", OutcomeUnknown),
        ("429", RateLimited),
    ],
    "bingx": [
        ("101204", RequestRejected),
        ("100410", OutcomeUnknown),
        ("100500", OutcomeUnknown),
    ],
}


@pytest.mark.parametrize("exchange", SWAPS)
async def test_what_a_code_means_for_an_order(connect, server, exchange) -> None:
    port = connect(exchange)
    for number, (code, meaning) in enumerate(MEANINGS[exchange], start=1):
        server.answers[CREATE[exchange]] = REFUSED[exchange](code)
        with pytest.raises(ExchangeError) as refusal:
            await port.place_order(order())
        assert type(refusal.value) is meaning, (code, refusal.value.text)
        assert len(server.to(CREATE[exchange])) == number
        assert refusal.value.code == code


async def test_a_duplicate_that_binance_tells_in_words_has_landed(connect, server) -> None:
    server.answers[CREATE["binance"]] = said(-2010, "Duplicate order sent.")
    with pytest.raises(DuplicateOrder):
        await connect("binance").place_order(order())
    server.answers[CREATE["binance"]] = said(-2010, "Account has insufficient balance.")
    with pytest.raises(RequestRejected):
        await connect("binance").place_order(order())


async def hang(_):
    await asyncio.sleep(0.8)
    return web.Response()


UNKNOWN = {
    "HTTP 500": status(500),
    "HTTP 503 with a page": status(503, text="<html></html>"),
    "a page with status 200": status(200, text="<html></html>"),
    "nothing": status(200, text=""),
    "another form": {},
    "a redirect": status(307, headers={"Location": "/elsewhere"}),
}


@pytest.mark.parametrize("exchange", SWAPS)
async def test_an_order_without_a_trusted_answer_is_unknown_and_never_sent_again(
    connect, server, exchange
) -> None:
    port = connect(exchange)
    for number, (kind, answer) in enumerate(UNKNOWN.items(), start=1):
        server.answers[CREATE[exchange]] = answer
        with pytest.raises(OutcomeUnknown):
            await port.place_order(order())
        assert len(server.to(CREATE[exchange])) == number, kind
    assert not server.to("/elsewhere")


async def test_an_order_without_any_answer_is_unknown(connect, server) -> None:
    server.answers[CREATE["binance"]] = hang
    with pytest.raises(OutcomeUnknown, match="no answer in time"):
        await connect("binance").place_order(order())
    assert len(server.to(CREATE["binance"])) == 1


async def test_a_host_that_cannot_be_reached_leaves_an_order_unknown(connect, server) -> None:
    port = connect("binance")
    await port.fetch_instruments()
    await server.stop()
    with pytest.raises(OutcomeUnknown, match="the connection failed"):
        await port.place_order(order())
    with pytest.raises(Unavailable, match="the connection failed"):
        await port.fetch_balance()


async def test_a_ban_of_the_address_stops_every_request_until_its_end(connect, server) -> None:
    server.answers[CREATE["binance"]] = status(418, headers={"Retry-After": "130"})
    port = connect("binance")
    with pytest.raises(RateLimited) as refusal:
        await port.place_order(order())
    assert refusal.value.retry_after_s == 130
    seen = len(server.requests)
    with pytest.raises(RateLimited, match="nothing was sent") as refusal:
        await port.cancel_order("BTCUSDT", "c1", "77")
    assert 125 < refusal.value.retry_after_s <= 130
    assert len(server.requests) == seen


async def test_a_limit_is_obeyed_for_as_long_as_is_stated(connect, server) -> None:
    server.answers[CREATE["okx"]] = status(429, headers={"Retry-After": "20"})
    port = connect("okx")
    with pytest.raises(RateLimited):
        await port.place_order(order())
    assert 19 < port.limiter.get_wait_time(1, "order_create", account="main") <= 20
    assert port.limiter.get_wait_time(1, "order_cancel", account="main") == 0


async def test_no_error_shows_the_key(connect, server) -> None:
    server.answers[CREATE["bitget"]] = said("40001", "key canary-key with canary-secret is bad")
    with pytest.raises(RequestRejected) as refusal:
        await connect("bitget").place_order(order())
    assert "canary" not in "".join(traceback.format_exception(refusal.value))
    assert "*** with ***" in refusal.value.text


async def test_a_request_goes_to_no_other_host(connect, server) -> None:
    port = connect("binance")
    await port.fetch_instruments()
    port._rest.client.urls["api"]["fapiPrivate"] = "http://127.0.0.2:9/fapi/v1"
    with pytest.raises(RequestRejected, match=r"about to go to 127\.0\.0\.2"):
        await port.place_order(order())


async def test_what_ccxt_refuses_by_itself_was_never_sent(connect, server) -> None:
    port = connect("binance")
    with pytest.raises(RequestRejected, match="Binance cannot be asked that"):
        await port.place_order(order(quantity=D("0.0001")))  # below the step of 0.001
    assert not server.to(CREATE["binance"])


@pytest.mark.parametrize("exchange", SWAPS)
async def test_an_order_that_is_not_there_is_none(connect, server, exchange) -> None:
    path, code, alone = {
        "binance": ("/fapi/v1/order", "-2013", "/fapi/v1/algoOrder"),
        "okx": ("/api/v5/trade/order", "51603", "/api/v5/trade/order-algo"),
        "bitget": ("/api/v2/mix/order/detail", "40109", None),
        "bingx": ("/openApi/swap/v2/trade/order", "80016", None),
    }[exchange]
    server.answers[path] = REFUSED[exchange](code)
    if alone:
        server.answers[alone] = REFUSED[exchange](code)
    port = connect(exchange)
    assert await port.fetch_order("BTCUSDT", "c1") is None
    server.answers[path] = status(500)
    with pytest.raises(Unavailable):
        await port.fetch_order("BTCUSDT", "c1")


async def test_a_cancel_of_what_has_ended_is_told(connect, server) -> None:
    server.answers[CREATE["binance"]] = said(-2011, "Unknown order sent.")
    with pytest.raises(RequestRejected, match="order not exists"):
        await connect("binance").cancel_order("BTCUSDT", "c1", "77")
    (sent,) = server.to(CREATE["binance"])
    assert sent["orderId"] == "77"


BINANCE_ORDER = {
    "orderId": 77,
    "symbol": "BTCUSDT",
    "status": "PARTIALLY_FILLED",
    "clientOrderId": "c1",
    "price": "65000.1",
    "avgPrice": "65000.05",
    "origQty": "0.012",
    "executedQty": "0.004",
    "cumQuote": "260",
    "timeInForce": "GTC",
    "type": "LIMIT",
    "reduceOnly": False,
    "side": "BUY",
    "time": 1_700_000_000_000,
    "updateTime": 1_700_000_001_000,
}
BINANCE_STOP = {
    "algoId": 5,
    "clientAlgoId": "x-cvBPrNm9abc",
    "algoType": "CONDITIONAL",
    "orderType": "STOP_MARKET",
    "symbol": "BTCUSDT",
    "side": "SELL",
    "positionSide": "BOTH",
    "timeInForce": "GTC",
    "quantity": "0",
    "algoStatus": "NEW",
    "triggerPrice": "58000.5",
    "price": "0",
    "reduceOnly": True,
    "closePosition": True,
    "createTime": 1_700_000_000_500,
    "updateTime": 1_700_000_000_500,
}
BINANCE_POSITION = {
    "symbol": "BTCUSDT",
    "positionSide": "BOTH",
    "positionAmt": "0.004",
    "entryPrice": "65000.05",
    "markPrice": "65010",
    "unRealizedProfit": "0.0398",
    "liquidationPrice": "45000",
    "isolatedMargin": "0",
    "notional": "260.04",
    "updateTime": 1_700_000_001_000,
    "leverage": "5",
    "marginType": "cross",
}


def binance_account(server) -> None:
    server.answers |= {
        "/fapi/v1/openOrders": [BINANCE_ORDER],
        "/fapi/v1/openAlgoOrders": [BINANCE_STOP],
        "/fapi/v1/leverageBracket": [],
        "/fapi/v3/positionRisk": [BINANCE_POSITION],
        "/fapi/v2/positionRisk": [BINANCE_POSITION],
    }


async def test_working_orders_and_stops_of_binance(connect, server) -> None:
    binance_account(server)
    entry, stop = await connect("binance").fetch_open_orders()
    assert (entry.client_order_id, entry.exchange_order_id) == ("c1", "77")
    assert (entry.quantity, entry.filled_quantity, entry.average_price) == (
        D("0.012"), D("0.004"), D("65000.05"),
    )  # fmt: skip
    assert entry.status is OrderStatus.PARTLY_FILLED
    assert (stop.client_order_id, stop.exchange_order_id) == ("", "algo:5")
    assert (stop.purpose, stop.order_type) == (OrderPurpose.STOP_LOSS, OrderType.STOP_MARKET)
    assert (stop.side, stop.trigger_price) == (Side.SELL, D("58000.5"))


async def test_a_position_shows_the_stops_that_close_it(connect, server) -> None:
    binance_account(server)
    (position,) = await connect("binance").fetch_positions()
    assert (position.symbol, position.side, position.quantity) == ("BTCUSDT", Side.BUY, D("0.004"))
    assert (position.entry_price, position.leverage) == (D("65000.05"), D(5))
    assert (position.stop_loss, position.take_profit) == (D("58000.5"), None)


async def test_a_new_stop_of_binance_comes_after_the_old_one_is_gone(connect, server) -> None:
    binance_account(server)
    server.answers["/fapi/v1/algoOrder"] = in_turn(
        {"algoId": 5, "code": "200", "msg": "success"},
        {**BINANCE_STOP, "algoId": 6, "triggerPrice": "59000"},
    )
    await connect("binance").set_protection("BTCUSDT", D(59_000), None)
    gone, placed = server.to("/fapi/v1/algoOrder")
    assert gone["algoId"] == "5"
    assert (placed["triggerPrice"], placed["closePosition"], placed["side"]) == (
        "59000", "true", "SELL",
    )  # fmt: skip


async def test_the_account_must_be_in_one_way_mode(connect, server) -> None:
    server.answers["/fapi/v1/positionSide/dual"] = {"dualSidePosition": True}
    with pytest.raises(RequestRejected, match="hedge mode at Binance"):
        await connect("binance").start_trading(None)
    server.answers["/api/v2/mix/account/account"] = {
        "code": "00000",
        "msg": "",
        "data": {"posMode": "hedge_mode"},
    }
    with pytest.raises(RequestRejected, match="hedge mode at Bitget"):
        await connect("bitget").start_trading(None)


class Told:
    """Keeps what a listener is told."""

    def __init__(self) -> None:
        self.items: list[object] = []
        self.is_connected = asyncio.Event()

    def on_stream_state(self, kind, state, detail):
        if state is StreamState.CONNECTED:
            self.is_connected.set()

    def on_order(self, item):
        self.items.append(item)

    on_fill = on_position = on_balance = on_order


async def test_an_account_that_trades_is_told_whole_and_within_the_limits(connect, server) -> None:
    binance_account(server)
    server.answers |= {
        "/fapi/v1/positionSide/dual": {"dualSidePosition": False},
        "/fapi/v1/income": [],
        "/fapi/v3/account": {
            "assets": [
                {
                    "asset": "USDT",
                    "walletBalance": "1000.5",
                    "unrealizedProfit": "0.0398",
                    "availableBalance": "900",
                }
            ],
            "positions": [],
        },
    }
    port, told = connect("binance"), Told()
    await port.start_trading(told)
    async with asyncio.timeout(5):
        await told.is_connected.wait()
    orders = [item for item in told.items if isinstance(item, Order)]
    assert [order.exchange_order_id for order in orders] == ["77", "algo:5"]
    (position,) = [item for item in told.items if isinstance(item, Position)]
    assert (position.quantity, position.stop_loss) == (D("0.004"), D("58000.5"))
    (balance,) = [item for item in told.items if isinstance(item, Balance)]
    assert (balance.wallet_balance, balance.available_balance) == (D("1000.5"), D(900))
    assert balance.equity == D("1000.5398")
    address = port.limiter.snapshot()[0]
    assert address.used < 250, "a round of questions is a tenth of a minute's weight"


async def test_spot_exchanges_do_not_trade_because_nothing_would_protect_a_position(
    connect,
) -> None:
    with pytest.raises(RequestRejected, match="Upbit keeps no stop orders"):
        await connect("upbit").start_trading(None)


async def test_without_a_key_nothing_is_traded(connect) -> None:
    with pytest.raises(RequestRejected, match="no API key"):
        await connect("okx", with_key=False).start_trading(None)


@pytest.mark.parametrize("exchange", SWAPS)
async def test_leverage_is_set_for_the_symbol(connect, server, exchange) -> None:
    path = {
        "binance": "/fapi/v1/leverage",
        "okx": "/api/v5/account/set-leverage",
        "bitget": "/api/v2/mix/account/set-leverage",
        "bingx": "/openApi/swap/v2/trade/leverage",
    }[exchange]
    server.answers[path] = {"code": "0" if exchange == "okx" else 0, "data": [], "leverage": 5}
    if exchange == "bitget":
        server.answers[path] = {"code": "00000", "data": {}}
    await connect(exchange).set_leverage("BTCUSDT", D(5))
    (sent,) = server.to(path)
    assert str(sent.get("leverage", sent.get("lever"))) == "5"


async def test_fills_of_the_symbols_that_had_any_and_funding_too(connect, server) -> None:
    trade = {
        "symbol": "BTCUSDT",
        "id": 9,
        "orderId": 77,
        "side": "SELL",
        "price": "65100",
        "qty": "0.004",
        "realizedPnl": "0.39980000",
        "quoteQty": "260.4",
        "commission": "0.10416",
        "commissionAsset": "USDT",
        "time": 1_700_000_050_000,
        "maker": False,
        "buyer": False,
    }
    funding = {
        "symbol": "BTCUSDT",
        "incomeType": "FUNDING_FEE",
        "income": "-0.0125",
        "asset": "USDT",
        "time": 1_700_000_060_000,
        "info": "",
        "tranId": "8",
        "tradeId": "",
    }
    server.answers |= {"/fapi/v1/income": [funding], "/fapi/v1/userTrades": [trade]}
    sold, paid = await connect("binance").fetch_fills(1_700_000_000_000)
    assert (sold.trade_id, sold.exchange_order_id, sold.side) == ("9", "77", Side.SELL)
    assert (sold.quantity, sold.price, sold.fee) == (D("0.004"), D(65100), D("0.10416"))
    assert sold.cash_flow == D("0.39980000") - D("0.10416")
    assert paid.cash_flow == D("-0.0125")
    server.answers["/fapi/v1/userTrades"] = [{**trade, "commissionAsset": "BNB"}]
    (sold, _) = await connect("binance").fetch_fills(1_700_000_000_000)
    assert sold.fee == 0, "what is paid in another coin does not touch this wallet"
