"""What exchanges say about their limits in the headers of an answer, as plain numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

import msgspec

from core.limits.published_limits import ADDRESS


class Reading(msgspec.Struct, frozen=True):
    """State of one window at the moment of the answer. None: not said.

    `limit` "" is the request's own limit (the account's, where it has one), `interval_ms` 0 its
    only window. `used` or `remaining` tokens; `tokens` is what the window really holds.
    """

    limit: str = ""
    interval_ms: int = 0
    tokens: int | None = None
    used: int | None = None
    remaining: int | None = None
    reset_in_ms: int | None = None


def read_bybit(headers: Mapping[str, str]) -> list[Reading]:
    """Per account and endpoint. The reset moment counts from the exchange's own `Timenow`, never
    from a clock here; it says something only after a refusal, else it is the present."""
    tokens, remaining = _number(headers, "x-bapi-limit"), _number(headers, "x-bapi-limit-status")
    if not tokens or remaining is None:
        return []
    reset_ms = _number(headers, "x-bapi-limit-reset-timestamp")
    now_ms = _number(headers, "timenow")
    reset_in_ms = None
    if reset_ms is not None and now_ms is not None and reset_ms > now_ms:
        reset_in_ms = reset_ms - now_ms
    return [Reading(tokens=tokens, remaining=remaining, reset_in_ms=reset_in_ms)]


def read_binance(headers: Mapping[str, str]) -> list[Reading]:
    """Weight of the address in this minute, orders of the account in this window."""
    windows = (
        ("x-mbx-used-weight-1m", ADDRESS, 60_000),
        ("x-mbx-order-count-10s", "order", 10_000),
        ("x-mbx-order-count-1m", "order", 60_000),
    )
    return [
        Reading(limit=limit, interval_ms=interval_ms, used=used)
        for name, limit, interval_ms in windows
        if (used := _number(headers, name)) is not None
    ]


def read_upbit(headers: Mapping[str, str]) -> list[Reading]:
    """`Remaining-Req: group=default; min=1800; sec=29`; the minute's number is out of use."""
    for part in headers.get("remaining-req", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == "sec" and value.isdecimal():
            return [Reading(remaining=int(value))]
    return []


HEADER_READERS: dict[str, Callable[[Mapping[str, str]], list[Reading]]] = {
    "bybit": read_bybit,
    "binance": read_binance,
    "upbit": read_upbit,
}


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After` asks for, never negative; None where it says nothing readable.
    A date counts from the exchange's own `Date`."""
    lower = {name.lower(): value for name, value in headers.items()}
    word = lower.get("retry-after", "").strip()
    if word.isdecimal():
        return float(word)
    until, now = _date(word), _date(lower.get("date", ""))
    return max(0.0, (until - now).total_seconds()) if until and now else None


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def _number(headers: Mapping[str, str], name: str) -> int | None:
    value = headers.get(name, "")
    return int(value) if value.isdecimal() else None
