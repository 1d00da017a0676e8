"""One series as a Parquet file: exact prices, small, readable by any Parquet reader.

Columns: `timestamp` (int64, ms UTC, bar open) and open, high, low, close, volume as decimals,
which are scaled integers underneath. Their steps from bar to bar are small, so delta packing
shrinks them to a third of what zstd makes of floats, and zstd on top gains nothing. Each column
has the scale its values need; it widens when the tick gets finer.

A file is read in blocks (each row group, and the footer) and each block's checksum is compared
before pyarrow sees the block: a damaged file can crash the parser, or give wrong prices.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from decimal import Decimal
from io import FileIO
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from zlib_ng.zlib_ng import crc32  # nine times as fast as the standard library's

from core.market_data.columns import Columns, FloatArray, IntArray
from core.models.candles import Candle

VALUE_NAMES = ("open", "high", "low", "close", "volume")
_INT32_DIGITS = 9  # a decimal of so few is stored in 32 bits, and is slower to decode
_INT64_DIGITS = 18
_MAX_DIGITS = 38
_FLOAT_DIGITS = 15  # integers of so many digits are exact floats
_EXACT_IN_FLOAT = 1 << 53
# The newest rows, which are read most often, lie in a group of their own; the older ones in few,
# since each group costs a whole read ten microseconds.
_NEWEST_GROUP_ROWS = 1024
_OLDER_GROUP_ROWS = 1 << 15

_CHECK = struct.Struct("<QI")  # end of the block in the file, CRC-32 of its bytes


class Damaged(Exception):
    """The file is not the one that its checks describe, or no candle file at all."""


class _Part(NamedTuple):
    """Which rows are wanted; see `read`."""

    start_ms: int | None
    end_ms: int | None
    last: int | None


def table_from_candles(candles: Sequence[Candle]) -> pa.Table:
    """Candles with strictly increasing open times."""
    arrays = [pa.array([c.open_time_ms for c in candles], pa.int64())]
    for name in VALUE_NAMES:
        values = [getattr(c, name) for c in candles]
        scale = max(_decimals(value) for value in values)
        arrays.append(pa.array(values, pa.decimal128(_MAX_DIGITS, scale)))
    return pa.table(arrays, names=["timestamp", *VALUE_NAMES])


def updated_table(old: pa.Table, new: pa.Table) -> pa.Table:
    """Union by timestamp, sorted; where both have a bar, `new` wins."""
    scales = [
        max(old.schema.field(name).type.scale, new.schema.field(name).type.scale)
        for name in VALUE_NAMES
    ]
    wide = _schema([pa.decimal128(_MAX_DIGITS, scale) for scale in scales])
    old, new = old.cast(wide), new.cast(wide)
    old_times, new_times = timestamps(old), timestamps(new)
    if len(old_times) and len(new_times) and old_times[-1] >= new_times[0]:
        old = old.filter(pa.array(~np.isin(old_times, new_times)))
        union = pa.concat_tables([old, new])
        return union.take(pa.array(np.argsort(timestamps(union), kind="stable")))
    return pa.concat_tables([old, new])


def encode(table: pa.Table) -> bytes:
    """The file's content; at least one row."""
    encodings = {"timestamp": "DELTA_BINARY_PACKED"}
    compression = {"timestamp": "NONE"}
    types = []
    for name in VALUE_NAMES:
        column = table[name]
        extremes = pc.min_max(column).as_py()
        scale = column.type.scale
        digits = max(value.adjusted() + 1 for value in extremes.values()) + scale
        is_int64 = digits <= _INT64_DIGITS
        # The true number of digits: it tells a reader whether they fit into a float.
        precision = max(digits, scale, _INT32_DIGITS + 1) if is_int64 else _MAX_DIGITS
        types.append(pa.decimal128(precision, scale))
        encodings[name] = "DELTA_BINARY_PACKED" if is_int64 else "PLAIN"
        compression[name] = "NONE" if is_int64 else "ZSTD"
    table = table.cast(_schema(types))
    older_rows = max(0, len(table) - _NEWEST_GROUP_ROWS)
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        table.schema,
        use_dictionary=False,
        column_encoding=encodings,
        compression=compression,
        store_decimal_as_integer=True,
        write_statistics=["timestamp"],
    ) as writer:
        if older_rows:
            writer.write_table(table.slice(0, older_rows), row_group_size=_OLDER_GROUP_ROWS)
        writer.write_table(table.slice(older_rows), row_group_size=_NEWEST_GROUP_ROWS)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def checks_of(content: bytes) -> bytes:
    """End and checksum of every block of what `encode` made."""
    metadata = pq.read_metadata(pa.BufferReader(content))
    checks = b""
    start = 0
    for group in range(metadata.num_row_groups + 1):
        is_footer = group == metadata.num_row_groups
        end = len(content) if is_footer else _end_of(metadata.row_group(group))
        checks += _CHECK.pack(end, crc32(content[start:end]))
        start = end
    return checks


def read(
    file: FileIO,
    checks: bytes | None,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
    last: int | None = None,
) -> pa.Table:
    """Rows with timestamps in `start_ms`..`end_ms` (inclusive), of these the newest `last`; only
    the blocks that hold them are read. Raises Damaged when one of these is not what `checks`
    say (None: nothing is known), or when the content is no candle file; OSError."""
    part = _Part(start_ms, end_ms, last)
    if checks is None:
        file.seek(0)
        return _decoded(np.frombuffer(file.read(), dtype=np.uint8), part)
    blocks = list(_CHECK.iter_unpack(checks))
    content = np.empty(blocks[-1][0], dtype=np.uint8)  # what is never filled costs no memory
    view = content.data

    def fill(wanted: range) -> None:
        start = blocks[wanted[0] - 1][0] if wanted[0] > 0 else 0
        target = view[start : blocks[wanted[-1]][0]]
        file.seek(start)
        if file.readinto(target) != len(target):
            raise Damaged("cut off")
        for block in wanted:
            end, checksum = blocks[block]
            if crc32(view[start:end]) != checksum:
                raise Damaged(f"block {block} has changed")
            start = end

    groups = len(blocks) - 1
    fill(range(groups, groups + 1))  # the footer
    return _decoded(content, part, fill)


def _decoded(
    content: npt.NDArray[np.uint8], part: _Part, fill: Callable[[range], None] | None = None
) -> pa.Table:
    try:
        # Nothing to be fetched ahead: the content is in memory.
        file = pq.ParquetFile(pa.BufferReader(content), pre_buffer=False)
        if fill is None:  # not known to be `encode`'s work
            _check_schema(file.schema_arrow)
        wanted = _wanted_groups(file.metadata, part)
        if fill is not None and wanted:
            fill(wanted)
        table = file.read_row_groups(wanted, use_threads=False)  # half a millisecond for all
    except (pa.ArrowException, OSError) as fault:
        raise Damaged(str(fault)) from fault
    if fill is None and not (np.diff(timestamps(table)) > 0).all():
        raise Damaged("timestamps do not increase")
    start, stop = 0, len(table)
    if part.start_ms is not None:
        start = int(np.searchsorted(timestamps(table), part.start_ms))
    if part.end_ms is not None:
        stop = int(np.searchsorted(timestamps(table), part.end_ms, side="right"))
    if part.last is not None:
        start = max(start, stop - part.last)
    return table.slice(start, max(0, stop - start))


def _schema(value_types: list[pa.DataType]) -> pa.Schema:
    """Nothing is ever null: saying so makes a file a quarter faster to read."""
    fields = [("timestamp", pa.int64()), *zip(VALUE_NAMES, value_types, strict=True)]
    return pa.schema([pa.field(name, of_type, nullable=False) for name, of_type in fields])


def _check_schema(schema: pa.Schema) -> None:
    if (
        schema.names != ["timestamp", *VALUE_NAMES]
        or schema.field("timestamp").type != pa.int64()
        or not all(pa.types.is_decimal128(schema.field(name).type) for name in VALUE_NAMES)
    ):
        raise Damaged(f"not a candle file: {schema.names}")


def _end_of(row_group: Any) -> int:
    ends: list[int] = []
    for position in range(row_group.num_columns):
        column = row_group.column(position)
        start = column.data_page_offset
        if column.dictionary_page_offset is not None:
            start = min(start, column.dictionary_page_offset)
        ends.append(start + column.total_compressed_size)
    return max(ends)


def timestamps(table: pa.Table) -> IntArray:
    """The caller's own."""
    chunks = [_words(chunk, 8) for chunk in table["timestamp"].chunks]
    return np.concatenate(chunks) if chunks else np.empty(0, dtype=np.int64)


def candles_from_table(table: pa.Table) -> list[Candle]:
    columns = [table[name].to_pylist() for name in VALUE_NAMES]
    return [
        Candle(time_ms, *values)
        for time_ms, *values in zip(timestamps(table).tolist(), *columns, strict=True)
    ]


def last_candle(table: pa.Table) -> Candle | None:
    """None when there are no rows."""
    if not len(table):
        return None
    time_ms, *values = (column[-1].as_py() for column in table.columns)
    return Candle(time_ms, *values)


def columns_from_table(table: pa.Table) -> Columns:
    # One piece of memory for all: freed and asked for again, it is not given back in between.
    values = np.empty((len(VALUE_NAMES), len(table)))
    for name, floats in zip(VALUE_NAMES, values, strict=True):
        _to_floats(table[name], floats)
    return Columns(timestamps(table), *values)


def _wanted_groups(metadata: Any, part: _Part) -> range:
    start_ms, end_ms, last = part
    first = stop = metadata.num_row_groups
    certain_rows = 0  # rows of the wanted groups that `end_ms` cannot cut off
    for group in reversed(range(metadata.num_row_groups)):
        statistics = metadata.row_group(group).column(0).statistics
        if statistics is None:  # another program's file: it has to be read to know
            return range(metadata.num_row_groups)
        if end_ms is not None and statistics.min > end_ms:
            first = stop = group
            continue
        if start_ms is not None and statistics.max < start_ms:
            break
        if last is not None and certain_rows >= last:
            break
        first = group
        if end_ms is None or statistics.max <= end_ms:
            certain_rows += metadata.row_group(group).num_rows
    return range(first, stop)


def _to_floats(column: Any, floats: FloatArray) -> None:
    """The float nearest to each decimal, as `float(Decimal)` gives it."""
    precision, scale = column.type.precision, column.type.scale
    if precision > _INT64_DIGITS:
        floats[:] = [float(value) for value in column.to_pylist()]
        return
    # The low half of the 128-bit integer is the whole value. Integers below 2**53 and powers of
    # ten up to 10**22 are exact floats, so their quotient is rounded once, as it should be.
    start = 0
    for chunk in column.chunks:
        stop = start + len(chunk)
        np.divide(_words(chunk, 16)[::2], 10.0**scale, out=floats[start:stop])
        start = stop
    if precision > _FLOAT_DIGITS:
        exact_below = _EXACT_IN_FLOAT / 2 / 10.0**scale
        for row in np.flatnonzero(np.abs(floats) > exact_below):
            floats[row] = float(column[int(row)].as_py())


def _words(chunk: Any, width_bytes: int) -> IntArray:
    """The memory of an array as int64. (pyarrow's own `to_numpy` would import pandas.)"""
    words = width_bytes // 8
    return np.frombuffer(
        chunk.buffers()[1],
        dtype="<i8",
        count=len(chunk) * words,
        offset=chunk.offset * width_bytes,
    )


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
