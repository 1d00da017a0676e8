"""The bars of one higher timeframe, kept up as base candles close: each is made once.

A new base candle costs nothing until it completes a bar; then its few base rows are looked at.
A correction throws away only the bars from the corrected one on.
"""

from __future__ import annotations

from collections.abc import Iterable

from core.market_data.columns import CandleRing, Columns
from core.market_data.integrity import Range
from core.market_data.resampling import bar_open_ms, check_resampling, resample
from core.models.candles import Timeframe

MAX_HIGHER_MEMORY = 500  # averages over 100 bars have forgotten their beginning by then


class HigherBars:
    def __init__(self, base: Timeframe, target: Timeframe, day_offset_ms: int) -> None:
        """Raises ValueError when `target` cannot be made of whole `base` bars."""
        check_resampling(base, target)
        self._base = base
        self._target = target
        self._day_offset_ms = day_offset_ms
        self._ring = CandleRing(MAX_HIGHER_MEMORY)
        self._next_ms: int | None = None  # base candles from here on are in no bar yet

    @property
    def ring(self) -> CandleRing:
        return self._ring

    @property
    def next_ms(self) -> int | None:
        """Base candles before this are used up; None before the first bars are made."""
        return self._next_ms

    @property
    def base_rows_at_most(self) -> int:
        """Base candles that a full set of bars is made of."""
        return (MAX_HIGHER_MEMORY + 1) * base_bars_at_most(self._base, self._target)

    def closed_until_ms(self, newest_base_ms: int) -> int:
        """No bar that opens here or later is complete when this base candle is the newest."""
        end_ms = newest_base_ms + self._base.duration_ms
        return bar_open_ms(end_ms, self._target, self._day_offset_ms)

    def is_due(self, newest_base_ms: int) -> bool:
        """Whether that base candle has completed a bar that is not made yet."""
        return self._next_ms is None or self._next_ms < self.closed_until_ms(newest_base_ms)

    def add(self, base: Columns, empty: Iterable[Range]) -> None:
        """Make the bars of these base candles: all from `next_ms` on, the newest included."""
        bars = resample(base, self._base, self._target, empty, day_offset_ms=self._day_offset_ms)
        self._ring.extend(bars)
        if base.rows:
            self._next_ms = self.closed_until_ms(int(base.open_time_ms[-1]))

    def changed_from(self, open_time_ms: int) -> None:
        """A base candle there has changed, or is known to be missing: make its bar, and those
        that follow, again."""
        if self._next_ms is None:
            return
        bar_ms = bar_open_ms(open_time_ms, self._target, self._day_offset_ms)
        times = self._ring.open_times_ms
        if bar_ms >= self._next_ms or (len(times) == MAX_HIGHER_MEMORY and bar_ms < times[0]):
            return
        reaches_back = len(times) == 0 or bar_ms < times[0]
        self._next_ms = None if reaches_back else bar_ms
        self._ring.drop_from(bar_ms)


def base_bars_at_most(base: Timeframe, target: Timeframe) -> int:
    """Base bars in the longest bar of `target`."""
    longest_ms = 31 * Timeframe.D1.duration_ms if target is Timeframe.MONTH else target.duration_ms
    return longest_ms // base.duration_ms
