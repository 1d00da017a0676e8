"""What each public topic says: one feed a topic, its message encoded once for all who follow it.

A feed is asked for its changes at the server's pace, and stamps a frame (`ts`) when it is made, not
when the data was read. Frames marked `must_arrive` reach every
follower or cut it; the others are newest-wins, and a follower that skipped one gets a snapshot.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Protocol

import msgspec

from core.models.candles import Candle, Timeframe
from exchanges.simulated.bar_stream import BarStream
from exchanges.simulated.market import Level, TickBlock
from exchanges.simulated.venue import Venue
from exchanges.simulated.wire.messages import (
    levels_json,
    stream_trade_json,
    ticker_json,
    turnover,
)
from exchanges.simulated.wire.words import TIMEFRAMES, text

_BOOK_DEPTHS = {"1": 1, "50": 50, "200": 200, "1000": 1000}
_TRADES_A_FRAME = 1024  # as Bybit bounds a publicTrade message
_QUIET_BOOK_MS = 3_000  # level 1 is repeated with the same `u` after so much quiet

encode = msgspec.json.encode


class Frame(msgspec.Struct, frozen=True):
    """One encoded message of a topic."""

    data: bytes
    must_arrive: bool = False


class Feed(Protocol):
    def snapshot(self) -> list[Frame]:
        """What a new follower, or one that fell behind, gets first."""

    def changes(self, *, conflated: bool) -> list[Frame]:
        """News since the last call; `conflated` False: only what must not wait."""


class KlineFeed:
    """`kline.INTERVAL.SYMBOL`: every closed bar once and in order, and the forming one."""

    def __init__(self, venue: Venue, topic: str, symbol: str, interval: str) -> None:
        self._venue = venue
        self._topic = topic
        self._symbol = symbol
        self._interval = interval
        self._timeframe: Timeframe = TIMEFRAMES[interval]
        self._bars = BarStream(venue, symbol, self._timeframe)

    def snapshot(self) -> list[Frame]:
        start_ms = self._timeframe.floor_ms(self._venue.time_ms())
        bars = self._venue.candles(self._symbol, self._timeframe, start_ms=start_ms, limit=1)
        return [self._frame(bar, is_closed=False) for bar in bars]

    def changes(self, *, conflated: bool) -> list[Frame]:
        forming = self._bars.forming() if conflated else None
        closed = self._bars.closed()
        frames = [self._frame(bar, is_closed=True) for bar in closed]
        if forming is not None and forming.open_time_ms not in {bar.open_time_ms for bar in closed}:
            frames.append(self._frame(forming, is_closed=False))  # it has not closed meanwhile
        return frames

    def _frame(self, bar: Candle, *, is_closed: bool) -> Frame:
        now_ms = self._venue.time_ms()
        message = {
            "topic": self._topic,
            "type": "snapshot",
            "ts": now_ms,
            "data": [
                {
                    "start": bar.open_time_ms,
                    "end": self._timeframe.next_open_ms(bar.open_time_ms) - 1,
                    "interval": self._interval,
                    "open": text(bar.open),
                    "close": text(bar.close),
                    "high": text(bar.high),
                    "low": text(bar.low),
                    "volume": text(bar.volume),
                    "turnover": text(turnover(bar)),
                    "confirm": is_closed,
                    "timestamp": now_ms,
                }
            ],
        }
        return Frame(encode(message), must_arrive=is_closed)


class TickerFeed:
    """`tickers.SYMBOL`: a snapshot, then deltas that hold only what changed."""

    def __init__(self, venue: Venue, topic: str, symbol: str) -> None:
        self._venue = venue
        self._topic = topic
        self._symbol = symbol
        self._direction = _TickDirection()
        self._shown = self._read()
        self._changes = 0

    def snapshot(self) -> list[Frame]:
        return [self._frame("snapshot", self._shown)]

    def changes(self, *, conflated: bool) -> list[Frame]:
        if not conflated:
            return []
        shown, self._shown = self._shown, self._read()
        changed = {key: value for key, value in self._shown.items() if shown[key] != value}
        if not changed:
            return []
        self._changes += 1
        return [self._frame("delta", {"symbol": self._symbol, **changed})]

    def _read(self) -> dict[str, Any]:
        ticker = self._venue.ticker(self._symbol)
        return {"tickDirection": self._direction.of(ticker.last_price), **ticker_json(ticker)}

    def _frame(self, kind: str, data: dict[str, Any]) -> Frame:
        message = {
            "topic": self._topic,
            "type": kind,
            "data": data,
            "cs": self._changes,
            "ts": self._venue.time_ms(),
        }
        return Frame(encode(message))


class TradeFeed:
    """`publicTrade.SYMBOL`: every trade; filled by the venue's own events."""

    def __init__(self, venue: Venue, topic: str, symbol: str) -> None:
        self.symbol = symbol
        self._venue = venue
        self._topic = topic
        self._direction = _TickDirection()
        self._waiting: list[dict[str, Any]] = []

    def add(self, ticks: TickBlock) -> None:
        self._waiting += [
            stream_trade_json(self.symbol, tick, self._direction.of(tick.price)) for tick in ticks
        ]

    def snapshot(self) -> list[Frame]:
        return []

    def changes(self, *, conflated: bool) -> list[Frame]:
        if not conflated:
            return []
        trades, self._waiting = self._waiting, []
        now_ms = self._venue.time_ms()
        return [
            Frame(
                encode(
                    {
                        "topic": self._topic,
                        "type": "snapshot",
                        "ts": now_ms,
                        "data": trades[start : start + _TRADES_A_FRAME],
                    }
                ),
                must_arrive=True,
            )
            for start in range(0, len(trades), _TRADES_A_FRAME)
        ]


class BookFeed:
    """`orderbook.DEPTH.SYMBOL`: a snapshot, then deltas; depth 1 is snapshots only."""

    def __init__(self, venue: Venue, topic: str, symbol: str, depth: int) -> None:
        self._venue = venue
        self._topic = topic
        self._symbol = symbol
        self._depth = depth
        self._update_id = 1
        self._time_ms = 0
        self._bids: list[Level] = []
        self._asks: list[Level] = []
        self._read()

    def snapshot(self) -> list[Frame]:
        return [self._frame("snapshot", levels_json(self._bids), levels_json(self._asks))]

    def changes(self, *, conflated: bool) -> list[Frame]:
        if not conflated:
            return []
        bids, asks, sent_ms = self._bids, self._asks, self._time_ms
        self._read()
        if bids == self._bids and asks == self._asks:
            is_quiet = self._depth == 1 and self._time_ms - sent_ms >= _QUIET_BOOK_MS
            if is_quiet:
                return self.snapshot()
            self._time_ms = sent_ms
            return []
        self._update_id += 1
        if self._depth == 1:
            return self.snapshot()
        return [self._frame("delta", _difference(bids, self._bids), _difference(asks, self._asks))]

    def _read(self) -> None:
        book = self._venue.order_book(self._symbol, self._depth)
        self._bids, self._asks, self._time_ms = book.bids, book.asks, book.time_ms

    def _frame(self, kind: str, bids: list[list[str]], asks: list[list[str]]) -> Frame:
        message = {
            "topic": self._topic,
            "type": kind,
            "ts": self._venue.time_ms(),
            "data": {
                "s": self._symbol,
                "b": bids,
                "a": asks,
                "u": self._update_id,
                "seq": self._update_id,
            },
            "cts": self._time_ms,
        }
        return Frame(encode(message))


class _TickDirection:
    """Bybit's word for how a price moved against the one before; zero ticks keep their side."""

    def __init__(self) -> None:
        self._price: Decimal | None = None
        self._is_up = True

    def of(self, price: Decimal) -> str:
        before, self._price = self._price, price
        if before is None or price == before:
            return "ZeroPlusTick" if self._is_up else "ZeroMinusTick"
        self._is_up = price > before
        return "PlusTick" if self._is_up else "MinusTick"


def _difference(before: list[Level], after: list[Level]) -> list[list[str]]:
    """Levels to delete (quantity "0"), insert and replace, to get from `before` to `after`."""
    old, new = dict(before), dict(after)
    gone = [[text(price), "0"] for price in old if price not in new]
    changed = [
        [text(price), text(quantity)] for price, quantity in after if old.get(price) != quantity
    ]
    return gone + changed


def open_feed(venue: Venue, topic: str) -> Feed | None:
    """The feed that a topic names, None when there is no such topic or symbol."""
    match topic.split("."):
        case ["kline", interval, symbol] if interval in TIMEFRAMES and symbol in venue.instruments:
            return KlineFeed(venue, topic, symbol, interval)
        case ["tickers", symbol] if symbol in venue.instruments:
            return TickerFeed(venue, topic, symbol)
        case ["publicTrade", symbol] if symbol in venue.instruments:
            return TradeFeed(venue, topic, symbol)
        case ["orderbook", depth, symbol] if depth in _BOOK_DEPTHS and symbol in venue.instruments:
            return BookFeed(venue, topic, symbol, _BOOK_DEPTHS[depth])
    return None
