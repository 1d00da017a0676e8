"""Higher timeframes, always made from the base candles (spec M7), and only from whole ones.

Intraday bars lie on the UTC grid everywhere. Days, weeks and months begin when the exchange's day
does: at 00:00 UTC for most, at midnight of another zone for some (`exchange_days`).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from core.market_data.columns import Columns, FloatArray, IntArray
from core.market_data.integrity import Range
from core.models.candles import Timeframe

_MOST_DECIMALS = 12
_EXACT_IN_FLOAT = 2.0**53


def resample(
    base: Columns,
    base_timeframe: Timeframe,
    target: Timeframe,
    empty: Iterable[Range] = (),
    *,
    day_offset_ms: int = 0,
) -> Columns:
    """Bars of `target` for which every base bar is there or is known not to exist (`empty`).

    A bar still forming, one cut off by the start of the data and one with a hole are left out:
    a strategy never sees a bar that may still change. Volumes are added exactly. `day_offset_ms`
    is how much earlier than 00:00 UTC the day begins (nine hours for midnight in Korea). Raises
    ValueError when `target` cannot be made of whole `base_timeframe` bars.
    """
    check_resampling(base_timeframe, target)
    if target is base_timeframe or base.rows == 0:
        return base
    buckets = bar_opens_ms(base.open_time_ms, target, day_offset_ms)
    starts = np.flatnonzero(np.concatenate(([True], buckets[1:] != buckets[:-1])))
    opens = buckets[starts]
    counts = np.diff(np.append(starts, base.rows))
    step_ms = base_timeframe.duration_ms
    ends_ms = np.array([next_bar_open_ms(int(t), target, day_offset_ms) for t in opens])
    empty_counts = np.zeros(len(opens), dtype=np.int64)
    for first_ms, last_ms in empty:
        inside = slice(
            int(np.searchsorted(ends_ms, first_ms, side="right")),
            int(np.searchsorted(opens, last_ms, side="right")),
        )
        overlap_ms = np.minimum(last_ms + step_ms, ends_ms[inside])
        overlap_ms = overlap_ms - np.maximum(first_ms, opens[inside])
        empty_counts[inside] += np.maximum(overlap_ms, 0) // step_ms
    bars = Columns(
        opens,
        base.open[starts],
        np.maximum.reduceat(base.high, starts),
        np.minimum.reduceat(base.low, starts),
        base.close[starts + counts - 1],
        _exact_sums(base.volume, starts, int(counts.max())),
    )
    return bars.select((counts + empty_counts) * step_ms == ends_ms - opens)


def check_resampling(base: Timeframe, target: Timeframe) -> None:
    """Raises ValueError unless whole `base` bars fill a `target` bar without rest."""
    is_multiple = target.duration_ms % base.duration_ms == 0
    if target is not base and (
        base in (Timeframe.W1, Timeframe.MONTH)
        or not is_multiple
        or target.duration_ms < base.duration_ms
    ):
        raise ValueError(f"{target} bars cannot be made from {base} bars")


def bar_open_ms(time_ms: int, timeframe: Timeframe, day_offset_ms: int = 0) -> int:
    """Open time of the bar that contains `time_ms`, on the exchange's day."""
    offset_ms = _offset_ms(timeframe, day_offset_ms)
    return timeframe.floor_ms(time_ms + offset_ms) - offset_ms


def next_bar_open_ms(time_ms: int, timeframe: Timeframe, day_offset_ms: int = 0) -> int:
    """Open time of the bar after the one that contains `time_ms`, on the exchange's day."""
    offset_ms = _offset_ms(timeframe, day_offset_ms)
    return timeframe.next_open_ms(time_ms + offset_ms) - offset_ms


def bar_opens_ms(times_ms: IntArray, timeframe: Timeframe, day_offset_ms: int = 0) -> IntArray:
    """`bar_open_ms` for an array."""
    offset_ms = _offset_ms(timeframe, day_offset_ms)
    times_ms = times_ms + offset_ms
    if timeframe is Timeframe.MONTH:
        months = times_ms.astype("datetime64[ms]").astype("datetime64[M]")
        return months.astype("datetime64[ms]").astype(np.int64) - offset_ms
    monday_ms = timeframe.floor_ms(0)
    length_ms = timeframe.duration_ms
    return (times_ms - monday_ms) // length_ms * length_ms + monday_ms - offset_ms


def _offset_ms(timeframe: Timeframe, day_offset_ms: int) -> int:
    return day_offset_ms if timeframe.duration_ms >= Timeframe.D1.duration_ms else 0


def _exact_sums(volumes: FloatArray, starts: IntArray, longest: int) -> FloatArray:
    """Sums of the groups that begin at `starts`, as adding the decimals would give them.

    Volumes have few decimals, so they are integers of their smallest unit, and sums of integers
    below 2**53 are exact in any order: a bar kept up candle by candle equals one made at once.
    """
    largest = float(volumes.max())
    for decimals in range(_MOST_DECIMALS + 1):
        scale = 10.0**decimals
        if largest * scale * longest >= _EXACT_IN_FLOAT:
            break
        units = np.rint(volumes * scale)
        if (units / scale == volumes).all():
            sums: FloatArray = np.add.reduceat(units, starts) / scale
            return sums
    return np.add.reduceat(volumes, starts)
