"""Paper trading: the live market's data, orders matched in process by the simulated venue.

It is an exchange like any other: nothing above the port can tell, and nothing asks. Prices reach
the venue from the same tickers that the listener sees, so a paper fill is at a price that was
really there; what it cannot know is the queue and the depth of the real book.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, TypeVar

from core.clock import Clock
from core.exchange_port import (
    DepthListener,
    DepthPort,
    ExchangeListener,
    MarketDataPort,
    MeasuredStreams,
    RateLimited,
    RequestRejected,
    StreamKind,
    StreamState,
    TopicListener,
    Unavailable,
)
from core.models.books import OrderBookSnapshot
from core.models.candles import Candle, CandleUpdate, Ticker, Timeframe
from core.models.instruments import Instrument
from core.models.orders import OrderRequest
from core.models.streams import StreamStatistics, Topic, TopicLatency, TopicState
from core.models.trades import PublicTrade
from exchanges.simulated.account import Account
from exchanges.simulated.live_market import LiveMarket
from exchanges.simulated.store import BooksMismatch, VenueStore
from exchanges.simulated.venue import Venue
from exchanges.simulated.venue_trading import VenueTrading

log = logging.getLogger(__name__)

MATCHING_INTERVAL_S = 0.05
Answer = TypeVar("Answer")


class PaperExchange(VenueTrading):
    """Both ports: market data passed through from `market_data`, trading by a venue of our own.

    `store_path` keeps the books over a restart; None forgets them. Where another account's port
    brings the exchange's data already (`is_shared`), tickers come by `hear_ticker`.
    """

    def __init__(
        self,
        account: str,
        *,
        market_data: MarketDataPort,
        clock: Clock,
        store_path: Path | None,
        initial_balance: Decimal = Decimal(25_000),
        is_shared: bool = False,
    ) -> None:
        super().__init__(account)
        self._data = market_data
        self._clock = clock
        self._store_path = store_path
        self._initial_balance = initial_balance
        self._is_shared = is_shared
        self._tickers: dict[str, Ticker] = {}
        self._followed: set[str] = set()
        self._books: _Books | None = None
        self._matching: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._is_stopped = False

    @property
    def exchange(self) -> str:
        return self._data.exchange

    # ---- market data: passed through, tickers noted on the way

    async def start_market_data(self, listener: ExchangeListener) -> None:
        await self._data.start_market_data(_TickerTap(listener, self.hear_ticker))

    def subscribe_candles(self, symbol: str, timeframe: Timeframe) -> None:
        self._data.subscribe_candles(symbol, timeframe)

    def unsubscribe_candles(self, symbol: str, timeframe: Timeframe) -> None:
        self._data.unsubscribe_candles(symbol, timeframe)

    def subscribe_tickers(self, symbols: list[str]) -> None:
        self._data.subscribe_tickers(symbols)

    def unsubscribe_tickers(self, symbols: list[str]) -> None:
        """Orders and positions keep theirs: the desk follows their symbols as long as they are."""
        self._data.unsubscribe_tickers(symbols)

    def subscribe(self, topics: list[Topic]) -> None:
        if isinstance(self._data, DepthPort):
            self._data.subscribe(topics)

    def unsubscribe(self, topics: list[Topic]) -> None:
        if isinstance(self._data, DepthPort):
            self._data.unsubscribe(topics)

    def stream_statistics(self) -> StreamStatistics | None:
        data = self._data
        return data.stream_statistics() if isinstance(data, MeasuredStreams) else None

    def topic_latencies(self, symbols: frozenset[str]) -> list[TopicLatency]:
        data = self._data
        return data.topic_latencies(symbols) if isinstance(data, MeasuredStreams) else []

    async def fetch_instruments(self) -> list[Instrument]:
        return await self._data.fetch_instruments()

    async def fetch_candles(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 1000,
    ) -> list[Candle]:
        return await self._data.fetch_candles(
            symbol, timeframe, start_ms=start_ms, end_ms=end_ms, limit=limit
        )

    async def fetch_tickers(self) -> list[Ticker]:
        return await self._data.fetch_tickers()

    async def fetch_clock_offset_ms(self) -> int:
        return await self._data.fetch_clock_offset_ms()

    def hear_ticker(self, ticker: Ticker) -> None:
        """The market's newest price: orders of a followed symbol are matched on it."""
        self._tickers[ticker.symbol] = ticker
        if self._books is not None and ticker.symbol in self._followed:
            self._books.market.on_ticker(ticker)

    # ---- trading: the venue's, on prices that reach it in time

    async def start_trading(self, listener: ExchangeListener) -> None:
        """Raises Unavailable (no instruments or prices yet: call again), RequestRejected (the
        books belong to another market)."""
        venue = (await self._open_books()).venue
        if self._matching is not None:
            return
        self._open_stream(listener)
        self._matching = asyncio.create_task(self._match(venue), name="paper matching")
        listener.on_stream_state(StreamKind.PRIVATE, StreamState.CONNECTED, "paper books are open")

    async def _ask(self, question: Callable[[Account], Answer]) -> Answer:
        """The first question opens the books: an account can be read before its stream."""
        await self._open_books()
        return await super()._ask(question)

    async def _open_books(self) -> _Books:
        async with self._opening:
            if self._is_stopped:
                raise Unavailable("Paper trading has stopped.")
            if self._books is None:
                self._books = await self._read_books()
                self._open_account(self._books.venue)
                for symbol in self._books.symbols_with_business:
                    self._follow(symbol)
            return self._books

    async def _read_books(self) -> _Books:
        instruments = {item.symbol: item for item in await self._data.fetch_instruments()}
        tickers = await self._data.fetch_tickers()
        market = LiveMarket(f"live prices of {self.exchange}", self._clock.time_ms(), instruments)
        for ticker in tickers:  # restored books need a price before the first question
            self._tickers.setdefault(ticker.symbol, ticker)
            market.on_ticker(self._tickers[ticker.symbol])
        store = VenueStore(self._store_path)
        try:
            venue = Venue(
                market=market,
                clock=self._clock,
                initial_balance=self._initial_balance,
                store=store,
            )
        except BooksMismatch as mismatch:
            store.close()
            raise RequestRejected(str(mismatch)) from None
        account = venue.account(self.account)
        try:
            symbols = {order.symbol for order in account.open_orders()}
            symbols |= {position.symbol for position in account.positions()}
        except LookupError as fault:  # a held symbol that the exchange no longer quotes
            venue.close()
            raise Unavailable(f"There is no price yet: {fault}") from fault
        return _Books(market, venue, symbols)

    async def _match(self, venue: Venue) -> None:
        while True:
            await asyncio.sleep(MATCHING_INTERVAL_S)
            try:
                venue.advance()
            except Exception:  # rule 9: seen, and the next round tries again
                log.exception("paper matching failed")

    async def place_order(self, request: OrderRequest) -> str:
        if request.symbol not in self._followed:
            await self._refresh_prices()
            self._follow(request.symbol)
        return await super().place_order(request)

    async def stop(self) -> None:
        if self._matching is not None:
            self._matching.cancel()
            await asyncio.gather(self._matching, return_exceptions=True)
            self._matching = None
        async with self._opening:
            self._is_stopped = True
            self._close_account()
            if self._books is not None:
                self._books.venue.close()
                self._books = None
        if not self._is_shared:
            await self._data.stop()

    async def _refresh_prices(self) -> None:
        """A symbol that was not followed may have moved since anybody looked."""
        try:
            for ticker in await self._data.fetch_tickers():
                self._tickers[ticker.symbol] = ticker
        except (Unavailable, RateLimited) as fault:
            raise RequestRejected(f"No price to fill a paper order at: {fault.text}") from fault

    def _follow(self, symbol: str) -> None:
        """From now on the symbol's prices reach the venue, the newest known one at once."""
        if self._books is None or symbol in self._followed:
            return
        if symbol not in self._books.market.instruments:
            return  # the venue refuses it by name
        self._followed.add(symbol)
        self._data.subscribe_tickers([symbol])
        self._books.venue.watch(symbol)
        ticker = self._tickers.get(symbol)
        if ticker is not None:
            self._books.market.on_ticker(ticker)


class _Books(NamedTuple):
    """What exists from the first question until `stop`."""

    market: LiveMarket
    venue: Venue
    symbols_with_business: set[str]


class _TickerTap:
    """Passes everything on; shows tickers to the paper account first, so that an order which a
    price provokes is matched at that price."""

    def __init__(self, listener: ExchangeListener, on_ticker: Callable[[Ticker], None]) -> None:
        self._note = on_ticker
        self._pass_on_ticker = listener.on_ticker
        self.on_candle: Callable[[CandleUpdate, float], None] = listener.on_candle
        self.on_order = listener.on_order
        self.on_fill = listener.on_fill
        self.on_position = listener.on_position
        self.on_balance = listener.on_balance
        self.on_stream_state = listener.on_stream_state
        self._topics = listener if isinstance(listener, TopicListener) else None
        self._depth = listener if isinstance(listener, DepthListener) else None

    def on_ticker(self, ticker: Ticker, latency_ms: float) -> None:
        self._note(ticker)
        self._pass_on_ticker(ticker, latency_ms)

    def on_trades(self, trades: list[PublicTrade], latency_ms: float) -> None:
        if self._depth is not None:
            self._depth.on_trades(trades, latency_ms)

    def on_book(self, book: OrderBookSnapshot, latency_ms: float) -> None:
        if self._depth is not None:
            self._depth.on_book(book, latency_ms)

    def on_topic_state(self, topic: Topic, state: TopicState, text: str) -> None:
        if self._topics is not None:
            self._topics.on_topic_state(topic, state, text)
