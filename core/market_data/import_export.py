"""Candles into the store from files, and out of it: the whole import or nothing of it.

Every file is read and every row judged before the store is touched; then all new candles go in
by one transaction. What the exchange itself has sent is not overwritten unless that is asked for.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from core.market_data import cold_file
from core.market_data.candle_file import FileCandles, FileFault, Refusal, read_candles
from core.market_data.candle_store import CandleStore
from core.models.candles import Candle, SeriesKey
from core.storage.durable import write_atomic


class ImportReport(NamedTuple):
    """Rows of all files: `new` were not stored before, `known` were, exactly so; `differing`
    were stored with other values and were kept as stored, or `replaced`."""

    files: list[FileCandles]
    new: int
    known: int
    differing: int
    replaced: int

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def refused(self) -> int:
        return sum(len(file.refusals) for file in self.files)


def import_candles(
    store: CandleStore,
    key: SeriesKey,
    paths: Sequence[Path],
    *,
    mapping: Mapping[str, str],
    now_ms: int,
    replace: bool = False,
    only_look: bool = False,
) -> ImportReport:
    """`replace`: a file's candle wins over a stored one. `only_look`: judge, store nothing.
    Raises FileFault, StoreFault; then nothing was stored."""
    files: list[FileCandles] = []
    candles: dict[int, Candle] = {}
    for path in paths:
        file = read_candles(path, key, mapping=mapping, now_ms=now_ms)
        conflicting = [c for c in file.candles if candles.get(c.open_time_ms, c) != c]
        refusals = [
            Refusal(f"bar {c.open_time_ms}", "an earlier file has other values for that time")
            for c in conflicting
        ]
        files.append(file._replace(refusals=[*file.refusals, *refusals]))
        for candle in file.candles:
            candles.setdefault(candle.open_time_ms, candle)
    ordered = [candles[time_ms] for time_ms in sorted(candles)]
    stored: dict[int, Candle] = {}
    if ordered:
        first_ms, last_ms = ordered[0].open_time_ms, ordered[-1].open_time_ms
        stored = {c.open_time_ms: c for c in store.read(key, start_ms=first_ms, end_ms=last_ms)}
    new = [c for c in ordered if c.open_time_ms not in stored]
    other = [c for c in ordered if stored.get(c.open_time_ms, c) != c]
    if not only_look:
        store.append((key, candle) for candle in (*new, *(other if replace else ())))
    return ImportReport(
        files,
        new=len(new),
        known=len(ordered) - len(new) - len(other),
        differing=0 if replace else len(other),
        replaced=len(other) if replace else 0,
    )


def export_candles(
    store: CandleStore,
    key: SeriesKey,
    path: Path,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
) -> int:
    """Write the exact candles that open in `start_ms`..`end_ms` as CSV, Parquet or Feather (by
    the file's ending): `timestamp` in ms UTC, prices as decimals. Returns the number of rows; 0
    writes no file. Raises FileFault, StoreFault, OSError."""
    encode = _ENCODERS.get(path.suffix.lower())
    if encode is None:
        raise FileFault(f"{path}: name a .csv, .parquet or .feather file")
    candles = store.read(key, start_ms=start_ms, end_ms=end_ms)
    if candles:
        write_atomic(path, encode(candles))
    return len(candles)


def _csv(candles: list[Candle]) -> bytes:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("timestamp", *cold_file.VALUE_NAMES))
    for candle in candles:
        values = (format(getattr(candle, name), "f") for name in cold_file.VALUE_NAMES)
        rows.writerow((candle.open_time_ms, *values))
    return text.getvalue().encode()


def _parquet(candles: list[Candle]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(cold_file.table_from_candles(candles), sink, compression="zstd")
    return _content(sink)


def _feather(candles: list[Candle]) -> bytes:
    table = cold_file.table_from_candles(candles)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return _content(sink)


def _content(sink: Any) -> bytes:
    content: bytes = sink.getvalue().to_pybytes()
    return content


_ENCODERS: dict[str, Callable[[list[Candle]], bytes]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".feather": _feather,
}
