"""Import is whole or nothing, keeps what the exchange has sent, and export brings it all back."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.market_data.candle_file import FileFault
from core.market_data.candle_store import CandleStore
from core.market_data.import_export import ImportReport, export_candles, import_candles
from core.models.candles import Candle, SeriesKey, Timeframe

NOW_MS = 1_800_000_000_000
Bar = Callable[..., Candle]
Bring = Callable[..., ImportReport]
HEAD = "timestamp,open,high,low,close,volume"


def csv_of(path: Path, candles: list[Candle]) -> Path:
    rows = [
        ",".join(map(str, (c.open_time_ms, c.open, c.high, c.low, c.close, c.volume)))
        for c in candles
    ]
    path.write_text("\n".join([HEAD, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def bring_in(store: CandleStore, key: SeriesKey) -> Bring:
    def bring(*paths: Path, **words: bool) -> ImportReport:
        return import_candles(store, key, paths, mapping={}, now_ms=NOW_MS, **words)

    return bring


def figures(report: ImportReport) -> tuple[int, ...]:
    return report.new, report.known, report.differing, report.replaced, report.refused


def test_files_join_what_is_stored(
    tmp_path: Path,
    store: CandleStore,
    key: SeriesKey,
    bar: Bar,
    bring_in: Bring,
) -> None:
    store.append([(key, bar(1))])
    report = bring_in(
        csv_of(tmp_path / "a.csv", [bar(0), bar(1)]), csv_of(tmp_path / "b.csv", [bar(1), bar(2)])
    )
    assert figures(report) == (2, 1, 0, 0, 0)
    assert store.read(key) == [bar(0), bar(1), bar(2)]


def test_a_stored_candle_is_kept_unless_replacing_is_asked_for(
    tmp_path: Path,
    store: CandleStore,
    key: SeriesKey,
    bar: Bar,
    bring_in: Bring,
) -> None:
    store.append([(key, bar(0))])
    other = bar(0, volume=Decimal(99))
    path = csv_of(tmp_path / "a.csv", [other, bar(1)])
    assert figures(bring_in(path)) == (1, 0, 1, 0, 0)
    assert store.read(key) == [bar(0), bar(1)]
    assert figures(bring_in(path, replace=True)) == (0, 1, 0, 1, 0)
    assert store.read(key) == [other, bar(1)]


def test_a_look_stores_nothing(
    tmp_path: Path,
    store: CandleStore,
    key: SeriesKey,
    bar: Bar,
    bring_in: Bring,
) -> None:
    assert figures(bring_in(csv_of(tmp_path / "a.csv", [bar(0)]), only_look=True))[0] == 1
    assert store.read(key) == []


def test_one_unreadable_file_keeps_all_of_them_out(
    tmp_path: Path,
    store: CandleStore,
    key: SeriesKey,
    bar: Bar,
    bring_in: Bring,
) -> None:
    good = csv_of(tmp_path / "a.csv", [bar(0), bar(1)])
    with pytest.raises(FileFault):
        bring_in(good, tmp_path / "there is none.csv")
    assert store.read(key) == []


def test_files_that_contradict_each_other_are_told(
    tmp_path: Path,
    store: CandleStore,
    key: SeriesKey,
    bar: Bar,
    bring_in: Bring,
) -> None:
    report = bring_in(
        csv_of(tmp_path / "a.csv", [bar(0)]),
        csv_of(tmp_path / "b.csv", [bar(0, volume=Decimal(1))]),
    )
    assert figures(report) == (1, 0, 0, 0, 1)
    assert store.read(key) == [bar(0)]


@pytest.mark.parametrize("suffix", ["csv", "parquet", "feather"])
def test_what_is_exported_comes_back_exactly(
    tmp_path: Path, store: CandleStore, bar: Bar, suffix: str
) -> None:
    candles = [
        bar(0),
        bar(2, open=Decimal("1e-8"), low=Decimal("1e-8"), volume=Decimal("123456789012.00000001")),
    ]
    one, other = (SeriesKey(name, "BTCUSDT", Timeframe.M15) for name in ("bybit", "binance"))
    store.append((one, candle) for candle in candles)
    store.merge()
    path = tmp_path / f"out.{suffix}"
    assert export_candles(store, one, path) == 2
    import_candles(store, other, [path], mapping={}, now_ms=NOW_MS)
    assert store.read(other) == candles


def test_a_range_is_exported_with_both_ends(
    tmp_path: Path, store: CandleStore, key: SeriesKey, bar: Bar
) -> None:
    store.append((key, bar(n)) for n in range(5))
    path = tmp_path / "out.csv"
    ends = {"start_ms": bar(1).open_time_ms, "end_ms": bar(3).open_time_ms}
    assert export_candles(store, key, path, **ends) == 3
    assert path.read_text(encoding="utf-8").splitlines()[1].startswith(str(ends["start_ms"]))


def test_nothing_to_export_makes_no_file_and_a_strange_ending_is_refused(
    tmp_path: Path, store: CandleStore, key: SeriesKey
) -> None:
    assert export_candles(store, key, tmp_path / "out.csv") == 0
    assert not (tmp_path / "out.csv").exists()
    with pytest.raises(FileFault, match=r"\.csv, \.parquet or \.feather"):
        export_candles(store, key, tmp_path / "out.xlsx")


values = st.decimals("0.00000001", 10**9, places=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(rows=st.dictionaries(st.integers(0, 200), st.tuples(values, values, values), max_size=40))
def test_round_trip_of_any_series(
    tmp_path_factory: pytest.TempPathFactory, rows: dict[int, tuple[Decimal, ...]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    key = SeriesKey("bybit", "BTCUSDT", Timeframe.M15)
    candles = [
        Candle(n * 900_000 + 1_700_000_100_000, a, max(a, b), min(a, b), b, volume)
        for n, (a, b, volume) in sorted(rows.items())
    ]
    first, second = CandleStore(folder / "a"), CandleStore(folder / "b")
    try:
        first.append((key, candle) for candle in candles)
        if export_candles(first, key, folder / "out.csv"):
            import_candles(second, key, [folder / "out.csv"], mapping={}, now_ms=NOW_MS)
        assert second.read(key) == first.read(key) == candles
    finally:
        first.close()
        second.close()


def test_real_files_come_in_whole_and_exact(real_candles: Path, store: CandleStore) -> None:
    for name, timeframe in (
        ("binancespot_DOGEUSDT_15m.parquet", Timeframe.M15),
        ("bybitlinear_ETHUSDT_5m_2025jun-aug.parquet", Timeframe.M5),
    ):
        key = SeriesKey("binance", name.split("_")[1], timeframe)
        path = real_candles / name
        report = import_candles(store, key, [path], mapping={}, now_ms=NOW_MS)
        table = pq.read_table(path)
        assert report.new == table.num_rows
        assert report.refused == 0
        stored = store.read(key)
        assert [float(c.close) for c in stored] == table["close"].to_pylist()
        assert [float(c.volume) for c in stored] == table["volume"].to_pylist()
