"""What an adapter asks of a rate limiter; `core/limits` has the one that fits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

MARKET = "market"  # public data
ORDER = "order"  # create, cancel
ACCOUNT = "account"  # orders, fills, positions and balance read
POSITION = "position"  # leverage, protection
WHOLE_IP = "ip"  # for `penalise`: the exchange refuses this machine's address


class RequestLimiter(Protocol):
    """Every request of an adapter passes here first; `family` names a group of endpoints."""

    async def wait(self, family: str, tokens: int = 1) -> None:
        """Return when `tokens` requests of `family` may leave."""

    def correct(self, family: str, headers: Mapping[str, str]) -> None:
        """Learn from the limit headers of an answer."""

    def penalise(self, family: str, retry_after_s: float) -> None:
        """The exchange said no: nothing of `family` leaves for `retry_after_s` real seconds."""
