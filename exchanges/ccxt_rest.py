"""ccxt's REST, held on a short lead: one call is one request per HTTP request it needs, each under
the limiter, none repeated, none redirected, and every outcome is one of ours.

ccxt knows how each exchange signs, names and spells; what it does not do safely is switched off
or taken over here: its own rate limiter (per object, at other figures), its retries, its silence
about a page of HTML with status 200, which it reads as an empty list.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
import ccxt.async_support as ccxt

from core.clock import Clock
from core.exchange_port import ExchangeError, RateLimited, RequestRejected
from core.limits.limit_headers import retry_after_s
from exchanges.ccxt_errors import BAN_S, DEFAULT_RETRY_S, Reply, error_behind
from exchanges.ccxt_quirks import Quirks
from exchanges.credentials import Credentials
from exchanges.request_limiter import ADDRESS, Family, Priority, RequestLimiter, RequestTurn

log = logging.getLogger(__name__)

LONGEST_HOLD_S = 5.0  # an order that waited longer for its turn was meant for another market
LONGEST_READ_HOLD_S = 30.0  # a question that would wait longer is told so: nobody waits in silence
Answer = TypeVar("Answer")


class Asked:
    """One call of ours: what it is, and how its last HTTP request ended."""

    def __init__(
        self,
        family: Family,
        *,
        is_write: bool,
        tokens: int = 1,
        priority: Priority | None = None,
        owner: str | None = None,
    ) -> None:
        self.family = family
        self.is_write = is_write
        self.tokens = tokens
        self.priority = priority
        self.owner = owner
        self.has_left = False  # something that may change the account is on its way
        self.reply: Reply | None = None  # to its last HTTP request

    def begin(self, method: str) -> None:
        self.has_left = self.has_left or method != "GET"
        self.reply = None


class NotJson(Exception):
    """An answer without meaning: a maintenance page, a proxy's words."""


class Refused(Exception):
    """Nothing was sent: our limiter says so, or the request would go to a foreign host."""

    def __init__(self, error: ExchangeError) -> None:
        super().__init__(error.text)
        self.error = error


_asked: ContextVar[Asked] = ContextVar("asked")


class CcxtRest:
    """Owns one ccxt client, whose methods are called through `read` and `write`."""

    def __init__(
        self,
        quirks: Quirks,
        *,
        credentials: Credentials | None,
        clock: Clock,
        limiter: RequestLimiter,
        rest_url: str = "",
        timeout_s: float = 10.0,
    ) -> None:
        self.quirks = quirks
        self._credentials = credentials
        self._clock = clock
        self._limiter = limiter
        self._session = _OneRequest()
        self.client = self._make_client(rest_url.rstrip("/"), timeout_s)

    async def read(
        self, family: Family, method: Callable[[Any], Awaitable[Answer]], *, tokens: int = 1
    ) -> Answer:
        """What `method(client)` answers. Raises Unavailable, RateLimited, RequestRejected."""
        answer: Answer = await self.call(Asked(family, is_write=False, tokens=tokens), method)
        return answer

    async def write(
        self,
        family: Family,
        method: Callable[[Any], Awaitable[Answer]],
        *,
        priority: Priority | None = None,
        owner: str | None = None,
    ) -> Answer | None:
        """The same for an instruction, sent once; None where the exchange says that nothing had to
        be changed. Raises RequestRejected, DuplicateOrder, RateLimited, OutcomeUnknown."""
        asked = Asked(family, is_write=True, priority=priority, owner=owner)
        answer: Answer | None = await self.call(asked, method)
        return answer

    async def call(self, asked: Asked, method: Callable[[Any], Awaitable[Answer]]) -> Any:
        """Run `method` as what `asked` says; afterwards `asked` tells how it was answered."""
        token = _asked.set(asked)
        try:
            return await method(self.client)
        except Refused as refusal:
            raise refusal.error from None
        except Exception as fault:
            if not isinstance(fault, ccxt.BaseError | NotJson):
                log.info("ccxt failed on an answer of %s", self.quirks.title, exc_info=True)
            error = self._error(asked, fault)
            if error is None:
                return None
            raise error from None
        finally:
            _asked.reset(token)

    def _error(self, asked: Asked, fault: Exception) -> ExchangeError | None:
        return error_behind(
            self.quirks,
            fault,
            asked.reply,
            # before anything has left, a fault of ccxt itself is a definite no
            is_write=asked.is_write and asked.has_left,
            has_left=asked.has_left,
            redact=self._credentials.redact if self._credentials else str,
        )

    # ---- what the client calls for each HTTP request

    async def turn(self, asked: Asked) -> RequestTurn:
        """Raises Refused."""
        hold_s = self._limiter.get_wait_time(asked.family, priority=asked.priority)
        if not asked.is_write and hold_s <= LONGEST_READ_HOLD_S:
            return await self._limiter.wait(asked.family, asked.tokens)
        try:
            if not asked.is_write or hold_s > LONGEST_HOLD_S:
                raise TimeoutError
            async with asyncio.timeout(LONGEST_HOLD_S):
                return await self._limiter.wait(
                    asked.family, priority=asked.priority, owner=asked.owner
                )
        except TimeoutError:
            hold_s = max(hold_s, LONGEST_HOLD_S)
            text = f"Held back by the request limit for {hold_s:.0f} s; nothing was sent."
            raise Refused(RateLimited(text, retry_after_s=hold_s)) from None

    def note(self, asked: Asked, status: int, headers: Mapping[str, str], text: str) -> None:
        """An answer has come: learn from it before ccxt makes of it what it will."""
        try:
            body = json.loads(text)
        except ValueError:
            body = None
        asked.reply = Reply(status, headers, body)
        self._limiter.correct(asked.family, headers)
        if status in self.quirks.ban_statuses:
            self._limiter.penalise(ADDRESS, retry_after_s(headers) or BAN_S)
        elif status == 429 or self.quirks.code_of(body) in self.quirks.rate_limited:
            held = ADDRESS if self.quirks.limit_is_of_address else asked.family
            self._limiter.penalise(held, retry_after_s(headers) or DEFAULT_RETRY_S)

    async def stop(self) -> None:
        await self.client.close()
        await self._session.close()

    # ---- making the client

    def _make_client(self, rest_url: str, timeout_s: float) -> Any:
        kind = getattr(ccxt, self.quirks.ccxt_id)
        client = type(kind.__name__, (_Metered, kind), {})(
            {
                "session": self._session,
                "enableRateLimit": False,
                "timeout": round(timeout_s * 1000),
                "options": {"maxRetriesOnFailure": 0, **self.quirks.options},
            }
        )
        client.rest = self
        client.timeout_on_exit = 0  # the session is ours and is closed by us
        client.milliseconds = self._clock.time_ms  # requests are stamped with the exchange's time
        client.number = str  # exact: what the exchange wrote, for `Decimal`
        client.has["fetchCurrencies"] = False  # networks and deposits: another key's right
        if self._credentials is not None:
            client.apiKey = self._credentials.api_key
            client.secret = self._credentials.api_secret
            client.password = self._credentials.passphrase or None
        if rest_url:
            client.urls["api"] = _redirected(client.urls["api"], rest_url)
        client.hostname = client.hostname or ""
        api_urls = client.implode_hostname(json.dumps(client.urls["api"]))
        self._session.hosts = frozenset(_hosts(json.loads(api_urls)))
        return client


class _Metered:
    """Mixed into ccxt's class of an exchange: every HTTP request of it comes through here."""

    rest: CcxtRest

    async def fetch(
        self, url: str, method: str = "GET", headers: Any = None, body: Any = None
    ) -> Any:
        asked = _asked.get()
        turn = await self.rest.turn(asked)
        asked.begin(method)
        try:
            answer = await super().fetch(url, method, headers, body)  # type: ignore[misc]
        finally:
            turn.end()
        if asked.reply is None or asked.reply.body is None:
            raise NotJson
        return answer

    def on_rest_response(self, *answer: Any) -> str:
        """ccxt's hook: status, reason, url, method, headers, body of the answer, then the request's
        headers and body."""
        status, _reason, _url, _method, headers, body, *_request = answer
        text = str(body).strip()
        self.rest.note(_asked.get(), status, headers, text)
        return text


class _OneRequest:
    """What ccxt uses of an aiohttp session. A signed request goes to the exchange's own hosts, by
    no proxy of the environment, and a redirect is an answer and not a second request."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}  # ccxt adds the session's: there are none
        self.hosts: frozenset[str] = frozenset()
        self._session: aiohttp.ClientSession | None = None

    def _request(self, method: str, url: Any, **rest: Any) -> Any:
        host = f"{url.host}:{url.port}"
        if host not in self.hosts:
            text = f"A request was about to go to {url.host}, which is not the exchange's."
            raise Refused(RequestRejected(text))
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False)
        return self._session.request(method, url, allow_redirects=False, **rest)

    def get(self, url: Any, **rest: Any) -> Any:
        return self._request("GET", url, **rest)

    def post(self, url: Any, **rest: Any) -> Any:
        return self._request("POST", url, **rest)

    def put(self, url: Any, **rest: Any) -> Any:
        return self._request("PUT", url, **rest)

    def delete(self, url: Any, **rest: Any) -> Any:
        return self._request("DELETE", url, **rest)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def _redirected(urls: Any, base: str) -> Any:
    """Every address of ccxt's table moved to `base`, paths kept (a testnet, a local server)."""
    if isinstance(urls, dict):
        return {name: _redirected(url, base) for name, url in urls.items()}
    scheme, _, rest = str(urls).partition("://")
    if scheme not in ("http", "https"):
        return urls
    _, slash, path = rest.partition("/")
    return base + slash + path


def _hosts(urls: Any) -> list[str]:
    if isinstance(urls, dict):
        return [host for url in urls.values() for host in _hosts(url)]
    parts = urlsplit(str(urls))
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    return [f"{parts.hostname}:{port}"]
