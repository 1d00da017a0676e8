"""A local server that answers like one of the exchanges, as told: real sockets under ccxt's real
client. It has no market and no books; bodies are in each exchange's documented form."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

NOW_MS = 1_700_000_100_000

BINANCE_SYMBOL = {
    "symbol": "BTCUSDT",
    "pair": "BTCUSDT",
    "contractType": "PERPETUAL",
    "onboardDate": 1569398400000,
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "marginAsset": "USDT",
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "556.80", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "120", "stepSize": "0.001"},
        {"filterType": "MIN_NOTIONAL", "notional": "50"},
    ],
    "orderTypes": ["LIMIT", "MARKET", "STOP_MARKET"],
    "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
}
OKX_SWAP = {
    "instType": "SWAP",
    "instId": "BTC-USDT-SWAP",
    "uly": "BTC-USDT",
    "instFamily": "BTC-USDT",
    "settleCcy": "USDT",
    "ctVal": "0.01",
    "ctMult": "1",
    "ctValCcy": "BTC",
    "ctType": "linear",
    "lotSz": "0.01",
    "minSz": "0.01",
    "tickSz": "0.1",
    "lever": "100",
    "listTime": "1573557408000",
    "state": "live",
    "maxMktSz": "12000",
    "maxLmtSz": "100000000",
}
BITGET_CONTRACT = {
    "symbol": "BTCUSDT",
    "baseCoin": "BTC",
    "quoteCoin": "USDT",
    "supportMarginCoins": ["USDT"],
    "minTradeNum": "0.0001",
    "priceEndStep": "1",
    "volumePlace": "4",
    "pricePlace": "1",
    "sizeMultiplier": "0.0001",
    "symbolType": "perpetual",
    "minTradeUSDT": "5",
    "symbolStatus": "normal",
    "minLever": "1",
    "maxLever": "125",
}
BINGX_CONTRACT = {
    "contractId": "100",
    "symbol": "BTC-USDT",
    "size": "0.0001",
    "quantityPrecision": 4,
    "pricePrecision": 1,
    "tradeMinQuantity": 0.0001,
    "tradeMinUSDT": 2,
    "currency": "USDT",
    "asset": "BTC",
    "status": 1,
    "apiStateOpen": "true",
    "apiStateClose": "true",
}
MARKETS: dict[str, dict[str, Any]] = {
    "binance": {"/fapi/v1/exchangeInfo": {"symbols": [BINANCE_SYMBOL]}},
    "okx": {"/api/v5/public/instruments": {"code": "0", "msg": "", "data": [OKX_SWAP]}},
    "bitget": {
        "/api/v2/mix/market/contracts": {"code": "00000", "msg": "", "data": [BITGET_CONTRACT]}
    },
    "bingx": {"/openApi/swap/v2/quote/contracts": {"code": 0, "msg": "", "data": [BINGX_CONTRACT]}},
    "upbit": {"/v1/market/all": [{"market": "KRW-BTC", "korean_name": "비트코인"}]},
    "bithumb": {"/v1/market/all": [{"market": "KRW-BTC", "korean_name": "비트코인"}]},
}
SWAPS = ("binance", "okx", "bitget", "bingx")


class ReplayServer:
    """`answers[path]` is a JSON body, a response factory, or several `in_turn` (the last one for
    ever). `requests`: method, path, parameters of query and body together."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        parameters: dict[str, Any] = dict(request.query)
        if text.startswith(("{", "[")):
            body = json.loads(text)
            parameters |= body if isinstance(body, dict) else {"list": body}
        elif text:
            parameters |= dict(pair.split("=", 1) for pair in text.split("&"))
        self.requests.append((request.method, request.path, parameters))
        answer = self.answers.get(request.path)
        if isinstance(answer, list) and answer and isinstance(answer[0], _Turn):
            answer = (answer.pop(0) if len(answer) > 1 else answer[0]).answer
        if callable(answer):
            made = answer(request)
            return await made if asyncio.iscoroutine(made) else made
        if answer is None:
            return web.json_response({"code": 404, "msg": "no such path here"}, status=404)
        return web.json_response(answer)

    def to(self, path: str) -> list[dict[str, Any]]:
        return [parameters for _, asked, parameters in self.requests if asked == path]


class _Turn:
    def __init__(self, answer: Any) -> None:
        self.answer = answer


def in_turn(*answers: Any) -> list[_Turn]:
    return [_Turn(answer) for answer in answers]


def status(code: int, **more: Any) -> Callable[[web.Request], web.Response]:
    return lambda _: web.Response(status=code, **more)


def said(code: Any, message: str = "no") -> dict[str, Any]:
    """A refusal in the form of Binance, Bitget and BingX."""
    return {"code": code, "msg": message}
