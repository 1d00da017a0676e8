"""What a live account's key may do, asked at start and every day: a key may be given more rights at
the exchange at any time, and it may end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from core.clock import Clock
from core.event_bus import EventBus
from core.events import Error, Severity
from core.exchange_port import ExchangeError
from core.snapshots import AccountMode
from exchanges.exchange_manager import AccountSpec
from exchanges.key_check import KeyRefused, check_key, is_checkable

DAY_S = 86_400.0
RETRY_S = 3_600.0  # where nobody could be asked


def has_watched_key(spec: AccountSpec) -> bool:
    """Whether there is a key of real money that its exchange can be asked about."""
    return (
        spec.mode is AccountMode.LIVE
        and spec.credentials is not None
        and is_checkable(spec.exchange)
    )


class KeyWatch:
    """Of one account; each sentence is told once in a run, one about the key's rights each day."""

    def __init__(
        self,
        spec: AccountSpec,
        *,
        bus: EventBus,
        clock: Clock,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`spec` has a watched key."""
        self._pause = pause
        assert spec.credentials is not None
        self._spec = spec
        self._credentials = spec.credentials
        self._bus = bus
        self._clock = clock
        self._told: set[str] = set()

    async def run(self) -> None:
        """For ever."""
        while True:
            was_told = await self.look()
            await self._pause(DAY_S if was_told else RETRY_S)

    async def look(self) -> bool:
        """Ask now; False where nobody could be asked."""
        spec = self._spec
        try:
            advice = await check_key(
                spec.exchange, self._credentials, spec.rest_url, limiter=spec.limiter
            )
        except KeyRefused as refusal:
            self._tell(f"{refusal} Replace it at the exchange.", Severity.DANGER)
            return True
        except ExchangeError as fault:
            why = self._credentials.redact(fault.text).rstrip(".")
            self._tell_once(f"What the key may do could not be asked ({why}); it is tried hourly.")
            return False
        for text in advice:
            self._tell_once(text)
        return True

    def _tell_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._tell(text, Severity.WARNING)

    def _tell(self, text: str, severity: Severity) -> None:
        self._bus.publish(Error(self._spec.name, text, self._clock.time_ms(), severity))
