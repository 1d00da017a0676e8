"""Real candles, replayed: what was traded on is what the files hold."""

from __future__ import annotations

import pyarrow.parquet as pq

from core.models.candles import Timeframe
from exchanges.simulated.replayed_market import ReplayedMarket


async def test_the_bars_on_disk_are_the_files_rows(open_world, real_candles):
    market = ReplayedMarket(real_candles, 21)
    world = open_world(market=market)
    await world.start()
    await world.running()
    await world.hours(6)
    await world.audit()
    assert await world.desk.measure_ledger_error() == 0
    assert world.engine.supervisor.unhandled_exceptions == 0
    for symbol in ("BTCUSDT", "ETHUSDT"):
        key = world.feed.data.get_manager(symbol, Timeframe.M15).key
        stored = world.feed.data.store.read(key)
        table = pq.read_table(real_candles / market.sources[symbol])
        rows = {row.pop("timestamp"): row for row in table.to_pylist()}
        newest_ms = Timeframe.M15.floor_ms(world.clock.time_ms()) - Timeframe.M15.duration_ms
        assert stored[-1].open_time_ms == newest_ms
        assert len(stored) == 1000 + 24
        for candle in stored:
            row = rows[candle.open_time_ms]
            for column in ("open", "high", "low", "close", "volume"):
                assert float(getattr(candle, column)) == row[column]
