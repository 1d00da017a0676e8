"""Rule 5 in a whole engine: stops are lost, refused, fired unseen; positions come from nowhere."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from app.command_handler import CommandHandler
from core.commands import AcceptPosition, GetTrail, IgnoreFinding, Request
from core.exchange_port import OutcomeUnknown
from core.models.orders import OrderPurpose, OrderRequest, OrderStatus, OrderType, Side
from core.oms.client_order_id import make_client_order_id
from core.snapshot_builder import SnapshotBuilder
from core.snapshots import BotState
from exchanges.simulated.values import PlaceOrder

ETH_BOT = "ethusdt-15m"


async def trading(world) -> str:
    """Up, with one position; its symbol."""
    await world.start()
    await world.running()
    await world.until(lambda: bool(world.held()))
    await world.settled()
    return next(iter(world.held()))


def lose_stop(world, symbol: str) -> None:
    for order in world.account.open_orders():
        if order.symbol == symbol and order.is_protection:
            world.account.cancel_order(symbol, order_id=order.order_id)


def venue_stop(world, symbol: str) -> Decimal | None:
    [position] = [p for p in world.account.positions() if p.symbol == symbol]
    return position.stop_loss


async def test_a_stop_that_is_lost_is_back_within_three_seconds(world):
    symbol = await trading(world)
    stop = venue_stop(world, symbol)
    lose_stop(world, symbol)
    assert venue_stop(world, symbol) is None
    await asyncio.sleep(3)
    if symbol in world.held():  # the market may have reached it meanwhile
        assert venue_stop(world, symbol) == stop
    [proof] = [p for p in SnapshotBuilder(world.engine).build([]).protection if p.symbol == symbol]
    assert proof.is_protected
    assert 0 < proof.unprotected_s <= 3
    assert proof.times_replaced == 1
    await world.audit()


async def test_a_position_that_cannot_be_protected_is_closed(world):
    symbol = await trading(world)

    async def nobody_answers(*_):
        raise OutcomeUnknown("timed out")

    world.exchange.set_protection = nobody_answers
    lose_stop(world, symbol)
    await world.until(lambda: symbol not in world.held(), within_h=0.2)
    assert any("cannot be protected" in text for text in world.notices())
    await world.audit()
    assert world.engine.supervisor.unhandled_exceptions == 0


async def test_a_stop_that_fired_while_nobody_looked_is_booked_once_as_the_exchange_has_it(world):
    symbol = await trading(world)
    await world.crash()
    await world.until(lambda: symbol not in world.held(), within_h=48)
    fired = [e for e in world.executions() if e.symbol == symbol and e.closed_quantity]
    await world.start([], autostart=False)
    await world.running()
    await world.audit()
    booked = {fill.trade_id: fill for fill in world.desk.oms.fills()}
    for execution in fired:
        fill = booked[execution.trade_id]
        assert (fill.price, fill.fee) == (execution.price, execution.fee)
        assert world.desk.oms.purpose_of(fill) in (OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT)
    released = [line for line in world.desk.capital.snapshot().ledger if line.kind == "released"]
    assert len(released) == 1
    assert len(world.desk.trades.round_trips) == 1
    assert not world.notices("External")


async def test_fourteen_resting_orders_are_all_owned_after_a_crash(world):
    """Fault B3."""
    await world.start([], autostart=False)
    wanted = [await resting_entry(world, number) for number in range(14)]
    for number, request in enumerate(wanted):
        if number == 10:
            await asyncio.sleep(61)  # no more than ten orders a minute
        world.desk.bus.publish(request)
    await world.settled()
    for _ in range(3):
        await world.crash()
        await world.start([], autostart=False)
        ours = {order.client_order_id for order in world.desk.oms.working_orders("demo")}
        assert ours == {request.client_order_id for request in wanted}
    await world.audit()
    assert len(world.account.open_orders()) == 14


async def resting_entry(world, number: int) -> OrderRequest:
    """Far enough from the market to rest, near enough for the price rule."""
    await world.until(lambda: "SOLUSDT" in world.feed.tickers, within_h=0.1)
    market = world.feed.tickers["SOLUSDT"].last_price
    price = (market * Decimal("0.55")).quantize(Decimal(1)) + number
    now_ms = world.clock.time_ms()
    return OrderRequest(
        client_order_id=make_client_order_id("manual", "SOLUSDT", now_ms, str(number)),
        account="demo",
        bot_id="",
        strategy="manual",
        symbol="SOLUSDT",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity=Decimal(1),
        reference_price=price,
        purpose=OrderPurpose.ENTRY,
        created_ms=now_ms,
        price=price,
        stop_loss=price - 10,
    )


async def test_a_long_outage_loses_no_order(world):
    """Fault A6: no answer is never "not found", though the time in which an order could still
    arrive runs out many times over."""
    await world.start([], autostart=False)
    wanted = [await resting_entry(world, number) for number in range(6)]
    for request in wanted:
        world.desk.bus.publish(request)
    await asyncio.sleep(0.01)
    world.exchange.is_reachable = False  # with every answer on its way back
    await asyncio.sleep(300)
    assert len(world.desk.oms.unresolved("demo")) == 6
    world.exchange.is_reachable = True
    await world.settled()
    ours = {order.client_order_id for order in world.desk.oms.working_orders("demo")}
    assert ours == {order.client_order_id for order in world.account.open_orders()}
    assert len(world.executions()) == 0
    await world.audit()


async def test_a_working_order_is_changed_in_its_place(world):
    await world.start([], autostart=False)
    request = await resting_entry(world, 5)
    world.desk.bus.publish(request)
    await world.settled()
    assert await world.desk.gate.amend(request.client_order_id, price=Decimal(22)) is None
    await world.settled()
    [resting] = world.account.open_orders()
    assert (resting.price, resting.client_order_id) == (22, request.client_order_id)
    assert world.desk.oms.order(request.client_order_id).price == 22
    await world.audit()


async def test_the_kill_switchs_cancels_are_made_good_after_a_crash(world):
    await world.start([], autostart=False)
    world.desk.bus.publish(await resting_entry(world, 1))
    await world.settled()
    world.exchange.is_reachable = False
    world.engine.kill()
    await asyncio.sleep(1)
    await world.crash()
    await world.start([], autostart=False)
    await world.until(lambda: not world.account.open_orders(), within_h=1)
    await world.audit()


async def test_on_a_full_disk_positions_are_left_and_none_is_entered(world, fail_on_unexpected_log):
    """Fault D6, the whole engine: every write of the account's books is refused."""
    symbol = await trading(world)
    entries = len(world.entries())
    world.desk._database.execute("PRAGMA query_only = ON")
    world.desk.bus.publish(await resting_entry(world, 1))
    assert world.engine.close_position("demo", symbol) == f"Closing {symbol}."
    await world.until(lambda: symbol not in world.held(), within_h=0.2)
    await asyncio.sleep(60)
    assert len(world.entries()) == entries
    assert "Not reconciled" in world.desk.state_text
    world.desk._database.execute("PRAGMA query_only = OFF")
    await asyncio.sleep(60)
    assert world.desk.is_ready
    await world.audit()
    assert any("could not be written" in text for text in world.notices())
    fail_on_unexpected_log.clear()


# --- time that was lost ---------------------------------------------------------------------


def stand_still(seconds: float) -> None:
    """The process was stopped: every timer is late, nothing was heard."""
    asyncio.get_running_loop()._now_s += seconds


async def test_after_a_sleep_nothing_leaves_before_the_books_are_right(world):
    await world.start([], autostart=False)
    reconciled = []
    fetch = world.exchange.fetch_positions

    async def note(*args):
        reconciled.append("positions read")
        return await fetch(*args)

    place = world.exchange.place_order

    async def note_order(request):
        reconciled.append("order sent")
        return await place(request)

    world.exchange.fetch_positions, world.exchange.place_order = note, note_order
    refused = await resting_entry(world, 1)
    stand_still(600)
    world.desk.bus.publish(refused)
    order = world.desk.oms.order(refused.client_order_id)
    assert (order.status, order.reject_code) == (OrderStatus.DENIED, "not_ready")
    assert "stood still" in order.reason
    await world.until(lambda: world.desk.is_ready, within_h=1)
    world.desk.bus.publish(await resting_entry(world, 2))
    await world.settled()
    assert reconciled[0] == "positions read"
    assert reconciled.count("order sent") == 1
    assert any("stood still for" in text for text in world.notices())


async def test_an_exit_waits_for_the_books_and_then_leaves(world):
    symbol = await trading(world)
    world.engine.pause_bot(world.engine.roster.owner_of("demo", symbol))
    stand_still(30)
    if symbol in world.held():
        world.engine.close_position("demo", symbol)
    await world.until(lambda: symbol not in world.held(), within_h=1)
    await world.audit()


# --- positions from nowhere -----------------------------------------------------------------


async def by_hand(world) -> None:
    await world.start()
    await world.running()
    world.account.place_order(
        PlaceOrder(
            symbol="SOLUSDT", side=Side.BUY, order_type=OrderType.MARKET, quantity=Decimal(5)
        )
    )
    await world.settled()


async def ask(world, command):
    handler = CommandHandler(world.engine, SnapshotBuilder(world.engine))
    result, _ = await handler.handle(Request(1, command))
    return result


async def test_a_manual_position_is_taken_over_with_a_stop_and_guarded(world):
    await by_hand(world)
    refused = await ask(world, AcceptPosition("demo", "SOLUSDT"))
    assert (refused.ok, refused.text) == (
        False,
        "SOLUSDT has no stop at the exchange: give one with it.",
    )
    [position] = [p for p in world.account.positions() if p.symbol == "SOLUSDT"]
    stop = (position.entry_price * Decimal("0.5")).quantize(Decimal("0.01"))
    accepted = await ask(world, AcceptPosition("demo", "SOLUSDT", stop_loss=stop))
    assert accepted.ok, accepted.text
    assert venue_stop(world, "SOLUSDT") == stop
    lose_stop(world, "SOLUSDT")
    await asyncio.sleep(3)
    assert venue_stop(world, "SOLUSDT") == stop
    await world.audit()


async def test_a_manual_position_without_a_stop_is_told_and_left_to_the_trader(world):
    await by_hand(world)
    await world.hours(0.5)
    assert world.held()["SOLUSDT"] == 5
    told = [text for text in world.notices() if "no order of ours explains" in text]
    assert len(told) == 1
    ignored = await ask(world, IgnoreFinding("demo", "SOLUSDT"))
    assert ignored.ok, ignored.text
    nothing = await ask(world, IgnoreFinding("demo", "BTCUSDT"))
    assert nothing.text == "There is nothing unexplained in BTCUSDT."


async def test_a_position_from_before_the_history_is_adopted_not_taken_for_flat(world):
    """Fault B4: a new data directory, and an exchange that no longer lists the fills."""
    world.account.place_order(
        PlaceOrder(
            symbol="ETHUSDT", side=Side.BUY, order_type=OrderType.MARKET, quantity=Decimal(1)
        )
    )
    await asyncio.sleep(120)
    await world.start()
    await world.until(lambda: world.engine.bots[ETH_BOT].state is BotState.PAUSED, within_h=1)
    assert world.desk.state.position("demo", "ETHUSDT").quantity == 1
    [position] = world.account.positions()
    stop = (position.entry_price * Decimal("0.5")).quantize(Decimal("0.01"))
    assert (await ask(world, AcceptPosition("demo", "ETHUSDT", stop_loss=stop))).ok
    await world.engine.start_bot(ETH_BOT, confirm_live=False)
    assert world.engine.bots[ETH_BOT].state is BotState.RUNNING
    assert venue_stop(world, "ETHUSDT") == stop


# --- the causal trail -----------------------------------------------------------------------


async def test_the_trail_of_an_order_goes_from_the_candle_to_the_fill(world):
    symbol = await trading(world)
    [entry] = [e for e in world.entries() if e.symbol == symbol][:1]
    await world.crash()
    await world.start([], autostart=False)
    answer = await ask(world, GetTrail(entry.client_order_id))
    steps = [line.step for line in answer.trail]
    assert steps[:7] == ["candle", "indicators", "signal", "size", "intent", "capital", "risk"]
    assert {"request", "sent", "answer", "fill"} <= set(steps)
    assert [line.time_ms for line in answer.trail] == sorted(line.time_ms for line in answer.trail)
    text = " ".join(line.text for line in answer.trail)
    assert "rsi" in text
    assert str(entry.price) in text
    unknown = await ask(world, GetTrail("nobody"))
    assert unknown.text == "There is no order 'nobody' in the journal."


@pytest.mark.parametrize("command", [AcceptPosition("nowhere", "X"), IgnoreFinding("nowhere", "X")])
async def test_an_account_that_does_not_exist_is_a_sentence(world, command):
    await world.start([], autostart=False)
    assert (await ask(world, command)).text == "There is no account 'nowhere'."
