"""Whoever listens to an exchange on loopback (`local_exchange`): a listener that keeps everything,
and a real feed on a real store."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local_exchange import M1, LocalExchange

from core.event_bus import EventBus
from core.events import Error
from core.exchange_port import StreamKind, StreamState
from core.market_data.shared_data_manager import SharedDataManager
from core.market_feed import MarketFeed
from core.models.candles import CandleUpdate, Timeframe
from core.models.streams import Channel, Topic, TopicState
from core.supervision import Supervisor
from exchanges.ws_multiplex_handler import WsMultiplexHandler


class NoJitter(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return 0.02


class Listener:
    """Keeps everything."""

    def __init__(self) -> None:
        self.candles: list[Any] = []
        self.tickers: list[Any] = []
        self.books: list[Any] = []
        self.states: list[tuple[StreamState, str]] = []
        self.topics: dict[Topic, tuple[TopicState, str]] = {}
        self.changed = asyncio.Event()

    def on_candle(self, update: Any, latency_ms: float) -> None:
        self.candles.append(update)
        self.changed.set()

    def on_ticker(self, ticker: Any, latency_ms: float) -> None:
        self.tickers.append(ticker)
        self.changed.set()

    def on_trades(self, trades: Any, latency_ms: float) -> None:
        """Not asked for here."""

    def on_book(self, book: Any, latency_ms: float) -> None:
        self.books.append(book)
        self.changed.set()

    def on_stream_state(self, kind: StreamKind, state: StreamState, detail: str) -> None:
        self.states.append((state, detail))
        self.changed.set()

    def on_topic_state(self, topic: Topic, state: TopicState, text: str) -> None:
        self.topics[topic] = (state, text)
        self.changed.set()

    def count(self, state: StreamState) -> int:
        return sum(seen is state for seen, _ in self.states)

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(15):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


class Fed:
    """One symbol's candles and price: the handler behind a real feed and a real store. `told`:
    closed bars that were announced."""

    def __init__(
        self,
        exchange: str,
        symbol: str,
        venue: LocalExchange,
        handler: WsMultiplexHandler,
        folder: Path,
    ) -> None:
        self.exchange, self.symbol = exchange, symbol
        self.venue = venue
        self.fetch_candles = venue.fetch_candles
        self.told: list[CandleUpdate] = []
        self.errors: list[Error] = []
        self._handler = handler
        clock = venue.clock
        self.bus = EventBus(clock)
        self.bus.subscribe(Error, self.errors.append, part="test")
        self.supervisor = Supervisor(self.bus, clock)
        self.data = SharedDataManager(exchange, cache_dir=folder, clock=clock)
        self.feed = MarketFeed(
            self,  # type: ignore[arg-type]  # the rest of a port is not asked
            data=self.data,
            bus=self.bus,
            supervisor=self.supervisor,
            clock=clock,
        )
        self.feed.on_closed_candle.append(self.told.append)

    def subscribe_candles(self, symbol: str, timeframe: Timeframe) -> None:
        self._handler.subscribe([Topic(Channel.CANDLES, symbol, timeframe)])

    def subscribe_tickers(self, symbols: list[str]) -> None:
        self._handler.subscribe(Topic(Channel.TICKER, symbol) for symbol in symbols)

    async def start(self) -> None:
        self.feed.prices.add([self.symbol], by="a test")
        self._handler.start(self.feed)  # type: ignore[arg-type]  # no orders come here
        await self.feed.follow(self.symbol, M1)
        await self.venue.until(lambda: len(self.venue.topics) == 2)

    async def until_told(self, count: int) -> None:
        async with asyncio.timeout(15):
            while len(self.told) < count:  # noqa: ASYNC110 (the feed announces on its own time)
                await asyncio.sleep(0.01)

    def assert_complete(self, minutes: int) -> None:
        """Every bar since the start was told once and in order, and is stored as it is there."""
        first_ms = M1.floor_ms(self.venue.clock.time_ms()) - minutes * 60_000
        opens = [update.candle.open_time_ms for update in self.told]
        assert opens == [first_ms + 60_000 * n for n in range(minutes)]
        key = self.data.get_manager(self.symbol, M1).key
        stored = [*self.data.store.read(key, start_ms=first_ms)]
        assert stored == self.venue.truth(self.symbol, first_ms, opens[-1])
        assert self.supervisor.unhandled_exceptions == 0

    async def outlives_an_outage(self) -> None:
        """Connections end, the exchange is away for seven bars, and comes back."""
        venue = self.venue
        await venue.minutes(3)
        await self.until_told(3)
        venue.is_open = False
        await venue.end_connections()
        await venue.minutes(7)
        venue.is_open = True
        await self.until_told(10)
        await venue.until(lambda: len(venue.topics) == 2)
        await venue.minutes(2)
        await self.until_told(12)
        self.assert_complete(12)
        assert self.feed.reconnects == 1
        assert any("the exchange closed the connection" in error.text for error in self.errors)

    async def fills_what_the_stream_forgets(self) -> None:
        """Two closed bars that never come are a hole, and are filled before the next is told."""
        venue = self.venue
        first_ms = M1.floor_ms(venue.clock.time_ms())
        venue.forgets = {first_ms + 60_000 * n for n in (2, 3)}
        asked = venue.candle_requests
        await venue.minutes(2)
        await self.until_told(2)
        assert venue.candle_requests == asked, "what the stream brings costs no request"
        await venue.minutes(3)
        await self.until_told(5)
        self.assert_complete(5)
        assert venue.candle_requests == asked + 1

    async def stop(self) -> None:
        await self._handler.stop()
        await self.supervisor.stop()
        self.data.close()
