"""Which bots run after a restart, and what may keep one from running."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from core.engine import Refused
from core.models.orders import OrderType, Side
from core.snapshots import BotState
from exchanges.simulated.values import PlaceOrder

BTC_BOT, ETH_BOT = "btcusdt-15m", "ethusdt-15m"


def states(world) -> dict[str, BotState]:
    return {bot_id: bot.state for bot_id, bot in world.engine.bots.items()}


async def test_bots_that_ran_come_back_though_the_exchange_is_slow_to_answer(world):
    await world.start()
    await world.running()
    await world.crash()
    for _ in range(2):  # the second time nobody has seen them run in between
        await world.start([], autostart=False)
        world.exchange.is_reachable = False
        await world.hours(0.5)
        assert states(world) == {BTC_BOT: BotState.ERROR, ETH_BOT: BotState.ERROR}
        assert "did not answer" in world.engine.bots[BTC_BOT].state_text
        await world.crash()
    await world.start([], autostart=False)
    world.exchange.is_reachable = False
    await world.hours(0.5)
    world.exchange.is_reachable = True
    await world.running()
    assert world.engine.supervisor.unhandled_exceptions == 0
    assert len(world.notices("Bot not running")) == 2


async def test_a_bot_that_cannot_start_yet_can_be_stopped(world):
    await world.start([world.bot("BTCUSDT")])
    world.exchange.is_reachable = False
    await world.hours(0.1)
    await world.engine.stop_bot(BTC_BOT, close_position=False)
    world.exchange.is_reachable = True
    await world.hours(3)
    assert states(world) == {BTC_BOT: BotState.STOPPED}


async def test_starting_by_hand_says_why_it_did_not_work_and_may_be_repeated(world):
    await world.start(autostart=False)
    await world.hours(0.1)  # the reconciliation that follows the private stream
    world.exchange.is_reachable = False
    with pytest.raises(Refused, match="did not answer"):
        await world.engine.start_bot(BTC_BOT, confirm_live=False)
    assert states(world)[BTC_BOT] is BotState.ERROR
    world.exchange.is_reachable = True
    await world.engine.start_bot(BTC_BOT, confirm_live=False)
    assert states(world)[BTC_BOT] is BotState.RUNNING


async def test_a_bot_stopped_while_it_starts_does_not_run(world):
    await world.start(autostart=False)
    starting = asyncio.create_task(world.engine.start_bot(BTC_BOT, confirm_live=False))
    await asyncio.sleep(0.01)
    await world.engine.stop_bot(BTC_BOT, close_position=False)
    with pytest.raises(Refused, match="was stopped while it was starting"):
        await starting
    assert states(world)[BTC_BOT] is BotState.STOPPED
    await world.hours(3)
    assert world.engine.bots[BTC_BOT].candles_closed == 0


async def test_a_bot_that_was_stopped_stays_stopped(world):
    await world.start()
    await world.running()
    await world.engine.stop_bot(ETH_BOT, close_position=False)
    await world.crash()
    await world.start([], autostart=False)
    await world.hours(0.2)
    assert states(world) == {BTC_BOT: BotState.RUNNING, ETH_BOT: BotState.STOPPED}


def trade_by_hand(world) -> None:
    world.account.place_order(
        PlaceOrder(
            symbol="ETHUSDT", side=Side.BUY, order_type=OrderType.MARKET, quantity=Decimal("0.5")
        )
    )


async def test_a_position_that_nobody_explains_keeps_its_bot_down_over_restarts(world):
    await world.start()
    await world.running()
    await world.crash()
    trade_by_hand(world)
    for _ in range(2):  # the second time the fill is known, but still nobody's
        await world.start([], autostart=False)
        await world.hours(0.2)
        assert states(world) == {BTC_BOT: BotState.RUNNING, ETH_BOT: BotState.PAUSED}
        await world.crash()
    await world.start([], autostart=False)
    await world.hours(0.2)
    await world.engine.start_bot(ETH_BOT, confirm_live=False)
    assert states(world) == {BTC_BOT: BotState.RUNNING, ETH_BOT: BotState.RUNNING}


async def test_a_bot_told_to_start_finds_its_symbol_traded_by_hand_and_pauses(world):
    await world.start()
    await world.running()
    await world.crash()
    trade_by_hand(world)
    await world.start([], autostart=True)
    await world.hours(0.2)
    assert states(world) == {BTC_BOT: BotState.RUNNING, ETH_BOT: BotState.PAUSED}
    assert world.notices("External")


async def test_a_symbol_that_does_not_exist_is_refused_with_the_likely_one(world):
    with pytest.raises(Refused, match=r"has no symbol BTCUSTD\. Did you mean BTCUSDT\?"):
        await world.start([world.bot("BTCUSTD")])


async def test_a_symbol_that_is_gone_does_not_keep_the_other_bots_down(world):
    await world.start()
    await world.running()
    await world.stop()
    del world.venue.market.instruments["ETHUSDT"]
    await world.start([], autostart=False)
    await world.running()
    assert states(world) == {BTC_BOT: BotState.RUNNING}
    assert any("no symbol ETHUSDT" in text for text in world.notices("Bot not loaded"))
