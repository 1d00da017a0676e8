"""Which values a pane shows when its scale is automatic."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ui.charts.pane import Pane
from ui.charts.scales import finite_range
from ui.charts.series import CandleSeries

_TOP_PX = 52.0  # the legend's room
_BOTTOM_SHARE = 0.15  # the volume's room under the candles
_LEVEL_BOTTOM_SHARE = 0.11  # a stop line may stand a little lower
_MOST_STRETCH = 2.5  # levels that would flatten the candles more than this are left out
_RSI_LOW, _RSI_HIGH = 9.0, 91.0


def fit(panes: Sequence[Pane], series: CandleSeries, prices: Sequence[float], tick: float) -> None:
    """Sets y of the price, RSI and MACD panes from the bars in view, where auto is on.

    `prices` are levels to keep in view when they are near; `tick` is the least span.
    """
    price, rsi, macd = panes
    first, last = series.rows(*price.slots)
    if first >= last:
        return
    if price.is_auto:
        lows, highs = (series.column(name)[first:last] for name in ("low", "high"))
        fit_price(price, (float(lows.min()), float(highs.max())), prices, tick)
    if rsi.is_auto:
        known = finite_range(series.column("rsi_14")[first:last])
        low, high = known if known is not None else (_RSI_LOW, _RSI_HIGH)
        rsi.set_values(min(_RSI_LOW, low - 3), max(_RSI_HIGH, high + 3))
    if macd.is_auto:
        names = ("macd", "macd_signal", "macd_histogram")
        known = finite_range(np.concatenate([series.column(n)[first:last] for n in names]))
        reach = max(abs(known[0]), abs(known[1])) if known is not None else 1.0
        reach = reach * 1.25 or tick
        macd.set_values(-reach, reach)


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
