"""What an API key may do, asked at the exchange: before it is stored, and while it is used.

A key that can move money away is refused: whoever steals it could do the same. What the answer does
not say is not assumed. One function for each exchange that has been met, and one line in `_CHECKS`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from core.clock import SystemClock
from core.limits.api_rate_limiter import MultiExchangeRateLimiter
from exchanges.bybit_rest import BybitRest
from exchanges.credentials import Credentials
from exchanges.request_limiter import Family, RequestLimiter

_BYBIT = "https://api.bybit.com"
_SOON_DAYS = 7


class KeyRefused(Exception):
    """The key must not be used; its text is one sentence."""


class _BybitKey(msgspec.Struct, frozen=True, rename="camel"):
    """Bybit's `/v5/user/query-api`; nothing has a default that would permit anything."""

    read_only: int
    permissions: dict[str, list[str]]
    ips: list[str]
    deadline_day: int | None = None


def is_checkable(exchange: str) -> bool:
    """Whether the exchange can be asked what a key may do."""
    return exchange in _CHECKS


async def check_key(
    exchange: str,
    credentials: Credentials,
    rest_url: str = "",
    *,
    limiter: RequestLimiter | None = None,
) -> list[str]:
    """Advice about a key that may be used. `limiter` is the account's, None where it has none yet.
    Raises KeyRefused, or ExchangeError where nobody could be asked."""
    if limiter is None:
        limiter = MultiExchangeRateLimiter(SystemClock()).limiter(exchange).for_account("new key")
    return await _CHECKS[exchange](credentials, rest_url, limiter)


async def _bybit(credentials: Credentials, rest_url: str, limiter: RequestLimiter) -> list[str]:
    rest = BybitRest(rest_url or _BYBIT, credentials, limiter)
    try:
        answer = await rest.read(Family.ACCOUNT, rest.http.get_api_key_information)
    finally:
        rest.stop()
    return bybit_advice(answer)


def bybit_advice(answer: dict[str, Any]) -> list[str]:
    """What to say about a key with these rights. Raises KeyRefused."""
    try:
        key = msgspec.convert(answer, _BybitKey)
    except msgspec.ValidationError:
        raise KeyRefused("Bybit did not say what this key may do.") from None
    wallet = key.permissions.get("Wallet")
    if wallet is None:
        raise KeyRefused("Bybit did not say whether this key can withdraw.")
    if "Withdraw" in wallet:
        raise KeyRefused("This key can withdraw.")
    if wallet:
        raise KeyRefused("This key can move money to other accounts.")
    trade = {"Order", "Position"} <= set(key.permissions.get("ContractTrade", []))
    if key.read_only != 0 or not trade:
        raise KeyRefused(
            "This key may not trade contracts: it needs the rights Orders and Positions."
        )
    advice = []
    if not key.ips or "*" in key.ips:
        advice.append("The key works from any address: bind it to yours at the exchange.")
    if key.deadline_day is not None and key.deadline_day <= _SOON_DAYS:
        advice.append(f"The key ends in {max(key.deadline_day, 0)} days.")
    return advice


_Check = Callable[[Credentials, str, RequestLimiter], Awaitable[list[str]]]
_CHECKS: dict[str, _Check] = {"bybit": _bybit}
