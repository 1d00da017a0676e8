"""The candle store: durable at once in a hot SQLite file, kept for good in cold Parquet files.

A candle is written to the hot file in a synced transaction (0.5 ms, whatever the length of the
history). From time to time a merge moves hot rows to the series' Parquet file. A reader sees
both as one series, the hot row winning.

A merge may be killed at any point. For each series it (1) reads the hot rows and the file,
(2) notes the checksum the new file will have, (3) replaces the file atomically, (4) deletes the
hot rows it has moved and the old checksum, in one transaction. Up to (4) the hot rows are still
there and the next merge repeats the work; rows written meanwhile have higher ids and stay. A
file is opened only if its checksum was noted: one damaged by the disk is put aside, never
parsed and never overwritten.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from core.market_data import cold_file
from core.market_data.columns import Columns, columns_from_candles
from core.market_data.integrity import Range
from core.models.candles import Candle, SeriesKey
from core.storage.database import open_database, transaction
from core.storage.durable import sync_folder, write_atomic
from core.storage.instance_lock import AlreadyRunning, InstanceLock

log = logging.getLogger(__name__)

# A checkpoint copies the log into the database file and syncs it: milliseconds. Merges do it;
# an append does only if nothing was merged for very long (pages of 4 KiB: 64 MiB).
_CHECKPOINT_PAGES = 16_384

# `id` never comes back (AUTOINCREMENT) and a replaced row gets a new one: so a merge can tell the
# rows it has read from those written since.
_MAX_INTEGER = (1 << 63) - 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS candle (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    series TEXT NOT NULL,
    open_time_ms INTEGER NOT NULL,
    open TEXT NOT NULL,
    high TEXT NOT NULL,
    low TEXT NOT NULL,
    close TEXT NOT NULL,
    volume TEXT NOT NULL,
    UNIQUE (series, open_time_ms)
);
CREATE TABLE IF NOT EXISTS cold_file (
    series TEXT NOT NULL,
    crc32 INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    PRIMARY KEY (series, crc32)
);
CREATE TABLE IF NOT EXISTS empty_range (
    series TEXT NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    PRIMARY KEY (series, first_ms)
);
"""


class StoreFault(OSError):
    """The disk or the file refused; what was stored before is unharmed. One sentence."""


class SeriesInfo(NamedTuple):
    """What the store holds of one series; times are bar opens in ms UTC.

    `rows` counts a bar that was filled into merged history only after the next merge.
    """

    rows: int
    first_ms: int | None
    last_ms: int | None
    file_bytes: int


class CandleStore:
    """Every candle series of one cache directory. Thread safe; several processes may share it."""

    def __init__(self, cache_dir: Path) -> None:
        """Raises StoreFault."""
        self._folder = cache_dir
        self._merge_lock = threading.RLock()
        self._is_exclusive = False  # guarded by the lock above
        self._directory_lock = InstanceLock(cache_dir / "merge.lock")
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()
        with _store_faults("open"):
            path = cache_dir / "hot.sqlite"
            self._writer = _open_or_put_aside(path)
            # A second connection: in WAL mode a reader neither waits for a writer nor stops it.
            self._reader = open_database(path)
            self._reader.execute("PRAGMA query_only=ON")

    def append(self, rows: Iterable[tuple[SeriesKey, Candle]]) -> None:
        """Insert or replace, in one transaction; durable on return. Raises StoreFault."""
        records = [
            (key.file_stem, c.open_time_ms, *(str(getattr(c, n)) for n in cold_file.VALUE_NAMES))
            for key, c in rows
        ]
        if not records:
            return
        with _store_faults("write"), self._write_lock, transaction(self._writer):
            self._writer.executemany(
                "INSERT OR REPLACE INTO candle"
                " (series, open_time_ms, open, high, low, close, volume)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                records,
            )

    def read(
        self,
        key: SeriesKey,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        last: int | None = None,
    ) -> list[Candle]:
        """Exact candles, oldest first: open times in `start_ms`..`end_ms` (inclusive), of these
        the newest `last`. Never blocks a writer. Raises StoreFault."""
        hot, cold = self._read_parts(key, start_ms, end_ms, last)
        if cold is None:
            return hot
        candles = {c.open_time_ms: c for c in cold_file.candles_from_table(cold)}
        candles.update((c.open_time_ms, c) for c in hot)
        ordered = [candles[time_ms] for time_ms in sorted(candles)]
        return ordered if last is None else ordered[len(ordered) - min(last, len(ordered)) :]

    def read_columns(
        self,
        key: SeriesKey,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        last: int | None = None,
    ) -> Columns:
        """As `read`, as floats and much faster."""
        hot, cold = self._read_parts(key, start_ms, end_ms, last)
        columns = columns_from_candles(hot)
        if cold is not None:
            columns = cold_file.columns_from_table(cold).updated_by(columns)
        return columns if last is None else columns.select(slice(max(0, columns.rows - last), None))

    def mark_empty(self, key: SeriesKey, ranges: Iterable[Range]) -> None:
        """Remember that the exchange has no bar there, so that it is not asked again.
        Raises StoreFault."""
        records = [(key.file_stem, first_ms, last_ms) for first_ms, last_ms in ranges]
        with _store_faults("write"), self._write_lock, transaction(self._writer):
            self._writer.executemany("INSERT OR REPLACE INTO empty_range VALUES (?, ?, ?)", records)

    def empty_ranges(self, key: SeriesKey) -> list[Range]:
        """What `mark_empty` was told, oldest first. Raises StoreFault."""
        sql = "SELECT first_ms, last_ms FROM empty_range WHERE series = ? ORDER BY first_ms"
        return self._query(sql, (key.file_stem,))

    def info(self, key: SeriesKey) -> SeriesInfo:
        """Rows, range and file size, without reading candles. Raises StoreFault."""
        stem = key.file_stem
        with _store_faults("read"):
            path = self._path(stem)
            file_bytes = path.stat().st_size if path.exists() else 0
        cold = self._query(
            "SELECT rows, first_ms, last_ms FROM cold_file WHERE series = ? LIMIT 1", (stem,)
        )
        rows, first_ms, last_ms = cold[0] if cold and file_bytes else (0, None, None)
        newer = "SELECT count(*) FROM candle WHERE series = ? AND open_time_ms > ?"
        rows += self._query(newer, (stem, -1 if last_ms is None else last_ms))[0][0]
        range_of = "SELECT min(open_time_ms), max(open_time_ms) FROM candle WHERE series = ?"
        ends = [t for t in (*self._query(range_of, (stem,))[0], first_ms, last_ms) if t is not None]
        return SeriesInfo(rows, min(ends, default=None), max(ends, default=None), file_bytes)

    def merge(self) -> int:
        """Move every hot row to its cold file; returns the number of series moved, 0 when
        another process is at it. Slow (disk): call it in a thread.
        Raises StoreFault; whatever could not be moved stays in the hot file."""
        with self._exclusive() as is_ours:
            if not is_ours:
                return 0
            for leftover in self._folder.glob(".*.parquet.*.tmp"):  # of a merge that was killed
                leftover.unlink(missing_ok=True)
            stems = [stem for (stem,) in self._query("SELECT DISTINCT series FROM candle", ())]
            for stem in stems:
                self._merge_series(stem)
            with _store_faults("write"), self._read_lock:
                self._reader.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            return len(stems)

    def close(self) -> None:
        """Close the files; nothing is lost without it. Raises StoreFault."""
        with _store_faults("close"), self._merge_lock, self._write_lock, self._read_lock:
            self._reader.close()
            self._writer.close()

    def _merge_series(self, stem: str) -> None:
        newest_id = self._query("SELECT max(id) FROM candle WHERE series = ?", (stem,))[0][0]
        table = cold_file.table_from_candles(self._hot_candles(stem, None, None, None, newest_id))
        old = self._cold_table(stem, None, None, None)
        if old is not None:
            table = cold_file.updated_table(old, table)
        with _store_faults("write"):
            new_content = cold_file.encode(table)
            times = cold_file.timestamps(table)
            note = (stem, zlib.crc32(new_content), len(times), int(times[0]), int(times[-1]))
            with self._write_lock, transaction(self._writer):
                self._writer.execute("INSERT OR REPLACE INTO cold_file VALUES (?,?,?,?,?)", note)
            write_atomic(self._path(stem), new_content)
            with self._write_lock, transaction(self._writer):
                self._writer.execute(
                    "DELETE FROM candle WHERE series = ? AND id <= ?", (stem, newest_id)
                )
                self._writer.execute(
                    "DELETE FROM cold_file WHERE series = ? AND crc32 != ?", note[:2]
                )

    def _read_parts(
        self, key: SeriesKey, start_ms: int | None, end_ms: int | None, last: int | None
    ) -> tuple[list[Candle], pa.Table | None]:
        # Hot before cold: a row that a merge moves in between is then seen twice, not missed.
        stem = key.file_stem
        hot = self._hot_candles(stem, start_ms, end_ms, last)
        return hot, self._cold_table(stem, start_ms, end_ms, last)

    def _hot_candles(
        self,
        stem: str,
        start_ms: int | None,
        end_ms: int | None,
        last: int | None,
        newest_id: int | None = None,
    ) -> list[Candle]:
        rows = self._query(
            "SELECT open_time_ms, open, high, low, close, volume FROM candle"
            " WHERE series = ? AND open_time_ms BETWEEN ? AND ? AND id <= ?"
            " ORDER BY open_time_ms DESC LIMIT ?",
            (
                stem,
                -_MAX_INTEGER if start_ms is None else start_ms,
                _MAX_INTEGER if end_ms is None else end_ms,
                _MAX_INTEGER if newest_id is None else newest_id,
                -1 if last is None else last,
            ),
        )
        return [Candle(row[0], *map(Decimal, row[1:])) for row in reversed(rows)]

    def _cold_table(
        self, stem: str, start_ms: int | None, end_ms: int | None, last: int | None
    ) -> pa.Table | None:
        """The cold file's rows if its checksum is one we noted; None if there is no file.

        A merge may replace file and note between our two looks at them: so only the same wrong
        bytes twice in a row are damage.
        """
        wrong_crc32: int | None = None
        while (content := self._content(stem)) is not None:
            crc32 = zlib.crc32(content)
            noted = self._query("SELECT crc32 FROM cold_file WHERE series = ?", (stem,))
            if not noted or (crc32,) in noted:  # without a note it was copied in by hand
                try:
                    return cold_file.decode(content, start_ms=start_ms, end_ms=end_ms, last=last)
                except (OSError, pa.ArrowException):
                    wrong_crc32 = crc32
            if crc32 == wrong_crc32:
                self._put_aside(stem, crc32)
                return None
            wrong_crc32 = crc32
        return None

    def _put_aside(self, stem: str, crc32: int) -> None:
        with self._exclusive() as is_ours, _store_faults("write"):
            content = self._content(stem)
            if not is_ours or content is None or zlib.crc32(content) != crc32:
                return  # another process is about to replace it, or has
            aside = self._path(stem).with_suffix(f".parquet.damaged-{crc32:08x}")
            self._path(stem).replace(aside)
            sync_folder(self._folder)
            with self._write_lock, transaction(self._writer):
                self._writer.execute("DELETE FROM cold_file WHERE series = ?", (stem,))
        log.error("%s is damaged and was put aside as %s.", self._path(stem), aside.name)

    def _content(self, stem: str) -> bytes | None:
        with _store_faults("read"):
            try:
                return self._path(stem).read_bytes()
            except FileNotFoundError:
                return None

    def _path(self, stem: str) -> Path:
        return self._folder / f"{stem}.parquet"

    def _query(self, sql: str, parameters: tuple[object, ...]) -> list[Any]:
        with _store_faults("read"), self._read_lock:
            return self._reader.execute(sql, parameters).fetchall()

    @contextmanager
    def _exclusive(self) -> Iterator[bool]:
        """True while no other thread or process replaces cold files; False when one does."""
        with self._merge_lock:
            if self._is_exclusive:
                yield True
                return
            try:
                with _store_faults("lock"):
                    self._directory_lock.acquire()
            except AlreadyRunning:
                yield False
                return
            self._is_exclusive = True
            try:
                yield True
            finally:
                self._is_exclusive = False
                self._directory_lock.release()


def _open_or_put_aside(path: Path) -> sqlite3.Connection:
    """A hot file that is no database any more is kept for inspection and begun anew: the
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
    connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
    connection.executescript(_SCHEMA)
    return connection


@contextmanager
def _store_faults(action: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as fault:
        if isinstance(fault, StoreFault):
            raise
        raise StoreFault(f"The candle store cannot {action}: {fault}.") from fault
