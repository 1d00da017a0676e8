"""What each exchange allows, in its own published numbers, with the source of each row.

A *limit* is a budget of its own with one or more windows; a *family* is a kind of request and
draws on one or more limits at once (an order on Bybit counts for the account and for the IP).
Families are the same for every exchange: market (public data), order (create, amend, cancel),
account (orders, fills, positions and balance read), position (leverage, stops). Where an
exchange limits each endpoint, a family takes the tightest of its endpoints: never too fast.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

import msgspec

FAMILIES = ("market", "order", "account", "position")
WHOLE_IP = "ip"  # limit name, and what `penalise` takes when the exchange bans the address


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
    """`families` names, for each family, the limits that one of its requests draws on."""

    limits: dict[str, PublishedLimit]
    families: dict[str, tuple[str, ...]]
    source: str


def _ip(*windows: Window) -> PublishedLimit:
    return PublishedLimit(Scope.IP, windows)


def _account(*windows: Window) -> PublishedLimit:
    return PublishedLimit(Scope.ACCOUNT, windows)


PUBLISHED_LIMITS: dict[str, ExchangeLimits] = {
    "bybit": ExchangeLimits(
        limits={
            WHOLE_IP: _ip(Window(600, 5_000)),  # beyond: HTTP 403 for ten minutes
            "order": _account(Window(10, 1_000)),  # linear create/amend/cancel; beyond: 10006
            "account": _account(Window(50, 1_000)),
            "position": _account(Window(10, 1_000)),  # set-leverage, trading-stop
        },
        families={
            "market": (WHOLE_IP,),
            "order": (WHOLE_IP, "order"),
            "account": (WHOLE_IP, "account"),
            "position": (WHOLE_IP, "position"),
        },
        source="bybit-exchange.github.io/docs/v5/rate-limit (documentation commit 072c197d)",
    ),
    "binance": ExchangeLimits(  # USD-M futures; the first limit counts weight
        limits={
            WHOLE_IP: _ip(Window(2_400, 60_000)),
            "order": _account(Window(300, 10_000), Window(1_200, 60_000)),
        },
        families={
            "market": (WHOLE_IP,),
            "order": (WHOLE_IP, "order"),
            "account": (WHOLE_IP,),
            "position": (WHOLE_IP,),
        },
        source="GET /fapi/v1/exchangeInfo, rateLimits",
    ),
    "okx": ExchangeLimits(
        limits={
            "market": _ip(Window(20, 2_000)),  # tickers; candles alone would be 40
            "order": _account(Window(60, 2_000)),
            "account": _account(Window(10, 2_000)),
        },
        families={
            "market": ("market",),
            "order": ("order",),
            "account": ("account",),
            "position": ("account",),
        },
        source="www.okx.com/docs-v5 (rate limit of each endpoint)",
    ),
    "bitget": ExchangeLimits(
        limits={
            WHOLE_IP: _ip(Window(6_000, 60_000)),
            "market": _ip(Window(20, 1_000)),
            "order": _account(Window(10, 1_000)),
            "account": _account(Window(5, 1_000)),
        },
        families={
            "market": (WHOLE_IP, "market"),
            "order": (WHOLE_IP, "order"),
            "account": (WHOLE_IP, "account"),
            "position": (WHOLE_IP, "account"),
        },
        source="www.bitget.com/api-doc (rate limit of each endpoint)",
    ),
    "bingx": ExchangeLimits(
        limits={
            "market": _ip(Window(500, 10_000)),
            "account": _ip(Window(2_000, 10_000)),
            "order": _account(Window(10, 1_000)),
        },
        families={
            "market": ("market",),
            "order": ("account", "order"),
            "account": ("account",),
            "position": ("account",),
        },
        source="bingx.com support, API rate limits of 2025-09-10 and 2025-10-16",
    ),
    "upbit": ExchangeLimits(
        limits={
            "market": _ip(Window(10, 1_000)),  # each public group; all of them share ours
            "order": _account(Window(12, 1_000)),  # 8 until 2026-08-21
            "account": _account(Window(30, 1_000)),
        },
        families={
            "market": ("market",),
            "order": ("order",),
            "account": ("account",),
            "position": ("account",),
        },
        source="docs.upbit.com, rate limits and changelog",
    ),
    "bithumb": ExchangeLimits(
        limits={
            "market": _ip(Window(150, 1_000)),
            "private": _ip(Window(140, 1_000)),
        },
        families={
            "market": ("market",),
            "order": ("private",),
            "account": ("private",),
            "position": ("private",),
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
