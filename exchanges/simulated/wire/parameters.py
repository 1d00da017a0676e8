"""Reads request parameters; what cannot be read is refused as Bybit refuses it (10001).

A value may arrive as text (query string, pybit, ccxt) or as a JSON number; "" means not given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from exchanges.simulated.venue import Venue
from exchanges.simulated.wire.errors import BybitError

Params = Mapping[str, Any]
Json = dict[str, Any]
T = TypeVar("T")

_CATEGORIES = frozenset({"linear", "inverse", "spot", "option"})
_WEEK_MS = 7 * 86_400_000


def bad_parameter(what: str) -> BybitError:
    return BybitError(10001, f"params error: {what}")


def string(params: Params, name: str) -> str:
    """The value as text, "" when absent."""
    value = params.get(name)
    return "" if value is None else str(value)


def required(params: Params, name: str) -> str:
    value = string(params, name)
    if not value:
        raise bad_parameter(f"{name} is missing")
    return value


def one_of(params: Params, name: str, words: Mapping[str, T], default: T | None = None) -> T:
    """The value translated by a table of Bybit's words."""
    value = string(params, name)
    if not value and default is not None:
        return default
    if value not in words:
        raise bad_parameter(f"{name} is invalid")
    return words[value]


def decimal(params: Params, name: str) -> Decimal | None:
    """An exact number that is not negative, None when absent."""
    value = string(params, name)
    if not value:
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise bad_parameter(f"{name} is not a number") from None
    if not number.is_finite() or number < 0:
        raise bad_parameter(f"{name} is invalid")
    return number


def price(params: Params, name: str) -> Decimal | None:
    """As `decimal`; zero means not given."""
    return decimal(params, name) or None


def integer(params: Params, name: str, default: int) -> int:
    value = string(params, name)
    if not value:
        return default
    try:
        return int(value)
    except ValueError:
        raise bad_parameter(f"{name} is not an integer") from None


def limit(params: Params, *, default: int, most: int) -> int:
    """`limit` of a list, brought into 1..most."""
    return max(1, min(most, integer(params, "limit", default)))


def sequence_cursor(params: Params) -> str:
    """`cursor` of a list that the venue pages: a sequence number, "" for the first page."""
    cursor = string(params, "cursor")
    if cursor and not cursor.isdecimal():
        raise bad_parameter("cursor is invalid")
    return cursor


def flag(params: Params, name: str) -> bool:
    return string(params, name).lower() == "true"


def category(params: Params) -> str:
    """`category`, which must be one of Bybit's."""
    word = required(params, "category")
    if word not in _CATEGORIES:
        raise bad_parameter("category is invalid")
    return word


def require_linear(params: Params) -> None:
    if category(params) != "linear":
        raise bad_parameter("only category linear is traded here")


def empty_elsewhere(answer: Callable[[str, Params], Json]) -> Callable[[str, Params], Json]:
    """For a list: nothing is held or done in categories other than linear, and that is no error
    (clients that look at every category ask for them all)."""

    def answered(api_key: str, params: Params) -> Json:
        word = category(params)
        if word != "linear":
            return {"category": word, "list": [], "nextPageCursor": ""}
        return answer(api_key, params)

    return answered


def known_symbol(venue: Venue, params: Params) -> str:
    """`symbol`, which must be given and exist."""
    symbol = required(params, "symbol")
    if symbol not in venue.instruments:
        raise bad_parameter(f"symbol invalid {symbol}")
    return symbol


def optional_symbol(venue: Venue, params: Params) -> str | None:
    return known_symbol(venue, params) if string(params, "symbol") else None


def scope_symbol(venue: Venue, params: Params) -> str | None:
    """`symbol`, or None for every symbol when `settleCoin` or `baseCoin` is given instead."""
    symbol = optional_symbol(venue, params)
    if symbol is None and not (string(params, "settleCoin") or string(params, "baseCoin")):
        raise bad_parameter("symbol or settleCoin or baseCoin is needed")
    return symbol


def week(params: Params, now_ms: int) -> tuple[int, int]:
    """`startTime` and `endTime` by Bybit's rule: at most seven days, the last seven by default."""
    start_ms = integer(params, "startTime", 0)
    end_ms = integer(params, "endTime", 0)
    if start_ms and end_ms:
        if end_ms < start_ms:
            raise bad_parameter("startTime is after endTime")
        if end_ms - start_ms > _WEEK_MS:
            raise bad_parameter("the time range is above 7 days")
        return start_ms, end_ms
    if start_ms:
        return start_ms, start_ms + _WEEK_MS
    end_ms = end_ms or now_ms
    return end_ms - _WEEK_MS, end_ms


def newest_first_page(
    items: list[T], key: Callable[[T], tuple[int, str]], cursor: str, size: int
) -> tuple[list[T], str]:
    """One page of a list that may change between calls: the cursor is the last key shown."""
    ordered = sorted(items, key=key, reverse=True)
    if cursor:
        time_text, _, name = cursor.partition("_")
        if not time_text.isdigit():
            raise bad_parameter("cursor is invalid")
        ordered = [item for item in ordered if key(item) < (int(time_text), name)]
    page = ordered[:size]
    if len(ordered) <= size:
        return page, ""
    time_ms, name = key(page[-1])
    return page, f"{time_ms}_{name}"
