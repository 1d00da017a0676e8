"""A deposit or withdrawal behind our back: shown, explained, told once, booked on the trader's
word, and never by itself."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.command_handler import CommandHandler
from core.commands import BookTransfer, CommandResult, Request
from core.events import Error
from core.snapshot_builder import SnapshotBuilder
from core.snapshots import AccountSnapshot

D = Decimal


async def book(world, amount: str) -> CommandResult:
    handler = CommandHandler(world.engine, SnapshotBuilder(world.engine))
    result, _ = await handler.handle(Request(1, BookTransfer("demo", D(amount))))
    return result


def shown(world) -> AccountSnapshot:
    return SnapshotBuilder(world.engine).build([]).accounts[0]


@pytest.fixture
async def told(world):
    """The notices of an account from which 500 were withdrawn at the exchange."""
    await world.start([], autostart=False)
    told: list[str] = []
    world.desk.bus.subscribe(Error, lambda event: told.append(event.text), part="test")
    world.account._ledger.book_result("BTCUSDT", D(-500))
    await world.desk.reconcile()
    await world.desk.reconcile()
    return told


async def test_a_withdrawal_is_shown_and_explained_and_told_once(world, told):
    account = shown(world)
    assert account.ledger_error == 500
    [part] = account.ledger_difference
    assert (part.category, part.amount) == ("transfer", 500)
    assert told == [
        "our ledger is +500.00 USDT away from simulated's wallet balance: "
        "500.00 USDT was withdrawn from the exchange, or booked there unknown to us"
    ]


async def test_the_traders_word_books_it_and_neither_result_nor_drawdown_move(world, told):
    before = world.desk.capital.snapshot()
    assert (await book(world, "-500")).text == "A withdrawal of 500.00 USDT was booked."
    assert shown(world).ledger_error == 0
    assert shown(world).ledger_difference == []
    after = world.desk.capital.snapshot()
    assert after.total == before.total - 500
    assert (after.realized_pnl, after.drawdown) == (before.realized_pnl, before.drawdown)
    assert after.ledger[0].kind == "withdrawal"
    await world.desk.reconcile()
    assert shown(world).ledger_error == 0
    assert len(told) == 1


async def test_a_part_of_it_may_be_booked_and_the_rest_stays_shown(world, told):
    assert (await book(world, "-300")).ok
    [part] = shown(world).ledger_difference
    assert part.amount == 200


@pytest.mark.parametrize(
    ("amount", "sentence"),
    [
        ("500", "The ledger is +500.00 USDT away from simulated's balance; a transfer of +500.00"),
        ("-1000", "a transfer of -1,000.00 USDT does not explain that."),
        ("0", "A transfer is an amount above zero that came, or below, gone."),
        ("NaN", "A transfer is an amount above zero that came, or below, gone."),
    ],
)
async def test_a_transfer_that_explains_nothing_is_refused(world, told, amount, sentence):
    answer = await book(world, amount)
    assert not answer.ok
    assert sentence in answer.text
    assert shown(world).ledger_error == 500


async def test_asked_twice_it_is_booked_once(world, told):
    assert (await book(world, "-500")).ok
    again = await book(world, "-500")
    assert (again.ok, again.text) == (
        False,
        "The ledger ties out with the exchange: nothing is missing.",
    )


async def test_on_a_full_disk_nothing_is_booked_and_the_reason_said(
    world, told, fail_on_unexpected_log
):
    world.desk._database.execute("PRAGMA query_only = ON")
    answer = await book(world, "-500")
    assert not answer.ok
    assert answer.text.startswith("The transfer could not be booked: ")
    assert shown(world).ledger_error == 500
    world.desk._database.execute("PRAGMA query_only = OFF")
    fail_on_unexpected_log.clear()


async def test_books_never_compared_take_no_transfer(world):
    world.build()
    answer = await book(world, "-500")
    assert answer.text.startswith("demo is not connected yet")
