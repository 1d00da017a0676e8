"""The words and numbers around the bars: axis labels, legends, what the crosshair says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PyQt6.QtCore import QRectF

from ui import formatting
from ui.charts.axes import AxisLabel
from ui.charts.canvas import PRICE, ChartCanvas
from ui.charts.overlays import LegendPart
from ui.charts.pane import Pane
from ui.charts.primitives import Tag
from ui.charts.scales import cursor_label, decimals_of, round_values
from ui.charts.series import PRICES, CandleSeries
from ui.charts.studies import Study
from ui.i18n import tr

_LOG_SPACING_PX = 30.0
_FEW_PX = 28.0
_MAGNET_PX = 40.0


def price_labels(
    pane: Pane, decimals: int, percent_base: float | None
) -> tuple[list[float], list[AxisLabel]]:
    """(values for the grid, their labels) of the price pane, in % of `percent_base` if given."""
    low, high = pane.values
    if percent_base is not None and percent_base > 0:
        changes = round_values(low / percent_base - 1, high / percent_base - 1, pane.height_px)
        places = max(0, _step_decimals(changes) - 2)
        values = [percent_base * (1 + change) for change in changes]
        texts = [formatting.percent(change, places) for change in changes]
    else:
        values = round_values(low, high, pane.height_px)
        texts = [formatting.price(value, decimals) for value in values]
    labels: list[tuple[float, AxisLabel]] = []
    for value, text in zip(values, texts, strict=True):
        y = pane.y_of(value)
        if not labels or abs(labels[-1][1].y - y) >= _LOG_SPACING_PX:
            labels.append((value, AxisLabel(y, text)))
    return [value for value, _ in labels], [label for _, label in labels]


def study_labels(pane: Pane, study: Study) -> tuple[list[float], list[AxisLabel]]:
    """As `price_labels`, for the pane of an indicator."""
    low, high = pane.values
    if study.guides:
        values = [v for v in study.guides if low < v < high]
        return values, _labelled(pane, values, [formatting.number(v, 0) for v in values])
    values = round_values(low, high, pane.height_px, _FEW_PX)
    places = _step_decimals(values)
    if study.has_histogram:
        values = [v for v in values if abs(v) < 0.9 * max(abs(low), abs(high))]
    texts = [formatting.price(v, places) if v else "0" for v in values]
    return values, _labelled(pane, values, texts)


def _step_decimals(values: list[float]) -> int:
    return decimals_of(values[1] - values[0]) if len(values) > 1 else 2


def _labelled(pane: Pane, values: list[float], texts: list[str]) -> list[AxisLabel]:
    return [AxisLabel(pane.y_of(value), text) for value, text in zip(values, texts, strict=True)]


def _signed_price(value: float, decimals: int) -> str:
    text = formatting.price(value, decimals)
    return f"+{text}" if value > 0 else text


def price_legend(
    series: CandleSeries, row: int, decimals: int, overlays: Sequence[Study]
) -> list[LegendPart]:
    """One bar in words; empty when there is none."""
    if not 0 <= row < series.size:
        return []

    def value(name: str) -> float:
        return float(series.column(name)[row])

    opened, closed = value("open"), value("close")
    hue = "up" if closed >= opened else "down"
    names = (("O", "open"), ("H", "high"), ("L", "low"), ("C", "close"))
    parts = [
        LegendPart(tr(label), formatting.price(value(name), decimals), hue, 10)
        for label, name in names
    ]
    change = (closed - opened) / opened if opened else None
    parts.append(LegendPart("", formatting.percent(change), hue, 14))
    parts.append(LegendPart(tr("Vol"), formatting.volume(value("volume")), "t1", 14))
    for study in overlays:
        if study.is_hidden:
            parts.append(LegendPart(study.title, "", "t3", study=study))
            continue
        for index, (name, ink) in enumerate(study.inks()):
            label = "" if index else study.title
            text = formatting.price(value(name), decimals)
            parts.append(LegendPart(label, text, ink, study=study))
    return parts


def study_legend(series: CandleSeries, row: int, decimals: int, study: Study) -> list[LegendPart]:
    """An indicator's name and its values on one bar."""
    parts = [LegendPart("", study.title, "t2", 10 if len(study.columns) > 1 else 16, study)]
    if study.is_hidden or not 0 <= row < series.size:
        return parts
    for name, ink in study.inks():
        value = float(series.column(name)[row])
        hue = ink or ("up" if value >= 0 else "down")
        parts.append(LegendPart("", study_text(series, study, value, decimals), hue, 10, study))
    return parts


def study_text(series: CandleSeries, study: Study, value: float, decimals: int) -> str:
    """A value of `study`: an index with one decimal, a difference of prices with its sign."""
    if study.guides:
        return formatting.number(value, 1)
    close = float(series.column("close")[-1]) if series.size else 0.0
    places = min(decimals + 1, 9) if abs(close) < 10 else 1
    return (_signed_price if study.has_histogram else formatting.price)(value, places)


def snapped(pane: Pane, series: CandleSeries, x: float, y: float) -> float:
    """`y` px of the nearest of open, high, low and close of the bar at `x`, where one is near."""
    row = series.row_at(pane.slot_at(x))
    if row is None:
        return y
    at = pane.y_px(np.array([float(series.column(name)[row]) for name in PRICES]))
    nearest = float(at[np.argmin(np.abs(at - y))])
    return nearest if abs(nearest - y) <= _MAGNET_PX else y


def move_crosshair(
    canvas: ChartCanvas,
    series: CandleSeries,
    text_of: Callable[[int, float], str],
    *,
    is_magnetic: bool,
) -> None:
    """Lines and axis labels at the mouse: x snaps to the bar, y to its prices if magnetic.

    `text_of(pane index, value)` writes the value under the cursor.
    """
    is_on = canvas.cursor is not None and series.size > 0
    clear_crosshair(canvas)
    if not is_on or canvas.cursor is None:
        return
    x, y = canvas.cursor.x(), canvas.cursor.y()
    index = canvas.pane_at(y)
    pane = canvas.panes[index]
    if is_magnetic and index == PRICE:
        top = pane.geometry().top()
        y = top + snapped(pane, series, x, y - top)
    horizontal = canvas.cross[1]
    slot = round(pane.slot_at(x))
    show_time(canvas, series, slot)
    horizontal.setVisible(True)
    horizontal.place(QRectF(0, round(y), canvas.plot_width, 1))
    top = pane.geometry().top()
    value = pane.value_at((y if is_magnetic else round(y)) - top)
    axis = canvas.price_axes[index]
    axis.cursor_tag = Tag(round(y) - top, text_of(index, value), "tag", True)
    axis.update()


def clear_crosshair(canvas: ChartCanvas) -> None:
    """No lines, no labels."""
    for line in canvas.cross:
        line.setVisible(False)
    for axis in canvas.price_axes:
        if axis.cursor_tag is not None:
            axis.cursor_tag = None
            axis.update()
    if canvas.time_axis.cursor_label is not None:
        canvas.time_axis.cursor_label = None
        canvas.time_axis.update()


def show_time(canvas: ChartCanvas, series: CandleSeries, slot: int) -> None:
    """The vertical line at one bar, and its time on the axis."""
    vertical = canvas.cross[0]
    x = float(int(canvas.panes[PRICE].x_of(slot)))
    vertical.setVisible(0 <= x <= canvas.plot_width)
    vertical.place(QRectF(x, 0, 1, canvas.frame.rows[-1]))
    time_ms = series.time_of_slot(slot)
    if time_ms is not None:
        canvas.time_axis.cursor_label = (
            x,
            cursor_label(time_ms, series.duration_ms, canvas.time_axis.zone),
        )
        canvas.time_axis.update()
