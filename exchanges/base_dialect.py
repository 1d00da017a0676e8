"""What most exchanges' streams have in common, so that a dialect says only how its own differs.

One address; topics named by a pattern each; requests for several topics at a time, numbered;
whole levels of a book. `ArgDialect` is OKX's way of asking, which Bitget has taken over.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar

import msgspec

from core.models.books import BookLevel
from core.models.candles import Timeframe
from core.models.streams import Channel, Topic
from exchanges.numbers import decimal
from exchanges.stream_dialect import Message, Request, StreamLimits


class BaseDialect(ABC):
    """`StreamDialect`. `topics` holds a pattern of `{symbol}` and `{interval}` for each channel,
    `intervals` the exchange's words for bar lengths; candles of others it does not stream.
    """

    exchange: ClassVar[str]
    limits: ClassVar[StreamLimits]
    ws_url: ClassVar[str]
    topics: ClassVar[Mapping[Channel, str]]
    intervals: ClassVar[Mapping[Timeframe, str]] = {one: one.value for one in Timeframe}
    topics_per_request: ClassVar[int] = 100

    def __init__(self, url: str = "") -> None:
        """`url` "": the exchange's own."""
        self._url = url or self.ws_url
        self._request_ids = itertools.count(1)

    def url(self, channel: Channel) -> str:  # noqa: ARG002 (one address serves all)
        return self._url

    def wire_name(self, topic: Topic) -> str:
        interval = ""
        if topic.timeframe is not None:
            if topic.timeframe not in self.intervals:
                raise ValueError(f"{self.exchange} streams no {topic.timeframe} candles")
            interval = self.intervals[topic.timeframe]
        return self.topics[topic.channel].format(symbol=topic.symbol, interval=interval)

    def subscribe(self, names: Sequence[str], all_names: Sequence[str]) -> Iterator[Request]:  # noqa: ARG002
        return self._requests(names, is_unsubscribe=False)

    def unsubscribe(self, names: Sequence[str], all_names: Sequence[str]) -> Iterator[Request]:  # noqa: ARG002
        return self._requests(names, is_unsubscribe=True)

    def _requests(self, names: Sequence[str], *, is_unsubscribe: bool) -> Iterator[Request]:
        for batch in self._batches(names):
            yield self._request(batch, is_unsubscribe=is_unsubscribe)

    def _batches(self, names: Sequence[str]) -> Iterator[Sequence[str]]:
        for first in range(0, len(names), self.topics_per_request):
            yield names[first : first + self.topics_per_request]

    @abstractmethod
    def _request(self, names: Sequence[str], *, is_unsubscribe: bool) -> Request:
        """One frame."""

    def _numbered(
        self, body: Mapping[str, object], names: Sequence[str], number: int, *, is_unsubscribe: bool
    ) -> Request:
        """A frame whose answer names its number."""
        payload = msgspec.json.encode(body)
        return Request(payload, tuple(names), str(number), is_unsubscribe=is_unsubscribe)

    def ping(self) -> bytes | None:
        return None

    @abstractmethod
    def parse(self, payload: bytes) -> Message: ...


class ArgDialect(BaseDialect):
    """Each topic is an object of its own, named `channel:instId` here, and answered on its own.
    Bars of six hours and more begin at 00:00 Hong Kong time unless asked for by UTC."""

    intervals: ClassVar[Mapping[Timeframe, str]] = {
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
    said_of_all: ClassVar[Mapping[str, str]] = {}  # of each topic, beside its name

    def _request(self, names: Sequence[str], *, is_unsubscribe: bool) -> Request:
        pairs = (name.partition(":") for name in names)
        args = [
            {**self.said_of_all, "channel": channel, "instId": symbol}
            for channel, _, symbol in pairs
        ]
        op = "unsubscribe" if is_unsubscribe else "subscribe"
        payload = msgspec.json.encode({"op": op, "args": args})
        return Request(payload, tuple(names), is_unsubscribe=is_unsubscribe)

    def ping(self) -> bytes:
        return b"ping"


def levels(rows: Iterable[Sequence[str]]) -> list[BookLevel]:
    """Rows of price and size, whatever comes after these."""
    return [BookLevel(decimal(row[0]), decimal(row[1])) for row in rows]
