"""What every kind of bot is to the engine and to the screens, and the life they have in common.

A new kind is one file with a subclass and one line in `core/bots/kinds.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import ClassVar

import msgspec

from core.bots.bot_account import BotAccount
from core.bots.bot_spec import BotSpec
from core.bots.universe_book import UniverseBook
from core.clock import Clock
from core.event_bus import EventBus
from core.events import Heartbeat
from core.exchange_port import ExchangeError
from core.market_data.candle_store import StoreFault
from core.market_feed import MarketFeed
from core.scanning.snapshots import ScanSnapshot
from core.snapshots import BotState
from core.strategy import Strategy
from core.supervision import Supervisor


class BotParts(msgspec.Struct, frozen=True):
    """What a bot is made of. `feed` is its account's exchange, whose prices it trades at;
    `signal_feed` brings the candles that are judged, mostly the same one. `bus` is its account's.
    `turn_to_load()` returns when much may be asked of the exchange, after those who ask little.
    """

    strategy: Strategy
    account: BotAccount
    feed: MarketFeed
    signal_feed: MarketFeed
    bus: EventBus
    clock: Clock
    supervisor: Supervisor
    universes: UniverseBook
    turn_to_load: Callable[[], Awaitable[None]]


class Bot(ABC):
    """Publishes signals on its account's bus and knows neither balance nor orders. Its positions'
    stops rest at the exchange, so nothing of it must be alive for them to work.

    Attributes: `spec`; `state` and `state_text`, one sentence, since `since_ms` (market time);
    `last_signal`; `candles_closed` that it heard of; `indicators` of the newest judged candle;
    `account` as it sees it.
    """

    scans: ClassVar[bool]  # many symbols by itself, or the one of its spec

    def __init__(self, spec: BotSpec, parts: BotParts) -> None:
        """Raises ValueError for a strategy or settings that do not fit this kind."""
        self.spec = spec
        self.state = BotState.STOPPED
        self.state_text = "Stopped."
        self.since_ms: int | None = None
        self.last_signal = ""
        self.candles_closed = 0
        self.indicators: dict[str, float] = {}
        self.account = parts.account
        self._parts = parts
        self._clock = parts.clock
        self._starts = 0  # tells a start from the next one, should a stop come between them

    async def start(self) -> None:
        """RUNNING on return, or STOPPED if it was stopped meanwhile; ends a pause. Raises
        ExchangeError, StoreFault: then it is in ERROR, and may be started again."""
        if self.state in (BotState.RUNNING, BotState.STARTING):
            return
        if self.state is BotState.PAUSED:
            self._enter(BotState.RUNNING, "Running.")
            return
        self._starts += 1
        this_start = self._starts
        self._enter(BotState.STARTING, "Starting.")
        try:
            await self._prepare()
        except (ExchangeError, StoreFault) as fault:
            if self._starts == this_start:
                self._enter(BotState.ERROR, f"It could not be started: {fault}")
            raise
        if self._starts == this_start:
            self._begin()
            self._enter(BotState.RUNNING, "Running.")

    def pause(self) -> None:
        """No new entries; positions and their stops stay."""
        if self.state is BotState.RUNNING:
            self._enter(BotState.PAUSED, "Paused. No new entries; stops stay.")

    def stop(self, reason: str = "Stopped.") -> None:
        """Deaf to the market from now on; what rests at the exchange stays there."""
        self._starts += 1
        self._end()
        self._enter(BotState.STOPPED, reason)

    def reconfigure(self, spec: BotSpec) -> None:
        """Another name or other settings, in effect at once; the same kind, account, symbol."""
        self.spec = spec

    def scan_snapshot(self) -> ScanSnapshot | None:
        """None for a bot that does not scan."""
        return None

    @abstractmethod
    async def _prepare(self) -> None:
        """All of a start that may take time or fail. Raises ExchangeError, StoreFault."""

    @abstractmethod
    def _begin(self) -> None:
        """Listen to the market."""

    @abstractmethod
    def _end(self) -> None:
        """No longer; harmless when it never did."""

    def _enter(self, state: BotState, text: str) -> None:
        self.state, self.state_text = state, text
        self.since_ms = self._clock.time_ms()
        self._parts.bus.publish(Heartbeat(self.spec.bot_id, self.since_ms, text))
