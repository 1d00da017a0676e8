"""`/v5/public/linear`: who follows which topic, and whose turn it is to be fed.

Closed bars go out at once. Newest-wins data takes turns, one topic after the other, as on a real
exchange: fifty tickers at the same moment would stand in each other's way, here and at the client.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from exchanges.simulated.values import Traded, VenueEvent
from exchanges.simulated.venue import Venue
from exchanges.simulated.wire.public_feeds import Feed, Frame, TradeFeed, open_feed
from exchanges.simulated.wire.session import StreamSession, request_topics

_MOST_ARGS_CHARACTERS = 21_000


class _Topic:
    """A feed and its followers; `behind` are those that skipped newest-wins data."""

    __slots__ = ("behind", "feed", "followers")

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.followers: set[StreamSession] = set()
        self.behind: set[StreamSession] = set()


class PublicStream:
    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._topics: OrderedDict[str, _Topic] = OrderedDict()  # the next in turn first
        self._trades: dict[str, TradeFeed] = {}
        venue.on_event.append(self._on_event)

    def on_request(self, session: StreamSession, request: dict[str, Any]) -> None:
        """Answer one message of a client."""
        op = request.get("op")
        if op == "ping":
            session.answer(_reply(session, request, "ping", "pong"))
            return
        topics = request_topics(request)
        if op not in ("subscribe", "unsubscribe"):
            session.answer(_reply(session, request, str(op), "error:handler not found", ok=False))
        elif sum(map(len, topics)) > _MOST_ARGS_CHARACTERS:
            session.answer(_reply(session, request, op, "error:args size is too large", ok=False))
        elif op == "unsubscribe":
            for topic in topics:
                self._leave(session, topic)
            session.answer(_reply(session, request, op, ""))
        else:
            session.later(lambda: self._subscribe(session, request, topics))

    def leave(self, session: StreamSession) -> None:
        """Forget a client that has gone."""
        for topic in tuple(session.topics):
            self._leave(session, topic)

    @property
    def topic_count(self) -> int:
        """Topics that somebody follows."""
        return len(self._topics)

    def publish_closed_bars(self) -> None:
        """Of every topic, what must not wait for its turn."""
        for topic in tuple(self._topics.values()):
            self._publish(topic, conflated=False)

    def publish_next(self) -> None:
        """All news of the topic whose turn it is; then it is the last in turn."""
        if self._topics:
            name = next(iter(self._topics))
            self._topics.move_to_end(name)
            self._publish(self._topics[name], conflated=True)

    def _publish(self, topic: _Topic, *, conflated: bool) -> None:
        for frame in topic.feed.changes(conflated=conflated):
            self._send(topic, frame)

    def _send(self, topic: _Topic, frame: Frame) -> None:
        for session in topic.followers:
            if frame.must_arrive:
                session.push(frame.data)
            elif session.is_behind:
                topic.behind.add(session)
            elif session in topic.behind:
                topic.behind.discard(session)
                _push_all(session, topic.feed.snapshot())
            else:
                session.push(frame.data)

    def _subscribe(self, session: StreamSession, request: dict[str, Any], names: list[str]) -> None:
        """Acknowledge, then the first snapshots: a client knows its topic before data comes."""
        opened: dict[str, Feed] = {}
        for name in names:
            feed = None if name in self._topics else open_feed(self._venue, name)
            if feed is not None:
                opened[name] = feed
            elif name not in self._topics:
                words = f"error:handler not found,topic:{name}"
                session.push_message(_reply(session, request, "subscribe", words, ok=False))
                return
        for name, feed in opened.items():
            self._open(name, feed)
        session.push_message(_reply(session, request, "subscribe", "subscribe"))
        for name in names:
            topic = self._topics[name]
            if session not in topic.followers:
                topic.followers.add(session)
                session.topics.add(name)
                _push_all(session, topic.feed.snapshot())

    def _open(self, name: str, feed: Feed) -> None:
        self._topics[name] = _Topic(feed)
        if isinstance(feed, TradeFeed):
            self._trades[feed.symbol] = feed
            self._venue.watch(feed.symbol)

    def _leave(self, session: StreamSession, name: str) -> None:
        session.topics.discard(name)
        topic = self._topics.get(name)
        if topic is None or session not in topic.followers:
            return
        topic.followers.discard(session)
        topic.behind.discard(session)
        if topic.followers:
            return
        del self._topics[name]
        if isinstance(topic.feed, TradeFeed):
            del self._trades[topic.feed.symbol]
            self._venue.unwatch(topic.feed.symbol)

    def _on_event(self, event: VenueEvent) -> None:
        if isinstance(event, Traded) and event.symbol in self._trades:
            self._trades[event.symbol].add(event.ticks)


def _push_all(session: StreamSession, frames: list[Frame]) -> None:
    for frame in frames:
        session.push(frame.data)


def _reply(
    session: StreamSession, request: dict[str, Any], op: str, words: str, *, ok: bool = True
) -> dict[str, Any]:
    return {
        "success": ok,
        "ret_msg": words,
        "conn_id": session.connection_id,
        "req_id": request.get("req_id", ""),
        "op": op,
    }
