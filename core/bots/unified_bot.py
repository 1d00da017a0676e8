"""Follows one symbol closely: each closed candle is judged by the strategy, a signal is published.

The bot knows neither balance nor orders: what becomes of a signal is decided down the road.
Its position's stop loss and take profit rest at the exchange, so nothing here must be alive for
them to work.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal

import pandas as pd

from core.bots.bot_spec import BotSpec
from core.clock import Clock
from core.event_bus import EventBus
from core.events import Heartbeat, MarketData, Signal
from core.exchange_port import ExchangeError
from core.market_data.bot_data_manager import BotDataManager
from core.market_data.candle_store import StoreFault
from core.market_feed import MarketFeed
from core.snapshots import BotState
from core.strategy import Strategy


class UnifiedBot:
    """Attributes: state, state_text, since_ms, last_signal, indicators, candles_closed."""

    def __init__(
        self,
        spec: BotSpec,
        *,
        strategy: Strategy,
        feed: MarketFeed,
        bus: EventBus,
        clock: Clock,
        prepare: Callable[[str], Awaitable[None]],
        may_enter: Callable[[], bool],
        has_position: Callable[[str], bool],
    ) -> None:
        """`prepare(symbol)` readies the account and may raise ExchangeError. `may_enter()`: the
        account is reconciled and heard. While it is not, and while the bot is paused, a signal may
        still end the position that `has_position(symbol)` tells of."""
        self.spec = spec
        self.state = BotState.STOPPED
        self.state_text = "Stopped."
        self.since_ms: int | None = None
        self.last_signal = ""
        self.indicators: dict[str, float] = {}
        self.candles_closed = 0
        self._strategy = strategy
        self._feed = feed
        self._bus = bus
        self._clock = clock
        self._prepare = prepare
        self._may_enter = may_enter
        self._has_position = has_position
        self._data: BotDataManager | None = None

    async def start(self) -> None:
        """Account, history, backfill, stream; RUNNING when the strategy has what it needs.
        Raises ExchangeError, StoreFault: then it is in ERROR, and may be started again."""
        if self.state in (BotState.RUNNING, BotState.STARTING):
            return
        if self.state is BotState.PAUSED:
            self._enter(BotState.RUNNING, "Running.")
            return
        self._enter(BotState.STARTING, f"Loading history of {self.spec.symbol}.")
        try:
            await self._prepare(self.spec.symbol)
            self._data = await self._feed.follow(self.spec.symbol, self.spec.timeframe)
        except (ExchangeError, StoreFault) as fault:
            if not self._was_stopped():
                self._enter(BotState.ERROR, f"It could not be started: {fault}")
            raise
        if self._was_stopped():
            return
        self._bus.subscribe(MarketData, self._on_market_data, part=self.spec.bot_id)
        self._enter(BotState.RUNNING, "Running.")

    def pause(self) -> None:
        """No new entries; the position and its stops stay."""
        if self.state is BotState.RUNNING:
            self._enter(BotState.PAUSED, "Paused. No new entries; stops stay.")

    def stop(self, reason: str = "Stopped.") -> None:
        """Deaf to the market from now on; what rests at the exchange stays there."""
        self._bus.unsubscribe(MarketData, self._on_market_data)
        self._enter(BotState.STOPPED, reason)

    def _was_stopped(self) -> bool:
        """The trader may stop it while it loads."""
        return self.state is BotState.STOPPED

    def _enter(self, state: BotState, text: str) -> None:
        self.state, self.state_text = state, text
        self.since_ms = self._clock.time_ms()
        self._bus.publish(Heartbeat(self.spec.bot_id, self.since_ms, text))

    def _on_market_data(self, event: MarketData) -> None:
        update = event.candle
        if (
            update is None
            or update.symbol != self.spec.symbol
            or update.timeframe is not self.spec.timeframe
        ):
            return
        self.candles_closed += 1
        self._judge(update.candle.open_time_ms, update.candle.close)

    def _judge(self, open_time_ms: int, close: Decimal) -> None:
        """Ask the strategy about the newest closed candle."""
        assert self._data is not None
        frames = {t: self._data.frame(t) for t in self._strategy.required_timeframes}
        entry = frames[self.spec.timeframe]
        if len(entry) < self._strategy.warm_up_bars:
            self.state_text = f"Warming up: {len(entry)} of {self._strategy.warm_up_bars} candles."
            return
        indicators = self._strategy.calculate_indicators(frames)
        row = indicators.iloc[-1]
        if pd.DatetimeIndex(entry.index)[-1] != pd.Timestamp(open_time_ms, unit="ms", tz="UTC"):
            return  # a correction behind the newest bar: nothing to decide
        extra = [name for name in indicators.columns if name not in entry.columns]
        self.indicators = {name: float(row[name]) for name in extra}
        direction = int(self._strategy.generate_signals(indicators).iloc[-1])
        if direction == 0:
            return
        is_held_back = self.state is BotState.PAUSED or not self._may_enter()
        if is_held_back and not self._has_position(self.spec.symbol):
            return
        reason = self._strategy.explain(row, direction)
        self.last_signal = reason
        stop, take_profit = self._strategy.exit_distances(row)
        self._bus.publish(
            Signal(
                bot_id=self.spec.bot_id,
                account=self.spec.account,
                strategy=self._strategy.name,
                symbol=self.spec.symbol,
                direction=direction,
                candle_open_time_ms=open_time_ms,
                reference_price=close,
                time_ms=self._clock.time_ms(),
                stop_distance=Decimal(repr(stop)),
                take_profit_distance=Decimal(repr(take_profit)),
                evidence=self.indicators,
                reason=reason,
            )
        )
