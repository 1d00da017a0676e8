"""A day of two bots on one account, in a few seconds."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import msgspec

from core.models.candles import Timeframe
from core.snapshot_builder import SnapshotBuilder
from core.snapshots import BotState, EngineSnapshot, EngineState

CHARTS = [("BTCUSDT", Timeframe.M15), ("ETHUSDT", Timeframe.H1)]


class Watcher:
    """Looks at engine and venue every virtual second, as a screen would and beyond."""

    def __init__(self, world) -> None:
        self.world = world
        self.looks = 0
        self.with_position = 0
        self._builder = SnapshotBuilder(world.engine)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(1)
            self.world.venue.advance()
            await asyncio.sleep(0)  # what happened is told
            self._look(msgspec.json.encode(self._builder.build(CHARTS)))
            self.looks += 1

    def _look(self, message: bytes) -> None:
        world = self.world
        snapshot = msgspec.json.decode(message, type=EngineSnapshot)
        assert snapshot.state is EngineState.RUNNING
        assert snapshot.seq == self.looks + 1
        capital, wallet = snapshot.capital, world.account.wallet()
        assert capital.total == capital.free + capital.reserved + capital.locked
        assert min(capital.free, capital.reserved, capital.locked, capital.available) >= 0
        assert capital.reserved + capital.locked <= capital.cap_ratio * capital.total
        assert capital.total == wallet.wallet_balance
        # Equity is at prices up to a market minute old.
        assert abs(capital.equity - wallet.equity) <= capital.locked * Decimal("0.02")
        shown = {row.position.symbol: row.position.signed_quantity for row in snapshot.positions}
        assert shown == world.held()
        assert all(row.is_protected for row in snapshot.positions)
        for position in world.account.positions():
            assert position.stop_loss is not None, f"{position.symbol} stands without its stop"
            self.with_position += 1


async def test_a_day_of_two_bots_is_traded_booked_and_protected(world):
    await world.start()
    await world.running()
    watcher = Watcher(world)
    watching = asyncio.create_task(watcher.run())
    await world.hours(24)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert watching.cancelled(), watching.exception()
    assert watcher.looks >= 719
    assert watcher.with_position > 100

    await world.audit()
    world.assert_one_position_at_a_time()
    assert await world.desk.measure_ledger_error() == 0
    assert world.engine.supervisor.unhandled_exceptions == 0
    trips = world.desk.trades.round_trips
    assert len(trips) >= 5
    assert {trip.symbol for trip in trips} == {"BTCUSDT", "ETHUSDT"}
    assert all(bot.candles_closed == 96 for bot in world.engine.bots.values())
    assert {bot.state for bot in world.engine.bots.values()} == {BotState.RUNNING}


async def test_what_the_trades_brought_is_what_the_account_has(world):
    await world.start()
    await world.running()
    await world.until(lambda: len(world.desk.trades.round_trips) >= 3)
    await world.until(lambda: not world.held())
    trades = sum((trip.net_result for trip in world.desk.trades.round_trips), Decimal(0))
    assert world.account.wallet().wallet_balance == Decimal(25_000) + trades
    snapshot = SnapshotBuilder(world.engine).build([])
    assert sum((bot.realized_pnl for bot in snapshot.bots), Decimal(0)) == trades
    assert snapshot.capital.realized_pnl == trades


async def test_the_same_seed_gives_the_same_fills(open_world):
    fills = []
    for _ in range(2):
        world = open_world()
        await world.start()
        await world.hours(3)
        fills.append(
            [
                (e.trade_id, e.exchange_order_id, e.client_order_id, e.price, e.quantity, e.time_ms)
                for e in world.executions()
            ]
        )
        await world.stop()
    assert fills[0]
    assert fills[0] == fills[1]
