from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from core.storage.database import open_database, synced_later, transaction

ROOT = Path(__file__).resolve().parents[3]


def test_every_commit_is_synced_and_readers_do_not_wait(tmp_path: Path) -> None:
    with closing(open_database(tmp_path / "made" / "x.sqlite")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    with closing(open_database(tmp_path / "x.sqlite")) as connection:
        connection.execute("CREATE TABLE t (amount TEXT)")
        with transaction(connection):
            connection.execute("INSERT INTO t VALUES ('1.10')")

        def fail_half_way() -> None:
            with transaction(connection):
                connection.execute("INSERT INTO t VALUES ('2')")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fail_half_way()
        assert connection.execute("SELECT amount FROM t").fetchall() == [("1.10",)]
        with transaction(connection):
            connection.execute("INSERT INTO t VALUES ('3')")
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (2,)


def test_failed_commit_keeps_nothing_and_the_connection_works_on(tmp_path: Path) -> None:
    with closing(open_database(tmp_path / "x.sqlite")) as connection:
        connection.execute("CREATE TABLE owner (id INTEGER PRIMARY KEY)")
        connection.execute(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, owner INTEGER"
            " REFERENCES owner DEFERRABLE INITIALLY DEFERRED)"
        )

        def fail_at_commit() -> None:
            with transaction(connection):
                connection.execute("INSERT INTO t VALUES (1, 7)")

        def fail_with_a_rollback_of_sqlites_own() -> None:
            with transaction(connection):
                connection.execute("INSERT INTO owner VALUES (1)")
                connection.execute("INSERT OR ROLLBACK INTO owner VALUES (1)")

        for fail in (fail_at_commit, fail_with_a_rollback_of_sqlites_own):
            with pytest.raises(sqlite3.IntegrityError, match="constraint failed"):
                fail()
        with transaction(connection):
            connection.execute("INSERT INTO owner VALUES (2)")
        assert connection.execute("SELECT id FROM owner").fetchall() == [(2,)]
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_reader_sees_the_last_commit_while_another_writes(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    with closing(open_database(path)) as writer, closing(open_database(path)) as reader:
        writer.execute("CREATE TABLE t (n INTEGER)")
        with transaction(writer):
            writer.execute("INSERT INTO t VALUES (1)")
            assert reader.execute("SELECT count(*) FROM t").fetchone() == (0,)
        assert reader.execute("SELECT count(*) FROM t").fetchone() == (1,)


def test_file_that_is_no_database_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    path.write_bytes(b"no database" * 1_000)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        open_database(path)


def test_many_processes_may_open_a_new_database_at_once(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from core.storage.database import open_database, transaction\n"
        "sys.stdin.readline()\n"
        "c = open_database(Path(sys.argv[1]))\n"
        "c.execute('CREATE TABLE IF NOT EXISTS t (n INTEGER)')\n"
        "for n in range(20):\n"
        "    with transaction(c):\n"
        "        c.execute('INSERT INTO t VALUES (?)', (n,))\n"
    )
    path = tmp_path / "x.sqlite"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(path)], cwd=ROOT, stdin=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        with child:
            pass
    assert [child.returncode for child in children] == [0] * 4
    with closing(open_database(path)) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (80,)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
def test_killed_writer_loses_no_acknowledged_row(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    script = (
        "import sys; from pathlib import Path\n"
        "from core.storage.database import open_database, transaction\n"
        "c = open_database(Path(sys.argv[1]))\n"
        "c.execute('CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY)')\n"
        "n = c.execute('SELECT count(*) FROM t').fetchone()[0]\n"
        "while True:\n"
        "    with transaction(c):\n"
        "        c.execute('INSERT INTO t VALUES (?)', (n,))\n"
        "    print(n, flush=True)\n"
        "    n += 1\n"
    )
    for rows_before_kill in (1, 50, 200):
        with subprocess.Popen(
            [sys.executable, "-c", script, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            for _ in range(rows_before_kill):
                acknowledged = int(child.stdout.readline())
            child.kill()
            rest = child.stdout.read().split("\n")[:-1]
            acknowledged = int(rest[-1]) if rest else acknowledged
        assert child.returncode == -signal.SIGKILL
        with closing(open_database(path)) as connection:
            rows = [n for (n,) in connection.execute("SELECT n FROM t ORDER BY n")]
        assert rows in (list(range(acknowledged + 1)), list(range(acknowledged + 2)))


def test_what_is_synced_later_survives_a_kill_and_ends_with_the_block(tmp_path: Path) -> None:
    with closing(open_database(tmp_path / "x.sqlite")) as connection:
        connection.execute("CREATE TABLE t (n INTEGER)")

        def fail() -> None:
            with synced_later(connection):
                connection.execute("INSERT INTO t VALUES (1)")
                assert connection.execute("PRAGMA synchronous").fetchone() == (1,)
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        with closing(open_database(tmp_path / "x.sqlite")) as reader:
            assert reader.execute("SELECT n FROM t").fetchall() == [(1,)]
