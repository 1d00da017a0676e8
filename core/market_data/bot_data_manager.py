"""The candles of one symbol: exact and durable in the store, the newest 1000 in memory."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Protocol, TypeVar

import pandas as pd

from core.clock import Clock
from core.market_data.candle_store import CandleStore
from core.market_data.columns import Columns
from core.market_data.integrity import Range
from core.models.candles import Candle, SeriesKey, Timeframe

MAX_ENTRY_MEMORY = 1000
T = TypeVar("T")


class AppendOutcome(enum.StrEnum):
    NEW = "new"  # the newest bar: act on it
    CORRECTED = "corrected"  # history changed (late correction or a hole filled): no signal
    REPEATED = "repeated"  # already known, exactly so
    STALE = "stale"  # contradicts an older bar: ignored, only REST may correct that
    REFUSED = "refused"  # in a batch only: the candle cannot be true


class FetchCandles(Protocol):
    """`MarketDataPort.fetch_candles`, or a rate-limited wrapper of it."""

    async def __call__(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 1000,
    ) -> list[Candle]: ...


class IndicatorCache:
    """Results that hold until the candles change; nothing is computed twice for one candle."""

    def get(self, name: str, compute: Callable[[], T]) -> T:
        raise NotImplementedError


class BotDataManager:
    """Thread safe. The store is written first, then memory changes."""

    indicator_cache: IndicatorCache

    def __init__(
        self,
        key: SeriesKey,
        *,
        store: CandleStore,
        clock: Clock,
        entry_timeframe: Timeframe | None = None,
        pattern_timeframe: Timeframe = Timeframe.H1,
    ) -> None:
        raise NotImplementedError

    async def load_historical(self, fetch: FetchCandles, bars: int = MAX_ENTRY_MEMORY) -> int:
        """Store first; the exchange is asked only for what is missing (spec S5). Returns the
        number of candles in memory. Raises ExchangeError, StoreFault."""
        raise NotImplementedError

    async def backfill(self, fetch: FetchCandles) -> int:
        """Ask for every gap from the oldest bar in memory to the newest closed one; returns the
        number of candles added or corrected. Raises ExchangeError, StoreFault."""
        raise NotImplementedError

    def append_candle(self, candle: Candle, save: bool = True) -> AppendOutcome:
        """A candle that the stream says is closed. Durable on return unless `save` is False
        (then `save_parquet` does it). Raises BadCandle, StoreFault; memory is then unchanged."""
        raise NotImplementedError

    def gaps(self) -> list[Range]:
        """Bars missing inside the loaded range and up to the newest closed one."""
        raise NotImplementedError

    def frame(self, timeframe: Timeframe) -> pd.DataFrame:
        """At most 1000 closed bars: DatetimeIndex (UTC, bar open), float columns. The caller's
        own copy. Raises ValueError when they cannot be made from the base."""
        raise NotImplementedError

    def history(self, timeframe: Timeframe, *, count: int, end_ms: int | None = None) -> Columns:
        """The newest `count` closed bars with open time <= `end_ms`, from the store (disk)."""
        raise NotImplementedError

    @property
    def df_entry_full(self) -> pd.DataFrame:
        raise NotImplementedError

    @property
    def df_entry_resampled(self) -> pd.DataFrame:
        raise NotImplementedError

    @property
    def df_pattern_full(self) -> pd.DataFrame:
        raise NotImplementedError

    def save_parquet(self) -> None:
        """Make everything durable and merge it into the Parquet file (disk: use a thread)."""
        raise NotImplementedError
