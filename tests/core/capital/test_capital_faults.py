"""A disk that fails for a while: what is refused meanwhile, and how it ends by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from core.capital.shared_capital_manager import SharedCapitalManager
from core.clock import ManualClock
from core.models.fills import Fill
from core.models.orders import OrderPurpose, OrderRequest
from core.storage.database import open_database

D = Decimal
MakeOrder = Callable[..., OrderRequest]
MakeFill = Callable[..., Fill]


@pytest.fixture
def disk(tmp_path: Path, capital: SharedCapitalManager) -> Iterator[sqlite3.Connection]:
    """Another connection to the ledger, to break and to mend the file by."""
    connection = open_database(tmp_path / "capital.sqlite")
    yield connection
    connection.close()


def fill_up(disk: sqlite3.Connection) -> None:
    for table in ("capital_lines", "capital_state"):
        disk.execute(
            f"CREATE TRIGGER full_{table} BEFORE INSERT ON {table}"
            " BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )


def make_room(disk: sqlite3.Connection) -> None:
    for table in ("capital_lines", "capital_state"):
        disk.execute(f"DROP TRIGGER full_{table}")


def test_entries_are_refused_until_a_write_succeeds(
    capital: SharedCapitalManager,
    disk: sqlite3.Connection,
    entry: MakeOrder,
    fail_on_unexpected_log: list[object],
) -> None:
    fill_up(disk)
    for number in range(3):
        denial = capital.reserve(entry(f"order-{number}"))
        assert denial is not None
        assert denial.code == "ledger_unsound"
    assert not capital.probe()
    assert capital.snapshot().reserved == 0
    make_room(disk)
    assert capital.reserve(entry("order-9")) is None  # asking is a probe
    assert capital.is_sound
    assert len(fail_on_unexpected_log) == 1
    fail_on_unexpected_log.clear()


def test_a_trade_that_could_not_be_booked_refuses_entries_until_it_is(
    capital: SharedCapitalManager,
    disk: sqlite3.Connection,
    entry: MakeOrder,
    fill: MakeFill,
    fail_on_unexpected_log: list[object],
) -> None:
    trade, another = fill(fee="1"), fill(fee="2")
    fill_up(disk)
    for unbooked in (trade, another, trade):
        with pytest.raises(sqlite3.Error):
            capital.on_fill(unbooked, OrderPurpose.ENTRY)
    make_room(disk)
    assert not capital.probe()
    assert capital.fault == "2 executed trades could not be booked yet"
    denial = capital.reserve(entry())
    assert denial is not None
    assert denial.text == "no new entries: 2 executed trades could not be booked yet"
    assert capital.on_fill(trade, OrderPurpose.ENTRY)
    assert capital.on_fill(another, OrderPurpose.ENTRY)
    assert capital.is_sound
    assert capital.reserve(entry()) is None
    assert capital.snapshot().total == 9_997
    fail_on_unexpected_log.clear()


def test_a_second_without_a_fault_heals_by_the_marks_alone(
    capital: SharedCapitalManager,
    disk: sqlite3.Connection,
    clock: ManualClock,
    fail_on_unexpected_log: list[object],
) -> None:
    fill_up(disk)
    clock.advance_ms(1_000)
    capital.on_mark_price("BTCUSDT", D(1))
    assert not capital.is_sound
    make_room(disk)
    clock.advance_ms(999)
    capital.on_mark_price("BTCUSDT", D(1))
    assert not capital.is_sound
    clock.advance_ms(1)
    capital.on_mark_price("BTCUSDT", D(1))
    assert capital.is_sound
    fail_on_unexpected_log.clear()


def test_a_failed_write_leaves_peak_day_and_equity_as_they_were(
    capital: SharedCapitalManager,
    disk: sqlite3.Connection,
    fill: MakeFill,
    fail_on_unexpected_log: list[object],
) -> None:
    capital.on_fill(fill(), OrderPurpose.ENTRY)
    before, figures = capital.snapshot(), capital.figures()
    fill_up(disk)
    with pytest.raises(sqlite3.Error):
        capital.book_transfer(D(5_000), "deposit")
    with pytest.raises(sqlite3.Error):
        capital.on_fill(fill("", fee="-700"), OrderPurpose.ENTRY)
    assert capital.snapshot() == before
    assert capital.figures() == figures
    fail_on_unexpected_log.clear()


def test_a_file_that_cannot_be_read_leaves_the_figures_of_memory(
    tmp_path: Path,
    clock: ManualClock,
    fill: MakeFill,
    entry: MakeOrder,
    fail_on_unexpected_log: list[object],
) -> None:
    database = open_database(tmp_path / "capital.sqlite")
    capital = SharedCapitalManager("bybit", D(10_000), database=database, clock=clock)
    capital.on_fill(fill(), OrderPurpose.ENTRY)
    database.close()
    capital.on_mark_price("BTCUSDT", D(50))
    assert capital.figures().daily_loss_ratio == D("0.05")
    assert capital.reserve(entry()) is not None
    clock.advance_ms(86_400_000)
    assert capital.figures().daily_pnl == 0  # the day rolls all the same
    fail_on_unexpected_log.clear()


def test_a_commitment_that_would_not_add_up_is_not_written_and_harms_nobody(
    capital: SharedCapitalManager, disk: sqlite3.Connection, entry: MakeOrder
) -> None:
    """The proof after the decision is asked too, not only the room before it."""
    denial = capital.reserve(entry(quantity="-1", price="-100"))  # of a positive notional
    assert denial is not None
    assert denial.code == "ledger_unsound"
    assert denial.text.startswith("the books would not add up with it: reservation order-1 is")
    assert disk.execute("SELECT count(*) FROM capital_reservations").fetchone() == (0,)
    assert capital.snapshot().reserved == 0
    assert capital.is_sound
    assert capital.reserve(entry()) is None
