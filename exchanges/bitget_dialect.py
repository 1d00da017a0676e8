"""Bitget's public streams in the handler's words: API v2, USDT-margined perpetuals.

Its candles never say that they are closed; the feed asks REST after a bar's end. Sources:
bitget.com/api-doc/common/websocket-intro (240 subscriptions an hour and connection, 10 messages a
second, text ping every 30 s, cut after 2 minutes).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import msgspec

from core.models.books import BookChange
from core.models.streams import Channel
from core.models.trades import PublicTrade
from exchanges.base_dialect import ArgDialect, levels
from exchanges.numbers import decimal, milliseconds, side_of
from exchanges.stream_dialect import (
    IGNORED,
    Answer,
    Bars,
    BarText,
    Book,
    Ignored,
    Message,
    StreamLimits,
    Tick,
    TickerText,
    Trades,
)

EXCHANGE = "bitget"
BOOK_CHANNEL = "books15"  # whole pictures of fifteen levels


class _Arg(msgspec.Struct, rename="camel", frozen=True):
    """`channel` in API v2, `topic` in the unified account's v3."""

    inst_type: str = ""
    channel: str = ""
    topic: str = ""
    inst_id: str = ""

    @property
    def name(self) -> str:
        return f"{self.channel or self.topic}:{self.inst_id}"


class _Envelope(msgspec.Struct):
    arg: _Arg = _Arg()
    event: str = ""
    code: int | str = ""
    msg: str = ""
    action: str = ""
    data: msgspec.Raw = msgspec.Raw()
    ts: int | str = 0


class _TickerRow(msgspec.Struct, rename="camel"):
    last_pr: str
    ts: str
    bid_pr: str = ""
    ask_pr: str = ""
    high24h: str = ""
    low24h: str = ""
    change24h: str = ""
    mark_price: str = ""
    quote_volume: str = ""
    funding_rate: str = ""


class _TradeRow(msgspec.Struct, rename="camel"):
    """v2's words, and v3's one-letter ones."""

    ts: str = ""
    price: str = ""
    size: str = ""
    side: str = ""
    trade_id: str = ""
    T: str = ""
    p: str = ""
    v: str = ""
    S: str = ""
    i: str = ""


class _BookRow(msgspec.Struct):
    asks: list[tuple[str, str]]
    bids: list[tuple[str, str]]
    ts: str


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_tickers = msgspec.json.Decoder(list[_TickerRow]).decode
_decode_candles = msgspec.json.Decoder(list[tuple[str, ...]]).decode
_decode_trades = msgspec.json.Decoder(list[_TradeRow]).decode
_decode_books = msgspec.json.Decoder(list[_BookRow]).decode


class BitgetDialect(ArgDialect):
    exchange = EXCHANGE
    limits = StreamLimits(topics_per_connection=200, connections=50, pause_s=0.15)
    ws_url = "wss://ws.bitget.com/v2/ws/public"
    topics: ClassVar = {
        Channel.CANDLES: "candle{interval}:{symbol}",
        Channel.TICKER: "ticker:{symbol}",
        Channel.TRADES: "trade:{symbol}",
        Channel.BOOK: BOOK_CHANNEL + ":{symbol}",
    }
    topics_per_request = 40  # a request may have 4,096 bytes
    said_of_all: ClassVar = {"instType": "USDT-FUTURES"}

    def parse(self, payload: bytes) -> Message:
        if payload == b"pong":
            return IGNORED
        envelope = _decode_envelope(payload)
        name = envelope.arg.name
        if envelope.event in ("subscribe", "unsubscribe"):
            return Answer(topic=name, is_unsubscribe=envelope.event == "unsubscribe")
        if envelope.event == "error":
            return Answer(topic=name, is_accepted=False, text=envelope.msg)
        channel = name.partition(":")[0]
        decode = _CHANNELS.get("candle" if channel.startswith("candle") else channel)
        if envelope.arg.topic and decode is not _trades:
            decode = None  # v3's rows are not asked for
        if decode is None or not bytes(envelope.data):
            return Ignored(name)
        return decode(envelope)


def _time_ms(envelope: _Envelope) -> int:
    return milliseconds(str(envelope.ts))


def _candles(envelope: _Envelope) -> Bars:
    """`[ts, o, h, l, c, base volume, ...]`; the first message brings history as well, of which
    only the newest bar is news."""
    rows = _decode_candles(envelope.data)
    bars = []
    for row in rows[-1:]:
        if len(row) < 6:
            raise msgspec.ValidationError(f"Expected six figures of a bar, got {len(row)}")
        opened, first, high, low, last, volume = row[:6]
        bars.append(BarText(milliseconds(opened), first, high, low, last, volume, False))
    return Bars(envelope.arg.name, _time_ms(envelope), bars)


def _ticker(envelope: _Envelope) -> Message:
    rows = _decode_tickers(envelope.data)
    if not rows:
        return Ignored(envelope.arg.name)
    row = rows[-1]
    fields = TickerText(
        last_price=row.last_pr,
        mark_price=row.mark_price,
        bid_price=row.bid_pr,
        ask_price=row.ask_pr,
        high_24h=row.high24h,
        low_24h=row.low24h,
        change_24h_ratio=row.change24h,
        turnover_24h=row.quote_volume,
        funding_rate=row.funding_rate,
    )
    return Tick(envelope.arg.name, milliseconds(row.ts), fields)


def _trades(envelope: _Envelope) -> Trades:
    """Newest first on the wire."""
    trades = [
        PublicTrade(
            EXCHANGE,
            envelope.arg.inst_id,
            row.trade_id or row.i,
            decimal(row.price or row.p),
            decimal(row.size or row.v),
            side_of(row.side or row.S),
            milliseconds(row.ts or row.T),
        )
        for row in reversed(_decode_trades(envelope.data))
    ]
    return Trades(envelope.arg.name, _time_ms(envelope), trades)


def _book(envelope: _Envelope) -> Message:
    rows = _decode_books(envelope.data)
    if not rows:
        return Ignored(envelope.arg.name)
    row = rows[-1]
    return Book(
        envelope.arg.name,
        lambda: BookChange(
            envelope.arg.inst_id,
            envelope.action != "update",
            levels(row.bids),
            levels(row.asks),
            milliseconds(row.ts),
        ),
    )


_CHANNELS: dict[str, Callable[[_Envelope], Message]] = {
    "candle": _candles,
    "ticker": _ticker,
    "trade": _trades,
    "publicTrade": _trades,
    "books": _book,
    "books5": _book,
    BOOK_CHANNEL: _book,
}
