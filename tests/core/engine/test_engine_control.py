"""The trader's hand on the engine: start, pause, stop, close, kill, resume."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from core.engine import Refused
from core.exchange_port import StreamKind
from core.models.orders import OrderPurpose, OrderStatus, OrderType, Side
from core.snapshots import BotState, TradingState
from exchanges.simulated.values import PlaceOrder

BTC_BOT, ETH_BOT = "btcusdt-15m", "ethusdt-15m"


async def trading(world) -> None:
    """Up, with a position."""
    await world.start()
    await world.running()
    await world.until(lambda: bool(world.held()))


async def test_the_kill_switch_stops_bots_and_entries_and_leaves_stops(world):
    await trading(world)
    held = world.held()
    entries = len(world.entries())
    assert world.engine.kill() == "Trading stopped."
    assert {bot.state for bot in world.engine.bots.values()} == {BotState.STOPPED}
    assert world.desk.risk.snapshot().state is TradingState.HALTED
    await world.settled()
    assert world.held() == held
    await world.audit()  # each position with its stop
    await world.until(lambda: not world.held())  # which the exchange executes without us
    await world.hours(2)
    assert len(world.entries()) == entries
    [answer] = world.desk.risk.snapshot().kill_switch_answers
    assert answer.endswith("orders cancelled, stops still rest")
    assert world.engine.supervisor.unhandled_exceptions == 0


async def test_the_kill_switch_cancels_a_waiting_entry_but_no_stop(world):
    await trading(world)
    resting = world.account.place_order(
        PlaceOrder(
            symbol="SOLUSDT",
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            quantity=Decimal(1),
            price=Decimal(20),
            client_order_id="by-hand",
        )
    )
    await world.settled()
    world.engine.kill()
    await world.settled()
    await world.until(lambda: not world.account.order(order_id=resting.order_id).is_open)
    protection = [order for order in world.account.open_orders() if order.is_protection]
    assert len(protection) == 2 * len(world.held())
    [answer] = world.desk.risk.snapshot().kill_switch_answers
    assert "1 of 1 orders cancelled" in answer


async def test_a_killed_engine_stays_killed_over_a_restart_until_it_is_resumed(world):
    await trading(world)
    entries = len(world.entries())
    world.engine.kill()
    await world.crash()

    await world.start([], autostart=False)
    assert world.desk.risk.snapshot().state is TradingState.HALTED
    await world.hours(0.5)
    assert {bot.state for bot in world.engine.bots.values()} == {BotState.STOPPED}
    for bot_id in (BTC_BOT, ETH_BOT):
        await world.engine.start_bot(bot_id, confirm_live=False)
    await world.until(lambda: bool(world.notices("Denied")))
    assert len(world.entries()) == entries, "a started bot does not end the kill switch"

    assert "allowed again" in world.engine.resume()
    assert world.desk.risk.snapshot().state is TradingState.ACTIVE
    await world.engine.start_bot(BTC_BOT, confirm_live=False)
    await world.until(lambda: len(world.entries()) > entries)
    await world.audit()


async def test_stop_with_close_ends_flat_and_without_orders(world):
    await trading(world)
    [symbol] = world.held()
    bot_id = world.engine.roster.owner_of("demo", symbol)
    text = await world.engine.stop_bot(bot_id, close_position=True)
    assert text == f"{bot_id} is stopped and {symbol} is closed."
    assert symbol not in world.held()
    await world.settled()
    assert [order for order in world.account.open_orders() if order.symbol == symbol] == []
    await world.audit()
    exit_fill = world.executions()[-1]
    assert world.desk.oms.order(exit_fill.client_order_id).purpose is OrderPurpose.EXIT
    entries = [e for e in world.entries() if e.symbol == symbol]
    await world.hours(3)
    assert [e for e in world.entries() if e.symbol == symbol] == entries


async def test_stop_without_close_leaves_the_position_to_its_stops(world):
    await trading(world)
    [symbol] = world.held()
    bot_id = world.engine.roster.owner_of("demo", symbol)
    assert await world.engine.stop_bot(bot_id, close_position=False) == f"{bot_id} is stopped."
    assert symbol in world.held()
    await world.audit()
    await world.until(lambda: symbol not in world.held())
    await world.audit()


async def test_a_paused_bot_does_not_enter_but_its_signal_may_still_close(world):
    await trading(world)
    for bot_id in (BTC_BOT, ETH_BOT):
        world.engine.pause_bot(bot_id)
    entries = len(world.entries())
    await world.until(lambda: not world.held())
    await world.hours(3)
    assert len(world.entries()) == entries
    assert {bot.state for bot in world.engine.bots.values()} == {BotState.PAUSED}
    assert await world.engine.start_bot(BTC_BOT, confirm_live=False) == f"{BTC_BOT} is running."
    await world.until(lambda: len(world.entries()) > entries)


async def test_a_paused_bots_opposite_signal_closes_its_position(open_world):
    """Stops so wide that only a signal can end the trade."""
    world = open_world()
    wide = {"stop_atr": 40.0, "take_profit_atr": 90.0}
    await world.start([world.bot("BTCUSDT", parameters=wide)])
    await world.running()
    await world.until(lambda: bool(world.held()))
    world.engine.pause_bot(BTC_BOT)
    await world.until(lambda: not world.held(), within_h=48)
    last = world.executions()[-1]
    assert world.desk.oms.order(last.client_order_id).purpose is OrderPurpose.EXIT
    assert world.engine.bots[BTC_BOT].state is BotState.PAUSED
    assert len(world.entries()) == 1
    await world.audit()


async def test_closing_by_hand_takes_the_same_road_and_the_bot_goes_on(world):
    await trading(world)
    [symbol] = world.held()
    assert world.engine.close_position("demo", symbol) == f"Closing {symbol}."
    await world.until(lambda: symbol not in world.held(), within_h=0.2)
    await world.audit()
    with pytest.raises(Refused, match=f"There is no position in {symbol}"):
        world.engine.close_position("demo", symbol)
    entries = len(world.entries())
    await world.until(lambda: len(world.entries()) > entries)


async def test_two_closes_at_once_are_one(world):
    await trading(world)
    [symbol] = world.held()
    for _ in range(2):
        assert world.engine.close_position("demo", symbol) == f"Closing {symbol}."
        await asyncio.sleep(0.01)
    await world.until(lambda: symbol not in world.held(), within_h=0.2)
    await world.audit()
    exits = [o for o in world.desk.oms.orders_of("ethusdt-15m") if o.purpose is OrderPurpose.EXIT]
    assert [order.status for order in exits] == [OrderStatus.FILLED]
    assert not world.notices("Rejected")
    world.assert_one_position_at_a_time()


async def test_a_trade_by_hand_at_the_exchange_pauses_that_symbols_bot(world):
    await world.start()
    await world.running()
    world.account.place_order(
        PlaceOrder(
            symbol="ETHUSDT", side=Side.BUY, order_type=OrderType.MARKET, quantity=Decimal("0.5")
        )
    )
    await world.settled()
    assert world.engine.bots[ETH_BOT].state is BotState.PAUSED
    assert world.engine.bots[BTC_BOT].state is BotState.RUNNING
    assert any("outside this program" in text for text in world.notices("External"))


async def entry_on_its_way(world):
    """Up, and in the middle of a request for an entry."""
    await world.start()
    await world.running()
    while True:  # looks several times within a request's way
        await asyncio.sleep(0.005)
        for order in world.desk.oms.working_orders("demo"):
            if order.purpose is OrderPurpose.ENTRY and order.status is OrderStatus.SENT:
                return order


async def test_stop_with_close_waits_for_an_entry_that_is_on_its_way(world):
    order = await entry_on_its_way(world)
    assert world.held() == {}
    text = await world.engine.stop_bot(order.bot_id, close_position=True)
    assert text == f"{order.bot_id} is stopped and {order.symbol} is closed."
    assert world.held() == {}
    await world.audit()
    assert [e.symbol for e in world.entries()] == [order.symbol]


async def test_stop_with_close_says_when_the_exchange_does_not_answer(world):
    await trading(world)
    [symbol] = world.held()
    bot_id = world.engine.roster.owner_of("demo", symbol)
    world.exchange.is_reachable = False
    with pytest.raises(Refused, match=f"{bot_id} is stopped, but {symbol} is not closed yet"):
        await world.engine.stop_bot(bot_id, close_position=True)
    world.exchange.is_reachable = True
    await world.hours(1.5)
    await world.audit()
    world.assert_one_position_at_a_time()


async def test_stop_with_close_closes_what_the_exchange_has_hidden_when_it_shows_up(world):
    """Where its message is lost too, reads with nothing in them look as if it had been closed by
    hand."""
    await world.start()
    await world.running()
    shown = world.exchange.fetch_positions

    async def nothing():
        return []

    world.exchange.fetch_positions = nothing
    world.desk.on_position = lambda _position: None
    await world.until(lambda: bool(world.engine.roster.findings()))
    [finding] = world.engine.roster.findings()
    symbol, bot_id = finding.symbol, world.engine.roster.owner_of("demo", finding.symbol)
    assert "the exchange shows no position" in finding.text
    assert symbol in world.held()
    text = await world.engine.stop_bot(bot_id, close_position=True)
    assert text.startswith(f"{bot_id} is stopped. The exchange shows no {symbol}, our books do")
    world.exchange.fetch_positions = shown
    del world.desk.on_position
    await world.until(lambda: symbol not in world.held(), within_h=1)
    await world.settled()
    assert world.desk.oms.journal.kept_closes("demo") == []


@pytest.mark.parametrize("is_crashing", [False, True])
async def test_stop_with_close_unseen_closes_what_stands_as_soon_as_it_is_seen(world, is_crashing):
    """A position of somebody else, which the trader wants to be gone and nobody has heard of."""
    await world.start()
    await world.running()
    world.exchange.lose_stream(StreamKind.PRIVATE, "gone")
    world.exchange.is_reachable = False
    world.account.place_order(
        PlaceOrder(
            symbol="ETHUSDT", side=Side.BUY, order_type=OrderType.MARKET, quantity=Decimal("0.5")
        )
    )
    await asyncio.sleep(1)
    with pytest.raises(Refused, match=f"{ETH_BOT} is stopped. Whether ETHUSDT is open cannot be"):
        await world.engine.stop_bot(ETH_BOT, close_position=True)
    if is_crashing:
        await world.crash()
        await world.start([], autostart=False)
    else:
        world.exchange.is_reachable = True
        world.exchange.restore_stream(StreamKind.PRIVATE)
    await world.until(lambda: "ETHUSDT" not in world.held(), within_h=1)
    await world.settled()
    assert world.desk.oms.journal.kept_closes("demo") == []


async def test_a_bot_whose_entry_is_on_its_way_is_not_removed(world):
    order = await entry_on_its_way(world)
    await world.engine.stop_bot(order.bot_id, close_position=False)
    with pytest.raises(Refused, match="an order of it is on its way"):
        world.engine.remove_bot(order.bot_id)
    await world.settled()
    with pytest.raises(Refused, match="still owns a position"):
        world.engine.remove_bot(order.bot_id)


async def test_a_kill_while_an_entry_is_on_its_way_leaves_at_most_a_protected_position(world):
    order = await entry_on_its_way(world)
    world.engine.kill()
    await world.hours(0.5)
    await world.audit()
    entries = len(world.entries())
    assert entries <= 1
    assert not world.desk.oms.unresolved("demo")
    assert world.desk.oms.order(order.client_order_id).status.is_terminal
    await world.hours(3)
    assert len(world.entries()) == entries


@pytest.mark.parametrize("delay_s", [0.0, 0.03, 0.07, 0.11, 0.15, 0.19, 0.3])
async def test_the_engine_may_be_told_to_stop_while_it_starts(world, delay_s):
    world.build()
    starting = asyncio.create_task(world.engine.start(world.bots, autostart=True))
    await asyncio.sleep(delay_s)
    starting.cancel()
    await world.stop()
    await asyncio.gather(starting, return_exceptions=True)
    await world.start()
    await world.running()
    assert world.engine.supervisor.unhandled_exceptions == 0
