"""BingX's public streams in the handler's words: USDT-margined perpetuals.

Everything comes gzipped, one topic a request. Its candles never say that they are closed; the feed
asks REST after a bar's end. Sources: bingx-api.github.io, swap websocket market data (server
pings every 5 s and wants a text pong, at most 200 topics a connection).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import ClassVar

import msgspec

from core.models.books import BookChange
from core.models.orders import Side
from core.models.streams import Channel
from core.models.trades import PublicTrade
from exchanges.base_dialect import BaseDialect, levels
from exchanges.numbers import decimal, milliseconds, ratio_of_percent
from exchanges.stream_dialect import (
    IGNORED,
    Answer,
    Bars,
    BarText,
    Book,
    Ignored,
    Message,
    Reply,
    Request,
    StreamLimits,
    Tick,
    TickerText,
    Trades,
)

EXCHANGE = "bingx"
BOOK_CHANNEL = "depth20@100ms"  # whole pictures of twenty levels
MAX_MESSAGE_BYTES = 4_000_000  # unpacked: a thousand times what any topic brings
_GZIP = 16 + zlib.MAX_WBITS
_GZIP_MAGIC = b"\x1f\x8b"


class _Envelope(msgspec.Struct, rename="camel"):
    data_type: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")
    code: int = 0
    msg: str = ""
    id: str = ""
    ts: int = 0


class _Bar(msgspec.Struct):
    T: int
    o: str
    h: str
    l: str  # noqa: E741 (their word)
    c: str
    v: str


class _TickerData(msgspec.Struct):
    """Prices are text in swaps and numbers in spot; the change is a percentage, with its sign."""

    E: int
    c: str | float
    h: str | float
    l: str | float  # noqa: E741 (their word)
    q: str | float
    P: str = ""
    A: str | float = ""
    B: str | float = ""


class _TradeRow(msgspec.Struct):
    p: str
    q: str
    T: int | str
    m: bool | str
    s: str
    t: str = ""


class _BookData(msgspec.Struct):
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_bars = msgspec.json.Decoder(list[_Bar]).decode
_decode_ticker = msgspec.json.Decoder(_TickerData).decode
_decode_trades = msgspec.json.Decoder(list[_TradeRow] | _TradeRow).decode
_decode_book = msgspec.json.Decoder(_BookData).decode


class BingxDialect(BaseDialect):
    exchange = EXCHANGE
    limits = StreamLimits(topics_per_connection=200, connections=50, pause_s=0.1)
    ws_url = "wss://open-api-swap.bingx.com/swap-market"
    topics: ClassVar = {
        Channel.CANDLES: "{symbol}@kline_{interval}",
        Channel.TICKER: "{symbol}@ticker",
        Channel.TRADES: "{symbol}@trade",
        Channel.BOOK: "{symbol}@" + BOOK_CHANNEL,
    }
    topics_per_request = 1

    def _request(self, names: Sequence[str], *, is_unsubscribe: bool) -> Request:
        number, [name] = next(self._request_ids), names
        kind = "unsub" if is_unsubscribe else "sub"
        body = {"id": str(number), "reqType": kind, "dataType": name}
        return self._numbered(body, names, number, is_unsubscribe=is_unsubscribe)

    def parse(self, payload: bytes) -> Message:
        if payload.startswith(_GZIP_MAGIC):
            payload = _unpacked(payload)
        if payload == b"Ping":
            return Reply(b"Pong")
        envelope = _decode_envelope(payload)
        if envelope.id:
            return Answer(request_id=envelope.id, is_accepted=envelope.code == 0, text=envelope.msg)
        name = envelope.data_type
        channel = name.partition("@")[2]
        decode = _CHANNELS.get("kline" if channel.startswith("kline_") else channel)
        if decode is None or bytes(envelope.data) == b"null":
            return Ignored(name) if name else IGNORED
        return decode(name, envelope)


def _unpacked(payload: bytes) -> bytes:
    """Raises msgspec.DecodeError for what is no gzip, or would unpack without end."""
    unpacking = zlib.decompressobj(_GZIP)
    try:
        text = unpacking.decompress(payload, MAX_MESSAGE_BYTES)
    except zlib.error as fault:
        raise msgspec.DecodeError(f"not gzip: {fault}") from None
    if unpacking.unconsumed_tail:
        raise msgspec.DecodeError("a message too large to be true")
    return text


def _kline(name: str, envelope: _Envelope) -> Bars:
    bars = [
        BarText(bar.T, bar.o, bar.h, bar.l, bar.c, bar.v, False)
        for bar in _decode_bars(envelope.data)
    ]
    return Bars(name, bars[-1].open_time_ms if bars else 0, bars)


def _ticker(name: str, envelope: _Envelope) -> Tick:
    data = _decode_ticker(envelope.data)
    fields = TickerText(
        last_price=str(data.c),
        high_24h=str(data.h),
        low_24h=str(data.l),
        turnover_24h=str(data.q),
        bid_price=str(data.B),
        ask_price=str(data.A),
        change_24h_ratio=ratio_of_percent(data.P),
    )
    return Tick(name, data.E, fields)


def _trades(name: str, envelope: _Envelope) -> Trades:
    """A list of several, newest first, or one alone whose truths are words. Swaps' trades have
    no number."""
    rows = _decode_trades(envelope.data)
    trades = [
        PublicTrade(
            EXCHANGE,
            row.s,
            row.t,
            decimal(row.p),
            decimal(row.q),
            Side.SELL if row.m in (True, "true") else Side.BUY,
            milliseconds(str(row.T)),
        )
        for row in reversed(rows if isinstance(rows, list) else [rows])
    ]
    return Trades(name, trades[-1].time_ms if trades else 0, trades)


def _book(name: str, envelope: _Envelope) -> Book:
    data = _decode_book(envelope.data)
    return Book(
        name,
        lambda: BookChange(
            name.partition("@")[0],
            True,
            levels(data.bids),
            levels(data.asks),
            envelope.ts,
        ),
    )


_CHANNELS: dict[str, Callable[[str, _Envelope], Message]] = {
    "kline": _kline,
    "ticker": _ticker,
    "trade": _trades,
    BOOK_CHANNEL: _book,
    "depth20": _book,
}
