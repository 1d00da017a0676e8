"""How an exchange's public stream speaks, told to the one handler that serves them all.

A dialect is words only: addresses, request frames, limits, and a pure function from the bytes of
one message to a `Message`. It knows no socket, no clock and no state; recorded messages are its
whole test. Numbers stay text in a message: most ticks are overtaken before anybody reads them, so
they become exact `Decimal` only when they are delivered.

Adding an exchange is one file with a dialect and one line in `public_dialects.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from core.models.books import BookChange
from core.models.streams import Channel, Topic
from core.models.trades import PublicTrade

# ---- messages: what `parse` returns ------------------------------------------------------------


class TickerText(msgspec.Struct, gc=False):
    """Fields of a ticker as text; UNSET: this message does not say, "": there is none.
    `change_24h_ratio` is 0.01 for one per cent. Dialects rename the fields to their words."""

    last_price: str | UnsetType = UNSET
    mark_price: str | UnsetType = UNSET
    bid_price: str | UnsetType = UNSET
    ask_price: str | UnsetType = UNSET
    high_24h: str | UnsetType = UNSET
    low_24h: str | UnsetType = UNSET
    change_24h_ratio: str | UnsetType = UNSET
    turnover_24h: str | UnsetType = UNSET
    funding_rate: str | UnsetType = UNSET


def word(name: str) -> Any:
    """A field of `TickerText` under the exchange's own `name`."""
    return msgspec.field(name=name, default=UNSET)


class BarText(msgspec.Struct, gc=False):
    """One bar as text. `open_time_ms` in ms UTC; `is_closed` is the exchange's word."""

    open_time_ms: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    is_closed: bool


class Message(Protocol):
    """Whatever came; `name` is the topic's wire name, "" for an answer or nothing of interest."""

    @property
    def name(self) -> str: ...


class TickerMessage(Message, Protocol):
    """`is_complete`: what it does not say is unknown, not unchanged."""

    @property
    def is_complete(self) -> bool: ...

    @property
    def time_ms(self) -> int: ...

    @property
    def fields(self) -> TickerText: ...


class CandleMessage(Message, Protocol):
    @property
    def time_ms(self) -> int: ...

    @property
    def bars(self) -> Sequence[BarText]: ...


class Tick(msgspec.Struct, gc=False):
    """A ticker message of exchanges whose own form is not kept."""

    name: str
    time_ms: int
    fields: TickerText
    is_complete: bool = True


class Bars(msgspec.Struct):
    name: str
    time_ms: int
    bars: list[BarText]


class Trades(msgspec.Struct):
    """Oldest first."""

    name: str
    time_ms: int
    trades: list[PublicTrade]


class Book(msgspec.Struct):
    """`read()` makes numbers of its levels, up to two hundred: there is time for that when the
    prices that came with it have been handed on. Raises msgspec.ValidationError."""

    name: str
    read: Callable[[], BookChange]


class Answer(msgspec.Struct):
    """To something we asked: of the request `request_id`, or (where the exchange answers topic by
    topic) of the topic `topic`. `text` says why not."""

    request_id: str = ""
    topic: str = ""
    is_accepted: bool = True
    is_unsubscribe: bool = False
    text: str = ""
    name: str = ""


class Reply(msgspec.Struct):
    """The exchange wants this back at once (an application-level pong)."""

    payload: bytes
    name: str = ""


class Goodbye(msgspec.Struct):
    """The exchange will end this connection soon: better to leave in time."""

    text: str
    name: str = ""


class Ignored(msgspec.Struct):
    """Understood, and of no interest; `topic` names what it was about."""

    topic: str = ""
    name: str = ""


IGNORED = Ignored()

# ---- requests ----------------------------------------------------------------------------------


class Request(msgspec.Struct):
    """One frame to send for `names`. An exchange that never answers a request has
    `is_answered` False; one that answers each topic leaves `request_id` empty."""

    payload: bytes
    names: tuple[str, ...]
    request_id: str = ""
    is_answered: bool = True
    is_unsubscribe: bool = False


_SILENCE_S = {Channel.CANDLES: 15.0, Channel.TICKER: 15.0, Channel.BOOK: 15.0}


class StreamLimits(msgspec.Struct, frozen=True):
    """An exchange's published bounds (each dialect says where).

    `connects_in_5_min`, at least `connect_pause_s` apart, is what we allow ourselves, far below the
    exchange's own. `pause_s` lies between two frames that we send. `silence_s`: longest time
    without a message of a subscribed topic; channels not named may be silent for ever (a market
    without trades has none).
    """

    topics_per_connection: int
    connections: int = 20
    connects_in_5_min: int = 60
    pause_s: float = 0.0
    connect_pause_s: float = 0.0
    silence_s: Mapping[Channel, float] = msgspec.field(default_factory=lambda: _SILENCE_S)


class StreamDialect(Protocol):
    """The words of one exchange's public stream."""

    @property
    def exchange(self) -> str: ...

    @property
    def limits(self) -> StreamLimits: ...

    def url(self, channel: Channel) -> str:
        """Where topics of this channel are served; those with one URL share connections."""

    def wire_name(self, topic: Topic) -> str:
        """Unique name of a topic; messages carry it. Raises ValueError for candles that the
        exchange does not stream: they are built from its trades."""

    def subscribe(self, names: Sequence[str], all_names: Sequence[str]) -> Iterator[Request]:
        """Frames that ask for `names`; `all_names` are those of the connection, these included
        (for exchanges where each request replaces the one before)."""

    def unsubscribe(self, names: Sequence[str], all_names: Sequence[str]) -> Iterator[Request]:
        """Frames that give `names` up; `all_names` are those that stay."""

    def ping(self) -> bytes | None:
        """Text that keeps the connection alive; None: a ping frame does."""

    def parse(self, payload: bytes) -> Message:
        """Raises msgspec.DecodeError when `payload` is not what the exchange promised."""
