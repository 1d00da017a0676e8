"""`/v5/trade`: order requests over a WebSocket; the same requests, codes and windows as REST."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from exchanges.simulated.values import VenueReject
from exchanges.simulated.wire.errors import BybitError, refusal
from exchanges.simulated.wire.rate_windows import RateWindows
from exchanges.simulated.wire.rest import BatchResult, Routes, answer_within, real_time_ms
from exchanges.simulated.wire.session import StreamSession
from exchanges.simulated.wire.signatures import authenticate_stream, check_time

log = logging.getLogger(__name__)

_PATHS = {
    "order.create": "/v5/order/create",
    "order.amend": "/v5/order/amend",
    "order.cancel": "/v5/order/cancel",
    "order.create-batch": "/v5/order/create-batch",
    "order.cancel-batch": "/v5/order/cancel-batch",
}


class TradeStream:
    """`routes` are the REST routes: an order is handled in one place only."""

    def __init__(self, routes: Routes, *, keys: Mapping[str, str], windows: RateWindows) -> None:
        self._routes = routes
        self._keys = keys
        self._windows = windows

    def on_request(self, session: StreamSession, request: dict[str, Any]) -> None:
        """Answer one message of a client."""
        op = str(request.get("op", ""))
        if op == "ping":
            pong = {"retCode": 0, "retMsg": "OK", "op": "pong", "data": [str(real_time_ms())]}
            session.answer({**pong, "connId": session.connection_id})
        elif op == "auth":
            self._sign_in(session, request)
        else:
            self._trade(session, request, op)

    def _sign_in(self, session: StreamSession, request: dict[str, Any]) -> None:
        code, words = 0, "OK"
        try:
            session.api_key = authenticate_stream(request.get("args"), self._keys, real_time_ms())
        except BybitError as error:
            code, words = refusal(error)
        reply = {"retCode": code, "retMsg": words, "op": "auth", "connId": session.connection_id}
        session.answer({"reqId": request["reqId"], **reply} if "reqId" in request else reply)

    def _trade(self, session: StreamSession, request: dict[str, Any], op: str) -> None:
        code, words = 0, "OK"
        headers: dict[str, str] = {}
        answer: dict[str, Any] | BatchResult = {}
        try:
            answer = self._do(session, request, op, headers)
        except (BybitError, VenueReject) as error:
            code, words = refusal(error)
        except Exception:  # one request's fault is one client's 10016, never the stream's end
            log.exception("%s failed", op)
            code, words = 10016, "Internal server error."
        batch = answer if isinstance(answer, BatchResult) else BatchResult(answer, {})
        session.answer(
            {
                "reqId": request.get("reqId", ""),
                "retCode": code,
                "retMsg": words,
                "op": op,
                "data": batch.result,
                "retExtInfo": batch.ext_info,
                "header": {**headers, "Timenow": str(real_time_ms())},
                "connId": session.connection_id,
            }
        )

    def _do(
        self, session: StreamSession, request: dict[str, Any], op: str, headers: dict[str, str]
    ) -> dict[str, Any] | BatchResult:
        if op not in _PATHS:
            raise BybitError(10404, f"op type is not found: {op}")
        if not session.api_key:
            raise BybitError(10003, "Request not authorized: sign in first.")
        header, args = request.get("header"), request.get("args")
        if not (isinstance(header, dict) and isinstance(args, list) and len(args) == 1):
            raise BybitError(10001, "params error: header and one element of args are needed")
        if not isinstance(args[0], dict):
            raise BybitError(10001, "params error: args holds no request")
        now_ms = real_time_ms()
        window = header.get("X-BAPI-RECV-WINDOW") or 5_000
        check_time(str(header.get("X-BAPI-TIMESTAMP", "")), str(window), now_ms)
        path = _PATHS[op]
        signed = (session.api_key, args[0])
        return answer_within(self._windows, self._routes["POST", path], path, signed, headers)
