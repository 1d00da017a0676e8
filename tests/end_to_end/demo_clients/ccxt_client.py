"""An ordinary ccxt script (REST, then ccxt.pro streams), with its URLs rewritten to the demo.

Arguments: host:port, api key, api secret. Prints one JSON object of what it saw.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable
from typing import Any

import ccxt
import ccxt.pro

ADDRESS, KEY, SECRET = sys.argv[1:4]
SYMBOL = "ETH/USDT:USDT"
seen: dict[str, Any] = {}


def rewritten(urls: Any) -> Any:
    if isinstance(urls, dict):
        return {name: rewritten(url) for name, url in urls.items()}
    return re.sub(r"^(http|ws)s?://[^/]+", rf"\1://{ADDRESS}", urls)


def pointed(exchange: Any) -> Any:
    exchange.urls["api"] = rewritten(exchange.urls["api"])
    return exchange


def credentials(**changes: str) -> dict[str, Any]:
    return {"apiKey": KEY, "secret": SECRET, "options": {"defaultType": "swap"}} | changes


def error_of(request: Callable[[], Any]) -> str:
    try:
        request()
    except ccxt.BaseError as error:
        return type(error).__name__
    return ""


def by_rest() -> None:
    exchange = pointed(ccxt.bybit(credentials()))
    seen["markets"] = len(exchange.load_markets())
    seen["balance"] = exchange.fetch_balance()["USDT"]
    seen["ohlcv"] = exchange.fetch_ohlcv(SYMBOL, "15m", limit=10)
    last = exchange.fetch_ticker(SYMBOL)["last"]
    low, amount = last * 0.9, 0.1
    seen["book"] = len(exchange.fetch_order_book(SYMBOL, limit=5)["bids"])
    seen["public_trades"] = len(exchange.fetch_trades(SYMBOL, limit=5))
    seen["tickers"] = len(exchange.fetch_tickers(params={"category": "linear"}))
    mine = {"clientOrderId": "ccxt-rest"}
    placed = exchange.create_order(SYMBOL, "limit", "buy", amount, low, mine)
    seen["open"] = [o["clientOrderId"] for o in exchange.fetch_open_orders(SYMBOL)]
    order = exchange.fetch_order(placed["id"], SYMBOL, {"acknowledged": True})
    seen["order"] = [order["status"], order["amount"], order["symbol"]]
    again = lambda: exchange.create_order(SYMBOL, "limit", "buy", amount, low, mine)  # noqa: E731
    seen["duplicate"] = error_of(again)
    exchange.cancel_order(placed["id"], SYMBOL)
    seen["gone"] = error_of(lambda: exchange.cancel_order(placed["id"], SYMBOL))
    seen["closed"] = exchange.fetch_closed_order(placed["id"], SYMBOL)["status"]
    exchange.set_leverage(4, SYMBOL)
    exchange.create_order(SYMBOL, "market", "buy", amount)
    position = exchange.fetch_positions([SYMBOL])[0]
    seen["position"] = [position["side"], position["contracts"], position["leverage"]]
    exchange.create_order(SYMBOL, "market", "sell", amount, None, {"reduceOnly": True})
    seen["flat"] = exchange.fetch_positions()
    seen["my_trades"] = [[t["side"], t["amount"]] for t in exchange.fetch_my_trades(SYMBOL)]
    too_large = lambda: exchange.create_order(SYMBOL, "market", "buy", 2_000)  # noqa: E731
    seen["too_large"] = error_of(too_large)
    wrong = pointed(ccxt.bybit(credentials(secret="wrong")))
    seen["wrong_secret"] = error_of(wrong.fetch_positions)


async def by_streams() -> None:
    exchange = pointed(ccxt.pro.bybit(credentials()))
    try:
        await exchange.load_markets()
        await exchange.isUnifiedEnabled()  # else each private watch asks, at ccxt's own slow pace
        watches = {
            "ticker": exchange.watch_ticker(SYMBOL),
            "book": exchange.watch_order_book(SYMBOL),
            "trades": exchange.watch_trades(SYMBOL),
            "ohlcv": exchange.watch_ohlcv(SYMBOL, "1m"),
            "orders": exchange.watch_orders(SYMBOL),
            "my_trades": exchange.watch_my_trades(SYMBOL),
            "balance": exchange.watch_balance(),
        }
        tasks = {name: asyncio.ensure_future(watch) for name, watch in watches.items()}
        await asyncio.wait([tasks["ticker"], tasks["trades"]], timeout=8)
        await asyncio.sleep(0.3)  # the private acknowledgements
        await exchange.create_order_ws(SYMBOL, "market", "buy", 0.1)
        await asyncio.wait(list(tasks.values()), timeout=8)
        late = [name for name, task in tasks.items() if not task.done()]
        if late:
            sys.exit(f"never came: {late}")
        seen["stream_ticker"] = tasks["ticker"].result()["last"]
        seen["stream_book"] = len(tasks["book"].result()["bids"])
        seen["stream_trades"] = len(tasks["trades"].result())
        seen["stream_ohlcv"] = tasks["ohlcv"].result()[-1]
        seen["stream_orders"] = [order["symbol"] for order in tasks["orders"].result()]
        seen["stream_my_trades"] = [trade["amount"] for trade in tasks["my_trades"].result()]
        seen["stream_balance"] = tasks["balance"].result()["USDT"]["total"]
        watching = asyncio.ensure_future(exchange.watch_positions([SYMBOL]))
        await asyncio.sleep(0.3)
        await exchange.create_order_ws(SYMBOL, "market", "sell", 0.1, params={"reduceOnly": True})
        await asyncio.wait_for(watching, timeout=8)
        seen["stream_positions"] = len(watching.result())
        ticker = seen["stream_ticker"]
        resting = await exchange.create_order_ws(SYMBOL, "limit", "buy", 0.1, ticker * 0.9)
        await exchange.cancel_order_ws(resting["id"], SYMBOL)
        seen["left_open"] = await exchange.fetch_open_orders(SYMBOL)
    finally:
        await exchange.close()


by_rest()
asyncio.run(by_streams())
print(json.dumps(seen, default=str))
