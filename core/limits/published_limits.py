"""What each exchange allows, in its own published numbers, with the source of each row.

A *limit* is a budget with one or more windows, counted for this machine's address or for each
account. A *family* is a kind of request: which limits one of them draws on, and how heavily (an
order on Bybit counts once for the account and once for the address; all open orders of Binance
weigh 40). Families have the same names for every exchange, so that an adapter says what it does
and the table says what it costs.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

import msgspec

from core.limits.priority import Priority

ADDRESS = "address"  # the limit on everything that leaves this machine


class Family(enum.StrEnum):
    MARKET = "market"  # candles, the clock; every other public question without a name of its own
    INSTRUMENTS = "instruments"
    TICKERS = "tickers"  # of all symbols at once
    ORDER_CREATE = "order_create"
    ORDER_AMEND = "order_amend"
    ORDER_CANCEL = "order_cancel"
    ORDER_READ = "order_read"  # one order
    OPEN_ORDERS = "open_orders"  # of all symbols
    ORDER_HISTORY = "order_history"
    FILLS = "fills"
    BOOKINGS = "bookings"  # what changed the balance
    POSITIONS = "positions"
    BALANCE = "balance"
    ACCOUNT = "account"  # modes, permissions
    LEVERAGE = "leverage"
    PROTECTION = "protection"  # stop loss and take profit of a position


USUAL_PRIORITY = {
    Family.MARKET: Priority.DATA,
    Family.INSTRUMENTS: Priority.DATA,
    Family.TICKERS: Priority.DATA,
    Family.ORDER_CREATE: Priority.ORDER,
    Family.ORDER_AMEND: Priority.ORDER,
    Family.ORDER_CANCEL: Priority.EXIT,
    Family.ORDER_READ: Priority.RECONCILIATION,
    Family.OPEN_ORDERS: Priority.RECONCILIATION,
    Family.ORDER_HISTORY: Priority.RECONCILIATION,
    Family.FILLS: Priority.RECONCILIATION,
    Family.BOOKINGS: Priority.RECONCILIATION,
    Family.POSITIONS: Priority.RECONCILIATION,
    Family.BALANCE: Priority.RECONCILIATION,
    Family.ACCOUNT: Priority.RECONCILIATION,
    Family.LEVERAGE: Priority.ORDER,
    Family.PROTECTION: Priority.EXIT,
}
MAY_EXIT = frozenset(
    {Family.ORDER_CREATE, Family.ORDER_AMEND, Family.ORDER_CANCEL, Family.PROTECTION}
)


class Scope(enum.StrEnum):
    IP = "ip"
    ACCOUNT = "account"


class Window(NamedTuple):
    """At most `tokens` in any `interval_ms`."""

    tokens: int
    interval_ms: int


class PublishedLimit(msgspec.Struct, frozen=True):
    scope: Scope
    windows: tuple[Window, ...]


class ExchangeLimits(msgspec.Struct, frozen=True):
    """`families`: for each family the limits that one request draws on, and its weight in each."""

    limits: dict[str, PublishedLimit]
    families: dict[Family, dict[str, int]]
    source: str


def _ip(tokens: int, interval_ms: int) -> PublishedLimit:
    return PublishedLimit(Scope.IP, (Window(tokens, interval_ms),))


def _account(*windows: tuple[int, int]) -> PublishedLimit:
    return PublishedLimit(Scope.ACCOUNT, tuple(Window(*window) for window in windows))


_PUBLIC = (Family.MARKET, Family.INSTRUMENTS, Family.TICKERS)
_PRIVATE = tuple(family for family in Family if family not in _PUBLIC)


def _per_endpoint(tokens: dict[Family, int], interval_ms: int) -> dict[str, PublishedLimit]:
    """One limit for each family, counted for each account, named like the family."""
    return {family.value: _account((count, interval_ms)) for family, count in tokens.items()}


_BYBIT = _per_endpoint(
    {
        Family.ORDER_CREATE: 10,  # linear; the header tells a VIP's own
        Family.ORDER_AMEND: 10,
        Family.ORDER_CANCEL: 10,
        Family.ORDER_READ: 50,  # /v5/order/realtime, as the next
        Family.ORDER_HISTORY: 50,
        Family.FILLS: 50,  # /v5/execution/list
        Family.BOOKINGS: 25,  # /v5/account/transaction-log
        Family.POSITIONS: 50,
        Family.BALANCE: 50,
        Family.ACCOUNT: 10,  # the tightest of its endpoints, /v5/user/query-api
        Family.LEVERAGE: 10,
        Family.PROTECTION: 10,  # /v5/position/trading-stop
    },
    1_000,
)
_OKX = {
    # Every endpoint counts for itself. Orders count per instrument there: ours count together.
    "market": _ip(40, 2_000),  # candles; older ones, 20, cost two
    "instruments": _ip(20, 2_000),
    "tickers": _ip(20, 2_000),
    **_per_endpoint(
        {
            Family.ORDER_CREATE: 60,
            Family.ORDER_AMEND: 60,
            Family.ORDER_CANCEL: 60,
            Family.ORDER_READ: 60,
            Family.OPEN_ORDERS: 20,  # of conditional orders; 60 of the others
            Family.ORDER_HISTORY: 20,
            Family.FILLS: 10,
            Family.BOOKINGS: 10,
            Family.POSITIONS: 10,
            Family.BALANCE: 10,
            Family.ACCOUNT: 5,
            Family.LEVERAGE: 20,
            Family.PROTECTION: 20,  # conditional orders placed, changed, withdrawn
        },
        2_000,
    ),
}
_BITGET = {
    ADDRESS: _ip(6_000, 60_000),
    "market": _ip(20, 1_000),  # candles, as the next two
    "instruments": _ip(20, 1_000),
    "tickers": _ip(20, 1_000),
    **_per_endpoint(
        {
            Family.ORDER_CREATE: 10,
            Family.ORDER_AMEND: 10,
            Family.ORDER_CANCEL: 10,
            Family.ORDER_READ: 10,
            Family.OPEN_ORDERS: 10,
            Family.ORDER_HISTORY: 10,
            Family.FILLS: 10,
            Family.BOOKINGS: 10,
            Family.POSITIONS: 5,
            Family.BALANCE: 10,
            Family.ACCOUNT: 1,
            Family.LEVERAGE: 5,
            Family.PROTECTION: 10,
        },
        1_000,
    ),
}
_BINGX = {
    "market": _ip(500, 10_000),  # all public questions together
    ADDRESS: _ip(2_000, 10_000),  # all private ones
    **_per_endpoint(
        {
            Family.ORDER_CREATE: 10,
            Family.ORDER_AMEND: 5,
            Family.ORDER_CANCEL: 5,
            Family.ORDER_READ: 5,
            Family.OPEN_ORDERS: 5,
            Family.ORDER_HISTORY: 5,
            Family.FILLS: 5,
            Family.BOOKINGS: 5,
            Family.POSITIONS: 5,
            Family.BALANCE: 5,
            Family.ACCOUNT: 2,
            Family.LEVERAGE: 2,
            Family.PROTECTION: 5,
        },
        1_000,
    ),
}

PUBLISHED_LIMITS: dict[str, ExchangeLimits] = {
    "bybit": ExchangeLimits(
        limits={ADDRESS: _ip(600, 5_000), **_BYBIT},  # beyond: HTTP 403 for ten minutes; 10006
        families={
            **{family: {ADDRESS: 1} for family in _PUBLIC},
            **{family: {ADDRESS: 1, family.value: 1} for family in _PRIVATE},
            Family.OPEN_ORDERS: {ADDRESS: 1, Family.ORDER_READ.value: 1},  # the same endpoint
        },
        source="bybit-exchange.github.io/docs/v5/rate-limit (bybit-exchange/docs 130165ca)",
    ),
    "binance": ExchangeLimits(  # USD-M futures
        limits={
            ADDRESS: _ip(2_400, 60_000),  # weight
            "order": _account((300, 10_000), (1_200, 60_000)),
        },
        families={
            Family.MARKET: {ADDRESS: 1},  # candles: 1, 2, 5 or 10 by their number
            Family.INSTRUMENTS: {ADDRESS: 1},
            Family.TICKERS: {ADDRESS: 40},
            Family.ORDER_CREATE: {ADDRESS: 1, "order": 1},  # 0 and 1; a conditional one 1 and 1
            Family.ORDER_AMEND: {ADDRESS: 1, "order": 1},
            Family.ORDER_CANCEL: {ADDRESS: 1},
            Family.ORDER_READ: {ADDRESS: 1},
            Family.OPEN_ORDERS: {ADDRESS: 40},
            Family.ORDER_HISTORY: {ADDRESS: 5},
            Family.FILLS: {ADDRESS: 5},
            Family.BOOKINGS: {ADDRESS: 30},
            Family.POSITIONS: {ADDRESS: 5},
            Family.BALANCE: {ADDRESS: 5},
            Family.ACCOUNT: {ADDRESS: 30},  # position mode; the others 5
            Family.LEVERAGE: {ADDRESS: 1},
            Family.PROTECTION: {ADDRESS: 1, "order": 1},
        },
        source="GET /fapi/v1/exchangeInfo, rateLimits; weights of developers.binance.com, USD-M",
    ),
    "okx": ExchangeLimits(
        limits=_OKX,
        families={family: {family.value: 1} for family in Family},
        source="www.okx.com/docs-v5 (rate limit of each endpoint)",
    ),
    "bitget": ExchangeLimits(
        limits=_BITGET,
        families={family: {ADDRESS: 1, family.value: 1} for family in Family},
        source="www.bitget.com/api-doc (rate limit of each endpoint)",
    ),
    "bingx": ExchangeLimits(
        limits=_BINGX,
        families={
            **{family: {"market": 1} for family in _PUBLIC},
            **{family: {ADDRESS: 1, family.value: 1} for family in _PRIVATE},
        },
        source="bingx.com support, API rate limits of 2025-09-10 and 2025-10-16; ccxt 4.5.90 for "
        "what that page leaves out",
    ),
    "upbit": ExchangeLimits(
        limits={
            "market": _ip(10, 1_000),  # each public group counts for itself
            "instruments": _ip(10, 1_000),
            "tickers": _ip(10, 1_000),
            "order": _account((12, 1_000)),  # 8 until 2026-08-21
            "default": _account((30, 1_000)),
        },
        families={
            **{family: {family.value: 1} for family in _PUBLIC},
            **{family: {"default": 1} for family in _PRIVATE},
            Family.ORDER_CREATE: {"order": 1},
        },
        source="docs.upbit.com, rate limits and changelog",
    ),
    "bithumb": ExchangeLimits(
        limits={"public": _ip(150, 1_000), "private": _ip(140, 1_000)},
        families={
            **{family: {"public": 1} for family in _PUBLIC},
            **{family: {"private": 1} for family in _PRIVATE},
        },
        source="apidocs.bithumb.com (2026-10-27)",
    ),
}


def limits_of(exchange: str) -> ExchangeLimits:
    """Raises ValueError for an exchange without a row, naming the known ones."""
    try:
        return PUBLISHED_LIMITS[exchange]
    except KeyError:
        known = ", ".join(PUBLISHED_LIMITS)
        raise ValueError(f"no published limits for {exchange!r}; known: {known}") from None
