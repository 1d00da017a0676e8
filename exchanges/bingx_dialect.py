"""BingX's public streams in the handler's words: USDT-margined perpetuals.

Everything comes gzipped, one topic a request. Its candles never say that they are closed; the feed
asks REST after a bar's end. Sources: bingx-api.github.io, swap websocket market data (server
pings every 5 s and wants a text pong, at most 200 topics a connection).
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterator, Sequence

import msgspec

from core.models.books import BookChange, BookLevel
from core.models.orders import Side
from core.models.streams import Channel, Topic
from core.models.trades import PublicTrade
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
WS_URL = "wss://open-api-swap.bingx.com/swap-market"
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


class BingxDialect:
    exchange = EXCHANGE
    limits = StreamLimits(topics_per_connection=200, connections=50, pause_s=0.1)

    def __init__(self, url: str = WS_URL) -> None:
        self._url = url
        self._request_ids = itertools.count(1)

    def url(self, channel: Channel) -> str:  # noqa: ARG002 (one address serves all)
        return self._url

    def wire_name(self, topic: Topic) -> str:
        match topic.channel:
            case Channel.CANDLES:
                assert topic.timeframe is not None
                return f"{topic.symbol}@kline_{topic.timeframe.value}"
            case Channel.TICKER:
                return f"{topic.symbol}@ticker"
            case Channel.TRADES:
                return f"{topic.symbol}@trade"
            case Channel.BOOK:
                return f"{topic.symbol}@{BOOK_CHANNEL}"

    def subscribe(self, names: Sequence[str], all_names: Sequence[str]) -> Iterator[Request]:  # noqa: ARG002
        return self._requests("sub", names)

    def unsubscribe(self, names: Sequence[str], all_names: Sequence[str]) -> Iterator[Request]:  # noqa: ARG002
        return self._requests("unsub", names)

    def _requests(self, kind: str, names: Sequence[str]) -> Iterator[Request]:
        for name in names:
            number = str(next(self._request_ids))
            payload = msgspec.json.encode({"id": number, "reqType": kind, "dataType": name})
            yield Request(payload, (name,), number, is_unsubscribe=kind == "unsub")

    def ping(self) -> None:
        return None

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
    change = BookChange(
        name.partition("@")[0],
        True,
        [BookLevel(decimal(price), decimal(size)) for price, size in data.bids],
        [BookLevel(decimal(price), decimal(size)) for price, size in data.asks],
        envelope.ts,
    )
    return Book(name, change)


_CHANNELS: dict[str, Callable[[str, _Envelope], Message]] = {
    "kline": _kline,
    "ticker": _ticker,
    "trade": _trades,
    BOOK_CHANNEL: _book,
    "depth20": _book,
}
