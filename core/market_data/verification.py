"""Is what the store holds what it should hold? Checksum, order, candles that can be true, gaps.

Opening a file through the store checks its checksum and its order; a file that fails is put aside
by the store itself, and is reported here.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from core.market_data.candle_store import CandleStore
from core.market_data.catalogue import series_gaps
from core.market_data.integrity import BadCandle, Range, check_candle, is_large_move
from core.models.candles import SeriesKey


class SeriesVerdict(NamedTuple):
    """`faults` and `gaps` are findings; `large_moves` (open times, ms UTC) only deserve a look."""

    key: SeriesKey
    rows: int
    faults: list[str]
    gaps: list[Range]
    large_moves: list[int]

    @property
    def is_sound(self) -> bool:
        return not self.faults and not self.gaps


def verify_series(store: CandleStore, cache_dir: Path, key: SeriesKey) -> SeriesVerdict:
    """Reads every candle of the series (disk). Raises StoreFault."""
    before = _damaged(cache_dir, key)
    candles = store.read(key)
    faults = [
        f"{path.name}: damaged (checksum or order); put aside, and the bars are missing now."
        for path in sorted(_damaged(cache_dir, key) - before)
    ]
    lost = store.lost_history(key)
    if not faults and lost and (not candles or candles[0].open_time_ms > lost[0]):
        faults.append("What a damaged file held is not all there again; download it.")
    for candle in candles:
        try:
            check_candle(key, candle)
        except BadCandle as fault:
            faults.append(str(fault))
    moves = [
        candle.open_time_ms
        for previous, candle in pairwise(candles)
        if previous.close > 0 and is_large_move(previous.close, candle.close)
    ]
    return SeriesVerdict(key, len(candles), faults, series_gaps(store, key), moves)


def _damaged(cache_dir: Path, key: SeriesKey) -> set[Path]:
    return set(cache_dir.glob(f"{key.file_stem}.parquet.damaged-*"))
