"""Bitget's public streams in the handler's words: API v2, USDT-margined perpetuals.

Its candles never say that they are closed; the feed asks REST after a bar's end. Sources:
bitget.com/api-doc/common/websocket-intro (240 subscriptions an hour and connection, 10 messages a
second, text ping every 30 s, cut after 2 minutes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from core.models.books import BookChange, BookLevel
from core.models.candles import Timeframe
from core.models.streams import Channel, Topic
from core.models.trades import PublicTrade
from exchanges.numbers import decimal, milliseconds, side_of
from exchanges.stream_dialect import (
    IGNORED,
    Answer,
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

EXCHANGE = "bitget"
WS_URL = "wss://ws.bitget.com/v2/ws/public"
INSTRUMENT_TYPE = "USDT-FUTURES"
BOOK_CHANNEL = "books15"  # whole pictures of fifteen levels
TOPICS_PER_REQUEST = 40  # a request may have 4,096 bytes

# Bars of six hours and more begin at 00:00 Hong Kong time unless asked for by UTC.
INTERVAL_OF = {
    Timeframe.M1: "1m",
    Timeframe.M3: "3m",
    Timeframe.M5: "5m",
    Timeframe.M15: "15m",
    Timeframe.M30: "30m",
    Timeframe.H1: "1H",
    Timeframe.H2: "2H",
    Timeframe.H4: "4H",
    Timeframe.H6: "6Hutc",
    Timeframe.H12: "12Hutc",
    Timeframe.D1: "1Dutc",
    Timeframe.W1: "1Wutc",
    Timeframe.MONTH: "1Mutc",
}


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


class BitgetDialect:
    exchange = EXCHANGE
    limits = StreamLimits(topics_per_connection=200, connections=50, pause_s=0.15)

    def __init__(self, url: str = WS_URL) -> None:
        self._url = url

    def url(self, channel: Channel) -> str:  # noqa: ARG002 (one address serves all)
        return self._url

    def wire_name(self, topic: Topic) -> str:
        match topic.channel:
            case Channel.CANDLES:
                assert topic.timeframe is not None
                return f"candle{INTERVAL_OF[topic.timeframe]}:{topic.symbol}"
            case Channel.TICKER:
                return f"ticker:{topic.symbol}"
            case Channel.TRADES:
                return f"trade:{topic.symbol}"
            case Channel.BOOK:
                return f"{BOOK_CHANNEL}:{topic.symbol}"

    def subscribe(self, names: Sequence[str], all_names: Sequence[str]) -> Iterator[Request]:  # noqa: ARG002
        return self._requests("subscribe", names)

    def unsubscribe(self, names: Sequence[str], all_names: Sequence[str]) -> Iterator[Request]:  # noqa: ARG002
        return self._requests("unsubscribe", names)

    def _requests(self, op: str, names: Sequence[str]) -> Iterator[Request]:
        """Each topic is answered on its own."""
        for first in range(0, len(names), TOPICS_PER_REQUEST):
            batch = names[first : first + TOPICS_PER_REQUEST]
            pairs = (name.partition(":") for name in batch)
            args = [
                {"instType": INSTRUMENT_TYPE, "channel": channel, "instId": symbol}
                for channel, _, symbol in pairs
            ]
            payload = msgspec.json.encode({"op": op, "args": args})
            yield Request(payload, tuple(batch), is_unsubscribe=op == "unsubscribe")

    def ping(self) -> bytes:
        return b"ping"

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
    change = BookChange(
        envelope.arg.inst_id,
        envelope.action != "update",
        [BookLevel(decimal(price), decimal(size)) for price, size in row.bids],
        [BookLevel(decimal(price), decimal(size)) for price, size in row.asks],
        milliseconds(row.ts),
    )
    return Book(envelope.arg.name, change)


_CHANNELS: dict[str, Callable[[_Envelope], Message]] = {
    "candle": _candles,
    "ticker": _ticker,
    "trade": _trades,
    "publicTrade": _trades,
    "books": _book,
    "books5": _book,
    BOOK_CHANNEL: _book,
}
