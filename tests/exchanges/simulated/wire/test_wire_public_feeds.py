"""What a topic says as the market moves, without any socket."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from core.clock import ManualClock
from core.models.candles import Timeframe
from exchanges.simulated.generated_market import GeneratedMarket
from exchanges.simulated.venue import Venue
from exchanges.simulated.wire.messages import kline_row
from exchanges.simulated.wire.public_feeds import Frame, TradeFeed, open_feed

_MINUTE_MS = 60_000


def decoded(frames: list[Frame]) -> list[dict[str, Any]]:
    return [msgspec.json.decode(frame.data) for frame in frames]


def bars(frames: list[Frame]) -> list[dict[str, Any]]:
    return [message["data"][0] for message in decoded(frames)]


@pytest.mark.parametrize("step_ms", [45_000, 60_000, 7 * _MINUTE_MS, 3_000 * _MINUTE_MS])
def test_every_closed_bar_is_confirmed_once_and_in_order(
    venue: Venue, clock: ManualClock, step_ms: int
) -> None:
    start_ms = clock.time_ms()
    feed = open_feed(venue, "kline.1.BTCUSDT")
    assert feed is not None
    frames: list[Frame] = []
    for count in range(5):
        clock.advance_ms(step_ms)
        frames += feed.changes(conflated=count % 2 == 0)

    closed = [bar["start"] for bar in bars(frames) if bar["confirm"]]
    end_ms = clock.time_ms()
    assert closed == list(range(start_ms, end_ms // _MINUTE_MS * _MINUTE_MS, _MINUTE_MS))
    assert all(
        frame.must_arrive == bar["confirm"] for frame, bar in zip(frames, bars(frames), strict=True)
    )


def test_a_confirmed_bar_is_the_bar_that_rest_serves(venue: Venue, clock: ManualClock) -> None:
    feed = open_feed(venue, "kline.15.ETHUSDT")
    assert feed is not None
    clock.advance_ms(31 * _MINUTE_MS)
    closed = [bar for bar in bars(feed.changes(conflated=False)) if bar["confirm"]]

    served = venue.candles("ETHUSDT", Timeframe.M15, limit=3)[:2]

    columns = ("open", "high", "low", "close", "volume", "turnover")
    ours = [[str(bar["start"]), *(bar[name] for name in columns)] for bar in closed]
    assert ours == [kline_row(candle) for candle in served]
    assert closed[0]["end"] == closed[0]["start"] + 15 * _MINUTE_MS - 1


def test_the_forming_bar_waits_for_its_turn_and_is_not_repeated(
    venue: Venue, clock: ManualClock
) -> None:
    feed = open_feed(venue, "kline.1.BTCUSDT")
    assert feed is not None
    clock.advance_ms(20_000)
    assert feed.changes(conflated=False) == []
    first = bars(feed.changes(conflated=True))
    assert [bar["confirm"] for bar in first] == [False]
    assert feed.changes(conflated=True) == []


def test_ticker_deltas_add_up_to_the_snapshot(venue: Venue, clock: ManualClock) -> None:
    feed = open_feed(venue, "tickers.SOLUSDT")
    assert feed is not None
    state = decoded(feed.snapshot())[0]["data"]
    for _ in range(20):
        clock.advance_ms(5_000)
        for message in decoded(feed.changes(conflated=True)):
            assert message["type"] == "delta"
            assert len(message["data"]) < len(state)
            state |= message["data"]

    assert state == decoded(feed.snapshot())[0]["data"]


def test_book_deltas_add_up_to_the_snapshot_and_ids_rise(venue: Venue, clock: ManualClock) -> None:
    feed = open_feed(venue, "orderbook.50.BTCUSDT")
    assert feed is not None
    first = decoded(feed.snapshot())[0]
    sides = {side: dict(first["data"][side]) for side in ("b", "a")}
    update_ids = [first["data"]["u"]]
    for _ in range(20):
        clock.advance_ms(1_000)
        for message in decoded(feed.changes(conflated=True)):
            assert message["type"] == "delta"
            update_ids.append(message["data"]["u"])
            for side, levels in sides.items():
                for price, quantity in message["data"][side]:
                    if quantity == "0":
                        del levels[price]  # only what was there may be deleted
                    else:
                        levels[price] = quantity

    last = decoded(feed.snapshot())[0]["data"]
    assert sides == {side: dict(last[side]) for side in ("b", "a")}
    assert all(later == earlier + 1 for earlier, later in pairwise(update_ids))
    assert len(update_ids) > 10


def test_the_best_level_is_snapshots_and_is_repeated_when_quiet(
    venue: Venue, clock: ManualClock
) -> None:
    feed = open_feed(venue, "orderbook.1.BTCUSDT")
    assert feed is not None
    first = decoded(feed.snapshot())[0]["data"]
    clock.advance_ms(1_000)
    messages = decoded(feed.changes(conflated=True))
    assert all(message["type"] == "snapshot" for message in messages)
    assert len(first["b"]) == len(first["a"]) == 1


def test_trades_come_from_the_venue_and_every_one_of_them(venue: Venue, clock: ManualClock) -> None:
    feed = open_feed(venue, "publicTrade.BTCUSDT")
    assert feed is not None
    since_ms = clock.time_ms()
    clock.advance_ms(30 * _MINUTE_MS)
    block = venue.market.ticks("BTCUSDT", since_ms, clock.time_ms())
    feed.add(block)  # type: ignore[attr-defined]  # what the stream does on a Traded event

    frames = feed.changes(conflated=True)

    trades = [trade for message in decoded(frames) for trade in message["data"]]
    assert [trade["T"] for trade in trades] == [tick.time_ms for tick in block]
    assert [Decimal(trade["p"]) for trade in trades] == [tick.price for tick in block]
    assert max(len(message["data"]) for message in decoded(frames)) <= 1024
    assert len({trade["i"] for trade in trades}) == len(trades)
    assert all(frame.must_arrive for frame in frames)


@pytest.mark.parametrize(
    "topic",
    ["kline.2.BTCUSDT", "kline.1.NOSUCH", "tickers.NOSUCH", "orderbook.7.BTCUSDT", "order", ""],
)
def test_a_topic_that_does_not_exist_has_no_feed(venue: Venue, topic: str) -> None:
    assert open_feed(venue, topic) is None


class _RunningClock(ManualClock):
    """A millisecond passes whenever somebody looks: reading the market takes time."""

    def time_ms(self) -> int:
        self.advance_ms(1)
        return super().time_ms()


@pytest.mark.parametrize("name", ["kline.1", "tickers", "orderbook.50", "publicTrade"])
def test_a_frame_is_stamped_when_it_is_made(market: GeneratedMarket, name: str) -> None:
    clock = _RunningClock(market.start_ms)
    venue = Venue(market=market, clock=clock)
    feed = open_feed(venue, f"{name}.BTCUSDT")
    assert feed is not None
    if isinstance(feed, TradeFeed):
        feed.add(market.ticks("BTCUSDT", market.start_ms - 5_000, market.start_ms))
    clock.advance_ms(5_000)
    [message] = decoded(feed.changes(conflated=True))
    assert message["ts"] == clock.time_ms() - 1
    venue.close()


def test_a_new_bar_is_not_shown_before_the_old_one_has_closed(market: GeneratedMarket) -> None:
    """The clock passes the minute between looking for closed bars and for the forming one."""
    clock = _RunningClock(market.start_ms + _MINUTE_MS - 10)
    venue = Venue(market=market, clock=clock)
    feed = open_feed(venue, "kline.1.BTCUSDT")
    assert feed is not None
    shown = [
        (bar["start"], bar["confirm"])
        for _ in range(20)
        for bar in bars(feed.changes(conflated=True))
    ]
    closing = shown.index((market.start_ms, True))
    assert {start_ms for start_ms, _ in shown[:closing]} <= {market.start_ms}
    venue.close()
