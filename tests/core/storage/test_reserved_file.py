"""Room taken beforehand: written without new blocks, torn records end the list."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.storage.database import open_database
from core.storage.reserved_file import ReservedFile, reserved_beside


def test_records_come_back_in_order_in_the_next_run(tmp_path):
    file = ReservedFile(tmp_path / "exits")
    file.append(b"one")
    file.append(b"two")
    assert ReservedFile(tmp_path / "exits").records() == [b"one", b"two"]


def test_the_file_never_grows(tmp_path):
    file = ReservedFile(tmp_path / "exits", size_bytes=64)
    file.append(b"x" * 56)  # with its head, to the last byte
    assert (tmp_path / "exits").stat().st_size == 64
    assert file.records() == [b"x" * 56]
    with pytest.raises(OSError, match="64 bytes reserved"):
        file.append(b"y")
    assert file.records() == [b"x" * 56]


def test_cleared_room_is_used_again_and_hides_what_was_there(tmp_path):
    file = ReservedFile(tmp_path / "exits", size_bytes=256)
    file.append(b"a long one, longer than the next")
    file.append(b"another")
    file.clear()
    file.clear()
    assert file.records() == []
    file.append(b"short")
    assert ReservedFile(tmp_path / "exits").records() == [b"short"]


@given(cut=st.integers(0, 40), bit=st.integers(0, 7))
def test_a_record_that_is_torn_or_damaged_ends_the_list(tmp_path_factory, cut, bit):
    path = tmp_path_factory.mktemp("torn") / "exits"
    file = ReservedFile(path, size_bytes=128)
    file.append(b"whole")
    file.append(b"x" * 33)
    content = bytearray(path.read_bytes())
    content[13 + cut] ^= 1 << bit  # any bit of the second entry
    path.write_bytes(bytes(content))
    again = ReservedFile(path)
    assert again.records()[0] == b"whole"
    assert b"x" * 33 not in again.records()[1:]
    again.append(b"next")
    assert b"next" in ReservedFile(path).records()


def test_it_lies_beside_its_database(tmp_path):
    database = open_database(tmp_path / "account_demo.sqlite")
    reserved = reserved_beside(database)
    assert reserved is not None
    assert (tmp_path / "account_demo.exits").stat().st_size == 65_536
    database.close()
    memory = sqlite3.connect(":memory:")
    assert reserved_beside(memory) is None
    memory.close()
