"""Bybit's REST by pybit: one call is one HTTP request, and every outcome is one of ours.

pybit is synchronous, so calls run on threads of our own; orders have their own, that a cancel
never stands behind a download. Its retries are off: it would repeat `order/create` by itself.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import msgspec
from pybit.exceptions import FailedRequestError, InvalidRequestError
from pybit.unified_trading import HTTP
from requests.adapters import HTTPAdapter

from core.exchange_port import ExchangeError, RateLimited
from exchanges.bybit_errors import (
    ADDRESS_REFUSED,
    error_for_code,
    error_for_http_status,
    hold_for_http_status,
    unanswered,
)
from exchanges.bybit_words import CATEGORY
from exchanges.credentials import Credentials
from exchanges.request_limiter import ADDRESS, Family, Priority, RequestLimiter, RequestTurn

POLLS_AT_ONCE = 50  # a scan polls so many symbols in one round trip; the limiter paces them
LONGEST_HOLD_S = 5.0  # an order that waited longer for its turn was meant for another market
LONGEST_READ_HOLD_S = 30.0  # a question that would wait longer is told so: nobody waits in silence
Parsed = TypeVar("Parsed")
_CLOCK_REFUSED = 10002
_SERVER_TIME = re.compile(r"server_timestamp\[(\d+)\]")
_NEVER_SENT = -(10**9)  # pybit takes an empty set of codes to retry for "the usual ones"


class _Asking(NamedTuple):
    family: Family
    priority: Priority | None = None
    owner: str | None = None
    is_poll: bool = False


class BybitRest:
    """Calls pybit's methods (`self.http.get_kline`, ...) under the limiter."""

    def __init__(
        self,
        url: str,
        credentials: Credentials | None,
        limiter: RequestLimiter,
        *,
        timeout_s: float = 10.0,
    ) -> None:
        self._credentials = credentials
        self._limiter = limiter
        self._timeout_s = timeout_s
        market = ThreadPoolExecutor(4, "bybit-market")  # more would fight the loop for the GIL
        orders = ThreadPoolExecutor(4, "bybit-order")
        position = ThreadPoolExecutor(2, "bybit-position")
        self._threads = {
            Family.MARKET: market,
            Family.INSTRUMENTS: market,
            Family.TICKERS: market,
            Family.ORDER_CREATE: orders,
            Family.ORDER_AMEND: orders,
            Family.ORDER_CANCEL: orders,
            Family.LEVERAGE: position,
            Family.PROTECTION: position,
        }
        self._reading_threads = ThreadPoolExecutor(4, "bybit-account")
        self._polling_threads = ThreadPoolExecutor(POLLS_AT_ONCE, "bybit-poll")
        self.http = _Http(
            api_key=credentials.api_key if credentials else None,
            api_secret=credentials.api_secret if credentials else None,
            timeout=timeout_s,
            max_retries=1,
            retry_codes={_NEVER_SENT},
            return_response_headers=True,
        )
        self.http.endpoint = url.rstrip("/")
        self.http.client.trust_env = False  # signed requests go where the trader said, no proxy
        self.http.client.max_redirects = 0  # a redirected POST would be a second request
        for scheme in ("https://", "http://"):  # as many connections kept as requests at once
            self.http.client.mount(scheme, HTTPAdapter(pool_maxsize=POLLS_AT_ONCE))
        self.http.logger.handlers.clear()  # one per instance while the root logger has none

    async def read(
        self,
        family: Family,
        method: Callable[..., Any],
        *,
        is_poll: bool = False,
        **parameters: object,
    ) -> dict[str, Any]:
        """`result` of a question; `is_poll` for one of many small ones that may wait side by side.
        Raises Unavailable, RateLimited, RequestRejected."""
        asking = _Asking(family, is_poll=is_poll)
        return await self._call(asking, method, parameters, is_write=False)

    async def pages(
        self, family: Family, method: Callable[..., Any], **parameters: object
    ) -> list[Any]:
        """Rows of every page. The last page may name a cursor too; an empty one ends it.
        Raises as `read`."""
        rows: list[Any] = []
        cursor: str | None = None
        while True:
            asking = _Asking(family)
            page_of = parameters | {"category": CATEGORY, "cursor": cursor}
            result = await self._call(asking, method, page_of, is_write=False)
            page = rows_of(result)
            rows += page
            next_cursor = result.get("nextPageCursor") or None
            if not page or next_cursor in (None, cursor):
                return rows
            cursor = next_cursor

    async def write(
        self,
        family: Family,
        method: Callable[..., Any],
        *,
        priority: Priority | None = None,
        owner: str | None = None,
        **parameters: object,
    ) -> dict[str, Any]:
        """`result` of an instruction, sent exactly once (once more after a definite no to its
        time stamp); {} where Bybit says "not modified". `priority` and `owner` as the limiter's.
        Raises RequestRejected, DuplicateOrder, RateLimited, OutcomeUnknown."""
        asking = _Asking(family, priority, owner)
        return await self._call(asking, method, parameters, is_write=True)

    async def _call(
        self,
        asking: _Asking,
        method: Callable[..., Any],
        parameters: dict[str, object],
        *,
        is_write: bool,
    ) -> dict[str, Any]:
        asked_s = time.monotonic()
        try:
            return await self._call_once(asking, method, parameters, is_write=is_write)
        except _ClockRefused as no:
            self.http.clock_offset_ms = no.offset_ms
            if is_write and time.monotonic() - asked_s > LONGEST_HOLD_S:
                raise no.refusal from None
        try:
            return await self._call_once(asking, method, parameters, is_write=is_write)
        except _ClockRefused as no:
            raise no.refusal from None

    async def _call_once(
        self,
        asking: _Asking,
        method: Callable[..., Any],
        parameters: dict[str, object],
        *,
        is_write: bool,
    ) -> dict[str, Any]:
        turn = await self._turn(asking, is_write=is_write)
        threads = self._threads.get(asking.family, self._reading_threads)
        if asking.is_poll:
            threads = self._polling_threads
        request = threads.submit(self._send, asking.family, method, parameters, is_write=is_write)
        request.add_done_callback(lambda _: turn.end())  # on its way as long as its thread waits
        try:
            async with asyncio.timeout(2 * self._timeout_s):  # pybit's own bounds single reads only
                result, headers = await asyncio.wrap_future(request)
        except TimeoutError:
            raise unanswered("no answer in time", is_write=is_write) from None
        self._limiter.correct(asking.family, headers)
        return result

    async def _turn(self, asking: _Asking, *, is_write: bool) -> RequestTurn:
        """An order whose turn does not come soon is not sent at all. Raises RateLimited."""
        family, priority, owner, _ = asking
        hold_s = self._limiter.get_wait_time(family, priority=priority)
        if not is_write and hold_s <= LONGEST_READ_HOLD_S:
            return await self._limiter.wait(family)
        try:
            if not is_write or hold_s > LONGEST_HOLD_S:
                raise TimeoutError
            async with asyncio.timeout(LONGEST_HOLD_S):
                return await self._limiter.wait(family, priority=priority, owner=owner)
        except TimeoutError:
            hold_s = max(hold_s, LONGEST_HOLD_S)
            raise RateLimited(
                f"Held back by the request limit for {hold_s:.0f} s; nothing was sent.",
                retry_after_s=hold_s,
            ) from None

    def _send(
        self,
        family: Family,
        method: Callable[..., Any],
        parameters: dict[str, object],
        *,
        is_write: bool,
    ) -> tuple[dict[str, Any], Mapping[str, str]]:
        """One request, on a thread. Causes are dropped (`from None`): pybit's exceptions quote
        whole requests, and Bybit's own text quotes the key."""
        try:
            reply, _elapsed, headers = method(**parameters)
        except InvalidRequestError as refusal:
            headers = refusal.resp_headers or {}
            error = error_for_code(
                refusal.status_code,
                self._redact(str(refusal.message)),
                headers,
                unix_time_ms=time.time_ns() // 1_000_000,
                is_write=is_write,
            )
            if error is None:
                return {}, headers
            server_time = _SERVER_TIME.search(str(refusal.message))
            if refusal.status_code == _CLOCK_REFUSED and server_time is not None:
                offset_ms = int(server_time[1]) - time.time_ns() // 1_000_000
                raise _ClockRefused(offset_ms, error) from None
            if isinstance(error, RateLimited):
                held = ADDRESS if error.code in ADDRESS_REFUSED else family
                self._limiter.penalise(held, error.retry_after_s)
            raise error from None
        except FailedRequestError as failure:
            if failure.resp_headers is None:  # pybit made this one up: not JSON
                raise unanswered("the answer was not JSON", is_write=is_write) from None
            hold = hold_for_http_status(failure.status_code, failure.resp_headers)
            if hold is not None:
                self._limiter.penalise(ADDRESS if hold.is_address else family, hold.seconds)
            raise error_for_http_status(
                failure.status_code, failure.resp_headers, is_write=is_write
            ) from None
        except Exception as fault:  # noqa: BLE001 (it may have left: every fault means "unknown")
            raise unanswered(_cause(fault), is_write=is_write) from None
        if reply.get("retCode") != 0 or not isinstance(reply.get("result"), dict):
            raise unanswered("the answer was not in Bybit's form", is_write=is_write)
        return reply["result"], headers

    def _redact(self, text: str) -> str:
        return self._credentials.redact(text) if self._credentials else text

    def stop(self) -> None:
        """Take no more requests; those on their way end by themselves."""
        for threads in {
            *self._threads.values(),
            self._reading_threads,
            self._polling_threads,
        }:
            threads.shutdown(wait=False, cancel_futures=True)
        self.http.client.close()


def rows_of(result: dict[str, Any]) -> list[Any]:
    """The answer's list. A missing list is not an empty one: "no positions" must have been said.
    Raises Unavailable."""
    rows = result.get("list")
    if not isinstance(rows, list):
        raise unanswered("the answer holds no list", is_write=False)
    return rows


def parsed(parse: Callable[[list[Any]], Parsed], rows: list[Any]) -> Parsed:
    """Rows that cannot be read make the whole answer unread, never a shorter list. Raises
    Unavailable."""
    try:
        return parse(rows)
    except msgspec.ValidationError as fault:
        raise unanswered(f"the answer cannot be read ({fault})", is_write=False) from None


class _ClockRefused(Exception):
    """A definite no: the time stamp was outside of its window, so nothing else was looked at.
    `offset_ms` is what to add to this machine's clock, `refusal` the sentence for the trader."""

    def __init__(self, offset_ms: int, refusal: ExchangeError) -> None:
        super().__init__(refusal.text)
        self.offset_ms = offset_ms
        self.refusal = refusal


class _Http(HTTP):  # type: ignore[misc]
    """pybit's client; as a dataclass it would print key and secret in its repr. Requests are
    signed by this machine's clock, which may be wrong, plus `clock_offset_ms`."""

    clock_offset_ms = 0

    def _prepare_headers(
        self, payload: str | bytes, recv_window: int, content_type: str = "application/json"
    ) -> dict[str, str]:
        headers: dict[str, str] = super()._prepare_headers(payload, recv_window, content_type)
        if self.clock_offset_ms:
            time_ms = int(headers["X-BAPI-TIMESTAMP"]) + self.clock_offset_ms
            headers["X-BAPI-TIMESTAMP"] = str(time_ms)
            headers["X-BAPI-SIGN"] = self._auth(payload, recv_window, time_ms)
        return headers

    def __repr__(self) -> str:
        return f"pybit client of {self.endpoint}"


def _cause(fault: Exception) -> str:
    """Transport faults by their kind: their texts hold URLs and addresses of objects."""
    name = type(fault).__name__
    return {
        "ReadTimeout": "no answer in time",
        "ConnectTimeout": "the connection could not be made in time",
        "ConnectionError": "the connection failed",
        "SSLError": "the host's certificate could not be verified",
    }.get(name, f"the request failed ({name})")
