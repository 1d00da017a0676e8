"""Snapshots for the screens: cheap enough for the engine's loop, and never older than a second."""

from __future__ import annotations

from decimal import Decimal

from core.models.candles import Timeframe
from core.snapshot_builder import SLOW_EVERY, SnapshotBuilder


def second(builder):
    for _ in range(SLOW_EVERY):
        snapshot = builder.build([])
    return snapshot


async def test_a_bots_record_is_that_of_the_trade_log_whenever_it_is_asked_for(world):
    await world.start()
    await world.running()
    early, log = SnapshotBuilder(world.engine), world.desk.trades
    seen = set()
    for _ in range(4):
        await world.hours(3)
        late, today_ms = SnapshotBuilder(world.engine), world.desk.day_start_ms()
        for builder in (early, late):
            for bot in builder.build([]).bots:
                mine = log.round_trips_of(bot.bot_id)
                assert bot.realized_pnl == sum((t.net_result for t in mine), Decimal(0))
                assert bot.trades_today == sum(t.closed_ms >= today_ms for t in mine)
                seen.add(len(mine))
    assert len(seen) > 1  # it has traded in between


async def test_within_a_second_of_snapshots_every_slow_part_is_new(world):
    await world.start()
    await world.running()
    builder = SnapshotBuilder(world.engine)
    before = second(builder)
    await world.hours(3)
    after = second(builder)
    assert after.data.candles_stored > before.data.candles_stored
    assert after.machine.uptime_s > before.machine.uptime_s
    assert after.capital.statistics.trades.trades == len(world.desk.trades.round_trips)
    assert after.limiters == [
        row for limiter in world.engine.limiters for row in limiter.snapshot()
    ]


async def test_candles_that_nobody_follows_any_more_are_no_open_gap(world):
    await world.start()
    await world.running()
    [other] = set(world.engine.desks["demo"].instruments) - {bot.symbol for bot in world.bots}
    await world.feed.follow_many([other], Timeframe.M15, by="scanner", bars=50)
    await world.hours(1)
    world.feed.release("scanner")
    await world.hours(3)
    data = SnapshotBuilder(world.engine).build([]).data
    assert next(row.gaps for row in data.series if row.symbol == other) > 0  # as it is stored
    assert data.gaps_open == sum(row.gaps for row in data.series if row.symbol != other)
