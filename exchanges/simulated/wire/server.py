"""Serves a simulated venue as Bybit v5 on one loopback port: REST and the three streams.

One event loop does everything: it moves the market on, answers requests and pushes what
changed. Market time may run many times faster than real time; signatures and rate windows
stay in real time, so unmodified clients work at any speed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from exchanges.simulated.wire.rate_windows import RateLimits

if TYPE_CHECKING:
    from exchanges.simulated.venue import Venue


class DemoServer:
    """Bybit v5 on loopback.

    `keys` maps each API key that may trade to its secret; every key has an account of its own.
    """

    def __init__(
        self,
        venue: Venue,
        *,
        keys: Mapping[str, str],
        limits: RateLimits | None = None,
    ) -> None: ...

    async def start(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen (port 0: any free one) and start moving the market. Raises OSError if taken."""

    async def stop(self) -> None:
        """Close every stream (code 1001), stop listening, stop the market's pump."""

    @property
    def port(self) -> int:
        """The port listened on."""
        raise NotImplementedError

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_public_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v5/public/linear"

    @property
    def ws_private_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v5/private"

    @property
    def ws_trade_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v5/trade"
