"""OKX's public streams in the handler's words: API v5, swaps and spot by their `instId`.

Sources: okx.com/docs-v5 (public and business endpoints, 3 connects a second, 480 subscribe
operations an hour and connection, text ping within 30 s, notice 64008 before an upgrade).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar

import msgspec

from core.models.books import BookChange
from core.models.streams import Channel
from core.models.trades import PublicTrade
from exchanges.base_dialect import ArgDialect, levels
from exchanges.numbers import decimal, milliseconds, ratio_of_prices, side_of
from exchanges.stream_dialect import (
    IGNORED,
    Answer,
    Bars,
    BarText,
    Book,
    Goodbye,
    Ignored,
    Message,
    StreamLimits,
    Tick,
    TickerText,
    Trades,
)

EXCHANGE = "okx"
BOOK_CHANNEL = "books5"  # whole pictures of five levels, every 100 ms
_UPGRADE = "64008"
_NO_SUCH_TOPIC = re.compile(r"channel:(\S+?),instId:(\S+) doesn't exist")


class _Arg(msgspec.Struct, rename="camel", frozen=True):
    channel: str = ""
    inst_id: str = ""

    @property
    def name(self) -> str:
        return f"{self.channel}:{self.inst_id}"


class _Envelope(msgspec.Struct):
    arg: _Arg = _Arg()
    event: str = ""
    code: str = ""
    msg: str = ""
    action: str = ""
    data: msgspec.Raw = msgspec.Raw()


class _TickerRow(msgspec.Struct, rename="camel"):
    last: str
    ts: str
    ask_px: str = ""
    bid_px: str = ""
    open24h: str = ""
    high24h: str = ""
    low24h: str = ""
    turnover: str = msgspec.field(name="volCcy24h", default="")  # quote currency of spot only


class _TradeRow(msgspec.Struct, rename="camel"):
    inst_id: str
    trade_id: str
    px: str
    sz: str
    side: str
    ts: str


class _BookRow(msgspec.Struct, rename="camel"):
    asks: list[tuple[str, str, str, str]]
    bids: list[tuple[str, str, str, str]]
    ts: str
    seq_id: int | None = None
    prev_seq_id: int | None = None


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_tickers = msgspec.json.Decoder(list[_TickerRow]).decode
_decode_candles = msgspec.json.Decoder(list[tuple[str, ...]]).decode
_decode_trades = msgspec.json.Decoder(list[_TradeRow]).decode
_decode_books = msgspec.json.Decoder(list[_BookRow]).decode


class OkxDialect(ArgDialect):
    exchange = EXCHANGE
    limits = StreamLimits(topics_per_connection=480, pause_s=0.35, connect_pause_s=0.4)
    ws_url = "wss://ws.okx.com:8443/ws/v5"
    topics: ClassVar = {
        Channel.CANDLES: "candle{interval}:{symbol}",
        Channel.TICKER: "tickers:{symbol}",
        Channel.TRADES: "trades:{symbol}",
        Channel.BOOK: BOOK_CHANNEL + ":{symbol}",
    }

    def url(self, channel: Channel) -> str:
        return f"{self._url}/{'business' if channel is Channel.CANDLES else 'public'}"

    def parse(self, payload: bytes) -> Message:
        if payload == b"pong":
            return IGNORED
        if not payload.startswith(b"{"):
            msgspec.json.decode(payload)
            return IGNORED
        envelope = _decode_envelope(payload)
        if envelope.event:
            return _control(envelope)
        channel = envelope.arg.channel
        decode = _CHANNELS.get("candle" if channel.startswith("candle") else channel)
        if decode is None or not bytes(envelope.data):
            return Ignored(envelope.arg.name)
        return decode(envelope)


def _control(envelope: _Envelope) -> Message:
    match envelope.event:
        case "subscribe" | "unsubscribe":
            return Answer(topic=envelope.arg.name, is_unsubscribe=envelope.event == "unsubscribe")
        case "error":
            told = _NO_SUCH_TOPIC.search(envelope.msg)
            topic = f"{told[1]}:{told[2]}" if told else envelope.arg.name
            return Answer(topic=topic, is_accepted=False, text=envelope.msg)
        case "notice" if envelope.code == _UPGRADE:
            return Goodbye("OKX closes this connection for an upgrade")
    return IGNORED


def _candles(envelope: _Envelope) -> Bars:
    """`[ts, o, h, l, c, vol, volCcy, volCcyQuote, confirm]`: of a swap `vol` counts contracts and
    `volCcy` the base currency; of spot `vol` is the base currency."""
    volume = 6 if envelope.arg.inst_id.count("-") > 1 else 5
    bars = []
    for row in _decode_candles(envelope.data):
        if len(row) < 9:
            raise msgspec.ValidationError(f"Expected nine figures of a bar, got {len(row)}")
        bars.append(
            BarText(
                milliseconds(row[0]), row[1], row[2], row[3], row[4], row[volume], row[8] == "1"
            )
        )
    return Bars(envelope.arg.name, bars[-1].open_time_ms if bars else 0, bars)


def _tickers(envelope: _Envelope) -> Message:
    rows = _decode_tickers(envelope.data)
    if not rows:
        return Ignored(envelope.arg.name)
    row = rows[-1]
    is_spot = envelope.arg.inst_id.count("-") == 1
    fields = TickerText(
        last_price=row.last,
        bid_price=row.bid_px,
        ask_price=row.ask_px,
        high_24h=row.high24h,
        low_24h=row.low24h,
        change_24h_ratio=ratio_of_prices(row.last, row.open24h),
        turnover_24h=row.turnover if is_spot else "",
    )
    return Tick(envelope.arg.name, milliseconds(row.ts), fields)


def _trades(envelope: _Envelope) -> Trades:
    trades = [
        PublicTrade(
            EXCHANGE,
            row.inst_id,
            row.trade_id,
            decimal(row.px),
            decimal(row.sz),
            side_of(row.side),
            milliseconds(row.ts),
        )
        for row in _decode_trades(envelope.data)
    ]
    return Trades(envelope.arg.name, trades[-1].time_ms if trades else 0, trades)


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
            row.seq_id,
            row.prev_seq_id,
        ),
    )


_CHANNELS: dict[str, Callable[[_Envelope], Message]] = {
    "candle": _candles,
    "tickers": _tickers,
    "trades": _trades,
    BOOK_CHANNEL: _book,
    "books": _book,
}
