"""Higher timeframes, always made from the base candles (spec M7), and only from whole ones."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from core.market_data.columns import Columns, IntArray
from core.market_data.integrity import Range
from core.models.candles import Timeframe


def resample(
    base: Columns, base_timeframe: Timeframe, target: Timeframe, empty: Iterable[Range] = ()
) -> Columns:
    """Bars of `target` for which every base bar is there or is known not to exist (`empty`).

    A bar still forming, one cut off by the start of the data and one with a hole are left out:
    a strategy never sees a bar that may still change. Raises ValueError when `target` cannot be
    made of whole `base_timeframe` bars.
    """
    check_resampling(base_timeframe, target)
    if target is base_timeframe or base.rows == 0:
        return base
    buckets = bar_opens_ms(base.open_time_ms, target)
    starts = np.flatnonzero(np.concatenate(([True], buckets[1:] != buckets[:-1])))
    opens = buckets[starts]
    counts = np.diff(np.append(starts, base.rows))
    step_ms = base_timeframe.duration_ms
    lengths_ms = np.array([target.next_open_ms(int(t)) for t in opens]) - opens
    empty_counts = np.zeros(len(opens), dtype=np.int64)
    for first_ms, last_ms in empty:
        overlap_ms = np.minimum(last_ms + step_ms, opens + lengths_ms) - np.maximum(first_ms, opens)
        empty_counts += np.maximum(overlap_ms, 0) // step_ms
    ends = starts + counts - 1
    bars = Columns(
        opens,
        base.open[starts],
        np.maximum.reduceat(base.high, starts),
        np.minimum.reduceat(base.low, starts),
        base.close[ends],
        np.add.reduceat(base.volume, starts),
    )
    return bars.select((counts + empty_counts) * step_ms == lengths_ms)


def check_resampling(base: Timeframe, target: Timeframe) -> None:
    """Raises ValueError unless whole `base` bars fill a `target` bar without rest."""
    is_multiple = target.duration_ms % base.duration_ms == 0
    if target is not base and (
        base in (Timeframe.W1, Timeframe.MONTH)
        or not is_multiple
        or target.duration_ms < base.duration_ms
    ):
        raise ValueError(f"{target} bars cannot be made from {base} bars")


def bar_opens_ms(times_ms: IntArray, timeframe: Timeframe) -> IntArray:
    """`Timeframe.floor_ms` for an array."""
    if timeframe is Timeframe.MONTH:
        months = times_ms.astype("datetime64[ms]").astype("datetime64[M]")
        return months.astype("datetime64[ms]").astype(np.int64)
    offset_ms = timeframe.floor_ms(0)
    return (times_ms - offset_ms) // timeframe.duration_ms * timeframe.duration_ms + offset_ms
