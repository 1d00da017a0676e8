"""SQLite opened the one way we trust: WAL, every commit synced (or with the next), one writer.

Money is stored as TEXT (the decimal's own digits), so it comes back exactly.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.storage.durable import make_folder


def open_database(path: Path) -> sqlite3.Connection:
    """Open or create the database; autocommit outside `transaction`. Raises OSError,
    sqlite3.DatabaseError when the file is not a database."""
    make_folder(path.parent)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing, durable when the block has been left without an exception.

    After one, also of the commit itself (disk full), nothing of the block is kept and the
    connection is ready for the next transaction.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # after some faults SQLite has rolled back by itself
            connection.execute("ROLLBACK")
        raise


@contextmanager
def synced_later(connection: sqlite3.Connection) -> Iterator[None]:
    """For steps that mean nothing without a later one: their commits survive a kill, but a power
    cut may take them back until the next commit outside of the block, which makes all of them
    durable. Never is a later one kept without those before it. Not inside a `transaction`."""
    connection.execute("PRAGMA synchronous=NORMAL")
    try:
        yield
    finally:
        connection.execute("PRAGMA synchronous=FULL")
