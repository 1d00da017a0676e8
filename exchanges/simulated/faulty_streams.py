"""The streams of a venue behind a network that drops, doubles, delays and mixes up messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from core.exchange_port import ExchangeListener, StreamKind, StreamState
from core.models.candles import CandleUpdate, Ticker
from core.models.fills import Fill
from core.models.orders import Order
from core.models.positions import Balance, Position
from exchanges.simulated.faults import FaultKind, FaultPlan


class Heard(NamedTuple):
    """A price that reached the engine; `at_s` by the loop's time; `before` is the one before it."""

    at_s: float
    price: Decimal
    before: Decimal


class FaultyStreams:
    """`ExchangeListener`, standing before the engine's own."""

    def __init__(
        self,
        plan: FaultPlan,
        listener: ExchangeListener,
        heard: dict[str, Heard],
        *,
        is_dead: Callable[[], bool],
    ) -> None:
        """`heard` gets the price of each symbol that was handed over last. `is_dead()`: the engine
        behind `listener` is gone."""
        self._plan = plan
        self._listener = listener
        self._is_dead = is_dead
        self._heard = heard
        self._loop = asyncio.get_running_loop()

    def on_order(self, order: Order) -> None:
        self._private(FaultKind.ORDER_DROP, self._listener.on_order, order, order.symbol)

    def on_fill(self, fill: Fill) -> None:
        self._private(FaultKind.FILL_DROP, self._listener.on_fill, fill, fill.symbol)

    def on_position(self, position: Position) -> None:
        receive = self._listener.on_position
        self._private(FaultKind.POSITION_DROP, receive, position, position.symbol)

    def on_balance(self, balance: Balance) -> None:
        self._private(FaultKind.BALANCE_DROP, self._listener.on_balance, balance, "")

    def on_ticker(self, ticker: Ticker, latency_ms: float) -> None:
        receive = self._take_ticker
        self._public(FaultKind.TICKER_DROP, receive, ticker, ticker.symbol, latency_ms)

    def on_candle(self, update: CandleUpdate, latency_ms: float) -> None:
        receive = self._listener.on_candle
        self._public(FaultKind.CANDLE_DROP, receive, update, update.symbol, latency_ms)

    def on_stream_state(self, kind: StreamKind, state: StreamState, detail: str) -> None:
        if not self._is_dead():
            self._listener.on_stream_state(kind, state, detail)

    def _take_ticker(self, ticker: Ticker, latency_ms: float) -> None:
        price, known = ticker.last_price, self._heard.get(ticker.symbol)
        before = known.price if known is not None else price
        self._heard[ticker.symbol] = Heard(self._loop.time(), price, before)
        self._listener.on_ticker(ticker, latency_ms)

    def _private(
        self, drop: FaultKind, receive: Callable[..., None], message: object, symbol: str
    ) -> None:
        strikes = self._plan.strikes
        if strikes(FaultKind.PRIVATE_STALL) or strikes(drop, symbol):
            return
        late = FaultKind.PRIVATE_LATE
        self._deliver(late, FaultKind.PRIVATE_DUPLICATE, symbol, receive, message)

    def _public(
        self,
        drop: FaultKind,
        receive: Callable[..., None],
        message: object,
        symbol: str,
        latency_ms: float,
    ) -> None:
        strikes = self._plan.strikes
        if strikes(FaultKind.PUBLIC_STALL) or strikes(drop, symbol):
            return
        late = FaultKind.PUBLIC_LATE
        self._deliver(late, FaultKind.PUBLIC_DUPLICATE, symbol, receive, message, latency_ms)

    def _deliver(
        self,
        late_kind: FaultKind,
        duplicate_kind: FaultKind,
        symbol: str,
        receive: Callable[..., None],
        *message: object,
    ) -> None:
        plan = self._plan
        late = plan.strikes(late_kind, symbol)
        if late is not None:
            delay_s = plan.dice(late_kind, symbol).uniform(0, late.value)
            self._loop.call_later(delay_s, self._hand_over, receive, *message)
        else:
            self._hand_over(receive, *message)
        again = plan.strikes(duplicate_kind, symbol)
        if again is not None:
            delay_s = plan.dice(duplicate_kind, symbol).uniform(0, again.value)
            self._loop.call_later(delay_s, self._hand_over, receive, *message)

    def _hand_over(self, receive: Callable[..., None], *message: object) -> None:
        if not self._is_dead():
            receive(*message)
