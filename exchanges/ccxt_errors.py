"""How a call through ccxt ended, in the port's words. The exchange's own answer decides; ccxt's
class of exception does not: it files a duplicate id under "invalid order", and an unknown outcome
under "error"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import ccxt

from core.exchange_port import (
    DuplicateOrder,
    ExchangeError,
    OutcomeUnknown,
    RateLimited,
    RequestRejected,
    Unavailable,
)
from core.limits.limit_headers import retry_after_s
from exchanges.ccxt_quirks import Quirks

DEFAULT_RETRY_S = 1.0
BAN_S = 120.0  # the shortest that Binance publishes; where none is stated


class Reply(NamedTuple):
    """An HTTP answer; `body` is None where it is no JSON."""

    status: int
    headers: Mapping[str, str]
    body: Any


def error_behind(
    quirks: Quirks,
    fault: Exception,
    reply: Reply | None,
    *,
    is_write: bool,
    has_left: bool,
    redact: Callable[[str], str],
) -> ExchangeError | None:
    """None: success in effect ("nothing to change"). `reply`: None where none came. `has_left`: a
    request was on its way; `is_write`: it may have changed something."""
    if reply is None:
        return _without_reply(quirks.title, fault, is_write, has_left, redact)
    code = quirks.code_of(reply.body)
    if reply.status in quirks.ban_statuses or reply.status == 429 or code in quirks.rate_limited:
        return _rate_limited(quirks, reply, code)
    if reply.body is None:
        return _by_status(quirks.title, reply.status, is_write=is_write)
    if code in quirks.unchanged:
        return None
    message = redact(_in_one_line(quirks.text_of(reply.body)))
    return _by_code(quirks, code, message, reply.status, is_write=is_write)


def _without_reply(
    title: str, fault: Exception, is_write: bool, has_left: bool, redact: Callable[[str], str]
) -> ExchangeError:
    is_ours = isinstance(fault, ccxt.BaseError) and not isinstance(fault, ccxt.NetworkError)
    if is_ours and not has_left:
        text = redact(_in_one_line(str(fault)))
        return RequestRejected(f"{title} cannot be asked that: {text}", "ccxt")
    return unanswered(title, _transport_cause(fault), is_write=is_write)


def _by_code(
    quirks: Quirks, code: str, message: str, status: int, *, is_write: bool
) -> ExchangeError:
    title, name = quirks.title, code or f"HTTP {status}"
    if code in quirks.landed and is_write:
        return DuplicateOrder(f"This client order id has already reached {title}.", code)
    if code in quirks.unknown or status >= 500:
        cause = f"it answered {message or 'an internal error'} ({name})"
        return unanswered(title, cause, name, is_write=is_write)
    if not code and status < 400:  # all was well there, and ccxt could not read it
        return unanswered(title, "the answer could not be read", is_write=is_write)
    return _definite_no(quirks, name, message)


def unanswered(title: str, cause: str, code: str = "", *, is_write: bool) -> ExchangeError:
    """No answer that could be trusted: ask about an order, repeat a read."""
    if is_write:
        return OutcomeUnknown(f"Nobody knows whether {title} accepted the request: {cause}.", code)
    return Unavailable(f"{title} could not be read: {cause}.", code)


def _rate_limited(quirks: Quirks, reply: Reply, code: str) -> RateLimited:
    status, stated_s = reply.status, retry_after_s(reply.headers)
    if status in quirks.ban_statuses:
        text = f"{quirks.title} refuses this IP address (HTTP {status})."
        return RateLimited(text, f"HTTP {status}", stated_s or BAN_S)
    text = f"{quirks.title}'s request limit is reached."
    return RateLimited(text, code or f"HTTP {status}", stated_s or DEFAULT_RETRY_S)


def _by_status(title: str, status: int, *, is_write: bool) -> ExchangeError:
    if status == 401:
        return RequestRejected(f"{title} refused the API key (HTTP 401).", "HTTP 401")
    if status == 200:
        return unanswered(title, "the answer was not JSON", is_write=is_write)
    return unanswered(title, f"it answered HTTP {status}", f"HTTP {status}", is_write=is_write)


def _definite_no(quirks: Quirks, code: str, message: str) -> RequestRejected:
    title = quirks.title
    if code in quirks.no_money:
        text = f"The available balance at {title} is not enough for this order."
    elif code in quirks.missing:
        text = "order not exists: it may be filled or cancelled already."
    elif code in quirks.bad_key:
        text = f"{title} refused the API key: {message or code}; check key, rights and IP list."
    else:
        text = f"{title} refused: {message or 'no reason given'} ({code})."
    return RequestRejected(text, code)


def _transport_cause(fault: Exception) -> str:
    """By its kind: the texts hold URLs, and signed ones their signature."""
    match fault:
        case ccxt.RequestTimeout():
            return "no answer in time"
        case ccxt.NetworkError():
            return "the connection failed"
        case _:
            return f"the request failed ({type(fault).__name__})"


def _in_one_line(text: str) -> str:
    return " ".join(text.split())[:200]
