"""The demo exchange's books, read over its REST API by code that shares nothing with the product:
hand-signed requests of the standard library."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import urllib.parse
import urllib.request
from decimal import Decimal
from typing import Any, NamedTuple

RECV_WINDOW_MS = 20_000
RATE_LIMITED, RATE_LIMIT_WAIT_S = 10006, 1.0


class Books(NamedTuple):
    """What the exchange holds for the account at one moment: signed quantities by symbol, and
    the ids of open orders, protective ones among them."""

    wallet: Decimal
    positions: dict[str, Decimal]
    open_order_ids: frozenset[str]


class ExchangeBooks:
    def __init__(self, host: str, api_key: str, api_secret: str) -> None:
        """`host` is "address:port"."""
        self._url, self._key, self._secret = f"http://{host}", api_key, api_secret

    def books(self) -> Books:
        """Read until two readings agree, so that no fill stands between its parts."""
        before = self._read()
        while (after := self._read()) != before:
            before = after
        return after

    def orders(self, since_ms: int | None = None) -> list[dict[str, Any]]:
        """Every order accepted since `since_ms` (market time), at most seven days ago."""
        return self._pages("/v5/order/realtime") + self._pages(
            "/v5/order/history", startTime=since_ms or None
        )

    def executions(self, since_ms: int | None = None) -> list[dict[str, Any]]:
        return self._pages("/v5/execution/list", startTime=since_ms or None)

    def candles(self, symbol: str, start_ms: int, end_ms: int) -> dict[int, list[Decimal]]:
        """Closed and forming 15m bars with open times from `start_ms` to `end_ms`."""
        bars: dict[int, list[Decimal]] = {}
        while True:
            rows = self.get(
                "/v5/market/kline",
                category="linear",
                symbol=symbol,
                interval="15",
                start=start_ms,
                end=end_ms,
                limit=1000,
            )["list"]
            bars |= {int(row[0]): [Decimal(value) for value in row[1:6]] for row in rows}
            if len(rows) < 1000:
                return bars
            end_ms = int(rows[-1][0]) - 1

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        """The `result` of a signed GET; waits where the exchange's request limit says so. Raises
        AssertionError with Bybit's own words."""
        while (answer := self._answer(path, parameters))["retCode"] == RATE_LIMITED:
            time.sleep(RATE_LIMIT_WAIT_S)
        assert answer["retCode"] == 0, f"{path}: {answer['retCode']} {answer['retMsg']}"
        result: dict[str, Any] = answer["result"]
        return result

    def _answer(self, path: str, parameters: dict[str, Any]) -> dict[str, Any]:
        given = {name: value for name, value in parameters.items() if value is not None}
        query = urllib.parse.urlencode(given)
        timestamp = str(time.time_ns() // 1_000_000)
        text = f"{timestamp}{self._key}{RECV_WINDOW_MS}{query}"
        headers = {
            "X-BAPI-API-KEY": self._key,
            "X-BAPI-TIMESTAMP": timestamp,
            "X-BAPI-RECV-WINDOW": str(RECV_WINDOW_MS),
            "X-BAPI-SIGN": hmac.new(
                self._secret.encode(), text.encode(), hashlib.sha256
            ).hexdigest(),
        }
        request = urllib.request.Request(f"{self._url}{path}?{query}", headers=headers)
        with urllib.request.urlopen(request, timeout=20) as response:
            answer: dict[str, Any] = json.loads(response.read())
        return answer

    def _read(self) -> Books:
        (account,) = self.get("/v5/account/wallet-balance", accountType="UNIFIED")["list"]
        (coin,) = [row for row in account["coin"] if row["coin"] == "USDT"]
        positions = {
            row["symbol"]: Decimal(row["size"]) * (1 if row["side"] == "Buy" else -1)
            for row in self._pages("/v5/position/list")
            if Decimal(row["size"])
        }
        open_orders = self._pages("/v5/order/realtime")
        return Books(
            wallet=Decimal(coin["walletBalance"]),
            positions=positions,
            open_order_ids=frozenset(row["orderId"] for row in open_orders),
        )

    def _pages(self, path: str, **parameters: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self.get(
                path, category="linear", settleCoin="USDT", limit=50, cursor=cursor, **parameters
            )
            rows += page["list"]
            cursor = page["nextPageCursor"]
            if not cursor or not page["list"]:
                return rows
