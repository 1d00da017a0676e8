"""The candle store: durable at once in a hot SQLite file, kept for good in cold Parquet files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from core.market_data.columns import Columns
from core.market_data.integrity import Range
from core.models.candles import Candle, SeriesKey


class StoreFault(OSError):
    """The disk or the file refused; what was stored before is unharmed. One sentence."""


class SeriesInfo(NamedTuple):
    """What the store holds of one series; times are bar opens in ms UTC."""

    rows: int
    first_ms: int | None
    last_ms: int | None
    file_bytes: int


class CandleStore:
    """Every candle series of one cache directory. Thread safe; several processes may share it."""

    def __init__(self, cache_dir: Path) -> None:
        """Raises StoreFault."""
        raise NotImplementedError

    def append(self, rows: Iterable[tuple[SeriesKey, Candle]]) -> None:
        """Insert or replace, in one transaction; durable on return. Raises StoreFault."""
        raise NotImplementedError

    def read(
        self,
        key: SeriesKey,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        last: int | None = None,
    ) -> list[Candle]:
        """Exact candles, oldest first: open times in `start_ms`..`end_ms` (inclusive), of these
        the newest `last`. Never blocks a writer. Raises StoreFault."""
        raise NotImplementedError

    def read_columns(
        self,
        key: SeriesKey,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        last: int | None = None,
    ) -> Columns:
        """As `read`, as floats and much faster."""
        raise NotImplementedError

    def mark_empty(self, key: SeriesKey, ranges: Iterable[Range]) -> None:
        """Remember that the exchange has no bar there, so that it is not asked again."""
        raise NotImplementedError

    def empty_ranges(self, key: SeriesKey) -> list[Range]:
        raise NotImplementedError

    def info(self, key: SeriesKey) -> SeriesInfo:
        raise NotImplementedError

    def merge(self) -> int:
        """Move every hot row to its cold file; returns the number of series moved.
        Slow (disk): call it in a thread. Raises StoreFault; hot rows then stay."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError
