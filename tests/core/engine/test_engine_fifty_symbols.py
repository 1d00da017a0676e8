"""Issue 5's day: fifty symbols, a bot for bitcoin and one that scans the rest, one account."""

from __future__ import annotations

import asyncio
import gc
from decimal import Decimal
from typing import Any

import psutil
from test_engine_multi_trader import MULTI, multi, multi_spec

from core.scanning.settings import ScanSettings
from core.snapshot_builder import SnapshotBuilder
from core.snapshots import BotState
from exchanges.simulated.generated_market import GeneratedMarket

HOURS = 24
WARM_UP_HOURS = 8  # caches and rings have their size by then
MOST_GROWTH_BYTES = 12_000_000
SETTINGS = ScanSettings(position_limit=2, cooldown_s=900.0)


async def test_a_day_of_fifty_symbols_on_one_account(open_world: Any) -> None:
    world = open_world(market=GeneratedMarket(5), stream_interval_s=3.0)
    await world.start([world.bot("BTCUSDT"), multi_spec(SETTINGS)])
    await world.running()
    builder = SnapshotBuilder(world.engine)
    memory: list[int] = []
    most_held = 0
    for hour in range(HOURS):
        for _ in range(15):
            await asyncio.sleep(2)
            world.venue.advance()
            await asyncio.sleep(0)  # what happened is told
            capital = builder.build([]).capital
            assert capital.total == capital.free + capital.reserved + capital.locked
            assert min(capital.free, capital.reserved, capital.locked, capital.available) >= 0
            assert capital.reserved + capital.locked <= capital.cap_ratio * capital.total
            held = world.held()
            assert len(held.keys() - {"BTCUSDT"}) <= SETTINGS.position_limit
            assert all(p.stop_loss is not None for p in world.account.positions())
            most_held = max(most_held, len(held))
        if hour >= WARM_UP_HOURS:
            gc.collect()
            memory.append(psutil.Process().memory_info().rss)
    await world.audit()
    world.assert_one_position_at_a_time()
    assert await world.desk.measure_ledger_error() == Decimal(0)
    assert world.engine.supervisor.unhandled_exceptions == 0
    assert world.desk.capital.is_sound
    assert {bot.state for bot in world.engine.bots.values()} == {BotState.RUNNING}
    assert multi(world).candles_closed == 49 * HOURS * 4
    assert most_held == 3
    trips = world.desk.trades.round_trips
    assert len({t.symbol for t in trips if t.bot_id == MULTI}) >= 5
    assert any(t.bot_id == "btcusdt-15m" for t in trips)
    half = len(memory) // 2
    assert min(memory[half:]) - min(memory[:half]) < MOST_GROWTH_BYTES
