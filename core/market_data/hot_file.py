"""The hot half of the candle store: one SQLite file for every series of a cache directory.

Rows are ordered by time first: one closed bar of a hundred symbols then lands on one or two
pages, which is what its synced transaction costs. Ordered by series it would touch a hundred.
Every row carries a checksum; one that the disk has damaged is left out, and is then a gap.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from core.market_data.integrity import Range
from core.storage.database import open_database, transaction
from core.storage.disk import Disk

log = logging.getLogger(__name__)

# A checkpoint copies the log into the database file and syncs it: milliseconds. Merges do it;
# an append does only if nothing was merged for very long (pages of 4 KiB: 64 MiB).
_CHECKPOINT_PAGES = 16_384
_LOG_BYTES_KEPT = 4 << 20  # after a download of millions of candles the log shrinks again
_ROWS_PER_DELETE = 2_000  # so that an append waits for milliseconds only
MAX_MS = (1 << 63) - 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS hot_candle (
    open_time_ms INTEGER NOT NULL,
    series TEXT NOT NULL,
    open TEXT NOT NULL,
    high TEXT NOT NULL,
    low TEXT NOT NULL,
    close TEXT NOT NULL,
    volume TEXT NOT NULL,
    crc32 INTEGER NOT NULL,
    PRIMARY KEY (open_time_ms, series)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cold_note (
    series TEXT NOT NULL,
    checks BLOB NOT NULL,
    rows INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    PRIMARY KEY (series, checks)
);
CREATE TABLE IF NOT EXISTS empty_bars (
    series TEXT NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    checked_ms INTEGER NOT NULL,
    PRIMARY KEY (series, first_ms)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lost_history (
    series TEXT PRIMARY KEY,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL
);
"""

HotRow = tuple[int, str, str, str, str, str]  # open time, then the decimals' own digits
# Rows outside of a range; oldest and newest of all rows (ms UTC), None when there are none.
HotExtent = tuple[int, int | None, int | None]


class StoreFault(OSError):
    """The disk or the file refused; what was stored before is unharmed. One sentence."""


class ColdNote(NamedTuple):
    """What a cold file must be to be believed; see `cold_file.checks_of`."""

    checks: bytes
    rows: int
    first_ms: int
    last_ms: int


class EmptyBars(NamedTuple):
    """Bars that the exchange did not have when it was last asked, at market time `checked_ms`."""

    first_ms: int
    last_ms: int
    checked_ms: int


class HotFile:
    """Thread safe, and several processes may share it. Every method raises StoreFault."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self._disk = disk
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()
        with store_faults("open"):
            self._writer = _open_or_put_aside(path)
            # A second connection: in WAL mode a reader neither waits for a writer nor stops it.
            self._reader = open_database(path)
            self._reader.execute("PRAGMA query_only=ON")

    # --- candles -----------------------------------------------------------------------------

    def put(self, rows: Iterable[tuple[str, HotRow]]) -> None:
        """Insert or replace, in one transaction; durable on return."""
        records = [(row[0], stem, *row[1:], _crc32(stem, row)) for stem, row in rows]
        if not records:
            return
        with self._writing() as writer:
            writer.executemany(
                "INSERT OR REPLACE INTO hot_candle VALUES (?,?,?,?,?,?,?,?)", records
            )
            self._disk.reach("append: rows written")
        self._disk.reach("append: committed")

    def candles(
        self,
        stem: str,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        last: int | None = None,
    ) -> list[HotRow]:
        """Oldest first: open times in `start_ms`..`end_ms`, of these the newest `last`."""
        found = self._query(
            "SELECT open_time_ms, open, high, low, close, volume, crc32 FROM hot_candle"
            " WHERE open_time_ms BETWEEN ? AND ? AND series = ? ORDER BY open_time_ms DESC LIMIT ?",
            (
                -MAX_MS if start_ms is None else start_ms,
                MAX_MS if end_ms is None else end_ms,
                stem,
                -1 if last is None else last,
            ),
        )
        return [row[:-1] for row in reversed(found) if _is_sound(stem, row)]

    def newest(self, stems: Sequence[str], last: int) -> dict[str, list[HotRow]]:
        """`candles` of many series, of each the newest `last`, in one look at the file: it is
        ordered by time, so a look for each would go through the rows of all each time."""
        rows: dict[str, list[HotRow]] = {stem: [] for stem in stems}
        sql = (
            "SELECT series, open_time_ms, open, high, low, close, volume, crc32 FROM hot_candle"
            f" WHERE series IN ({_places(stems)}) ORDER BY open_time_ms DESC"
        )
        short = set(stems)
        with (
            store_faults("read"),
            self._read_lock,
            closing(self._reader.execute(sql, stems)) as found,  # else it would hold on to the log
        ):
            for stem, *row in found:
                if stem in short and _is_sound(stem, row):
                    rows[stem].append(tuple(row[:-1]))
                    if len(rows[stem]) == last:
                        short.remove(stem)
                        if not short:
                            break
        return {stem: found[::-1] for stem, found in rows.items()}

    def drop(self, stem: str, rows: Sequence[HotRow]) -> None:
        """Remove these rows; one that was replaced since it was read stays."""
        for start in range(0, len(rows), _ROWS_PER_DELETE):
            with self._writing() as writer:
                writer.executemany(
                    "DELETE FROM hot_candle WHERE open_time_ms = ? AND series = ?"
                    " AND open = ? AND high = ? AND low = ? AND close = ? AND volume = ?",
                    [(row[0], stem, *row[1:]) for row in rows[start : start + _ROWS_PER_DELETE]],
                )
                self._disk.reach("merge: hot rows deleted")

    def stems(self) -> list[str]:
        """Series that have hot rows."""
        return [stem for (stem,) in self._query("SELECT DISTINCT series FROM hot_candle", ())]

    def counts(self) -> dict[str, int]:
        """Hot rows by series."""
        return dict(self._query("SELECT series, count(*) FROM hot_candle GROUP BY series", ()))

    def extent(self, stem: str, first_ms: int, last_ms: int) -> HotExtent:
        """As seen from `first_ms`..`last_ms`."""
        sql = (
            "SELECT count(*) FILTER (WHERE open_time_ms < ? OR open_time_ms > ?),"
            " min(open_time_ms), max(open_time_ms) FROM hot_candle WHERE series = ?"
        )
        extent: HotExtent = self._query(sql, (first_ms, last_ms, stem))[0]
        return extent

    # --- what is known about the cold file ---------------------------------------------------

    def notes(self, stem: str) -> list[ColdNote]:
        """More than one only while a merge is at work, or after one was cut off."""
        sql = "SELECT checks, rows, first_ms, last_ms FROM cold_note WHERE series = ?"
        return [ColdNote(*row) for row in self._query(sql, (stem,))]

    def notes_of(self, stems: Sequence[str]) -> dict[str, list[ColdNote]]:
        """`notes` of many series."""
        notes: dict[str, list[ColdNote]] = {stem: [] for stem in stems}
        sql = (
            "SELECT series, checks, rows, first_ms, last_ms FROM cold_note"
            f" WHERE series IN ({_places(stems)})"
        )
        for stem, *note in self._query(sql, stems):
            notes[stem].append(ColdNote(*note))
        return notes

    def add_note(self, stem: str, note: ColdNote) -> None:
        with self._writing() as writer:
            writer.execute("INSERT OR REPLACE INTO cold_note VALUES (?,?,?,?,?)", (stem, *note))

    def keep_note(self, stem: str, checks: bytes | None) -> None:
        """Forget the others (None: all)."""
        with self._writing() as writer:
            writer.execute(
                "DELETE FROM cold_note WHERE series = ? AND checks IS NOT ?", (stem, checks)
            )

    # --- bars that are not there -------------------------------------------------------------

    def mark_empty(
        self, stem: str, ranges: Iterable[Range], *, step_ms: int, checked_ms: int
    ) -> None:
        """`step_ms` is the length of a bar."""
        records = [(stem, first_ms, last_ms, checked_ms) for first_ms, last_ms in ranges]
        with self._writing() as writer:
            for record in records:
                _cut_out(writer, *record[:3], step_ms)
            writer.executemany("INSERT OR REPLACE INTO empty_bars VALUES (?,?,?,?)", records)

    def unmark_empty(self, stem: str, ranges: Iterable[Range], *, step_ms: int) -> None:
        """These bars exist after all."""
        with self._writing() as writer:
            for first_ms, last_ms in ranges:
                _cut_out(writer, stem, first_ms, last_ms, step_ms)

    def empty_bars(self, stem: str, first_ms: int, last_ms: int) -> list[EmptyBars]:
        """Those that reach into `first_ms`..`last_ms`, oldest first."""
        # They never overlap: only the last one that begins before the range may reach into it.
        sql = (
            "SELECT first_ms, last_ms, checked_ms FROM empty_bars WHERE series = :stem"
            " AND first_ms BETWEEN coalesce((SELECT max(first_ms) FROM empty_bars"
            " WHERE series = :stem AND first_ms <= :first), :first) AND :last"
            " AND last_ms >= :first ORDER BY first_ms"
        )
        bounds = {"stem": stem, "first": first_ms, "last": last_ms}
        return [EmptyBars(*row) for row in self._query(sql, bounds)]

    def set_lost(self, stem: str, lost: Range | None) -> None:
        """History that was in a damaged file and is to be fetched again."""
        with self._writing() as writer:
            writer.execute("DELETE FROM lost_history WHERE series = ?", (stem,))
            if lost is not None:
                writer.execute("INSERT INTO lost_history VALUES (?, ?, ?)", (stem, *lost))

    def lost(self, stem: str) -> Range | None:
        found = self._query("SELECT first_ms, last_ms FROM lost_history WHERE series = ?", (stem,))
        return found[0] if found else None

    # --- the file ----------------------------------------------------------------------------

    def checkpoint(self) -> None:
        """Copy the log into the database file; waits for nobody and stops nobody."""
        self._query("PRAGMA wal_checkpoint(PASSIVE)", ())

    def close(self) -> None:
        """Close the file; nothing is lost without it."""
        with store_faults("close"), self._write_lock, self._read_lock:
            self._reader.close()
            self._writer.close()

    def _query(self, sql: str, parameters: Sequence[object] | Mapping[str, object]) -> list[Any]:
        with store_faults("read"), self._read_lock:
            return self._reader.execute(sql, parameters).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with store_faults("write"), self._write_lock, transaction(self._writer):
            yield self._writer


@contextmanager
def store_faults(action: str) -> Iterator[None]:
    """What the disk or SQLite raise inside becomes a StoreFault that says what was tried."""
    try:
        yield
    except (sqlite3.Error, OSError) as fault:
        if isinstance(fault, StoreFault):
            raise
        reason = str(fault).rstrip(".")
        raise StoreFault(f"The candle store cannot {action}: {reason}.") from fault


def _crc32(stem: str, row: HotRow) -> int:
    return zlib.crc32(f"{stem} {row}".encode())


def _is_sound(stem: str, record: Sequence[Any]) -> bool:
    """Whether the row is what its checksum, which comes last, was made of."""
    is_sound: bool = _crc32(stem, tuple(record[:-1])) == record[-1]
    if not is_sound:
        log.error("%s: the stored bar %s is damaged and is left out.", stem, record[0])
    return is_sound


def _places(values: Sequence[str]) -> str:
    return ",".join("?" * len(values))


def _cut_out(
    writer: sqlite3.Connection, stem: str, first_ms: int, last_ms: int, step_ms: int
) -> None:
    """Remove `first_ms`..`last_ms` from the empty bars, leaving what lies outside of it."""
    touched = writer.execute(
        "SELECT first_ms, last_ms, checked_ms FROM empty_bars"
        " WHERE series = ? AND first_ms <= ? AND last_ms >= ?",
        (stem, last_ms, first_ms),
    ).fetchall()
    for start_ms, end_ms, checked_ms in touched:
        writer.execute("DELETE FROM empty_bars WHERE series = ? AND first_ms = ?", (stem, start_ms))
        rest = [(start_ms, first_ms - step_ms), (last_ms + step_ms, end_ms)]
        writer.executemany(
            "INSERT INTO empty_bars VALUES (?,?,?,?)",
            [(stem, a, b, checked_ms) for a, b in rest if a <= b],
        )


def _open_or_put_aside(path: Path) -> sqlite3.Connection:
    """A hot file that is no sound database any more is kept for inspection and begun anew: the
    exchange still has its candles, and a workstation that does not start has none."""
    try:
        return _open(path)
    except sqlite3.OperationalError:
        raise  # locked, full, no permission: nothing is wrong with the content
    except sqlite3.DatabaseError as fault:
        number = len(list(path.parent.glob(f"{path.name}.damaged-*")))
        for suffix in ("", "-wal", "-shm"):
            file = path.with_name(path.name + suffix)
            if file.exists():
                file.replace(path.with_name(f"{path.name}.damaged-{number}{suffix}"))
        log.error("%s is damaged (%s) and was put aside; candles are fetched again.", path, fault)
        return _open(path)


def _open(path: Path) -> sqlite3.Connection:
    connection = open_database(path)
    try:
        connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit={_LOG_BYTES_KEPT}")
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        connection.executescript(_SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection
