"""Binance's public streams in the handler's words: USDⓈ-M perpetuals, combined streams.

Sources: developers.binance.com, USDⓈ-M futures, websocket market streams (routed endpoints
/public and /market, 200 streams a connection, 10 incoming messages a second, 24 h, server pings).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import msgspec

from core.models.books import BookChange
from core.models.orders import Side
from core.models.streams import Channel, Topic
from core.models.trades import PublicTrade
from exchanges.base_dialect import BaseDialect, levels
from exchanges.numbers import decimal, ratio_of_percent
from exchanges.stream_dialect import (
    IGNORED,
    Answer,
    Bars,
    BarText,
    Book,
    Goodbye,
    Ignored,
    Message,
    Request,
    StreamLimits,
    Tick,
    TickerText,
    Trades,
)

EXCHANGE = "binance"
BOOK_STREAM = "depth20@100ms"


class _Envelope(msgspec.Struct):
    """Combined form, raw form, or an answer: which keys are there tells."""

    stream: str = ""
    data: msgspec.Raw = msgspec.Raw()
    e: str = ""
    event: msgspec.Raw = msgspec.Raw()
    id: int | str | None = None
    error: dict[str, Any] | None = None
    code: int | None = None
    msg: str = ""
    result: msgspec.Raw = msgspec.Raw()


class _Kline(msgspec.Struct):
    t: int
    i: str
    o: str
    h: str
    l: str  # noqa: E741 (their word)
    c: str
    v: str
    x: bool


class _KlineEvent(msgspec.Struct):
    E: int
    s: str
    k: _Kline


class _TickerEvent(msgspec.Struct):
    """Spot has bid and ask here; USDⓈ-M has not."""

    E: int
    s: str
    c: str
    h: str
    l: str  # noqa: E741 (their word)
    q: str
    P: str = ""
    b: str = ""
    a: str = ""


class _TradeEvent(msgspec.Struct):
    s: str
    p: str
    q: str
    T: int
    m: bool
    E: int
    a: int | None = None  # aggTrade
    t: int | None = None  # trade


class _DepthEvent(msgspec.Struct):
    E: int
    s: str
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]
    u: int


class _PartialDepth(msgspec.Struct):
    lastUpdateId: int  # noqa: N815 (their word)
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class _Kind(msgspec.Struct):
    e: str = ""


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_kind = msgspec.json.Decoder(_Kind).decode
_decode_kline = msgspec.json.Decoder(_KlineEvent).decode
_decode_ticker = msgspec.json.Decoder(_TickerEvent).decode
_decode_trade = msgspec.json.Decoder(_TradeEvent).decode
_decode_depth = msgspec.json.Decoder(_DepthEvent).decode
_decode_partial = msgspec.json.Decoder(_PartialDepth).decode
Payload = bytes | msgspec.Raw


class BinanceDialect(BaseDialect):
    exchange = EXCHANGE
    limits = StreamLimits(topics_per_connection=200, connections=50, pause_s=0.15)
    ws_url = "wss://fstream.binance.com"
    topics: ClassVar = {
        Channel.CANDLES: "{symbol}@kline_{interval}",
        Channel.TICKER: "{symbol}@ticker",
        Channel.TRADES: "{symbol}@aggTrade",
        Channel.BOOK: "{symbol}@" + BOOK_STREAM,
    }

    def url(self, channel: Channel) -> str:
        route = "public" if channel is Channel.BOOK else "market"
        return f"{self._url}/{route}/stream"

    def wire_name(self, topic: Topic) -> str:
        return super().wire_name(topic._replace(symbol=topic.symbol.lower()))

    def _request(self, names: Sequence[str], *, is_unsubscribe: bool) -> Request:
        number = next(self._request_ids)
        method = "UNSUBSCRIBE" if is_unsubscribe else "SUBSCRIBE"
        body = {"method": method, "params": names, "id": number}
        return self._numbered(body, names, number, is_unsubscribe=is_unsubscribe)

    def parse(self, payload: bytes) -> Message:
        if not payload.startswith(b"{"):
            msgspec.json.decode(payload)  # all-market arrays are not asked for
            return IGNORED
        envelope = _decode_envelope(payload)
        if envelope.stream:
            return _event(envelope.stream, _decode_kind(envelope.data).e, envelope.data)
        if envelope.e:
            return _event("", envelope.e, payload)
        if bytes(envelope.event):
            return _event("", _decode_kind(envelope.event).e, envelope.event)
        return _answer(envelope)


def _answer(envelope: _Envelope) -> Message:
    if envelope.id is None and envelope.code is None and envelope.error is None:
        return IGNORED
    error = envelope.error
    text = str(error.get("msg", error)) if error is not None else envelope.msg
    return Answer(
        request_id="" if envelope.id is None else str(envelope.id),
        is_accepted=error is None and envelope.code is None,
        text=text,
    )


def _event(name: str, kind: str, data: Payload) -> Message:
    """`name` "" in the raw form, where the event itself tells."""
    if kind == "serverShutdown":
        return Goodbye("Binance closes this connection for maintenance")
    make = _EVENTS.get(kind)
    if make is not None:
        return make(name, data)
    if not kind and "@depth" in name:
        return _partial_depth(name, data)
    return Ignored(name or kind)


def _kline(name: str, data: Payload) -> Bars:
    event = _decode_kline(data)
    bar = event.k
    return Bars(
        name or f"{event.s.lower()}@kline_{bar.i}",
        event.E,
        [BarText(bar.t, bar.o, bar.h, bar.l, bar.c, bar.v, bar.x)],
    )


def _ticker(name: str, data: Payload) -> Tick:
    event = _decode_ticker(data)
    fields = TickerText(
        last_price=event.c,
        high_24h=event.h,
        low_24h=event.l,
        turnover_24h=event.q,
        bid_price=event.b,
        ask_price=event.a,
        change_24h_ratio=ratio_of_percent(event.P),
    )
    return Tick(name or f"{event.s.lower()}@ticker", event.E, fields)


def _trade(name: str, data: Payload) -> Trades:
    event = _decode_trade(data)
    number = event.a if event.a is not None else event.t
    kind = "aggTrade" if event.a is not None else "trade"
    trade = PublicTrade(
        EXCHANGE,
        event.s,
        str(number),
        decimal(event.p),
        decimal(event.q),
        Side.SELL if event.m else Side.BUY,  # the buyer was there first: a sale met him
        event.T,
    )
    return Trades(name or f"{event.s.lower()}@{kind}", event.E, [trade])


def _depth(name: str, data: Payload) -> Message:
    """The best twenty levels come in the form of a change and are the whole picture."""
    event = _decode_depth(data)
    if name and not name.endswith(BOOK_STREAM):
        return Ignored(name)  # differences: not asked for
    return Book(
        name or f"{event.s.lower()}@{BOOK_STREAM}",
        lambda: _picture(event.s, event.b, event.a, event.E, event.u),
    )


def _partial_depth(name: str, data: Payload) -> Book:
    """Spot's form: neither symbol nor time."""
    event = _decode_partial(data)
    symbol = name.partition("@")[0].upper()
    return Book(name, lambda: _picture(symbol, event.bids, event.asks, 0, event.lastUpdateId))


def _picture(
    symbol: str,
    bids: list[tuple[str, str]],
    asks: list[tuple[str, str]],
    time_ms: int,
    update_id: int,
) -> BookChange:
    return BookChange(
        symbol,
        True,
        levels(bids),
        levels(asks),
        time_ms,
        update_id,
    )


_EVENTS: dict[str, Callable[[str, Payload], Message]] = {
    "kline": _kline,
    "24hrTicker": _ticker,
    "aggTrade": _trade,
    "trade": _trade,
    "depthUpdate": _depth,
}
