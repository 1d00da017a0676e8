"""Which values a pane shows when its scale is automatic."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ui.charts.pane import Pane
from ui.charts.scales import finite_range
from ui.charts.series import CandleSeries
from ui.charts.studies import Study

_TOP_PX = 52.0  # the legend's room
_BOTTOM_SHARE = 0.15  # the volume's room under the candles
_LEVEL_BOTTOM_SHARE = 0.11  # a stop line may stand a little lower
_MOST_STRETCH = 2.5  # levels that would flatten the candles more than this are left out
_BEYOND_GUIDES = 0.525  # of the room between them, to either side: 9 to 91 for 30 and 70
_STUDY_ROOM = 0.15


def fit(
    pane: Pane, series: CandleSeries, prices: Sequence[float], tick: float, *, is_smoothed: bool
) -> None:
    """Sets y of the price pane from the bars in view, where auto is on.

    `prices` are levels to keep in view when they are near; `tick` is the least span.
    """
    first, last = series.rows(*pane.slots)
    if first < last and pane.is_auto:
        bars = (series.smoothed if is_smoothed else series.bars)(first, last, pane.group)
        fit_price(pane, (float(bars.low.min()), float(bars.high.max())), prices, tick)


def fit_study(pane: Pane, series: CandleSeries, study: Study, tick: float) -> None:
    """Sets y of an indicator's pane: its guides well inside, a histogram's zero in the middle."""
    first, last = series.rows(*pane.slots)
    if first >= last or not pane.is_auto:
        return
    lines = [series.line(name, first, last, pane.group)[1] for name in study.columns]
    known = finite_range(np.concatenate(lines)) if lines else None
    if study.guides:
        room = (max(study.guides) - min(study.guides)) * _BEYOND_GUIDES
        low, high = min(study.guides) - room, max(study.guides) + room
        if known is not None:
            low, high = min(low, known[0] - room / 7), max(high, known[1] + room / 7)
        pane.set_values(low, high)
        return
    if study.has_histogram:
        reach = max(abs(known[0]), abs(known[1])) * 1.25 if known is not None else 1.0
        pane.set_values(-(reach or tick), reach or tick)
        return
    low, high = known if known is not None else (0.0, 1.0)
    room = (high - low) * _STUDY_ROOM or tick
    pane.set_values(low - room, high + room)


def fit_price(
    pane: Pane, candles: tuple[float, float], prices: Sequence[float], tick: float
) -> None:
    """52 px above the highest, 15 % below the lowest candle, near levels kept in view."""
    low, high = candles
    if high - low < tick:
        middle, half = (high + low) / 2, max(tick * 10, abs(high) * 1e-4)
        low, high = middle - half, middle + half
        if pane.is_log and low <= 0:
            low = high / 2
    near = [p for p in prices if math.isfinite(p) and p > 0]
    if near and max(high, *near) - min(low, *near) > _MOST_STRETCH * (high - low):
        near = []
    height = max(pane.height_px, 1.0)
    top_px = min(_TOP_PX, height * 0.2)
    highest = max([high, *near])
    bounds = [(low, _BOTTOM_SHARE), *((p, _LEVEL_BOTTOM_SHARE) for p in near if p < low)]
    if pane.is_log:
        if low <= 0:
            return
        highest = math.log10(highest)
        bounds = [(math.log10(value), share) for value, share in bounds]
    per_px = max((highest - value) / (height * (1 - share) - top_px) for value, share in bounds)
    pane.set_scaled(highest + top_px * per_px - height * per_px, highest + top_px * per_px)
