from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from io import FileIO
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.market_data import cold_file
from core.market_data.columns import columns_from_candles
from core.models.candles import Candle

values = st.builds(
    lambda digits, decimals: Decimal(digits).scaleb(-decimals),
    st.integers(0, 10**20 - 1),
    st.integers(0, 18),
)
series = st.dictionaries(st.integers(0, 1 << 45), st.tuples(*[values] * 5), min_size=1)


@pytest.fixture(scope="module")
def decode(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., pa.Table]:
    """What `cold_file.read` makes of a content that nothing is known about."""
    path = tmp_path_factory.mktemp("decode") / "x.parquet"

    def read(content: bytes, **bounds: int) -> pa.Table:
        path.write_bytes(content)
        with FileIO(path) as file:
            return cold_file.read(file, None, **bounds)

    return read


def _candles(rows: dict[int, tuple[Decimal, ...]]) -> list[Candle]:
    return [Candle(time_ms, *rows[time_ms]) for time_ms in sorted(rows)]


@settings(deadline=None, max_examples=50)
@given(old=series, new=series)
def test_every_price_comes_back_exactly_and_the_new_row_wins(
    decode: Callable[..., pa.Table],
    old: dict[int, tuple[Decimal, ...]],
    new: dict[int, tuple[Decimal, ...]],
) -> None:
    first = cold_file.encode(cold_file.table_from_candles(_candles(old)))
    union = cold_file.updated_table(decode(first), cold_file.table_from_candles(_candles(new)))
    table = decode(cold_file.encode(union))
    expected = _candles(old | new)
    assert cold_file.candles_from_table(table) == expected
    columns = cold_file.columns_from_table(table)
    wanted = columns_from_candles(expected)
    assert all((a == b).all() for a, b in zip(columns, wanted, strict=True))


def test_any_reader_sees_true_prices(bar: Callable[..., Candle], tmp_path: Path) -> None:
    candles = [bar(n) for n in range(50)]
    path = tmp_path / "x.parquet"
    path.write_bytes(cold_file.encode(cold_file.table_from_candles(candles)))
    frame = pd.read_parquet(path)
    assert frame["timestamp"].tolist() == [c.open_time_ms for c in candles]
    assert frame["close"].tolist() == [c.close for c in candles]
    assert pq.read_schema(path).field("timestamp").type == pa.int64()


def test_part_of_the_history_is_found_across_row_groups(
    bar: Callable[..., Candle], decode: Callable[..., pa.Table]
) -> None:
    candles = [bar(n) for n in range(34_000)]  # groups of 32,768, 208 and 1,024
    content = cold_file.encode(cold_file.table_from_candles(candles))

    def read(**bounds: int) -> list[Candle]:
        return cold_file.candles_from_table(decode(content, **bounds))

    opens = [c.open_time_ms for c in candles]
    assert read() == candles
    assert read(last=1000) == candles[-1000:]
    assert read(last=1025) == candles[-1025:]
    assert read(last=5000, end_ms=opens[32_900]) == candles[27_901:32_901]
    assert read(start_ms=opens[32_765], end_ms=opens[32_770]) == candles[32_765:32_771]
    assert read(start_ms=opens[100] + 1, end_ms=opens[32_980], last=33_000) == candles[101:32_981]
    assert read(end_ms=opens[0] - 1) == []
    assert read(start_ms=opens[-1] + 1, last=5) == []


def test_real_history_is_a_third_of_the_zstd_float_file(
    read_real: Callable[[str], list[Candle]], real_candles: Path, tmp_path: Path
) -> None:
    name = "binancespot_BTCUSDT_15m.parquet"
    rival = tmp_path / "rival.parquet"
    pd.read_parquet(real_candles / name).to_parquet(rival, compression="zstd")
    ours = cold_file.encode(cold_file.table_from_candles(read_real(name)))
    assert len(ours) < 0.4 * rival.stat().st_size


def test_a_parquet_file_of_another_kind_is_refused(
    tmp_path: Path, decode: Callable[..., pa.Table]
) -> None:
    path = tmp_path / "floats.parquet"
    pd.DataFrame({"timestamp": [1], "open": [1.0]}).to_parquet(path)
    with pytest.raises(cold_file.Damaged, match="not a candle file"):
        decode(path.read_bytes())


def test_another_programs_file_is_read_if_its_rows_are_in_order(
    bar: Callable[..., Candle], tmp_path: Path, decode: Callable[..., pa.Table]
) -> None:
    table = cold_file.table_from_candles([bar(n) for n in range(50)])
    path = tmp_path / "other.parquet"
    pq.write_table(table, path, row_group_size=20, write_statistics=False)
    tail = decode(path.read_bytes(), last=25)
    assert cold_file.candles_from_table(tail) == [bar(n) for n in range(25, 50)]
    pq.write_table(table.take(pa.array([0, 2, 1])), path)
    with pytest.raises(cold_file.Damaged, match="do not increase"):
        decode(path.read_bytes())
