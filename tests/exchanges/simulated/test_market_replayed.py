"""A replay gives the files' rows back exactly, in any timeframe they add up to."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.models.candles import Timeframe
from exchanges.simulated.replayed_market import HISTORY_BARS, ReplayedMarket

M15_MS = 900_000
FIRST_MS = 1_700_000_100_000 // M15_MS * M15_MS


def write_candles(path, rows=HISTORY_BARS + 200, *, step_ms=M15_MS, gap_after=None, first_ms=None):
    """A random walk in quarters of a tenth, so that float noise would show."""
    random = np.random.default_rng(5)
    close = 1000 + np.cumsum(random.integers(-9, 10, rows)) * 0.1
    open_ = np.concatenate([[1000.0], close[:-1]])
    high = np.maximum(open_, close) + random.integers(0, 5, rows) * 0.1
    low = np.minimum(open_, close) - random.integers(0, 5, rows) * 0.1
    timestamp = (first_ms or FIRST_MS) + np.arange(rows) * step_ms
    if gap_after is not None:
        timestamp[gap_after:] += 10 * step_ms
    table = {
        "timestamp": timestamp,
        **{
            name: np.round(column, 1)
            for name, column in {"open": open_, "high": high, "low": low, "close": close}.items()
        },
        "volume": np.round(random.random(rows) * 50, 3),
    }
    pq.write_table(pa.table(table), path)
    return table


def as_rows(candles):
    return [tuple(map(float, (c.open, c.high, c.low, c.close, c.volume))) for c in candles]


def rows_of(table, first, last):
    names = ("open", "high", "low", "close", "volume")
    return list(zip(*(table[name][first:last].tolist() for name in names), strict=True))


def test_closed_candles_are_the_rows_of_the_file(tmp_path):
    table = write_candles(tmp_path / "binanceusdm_BTCUSDT_15m.parquet")
    market = ReplayedMarket(tmp_path)

    now_ms = market.start_ms + 10 * M15_MS
    shown = market.candles("BTCUSDT", Timeframe.M15, now_ms=now_ms - 1, limit=1000)
    last = HISTORY_BARS + 10
    assert as_rows(shown) == rows_of(table, last - 1000, last)
    assert [c.open_time_ms for c in shown] == table["timestamp"][last - 1000 : last].tolist()


def test_finer_candles_add_up_to_the_row(tmp_path):
    table = write_candles(tmp_path / "binanceusdm_BTCUSDT_15m.parquet")
    market = ReplayedMarket(tmp_path)
    minutes = market.candles(
        "BTCUSDT",
        Timeframe.M1,
        now_ms=market.start_ms + M15_MS - 1,
        start_ms=market.start_ms,
        limit=100,
    )
    (row,) = rows_of(table, HISTORY_BARS, HISTORY_BARS + 1)
    assert len(minutes) == 15
    assert row == (
        float(minutes[0].open),
        float(max(c.high for c in minutes)),
        float(min(c.low for c in minutes)),
        float(minutes[-1].close),
        float(sum(c.volume for c in minutes)),
    )


def test_coarser_candles_are_resampled(tmp_path):
    table = write_candles(tmp_path / "binanceusdm_BTCUSDT_15m.parquet")
    market = ReplayedMarket(tmp_path)
    (hour,) = market.candles(
        "BTCUSDT",
        Timeframe.H1,
        now_ms=market.start_ms,
        end_ms=market.start_ms - 4 * M15_MS,
        limit=1,
    )
    first = (hour.open_time_ms - FIRST_MS) // M15_MS
    rows = rows_of(table, first, first + 4)
    assert float(hour.high) == max(row[1] for row in rows)
    assert hour.volume == sum(Decimal(repr(row[4])) for row in rows)


def test_the_start_has_history_before_it_and_a_seed_moves_it(tmp_path):
    write_candles(tmp_path / "binanceusdm_BTCUSDT_15m.parquet", rows=6000)
    starts = {ReplayedMarket(tmp_path, seed).start_ms for seed in (None, 1, 2, 1)}

    assert ReplayedMarket(tmp_path).start_ms == FIRST_MS + HISTORY_BARS * M15_MS
    assert len(starts) == 3
    assert all(start >= FIRST_MS + HISTORY_BARS * M15_MS for start in starts)


def test_the_file_with_15_minutes_and_most_rows_serves_a_symbol(tmp_path):
    write_candles(tmp_path / "bybitlinear_BTCUSDT_5m_2025.parquet", rows=5000, step_ms=300_000)
    write_candles(tmp_path / "binanceusdm_BTCUSDT_15m_2025h2.parquet", rows=2300)
    write_candles(tmp_path / "binanceusdm_BTCUSDT_15m.parquet", rows=2500)
    write_candles(tmp_path / "upbit_KRW-ETH_1m.parquet", rows=100)
    market = ReplayedMarket(tmp_path)

    assert market.sources == {"BTCUSDT": "binanceusdm_BTCUSDT_15m.parquet"}
    assert any("upbit_KRW-ETH_1m.parquet" in note for note in market.notes)


def test_a_symbol_without_data_at_the_start_is_left_out_and_said(tmp_path):
    write_candles(tmp_path / "binanceusdm_BTCUSDT_15m.parquet")
    write_candles(tmp_path / "binanceusdm_SUIUSDT_15m.parquet", first_ms=FIRST_MS + 10**11)
    market = ReplayedMarket(tmp_path)

    assert list(market.instruments) == ["BTCUSDT"]
    assert any("SUIUSDT" in note for note in market.notes)


def test_a_gap_in_the_file_is_a_gap_in_the_market(tmp_path):
    table = write_candles(tmp_path / "binanceusdm_BTCUSDT_15m.parquet", gap_after=HISTORY_BARS + 2)
    market = ReplayedMarket(tmp_path)
    gap_ms = int(table["timestamp"][HISTORY_BARS + 1]) + M15_MS

    assert len(market.ticks("BTCUSDT", gap_ms - 1, gap_ms + 10 * M15_MS - 1)) == 0
    before = market.last_tick("BTCUSDT", gap_ms - 1)
    assert market.last_tick("BTCUSDT", gap_ms + 5 * M15_MS) == before
    shown = market.candles("BTCUSDT", Timeframe.M15, now_ms=gap_ms + 12 * M15_MS - 1, limit=4)
    opens = [(c.open_time_ms - gap_ms) // M15_MS for c in shown]
    assert opens == [-2, -1, 10, 11]


def test_a_folder_without_candles_says_so(tmp_path):
    with pytest.raises(ValueError, match="No candle file of a USDT symbol"):
        ReplayedMarket(tmp_path)


def test_a_file_out_of_order_is_refused_by_name(tmp_path):
    table = write_candles(tmp_path / "x.parquet")
    table["timestamp"] = table["timestamp"][::-1].copy()
    (tmp_path / "x.parquet").unlink()
    pq.write_table(pa.table(table), tmp_path / "binanceusdm_BTCUSDT_15m.parquet")
    with pytest.raises(ValueError, match=r"BTCUSDT_15m\.parquet: timestamps are not in order"):
        ReplayedMarket(tmp_path)


def test_every_real_row_comes_back_from_its_ticks(real_candles):
    """The whole way: file -> whole ticks -> trades -> candles, against the file's own floats."""
    market = ReplayedMarket(real_candles)
    assert market.sources["BTCUSDT"] == "binanceusdm_BTCUSDT_15m.parquet"
    for symbol, name in market.sources.items():
        table = pq.read_table(real_candles / name).to_pydict()
        first = table["timestamp"].index(market.start_ms)
        count = 300
        ticks = market.ticks(symbol, market.start_ms - 1, market.start_ms + count * M15_MS - 1)
        edges = market.start_ms + np.arange(count + 1) * M15_MS
        cuts = np.searchsorted(ticks.times_ms, edges).tolist()
        instrument = market.instruments[symbol]
        prices = [int(p) * instrument.tick_size for p in ticks.prices]
        for i in range(count):
            begin, end = cuts[i : i + 2]
            inside = prices[begin:end]
            volume = int(ticks.quantities[begin:end].sum()) * instrument.quantity_step
            rebuilt = (inside[0], max(inside), min(inside), inside[-1], volume)
            row = tuple(
                table[column][first + i] for column in ("open", "high", "low", "close", "volume")
            )
            assert tuple(map(float, rebuilt)) == row
            assert rebuilt == tuple(Decimal(repr(value)) for value in row)


@pytest.mark.parametrize("name", ["1000PEPEUSDT", "PAXGUSDT", "DOGEUSDT", "HUSDT"])
def test_real_prices_of_every_scale_are_read_exactly(real_candles, tmp_path, name):
    (path,) = real_candles.glob(f"*_{name}_15m*.parquet")
    (tmp_path / path.name).symlink_to(path)
    market = ReplayedMarket(tmp_path)
    table = pq.read_table(path).to_pydict()
    end_ms = table["timestamp"][-1]
    shown = market.candles(name, Timeframe.M15, now_ms=end_ms + M15_MS - 1, limit=100_000)

    assert [float(c.close) for c in shown] == table["close"]
    assert [float(c.volume) for c in shown] == table["volume"]
    assert [c.open_time_ms for c in shown] == table["timestamp"]
