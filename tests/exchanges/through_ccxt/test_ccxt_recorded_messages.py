"""Messages that the exchanges really sent (documentation and recordings), through the adapter:
parsed to the right values."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.models.orders import OrderPurpose, OrderType, Side
from exchanges import ccxt_parsers
from exchanges.ccxt_quirks import QUIRKS
from exchanges.ccxt_wallets import wallet

D = Decimal


def message(real_wire: Path, exchange: str, channel: str, number: int = 0) -> Any:
    found = []
    for line in (real_wire / f"{exchange}.messages.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["channel"] == channel and entry["direction"] == "http<-server":
            payload = entry["payload"]
            found.append(json.loads(payload) if isinstance(payload, str) else payload)
    return found[number]


def test_wallets_of_real_answers(real_wire) -> None:
    okx = wallet("okx", message(real_wire, "okx", "http_get_account_balance"), "USDT")
    assert (okx.balance, okx.equity) == (D("94.42612990333333"), D("99.89469657000001"))
    bitget = wallet("bitget", message(real_wire, "bitget", "/api/v2/mix/account/accounts"), "USDT")
    assert (bitget.equity, bitget.available) == (D("10582.90265771"), D("10575.26735771"))
    bingx = wallet("bingx", message(real_wire, "bingx", "/openApi/swap/v3/user/balance"), "USDT")
    assert (bingx.balance, bingx.available) == (D("19.9003"), D("19.9003"))
    nothing = wallet("bingx", message(real_wire, "bingx", "/openApi/swap/v3/user/balance"), "KRW")
    assert nothing.balance == 0


async def test_instruments_of_binance_as_recorded(real_wire, connect, server) -> None:
    port = connect("binance", with_key=False)
    body = message(real_wire, "binance", "http_futures_market_exchange_info")
    server.answers["/fapi/v1/exchangeInfo"] = body
    found = {item.symbol: item for item in await port.fetch_instruments()}
    named = {
        row["symbol"]
        for row in body["symbols"]
        if row["quoteAsset"] == "USDT"
        and row["contractType"] == "PERPETUAL"
        and row["status"] == "TRADING"
    }
    assert set(found) == named
    filters = {row["filterType"]: row for row in body["symbols"][0]["filters"]}
    first = found[body["symbols"][0]["symbol"]]
    assert first.tick_size == D(filters["PRICE_FILTER"]["tickSize"])
    assert first.quantity_step == D(filters["LOT_SIZE"]["stepSize"])


async def test_instruments_of_bitget_as_documented(real_wire, connect, server) -> None:
    port = connect("bitget", with_key=False)
    body = message(real_wire, "bitget", "/api/v2/mix/market/contracts")
    server.answers["/api/v2/mix/market/contracts"] = body
    (found,) = await port.fetch_instruments()
    row = body["data"][0]
    assert (found.symbol, found.quantity_step) == ("BTCUSDT", D(row["sizeMultiplier"]))
    assert found.min_quantity == D(row["minTradeNum"])


async def test_positions_of_binance_and_okx(real_wire, connect, server) -> None:
    for path in ("/fapi/v1/openOrders", "/fapi/v1/openAlgoOrders", "/fapi/v1/leverageBracket"):
        server.answers[path] = []
    server.answers["/fapi/v3/positionRisk"] = message(real_wire, "binance", "position_risk")
    (held,) = await connect("binance").fetch_positions()
    assert (held.symbol, held.side, held.quantity) == ("BTCUSDT", Side.BUY, D("0.001"))
    assert (held.entry_price, held.liquidation_price, held.leverage) == (D(50000), D(45000), D(20))
    assert held.unrealized_pnl == 1
    flat = message(real_wire, "binance", "http_futures_account_positions_one_way")
    server.answers["/fapi/v3/positionRisk"] = flat
    assert await connect("binance").fetch_positions() == []

    nothing = {"code": "0", "msg": "", "data": []}
    server.answers |= {
        "/api/v5/account/positions": message(real_wire, "okx", "http_get_positions"),
        "/api/v5/trade/orders-pending": nothing,
        "/api/v5/trade/orders-algo-pending": message(
            real_wire, "okx", "http_get_orders_algo_pending_close_fraction"
        ),
    }
    held = (await connect("okx").fetch_positions())[0]
    assert held.quantity == D("0.5") * D("0.01"), "contracts of 0.01 BTC"
    assert held.stop_loss == D(50000)


async def test_orders_of_binance_okx_and_bingx(real_wire, connect) -> None:
    async def parsed(exchange: str, row: Any, *, is_conditional: bool = False):
        port = connect(exchange)
        await port.fetch_instruments()
        client = port._rest.client
        market = client.market("BTC/USDT:USDT")
        return ccxt_parsers.order(
            client.parse_order(row, market), "main", market, is_conditional=is_conditional
        )

    limit = await parsed("binance", message(real_wire, "binance", "/fapi/v1/order", 1))
    assert (limit.order_type, limit.price, limit.quantity) == (OrderType.LIMIT, D(30005), D(1))
    rows = message(real_wire, "okx", "http_get_orders_algo_pending_close_fraction")["data"]
    stop = await parsed("okx", rows[0], is_conditional=True)
    assert (stop.purpose, stop.side) == (OrderPurpose.STOP_LOSS, Side.SELL)
    assert (stop.trigger_price, stop.exchange_order_id) == (D(50000), "algo:close-frac-algo")
    rows = message(real_wire, "bingx", "/openApi/swap/v2/trade/openOrders")["data"]["orders"]
    other = await parsed("bingx", rows[0])
    assert (other.price, other.purpose) == (D("44459.6"), OrderPurpose.EXTERNAL)


async def test_prices_and_candles_of_upbit(real_wire, connect, server) -> None:
    port = connect("upbit", with_key=False)
    server.answers["/v1/ticker"] = message(real_wire, "upbit", "/v1/ticker")
    (found,) = await port.fetch_tickers()
    assert (found.symbol, found.last_price) == ("BTCKRW", D(148601000))
    assert found.exchange_time_ms == 1751606040365
    rows = message(real_wire, "upbit", "/v1/candles/minutes/3")
    client = port._rest.client
    candles = ccxt_parsers.candles(client.parse_ohlcvs(rows, client.market("BTC/KRW"), "3m"))
    newest = candles[-1]
    assert (newest.open, newest.close) == (D(11431000), D(11445000))
    assert newest.volume == D("2.46991462")
    assert len(candles) == len(rows)


@pytest.mark.parametrize("exchange", sorted(QUIRKS))
def test_every_code_that_has_a_meaning_here_is_one_that_ccxt_knows(real_wire, exchange) -> None:
    """Apart from those that the exchange documents and ccxt leaves out, which are named here."""
    known = {
        str(row["code"])
        for row in json.loads((real_wire / "errors" / f"{exchange}_codes.json").read_text())[
            "codes"
        ]
    }
    documented = {
        "binance": {"-1001", "-1004", "-4059", "-4116", "-4164"},
        "okx": {"50119", "51065", "51149"},
        "bitget": {"40725", "40754", "40786", "43025", "45001"},
        "bingx": {"80018"},
        "upbit": {
            "insufficient_funds_bid", "insufficient_funds_ask", "no_authorization_ip",
            "too_many_requests",
        },
        "bithumb": {
            "5900", "insufficient_funds_ask", "insufficient_funds_bid", "invalid_access_key",
            "jwt_verification", "NotAllowIP", "order_not_found", "too_many_requests",
        },
    }  # fmt: skip
    row = QUIRKS[exchange]
    used = row.landed | row.unknown | row.missing | row.unchanged | row.no_money | row.bad_key
    assert (used | row.rate_limited) - known <= documented[exchange]
