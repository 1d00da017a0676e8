"""Bybit's public stream in the handler's words: linear perpetuals of API v5.

The hot path: bytes are decoded straight into typed structs, without a dict in between, and the
first bytes tell the topic in the form the servers send; any other spacing or key order takes the
slower road through the envelope.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import ClassVar

import msgspec
from msgspec import UnsetType

from core.models.books import BookChange
from core.models.streams import Channel
from core.models.trades import PublicTrade
from exchanges.base_dialect import BaseDialect, levels
from exchanges.bybit_words import EXCHANGE, INTERVAL_OF, side_of
from exchanges.numbers import decimal
from exchanges.stream_dialect import (
    IGNORED,
    Answer,
    BarText,
    Book,
    Ignored,
    Message,
    Request,
    StreamLimits,
    TickerText,
    Trades,
    word,
)

MAX_ARGS_CHARS = 21_000  # docs/v5/ws/connect.mdx, public channel: length of the args array
BOOK_DEPTH = 50
PING = b'{"op":"ping"}'


class BybitTickerText(TickerText, gc=False):
    """A delta holds only what changed; the rest stays UNSET."""

    last_price: str | UnsetType = word("lastPrice")
    mark_price: str | UnsetType = word("markPrice")
    bid_price: str | UnsetType = word("bid1Price")
    ask_price: str | UnsetType = word("ask1Price")
    high_24h: str | UnsetType = word("highPrice24h")
    low_24h: str | UnsetType = word("lowPrice24h")
    change_24h_ratio: str | UnsetType = word("price24hPcnt")
    turnover_24h: str | UnsetType = word("turnover24h")
    funding_rate: str | UnsetType = word("fundingRate")


class TickerMessage(msgspec.Struct, gc=False):
    name: str = msgspec.field(name="topic")
    type: str
    fields: BybitTickerText = msgspec.field(name="data")
    time_ms: int = msgspec.field(name="ts")

    @property
    def is_complete(self) -> bool:
        return self.type == "snapshot"


class KlineBar(BarText, gc=False):
    open_time_ms: int = msgspec.field(name="start")
    is_closed: bool = msgspec.field(name="confirm")


class KlineMessage(msgspec.Struct, gc=False):
    name: str = msgspec.field(name="topic")
    bars: list[KlineBar] = msgspec.field(name="data")
    time_ms: int = msgspec.field(name="ts")


class _TradeRow(msgspec.Struct):
    T: int
    s: str
    S: str
    v: str
    p: str
    i: str


class _TradeMessage(msgspec.Struct):
    topic: str
    data: list[_TradeRow]
    ts: int


class _BookRows(msgspec.Struct):
    s: str
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]
    u: int


class _BookMessage(msgspec.Struct):
    topic: str
    type: str
    data: _BookRows
    ts: int


class _Control(msgspec.Struct):
    """An answer to something we sent, or a topic in a form that the fast road does not know."""

    op: str = ""
    success: bool = True
    ret_msg: str = ""
    req_id: str | int = ""
    topic: str = ""


_decode_ticker = msgspec.json.Decoder(TickerMessage).decode
_decode_kline = msgspec.json.Decoder(KlineMessage).decode
_decode_trades = msgspec.json.Decoder(_TradeMessage).decode
_decode_book = msgspec.json.Decoder(_BookMessage).decode
_decode_control = msgspec.json.Decoder(_Control).decode


class BybitDialect(BaseDialect):
    """The demo exchange and the testnet have URLs of their own."""

    exchange = EXCHANGE
    # wire.md C6: 500 connects per 5 minutes, 1,000 connections per IP and market. No bound of
    # topics is published beyond the length of a request; a thousand symbols' all on one socket.
    limits = StreamLimits(topics_per_connection=4000, connections=5)
    ws_url = "wss://stream.bybit.com/v5/public/linear"
    topics: ClassVar = {
        Channel.CANDLES: "kline.{interval}.{symbol}",
        Channel.TICKER: "tickers.{symbol}",
        Channel.TRADES: "publicTrade.{symbol}",
        Channel.BOOK: f"orderbook.{BOOK_DEPTH}.{{symbol}}",
    }
    intervals: ClassVar = INTERVAL_OF

    def _batches(self, names: Sequence[str]) -> Iterator[Sequence[str]]:
        """As few frames as the length limit allows."""
        batch: list[str] = []
        chars = 0
        for name in names:
            if batch and chars + len(name) + 3 > MAX_ARGS_CHARS:
                yield batch
                batch, chars = [], 0
            batch.append(name)
            chars += len(name) + 3
        if batch:
            yield batch

    def _request(self, names: Sequence[str], *, is_unsubscribe: bool) -> Request:
        number = next(self._request_ids)
        op = "unsubscribe" if is_unsubscribe else "subscribe"
        body = {"op": op, "req_id": str(number), "args": names}
        return self._numbered(body, names, number, is_unsubscribe=is_unsubscribe)

    def ping(self) -> bytes:
        return PING

    def parse(self, payload: bytes) -> Message:
        if payload.startswith(b'{"topic":"tickers.'):
            return _decode_ticker(payload)
        if payload.startswith(b'{"topic":"kline.'):
            return _decode_kline(payload)
        envelope = _decode_control(payload)
        if not envelope.topic:
            return _answer(envelope)
        kind = envelope.topic.partition(".")[0]
        if kind == "orderbook":
            return Book(envelope.topic, partial(_book, payload))
        decode = _DECODERS.get(kind)
        return decode(payload) if decode is not None else Ignored(envelope.topic)


def _answer(envelope: _Control) -> Message:
    if envelope.op not in ("subscribe", "unsubscribe"):
        return IGNORED
    return Answer(
        request_id=str(envelope.req_id),
        is_accepted=envelope.success or "already" in envelope.ret_msg,
        is_unsubscribe=envelope.op == "unsubscribe",
        text=envelope.ret_msg,
    )


def _trades(payload: bytes) -> Trades:
    message = _decode_trades(payload)
    return Trades(
        message.topic,
        message.ts,
        [
            PublicTrade(
                EXCHANGE, row.s, row.i, decimal(row.p), decimal(row.v), side_of(row.S), row.T
            )
            for row in message.data
        ],
    )


def _book(payload: bytes) -> BookChange:
    """Depth 1 repeats its snapshot; u = 1 after a restart of their service is one as well."""
    message = _decode_book(payload)
    data = message.data
    return BookChange(
        symbol=data.s,
        is_snapshot=message.type == "snapshot" or data.u == 1,
        bids=levels(data.b),
        asks=levels(data.a),
        time_ms=message.ts,
        update_id=data.u,
    )


_DECODERS: dict[str, Callable[[bytes], Message]] = {
    "tickers": _decode_ticker,
    "kline": _decode_kline,
    "publicTrade": _trades,
}
