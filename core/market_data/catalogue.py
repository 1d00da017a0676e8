"""What a cache directory holds, for people: every stored series with its figures."""

from __future__ import annotations

import re
from pathlib import Path

from core.market_data.candle_store import CandleStore
from core.market_data.integrity import Range, missing_ranges
from core.models.candles import SeriesKey, Timeframe
from core.snapshots import SeriesSnapshot

_STEM = re.compile(r"(?P<exchange>[a-z0-9]+)_(?P<symbol>[a-z0-9]+)_(?P<timeframe>[0-9a-z]+)")


def stored_keys(cache_dir: Path) -> list[SeriesKey]:
    """The series that have a Parquet file, by exchange, symbol and bar length. Rows that were
    never merged do not show. Symbols come in capitals without punctuation, as in `file_stem`."""
    found = (_key_of(path.stem) for path in cache_dir.glob("*.parquet"))
    keys = [key for key in found if key is not None]
    return sorted(keys, key=lambda key: (key.exchange, key.symbol, key.timeframe.duration_ms))


def series_gaps(store: CandleStore, key: SeriesKey) -> list[Range]:
    """Bars missing between the first and the last stored one. Raises StoreFault."""
    times = store.read_columns(key).open_time_ms
    if len(times) == 0 or key.timeframe is Timeframe.MONTH:
        return []
    step_ms = key.timeframe.duration_ms
    return missing_ranges(times, store.empty_ranges(key), int(times[0]), int(times[-1]), step_ms)


def describe(store: CandleStore, key: SeriesKey) -> SeriesSnapshot:
    """The figures of one series; reads all of it (disk). Raises StoreFault."""
    gaps = series_gaps(store, key)
    info = store.info(key)
    return SeriesSnapshot(
        exchange=key.exchange,
        symbol=key.symbol,
        timeframe=key.timeframe.value,
        rows=info.rows,
        first_ms=info.first_ms,
        last_ms=info.last_ms,
        gaps=len(gaps),
        file_bytes=info.file_bytes,
    )


def _key_of(stem: str) -> SeriesKey | None:
    match = _STEM.fullmatch(stem)
    if match is None:
        return None
    label = match["timeframe"]
    try:
        timeframe = Timeframe.MONTH if label == "1mo" else Timeframe(label)
    except ValueError:
        return None
    return SeriesKey(match["exchange"], match["symbol"].upper(), timeframe)
