"""What exchanges say about their limits in the headers of an answer, as plain numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec


class HeaderReading(msgspec.Struct, frozen=True):
    """State of the limit that the request drew on, at the moment of the answer.

    `reset_in_ms` is None where the exchange gave no moment that its own clock explains.
    """

    tokens: int
    remaining: int
    reset_in_ms: int | None = None


def read_bybit(headers: Mapping[str, str]) -> HeaderReading | None:
    """Per account and endpoint. The reset moment counts from the exchange's own `Timenow`, never
    from a clock here, and may already be past (then 0)."""
    try:
        tokens = int(headers["x-bapi-limit"])
        remaining = int(headers["x-bapi-limit-status"])
    except (KeyError, ValueError):
        return None
    reset_in_ms = None
    try:
        reset_in_ms = int(headers["x-bapi-limit-reset-timestamp"]) - int(headers["timenow"])
    except (KeyError, ValueError):
        pass
    else:
        reset_in_ms = max(0, reset_in_ms)
    return HeaderReading(tokens, remaining, reset_in_ms) if tokens > 0 else None


HEADER_READERS: dict[str, Callable[[Mapping[str, str]], HeaderReading | None]] = {
    "bybit": read_bybit,
}
