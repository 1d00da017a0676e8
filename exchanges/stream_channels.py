"""What is kept of each subscribed topic between the socket and the listener.

To a listener that falls behind, a tick that it has not seen yet is overtaken by the next one of its
topic: only the newest ticker, forming bar and book wait, so that it sees the present and not a
backlog. Every trade waits for its turn (the oldest go when there are too many). A closed candle
goes by another way, `DeliveryQueue.push_closed`, where nothing is ever dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Protocol

from msgspec import UNSET, UnsetType

from core.exchange_port import DepthListener, ExchangeListener
from core.market_data.candle_builder import CandleBuilder
from core.models.books import BookChange, BookGap, OrderBook
from core.models.candles import Candle, CandleUpdate, Ticker, Timeframe
from core.models.streams import Channel, Topic, TopicState
from core.models.trades import PublicTrade
from exchanges.numbers import decimal
from exchanges.stream_dialect import (
    BarText,
    Book,
    CandleMessage,
    TickerMessage,
    TickerText,
    Trades,
)

LATENCY_SAMPLES = 128
TRADES_WAITING = 1000
SUBSCRIBED_AFTER_MS = 2000  # from the opening of a connection to the first trade that it brings
BOOK_DEPTH = 50


class Queue(Protocol):
    """The part of `DeliveryQueue` that a channel needs."""

    ticks_dropped: int
    listener: ExchangeListener
    depth_listener: DepthListener | None

    def now_ms(self) -> int: ...

    def latency_ms(self, exchange_time_ms: int) -> float: ...

    def make_way(self) -> None: ...

    def push(self, channel: TopicChannel) -> None: ...

    def push_closed(self, channel: TopicChannel, update: CandleUpdate) -> None: ...


class TopicChannel:
    """State of one topic. `can_wait`: it goes to the listener behind what cannot. `is_heard`:
    something came since the last look; times are monotonic seconds. `is_broken` asks for a new
    subscription (a book that lost its sequence)."""

    can_wait = False

    def __init__(self, topic: Topic, name: str, exchange: str, queue: Queue, now_s: float) -> None:
        self.topic = topic
        self.name = name
        self.exchange = exchange
        self.state = TopicState.LIVE
        self.is_heard = False
        self.is_queued = False
        self.is_broken = False
        self.silent_since_s = now_s
        self.ask_again_s = 0.0
        self.patience_s = 0.0
        self.received_s = 0.0
        self.messages = 0
        self.latencies_s: deque[float] = deque(maxlen=LATENCY_SAMPLES)
        self._queue = queue

    def take(self, message: Any) -> None:
        """A message of this topic. Raises msgspec.ValidationError; it is then as if it had not
        come."""
        raise NotImplementedError

    def deliver(self) -> None:
        """Hand over what waits. Raises msgspec.ValidationError, and whatever the listener
        raises."""
        raise NotImplementedError

    def discard(self) -> int:
        """Forget what waits; returns how many ticks that were. Raises msgspec.ValidationError."""
        return 1

    def begin(self) -> None:
        """A new connection: nothing is continued across the gap."""


class TickerChannel(TopicChannel):
    def __init__(self, topic: Topic, name: str, exchange: str, queue: Queue, now_s: float) -> None:
        super().__init__(topic, name, exchange, queue, now_s)
        self._text: TickerText | None = None
        self._time_ms = 0
        self._known: list[tuple[str | UnsetType, Decimal | None]] = [(UNSET, None)] * 9

    def begin(self) -> None:
        self._text = None

    def take(self, message: TickerMessage) -> None:
        if self.is_queued:
            self._queue.make_way()
        new = message.fields
        old = self._text
        self._time_ms = message.time_ms
        if old is None or message.is_complete:
            self._text = new
        else:
            _merge(old, new)
        if not self.is_queued:
            self._queue.push(self)

    def deliver(self) -> None:
        text = self._text
        if text is None:
            return
        self._text = None  # what cannot be read is not continued
        last_price = self._number(0, text.last_price)
        if last_price is None:
            self._text = text
            return
        ticker = Ticker(
            self.exchange,
            self.topic.symbol,
            last_price,
            self._time_ms,
            self._number(1, text.mark_price),
            self._number(2, text.bid_price),
            self._number(3, text.ask_price),
            self._number(4, text.high_24h),
            self._number(5, text.low_24h),
            self._number(6, text.change_24h_ratio),
            self._number(7, text.turnover_24h),
            self._number(8, text.funding_rate),
        )
        self._text = text
        self._queue.listener.on_ticker(ticker, self._queue.latency_ms(self._time_ms))

    def _number(self, place: int, text: str | UnsetType) -> Decimal | None:
        """Most fields are the very text of the last time: converted once."""
        known_text, known = self._known[place]
        if text is known_text:
            return known
        value = decimal(text) if text else None
        self._known[place] = (text, value)
        return value


def _merge(old: TickerText, new: TickerText) -> None:
    """What `new` says replaces what `old` said; a loop would cost as much as all the rest."""
    if new.last_price is not UNSET:
        old.last_price = new.last_price
    if new.mark_price is not UNSET:
        old.mark_price = new.mark_price
    if new.bid_price is not UNSET:
        old.bid_price = new.bid_price
    if new.ask_price is not UNSET:
        old.ask_price = new.ask_price
    if new.high_24h is not UNSET:
        old.high_24h = new.high_24h
    if new.low_24h is not UNSET:
        old.low_24h = new.low_24h
    if new.change_24h_ratio is not UNSET:
        old.change_24h_ratio = new.change_24h_ratio
    if new.turnover_24h is not UNSET:
        old.turnover_24h = new.turnover_24h
    if new.funding_rate is not UNSET:
        old.funding_rate = new.funding_rate


class CandleChannel(TopicChannel):
    def __init__(self, topic: Topic, name: str, exchange: str, queue: Queue, now_s: float) -> None:
        super().__init__(topic, name, exchange, queue, now_s)
        assert topic.timeframe is not None
        self._timeframe: Timeframe = topic.timeframe
        self._forming: BarText | None = None
        self._time_ms = 0
        self._newest_closed_ms = -1
        self._closed_ms = -1  # the exchange's time of the message that said so

    def take(self, message: CandleMessage) -> None:
        for bar in message.bars:
            if bar.is_closed:
                if bar.open_time_ms == self._newest_closed_ms and message.time_ms < self._closed_ms:
                    continue  # overtaken by its own correction
                self._queue.push_closed(self, self._update(bar, message.time_ms))
                if bar.open_time_ms >= self._newest_closed_ms:
                    self._newest_closed_ms = bar.open_time_ms
                    self._closed_ms = message.time_ms
            elif bar.open_time_ms > self._newest_closed_ms:
                if self.is_queued:
                    self._queue.make_way()
                self._forming = bar
                self._time_ms = message.time_ms
                if not self.is_queued:
                    self._queue.push(self)

    def deliver(self) -> None:
        bar, self._forming = self._forming, None
        if bar is not None and bar.open_time_ms > self._newest_closed_ms:
            update = self._update(bar, self._time_ms)
            self._queue.listener.on_candle(update, self._queue.latency_ms(self._time_ms))

    def discard(self) -> int:
        self._forming = None
        return 1

    def _update(self, bar: BarText, time_ms: int) -> CandleUpdate:
        return CandleUpdate(
            self.exchange,
            self.topic.symbol,
            self._timeframe,
            Candle(
                bar.open_time_ms,
                decimal(bar.open),
                decimal(bar.high),
                decimal(bar.low),
                decimal(bar.close),
                decimal(bar.volume),
            ),
            bar.is_closed,
            time_ms,
        )


class BuiltCandles:
    """Candles of one series made from the trades of its symbol."""

    def __init__(self, topic: Topic, trades: TradeChannel, queue: Queue) -> None:
        assert topic.timeframe is not None
        self._topic = topic
        self._timeframe: Timeframe = topic.timeframe
        self._trades = trades
        self._queue = queue
        self._builder = CandleBuilder(topic.timeframe)

    def begin(self, time_ms: int) -> None:
        """Every trade from `time_ms` (market time) on will come."""
        self._builder.begin(time_ms)

    def take(self, trades: list[PublicTrade], time_ms: int) -> None:
        self._push_closed(self._builder.add(trades), time_ms)

    def close_until(self, time_ms: int) -> None:
        self._push_closed(self._builder.close_until(time_ms), time_ms)

    def deliver_forming(self, time_ms: int) -> None:
        bar = self._builder.forming
        if bar is not None:
            update = self._update(bar, time_ms, is_closed=False)
            self._queue.listener.on_candle(update, self._queue.latency_ms(time_ms))

    def _push_closed(self, bars: list[Candle], time_ms: int) -> None:
        for bar in bars:
            update = self._update(bar, time_ms, is_closed=True)
            self._queue.push_closed(self._trades, update)

    def _update(self, bar: Candle, time_ms: int, *, is_closed: bool) -> CandleUpdate:
        symbol = self._topic.symbol
        return CandleUpdate(self._trades.exchange, symbol, self._timeframe, bar, is_closed, time_ms)


class TradeChannel(TopicChannel):
    """`built`: candles that are made from these trades; `is_asked_for`: somebody wants the trades
    themselves."""

    def __init__(self, topic: Topic, name: str, exchange: str, queue: Queue, now_s: float) -> None:
        super().__init__(topic, name, exchange, queue, now_s)
        self.built: dict[Topic, BuiltCandles] = {}
        self.is_asked_for = False
        self._waiting: deque[PublicTrade] = deque()
        self._time_ms = 0

    def begin(self) -> None:
        """Trades of the next seconds may be missing still: bars count from a little later on."""
        for candles in self.built.values():
            candles.begin(self._queue.now_ms() + SUBSCRIBED_AFTER_MS)

    def take(self, message: Trades) -> None:
        self._time_ms = message.time_ms
        for candles in self.built.values():
            candles.take(message.trades, message.time_ms)
        self._waiting.extend(message.trades)
        while len(self._waiting) > TRADES_WAITING:
            self._waiting.popleft()
            self._queue.ticks_dropped += 1
        if not self.is_queued:
            self._queue.push(self)

    def deliver(self) -> None:
        trades = list(self._waiting)
        self._waiting.clear()
        for candles in self.built.values():
            candles.deliver_forming(self._time_ms)
        listener = self._queue.depth_listener
        if trades and self.is_asked_for and listener is not None:
            listener.on_trades(trades, self._queue.latency_ms(trades[-1].time_ms))

    def discard(self) -> int:
        count = len(self._waiting)
        self._waiting.clear()
        return count


class BookChannel(TopicChannel):
    """A book is looked at, a price is traded on: its messages, ten times as long, are read when
    the prices are out."""

    can_wait = True

    def __init__(self, topic: Topic, name: str, exchange: str, queue: Queue, now_s: float) -> None:
        super().__init__(topic, name, exchange, queue, now_s)
        self._book = OrderBook(exchange, topic.symbol, BOOK_DEPTH)
        self._unread: deque[Callable[[], BookChange]] = deque()

    def begin(self) -> None:
        self._unread.clear()
        self._book.forget()
        self.is_broken = False

    def take(self, message: Book) -> None:
        self._unread.append(message.read)
        if not self.is_queued:
            self._queue.push(self)

    def deliver(self) -> None:
        self._read()
        listener = self._queue.depth_listener
        if self._book.is_known and listener is not None:
            picture = self._book.snapshot()
            listener.on_book(picture, self._queue.latency_ms(picture.time_ms))

    def discard(self) -> int:
        """The picture gives way; what it is made of does not, or the next one would be wrong."""
        self._read()
        return 1

    def _read(self) -> None:
        """One that cannot be read leaves those behind it for the next time."""
        while self._unread:
            change = self._unread.popleft()()
            try:
                self._book.apply(change)
            except BookGap:
                self.is_broken = True
            if self._book.is_known:
                self.is_broken = False


CHANNELS: dict[Channel, type[TopicChannel]] = {
    Channel.CANDLES: CandleChannel,
    Channel.TICKER: TickerChannel,
    Channel.TRADES: TradeChannel,
    Channel.BOOK: BookChannel,
}
