"""kill -9 of a real process at each step of an order's way; then start, which is recovery."""

import asyncio
import signal
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from scripted_exchange import ScriptedExchange

from core.capital.shared_capital_manager import SharedCapitalManager
from core.models.orders import OrderStatus
from core.order_gate import OrderGate
from core.risk.risk_manager import RiskLimits, RiskManager

CHILD = Path(__file__).with_name("crash_child.py")
POINTS = {
    "after_the_reservation": (OrderStatus.DENIED, 0),
    "after_sent_before_the_request": (OrderStatus.REJECTED, 0),
    "after_the_exchange_accepted": (OrderStatus.FILLED, 1),
    "after_the_fill_before_the_ledger": (OrderStatus.FILLED, 1),
    "after_the_ledger_before_its_mark": (OrderStatus.FILLED, 1),
    "after_everything": (OrderStatus.FILLED, 1),
}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
@pytest.mark.parametrize("point", POINTS)
async def test_after_a_kill_the_books_are_the_exchanges(make_world, tmp_path, point):
    status, orders = POINTS[point]
    folder = tmp_path / "0"
    world = make_world(0)
    await world.reconciler.reconcile("demo")  # an account that has been looked at before
    await world.stop()
    child = await asyncio.create_subprocess_exec(sys.executable, str(CHILD), str(folder), point)
    await child.wait()
    assert child.returncode == -signal.SIGKILL

    world.exchange = ScriptedExchange(world.clock, folder / "books.json")
    world._start()
    capital = SharedCapitalManager(
        "demo", Decimal(25000), database=world.database, clock=world.clock
    )
    risk = RiskManager(
        bus=world.bus,
        clock=world.clock,
        capital=capital,
        database=world.database,
        limits=RiskLimits(),
        on_liquidate=lambda _: None,
        on_kill=lambda _: None,
    )
    gate = OrderGate(bus=world.bus, capital=capital, risk=risk, oms=world.oms, clock=world.clock)
    gate.settle()
    await world.reconciler.reconcile("demo")
    await world.idle()
    report = await world.reconciler.reconcile("demo")

    assert report.is_clean
    books = world.exchange.books
    assert len(books.orders) == len(books.requests) == orders
    (ours,) = world.oms.orders_of("bot-1")
    assert ours.status is status
    snapshot = capital.snapshot()
    assert (snapshot.reserved, snapshot.locked) == (0, 1000 * orders)
    assert snapshot.total == report.balance.wallet_balance
    await world.stop()


async def test_an_engine_that_dies_again_and_again_still_proves_absence(world):
    """Each restart begins before the proof of the one before is through; found by killing the
    engine every four seconds: the reservations of orders that never left stayed for good."""
    request = world.request()
    world.oms.submit(request)
    await world.supervisor.stop()  # dead before the request left
    for _ in range(3):
        await world.stop()
        world._start()
        await world.reconciler.reconcile("demo")
        assert world.oms.order(request.client_order_id).status is OrderStatus.UNKNOWN
        world.clock.advance_ms(8_000)
    await world.stop()
    world._start()
    await world.reconciler.reconcile("demo")
    back_s = world.clock.monotonic_s()
    while not world.oms.order(request.client_order_id).status.is_terminal:
        await world.idle(1)
    assert world.clock.monotonic_s() - back_s < 4  # what is left is to be told so three times
    assert world.oms.order(request.client_order_id).status is OrderStatus.REJECTED
    assert world.exchange.books.requests == []
