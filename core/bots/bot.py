"""What every kind of bot is to the engine and to the screens."""

from __future__ import annotations

from typing import Protocol

from core.bots.bot_spec import BotSpec
from core.scanning.snapshots import ScanSnapshot
from core.snapshots import BotState


class Bot(Protocol):
    """Publishes signals on its account's bus and knows neither balance nor orders. Its position's
    stops rest at the exchange, so nothing of it must be alive for them to work."""

    spec: BotSpec
    state: BotState
    state_text: str  # one sentence: what it does or why it stopped
    since_ms: int | None  # market time of its present state
    last_signal: str
    candles_closed: int
    indicators: dict[str, float]  # of the newest judged candle

    async def start(self) -> None:
        """RUNNING on return, or STOPPED if it was stopped meanwhile; ends a pause. Raises
        ExchangeError, StoreFault: then it is in ERROR, and may be started again."""

    def pause(self) -> None:
        """No new entries; positions and their stops stay."""

    def stop(self, reason: str = "Stopped.") -> None:
        """Deaf to the market from now on; what rests at the exchange stays there."""

    def scan_snapshot(self) -> ScanSnapshot | None:
        """None for a bot that does not scan."""
