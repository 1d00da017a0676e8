"""Files of other programs: what is believed, what is refused; digits stay as they are."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.market_data.candle_file import FIELDS, FileCandles, FileFault, parse_mapping, read_candles
from core.models.candles import Candle, SeriesKey, Timeframe

KEY = SeriesKey("binance", "BTCUSDT", Timeframe.M15)
START_MS = 1_700_000_100_000 // 900_000 * 900_000
NOW_MS = START_MS + 10**10
STEP_MS = 900_000


def read(path: Path, mapping: str = "", now_ms: int = NOW_MS) -> FileCandles:
    return read_candles(path, KEY, mapping=parse_mapping(mapping), now_ms=now_ms)


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[..., Path]:
    def write(*lines: str, name: str = "candles.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


def prices(low: str = "99.5", high: str = "101") -> str:
    return f"100,{high},{low},100.25,12.5"


def test_plain_csv_is_read_digit_by_digit(csv_file: Callable[..., Path]) -> None:
    path = csv_file(
        "timestamp,open,high,low,close,volume",
        f"{START_MS},0.00001234,0.00001300,0.00001200,0.00001299,123456789.000000010",
    )
    candle = read(path).candles[0]
    assert candle == Candle(
        START_MS, *map(Decimal, ["0.00001234", "0.00001300", "0.00001200", "0.00001299"]),
        Decimal("123456789.00000001"),
    )  # fmt: skip
    assert str(candle.high) == "0.00001300"


def test_exchange_archive_without_header_is_taken_by_position(
    csv_file: Callable[..., Path],
) -> None:
    # Binance's own archive since 2025: no header, microseconds, twelve columns
    path = csv_file(
        f"{START_MS}000,{prices()},{START_MS + STEP_MS - 1}999,1250.0,42,6.1,610.2,0",
        f"{START_MS + STEP_MS}000,{prices()},{START_MS + 2 * STEP_MS - 1}999,1250.0,42,6.1,610.2,0",
    )
    file = read(path)
    assert [c.open_time_ms for c in file.candles] == [START_MS, START_MS + STEP_MS]
    assert any("no header" in statement for statement in file.statements)
    assert any("microseconds" in statement for statement in file.statements)


def test_title_line_quotes_and_semicolons_are_understood(csv_file: Callable[..., Path]) -> None:
    path = csv_file(
        "https://www.example.org",
        '"Unix";"Date";"Symbol";"Open";"High";"Low";"Close";"Volume BTC";"Volume USDT"',
        f"{START_MS // 1000};2023-11-14 22:15:00;BTCUSDT;100;101;99;100;1.5;150",
    )
    file = read(path)
    assert file.candles[0].volume == Decimal("1.5")
    assert file.candles[0].open_time_ms == START_MS
    assert any("'Volume BTC'" in statement for statement in file.statements)


def test_utc_column_is_preferred_to_that_of_the_last_trade(csv_file: Callable[..., Path]) -> None:
    path = csv_file(
        "market,candle_date_time_utc,candle_date_time_kst,opening_price,high_price,low_price,"
        "trade_price,timestamp,candle_acc_trade_price,candle_acc_trade_volume,unit",
        "KRW-BTC,2023-11-14T22:15:00,2023-11-15T07:15:00,"
        f"100,101,99,100.5,{START_MS + 12345},1e9,7,15",
    )
    file = read(path)
    assert file.candles == [
        Candle(START_MS, Decimal(100), Decimal(101), Decimal(99), Decimal("100.5"), Decimal(7))
    ]
    assert "Times without a zone are taken as UTC." in file.statements


@pytest.mark.parametrize(
    ("text", "is_naive"),
    [
        ("2023-11-14T22:15:00Z", False),
        ("2023-11-15T07:15:00+09:00", False),
        ("2023-11-14 22:15:00", True),
        ("2023-11-14 22:15:00.000", True),
    ],
)
def test_iso_times_keep_their_zone(
    csv_file: Callable[..., Path], text: str, is_naive: bool
) -> None:
    file = read(csv_file("time,open,high,low,close,volume", f"{text},{prices()}"))
    assert [c.open_time_ms for c in file.candles] == [START_MS]
    assert ("Times without a zone are taken as UTC." in file.statements) is is_naive


def test_two_columns_of_one_name_are_not_guessed(csv_file: Callable[..., Path]) -> None:
    path = csv_file("time,open,high,low,close,Volume,volume", f"{START_MS},{prices()},3")
    with pytest.raises(FileFault, match="which column is the volume"):
        read(path)
    assert read(path, "volume=7").candles[0].volume == Decimal(3)


def test_a_missing_column_is_named_with_those_there_are(csv_file: Callable[..., Path]) -> None:
    path = csv_file("time,open,high,low,last,volume", f"{START_MS},{prices()}")
    with pytest.raises(FileFault, match=r"close.*columns: time, open, high, low, last, volume"):
        read(path)
    assert read(path, "close=last").candles[0].close == Decimal("100.25")
    with pytest.raises(FileFault, match="there is no column 'Last Price'"):
        read(path, "close=Last Price")
    with pytest.raises(FileFault, match="used for two fields"):
        read(path, "close=open,open=open")


@pytest.mark.parametrize("words", ["Date", "what=Date", "ts=", "ts=A,ts=B"])
def test_a_mapping_that_is_none_is_refused(words: str) -> None:
    with pytest.raises(FileFault):
        parse_mapping(words)


def test_rows_that_cannot_be_true_are_refused_one_by_one(csv_file: Callable[..., Path]) -> None:
    later = START_MS + 6 * STEP_MS
    path = csv_file(
        "timestamp,open,high,low,close,volume",
        f"{START_MS},{prices()}",
        f"{START_MS + 1},{prices()}",
        f"{START_MS + STEP_MS},{prices(low='100.1')}",
        f"{START_MS + 2 * STEP_MS},100,101,n/a,100.25,12.5",
        f"{START_MS + 3 * STEP_MS},100,101",
        f"{START_MS // 1000},{prices()}",
        f"nonsense,{prices()}",
        f"{START_MS},{prices(high='102')}",
        f"{START_MS},{prices()}",
        f"{later},{prices()}",
    )
    file = read(path, now_ms=later + STEP_MS - 1)
    assert [c.open_time_ms for c in file.candles] == [START_MS]
    assert file.rows == 10
    assert [(r.place, r.reason) for r in file.refusals] == [
        ("line 3", "no 15m bar opens at that time"),
        ("line 4", "low 100.1 is above 100"),
        ("line 5", "low 'n/a' is not a number"),
        ("line 6", "low is missing"),
        ("line 7", f"time {START_MS // 1000} is not in milliseconds like the first"),
        ("line 8", "time 'nonsense' is not a number"),
        ("line 9", "another row of the same time has other values"),
        ("line 11", "the bar has not closed yet"),
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "no line with at least 5 columns"),
        (b"a,b\n1,2\n", "no line with at least 5 columns"),
        (b"time,open,high,low,close,volume\n", "holds no rows"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"time,open,high,low,close,volume\n,1,1,1,1,1\n", "the time column is empty"),
        (b"time,open,high,low,close,volume\nsoon,1,1,1,1,1\n", "'soon' is no time"),
        (b"1,2,3,4,5\n", "no header and only 5 columns"),
    ],
)
def test_a_file_that_holds_no_candles_is_one_sentence(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    path = tmp_path / "candles.csv"
    path.write_bytes(content)
    with pytest.raises(FileFault, match=sentence):
        read(path)


@pytest.mark.parametrize(
    "name", ["candles.parquet", "candles.feather", "candles.csv.gz", "candles.zip"]
)
def test_a_damaged_file_is_one_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"this is not it")
    with pytest.raises(FileFault, match="candles"):
        read(path)


def test_gzip_and_a_byte_order_mark_are_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "candles.csv.gz"
    text = f"\ufefftime,open,high,low,close,volume\r\n{START_MS},{prices()}\r\n"
    path.write_bytes(gzip.compress(text.encode()))
    assert len(read(path).candles) == 1


def table(times: pa.Array, values: list[pa.Array]) -> pa.Table:
    return pa.table([times, *values], names=["Timestamp", "Open", "High", "Low", "Close", "Volume"])


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("suffix", ["parquet", "feather"])
def test_typed_times_of_every_unit_are_the_same_moment(
    tmp_path: Path, unit: str, suffix: str
) -> None:
    times = pa.array([START_MS], pa.int64()).cast(pa.timestamp("ms", tz="UTC"))
    value = pa.array([100.1])
    made = table(times.cast(pa.timestamp(unit, tz="UTC")), [value] * 5)
    path = tmp_path / f"candles.{suffix}"
    if suffix == "parquet":
        pq.write_table(made, path)
    else:
        with pa.ipc.new_file(path, made.schema) as writer:
            writer.write_table(made)
    assert read(path).candles == [Candle(START_MS, *[Decimal("100.1")] * 5)]


def test_binary_floats_are_the_decimals_their_writer_saw(tmp_path: Path) -> None:
    path = tmp_path / "candles.parquet"
    narrow = pa.array(np.array([0.1], dtype=np.float32))
    pq.write_table(table(pa.array([START_MS]), [narrow] * 4 + [pa.array([1e-8])]), path)
    candle = read(path).candles[0]
    assert candle.open == Decimal("0.1")
    assert candle.volume == Decimal("1E-8")


def test_nulls_and_not_a_number_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "candles.parquet"
    times = pa.array([START_MS, START_MS + STEP_MS, None])
    value = pa.array([1.0, 1.0, 1.0])
    broken = pa.array([None, float("nan"), 1.0])
    pq.write_table(table(times, [value] * 4 + [broken]), path)
    assert [r.reason for r in read(path).refusals] == [
        "volume is missing",
        "volume nan is not a number",
        "time is missing",
    ]


cents = st.integers(1, 10**12)
bars = st.lists(
    st.tuples(
        st.integers(0, 5_000), cents, st.integers(0, 10**6), st.integers(0, 10**6),
        st.integers(0, 10**15), st.integers(0, 12),
    ),
    min_size=1, max_size=30, unique_by=lambda row: row[0],
)  # fmt: skip


def candle_of(row: tuple[int, ...]) -> Candle:
    bar, middle, up, down, volume, decimals = row
    price = Decimal(middle + down + 1)
    low, high = price - down, price + up
    scale = -decimals
    return Candle(
        START_MS + bar * STEP_MS,
        *(value.scaleb(scale) for value in (price, high, low, low, Decimal(volume))),
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    rows=bars,
    header=st.tuples(
        st.permutations(FIELDS),
        st.lists(
            st.text("abcdefgXYZ äß_-.%", min_size=1, max_size=9), min_size=6, max_size=6,
            unique_by=str.lower,
        ),
    ),
    unit=st.sampled_from([1_000_000, 1_000, 1]),
    delimiter=st.sampled_from(",;\t"),
)  # fmt: skip
def test_any_columns_in_any_order_come_back_exactly_by_their_mapping(
    tmp_path: Path,
    rows: list[tuple[int, ...]],
    header: tuple[list[str], list[str]],
    unit: int,
    delimiter: str,
) -> None:
    candles = sorted(map(candle_of, rows), key=lambda candle: candle.open_time_ms)
    order, names = header
    names = [name.strip() or f"n{i}" for i, name in enumerate(names)]
    if len({name.lower() for name in names}) < len(names):
        return
    values = [
        {"time": str(c.open_time_ms * unit)}
        | {field: format(getattr(c, field), "f") for field in FIELDS[1:]}
        for c in candles
    ]
    lines = [names, *([row[field] for field in order] for row in values)]
    path = tmp_path / "any.csv"
    path.write_text("\n".join(delimiter.join(line) for line in lines), encoding="utf-8")
    mapping = dict(zip(order, names, strict=True))
    file = read_candles(path, KEY, mapping=mapping, now_ms=NOW_MS)
    assert file.refusals == []
    assert file.candles == candles


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    cells=st.lists(st.lists(st.text(max_size=12), min_size=5, max_size=9), min_size=1, max_size=9)
)
def test_no_text_whatever_brings_more_than_a_sentence(
    tmp_path: Path, cells: list[list[str]]
) -> None:
    path = tmp_path / "any.csv"
    text = "\n".join(",".join(line) for line in cells)
    path.write_bytes(text.encode("utf-8", "replace"))
    try:
        file = read(path)
    except FileFault as fault:
        assert "\n" not in str(fault)  # noqa: PT017 (either outcome is right)
    else:
        assert len(file.candles) + len(file.refusals) <= file.rows
