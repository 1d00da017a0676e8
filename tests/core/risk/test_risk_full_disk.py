"""The kill switch on a full disk: what could not be written must not be forgotten."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from core.risk.risk_state import RiskState, RiskStateStore
from core.storage.database import open_database
from core.storage.reserved_file import ReservedFile, reserved_beside

KILLED = RiskState(halted_since_ms=5, code="kill_switch", reason="The trader pressed it.")


class Disk:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_full = False
        self.database = open_database(folder / "account.sqlite")

    def store(self, size_bytes: int = 4096) -> RiskStateStore:
        """As a new process finds it."""
        reserve = ReservedFile(self.folder / "account.halt", size_bytes)
        return RiskStateStore(self.database, reserve)

    def fill(self) -> None:
        """Nothing can be written any more."""
        self.database.execute("PRAGMA query_only = ON")

    def free(self) -> None:
        self.database.execute("PRAGMA query_only = OFF")


@pytest.fixture
def disk(tmp_path):
    made = Disk(tmp_path)
    yield made
    made.database.close()


def test_a_kill_on_a_full_disk_outlives_the_process(disk):
    store = disk.store()
    disk.fill()
    with pytest.raises(sqlite3.OperationalError):
        store.save(KILLED)
    disk.free()
    assert disk.store().load() == KILLED


def test_the_newest_state_counts_also_when_the_page_is_used_up(disk):
    store = disk.store(size_bytes=400)
    disk.fill()
    for number in range(9):
        with pytest.raises(sqlite3.OperationalError):
            store.save(RiskState(halted_since_ms=number, reason="again"))
    disk.free()
    assert disk.store().load().halted_since_ms == 8


def test_a_state_that_was_written_ends_the_reserved_one(disk):
    store = disk.store()
    disk.fill()
    with pytest.raises(sqlite3.OperationalError):
        store.save(KILLED)
    disk.free()
    store.save(RiskState())
    assert disk.store().load() == RiskState()


def test_a_database_in_memory_has_no_reserved_page(disk):
    assert reserved_beside(sqlite3.connect(":memory:"), ".halt") is None
    assert reserved_beside(disk.database, ".halt") is not None
    store = RiskStateStore(disk.database)
    disk.fill()
    with pytest.raises(sqlite3.OperationalError):
        store.save(KILLED)
