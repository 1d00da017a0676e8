"""Connections fail; nothing is lost, announced twice, or traded blind."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter

import pytest

from core.events import MarketData
from core.exchange_port import StreamKind, StreamState
from core.models.candles import Timeframe
from core.models.orders import OrderStatus
from core.snapshots import BotState, EngineState

BTC_BOT = "btcusdt-15m"


class Announced:
    """Every closed bar that strategies were told of."""

    def __init__(self, world) -> None:
        self.open_times: dict[str, list[int]] = {}
        world.feed.on_closed_candle.append(self._note)

    def _note(self, update) -> None:
        self.open_times.setdefault(update.symbol, []).append(update.candle.open_time_ms)

    def assert_once_and_in_order(self) -> None:
        for symbol, times in self.open_times.items():
            assert max(Counter(times).values()) == 1, f"{symbol}: a bar was announced twice"
            whole = list(range(times[0], times[-1] + 1, Timeframe.M15.duration_ms))
            assert times == whole, f"{symbol}: bars were left out, or came out of order"


def assert_series_equal_the_venues(world) -> None:
    for symbol in ("BTCUSDT", "ETHUSDT"):
        manager = world.feed.data.get_manager(symbol, Timeframe.M15)
        stored = world.feed.data.store.read(manager.key)
        shown = world.venue.candles(symbol, Timeframe.M15, limit=len(stored) + 1)
        forming_ms = Timeframe.M15.floor_ms(world.clock.time_ms())
        closed = [candle for candle in shown if candle.open_time_ms < forming_ms]
        assert stored == closed[-len(stored) :]
        assert manager.gaps() == []


@pytest.mark.parametrize("outage_h", [0.1, 3.6])
async def test_an_outage_of_the_market_stream_leaves_no_hole(world, outage_h):
    await world.start()
    await world.running()
    announced = Announced(world)
    await world.hours(1.1)
    world.exchange.lose_stream(StreamKind.PUBLIC, "connection reset")
    assert world.feed.public_state is StreamState.DISCONNECTED
    await world.hours(outage_h)
    world.exchange.restore_stream(StreamKind.PUBLIC)
    await world.hours(1.6)
    assert_series_equal_the_venues(world)
    announced.assert_once_and_in_order()
    newest_ms = Timeframe.M15.floor_ms(world.clock.time_ms()) - Timeframe.M15.duration_ms
    assert all(times[-1] == newest_ms for times in announced.open_times.values())
    assert world.feed.reconnects == 1
    assert any("market data lost: connection reset" in text for text in world.notices())
    await world.audit()


async def test_strategies_judge_the_newest_bar_of_an_outage_and_none_of_the_older(world):
    """What an older one called for is past; the newest, REST brought before the stream."""
    await world.start()
    await world.running()
    judged: list[int] = []

    def note(event: MarketData) -> None:
        if event.candle is not None and event.symbol == "BTCUSDT":
            judged.append(event.candle.candle.open_time_ms)

    world.desk.bus.subscribe(MarketData, note, part="test")
    await world.hours(0.4)
    world.exchange.lose_stream(StreamKind.PUBLIC, "gone")
    world.exchange.is_reachable = False
    await world.hours(0.7)
    world.exchange.is_reachable = True
    world.exchange.restore_stream(StreamKind.PUBLIC)
    await world.hours(0.1)
    step_ms = Timeframe.M15.duration_ms
    assert judged[-1] == Timeframe.M15.floor_ms(world.clock.time_ms()) - step_ms
    assert [later - earlier for earlier, later in itertools.pairwise(judged)] == [3 * step_ms]
    assert world.engine.bots[BTC_BOT].candles_closed == len(judged)


async def test_bars_that_end_while_the_stream_is_down_are_asked_for(world):
    """Positions are managed by candles even then; entries need a fresh price as well."""
    await world.start()
    await world.running()
    announced = Announced(world)
    await world.hours(0.4)
    world.exchange.lose_stream(StreamKind.PUBLIC, "gone")
    lost_ms = Timeframe.M15.floor_ms(world.clock.time_ms())
    await world.hours(0.9)
    two_later_ms = lost_ms + 2 * Timeframe.M15.duration_ms
    assert all(times[-1] >= two_later_ms for times in announced.open_times.values())
    announced.assert_once_and_in_order()
    entered = len(world.entries())
    await world.hours(2)
    assert len(world.entries()) == entered


async def test_a_backfill_that_finds_the_exchange_down_is_made_good(world):
    await world.start()
    await world.running()
    announced = Announced(world)
    world.exchange.lose_stream(StreamKind.PUBLIC, "down")
    world.exchange.is_reachable = False
    await world.hours(1)
    world.exchange.restore_stream(StreamKind.PUBLIC)
    await world.hours(0.6)
    world.exchange.is_reachable = True
    await world.hours(2.5)
    assert_series_equal_the_venues(world)
    announced.assert_once_and_in_order()
    assert any("could not be fetched" in text for text in world.notices())
    assert world.engine.supervisor.unhandled_exceptions == 0
    await world.audit()


async def test_no_signal_is_computed_across_a_hole_that_cannot_be_filled_yet(world):
    await world.start()
    await world.running()
    announced = Announced(world)
    world.exchange.lose_stream(StreamKind.PUBLIC, "down")
    world.exchange.is_reachable = False
    await world.hours(1)
    world.exchange.restore_stream(StreamKind.PUBLIC)
    before = {symbol: len(times) for symbol, times in announced.open_times.items()}
    await world.hours(1)
    after = {symbol: len(times) for symbol, times in announced.open_times.items()}
    assert after == before, "a bar was announced though those before it are missing"


async def test_without_the_orders_stream_nothing_is_entered(world):
    await world.start()
    await world.running()
    world.exchange.lose_stream(StreamKind.PRIVATE, "connection reset")
    assert not world.desk.is_ready
    await world.hours(3)
    assert world.entries() == []
    assert not world.desk.is_ready
    world.exchange.restore_stream(StreamKind.PRIVATE)
    await world.hours(0.1)
    assert world.desk.is_ready
    assert world.desk.state_text == "Reconciled."
    await world.until(lambda: bool(world.entries()))
    await world.audit()


async def test_without_the_orders_stream_a_position_that_ended_is_known_within_seconds(world):
    """Only asking tells of it, so it is asked every ten seconds instead of every 45."""
    await world.start()
    await world.running()
    await world.until(lambda: bool(world.held()))
    world.exchange.lose_stream(StreamKind.PRIVATE, "connection reset")
    await world.until(lambda: not world.held())  # the stop or the target fires unheard
    assert world.desk.state.positions("demo")
    await asyncio.sleep(12)
    assert not world.desk.state.positions("demo")
    assert len(world.desk.trades.round_trips) == 1


async def test_the_same_failure_to_read_is_told_once(world):
    """It is tried every ten seconds: of an hour's outage the log would tell of nothing else."""
    await world.start()
    await world.running()
    world.exchange.lose_stream(StreamKind.PRIVATE, "connection reset")
    world.exchange.is_reachable = False
    await asyncio.sleep(120)
    assert len([text for text in world.notices() if "Not reconciled" in text]) == 1


async def test_what_happened_while_the_orders_stream_was_down_is_found_on_return(world):
    await world.start()
    await world.running()
    await world.until(lambda: bool(world.held()))
    world.exchange.lose_stream(StreamKind.PRIVATE, "connection reset")
    world.exchange.is_reachable = False  # nor can it be asked
    await world.until(lambda: not world.held())  # the stop or the target fires unheard
    assert world.desk.state.positions("demo")
    world.exchange.is_reachable = True
    world.exchange.restore_stream(StreamKind.PRIVATE)
    await world.hours(0.1)
    await world.audit()
    assert len(world.desk.trades.round_trips) == 1


async def test_an_order_whose_answer_was_lost_is_adopted(world):
    """The request arrived, its answer did not: asked for, never sent again."""
    await world.start()
    await world.running()

    def cut(event) -> None:
        world.exchange.is_reachable = False
        world.exchange.lose_stream(StreamKind.PRIVATE, "gone")

    world.venue.on_event.append(cut)
    await world.until(lambda: not world.exchange.is_reachable)
    world.venue.on_event.remove(cut)
    [entry] = {e.client_order_id for e in world.entries()}
    await world.hours(0.3)
    world.exchange.is_reachable = True
    world.exchange.restore_stream(StreamKind.PRIVATE)
    await world.hours(0.5)
    await world.audit()
    assert world.desk.oms.order(entry).status is OrderStatus.FILLED
    world.assert_one_position_at_a_time()
    assert any("nobody knows yet" in text for text in world.notices())
    assert world.engine.supervisor.unhandled_exceptions == 0


async def test_the_engine_waits_for_an_exchange_that_is_away_when_it_starts(world):
    world.build()
    world.exchange.is_reachable = False
    starting = asyncio.create_task(world.engine.start(world.bots, autostart=True))
    await world.hours(1)
    assert world.engine.state is EngineState.RECONCILING
    assert "Waiting for simulated" in world.desk.state_text
    world.exchange.is_reachable = True
    await starting
    await world.running()
    assert world.engine.state is EngineState.RUNNING
    assert world.feed.reconnects == 0


async def test_the_engine_outlives_an_exchange_that_goes_away_while_it_starts(world):
    """At each step of the start in turn."""
    world.build()
    starting = asyncio.create_task(world.engine.start(world.bots, autostart=True))
    for step in itertools.count(1):
        await asyncio.sleep(step * 0.02)
        if starting.done():
            break
        world.exchange.is_reachable = False
        await asyncio.sleep(1.5)
        world.exchange.is_reachable = True
    await starting
    await world.running()
    assert {bot.state for bot in world.engine.bots.values()} == {BotState.RUNNING}
    assert world.engine.supervisor.unhandled_exceptions == 0
    await world.audit()
