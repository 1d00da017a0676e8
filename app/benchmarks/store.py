"""The candle store beside the source design's, on real candles where they are at hand.

The design's way is written here as it stands in the requirements (T4, T5): one zstd Parquet file
a symbol; for each closed candle read it, concatenate, drop duplicate timestamps keeping the last,
write it. Our side is what the engine calls, checks and memory included, durable on return. The
disk's own limit, one raw append with fdatasync, is measured in the same rounds.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

from app.benchmarks.measure import Row, interleaved
from app.options import ROOT
from core.clock import ManualClock
from core.indicators import Atr, Macd, Rsi
from core.market_data.candle_store import CandleStore
from core.market_data.shared_data_manager import SharedDataManager
from core.models.candles import Candle, SeriesKey, Timeframe

REAL = "candles/binancespot_BTCUSDT_15m.parquet"
FIELDS = ("timestamp", "open", "high", "low", "close", "volume")
STEP_MS = Timeframe.M15.duration_ms
RAW_BYTES = 2400


def store() -> list[Row]:
    """Times in ms, sizes in KB, memory in KB a symbol, memory growth in bytes a candle."""
    (ROOT / "data").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "data", prefix="bench-") as folder:
        bench = _Bench(Path(folder))
        return [
            *bench.append(),
            *bench.batch(),
            *bench.files(),
            *bench.load(),
            *_memory_growth(Path(folder)),
            _indicators(bench.frame.tail(1000)),
        ]


# --- the design ------------------------------------------------------------------------------


def design_append(path: Path, candle: pd.DataFrame) -> None:
    """T5, lazy merge."""
    merged = pd.concat([pd.read_parquet(path), candle])
    merged = merged.drop_duplicates(subset="timestamp", keep="last")
    merged.to_parquet(path, compression="zstd", index=False)


def design_indicators(frame: pd.DataFrame) -> tuple[float, float, float]:
    """RSI, ATR and MACD of the 1000 candles, computed anew."""
    change = frame["close"].diff()
    gain = change.clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean()
    loss = (-change.clip(upper=0)).ewm(alpha=1 / 14, adjust=False).mean()
    rsi = 100 - 100 / (1 + gain / loss)
    previous = frame["close"].shift()
    ranges = [
        frame["high"] - frame["low"],
        (frame["high"] - previous).abs(),
        (frame["low"] - previous).abs(),
    ]
    true_range = pd.concat(ranges, axis=1).max(axis=1)
    atr = true_range.ewm(alpha=1 / 14, adjust=False).mean()
    fast = frame["close"].ewm(span=12, adjust=False).mean()
    macd = fast - frame["close"].ewm(span=26, adjust=False).mean()
    signal = macd.ewm(span=9, adjust=False).mean()
    return float(rsi.iloc[-1]), float(atr.iloc[-1]), float((macd - signal).iloc[-1])


# --- both sides on one disk ------------------------------------------------------------------


class _Bench:
    """35,000 candles (and ten times as many), in the design's files and in our store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.frame, self.candles = _history()
        self.raw = os.open(folder / "raw", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        self.symbols = [f"S{number}USDT" for number in range(150)]
        self.clock = ManualClock(self.candle(10**6).open_time_ms)
        with _store(folder / "ours") as ours:
            _fill(ours, "LONGUSDT", [self.candle(n) for n in range(10 * len(self.candles))])
            _fill(ours, "BTCUSDT", self.candles)
            source = ours.path_of(_key("BTCUSDT"))
            for symbol in self.symbols:
                shutil.copy(source, ours.path_of(_key(symbol)))
            ours.append((_key(symbol), self.candles[-1]) for symbol in self.symbols)
            ours.merge()
        self.design_file(self.frame, "BTCUSDT")
        copies = [
            self.frame.assign(timestamp=self.frame["timestamp"] + shift)
            for shift in (number * len(self.frame) * STEP_MS for number in range(10))
        ]
        self.design_file(pd.concat(copies, ignore_index=True), "LONGUSDT")
        for symbol in self.symbols:
            shutil.copy(self.design_path("BTCUSDT"), self.design_path(symbol))
        self.number = 10 * len(self.candles)  # of the next candle that nobody has yet
        self.data = SharedDataManager("bench", cache_dir=folder / "ours", clock=self.clock)

    def candle(self, number: int) -> Candle:
        """The history over and over, time going on."""
        model = self.candles[number % len(self.candles)]
        first_ms = self.candles[0].open_time_ms
        return Candle(
            first_ms + number * STEP_MS,
            model.open,
            model.high,
            model.low,
            model.close,
            model.volume,
        )

    def design_path(self, symbol: str) -> Path:
        return self.folder / f"bench_{symbol.lower()}_15m.parquet"

    def design_file(self, frame: pd.DataFrame, symbol: str) -> None:
        frame.to_parquet(self.design_path(symbol), compression="zstd", index=False)

    def append(self) -> list[Row]:
        rows = []
        for name, symbol in (("append_1_35k", "BTCUSDT"), ("append_1_350k", "LONGUSDT")):
            self.data.get_manager(symbol).load_stored()
            found = interleaved(
                25,
                {
                    "ours": lambda symbol=symbol: self.append_ours([symbol]),  # type: ignore[misc]
                    "design": lambda symbol=symbol: self.append_design([symbol]),  # type: ignore[misc]
                    "raw": self.append_raw,
                },
            )
            references = {"raw_append_fdatasync": found["raw"]}
            rows.append(Row(name, "ms", found["ours"], {"design": found["design"]}, references))
        # A growth of a hundred microseconds' worth needs both lengths side by side.
        side_by_side = interleaved(
            60,
            {
                symbol: lambda symbol=symbol: self.append_ours([symbol])  # type: ignore[misc]
                for symbol in ("BTCUSDT", "LONGUSDT")
            },
        )
        growth = side_by_side["LONGUSDT"] / side_by_side["BTCUSDT"]
        rows.append(Row("append_growth_35k_350k", "x", growth, {}, {"bound": 1.3}))
        return rows

    def batch(self) -> list[Row]:
        rows = []
        for count, rounds in ((50, 5), (100, 3)):
            symbols = self.symbols[:count]
            found = interleaved(
                rounds,
                {
                    "ours": lambda symbols=symbols: self.append_ours(symbols),  # type: ignore[misc]
                    "raw": self.append_raw,
                    "design": lambda symbols=symbols: self.append_design(symbols),  # type: ignore[misc]
                },
            )
            references = {
                "raw_append_fdatasync": found["raw"],
                "times_raw": found["ours"] / found["raw"],
            }
            rows.append(
                Row(f"batch_{count}", "ms", found["ours"], {"design": found["design"]}, references)
            )
        return rows

    def files(self) -> list[Row]:
        self.data.batch_save_parquet()
        symbol = self.symbols[-1]
        path, key, ours = self.design_path(symbol), _key(symbol), self.data.store
        design_kb, ours_kb = path.stat().st_size / 1e3, ours.path_of(key).stat().st_size / 1e3
        tail = interleaved(
            40,
            {
                "ours": lambda: _ms(lambda: ours.read_columns(key, last=1000)),
                "design": lambda: _ms(lambda: pd.read_parquet(path).tail(1000)),
            },
        )
        whole = interleaved(
            40,
            {
                "ours": lambda: _ms(lambda: ours.read_columns(key)),
                "design": lambda: _ms(lambda: _arrays(pd.read_parquet(path))),
            },
        )
        return [
            Row("size_35k", "KB", ours_kb, {"design": design_kb}),
            Row("tail_1000", "ms", tail["ours"], {"design": tail["design"]}),
            Row("read_35k", "ms", whole["ours"], {"design": whole["design"]}),
        ]

    def load(self) -> list[Row]:
        symbols = self.symbols[100:]
        clock = ManualClock(self.candles[-1].open_time_ms + STEP_MS)
        paths = [self.design_path(symbol) for symbol in symbols]

        def start() -> SharedDataManager:
            return SharedDataManager("bench", cache_dir=self.folder / "ours", clock=clock)

        async def both() -> dict[str, list[float]]:
            times: dict[str, list[float]] = {"ours": [], "design": []}
            for _ in range(16):
                started = time.perf_counter()
                data = start()
                loaded = await data.load_historical_batch(symbols, _never_asked)
                times["ours"].append((time.perf_counter() - started) * 1000)
                assert all(loaded.values())
                data.close()
                times["design"].append(_ms(lambda: [pd.read_parquet(path) for path in paths]))
            return times

        times = asyncio.run(both())
        medians = {side: statistics.median(values[1:]) for side, values in times.items()}
        data = start()
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        asyncio.run(data.load_historical_batch(symbols, _never_asked))
        managers = [data.get_manager(symbol) for symbol in symbols]
        held = [(m.df_entry_full, m.df_entry_resampled, m.df_pattern_full) for m in managers]
        gc.collect()
        used_kb = (tracemalloc.get_traced_memory()[0] - before) / len(held) / 1e3
        tracemalloc.stop()
        data.close()
        return [
            Row("load_50", "ms", medians["ours"], {"design": medians["design"]}),
            Row("memory_symbol", "KB", used_kb, {}, {"bound": 120.0}),
        ]

    def append_ours(self, symbols: list[str]) -> float:
        """Median of seven closed bars, one after the other: our side is too fast for one."""
        return statistics.median(self._append_once(symbols) for _ in range(7))

    def _append_once(self, symbols: list[str]) -> float:
        candle = self.candle(self.number)
        self.number += 1
        batch = dict.fromkeys(symbols, candle)
        return _ms(lambda: self.data.append_candle_batch(batch))

    def append_raw(self) -> float:
        def once() -> None:
            os.write(self.raw, bytes(RAW_BYTES))
            os.fdatasync(self.raw)

        return statistics.median(_ms(once) for _ in range(7))

    def append_design(self, symbols: list[str]) -> float:
        candle = self.candle(self.number)
        self.number += 1
        values = [candle.open_time_ms, *(float(getattr(candle, name)) for name in FIELDS[1:])]
        row = pd.DataFrame([values], columns=FIELDS).astype({"timestamp": "int64"})

        def one_by_one() -> None:
            for symbol in symbols:
                design_append(self.design_path(symbol), row)

        return _ms(one_by_one)


def _indicators(frame: pd.DataFrame) -> Row:
    """One closed candle: our three take it 2000 times over, the design recomputes 1000 candles."""
    high, low, close = (frame[name].tolist() for name in ("high", "low", "close"))
    rsi, atr, macd = Rsi(14), Atr(14), Macd(12, 26, 9)

    def ours() -> None:
        for number in range(1000):
            rsi.update(close[number])
            atr.update(high[number], low[number], close[number])
            macd.update(close[number])

    found = interleaved(
        20,
        {
            "ours": lambda: _ms(ours) / 1000,
            "design": lambda: _ms(lambda: design_indicators(frame)),
        },
    )
    return Row("indicator_1", "ms", found["ours"], {"design": found["design"]})


def _memory_growth(folder: Path) -> list[Row]:
    """RSS over 100,000 appended candles, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        samples = pool.apply(soak, (str(folder / "soak"), 100_000))
    candles, rss_bytes = np.array(samples).T
    fit, covariance = np.polyfit(candles, rss_bytes, 1, cov=True)
    noise = 2 * float(np.sqrt(covariance[0, 0]))
    references = {
        "two_standard_errors": noise,
        "end_minus_start_kb": (rss_bytes[-1] - rss_bytes[0]) / 1e3,
    }
    return [Row("rss_slope_100k", "B", float(fit[0]), {}, references)]


def soak(folder: str, count: int) -> list[tuple[int, int]]:
    """Appends `count` candles of 50 symbols, reads the frames, saves now and then; returns
    (candles so far, resident bytes), the first fifth, in which rings and caches fill, left out."""
    symbols = [f"S{number}USDT" for number in range(50)]
    price = Decimal("100.5")
    data = SharedDataManager("soak", cache_dir=Path(folder), clock=ManualClock(STEP_MS * count))
    process = psutil.Process()
    samples = []
    for step in range(count // len(symbols)):
        candle = Candle(step * STEP_MS, price, price + 1, price - 1, price, Decimal(step % 7))
        data.append_candle_batch(dict.fromkeys(symbols, candle))
        for symbol in symbols[step % 10 :: 10]:
            manager = data.get_manager(symbol)
            assert len(manager.df_entry_full) == min(step + 1, 1000)
            assert manager.df_pattern_full is not None
        if step % 100 == 99:
            data.batch_save_parquet()
            gc.collect()
            samples.append(((step + 1) * len(symbols), process.memory_info().rss))
    data.close()
    return samples[len(samples) // 2 :]


# --- small things ----------------------------------------------------------------------------


def _history() -> tuple[pd.DataFrame, list[Candle]]:
    """The newest 35,000 real candles; a made-up walk of the same kind where there are none."""
    path = Path(os.environ.get("TWINSTAR_SHARED", ROOT.parent / "shared")) / REAL
    if path.exists():
        frame = pd.read_parquet(path).tail(35_000).reset_index(drop=True)
    else:
        print(f"no real candles at {path}: a random walk stands in")
        frame = _random_walk(35_000)
    rows = zip(*(frame[name].tolist() for name in FIELDS), strict=True)
    candles = [
        Candle(time_ms, *(Decimal(repr(value)) for value in values)) for time_ms, *values in rows
    ]
    return frame[list(FIELDS)], candles


def _random_walk(count: int) -> pd.DataFrame:
    random = np.random.default_rng(1)
    close = np.round(60_000 * np.exp(np.cumsum(random.standard_t(4, count) * 0.001)), 2)
    open_ = np.concatenate(([60_000.0], close[:-1]))
    spread = np.round(np.abs(random.normal(0, 30, (2, count))), 2)
    return pd.DataFrame(
        {
            "timestamp": np.arange(count) * STEP_MS + 1_700_000_100_000 // STEP_MS * STEP_MS,
            "open": open_,
            "high": np.round(np.maximum(open_, close) + spread[0], 2),
            "low": np.round(np.minimum(open_, close) - spread[1], 2),
            "close": close,
            "volume": np.round(random.lognormal(3, 1, count), 5),
        }
    )


async def _never_asked(*_: object, **__: object) -> list[Candle]:
    raise AssertionError("the store has everything: nobody is to be asked")


@contextmanager
def _store(folder: Path) -> Iterator[CandleStore]:
    opened = CandleStore(folder)
    yield opened
    opened.close()


def _fill(opened: CandleStore, symbol: str, candles: list[Candle]) -> None:
    opened.append((_key(symbol), candle) for candle in candles)
    opened.merge()


def _key(symbol: str) -> SeriesKey:
    return SeriesKey("bench", symbol, Timeframe.M15)


def _arrays(frame: pd.DataFrame) -> list[np.ndarray]:
    return [frame[name].to_numpy() for name in FIELDS]


def _ms(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return (time.perf_counter() - started) * 1000
