"""Other people's candle files (CSV, Parquet, Feather), read exactly or refused row by row.

What a column means and what unit a time has is guessed where nobody says so, and every guess is
stated in a sentence. Numbers are taken digit by digit; a binary float is taken as the shortest
decimal that names it, which is what its writer saw.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.market_data.integrity import BadCandle, check_candle
from core.models.candles import Candle, SeriesKey

FIELDS = ("time", "open", "high", "low", "close", "volume")
# The best name first. Of two columns with one name nothing is guessed.
_ALIASES = {
    "time": (
        *("candledatetimeutc", "opentime", "opentimems", "timestamp", "timestampms", "time"),
        *("unix", "unixtimestamp", "datetime", "date", "starttime", "start", "ts", "t"),
        *("index", "indexlevel0"),
    ),
    "open": ("open", "openprice", "openingprice", "o"),
    "high": ("high", "highprice", "h"),
    "low": ("low", "lowprice", "l"),
    "close": ("close", "closeprice", "closingprice", "tradeprice", "c"),
    "volume": ("volume", "basevolume", "volumebase", "candleacctradevolume", "vol", "v"),
}
_FIELD_OF_WORD = {"timestamp": "time", "ts": "time", "date": "time"} | {f: f for f in FIELDS}
_UNITS_PER_MS = {
    "seconds": Decimal(1000),
    "milliseconds": Decimal(1),
    "microseconds": Decimal("0.001"),
    "nanoseconds": Decimal("0.000001"),
}
_ARROW_UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_EARLIEST_MS = 1_230_768_000_000  # 2009: no crypto market is older; what lies before is no time
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_OFFSET = re.compile(r"[+-]\d\d:?\d\d$")
_NO_ZONE = "Times without a zone are taken as UTC."
_SAMPLE_ROWS = 1000
_FEWEST_COLUMNS = 5  # a line with fewer is a title, not a header


class FileFault(ValueError):
    """The file cannot be read as candles; one sentence with the remedy."""


class Refusal(NamedTuple):
    """One row that was not taken. `place` is "line 12" of a text, "row 12" of a table."""

    place: str
    reason: str


class FileCandles(NamedTuple):
    """What one file holds. `statements` say how it was understood."""

    path: Path
    rows: int
    candles: list[Candle]
    refusals: list[Refusal]
    statements: list[str]


class _Table(NamedTuple):
    """Columns as Python values (or text), `first_place` the number of the first row."""

    names: list[str]
    columns: Sequence[Sequence[Any]]
    has_header: bool
    place_word: str
    first_place: int


def parse_mapping(words: str) -> dict[str, str]:
    """`ts=Date,open=Open Price` as field -> column name or number (from 1). Raises FileFault."""
    mapping: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in words.split(","))):
        word, equals, column = (piece.strip() for piece in part.partition("="))
        field = _FIELD_OF_WORD.get(word.lower())
        if field is None or not equals or not column:
            raise FileFault(f"{part!r} is no column mapping; write for example ts=Date,open=Open")
        if field in mapping:
            raise FileFault(f"the mapping names {word} twice")
        mapping[field] = column
    return mapping


def read_candles(
    path: Path, key: SeriesKey, *, mapping: Mapping[str, str], now_ms: int
) -> FileCandles:
    """All rows of the file, judged. `now_ms` (ms UTC): bars that have not closed by then are
    refused. Raises FileFault."""
    table = _read(path)
    chosen, statements = _columns_of(path, table, mapping, key.symbol.lower())
    times, words = _times_ms(path, table.columns[chosen["time"]])
    statements += words
    values = [_decimals(table.columns[chosen[field]]) for field in FIELDS[1:]]
    candles: dict[int, Candle] = {}
    refusals: list[Refusal] = []
    for number, (time_ms, row) in enumerate(
        zip(times, zip(*values, strict=True), strict=True), start=table.first_place
    ):
        candle = _judged(key, time_ms, row, now_ms)
        if isinstance(candle, Candle):
            known = candles.setdefault(candle.open_time_ms, candle)
            if known == candle:
                continue
            candle = "another row of the same time has other values"
        refusals.append(Refusal(f"{table.place_word} {number}", candle))
    ordered = [candles[time_ms] for time_ms in sorted(candles)]
    return FileCandles(path, len(times), ordered, refusals, statements)


def _judged(
    key: SeriesKey, time_ms: int | str, row: tuple[Decimal | str, ...], now_ms: int
) -> Candle | str:
    """The candle, or why not."""
    if isinstance(time_ms, str):
        return time_ms
    numbers = []
    for field, value in zip(FIELDS[1:], row, strict=True):
        if isinstance(value, str):
            return f"{field} {value}"
        numbers.append(value)
    candle = Candle(time_ms, *numbers)
    if time_ms < _EARLIEST_MS:
        return f"{time_ms} ms is before 2009"
    if key.timeframe.next_open_ms(time_ms) > now_ms:
        return "the bar has not closed yet"
    try:
        check_candle(key, candle)
    except BadCandle as fault:
        return str(fault).partition(": ")[2].rstrip(".")
    return candle


# --- files -----------------------------------------------------------------------------------


def _read(path: Path) -> _Table:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = suffixes[-1] if suffixes else ""
    try:
        if kind in (".parquet", ".pq"):
            return _from_arrow(path, pq.read_table(path))
        if kind in (".feather", ".arrow", ".ipc"):
            with pa.OSFile(str(path)) as file:
                return _from_arrow(path, pa.ipc.open_file(file).read_all())
        if kind in (".csv", ".txt", ".tsv"):
            return _from_text(path, path.read_bytes())
        if suffixes[-2:] == [".csv", ".gz"]:
            return _from_text(path, gzip.decompress(path.read_bytes()))
    except (OSError, EOFError, pa.ArrowException) as fault:
        reason = getattr(fault, "strerror", None) or str(fault).split("\n")[0]
        raise FileFault(f"{path}: cannot be read ({reason})") from None
    raise FileFault(f"{path}: not a .csv, .csv.gz, .parquet or .feather file")


def _from_arrow(path: Path, table: Any) -> _Table:
    if table.num_rows == 0:
        raise FileFault(f"{path}: holds no rows")
    names = [str(name) for name in table.column_names]
    return _Table(names, [table.column(i) for i in range(len(names))], True, "row", 1)


def _from_text(path: Path, content: bytes) -> _Table:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileFault(f"{path}: not UTF-8 text; save it as UTF-8 first") from None
    lines = text.splitlines()
    head = next((line for line in lines if _delimiter(line)), None)
    if head is None:
        raise FileFault(f"{path}: no line with at least {_FEWEST_COLUMNS} columns")
    start = lines.index(head)
    try:
        rows = list(csv.reader(lines[start:], delimiter=_delimiter(head)))
    except csv.Error as fault:
        raise FileFault(f"{path}: cannot be read as CSV ({fault})") from None
    has_header = not any(_NUMBER.fullmatch(cell.strip()) for cell in rows[0])
    names = [name.strip() for name in rows[0]] if has_header else []
    body = rows[1:] if has_header else rows
    if not any(body):
        raise FileFault(f"{path}: holds no rows")
    width = len(rows[0])
    padded = [[*row, *[""] * (width - len(row))] for row in body]  # a line cut short, or empty
    columns = [[row[i] for row in padded] for i in range(width)]
    return _Table(names, columns, has_header, "line", start + 1 + has_header)


def _delimiter(line: str) -> str:
    """The likeliest one, "" when there are too few columns for candles."""
    found = max(",;\t|", key=line.count)
    return found if line.count(found) >= _FEWEST_COLUMNS - 1 else ""


# --- columns ---------------------------------------------------------------------------------


def _columns_of(
    path: Path, table: _Table, mapping: Mapping[str, str], symbol: str
) -> tuple[dict[str, int], list[str]]:
    """Column number by field, and what was guessed."""
    chosen = {field: _named(path, table, column) for field, column in mapping.items()}
    open_fields = [field for field in FIELDS if field not in chosen]
    statements = []
    if open_fields and not table.has_header:
        if len(table.columns) < len(FIELDS):
            raise FileFault(f"{path}: no header and only {len(table.columns)} columns")
        chosen |= {field: FIELDS.index(field) for field in open_fields}
        statements.append(
            "There is no header: the first six columns are taken as"
            " open time, open, high, low, close, volume."
        )
    elif open_fields:
        taken = set(chosen.values())
        guessed = {field: _guess(path, table, field, taken, symbol) for field in open_fields}
        chosen |= guessed
        named = ", ".join(
            f"{field} = {table.names[i]!r}"
            for field, i in guessed.items()
            if table.names[i].lower() not in (field, "timestamp")
        )
        statements += [f"Columns guessed: {named}."] if named else []
    if len(set(chosen.values())) < len(FIELDS):
        raise FileFault(f"{path}: one column is used for two fields; see --map")
    return chosen, statements


def _named(path: Path, table: _Table, column: str) -> int:
    if column in table.names:
        return table.names.index(column)
    folded = [name.lower() for name in table.names]
    if folded.count(column.lower()) == 1:
        return folded.index(column.lower())
    if column.isdigit() and 1 <= int(column) <= len(table.columns):
        return int(column) - 1
    known = ", ".join(table.names) or f"1 to {len(table.columns)}"
    raise FileFault(f"{path}: there is no column {column!r}; columns: {known}")


def _guess(path: Path, table: _Table, field: str, taken: set[int], symbol: str) -> int:
    """The column whose name is the best alias. Two equally good ones are not guessed."""
    plain = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in table.names]
    aliases = [*_ALIASES[field]]
    if field == "volume":  # "Volume BTC" beside "Volume USDT": candles count the base currency
        named = (name.removeprefix("volume") for name in plain if name.startswith("volume"))
        aliases += [f"volume{base}" for base in named if base and symbol.startswith(base)]
    for alias in aliases:
        hits = [i for i, name in enumerate(plain) if name == alias and i not in taken]
        if len(hits) == 1:
            return hits[0]
        if hits:
            break
    known = ", ".join(table.names)
    word = "ts" if field == "time" else field
    raise FileFault(
        f"{path}: which column is the {field}? Name it with --map {word}=COLUMN; columns: {known}"
    )


# --- values ----------------------------------------------------------------------------------


def _times_ms(path: Path, column: Any) -> tuple[list[int | str], list[str]]:
    """Times in ms UTC, or why one is none; and how they were understood."""
    if isinstance(column, pa.ChunkedArray):
        kind = column.type
        if pa.types.is_timestamp(kind):
            unit = _ARROW_UNITS[kind.unit]
            statements = [] if kind.tz else [_NO_ZONE]
            raw = pc.cast(column, pa.int64()).to_pylist()
            return [_scaled(value, unit) for value in raw], statements
        values = column.to_pylist()
    else:
        values = [cell.strip() for cell in column]
    return _times_of_values(path, values)


def _times_of_values(path: Path, values: Sequence[Any]) -> tuple[list[int | str], list[str]]:
    sample = list(islice((value for value in values if value not in (None, "")), _SAMPLE_ROWS))
    if not sample:
        raise FileFault(f"{path}: the time column is empty")
    if isinstance(sample[0], date):
        return [_date_ms(value) for value in values], []
    numbers = [number for number in map(_decimal, sample) if isinstance(number, Decimal)]
    if 2 * len(numbers) > len(sample):
        units = Counter(_unit_of(abs(number)) for number in numbers)
        unit = units.most_common(1)[0][0]
        return [_scaled(value, unit) for value in values], [f"Times are {unit} since 1970, UTC."]
    moments = [_iso_ms(value) for value in values]
    if all(isinstance(moment, str) for moment in moments):
        raise FileFault(
            f"{path}: {sample[0]!r} is no time; seconds, ms or us since 1970 and ISO 8601 are"
        )
    has_zones = all(str(value).endswith("Z") or _OFFSET.search(str(value)) for value in sample)
    return moments, [] if has_zones else [_NO_ZONE]


def _unit_of(value: Decimal) -> str:
    """By size: each unit's times from 1973 to 5138 lie where no other unit's do."""
    if value < Decimal("1e11"):
        return "seconds"
    if value < Decimal("1e14"):
        return "milliseconds"
    return "microseconds" if value < Decimal("1e17") else "nanoseconds"


def _scaled(value: Any, unit: str) -> int | str:
    number = _decimal(value)
    if isinstance(number, str):
        return f"time {number}"
    if not number.is_finite():
        return f"time {value} is not a number"
    if number and _unit_of(abs(number)) != unit:
        return f"time {value} is not in {unit} like the first"
    time_ms = number * _UNITS_PER_MS[unit]
    if time_ms != time_ms.to_integral_value():
        return f"time {value} is no whole number of milliseconds"
    return int(time_ms)


def _iso_ms(value: Any) -> int | str:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return f"time {value!r} is not ISO 8601"
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return _moment_ms(moment)


def _date_ms(value: Any) -> int | str:
    if not isinstance(value, date):
        return "time is missing"
    return _moment_ms(datetime(value.year, value.month, value.day, tzinfo=UTC))


def _moment_ms(moment: datetime) -> int:
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def _decimals(column: Any) -> Iterable[Decimal | str]:
    """The numbers of a column, or why one is none."""
    if isinstance(column, pa.ChunkedArray):
        values = column.to_pylist()
        if column.type in (pa.float16(), pa.float32()):
            values = [None if value is None else str(np.float32(value)) for value in values]
        return map(_decimal, values)
    return map(_decimal, column)


def _decimal(value: Any) -> Decimal | str:
    if isinstance(value, Decimal):
        return value
    if value is None or value == "":
        return "is missing"
    digits = repr(value) if isinstance(value, float) else str(value).strip()
    return Decimal(digits) if _NUMBER.fullmatch(digits) else f"{value!r} is not a number"
