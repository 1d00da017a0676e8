"""What an exchange is to the core. The contract is these docstrings.

Live, paper and demo differ behind this port and in the clock, in nothing else. An adapter
translates its exchange's words into our models; nothing venue-specific leaks past it.

Outcome of a request, the whole tree:

* `ExchangeError`
    * `RequestRejected`   the exchange said a definite no; nothing happened
    * `DuplicateOrder`    this client id has already landed: adopt the order that is there
    * `OutcomeUnknown`    nobody knows (time-out, 5xx, lost connection, unparsable reply): ask
    * `RateLimited`       a definite no, to be repeated after `retry_after_s`
    * `Unavailable`       a read could not be answered; says nothing about orders
"""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Protocol, runtime_checkable

from core.models.books import OrderBookSnapshot
from core.models.candles import Candle, CandleUpdate, Ticker, Timeframe
from core.models.fills import Fill
from core.models.instruments import Instrument
from core.models.orders import Order, OrderRequest
from core.models.positions import Balance, Position
from core.models.streams import StreamStatistics, Topic, TopicLatency, TopicState
from core.models.trades import PublicTrade


class ExchangeError(Exception):
    """`code` is the exchange's own; `text` is one sentence for the trader."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class RequestRejected(ExchangeError):
    """Definite: nothing happened. Do not repeat unchanged."""


class DuplicateOrder(ExchangeError):
    """The client order id exists at the exchange: fetch that order and adopt it."""


class OutcomeUnknown(ExchangeError):
    """It may have happened. Probe by client order id; never resend before absence is proved."""


class RateLimited(ExchangeError):
    """Definite: nothing happened. Repeat no sooner than `retry_after_s` real seconds."""

    def __init__(self, text: str, code: str = "", retry_after_s: float = 1.0) -> None:
        super().__init__(text, code)
        self.retry_after_s = retry_after_s


class Unavailable(ExchangeError):
    """A read failed in transport or parsing. Never to be taken for "nothing there"."""


class StreamKind(enum.StrEnum):
    PUBLIC = "public"
    PRIVATE = "private"


class StreamState(enum.StrEnum):
    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"


class ExchangeListener(Protocol):
    """Receives what streams bring. Called on the engine's loop, must return fast."""

    def on_candle(self, update: CandleUpdate, latency_ms: float) -> None: ...

    def on_ticker(self, ticker: Ticker, latency_ms: float) -> None: ...

    def on_order(self, order: Order) -> None: ...

    def on_fill(self, fill: Fill) -> None: ...

    def on_position(self, position: Position) -> None: ...

    def on_balance(self, balance: Balance) -> None: ...

    def on_stream_state(self, kind: StreamKind, state: StreamState, detail: str) -> None:
        """CONNECTED arrives after subscriptions are acknowledged: the time to backfill
        (public) or reconcile (private). `detail` is a short sentence, for the status bar."""


@runtime_checkable
class TopicListener(Protocol):
    """What a listener may have on top: it is told of single topics, for screens and for whoever
    must not act on old data."""

    def on_topic_state(self, topic: Topic, state: TopicState, text: str) -> None:
        """STALE within 15 s of silence, REFUSED with the exchange's words, LIVE when it comes
        again. `text` is a short sentence."""


@runtime_checkable
class DepthListener(Protocol):
    """What a listener may have on top: trades and books, where somebody has subscribed to them."""

    def on_trades(self, trades: list[PublicTrade], latency_ms: float) -> None:
        """Of one symbol, oldest first."""

    def on_book(self, book: OrderBookSnapshot, latency_ms: float) -> None:
        """The newest picture; never one with a gap in its sequence or bids at the asks."""


@runtime_checkable
class MeasuredStreams(Protocol):
    """What a market-data port may have on top: figures of its stream."""

    def stream_statistics(self) -> StreamStatistics | None:
        """None where the stream behind it is not measured."""

    def topic_latencies(self, symbols: frozenset[str]) -> list[TopicLatency]:
        """Of every topic of these symbols."""


@runtime_checkable
class DepthPort(Protocol):
    """What a market-data port may have on top: trades and books of many symbols."""

    def subscribe(self, topics: list[Topic]) -> None:
        """Candles that the exchange does not stream are built from its trades. Raises
        RuntimeError when that would take more connections than the exchange allows."""

    def unsubscribe(self, topics: list[Topic]) -> None: ...


class MarketDataPort(Protocol):
    """Public side of an exchange."""

    @property
    def exchange(self) -> str:
        """Lower-case name, as in candle file names: `bybit`."""

    async def start_market_data(self, listener: ExchangeListener) -> None:
        """Open the public stream; keeps reconnecting (full-jitter backoff) until `stop`."""

    def subscribe_candles(self, symbol: str, timeframe: Timeframe) -> None: ...

    def unsubscribe_candles(self, symbol: str, timeframe: Timeframe) -> None: ...

    def subscribe_tickers(self, symbols: list[str]) -> None: ...

    def unsubscribe_tickers(self, symbols: list[str]) -> None:
        """A last one may still come."""

    async def fetch_instruments(self) -> list[Instrument]:
        """Every tradable linear instrument. Raises Unavailable."""

    async def fetch_candles(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 1000,
    ) -> list[Candle]:
        """Closed candles only, oldest first, at most `limit`: the newest ones up to and
        including open time `end_ms` when `start_ms` is None, else those from `start_ms` on.
        The bar still forming by the exchange's clock is never among them. Raises Unavailable,
        RateLimited, RequestRejected (unknown symbol)."""

    async def fetch_tickers(self) -> list[Ticker]:
        """Newest ticker of every symbol. Raises Unavailable."""

    async def fetch_clock_offset_ms(self) -> int:
        """Exchange clock minus this machine's, by half of the round trip."""

    async def stop(self) -> None:
        """Close streams, end threads. Orders at the exchange stay as they are."""


@runtime_checkable
class TickerHearer(Protocol):
    """A trading port that matches orders in this process, on prices that another account's port
    brings."""

    def hear_ticker(self, ticker: Ticker) -> None:
        """The feed's newest price of any symbol, before anybody acts on it."""


class TradingPort(Protocol):
    """Private side of one account. Quantities positive, prices exact."""

    @property
    def account(self) -> str: ...

    async def start_trading(self, listener: ExchangeListener) -> None:
        """Open the private stream (orders, fills, positions, balance) and check the account:
        one-way position mode. Raises RequestRejected with the cause (wrong key, hedge mode)."""

    async def place_order(self, request: OrderRequest) -> str:
        """Send exactly one request; returns the exchange's order id. An answer means accepted,
        not filled: the outcome comes by the listener. Never retries inside.
        Raises RequestRejected, DuplicateOrder, RateLimited, OutcomeUnknown."""

    async def cancel_order(self, symbol: str, client_order_id: str, exchange_order_id: str) -> None:
        """Raises RequestRejected ("order not exists": it may be filled, ask), OutcomeUnknown."""

    async def fetch_order(self, symbol: str, client_order_id: str) -> Order | None:
        """Newest state from open orders, then history. None: not found *now*, which proves
        nothing by itself. Raises Unavailable."""

    async def fetch_open_orders(self) -> list[Order]:
        """Every working order incl. conditional ones (attached SL/TP). Raises Unavailable."""

    async def fetch_positions(self) -> list[Position]:
        """Every position that is not flat. Raises Unavailable (never an empty list instead)."""

    async def fetch_balance(self) -> Balance:
        """The settlement currency (USDT). Raises Unavailable."""

    async def fetch_fills(self, start_ms: int) -> list[Fill]:
        """Every execution, funding included, since `start_ms`, oldest first. Raises Unavailable."""

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        """ "Not modified" is success. Raises RequestRejected, OutcomeUnknown."""

    async def set_protection(
        self, symbol: str, stop_loss: Decimal | None, take_profit: Decimal | None
    ) -> None:
        """Replace the position's resting SL/TP; None leaves that one as it is.
        Raises RequestRejected, OutcomeUnknown."""

    async def stop(self) -> None: ...


@runtime_checkable
class AmendingPort(Protocol):
    """What a trading port may have on top: a working order is changed in its place."""

    async def amend_order(
        self,
        symbol: str,
        client_order_id: str,
        exchange_order_id: str,
        *,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
    ) -> None:
        """None leaves that one as it is; `quantity` counts what is filled already. An answer
        means accepted: the new terms come by the listener. "Not modified" is success. Sent once.
        Raises RequestRejected (nothing changed; the order may have ended), RateLimited,
        OutcomeUnknown."""


class ExchangePort(MarketDataPort, TradingPort, Protocol):
    """Both sides of one account."""
