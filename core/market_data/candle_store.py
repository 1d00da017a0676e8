"""The candle store: durable at once in a hot SQLite file, kept for good in cold Parquet files.

A candle is written to the hot file in a synced transaction (0.5 ms, whatever the length of the
history). From time to time a merge moves hot rows to the series' Parquet file. A reader sees
both as one series, the hot row winning.

A merge may be cut off at any point, by a kill or by the power. For each series it (1) reads the
hot rows and the file, (2) notes the checksums the new file will have, (3) replaces the file
atomically, (4) deletes the hot rows it has moved, then the old note. Up to (4) the hot rows are
still there and the next merge repeats the work; a row replaced meanwhile is not the one that
was read, and stays. A file is believed only if it is what a note says: one damaged by the disk
is put aside, never parsed and never overwritten, and its range is remembered as lost, to be
fetched again.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import lru_cache
from io import FileIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from core.market_data import cold_file
from core.market_data.columns import EMPTY, Columns
from core.market_data.hot_file import (
    MAX_MS,
    ColdNote,
    EmptyBars,
    HotExtent,
    HotFile,
    HotRow,
    store_faults,
)
from core.market_data.hot_file import StoreFault as StoreFault  # noqa: PLC0414 (the store's own error)
from core.market_data.integrity import Range
from core.models.candles import Candle, SeriesKey
from core.storage.disk import DISK, Disk
from core.storage.durable import write_atomic
from core.storage.instance_lock import AlreadyRunning, InstanceLock

log = logging.getLogger(__name__)

_NO_FILE = ColdNote(b"", 0, MAX_MS, -MAX_MS)  # no time lies in its range


class SeriesInfo(NamedTuple):
    """What the store holds of one series; times are bar opens in ms UTC.

    `rows` counts a bar that was filled into merged history only after the next merge.
    """

    rows: int
    first_ms: int | None
    last_ms: int | None
    file_bytes: int


class StoredSeries(NamedTuple):
    """The newest stored candles of a series: as floats; the last one exactly; the bars known to
    be empty from the first one on; and the figures of the whole series."""

    columns: Columns
    newest: Candle | None
    empty: list[EmptyBars]
    info: SeriesInfo


class CandleStore:
    """Every candle series of one cache directory. Thread safe; several processes may share it."""

    def __init__(self, cache_dir: Path, *, disk: Disk = DISK) -> None:
        """Raises StoreFault."""
        self._folder = cache_dir
        self._disk = disk
        self._merge_lock = threading.RLock()
        self._is_exclusive = False  # guarded by the lock above
        self._directory_lock = InstanceLock(cache_dir / "merge.lock")
        self._hot = HotFile(cache_dir / "hot.sqlite", disk)
        self._append_fault: str | None = None
        self._merge_fault: str | None = None

    @property
    def fault(self) -> str | None:
        """Why the last append or merge failed, in one sentence; None once it works again."""
        return self._append_fault or self._merge_fault

    # --- candles -----------------------------------------------------------------------------

    def append(self, rows: Iterable[tuple[SeriesKey, Candle]]) -> None:
        """Insert or replace, in one transaction; durable on return. Raises StoreFault."""
        try:
            self._hot.put((_stem(key), _hot_row(candle)) for key, candle in rows)
        except StoreFault as fault:
            self._append_fault = str(fault)
            raise
        self._append_fault = None

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
        hot, cold = self._read_parts(_stem(key), start_ms, end_ms, last)
        newer = [_candle(row) for row in hot]
        if cold is None:
            return newer
        candles = {c.open_time_ms: c for c in cold_file.candles_from_table(cold)}
        candles.update((c.open_time_ms, c) for c in newer)
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
        return _united(*self._read_parts(_stem(key), start_ms, end_ms, last), last)

    def read_newest(self, keys: Sequence[SeriesKey], rows: int) -> list[StoredSeries | StoreFault]:
        """The newest `rows` candles of many series, in the order of `keys`; of one that cannot be
        read, why. Raises StoreFault when none can."""
        stems = [_stem(key) for key in keys]
        hot = self._hot.newest(stems, rows)
        notes = self._hot.notes_of(stems)
        found: list[StoredSeries | StoreFault] = []
        for stem in stems:
            try:
                found.append(self._newest(stem, rows, hot[stem], notes[stem]))
            except StoreFault as fault:
                found.append(fault)
        return found

    def _newest(
        self, stem: str, rows: int, hot: list[HotRow], notes: list[ColdNote]
    ) -> StoredSeries:
        cold = self._cold_table(stem, None, None, rows, notes)
        newest = None if cold is None else cold_file.last_candle(cold)
        if hot and (newest is None or hot[-1][0] >= newest.open_time_ms):
            newest = _candle(hot[-1])
        columns = _united(hot, cold, rows)
        empty = self._hot.empty_bars(stem, int(columns.open_time_ms[0]), MAX_MS) if newest else []
        note, file_bytes = self._cold_figures(stem, notes)
        extent: HotExtent = (0, None, None)
        if len(hot) == rows:  # there may be more
            extent = self._hot.extent(stem, note.first_ms, note.last_ms)
        elif hot:
            outside = sum(not note.first_ms <= row[0] <= note.last_ms for row in hot)
            extent = (outside, hot[0][0], hot[-1][0])
        return StoredSeries(columns, newest, empty, _info(note, file_bytes, extent))

    def path_of(self, key: SeriesKey) -> Path:
        """Where the cold file of the series is, or would be."""
        return self._path(_stem(key))

    def info(self, key: SeriesKey) -> SeriesInfo:
        """Rows, range and file size, without reading candles. Raises StoreFault."""
        stem = _stem(key)
        note, file_bytes = self._cold_figures(stem, self._hot.notes(stem))
        extent = self._hot.extent(stem, note.first_ms, note.last_ms)
        return _info(note, file_bytes, extent)

    def _cold_figures(self, stem: str, notes: list[ColdNote]) -> tuple[ColdNote, int]:
        """Rows and range of the cold file, and its size in bytes."""
        with store_faults("read"):
            try:
                file_bytes = self._path(stem).stat().st_size
            except FileNotFoundError:
                return _NO_FILE, 0
        if notes:
            return notes[0], file_bytes
        table = self._cold_table(stem, None, None, None)  # copied in by hand: only it can tell
        if table is None or not len(table):
            return _NO_FILE, file_bytes
        times = cold_file.timestamps(table)
        return ColdNote(b"", len(times), int(times[0]), int(times[-1])), file_bytes

    # --- bars that are not there -------------------------------------------------------------

    def mark_empty(
        self, key: SeriesKey, ranges: Iterable[Range], *, checked_ms: int = MAX_MS
    ) -> None:
        """Remember that the exchange, asked at market time `checked_ms`, has no bars there.
        Raises StoreFault."""
        step_ms = key.timeframe.duration_ms
        self._hot.mark_empty(_stem(key), ranges, step_ms=step_ms, checked_ms=checked_ms)

    def unmark_empty(self, key: SeriesKey, ranges: Iterable[Range]) -> None:
        """These bars exist after all. Raises StoreFault."""
        self._hot.unmark_empty(_stem(key), ranges, step_ms=key.timeframe.duration_ms)

    def empty_bars(
        self, key: SeriesKey, first_ms: int = -MAX_MS, last_ms: int = MAX_MS
    ) -> list[EmptyBars]:
        """What `mark_empty` was told of that range, oldest first. Raises StoreFault."""
        return self._hot.empty_bars(_stem(key), first_ms, last_ms)

    def empty_ranges(self, key: SeriesKey) -> list[Range]:
        """All of them, as ranges. Raises StoreFault."""
        return [(first_ms, last_ms) for first_ms, last_ms, _ in self.empty_bars(key)]

    def lost_history(self, key: SeriesKey) -> Range | None:
        """What a damaged file held and nobody has fetched again yet. Raises StoreFault."""
        return self._hot.lost(_stem(key))

    def set_lost_history(self, key: SeriesKey, lost: Range | None) -> None:
        """What is still to be fetched; None when all is there again. Raises StoreFault."""
        self._hot.set_lost(_stem(key), lost)

    # --- merging -----------------------------------------------------------------------------

    def merge(self, *, min_rows: int = 1) -> int:
        """Move the hot rows of every series that has at least `min_rows` to its cold file;
        returns the number of series moved, 0 when another process is at it. A file is written
        anew as a whole, so a merge for each candle would wear the disk. Slow (disk): call it in
        a thread. Raises StoreFault; whatever could not be moved stays in the hot file."""
        with self._exclusive() as is_ours:
            if not is_ours:
                return 0
            try:
                moved = self._merge_all(min_rows)
            except StoreFault as fault:
                self._merge_fault = str(fault)
                raise
            self._merge_fault = None
            return moved

    def close(self) -> None:
        """Close the files; nothing is lost without it. Raises StoreFault."""
        with self._merge_lock:
            self._hot.close()

    def _merge_all(self, min_rows: int) -> int:
        for leftover in self._folder.glob(".*.parquet.*.tmp"):  # of a merge that was cut off
            with store_faults("write"):
                self._disk.remove(leftover)
        stems = [stem for stem, rows in self._hot.counts().items() if rows >= min_rows]
        for stem in stems:
            self._merge_series(stem)
        self._hot.checkpoint()
        return len(stems)

    def _merge_series(self, stem: str) -> None:
        hot = self._hot.candles(stem)
        if not hot:
            return  # all of them damaged: they stay where they are, and out of every answer
        self._disk.reach("merge: hot rows read")
        table = cold_file.table_from_candles([_candle(row) for row in hot])
        old = self._cold_table(stem, None, None, None)
        if old is not None:
            table = cold_file.updated_table(old, table)
        new_content = cold_file.encode(table)
        times = cold_file.timestamps(table)
        checks = cold_file.checks_of(new_content)
        self._hot.add_note(stem, ColdNote(checks, len(times), int(times[0]), int(times[-1])))
        self._disk.reach("merge: noted")
        with store_faults("write"):
            write_atomic(self._path(stem), new_content, disk=self._disk)
        self._disk.reach("merge: file replaced")
        self._hot.drop(stem, hot)
        self._disk.reach("merge: hot rows gone")
        self._hot.keep_note(stem, checks)
        self._disk.reach("merge: done")

    def _read_parts(
        self, stem: str, start_ms: int | None, end_ms: int | None, last: int | None
    ) -> tuple[list[HotRow], pa.Table | None]:
        # Hot before cold: a row that a merge moves in between is then seen twice, not missed.
        hot = self._hot.candles(stem, start_ms=start_ms, end_ms=end_ms, last=last)
        return hot, self._cold_table(stem, start_ms, end_ms, last)

    def _cold_table(
        self,
        stem: str,
        start_ms: int | None,
        end_ms: int | None,
        last: int | None,
        notes: list[ColdNote] | None = None,
    ) -> pa.Table | None:
        """The cold file's rows if it is what a note says; None if there is no file. `notes` are
        what the caller has just read; if the file is none of them, they are read again.

        A merge may replace file and note between our looks at them: so only a file that is
        wrong twice, itself and its notes unchanged, is damaged.
        """
        wrong: object = None
        while True:
            with store_faults("read"):
                try:
                    file = FileIO(self._path(stem))
                except FileNotFoundError:
                    return None
                with file:
                    status = os.fstat(file.fileno())
                    notes = notes or self._hot.notes(stem)
                    # Without a note it was copied in by hand.
                    known: list[bytes | None] = [note.checks for note in notes]
                    for checks in known or [None]:
                        try:
                            return cold_file.read(
                                file, checks, start_ms=start_ms, end_ms=end_ms, last=last
                            )
                        except cold_file.Damaged:
                            continue
            seen = (status.st_ino, status.st_mtime_ns, status.st_size, notes)
            if seen == wrong:
                self._put_aside(stem, seen)
                return None
            wrong, notes = seen, None

    def _put_aside(self, stem: str, seen: object) -> None:
        path = self._path(stem)
        with self._exclusive() as is_ours, store_faults("write"):
            if not is_ours or not path.exists():
                return  # another process is about to replace it, or has
            status, notes = path.stat(), self._hot.notes(stem)
            if (status.st_ino, status.st_mtime_ns, status.st_size, notes) != seen:
                return
            number = len(list(self._folder.glob(f"{path.name}.damaged-*")))
            aside = path.with_name(f"{path.name}.damaged-{number}")
            if notes:
                first_ms = min(note.first_ms for note in notes)
                self._hot.set_lost(stem, (first_ms, max(note.last_ms for note in notes)))
            self._disk.rename(path, aside)
            self._disk.sync_folder(self._folder)
            self._hot.keep_note(stem, None)
        log.error("%s is damaged and was put aside as %s.", path, aside.name)

    def _path(self, stem: str) -> Path:
        return self._folder / f"{stem}.parquet"

    @contextmanager
    def _exclusive(self) -> Iterator[bool]:
        """True while no other thread or process replaces cold files; False when one does."""
        with self._merge_lock:
            if self._is_exclusive:
                yield True
                return
            try:
                with store_faults("lock"):
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


@lru_cache(maxsize=4096)
def _stem(key: SeriesKey) -> str:
    return key.file_stem


def _info(note: ColdNote, file_bytes: int, extent: HotExtent) -> SeriesInfo:
    outside, hot_first_ms, hot_last_ms = extent
    times = [note.first_ms, note.last_ms] if note.rows else []
    times += [t for t in (hot_first_ms, hot_last_ms) if t is not None]
    return SeriesInfo(
        note.rows + outside, min(times, default=None), max(times, default=None), file_bytes
    )


def _hot_row(candle: Candle) -> HotRow:
    return (
        candle.open_time_ms,
        str(candle.open),
        str(candle.high),
        str(candle.low),
        str(candle.close),
        str(candle.volume),
    )


def _candle(row: HotRow) -> Candle:
    return Candle(row[0], *map(Decimal, row[1:]))


def _united(hot: list[HotRow], cold: pa.Table | None, last: int | None) -> Columns:
    columns = (
        EMPTY
        if not hot
        else Columns(
            np.array([row[0] for row in hot], dtype=np.int64),
            *(np.array([float(row[place]) for row in hot]) for place in range(1, 6)),
        )
    )
    if cold is not None:
        columns = cold_file.columns_from_table(cold).updated_by(columns)
    return columns if last is None else columns.select(slice(max(0, columns.rows - last), None))
