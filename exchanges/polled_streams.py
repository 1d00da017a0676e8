"""A stream's work by asking again and again, for exchanges whose streams are not spoken here yet.

Slower than a stream and as true: closed bars come a second after their end, prices every few
seconds, and what is told of an account is the difference between two answers. A failed question
is a broken stream: it is told, and the first good answer is a connection that is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Protocol

import msgspec

from core.clock import Clock
from core.exchange_port import (
    ExchangeError,
    ExchangeListener,
    RateLimited,
    StreamKind,
    StreamState,
)
from core.models.candles import Candle, CandleUpdate, Ticker, Timeframe
from core.models.fills import Fill
from core.models.orders import Order
from core.models.positions import Balance, Position

log = logging.getLogger(__name__)

AFTER_CLOSE_MS = 1_000  # an exchange asked at the very end may not have the last trades
LOOK_S = 1.0
FORMING_POLL_S = 10.0
RETRY_S = 5.0
_BARS = 3  # of each series asked for: the forming one, the closed one, and one that came late
_OVERLAP_MS = 60_000  # fills are asked for from before the last one: they need not come in order
_Series = tuple[str, Timeframe]


class AskedMarket(Protocol):
    """What the polling asks an adapter."""

    @property
    def exchange(self) -> str: ...

    async def fetch_tickers(self) -> list[Ticker]: ...

    async def fetch_newest_candles(
        self, symbol: str, timeframe: Timeframe, count: int
    ) -> list[Candle]: ...


class AskedAccount(Protocol):
    """What the polling asks an adapter."""

    @property
    def account(self) -> str: ...

    async def fetch_open_orders(self) -> list[Order]: ...

    async def fetch_order(self, symbol: str, client_order_id: str) -> Order | None: ...

    async def fetch_positions_beside(self, orders: list[Order]) -> list[Position]:
        """`orders` are the working ones, just read: stops may be orders of their own."""

    async def fetch_balance(self) -> Balance: ...

    async def fetch_fills(self, start_ms: int) -> list[Fill]: ...


class _Poll:
    """One loop of questions, and what the listener is told of its fortune."""

    def __init__(self, kind: StreamKind, name: str) -> None:
        self._kind = kind
        self._name = name
        self._state: StreamState | None = None
        self._task: asyncio.Task[None] | None = None
        self.listener: ExchangeListener

    def start(
        self, listener: ExchangeListener, ask: Callable[[], Awaitable[None]], pause_s: float
    ) -> None:
        if self._task is None:
            self.listener = listener
            self._task = asyncio.create_task(self._run(ask, pause_s), name=self._name)

    async def stop(self) -> None:
        """It may be started again, for another listener."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = self._state = None

    async def _run(self, ask: Callable[[], Awaitable[None]], pause_s: float) -> None:
        self._tell(StreamState.CONNECTING, "asking for the first time")
        while True:
            wait_s = pause_s
            try:
                await ask()
            except ExchangeError as fault:
                wait_s = max(RETRY_S, fault.retry_after_s if isinstance(fault, RateLimited) else 0)
                self._tell(
                    StreamState.DISCONNECTED, f"{fault.text} Next question in {wait_s:.0f} s"
                )
            except Exception as fault:  # polling must outlive its own bugs: seen, then retried
                log.exception("%s failed", self._name)
                wait_s = RETRY_S
                self._tell(StreamState.DISCONNECTED, f"{type(fault).__name__}: {fault}")
            else:
                self._tell(StreamState.CONNECTED, f"asked every {pause_s:.0f} s, not streamed")
            await asyncio.sleep(wait_s)

    def _tell(self, state: StreamState, detail: str) -> None:
        if state is not self._state:
            self._state = state
            self.listener.on_stream_state(self._kind, state, detail)


class PolledMarket:
    """Prices and candles."""

    def __init__(self, market: AskedMarket, *, clock: Clock, tickers_poll_s: float) -> None:
        self._market = market
        self._clock = clock
        self._tickers_poll_s = tickers_poll_s
        self._poll = _Poll(StreamKind.PUBLIC, f"{market.exchange} prices asked")
        self._symbols: set[str] = set()
        self._series: dict[_Series, _Due] = {}
        self._tickers_due_s = 0.0

    def start(self, listener: ExchangeListener) -> None:
        self._poll.start(listener, self._round, LOOK_S)

    async def stop(self) -> None:
        await self._poll.stop()

    def subscribe_candles(self, symbol: str, timeframe: Timeframe) -> None:
        self._series.setdefault((symbol, timeframe), _Due())

    def unsubscribe_candles(self, symbol: str, timeframe: Timeframe) -> None:
        self._series.pop((symbol, timeframe), None)

    def subscribe_tickers(self, symbols: list[str]) -> None:
        self._symbols |= set(symbols)

    def unsubscribe_tickers(self, symbols: list[str]) -> None:
        self._symbols -= set(symbols)

    async def _round(self) -> None:
        now_s = self._clock.monotonic_s()
        questions: list[Awaitable[None]] = []
        if now_s >= self._tickers_due_s:
            self._tickers_due_s = now_s + self._tickers_poll_s
            questions.append(self._tickers())
        questions += [
            self._candles(series, due)
            for series, due in self._series.items()
            if due.is_due(self._clock.time_ms(), now_s)
        ]
        outcomes = await asyncio.gather(*questions, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _tickers(self) -> None:
        """Asked even when nobody follows any: it is what says that the exchange answers."""
        for ticker in await self._market.fetch_tickers():
            if ticker.symbol in self._symbols:
                age_ms = max(0, self._clock.time_ms() - ticker.exchange_time_ms)
                self._poll.listener.on_ticker(ticker, float(age_ms))

    async def _candles(self, series: _Series, due: _Due) -> None:
        symbol, timeframe = series
        found = await self._market.fetch_newest_candles(symbol, timeframe, _BARS)
        now_ms = self._clock.time_ms()
        known_ms = due.asked_ms if due.asked_ms is not None else now_ms
        due.asked_ms, due.asked_s = now_ms, self._clock.monotonic_s()
        for candle in found:
            ends_ms = timeframe.next_open_ms(candle.open_time_ms)
            is_closed = ends_ms + AFTER_CLOSE_MS <= now_ms
            if is_closed and candle.open_time_ms <= due.told_ms:
                continue
            if is_closed:
                due.told_ms = candle.open_time_ms
                due.next_close_ms = timeframe.next_open_ms(ends_ms)
            elif ends_ms <= now_ms:
                continue  # over, and perhaps not complete yet
            update = CandleUpdate(
                self._market.exchange, symbol, timeframe, candle, is_closed, now_ms
            )
            # what was over when we last asked is late by as long as we have not asked since
            since_ms = max(ends_ms if is_closed else 0, known_ms)
            self._poll.listener.on_candle(update, float(max(0, now_ms - since_ms)))


class _Due:
    """When one series is asked for again."""

    def __init__(self) -> None:
        self.told_ms = -1  # open time of the newest closed bar told
        self.next_close_ms = 0  # when the bar after it ends
        self.asked_s = float("-inf")
        self.asked_ms: int | None = None  # the same moment in market time

    def is_due(self, now_ms: int, now_s: float) -> bool:
        just_closed = now_ms >= self.next_close_ms + AFTER_CLOSE_MS
        since_s = now_s - self.asked_s
        return since_s >= (2 * LOOK_S if just_closed else FORMING_POLL_S)


class PolledAccount:
    """Orders, fills, positions and balance: what differs from the last answer is told."""

    def __init__(self, account: AskedAccount, *, clock: Clock, poll_s: float) -> None:
        self._account = account
        self._clock = clock
        self._poll_s = poll_s
        self._poll = _Poll(StreamKind.PRIVATE, f"{account.account} asked")
        self._orders: dict[str, Order] = {}  # working ones, by the exchange's id
        self._positions: dict[str, Position] = {}
        self._balance: Balance | None = None
        self._fill_ids: dict[str, int] = {}  # told already, and their time
        self._fills_from_ms = 0

    def start(self, listener: ExchangeListener) -> None:
        self._fills_from_ms = self._clock.time_ms() - _OVERLAP_MS
        self._poll.start(listener, self._round, self._poll_s)

    async def stop(self) -> None:
        await self._poll.stop()

    async def _round(self) -> None:
        working = await self._account.fetch_open_orders()
        await self._tell_orders({order.exchange_order_id: order for order in working})
        await self._tell_fills()
        await self._tell_positions(await self._account.fetch_positions_beside(working))
        balance = await self._account.fetch_balance()
        if self._balance is None or not _is_same(balance, self._balance):
            self._balance = balance
            self._poll.listener.on_balance(balance)

    async def _tell_orders(self, working: dict[str, Order]) -> None:
        for order_id, order in working.items():
            if self._orders.get(order_id) != order:
                self._poll.listener.on_order(order)
        for order_id, order in list(self._orders.items()):
            if order_id in working:
                continue
            if order.client_order_id:  # one that is ours ends in words, never by its absence
                ended = await self._account.fetch_order(order.symbol, order.client_order_id)
                if ended is not None:
                    self._poll.listener.on_order(ended)
        self._orders = working

    async def _tell_fills(self) -> None:
        for fill in await self._account.fetch_fills(self._fills_from_ms):
            is_new = fill.trade_id not in self._fill_ids
            if is_new and fill.time_ms >= self._fills_from_ms:
                self._fill_ids[fill.trade_id] = fill.time_ms
                self._poll.listener.on_fill(fill)
        newest_ms = max(self._fill_ids.values(), default=0)
        self._fills_from_ms = max(self._fills_from_ms, newest_ms - _OVERLAP_MS)
        self._fill_ids = {
            trade_id: time_ms
            for trade_id, time_ms in self._fill_ids.items()
            if time_ms >= self._fills_from_ms
        }

    async def _tell_positions(self, positions: list[Position]) -> None:
        held = {position.symbol: position for position in positions}
        for symbol, position in held.items():
            if self._positions.get(symbol) != position:
                self._poll.listener.on_position(position)
        for symbol, position in self._positions.items():
            if symbol not in held:
                flat = msgspec.structs.replace(
                    position, quantity=Decimal(0), updated_ms=self._clock.time_ms()
                )
                self._poll.listener.on_position(flat)
        self._positions = held


def _is_same(balance: Balance, before: Balance) -> bool:
    return msgspec.structs.replace(balance, updated_ms=before.updated_ms) == before
