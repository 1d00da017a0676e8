"""An ordinary pybit script, pointed at the demo exchange by the overrides pybit itself offers.

Arguments: host:port, api key, api secret. Prints one JSON object of what it saw.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import pybit._websocket_trading
import pybit.unified_trading
from pybit.exceptions import InvalidRequestError
from pybit.unified_trading import HTTP, WebSocket, WebSocketTrading

ADDRESS, KEY, SECRET = sys.argv[1:4]
SYMBOL = "BTCUSDT"
pybit.unified_trading.PUBLIC_WSS = f"ws://{ADDRESS}/v5/public/{{CHANNEL_TYPE}}"
pybit.unified_trading.PRIVATE_WSS = f"ws://{ADDRESS}/v5/private"
pybit._websocket_trading.TRADE_WSS = f"ws://{ADDRESS}/v5/trade"

streamed: dict[str, list[Any]] = {}
seen: dict[str, Any] = {}


def keep(name: str) -> Callable[[Any], None]:
    streamed[name] = []
    return streamed[name].append


def wait_for(what: str, is_there: Callable[[], object], timeout_s: float = 8.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not is_there():
        if time.monotonic() > deadline_s:
            sys.exit(f"{what} did not come: {json.dumps({k: len(v) for k, v in streamed.items()})}")
        time.sleep(0.02)


def rows(name: str) -> list[Any]:
    return [row for message in streamed[name] for row in message["data"]]


def client(secret: str, key: str = KEY) -> HTTP:
    session = HTTP(api_key=key, api_secret=secret)
    session.endpoint = f"http://{ADDRESS}"
    return session


def code_of(request: Callable[[], Any]) -> int:
    try:
        request()
    except InvalidRequestError as error:
        return int(error.status_code)
    return 0


def status_of(link_id: str) -> list[str]:
    return [row["orderStatus"] for row in rows("order") if row["orderLinkId"] == link_id]


http = client(SECRET)
private = WebSocket(testnet=False, channel_type="private", api_key=KEY, api_secret=SECRET)
private.order_stream(keep("order"))
private.execution_stream(keep("execution"))
private.position_stream(keep("position"))
private.wallet_stream(keep("wallet"))
public = WebSocket(testnet=False, channel_type="linear")
public.kline_stream(1, SYMBOL, keep("kline"))
public.ticker_stream(SYMBOL, keep("ticker"))
public.orderbook_stream(50, SYMBOL, keep("book"))
public.trade_stream(SYMBOL, keep("trade"))
wait_for("the tickers", lambda: streamed["ticker"])
time.sleep(0.1)  # the private acknowledgements

# place, query, amend, cancel a resting order
last = float(http.get_tickers(category="linear", symbol=SYMBOL)["result"]["list"][0]["lastPrice"])
low = f"{last * 0.9:.1f}"
order = {"category": "linear", "symbol": SYMBOL, "side": "Buy", "orderType": "Limit"}
http.place_order(**order, qty="0.010", price=low, orderLinkId="pybit-rest")
seen["open"] = http.get_open_orders(category="linear", symbol=SYMBOL)["result"]["list"]
http.amend_order(category="linear", symbol=SYMBOL, orderLinkId="pybit-rest", qty="0.020")
named = {"category": "linear", "symbol": SYMBOL, "orderLinkId": "pybit-rest"}
seen["amended"] = http.get_open_orders(**named)["result"]["list"][0]["qty"]
seen["duplicate"] = code_of(
    lambda: http.place_order(**order, qty="0.010", price=low, orderLinkId="pybit-rest")
)
http.cancel_order(**named)
wait_for("the cancelled order", lambda: "Cancelled" in status_of("pybit-rest"))
seen["history"] = http.get_order_history(**named)["result"]["list"][0]["orderStatus"]
seen["cancel_again"] = code_of(lambda: http.cancel_order(**named))

# trade: leverage, market order with protection, its position, the way out
http.set_leverage(category="linear", symbol=SYMBOL, buyLeverage="3", sellLeverage="3")
seen["leverage_again"] = code_of(
    lambda: http.set_leverage(category="linear", symbol=SYMBOL, buyLeverage="3", sellLeverage="3")
)
market = {"category": "linear", "symbol": SYMBOL, "orderType": "Market", "qty": "0.010"}
http.place_order(**market, side="Buy", orderLinkId="pybit-in", stopLoss=low)
wait_for("the fill", lambda: "Filled" in status_of("pybit-in"))
wait_for("the execution", lambda: any(r["orderLinkId"] == "pybit-in" for r in rows("execution")))
wait_for("the stop", lambda: any(r["stopOrderType"] == "StopLoss" for r in rows("order")))
wait_for("the position", lambda: any(r["size"] == "0.010" for r in rows("position")))
wait_for("the wallet", lambda: streamed["wallet"])
seen["position"] = http.get_positions(category="linear", symbol=SYMBOL)["result"]["list"][0]
http.set_trading_stop(
    category="linear", symbol=SYMBOL, takeProfit=f"{last * 1.1:.1f}", positionIdx=0, tpslMode="Full"
)
http.place_order(**market, side="Sell", reduceOnly=True, orderLinkId="pybit-out")
wait_for("the way out", lambda: "Filled" in status_of("pybit-out"))
wait_for("the flat position", lambda: rows("position")[-1]["size"] == "0")
seen["flat"] = http.get_positions(category="linear", settleCoin="USDT")["result"]["list"]
seen["left_open"] = http.get_open_orders(category="linear", symbol=SYMBOL)["result"]["list"]
executions = http.get_executions(category="linear", symbol=SYMBOL)["result"]["list"]
closed = http.get_closed_pnl(category="linear", symbol=SYMBOL)["result"]["list"]
log = http.get_transaction_log(category="linear", currency="USDT")["result"]["list"]
wallet = http.get_wallet_balance(accountType="UNIFIED", coin="USDT")["result"]["list"][0]
seen.update(executions=executions, closed=closed, log=log, wallet=wallet["coin"][0])
seen["fee_rate"] = http.get_fee_rates(category="linear", symbol=SYMBOL)["result"]["list"][0]

# market data by REST
seen["klines"] = http.get_kline(category="linear", symbol=SYMBOL, interval=1, limit=5)["result"][
    "list"
]
seen["book"] = http.get_orderbook(category="linear", symbol=SYMBOL, limit=5)["result"]
seen["instruments"] = len(http.get_instruments_info(category="linear")["result"]["list"])
seen["trades"] = http.get_public_trade_history(category="linear", symbol=SYMBOL, limit=3)["result"][
    "list"
]
seen["funding"] = http.get_funding_rate_history(category="linear", symbol=SYMBOL, limit=2)[
    "result"
]["list"]

# the trade stream
trading = WebSocketTrading(testnet=False, api_key=KEY, api_secret=SECRET)
while not trading.auth:
    time.sleep(0.02)
trading.place_order(keep("ws_placed"), **order, qty="0.010", price=low, orderLinkId="pybit-ws")
wait_for("the trade stream's answer", lambda: streamed["ws_placed"])
wait_for("the order of the trade stream", lambda: "New" in status_of("pybit-ws"))
trading.cancel_order(keep("ws_cancelled"), category="linear", symbol=SYMBOL, orderLinkId="pybit-ws")
wait_for("the cancellation", lambda: "Cancelled" in status_of("pybit-ws"))
wait_for("its answer", lambda: streamed["ws_cancelled"])

# refusals
seen["wrong_secret"] = code_of(lambda: client("wrong").get_positions(**named))
seen["wrong_key"] = code_of(lambda: client(SECRET, "nobody").get_positions(**named))
seen["too_large"] = code_of(lambda: http.place_order(**{**market, "qty": "90"}, side="Buy"))
seen["no_symbol"] = code_of(lambda: http.get_tickers(category="linear", symbol="NOSUCHUSDT"))

wait_for("a closed bar", lambda: [r for r in rows("kline") if r["confirm"]])
wait_for("public trades", lambda: streamed["trade"])
wait_for("books", lambda: len(streamed["book"]) >= 3)
seen["stream_klines"] = rows("kline")
seen["stream_executions"] = rows("execution")
seen["stream_trade"] = rows("trade")[0]
seen["stream_book"] = streamed["book"][-1]["data"]
seen["stream_ticker"] = streamed["ticker"][-1]["data"]
seen["ws_ret_codes"] = [streamed[name][0]["retCode"] for name in ("ws_placed", "ws_cancelled")]
seen["order_stream"] = status_of("pybit-rest")
for socket in (private, public, trading):
    socket.exit()
print(json.dumps(seen))
