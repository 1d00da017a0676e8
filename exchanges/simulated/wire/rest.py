"""Bybit v5 over HTTP: routes, signatures, windows and the envelope; endpoints know none of it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from exchanges.simulated.values import VenueReject
from exchanges.simulated.wire.errors import BybitError, HttpRefused, refusal
from exchanges.simulated.wire.parameters import Params, empty_elsewhere
from exchanges.simulated.wire.rate_windows import Allowance, RateWindows
from exchanges.simulated.wire.signatures import authenticate_request

log = logging.getLogger(__name__)

_TOO_MANY = "Too many visits. Exceeded the API Rate Limit."


class BatchResult(msgspec.Struct, frozen=True):
    """`result` and `retExtInfo` of a request that holds several orders."""

    result: dict[str, Any]
    ext_info: dict[str, Any]


class Route(msgspec.Struct, frozen=True):
    """`answer(api_key, params)` gives the envelope's `result`; `api_key` is "" on a public path.

    A refusal is a BybitError or the venue's own VenueReject.
    """

    answer: Callable[[str, Params], dict[str, Any] | BatchResult]
    is_private: bool = False


def private_list(answer: Callable[[str, Params], dict[str, Any]]) -> Route:
    """A signed list of what is held or done; empty in every category but linear."""
    return Route(empty_elsewhere(answer), is_private=True)


Routes = Mapping[tuple[str, str], Route]
"""Method and path -> route."""


def real_time_ms() -> int:
    """Unix time: what signatures, the envelope and the limit headers are stamped with."""
    return time.time_ns() // 1_000_000


class RestApi:
    """Answers HTTP requests from a table of routes."""

    def __init__(self, routes: Routes, *, keys: Mapping[str, str], windows: RateWindows) -> None:
        self._routes = routes
        self._keys = keys
        self._windows = windows

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            self._windows.enter(request.remote or "")
            route = self._routes.get((request.method, request.path))
            if route is None:
                raise HttpRefused(404, "Route not found.")
        except HttpRefused as refused:
            return web.Response(status=refused.status, text=refused.text)
        headers: dict[str, str] = {}
        try:
            result = self._answer(request, body, route, headers)
            return _envelope(0, "OK", result, headers)
        except (BybitError, VenueReject) as error:
            return _envelope(*refusal(error), {}, headers)
        except Exception:  # one endpoint's fault is one client's 10016, never the server's end
            log.exception("%s %s failed", request.method, request.path)
            return _envelope(10016, "Server error.", {}, headers)

    def _answer(
        self, request: web.Request, body: bytes, route: Route, headers: dict[str, str]
    ) -> dict[str, Any] | BatchResult:
        _, _, query = request.raw_path.partition("?")
        payload = body if request.method == "POST" else query.encode()
        now_ms = real_time_ms()
        headers["Timenow"] = str(now_ms)
        api_key = ""
        if route.is_private:
            api_key = authenticate_request(request.headers, payload, self._keys, now_ms)
        params = _json_object(body) if request.method == "POST" else dict(parse_qsl(query))
        if not route.is_private:
            return route.answer(api_key, params)
        return answer_within(self._windows, route, request.path, (api_key, params), headers)


def answer_within(
    windows: RateWindows,
    route: Route,
    path: str,
    request: tuple[str, Params],
    headers: dict[str, str],
) -> dict[str, Any] | BatchResult:
    """Answer `request` (API key, parameters) as far as its window allows, and state that window in
    `headers`: of a batch the orders that do not fit are refused one by one."""
    api_key, params = request
    items = params.get("request")
    orders = items if isinstance(items, list) else []
    allowance = windows.spend(api_key, path, max(1, len(orders)))
    if allowance is None:
        return route.answer(api_key, params)
    headers.update(limit_headers(allowance, real_time_ms()))
    if allowance.wait_s > 0:
        raise BybitError(10006, _TOO_MANY)
    if len(orders) <= allowance.granted:
        return route.answer(api_key, params)
    batch = route.answer(api_key, {**params, "request": orders[: allowance.granted]})
    assert isinstance(batch, BatchResult)
    over = [item if isinstance(item, dict) else {} for item in orders[allowance.granted :]]
    refused = [
        {
            "category": "linear",
            "symbol": str(item.get("symbol", "")),
            "orderId": "",
            "orderLinkId": str(item.get("orderLinkId", "")),
        }
        for item in over
    ]
    return BatchResult(
        {"list": batch.result["list"] + refused},
        {"list": batch.ext_info["list"] + [{"code": 10006, "msg": _TOO_MANY}] * len(over)},
    )


def limit_headers(allowance: Allowance, now_ms: int) -> dict[str, str]:
    """`X-Bapi-Limit*`; the reset time is now unless the request was refused."""
    return {
        "X-Bapi-Limit": str(allowance.limit),
        "X-Bapi-Limit-Status": str(allowance.remaining),
        "X-Bapi-Limit-Reset-Timestamp": str(now_ms + math.ceil(allowance.wait_s * 1000)),
    }


def _envelope(
    code: int, text: str, answer: dict[str, Any] | BatchResult, headers: Mapping[str, str]
) -> web.Response:
    batch = answer if isinstance(answer, BatchResult) else BatchResult(answer, {})
    body = msgspec.json.encode(
        {
            "retCode": code,
            "retMsg": text,
            "result": batch.result,
            "retExtInfo": batch.ext_info,
            "time": real_time_ms(),
        }
    )
    return web.Response(body=body, headers=headers, content_type="application/json")


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        raise BybitError(10001, "params error: the body is not a JSON object") from None
