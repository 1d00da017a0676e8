"""Candles and an exchange's history for these tests."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from core.clock import ManualClock
from core.market_data.candle_store import CandleStore
from core.models.candles import Candle, SeriesKey, Timeframe

START_MS = Timeframe.MONTH.floor_ms(1_700_000_000_000)  # 2023-11-01, not a Monday


@pytest.fixture
def key() -> SeriesKey:
    return SeriesKey("bybit", "BTCUSDT", Timeframe.M15)


@pytest.fixture
def start_ms() -> int:
    return START_MS


@pytest.fixture
def bar() -> Callable[..., Candle]:
    """bar(n): the n-th 15m candle of a plausible series; any field may be given."""

    def make(number: int, **fields: object) -> Candle:
        base = Decimal(60_000 + (number * 37) % 500) + Decimal(number % 10) / 10
        values: dict[str, object] = {
            "open_time_ms": START_MS + number * 900_000,
            "open": base,
            "high": base + Decimal("12.5"),
            "low": base - Decimal("7.1"),
            "close": base + Decimal("3.3"),
            "volume": Decimal(number % 7) + Decimal("0.125"),
        }
        return Candle(**(values | fields))  # type: ignore[arg-type]

    return make


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START_MS)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CandleStore]:
    opened = CandleStore(tmp_path / "cache")
    yield opened
    opened.close()


@pytest.fixture
def memory_disk() -> Iterator[Path]:
    """A folder where syncing costs nothing, for what does not depend on the real disk."""
    shared_memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared_memory if shared_memory.is_dir() else None) as name:
        yield Path(name)


class ExchangeHistory:
    """The history of one symbol behind `MarketDataPort.fetch_candles`; closed bars only."""

    def __init__(self, clock: ManualClock, candles: list[Candle]) -> None:
        self.clock = clock
        self.candles = {c.open_time_ms: c for c in candles}
        self.requests: list[tuple[int | None, int | None, int]] = []
        self.page_rows = 1000
        self.sends_forming_bar = False

    def close_bar(self, number: int) -> None:
        """The exchange's clock shows a moment after the end of 15m bar `number`."""
        self.clock.advance_ms(START_MS + (number + 1) * 900_000 + 500 - self.clock.time_ms())

    async def fetch(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 1000,
    ) -> list[Candle]:
        self.requests.append((start_ms, end_ms, limit))
        now_ms = self.clock.time_ms()
        rows = [
            candle
            for time_ms, candle in sorted(self.candles.items())
            if time_ms + (0 if self.sends_forming_bar else timeframe.duration_ms) <= now_ms
            and (start_ms is None or time_ms >= start_ms)
            and (end_ms is None or self.sends_forming_bar or time_ms <= end_ms)
        ]
        count = min(limit, self.page_rows)
        return rows[-count:] if start_ms is None else rows[:count]


@pytest.fixture
def history(clock: ManualClock) -> Callable[[list[Candle]], ExchangeHistory]:
    return lambda candles: ExchangeHistory(clock, candles)


@pytest.fixture
def read_real(real_candles: Path) -> Callable[[str], list[Candle]]:
    def read(file_name: str) -> list[Candle]:
        columns = pq.read_table(real_candles / file_name).to_pydict()
        names = ("timestamp", "open", "high", "low", "close", "volume")
        return [
            Candle(time_ms, *(Decimal(repr(value)) for value in values))
            for time_ms, *values in zip(*(columns[name] for name in names), strict=True)
        ]

    return read
