"""The engine dies at any moment; the next one finds what the exchange has, and goes on."""

from __future__ import annotations

import asyncio
import random

import pytest

from core.exchange_port import StreamKind
from core.models.fills import FillKind
from core.models.orders import OrderStatus
from exchanges.simulated.values import Executed


async def revive(world) -> None:
    """A new engine; the bots that ran run again, nothing was forgotten."""
    await world.start([], autostart=False)
    await world.running()
    assert set(world.engine.bots) == {"btcusdt-15m", "ethusdt-15m"}


async def test_crashes_at_any_time_leave_the_books_equal_to_the_exchange(world):
    moments = random.Random(11)
    await world.start()
    await world.running()
    for _ in range(10):
        await world.hours(moments.uniform(0.1, 1.0))
        await world.crash()
        await asyncio.sleep(moments.uniform(0, 40))  # the market goes on without us
        await revive(world)
        await world.audit()
    assert len(world.desk.trades.round_trips) >= 3
    world.assert_one_position_at_a_time()
    assert await world.desk.measure_ledger_error() == 0
    assert world.engine.supervisor.unhandled_exceptions == 0


async def crash_when(world, moment) -> None:
    """Kill the engine in the very step in which `moment(venue event)` is first true: it has
    sent the order, the exchange has done it, and neither the answer nor the stream has come."""
    happened = asyncio.Event()

    def look(event) -> None:
        if not happened.is_set() and moment(event):
            happened.set()
            world.exchange.lose_stream(StreamKind.PRIVATE, "gone")

    world.venue.on_event.append(look)
    async with asyncio.timeout(3000):
        await happened.wait()
    await world.crash()
    world.venue.on_event.remove(look)


def is_entry(event) -> bool:
    return isinstance(event, Executed) and is_trade(event) and not event.execution.closed_quantity


def is_exit(event) -> bool:
    return isinstance(event, Executed) and is_trade(event) and bool(event.execution.closed_quantity)


def is_trade(event: Executed) -> bool:
    return event.execution.kind is FillKind.TRADE


@pytest.mark.parametrize("moment", [is_entry, is_exit])
async def test_a_fill_that_nobody_heard_of_is_found(world, moment):
    await world.start()
    await world.running()
    for _ in range(3):
        await crash_when(world, moment)
        filled = world.executions()[-1]
        await revive(world)
        await world.audit()
        assert filled.trade_id in {fill.trade_id for fill in world.desk.oms.fills()}
        order = world.desk.oms.order(filled.client_order_id) if filled.client_order_id else None
        assert order is None or order.status is OrderStatus.FILLED
    world.assert_one_position_at_a_time()
    assert not world.notices("External")
    assert world.engine.supervisor.unhandled_exceptions == 0


async def test_an_order_that_never_arrived_is_given_up_once_that_is_proved(world):
    await world.start()
    await world.running()
    sent = None
    while sent is None:  # looks several times within a request's way
        await asyncio.sleep(0.005)
        orders = world.desk.oms.working_orders("demo")
        sent = next((o for o in orders if o.status is OrderStatus.SENT), None)
    await world.crash()
    assert world.executions() == []
    await revive(world)
    assert world.desk.oms.order(sent.client_order_id).status is OrderStatus.UNKNOWN
    assert world.desk.capital.snapshot().reserved > 0
    await world.until(lambda: not world.desk.oms.unresolved("demo"), within_h=1)
    assert world.desk.oms.order(sent.client_order_id).status is OrderStatus.REJECTED
    assert world.desk.capital.snapshot().reserved == 0
    await world.until(lambda: len(world.desk.trades.round_trips) >= 1)
    await world.audit()
    assert sent.client_order_id not in {e.client_order_id for e in world.executions()}


async def test_an_ordered_stop_is_found_again_too(world):
    await world.start()
    await world.running()
    await world.until(lambda: bool(world.held()))
    await world.stop()
    await asyncio.sleep(20)
    await revive(world)
    await world.audit()
