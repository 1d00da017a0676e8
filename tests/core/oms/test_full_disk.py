"""A disk that refuses every write (fault D6): exits leave, entries do not, nothing is lost.

`PRAGMA query_only` makes SQLite refuse each write with an operational error, as a full disk does;
one test fills the database's real last page.
"""

import contextlib
import sqlite3
from decimal import Decimal

import pytest

from core.exchange_port import Unavailable
from core.models.orders import Order, OrderPurpose, OrderStatus, OrderType, Side
from core.oms.intent_journal import IntentJournal


@pytest.fixture(autouse=True)
def expected_log(fail_on_unexpected_log):
    yield
    fail_on_unexpected_log[:] = [
        record for record in fail_on_unexpected_log if "journalled" not in record.getMessage()
    ]


def fill_disk(world, is_full=True):
    world.database.execute(f"PRAGMA query_only = {'ON' if is_full else 'OFF'}")


def deliver(world):
    """As the desk does: a fill that cannot be written waits for the next reconciliation."""
    while world.exchange.outbox:
        with contextlib.suppress(sqlite3.Error):
            world.hear(world.exchange.outbox.popleft())


async def held(world, quantity="2"):
    entry = world.request(quantity=quantity)
    world.oms.submit(entry)
    await world.idle()
    world.deliver()
    return entry


def exit_of(world, quantity="2"):
    return world.request(side=Side.SELL, quantity=quantity, purpose=OrderPurpose.EXIT)


async def test_an_exit_leaves_an_entry_does_not_and_all_is_written_later(world):
    await held(world)
    fill_disk(world)
    with pytest.raises(sqlite3.Error):
        world.oms.accept(world.request())
    leave = exit_of(world)
    world.oms.accept(leave)
    world.oms.submit(leave)
    await world.idle()
    deliver(world)
    assert world.exchange.position("BTCUSDT").is_flat
    assert world.oms.order(leave.client_order_id).status is OrderStatus.FILLED
    assert any("waits in memory to be written" in error.text for error in world.alarms())
    with pytest.raises(sqlite3.Error):
        await world.reconciler.reconcile("demo")
    fill_disk(world, is_full=False)
    report = await world.reconciler.reconcile("demo")
    assert report.is_clean
    assert world.oms.journal.net_quantity("demo", "BTCUSDT") == 0
    steps = [line.step for line in world.oms.trail(leave.client_order_id)]
    assert steps[:4] == ["intent", "request", "sent", "answer"]
    await world.restart()
    assert world.oms.order(leave.client_order_id).status is OrderStatus.FILLED
    assert world.exchange.books.requests.count(leave.client_order_id) == 1


async def test_an_exit_on_the_reserved_page_is_asked_for_after_a_crash(world):
    await held(world)
    fill_disk(world)
    leave = exit_of(world)
    world.oms.accept(leave)
    world.oms.submit(leave)
    await world.idle()  # it filled, we have heard nothing, and here the process dies
    await world.restart()
    assert world.oms.order(leave.client_order_id).status is OrderStatus.SENT
    await world.reconciler.reconcile("demo")
    assert world.oms.order(leave.client_order_id).status is OrderStatus.FILLED
    assert world.exchange.books.requests.count(leave.client_order_id) == 1
    again = IntentJournal(world.database)
    assert again.net_quantity("demo", "BTCUSDT") == 0


async def test_an_exit_written_as_intent_before_the_disk_filled_up_is_not_called_unsent(world):
    await held(world)
    leave = exit_of(world)
    world.oms.accept(leave)
    fill_disk(world)
    world.oms.submit(leave)
    await world.idle()
    await world.restart()
    world.oms.deny_left_over()
    assert world.oms.order(leave.client_order_id).status is OrderStatus.SENT
    await world.reconciler.reconcile("demo")
    assert world.oms.order(leave.client_order_id).status is OrderStatus.FILLED


async def test_an_entry_written_as_intent_does_not_leave_a_full_disk(world):
    entry = world.request()
    world.oms.accept(entry)
    fill_disk(world)
    with pytest.raises(sqlite3.Error):
        world.oms.submit(entry)
    await world.idle()
    assert world.exchange.books.requests == []


async def test_a_working_order_is_followed_in_memory(world):
    other, request = (world.request(order_type=OrderType.LIMIT) for _ in range(2))
    for wish in (other, request):
        world.oms.submit(wish)
    await world.idle()
    world.deliver()
    fill_disk(world)
    world.oms._registry.note(other.client_order_id, "cancel", "thought about it")
    await world.oms.cancel("demo", request.symbol, request.client_order_id, "")
    deliver(world)
    assert world.oms.order(request.client_order_id).status is OrderStatus.CANCELLED
    by_id = world.oms._registry._find(
        "demo", "", world.exchange.order(request.client_order_id).exchange_order_id
    )
    assert by_id.status is OrderStatus.CANCELLED
    fill_disk(world, is_full=False)
    await world.reconciler.reconcile("demo")
    await world.restart()
    assert world.oms.order(request.client_order_id).status is OrderStatus.CANCELLED


async def test_without_room_on_the_page_either_nothing_leaves(world):
    """Rule 1 has the last word; the stop still rests at the exchange."""
    await held(world)
    fill_disk(world)
    world.oms.journal._reserve._size_bytes = 0
    with pytest.raises(sqlite3.OperationalError, match="page reserved for exits"):
        world.oms.accept(exit_of(world))
    world.oms.journal._reserve = None
    with pytest.raises(sqlite3.OperationalError, match="no page is reserved"):
        world.oms.accept(exit_of(world))


async def test_a_page_that_cannot_be_read_is_a_fault_not_an_empty_page(world, tmp_path):
    folder = world.oms.journal._reserve._path
    folder.unlink()
    with pytest.raises(sqlite3.OperationalError, match="page reserved for exits"):
        IntentJournal(world.database, world.oms.journal._reserve)


async def test_sqlites_own_full_disk_refuses_entries_and_lets_the_exit_go(world):
    await held(world)
    pages = world.database.execute("PRAGMA page_count").fetchone()[0]
    world.database.execute("CREATE TABLE ballast (x)")
    world.database.execute(f"PRAGMA max_page_count = {pages + 4}")
    with contextlib.suppress(sqlite3.OperationalError):
        while True:
            world.database.execute("INSERT INTO ballast VALUES (randomblob(2000))")
    refused = 0
    for _ in range(20):  # what still fits into half-empty pages is written as ever
        try:
            world.oms.accept(world.request())
        except sqlite3.OperationalError:
            refused += 1
    assert refused
    leave = exit_of(world)
    world.oms.accept(leave)
    world.oms.submit(leave)
    await world.idle()
    assert leave.client_order_id in world.exchange.books.requests
    assert isinstance(world.oms.order(leave.client_order_id), Order)
    assert world.exchange.position("BTCUSDT").quantity == Decimal(0)


async def test_a_fill_that_cannot_be_written_leaves_its_order_unknown(world):
    """The exchange has filled it, and says so when asked; nothing is concluded before the fill
    stands in the books."""
    request = world.request(order_type=OrderType.LIMIT)
    world.oms.submit(request)
    await world.idle()
    world.exchange.fill(world.exchange.order(request.client_order_id), Decimal(1))
    world.exchange.outbox.clear()  # the stream brings nothing
    fill_disk(world)
    with pytest.raises(Unavailable, match="a fill could not be written yet"):
        await world.oms._ask("demo", "BTCUSDT", request.client_order_id)
    fill_disk(world, is_full=False)
    await world.reconciler.reconcile("demo")
    assert world.oms.order(request.client_order_id).status is OrderStatus.FILLED
    assert len(world.oms.fills()) == 1
