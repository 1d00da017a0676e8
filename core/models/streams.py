"""What a market-data stream can carry, and what is known about each part of it."""

from __future__ import annotations

import enum
from typing import NamedTuple

import msgspec

from core.models.candles import Timeframe


class Channel(enum.StrEnum):
    CANDLES = "candles"
    TICKER = "ticker"
    TRADES = "trades"
    BOOK = "book"


class Topic(NamedTuple):
    """One thing to subscribe to; `timeframe` for candles only. `symbol` is the exchange's own
    name of the instrument, as its REST side has it."""

    channel: Channel
    symbol: str
    timeframe: Timeframe | None = None


class TopicState(enum.StrEnum):
    LIVE = "live"
    STALE = "stale"  # subscribed, but nothing has come for too long
    REFUSED = "refused"  # the exchange will not serve it; asked again now and then


class TopicLatency(msgspec.Struct, frozen=True):
    """How old a topic's data were when the program's listener was called with them.

    `p50_ms` and `p99_ms` are from the arrival at the socket to the listener, over the newest
    messages; None before the first. `age_s` is real time since the last message.
    """

    topic: Topic
    state: TopicState
    messages: int
    p50_ms: float | None
    p99_ms: float | None
    age_s: float | None


class StreamStatistics(msgspec.Struct, frozen=True):
    """A stream's figures since its start. `ticks_dropped` were older than what was delivered in
    their place or beyond the queue; a closed candle is never among them."""

    connections: int
    connects: int
    topics: int
    messages: int
    delivered: int
    ticks_dropped: int
    unreadable: int
    unrouted: int
    stale: int
    refused: int
