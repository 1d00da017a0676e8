"""What a candle must satisfy before it is believed, and which candles a series lacks.

Everything here is pure: the exchange is asked elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

import numpy as np

from core.market_data.columns import IntArray
from core.models.candles import Candle, SeriesKey, Timeframe

LARGE_MOVE_RATIO = Decimal("0.5")
_MAX_INTEGER_DIGITS = 20  # with 18 decimals: the 38 digits of a Parquet decimal
_MAX_DECIMALS = 18
_PLAIN_DIGITS = 18  # characters: no number so short has too many digits on either side
_ZERO = Decimal(0)
_GRID_MS = {t: t.duration_ms for t in Timeframe if t.duration_ms <= Timeframe.D1.duration_ms}

Range = tuple[int, int]  # open times of the first and the last bar, both inclusive, ms UTC


class BadCandle(ValueError):
    """A candle that cannot be true; the text is one sentence for the trader."""


def check_candle(key: SeriesKey, candle: Candle) -> None:
    """Raises BadCandle unless prices are positive, high and low enclose open and close, the
    volume is not negative and the open time lies on the timeframe's grid."""
    if not _is_plainly_sound(key, candle):
        _check_each(key, candle)


def _is_plainly_sound(key: SeriesKey, candle: Candle) -> bool:
    """True for all but one in a million of real candles; False proves nothing. A batch of a
    hundred symbols is checked while the disk is waited for, so this is worth its lines."""
    low, high, volume = candle.low, candle.high, candle.volume
    step_ms = _GRID_MS.get(key.timeframe)
    if step_ms is None or candle.open_time_ms % step_ms:
        return False
    try:
        is_ordered = _ZERO < low <= candle.open <= high and low <= candle.close <= high
        if not (is_ordered and volume >= _ZERO):
            return False
    except InvalidOperation:  # not a number
        return False
    return all(
        len(digits) < _PLAIN_DIGITS and "E" not in digits and "I" not in digits
        for digits in (
            str(candle.open),
            str(high),
            str(low),
            str(candle.close),
            str(volume),
        )
    )


def _check_each(key: SeriesKey, candle: Candle) -> None:
    prices = (candle.open, candle.high, candle.low, candle.close)
    for value in (*prices, candle.volume):
        if not value.is_finite():
            raise BadCandle(_sentence(key, candle, f"{value} is not a number"))
        exponent = value.as_tuple().exponent
        assert isinstance(exponent, int)  # finite
        if value.adjusted() >= _MAX_INTEGER_DIGITS or exponent < -_MAX_DECIMALS:
            raise BadCandle(_sentence(key, candle, f"{value} has more digits than are stored"))
    if min(prices) <= 0:
        raise BadCandle(_sentence(key, candle, f"price {min(prices)} is not above zero"))
    if candle.high != max(prices):
        raise BadCandle(_sentence(key, candle, f"high {candle.high} is below {max(prices)}"))
    if candle.low != min(prices):
        raise BadCandle(_sentence(key, candle, f"low {candle.low} is above {min(prices)}"))
    if candle.volume < 0:
        raise BadCandle(_sentence(key, candle, f"volume {candle.volume} is negative"))
    if key.timeframe.floor_ms(candle.open_time_ms) != candle.open_time_ms:
        raise BadCandle(_sentence(key, candle, f"no {key.timeframe} bar opens at that time"))


def is_large_move(previous_close: Decimal, close: Decimal) -> bool:
    """More than 50 % from one close to the next: kept, but the trader should look (spec M7)."""
    return abs(close - previous_close) > previous_close * LARGE_MOVE_RATIO


def missing_ranges(
    present_ms: IntArray, empty: Iterable[Range], first_ms: int, last_ms: int, step_ms: int
) -> list[Range]:
    """Bars of the grid `first_ms`..`last_ms` that are neither present nor known to be empty.

    `present_ms` is sorted, and `empty` lies on the grid. Ranges come oldest first and never touch
    each other. The cost depends on what is there, not on how long the range is.
    """
    if last_ms < first_ms:
        return []
    inside = present_ms[(present_ms >= first_ms) & (present_ms <= last_ms)]
    edges = np.concatenate(([first_ms - step_ms], inside, [last_ms + step_ms]))
    before = np.flatnonzero(np.diff(edges) > step_ms)
    starts, ends = (edges[before] + step_ms).tolist(), (edges[before + 1] - step_ms).tolist()
    known = sorted(empty)
    at = 0
    missing: list[Range] = []
    for start_ms, end_ms in zip(starts, ends, strict=True):
        while at < len(known) and known[at][0] <= end_ms and start_ms <= end_ms:
            empty_start_ms, empty_end_ms = known[at]
            if empty_start_ms > start_ms:
                missing.append((start_ms, empty_start_ms - step_ms))
            start_ms = max(start_ms, empty_end_ms + step_ms)  # noqa: PLW2901 (what is left)
            if empty_end_ms <= end_ms:  # else it reaches into the next gap
                at += 1
        if start_ms <= end_ms:
            missing.append((start_ms, end_ms))
    return missing


def coalesced(gaps: Iterable[Range], step_ms: int, most_bars: int) -> list[Range]:
    """Gaps that lie close together as one range of at most `most_bars`: one request fills many.
    A gap longer than that is a range of its own. `gaps` come oldest first."""
    ranges: list[Range] = []
    for first_ms, last_ms in gaps:
        if ranges and (last_ms - ranges[-1][0]) // step_ms < most_bars:
            ranges[-1] = (ranges[-1][0], last_ms)
        else:
            ranges.append((first_ms, last_ms))
    return ranges


def _sentence(key: SeriesKey, candle: Candle, fault: str) -> str:
    return f"{key.exchange} {key.symbol} {key.timeframe} bar {candle.open_time_ms}: {fault}."
