"""Paper trading: the live market's data, orders matched in process by the simulated venue.

It is an exchange like any other: nothing above the port can tell, and nothing asks. Prices reach
the venue from the same tickers that the listener sees, so a paper fill is at a price that was
really there; what it cannot know is the queue and the depth of the real book.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from core.clock import Clock
from core.exchange_port import (
    DuplicateOrder,
    ExchangeListener,
    MarketDataPort,
    OutcomeUnknown,
    RateLimited,
    RequestRejected,
    StreamKind,
    StreamState,
    Unavailable,
)
from core.models.candles import Candle, CandleUpdate, Ticker, Timeframe
from core.models.fills import Fill
from core.models.instruments import Instrument
from core.models.orders import Order, OrderRequest, OrderType, Side
from core.models.positions import Balance, Position
from exchanges.simulated.account import Account
from exchanges.simulated.live_market import LiveMarket
from exchanges.simulated.store import BooksMismatch, VenueStore
from exchanges.simulated.values import (
    Executed,
    OrderChanged,
    PlaceOrder,
    PositionChanged,
    RejectReason,
    TriggerDirection,
    VenueEvent,
    VenueReject,
    WalletChanged,
)
from exchanges.simulated.venue import Venue

log = logging.getLogger(__name__)

MATCHING_INTERVAL_S = 0.05
FILL_PAGE = 500
_NOT_MODIFIED = frozenset(
    {RejectReason.LEVERAGE_NOT_MODIFIED, RejectReason.PROTECTION_NOT_MODIFIED}
)
Answer = TypeVar("Answer")
Model = TypeVar("Model")


class PaperExchange:
    """Both ports: market data passed through from `market_data`, trading by a venue of our own.

    `store_path` keeps the books over a restart; None forgets them.
    """

    def __init__(
        self,
        account: str,
        *,
        market_data: MarketDataPort,
        clock: Clock,
        store_path: Path | None,
        initial_balance: Decimal = Decimal(25_000),
    ) -> None:
        self._account_name = account
        self._data = market_data
        self._clock = clock
        self._store_path = store_path
        self._initial_balance = initial_balance
        self._tickers: dict[str, Ticker] = {}
        self._followed: set[str] = set()
        self._books: _Books | None = None
        self._matching: asyncio.Task[None] | None = None

    @property
    def exchange(self) -> str:
        return self._data.exchange

    @property
    def account(self) -> str:
        return self._account_name

    # ---- market data: passed through, tickers noted on the way

    async def start_market_data(self, listener: ExchangeListener) -> None:
        await self._data.start_market_data(_TickerTap(listener, self._on_ticker))

    def subscribe_candles(self, symbol: str, timeframe: Timeframe) -> None:
        self._data.subscribe_candles(symbol, timeframe)

    def unsubscribe_candles(self, symbol: str, timeframe: Timeframe) -> None:
        self._data.unsubscribe_candles(symbol, timeframe)

    def subscribe_tickers(self, symbols: list[str]) -> None:
        self._data.subscribe_tickers(symbols)

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

    def _on_ticker(self, ticker: Ticker) -> None:
        self._tickers[ticker.symbol] = ticker
        if self._books is not None and ticker.symbol in self._followed:
            self._books.market.on_ticker(ticker)

    # ---- trading: the venue's answers in the port's words

    async def start_trading(self, listener: ExchangeListener) -> None:
        """Opens the books. Raises Unavailable (no instruments or prices yet: call again),
        RequestRejected (the books belong to another market)."""
        if self._books is not None:
            return
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
        self._books = _Books(market, venue, venue.account(self._account_name))
        try:
            symbols = {order.symbol for order in self._read(Account.open_orders)}
            symbols |= {position.symbol for position in self._read(Account.positions)}
        except Unavailable:
            self._books = None
            venue.close()
            raise
        for symbol in symbols:
            self._follow(symbol)
        venue.on_event.append(_Relay(listener, self._account_name).post)
        self._matching = asyncio.create_task(self._match(venue), name="paper matching")
        listener.on_stream_state(StreamKind.PRIVATE, StreamState.CONNECTED, "paper books are open")

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
        is_stop = request.order_type is OrderType.STOP_MARKET
        direction = TriggerDirection.NONE
        if is_stop:
            is_buy = request.side is Side.BUY
            direction = TriggerDirection.RISING if is_buy else TriggerDirection.FALLING
        order = PlaceOrder(
            symbol=request.symbol,
            side=request.side,
            order_type=OrderType.MARKET if is_stop else request.order_type,
            quantity=request.quantity,
            price=None if is_stop else request.price,
            time_in_force=request.time_in_force,
            client_order_id=request.client_order_id,
            reduce_only=request.reduce_only,
            trigger_price=request.price if is_stop else None,
            trigger_direction=direction,
            stop_loss=request.stop_loss,
            take_profit=request.take_profit,
        )
        return self._instruct(lambda account: account.place_order(order).order_id)

    async def cancel_order(self, symbol: str, client_order_id: str, exchange_order_id: str) -> None:
        self._instruct(
            lambda account: account.cancel_order(
                symbol,
                order_id=exchange_order_id,
                client_order_id="" if exchange_order_id else client_order_id,
            )
        )

    async def fetch_order(self, symbol: str, client_order_id: str) -> Order | None:
        found = self._read(
            lambda account: account.order(client_order_id=client_order_id, symbol=symbol)
        )
        return None if found is None else found.to_order(self._account_name)

    async def fetch_open_orders(self) -> list[Order]:
        found = self._read(Account.open_orders)
        return [order.to_order(self._account_name) for order in found]

    async def fetch_positions(self) -> list[Position]:
        found = self._read(Account.positions)
        return [_plain(Position, position) for position in found]

    async def fetch_balance(self) -> Balance:
        return _plain(Balance, self._read(Account.wallet))

    async def fetch_fills(self, start_ms: int) -> list[Fill]:
        fills: list[Fill] = []
        cursor = ""
        while True:
            question = partial(
                Account.executions, start_ms=start_ms, limit=FILL_PAGE, cursor=cursor
            )
            page = self._read(question)
            fills += [_plain(Fill, execution) for execution in page.items]
            cursor = page.next_cursor
            if not cursor:
                return fills[::-1]

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        self._instruct(lambda account: account.set_leverage(symbol, leverage))

    async def set_protection(
        self, symbol: str, stop_loss: Decimal | None, take_profit: Decimal | None
    ) -> None:
        if stop_loss is None and take_profit is None:
            return
        self._instruct(
            lambda account: account.set_protection(
                symbol, stop_loss=stop_loss, take_profit=take_profit
            )
        )

    async def stop(self) -> None:
        if self._matching is not None:
            self._matching.cancel()
            await asyncio.gather(self._matching, return_exceptions=True)
            self._matching = None
        if self._books is not None:
            self._books.venue.close()
            self._books = None
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

    def _instruct(self, action: Callable[[Account], Answer]) -> Answer | Any:
        """What "not modified" refuses is as asked already. Raises RequestRejected,
        DuplicateOrder, OutcomeUnknown (the books' disk failed)."""
        if self._books is None:
            raise RequestRejected("The paper account is not open.")
        try:
            return action(self._books.account)
        except VenueReject as refusal:
            if refusal.reason in _NOT_MODIFIED:
                return None
            kind = (
                DuplicateOrder
                if refusal.reason is RejectReason.DUPLICATE_CLIENT_ID
                else RequestRejected
            )
            raise kind(refusal.text, refusal.reason.value) from None
        except LookupError as fault:
            raise RequestRejected(f"There is no price yet: {fault}") from fault
        except (OSError, sqlite3.Error) as fault:
            raise OutcomeUnknown(f"The paper books could not be written: {fault}.") from fault

    def _read(self, question: Callable[[Account], Answer]) -> Answer:
        if self._books is None:
            raise Unavailable("The paper account is not open.")
        try:
            return question(self._books.account)
        except LookupError as fault:  # a held symbol that the exchange no longer quotes
            raise Unavailable(f"There is no price yet: {fault}") from fault
        except (OSError, sqlite3.Error) as fault:
            raise Unavailable(f"The paper books could not be read: {fault}.") from fault


class _Books:
    """What exists between `start_trading` and `stop`."""

    def __init__(self, market: LiveMarket, venue: Venue, account: Account) -> None:
        self.market = market
        self.venue = venue
        self.account = account


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

    def on_ticker(self, ticker: Ticker, latency_ms: float) -> None:
        self._note(ticker)
        self._pass_on_ticker(ticker, latency_ms)


class _Relay:
    """The venue's events as a private stream."""

    def __init__(self, listener: ExchangeListener, account: str) -> None:
        self._listener = listener
        self._account = account
        self._loop = asyncio.get_running_loop()

    def post(self, event: VenueEvent) -> None:
        """Later, not at once: an answer goes before the events that it causes, and a listener
        never finds itself inside the venue."""
        self._loop.call_soon(self._deliver, event)

    def _deliver(self, event: VenueEvent) -> None:
        try:
            if isinstance(event, OrderChanged):
                self._listener.on_order(event.order.to_order(self._account))
            elif isinstance(event, Executed):
                self._listener.on_fill(_plain(Fill, event.execution))
            elif isinstance(event, PositionChanged):
                self._listener.on_position(_plain(Position, event.position))
            elif isinstance(event, WalletChanged):
                self._listener.on_balance(_plain(Balance, event.wallet))
        except Exception:  # the listener's fault is its own; the next event is still delivered
            log.exception("a listener failed on %s", type(event).__name__)


def _plain(model: type[Model], value: Any) -> Model:
    """The core's part of a venue's value, which extends it."""
    return model(**{name: getattr(value, name) for name in model.__struct_fields__})  # type: ignore[attr-defined]
