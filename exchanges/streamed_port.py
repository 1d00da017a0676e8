"""The streaming half of a port's market data, whatever brings its streams."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from core.exchange_port import ExchangeListener
from core.models.candles import Timeframe
from core.models.streams import Channel, StreamStatistics, Topic, TopicLatency


class PublicStreams(Protocol):
    """`WsMultiplexHandler`, or `StreamedMarket` around one."""

    def start(self, listener: ExchangeListener) -> None: ...

    async def stop(self) -> None: ...

    def subscribe(self, topics: Iterable[Topic]) -> None: ...

    def unsubscribe(self, topics: Iterable[Topic]) -> None: ...

    def statistics(self) -> StreamStatistics: ...

    def latencies(self, symbols: frozenset[str]) -> list[TopicLatency]: ...


class StreamedPort:
    """`MarketDataPort` as far as it streams, `DepthPort` and `MeasuredStreams`. A subclass makes
    `_public`."""

    _public: PublicStreams

    async def start_market_data(self, listener: ExchangeListener) -> None:
        self._public.start(listener)

    def subscribe(self, topics: list[Topic]) -> None:
        self._public.subscribe(topics)

    def unsubscribe(self, topics: list[Topic]) -> None:
        self._public.unsubscribe(topics)

    def subscribe_candles(self, symbol: str, timeframe: Timeframe) -> None:
        self.subscribe([Topic(Channel.CANDLES, symbol, timeframe)])

    def unsubscribe_candles(self, symbol: str, timeframe: Timeframe) -> None:
        self.unsubscribe([Topic(Channel.CANDLES, symbol, timeframe)])

    def subscribe_tickers(self, symbols: list[str]) -> None:
        self.subscribe([Topic(Channel.TICKER, symbol) for symbol in symbols])

    def unsubscribe_tickers(self, symbols: list[str]) -> None:
        self.unsubscribe([Topic(Channel.TICKER, symbol) for symbol in symbols])

    def stream_statistics(self) -> StreamStatistics:
        return self._public.statistics()

    def topic_latencies(self, symbols: frozenset[str]) -> list[TopicLatency]:
        return self._public.latencies(symbols)
