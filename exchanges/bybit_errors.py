"""What Bybit's refusals mean, in one table: definite, duplicate, unknown, or come back later.

Sources: Bybit's error page (docs/v5/error.mdx) for the meaning of each code; a request is taken
as *unknown* wherever that page does not exclude that the order was accepted, because a wrong "no"
opens a second position and a wrong "perhaps" costs one question. Everything that is not in the
table is a definite no: Bybit answers HTTP 200 with a code only after it has looked at the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from core.exchange_port import (
    DuplicateOrder,
    ExchangeError,
    OutcomeUnknown,
    RateLimited,
    RequestRejected,
    Unavailable,
)
from core.limits.limit_headers import retry_after_s

IP_BAN_S = 600.0  # docs/v5/rate-limit.mdx: "terminate all HTTP sessions and wait 10 minutes"
DEFAULT_RETRY_S = 1.0  # limits per UID are counted by the second
LONGEST_RETRY_S = 60.0  # a reset further off than this is a wrong clock, not a limit

# derivatives; spot; the order id itself; and what older versions of the interface said
DUPLICATE_ID = frozenset({110072, 170141, 110030, 140030, 12141, 30001})
UNKNOWN_OUTCOME = {
    429: "the trading service is overloaded",
    5004: "Bybit's server timed out",
    10000: "Bybit's server timed out",
    10014: "Bybit has had this request before",  # and does not say what became of it
    10016: "Bybit reported an internal error",
    10019: "Bybit's trade service is restarting",
    10429: "the trading service is overloaded",
    170001: "Bybit reported an internal error",
    170007: "Bybit's server timed out",
    170032: "Bybit reported a network error",
    170035: "Bybit is still processing the request",
    170146: "creating the order timed out at Bybit",
    170147: "cancelling the order timed out at Bybit",
    170212: "Bybit is still processing the request",
    170234: "Bybit reported a system error",
    170310: "changing the order timed out at Bybit",
    340099: "Bybit reported a server error",
    3400214: "Bybit reported a server error",
}
RATE_LIMITED = frozenset({10006, 10018, 30035, 170222})  # per UID, per IP; cancels; spot
ADDRESS_REFUSED = frozenset({"10018"})  # nothing at all may leave this machine
_ADDRESS_STATUSES = frozenset({403, 418})
NOT_MODIFIED = frozenset(
    {
        34040,  # trading-stop: not modified
        110025,  # position mode
        110026,  # margin mode
        110043,  # leverage
    }
)
ORDER_NOT_EXISTS = 110001

_SENTENCES = {
    10002: "This computer's clock is too far from Bybit's; synchronise it and try again.",
    10003: "Bybit does not know this API key; check the key and that it belongs to this host.",
    10004: "Bybit refused the signature; the API secret does not belong to this key.",
    10005: "The API key lacks a permission; allow orders and positions for contracts at Bybit.",
    10007: "Bybit could not authenticate the user of this API key.",
    10010: "This machine's IP address is not on the API key's list at Bybit.",
    10024: "Bybit's compliance rules do not allow this account to do that.",
    33004: "The API key has expired; make a new one at Bybit.",
    110001: "order not exists: it may be filled or cancelled already.",
    110004: "The wallet balance at Bybit is not enough for this order.",
    110007: "The available balance at Bybit is not enough for this order.",
    110012: "The available balance at Bybit is not enough for this order.",
    110013: "Bybit's risk limit does not allow this leverage.",
    110017: "Bybit refused a reduce-only order that would not reduce the position.",
    110044: "The available margin at Bybit is not enough for this order.",
    110045: "The wallet balance at Bybit is not enough for this order.",
    110074: "Bybit does not trade this contract now.",
    110094: "The order's value is below Bybit's minimum.",
}


def error_for_code(
    code: int,
    message: str,
    headers: Mapping[str, str],
    *,
    unix_time_ms: int,
    is_write: bool,
) -> ExchangeError | None:
    """The error behind `retCode`; None when the code means success in effect.

    `unix_time_ms` is this machine's time, for answers that do not state the server's.
    """
    name = str(code)
    if code in NOT_MODIFIED:
        return None
    if code in DUPLICATE_ID:
        return DuplicateOrder("This client order id has already reached Bybit.", name)
    if code in RATE_LIMITED:
        return RateLimited(
            "Bybit's request limit is reached.", name, _seconds_to_reset(headers, unix_time_ms)
        )
    cause = UNKNOWN_OUTCOME.get(code)
    if cause is not None:
        return unanswered(cause, name, is_write=is_write)
    return RequestRejected(_SENTENCES.get(code, f"Bybit refused: {message} ({code})."), name)


class Hold(NamedTuple):
    """Nothing of this kind may leave for so long; nothing at all if `is_address`."""

    is_address: bool
    seconds: float


def hold_for_http_status(status: int, headers: Mapping[str, str]) -> Hold | None:
    """What a refusal by HTTP status forbids; None: nothing. `Retry-After` wins."""
    if status in _ADDRESS_STATUSES:
        return Hold(True, retry_after_s(headers) or IP_BAN_S)
    if status == 429:
        return Hold(False, retry_after_s(headers) or DEFAULT_RETRY_S)
    return None


def error_for_http_status(
    status: int, headers: Mapping[str, str], *, is_write: bool
) -> ExchangeError:
    """The error behind an HTTP status other than 200."""
    name = f"HTTP {status}"
    if status == 401:
        return RequestRejected("Bybit refused the API key (HTTP 401).", name)
    hold = hold_for_http_status(status, headers)
    if hold is not None and hold.is_address:
        return RateLimited(
            f"Bybit refuses this IP address ({name}): too many requests, or a country it does "
            "not serve.",
            name,
            hold.seconds,
        )
    return unanswered(f"Bybit answered HTTP {status}", name, is_write=is_write)


def unanswered(cause: str, code: str = "", *, is_write: bool) -> ExchangeError:
    """No answer that could be trusted: ask about an order, repeat a read."""
    if is_write:
        return OutcomeUnknown(f"Nobody knows whether Bybit accepted the request: {cause}.", code)
    return Unavailable(f"Bybit could not be read: {cause}.", code)


def _seconds_to_reset(headers: Mapping[str, str], unix_time_ms: int) -> float:
    """Real seconds until the stated reset, never negative. The server's own time wins over
    this machine's: the two may differ by more than the limit's whole window."""
    try:
        reset_ms = int(headers["X-Bapi-Limit-Reset-Timestamp"])
        now_ms = int(headers.get("Timenow", unix_time_ms))
    except (KeyError, ValueError):
        return DEFAULT_RETRY_S
    return min(max(0.0, (reset_ms - now_ms) / 1000), LONGEST_RETRY_S)
