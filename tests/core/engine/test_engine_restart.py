"""What is not forgotten over a crash: paused bots, closes that were asked for, positions that the
trader has taken over."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.engine import Refused
from core.models.orders import OrderType, Side
from core.snapshots import BotState
from exchanges.simulated.values import PlaceOrder

BTC_BOT, ETH_BOT, SOL_BOT = "btcusdt-15m", "ethusdt-15m", "solusdt-15m"
SOL = "SOLUSDT"


async def states_after_a_crash(world) -> dict[str, BotState]:
    await world.crash()
    await world.start([], autostart=False)
    await world.hours(0.2)
    return {bot_id: bot.state for bot_id, bot in world.engine.bots.items()}


async def test_each_bot_comes_back_as_it_was(world):
    await world.start([*world.bots, world.bot(SOL)])
    await world.running()
    world.engine.pause_bot(ETH_BOT)
    await world.engine.stop_bot(SOL_BOT, close_position=False)
    expected = {
        BTC_BOT: BotState.RUNNING,
        ETH_BOT: BotState.PAUSED,
        SOL_BOT: BotState.STOPPED,
    }
    for _ in range(2):
        assert await states_after_a_crash(world) == expected
    assert await world.engine.start_bot(ETH_BOT, confirm_live=False) == f"{ETH_BOT} is running."
    assert (await states_after_a_crash(world))[ETH_BOT] is BotState.RUNNING


async def test_a_paused_bot_stays_paused_though_it_starts_by_itself(world):
    """The trader's newest word outweighs the configuration."""
    specs = [world.bot("ETHUSDT", autostart=True)]
    await world.start(specs)
    await world.running()
    world.engine.pause_bot(ETH_BOT)
    await world.crash()
    await world.start(specs)
    await world.until(lambda: world.engine.bots[ETH_BOT].state is BotState.PAUSED, within_h=1)


async def test_a_bot_that_is_started_while_it_comes_back_paused_runs(world):
    await world.start()
    await world.running()
    world.engine.pause_bot(ETH_BOT)
    await world.crash()
    await world.start([], autostart=False)
    await world.engine.start_bot(ETH_BOT, confirm_live=False)
    await world.until(lambda: world.engine.bots[ETH_BOT].state is BotState.RUNNING, within_h=1)
    await world.hours(0.1)
    assert world.engine.bots[ETH_BOT].state is BotState.RUNNING


async def test_a_bot_paused_by_something_external_comes_back_paused(world):
    await world.start()
    await world.running()
    trade_by_hand(world, "ETHUSDT", "0.5")
    await world.settled()
    states = await states_after_a_crash(world)
    assert states == {BTC_BOT: BotState.RUNNING, ETH_BOT: BotState.PAUSED}


async def test_a_close_asked_before_a_crash_goes_on_after_it(world):
    await world.start()
    await world.running()
    await world.until(lambda: bool(world.held()))
    await world.settled()
    symbol = next(iter(world.held()))
    world.engine.pause_bot(world.engine.roster.owner_of("demo", symbol))
    world.exchange.is_reachable = False
    world.engine.close_position("demo", symbol)
    await world.crash()
    await world.start([], autostart=False)
    await world.until(lambda: symbol not in world.held(), within_h=1)
    await world.audit()
    await world.settled()
    assert world.desk.oms.journal.kept_closes("demo") == []


def trade_by_hand(world, symbol: str, quantity: str, side: Side = Side.BUY) -> None:
    world.account.place_order(
        PlaceOrder(
            symbol=symbol, side=side, order_type=OrderType.MARKET, quantity=Decimal(quantity)
        )
    )


async def taken_over(world) -> None:
    """A position made by hand in SOLUSDT, accepted with a stop for SOLUSDT's bot."""
    await world.start([world.bot(SOL)])
    await world.running()
    trade_by_hand(world, SOL, "5")
    [position] = [p for p in world.account.positions() if p.symbol == SOL]
    stop = (position.entry_price * Decimal("0.5")).quantize(Decimal("0.01"))
    await world.engine.accept_position("demo", SOL, stop, None)
    await world.settled()


async def test_a_position_taken_over_before_the_stream_told_of_it_is_guarded_too(world):
    await taken_over(world)
    [position] = [p for p in world.account.positions() if p.symbol == SOL]
    assert position.stop_loss is not None
    assert world.desk.state.position("demo", SOL).quantity == 5


async def test_a_position_taken_over_is_known_over_a_restart_as_the_bots_own(world):
    await taken_over(world)
    before = world.desk.trades.open_trades[SOL]
    assert (before.bot_id, before.position) == (SOL_BOT, 5)
    assert world.desk.state.position("demo", SOL).quantity == 5
    await world.crash()
    await world.start([], autostart=False)
    after = world.desk.trades.open_trades[SOL]
    assert (after.bot_id, after.position, after.opened_ms) == (SOL_BOT, 5, before.opened_ms)
    assert not world.notices("External")
    [held] = world.desk.capital.snapshot().slices
    assert (held.symbol, held.bot_id) == (SOL, SOL_BOT)
    world.engine.close_position("demo", SOL)
    await world.until(lambda: SOL not in world.held(), within_h=1)
    await world.settled()
    [trip] = world.desk.trades.round_trips_of(SOL_BOT)
    assert (trip.opened_ms, trip.quantity) == (before.opened_ms, 5)
    await world.audit()


async def test_what_is_flat_by_now_is_said_not_to_be_guarded(world):
    """A stranger's resting order was the finding: what it opens later is a finding again."""
    await world.start([world.bot(SOL)])
    await world.running()
    told = await world.engine.accept_position("demo", SOL, Decimal(1), None)
    assert told == f"{SOL} is flat at the exchange. What opens there later is a finding again."
    trade_by_hand(world, SOL, "5")
    assert (
        "its stop is watched"
        in (await world.engine.accept_position("demo", SOL, Decimal(1), None)).lower()
    )


async def test_a_position_that_cannot_be_kept_is_not_taken_over(world, fail_on_unexpected_log):
    await taken_over(world)
    world.desk._database.execute("PRAGMA query_only = ON")
    with pytest.raises(Refused, match=f"{SOL} could not be taken over on disk"):
        await world.engine.accept_position("demo", SOL, None, None)
    world.desk._database.execute("PRAGMA query_only = OFF")
    fail_on_unexpected_log.clear()
