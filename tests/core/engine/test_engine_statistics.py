"""The statistics that screens are shown are those of what was traded."""

from __future__ import annotations

from datetime import UTC

from app.command_handler import CommandHandler
from core.commands import GetStatistics, Request
from core.reports.chosen_statistics import Choice
from core.reports.daily import report_of_history
from core.snapshot_builder import SLOW_EVERY, SnapshotBuilder


async def test_statistics_tie_out_with_the_record_and_the_ledger(world):
    await world.start()
    await world.running()
    builder = SnapshotBuilder(world.engine)
    first = builder.build([]).capital.statistics
    assert first.trades.trades == len(world.desk.trades.round_trips)
    await world.hours(6)
    for _ in range(SLOW_EVERY):
        capital = builder.build([]).capital
    trades, desk = capital.statistics.trades, world.desk
    assert trades.trades == len(desk.trades.round_trips) > first.trades.trades
    still_open = [trade.net_result for trade in desk.trades.open_trades.values()]
    assert trades.net_result + sum(still_open) == capital.realized_pnl
    assert trades.gross_profit - trades.gross_loss == trades.net_result
    name, result = capital.statistics.calendar[-1]
    assert {name: result} == {n: float(r) for n, r in desk.capital.get_daily_pnl(1).items()}


async def test_the_daily_report_of_what_was_traded_ties_out(world):
    await world.start()
    await world.running()
    await world.hours(6)
    desk = world.desk
    days = desk.capital.trading_days(10)
    reports = [
        report_of_history(
            name,
            account=desk.name,
            exchange="simulated",
            currency="USDT",
            timezone=UTC,
            days=days,
            history=desk.oms.history(),
        )
        for name in days
    ]
    assert sum(len(found.trips) for found in reports) == len(desk.trades.round_trips) > 0
    assert [found.difference for found in reports] == [0] * len(days)
    assert sum(found.cash for found in reports) == desk.capital.snapshot().realized_pnl


async def test_the_statistics_of_bots_and_symbols_add_up_to_the_whole(world):
    await world.start()
    await world.running()
    await world.until(lambda: len(world.desk.trades.round_trips) >= 3, within_h=48)
    handler = CommandHandler(world.engine, SnapshotBuilder(world.engine))

    async def ask(**choice):
        request = Request(1, GetStatistics("demo", Choice(**choice)))
        answer, _ = await handler.handle(request)
        return answer.statistics.trades

    whole = await ask()
    trips = world.desk.trades.round_trips
    assert whole.trades == len(trips)
    bots = [await ask(bot_id=bot) for bot in sorted({trip.bot_id for trip in trips})]
    symbols = [await ask(symbol=name) for name in sorted({trip.symbol for trip in trips})]
    for parts in (bots, symbols):
        assert sum(part.net_result for part in parts) == whole.net_result
        assert sum(part.trades for part in parts) == whole.trades
    live = SnapshotBuilder(world.engine).build([]).capital.statistics
    assert live.symbols == sorted({trip.symbol for trip in trips})
    assert live.bots == sorted({trip.bot_id for trip in trips})
    refused, _ = await handler.handle(Request(2, GetStatistics("nobody")))
    assert (refused.ok, refused.text) == (False, "There is no account 'nobody'.")
