"""Every request that reaches the exchange went through the limiter, and none went twice."""

from __future__ import annotations

import ast
import contextlib
from decimal import Decimal
from pathlib import Path

import pytest
from aiohttp import web

from core.clock import SystemClock
from core.exchange_port import ExchangeError
from core.limits.api_rate_limiter import APIRateLimiter
from core.models.candles import Timeframe
from core.models.orders import OrderPurpose, OrderRequest, OrderType, Side
from exchanges.bybit_exchange import BybitExchange
from exchanges.credentials import Credentials

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def real_limiter() -> APIRateLimiter:
    return APIRateLimiter("bybit", SystemClock())


@pytest.fixture
async def counted(bybit, clock, jitter, real_limiter):
    port = BybitExchange(
        "main",
        credentials=Credentials("key", "secret"),
        clock=clock,
        limiter=real_limiter.for_account("main"),
        rng=jitter,
        rest_url=f"http://{bybit.url}",
        ws_public_url=f"ws://{bybit.url}/v5/public/linear",
        ws_private_url=f"ws://{bybit.url}/v5/private",
        request_timeout_s=0.3,
    )
    yield port
    await port.stop()


def order(number: int) -> OrderRequest:
    return OrderRequest(
        client_order_id=f"macd_BTCUSDT_{number}",
        account="main",
        bot_id="b",
        strategy="macd",
        symbol="BTCUSDT",
        side=Side.BUY,
        order_type=OrderType.MARKET,
        quantity=Decimal("0.010"),
        reference_price=Decimal(60000),
        purpose=OrderPurpose.ENTRY,
        created_ms=1,
    )


def answer(code: int):
    body = {"retCode": code, "retMsg": "", "result": {"list": [], "timeNano": "1"}, "time": 1}
    return lambda _: web.json_response(body)


ANSWERS = {
    "an empty list": answer(0),
    "a definite no": answer(110007),
    "an internal error": answer(10016),
    "HTTP 500": lambda _: web.Response(status=500),
    "HTML": lambda _: web.Response(text="<html></html>", content_type="text/html"),
    "a redirect": lambda _: web.Response(status=307, headers={"Location": "/elsewhere"}),
}

PATHS = (
    *("market/instruments-info", "market/kline", "market/tickers", "market/time"),
    *("order/create", "order/cancel", "order/amend", "order/realtime", "order/history"),
    *("position/list", "position/set-leverage", "position/trading-stop", "execution/list"),
    *("account/wallet-balance", "account/transaction-log"),
)


@pytest.mark.parametrize("kind", list(ANSWERS))
async def test_the_exchange_counts_as_many_requests_as_the_limiter(
    counted, bybit, real_limiter, kind
) -> None:
    for path in PATHS:
        bybit.answers[f"/v5/{path}"] = ANSWERS[kind]
    one = Decimal(1)
    for asking in (
        counted.fetch_instruments(),
        counted.fetch_candles("BTCUSDT", Timeframe.M15, limit=10),
        counted.fetch_tickers(),
        counted.fetch_clock_offset_ms(),
        counted.place_order(order(1)),
        counted.cancel_order("BTCUSDT", "x", ""),
        counted.amend_order("BTCUSDT", "x", "", price=one),
        counted.fetch_order("BTCUSDT", "x"),
        counted.fetch_open_orders(),
        counted.fetch_positions(),
        counted.fetch_balance(),
        counted.fetch_fills(1_699_999_000_000),
        counted.set_leverage("BTCUSDT", one),
        counted.set_protection("BTCUSDT", one, None),
    ):
        with contextlib.suppress(ExchangeError):
            await asking
    assert real_limiter.get_stats().total_requests == len(bybit.requests) >= 14
    assert sum(row.used for row in real_limiter.snapshot() if row.family == "address") == len(
        bybit.requests
    )


def test_only_modules_behind_the_limiter_speak_http() -> None:
    """A new adapter that imports an HTTP library has to be added here, with its reason."""
    allowed = {
        "exchanges/bybit_rest.py": {"pybit", "requests"},  # how many connections pybit keeps
        "exchanges/bybit_private_stream.py": {"pybit", "websocket"},  # one socket, no requests
        "exchanges/stream_connection.py": {"picows"},
        "exchanges/ccxt_rest.py": {"ccxt", "aiohttp"},
        "exchanges/ccxt_errors.py": {"ccxt"},  # its exceptions only
    }
    speak = {"pybit", "ccxt", "aiohttp", "requests", "httpx", "urllib3", "picows", "websocket"}
    speak |= {"websockets", "http"}
    for room in ("core", "exchanges", "strategies"):
        for path in (ROOT / room).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            if name.startswith("exchanges/simulated/"):
                continue  # the other side of the wire
            found = {module.split(".")[0] for module in _imports(path)} & speak
            assert found <= allowed.get(name, set()), name


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names
