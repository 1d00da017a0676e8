"""Follows one symbol closely: each closed candle is judged by the strategy, a signal is published.

The candles may be another exchange's (`signal_exchange`); prices to trade at are always those of
the exchange that gets the order.
"""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

import pandas as pd

from core.bots.bot import Bot
from core.bots.signals import evidence_of, frames_of, make_signal, price_to_trade_at
from core.events import MarketData
from core.snapshots import BotState


class UnifiedBot(Bot):
    """See the module."""

    scans: ClassVar[bool] = False

    async def _prepare(self) -> None:
        """Account, history, backfill, stream."""
        symbol = self.spec.symbol
        self.state_text = f"Loading history of {symbol}."
        self._parts.feed.prices.add([symbol], by=self.spec.bot_id)
        await self.account.prepare(symbol)
        by = self.spec.bot_id
        await self._parts.signal_feed.follow(symbol, self.spec.timeframe, by=by)

    def _begin(self) -> None:
        bus = self._parts.signal_feed.bus
        bus.subscribe(MarketData, self._on_market_data, part=self.spec.bot_id)

    def _end(self) -> None:
        self._parts.signal_feed.bus.unsubscribe(MarketData, self._on_market_data)
        self._parts.feed.prices.replace((), by=self.spec.bot_id)

    def _on_market_data(self, event: MarketData) -> None:
        update = event.candle
        if (
            update is None
            or update.symbol != self.spec.symbol
            or update.timeframe is not self.spec.timeframe
            or event.exchange != self._parts.signal_feed.port.exchange
        ):
            return
        self.candles_closed += 1
        self._judge(update.candle.open_time_ms, update.candle.close)

    def _judge(self, open_time_ms: int, close: Decimal) -> None:
        """Ask the strategy about the newest closed candle."""
        strategy, symbol = self._parts.strategy, self.spec.symbol
        frames = frames_of(self._parts.signal_feed, strategy, symbol)
        entry = frames[self.spec.timeframe]
        if len(entry) < strategy.warm_up_bars:
            self.state_text = f"Warming up: {len(entry)} of {strategy.warm_up_bars} candles."
            return
        indicators = strategy.calculate_indicators(frames)
        row = indicators.iloc[-1]
        if pd.DatetimeIndex(entry.index)[-1] != pd.Timestamp(open_time_ms, unit="ms", tz="UTC"):
            return  # a correction behind the newest bar: nothing to decide
        self.indicators = evidence_of(row, entry)
        direction = int(strategy.generate_signals(indicators).iloc[-1])
        if direction == 0 or not self._may_signal():
            return
        price: Decimal | None = close
        if self.spec.signal_exchange:
            price = price_to_trade_at(self._parts.feed, symbol)
        if price is None:
            exchange = self._parts.feed.port.exchange
            self.state_text = f"A signal was left out: no fresh price of {symbol} on {exchange}."
            return
        signal = make_signal(
            self.spec,
            strategy,
            row,
            symbol=symbol,
            direction=direction,
            candle_open_time_ms=open_time_ms,
            reference_price=price,
            time_ms=self._clock.time_ms(),
            evidence=self.indicators,
        )
        self.last_signal = signal.reason
        self._parts.bus.publish(signal)

    def _may_signal(self) -> bool:
        """While the bot is paused or the account not ready, a signal may still end a position."""
        may_enter = self.state is not BotState.PAUSED and self.account.is_ready
        return may_enter or self.account.side(self.spec.symbol) is not None
