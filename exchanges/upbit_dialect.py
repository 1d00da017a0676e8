"""Upbit's public stream in the handler's words, and Bithumb's, whose second generation speaks the
same: KRW spot markets, `KRW-BTC`.

Each request is the whole list and replaces the one before; nothing is answered. Numbers come as
JSON numbers and are kept exact. Candles (Upbit only, minutes only) never say that they are closed,
and a minute without a trade has none; the feed asks REST after a bar's end. Sources:
docs.upbit.com/reference/websocket-guide, apidocs.bithumb.com (5 connects and 5 requests a second,
100 requests a minute).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar

import msgspec

from core.models.books import BookChange, BookLevel
from core.models.candles import Timeframe
from core.models.orders import Side
from core.models.streams import Channel
from core.models.trades import PublicTrade
from exchanges.base_dialect import BaseDialect
from exchanges.numbers import finite, milliseconds
from exchanges.stream_dialect import (
    IGNORED,
    Bars,
    BarText,
    Book,
    Ignored,
    Message,
    Request,
    StreamLimits,
    Tick,
    TickerText,
    Trades,
)


class _Kind(msgspec.Struct):
    type: str = ""
    code: str = ""


class _Ticker(msgspec.Struct):
    """`high_price` and `low_price` are the day's (KST), which is what these exchanges show."""

    code: str
    trade_price: Decimal
    signed_change_rate: Decimal | None = None
    high_price: Decimal | None = None
    low_price: Decimal | None = None
    acc_trade_price_24h: Decimal | None = None
    trade_timestamp: int | str = 0
    timestamp: int | str = 0


class _Trade(msgspec.Struct):
    code: str
    trade_price: Decimal
    trade_volume: Decimal
    ask_bid: str
    trade_timestamp: int
    sequential_id: int
    timestamp: int = 0


class _Unit(msgspec.Struct):
    ask_price: Decimal
    bid_price: Decimal
    ask_size: Decimal
    bid_size: Decimal


class _OrderBook(msgspec.Struct):
    code: str
    timestamp: int
    orderbook_units: list[_Unit]


class _Candle(msgspec.Struct):
    type: str
    code: str
    candle_date_time_utc: str
    opening_price: Decimal
    high_price: Decimal
    low_price: Decimal
    trade_price: Decimal
    candle_acc_trade_volume: Decimal
    timestamp: int


_decode_kind = msgspec.json.Decoder(_Kind).decode
_decode_ticker = msgspec.json.Decoder(_Ticker).decode
_decode_trade = msgspec.json.Decoder(_Trade).decode
_decode_book = msgspec.json.Decoder(_OrderBook).decode
_decode_candle = msgspec.json.Decoder(_Candle).decode


class UpbitDialect(BaseDialect):
    exchange = "upbit"
    # A coin may well not trade for a minute; its book hardly ever stands still.
    limits = StreamLimits(
        topics_per_connection=2000,
        pause_s=0.65,
        connect_pause_s=0.25,
        silence_s={Channel.BOOK: 15.0, Channel.TICKER: 60.0, Channel.CANDLES: 120.0},
    )
    ws_url = "wss://api.upbit.com/websocket/v1"
    topics: ClassVar = {
        Channel.CANDLES: "candle.{interval}:{symbol}",
        Channel.TICKER: "ticker:{symbol}",
        Channel.TRADES: "trade:{symbol}",
        Channel.BOOK: "orderbook:{symbol}",
    }
    intervals: ClassVar[Mapping[Timeframe, str]] = {
        Timeframe.M1: "1m",
        Timeframe.M3: "3m",
        Timeframe.M5: "5m",
        Timeframe.M15: "15m",
        Timeframe.M30: "30m",
        Timeframe.H1: "60m",
        Timeframe.H4: "240m",
    }

    def subscribe(self, names: Sequence[str], all_names: Sequence[str]) -> Iterator[Request]:
        return self._whole_list(names, all_names)

    def unsubscribe(self, names: Sequence[str], all_names: Sequence[str]) -> Iterator[Request]:
        return self._whole_list(names, [name for name in all_names if name not in set(names)])

    def _whole_list(self, asked: Sequence[str], all_names: Sequence[str]) -> Iterator[Request]:
        """An empty list cannot be asked for: then the last one goes on unheard."""
        if all_names:
            request = self._request(all_names, is_unsubscribe=False)
            yield msgspec.structs.replace(request, names=tuple(asked))

    def _request(self, names: Sequence[str], *, is_unsubscribe: bool) -> Request:
        codes: dict[str, list[str]] = {}
        for name in names:
            kind, _, symbol = name.partition(":")
            codes.setdefault(kind, []).append(symbol)
        message: list[dict[str, object]] = [{"ticket": f"twinstar-{next(self._request_ids)}"}]
        message += [{"type": kind, "codes": symbols} for kind, symbols in codes.items()]
        message.append({"format": "DEFAULT"})
        payload = msgspec.json.encode(message)
        return Request(payload, tuple(names), is_answered=False, is_unsubscribe=is_unsubscribe)

    def parse(self, payload: bytes) -> Message:
        kind = _decode_kind(payload)
        make = _KINDS.get("candle" if kind.type.startswith("candle.") else kind.type)
        if make is None or not kind.code:
            return Ignored(f"{kind.type}:{kind.code}") if kind.type else IGNORED
        return make(self.exchange, payload)


class BithumbDialect(UpbitDialect):
    """No candles at all: they are built from trades."""

    exchange = "bithumb"
    ws_url = "wss://ws-api.bithumb.com/websocket/v1"
    intervals: ClassVar[Mapping[Timeframe, str]] = {}


def _ticker(exchange: str, payload: bytes) -> Tick:  # noqa: ARG001 (of no matter to a ticker)
    row = _decode_ticker(payload)
    fields = TickerText(
        last_price=_text(row.trade_price),
        high_24h=_text(row.high_price),
        low_24h=_text(row.low_price),
        change_24h_ratio=_text(row.signed_change_rate),
        turnover_24h=_text(row.acc_trade_price_24h),
    )
    time_ms = milliseconds(str(row.timestamp or row.trade_timestamp))
    return Tick(f"ticker:{row.code}", time_ms, fields)


def _text(value: Decimal | None) -> str:
    return "" if value is None else str(value)


def _trade(exchange: str, payload: bytes) -> Trades:
    row = _decode_trade(payload)
    trade = PublicTrade(
        exchange,
        row.code,
        str(row.sequential_id),
        finite(row.trade_price),
        finite(row.trade_volume),
        Side.SELL if row.ask_bid == "ASK" else Side.BUY,
        row.trade_timestamp,
    )
    return Trades(f"trade:{row.code}", row.timestamp or row.trade_timestamp, [trade])


def _book(exchange: str, payload: bytes) -> Book:  # noqa: ARG001 (of no matter to a book)
    book = _decode_book(payload)
    return Book(
        f"orderbook:{book.code}",
        lambda: BookChange(
            book.code,
            True,
            [
                BookLevel(finite(row.bid_price), finite(row.bid_size))
                for row in book.orderbook_units
            ],
            [
                BookLevel(finite(row.ask_price), finite(row.ask_size))
                for row in book.orderbook_units
            ],
            book.timestamp,
        ),
    )


def _candle(exchange: str, payload: bytes) -> Bars:  # noqa: ARG001 (of no matter to a candle)
    row = _decode_candle(payload)
    try:
        opened = datetime.fromisoformat(row.candle_date_time_utc).replace(tzinfo=UTC)
    except ValueError:
        raise msgspec.ValidationError(
            f"Expected a date and time, got {row.candle_date_time_utc!r}"
        ) from None
    bar = BarText(
        round(opened.timestamp()) * 1000,
        str(row.opening_price),
        str(row.high_price),
        str(row.low_price),
        str(row.trade_price),
        str(row.candle_acc_trade_volume),
        False,
    )
    return Bars(f"{row.type}:{row.code}", row.timestamp, [bar])


_KINDS: dict[str, Callable[[str, bytes], Message]] = {
    "ticker": _ticker,
    "trade": _trade,
    "orderbook": _book,
    "candle": _candle,
}
