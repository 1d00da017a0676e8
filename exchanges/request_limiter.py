"""What an adapter asks of a rate limiter; `core/limits` has the one that fits.

`Family` says what a request does, `ADDRESS` is for `penalise` when the exchange refuses this
machine as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from core.limits.priority import Priority
from core.limits.published_limits import ADDRESS, Family

__all__ = ["ADDRESS", "Family", "Priority", "RequestLimiter", "RequestTurn"]


class RequestTurn(Protocol):
    """A request that may leave. It counts as on its way until its end."""

    def end(self) -> None:
        """The answer is here, or nobody waits for it any more. Any thread; twice is no error."""


class RequestLimiter(Protocol):
    """Every request of an adapter passes here first."""

    async def wait(
        self,
        family: str,
        tokens: int = 1,
        *,
        priority: Priority | None = None,
        owner: str | None = None,
    ) -> RequestTurn:
        """Return when a request of `family` may leave. `priority` and `owner` (a bot's id) where
        the request itself knows better than its family and its task."""

    def get_wait_time(
        self, family: str, tokens: int = 1, *, priority: Priority | None = None
    ) -> float:
        """Real seconds until one could leave if nobody else asked, at the least."""

    def correct(self, family: str, headers: Mapping[str, str]) -> None:
        """Learn from the limit headers of an answer."""

    def penalise(self, family: str, retry_after_s: float) -> None:
        """The exchange said no: nothing of `family` leaves for `retry_after_s` real seconds."""
