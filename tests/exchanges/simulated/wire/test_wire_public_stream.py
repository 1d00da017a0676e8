"""How the public stream treats a client that reads slowly, beside one that does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from core.clock import ManualClock
from exchanges.simulated.venue import Venue
from exchanges.simulated.wire.public_stream import PublicStream
from exchanges.simulated.wire.session import StreamSession


class _Client(StreamSession):
    """Keeps what it was sent; `behind` is set by the test in place of a full socket."""

    def __init__(self) -> None:
        self.connection_id = "test"
        self.topics = set()
        self.behind = False
        self.messages: list[dict[str, Any]] = []

    @property
    def is_behind(self) -> bool:
        return self.behind

    def push(self, frame: bytes) -> None:
        self.messages.append(msgspec.json.decode(frame))

    def later(self, action: Callable[[], None]) -> None:
        action()

    def take(self) -> list[dict[str, Any]]:
        taken, self.messages = self.messages, []
        return taken


def following(stream: PublicStream, *topics: str) -> _Client:
    client = _Client()
    stream.on_request(client, {"op": "subscribe", "args": list(topics)})
    client.take()
    return client


def publish(stream: PublicStream) -> None:
    """As much as a round of the server's."""
    stream.publish_closed_bars()
    for _ in range(stream.topic_count):
        stream.publish_next()


def test_a_slow_reader_skips_prices_and_gets_a_snapshot_when_it_is_back(
    venue: Venue, clock: ManualClock
) -> None:
    stream = PublicStream(venue)
    slow, quick = (following(stream, "tickers.BTCUSDT") for _ in range(2))

    def published() -> tuple[list[str], list[str]]:
        clock.advance_ms(5_000)
        publish(stream)
        return [m["type"] for m in slow.take()], [m["type"] for m in quick.take()]

    slow.behind = True
    assert published() == ([], ["delta"])
    assert published() == ([], ["delta"])
    slow.behind = False
    assert published() == (["snapshot"], ["delta"])
    assert published() == (["delta"], ["delta"])


def test_a_slow_reader_still_gets_every_closed_bar_and_trade(
    venue: Venue, clock: ManualClock
) -> None:
    stream = PublicStream(venue)
    slow = following(stream, "kline.1.BTCUSDT", "publicTrade.BTCUSDT")
    slow.behind = True
    clock.advance_ms(150_000)
    venue.advance()
    publish(stream)

    messages = slow.take()

    bars = [m["data"][0]["confirm"] for m in messages if m["topic"] == "kline.1.BTCUSDT"]
    assert bars == [True, True]
    assert [m["topic"] for m in messages][2:] == ["publicTrade.BTCUSDT"]


def test_all_followers_of_a_topic_share_one_frame(venue: Venue, clock: ManualClock) -> None:
    frames: list[int] = []

    class _Sharing(_Client):
        def push(self, frame: bytes) -> None:
            frames.append(id(frame))

    stream = PublicStream(venue)
    clients = [_Sharing(), _Sharing()]
    for client in clients:
        stream.on_request(client, {"op": "subscribe", "args": ["tickers.BTCUSDT"]})
    frames.clear()
    clock.advance_ms(5_000)
    publish(stream)

    assert len(frames) == 2
    assert len(set(frames)) == 1


def test_a_request_with_one_bad_topic_follows_none_of_them(
    venue: Venue, clock: ManualClock
) -> None:
    client = _Client()
    stream = PublicStream(venue)
    stream.on_request(client, {"op": "subscribe", "args": ["tickers.BTCUSDT", "tickers.NOSUCH"]})
    assert [message["success"] for message in client.take()] == [False]
    clock.advance_ms(5_000)
    publish(stream)
    assert client.take() == []


def test_too_long_a_list_of_topics_is_refused_whole(venue: Venue) -> None:
    client = _Client()
    stream = PublicStream(venue)
    stream.on_request(client, {"op": "subscribe", "args": ["tickers.BTCUSDT"] * 2_000})
    assert [message["success"] for message in client.take()] == [False]
    assert client.topics == set()


def test_topics_take_turns_and_a_new_one_is_the_last(venue: Venue, clock: ManualClock) -> None:
    stream = PublicStream(venue)
    assert stream.topic_count == 0
    stream.publish_next()  # nobody's turn
    names = [f"tickers.{symbol}" for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT")]
    client = following(stream, *names)
    turns = []
    for _ in range(5):
        clock.advance_ms(60_000)
        stream.publish_next()
        [message] = client.take()
        turns.append(message["topic"])
    assert turns == [*names, *names[:2]]

    stream.on_request(client, {"op": "unsubscribe", "args": names[2:]})
    other = following(stream, "tickers.XRPUSDT")
    clock.advance_ms(60_000)
    publish(stream)
    assert [m["topic"] for m in client.take() if "topic" in m] == names[:2]
    assert [m["topic"] for m in other.take()] == ["tickers.XRPUSDT"]


def test_closed_bars_do_not_wait_for_their_turn(venue: Venue, clock: ManualClock) -> None:
    stream = PublicStream(venue)
    client = following(stream, "tickers.BTCUSDT", "kline.1.BTCUSDT", "tickers.ETHUSDT")
    clock.advance_ms(60_000)
    stream.publish_closed_bars()
    [message] = client.take()
    assert message["topic"] == "kline.1.BTCUSDT"
    assert message["data"][0]["confirm"]
