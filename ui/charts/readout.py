"""The words and numbers around the bars: axis labels, legends, what the crosshair says."""

from __future__ import annotations

import math

from PyQt6.QtCore import QRectF

from ui import formatting
from ui.charts.axes import AxisLabel
from ui.charts.canvas import MACD, PRICE, RSI, ChartCanvas
from ui.charts.overlays import LegendPart
from ui.charts.pane import Pane
from ui.charts.primitives import Tag
from ui.charts.scales import cursor_label, decimals_of, round_values
from ui.charts.series import CandleSeries
from ui.i18n import tr

_RSI_LEVELS = [70.0, 30.0]
_LOG_SPACING_PX = 30.0
_FEW_PX = 28.0


def axis_labels(
    pane: Pane, index: int, decimals: int, percent_base: float | None
) -> tuple[list[float], list[AxisLabel]]:
    """(values for the grid, their labels) of one pane; prices in % of `percent_base` if given."""
    low, high = pane.values
    if index == RSI:
        values = [v for v in _RSI_LEVELS if low < v < high]
        return values, _labelled(pane, values, [formatting.number(v, 0) for v in values])
    if index == MACD:
        values = round_values(low, high, pane.height_px, _FEW_PX)
        places = _step_decimals(values)
        values = [v for v in values if abs(v) < 0.9 * max(abs(low), abs(high))]
        texts = [formatting.price(v, places) if v else "0" for v in values]
        return values, _labelled(pane, values, texts)
    if percent_base is not None and percent_base > 0:
        changes = round_values(low / percent_base - 1, high / percent_base - 1, pane.height_px)
        places = max(0, _step_decimals(changes) - 2)
        values = [percent_base * (1 + change) for change in changes]
        texts = [formatting.percent(change, places) for change in changes]
    else:
        values = round_values(low, high, pane.height_px)
        texts = [formatting.price(value, decimals) for value in values]
    labels, last_y = [], math.inf
    for value, text in zip(values, texts, strict=True):
        y = pane.y_of(value)
        if last_y - y >= _LOG_SPACING_PX:
            labels.append((value, AxisLabel(y, text)))
            last_y = y
    return [value for value, _ in labels], [label for _, label in labels]


def _step_decimals(values: list[float]) -> int:
    return decimals_of(values[1] - values[0]) if len(values) > 1 else 2


def _labelled(pane: Pane, values: list[float], texts: list[str]) -> list[AxisLabel]:
    return [AxisLabel(pane.y_of(value), text) for value, text in zip(values, texts, strict=True)]


def _signed_price(value: float, decimals: int) -> str:
    text = formatting.price(value, decimals)
    return f"+{text}" if value > 0 else text


def legends(
    series: CandleSeries, row: int, decimals: int, *, with_averages: bool
) -> list[list[LegendPart]]:
    """Legend parts of the three panes for one bar; empty lists when there is none."""
    if not 0 <= row < series.size:
        return [[], [], []]

    def value(name: str) -> float:
        return float(series.column(name)[row])

    opened, closed = value("open"), value("close")
    hue = "up" if closed >= opened else "down"
    names = (("O", "open"), ("H", "high"), ("L", "low"), ("C", "close"))
    price = [
        LegendPart(tr(label), formatting.price(value(name), decimals), hue, 10)
        for label, name in names
    ]
    change = (closed - opened) / opened if opened else None
    price.append(LegendPart("", formatting.percent(change), hue, 14))
    price.append(LegendPart(tr("Vol"), formatting.volume(value("volume")), "t1", 14))
    if with_averages:
        for label, name, ink in (("EMA 20", "ema_20", "sand"), ("EMA 60", "ema_60", "t2")):
            price.append(LegendPart(label, formatting.price(value(name), decimals), ink))
    rsi = [LegendPart("", "RSI 14", "t2", 16), LegendPart("", _one(value("rsi_14")), "accent")]
    places = min(decimals + 1, 9) if abs(closed) < 10 else 1
    macd = [LegendPart("", "MACD 12 26 9", "t2", 10)]
    histogram = value("macd_histogram")
    macd_hue = "up" if histogram >= 0 else "down"
    for number, ink in (
        (histogram, macd_hue),
        (value("macd"), "t1"),
        (value("macd_signal"), "sand"),
    ):
        macd.append(LegendPart("", _signed_price(number, places), ink, 10))
    return [price, rsi, macd]


def _one(value: float) -> str:
    return formatting.number(value, 1)


def move_crosshair(canvas: ChartCanvas, series: CandleSeries, decimals: int) -> None:
    """Lines and axis labels at the mouse: x snaps to the bar, y is free."""
    vertical, horizontal = canvas.cross
    is_on = canvas.cursor is not None and series.size > 0
    vertical.setVisible(is_on)
    horizontal.setVisible(is_on)
    for axis in canvas.price_axes:
        if axis.cursor_tag is not None:
            axis.cursor_tag = None
            axis.update()
    if canvas.time_axis.cursor_label is not None:
        canvas.time_axis.cursor_label = None
        canvas.time_axis.update()
    if not is_on or canvas.cursor is None:
        return
    x, y = canvas.cursor.x(), canvas.cursor.y()
    index = canvas.pane_at(y)
    pane = canvas.panes[index]
    slot = round(pane.slot_at(x))
    snapped = float(int(pane.x_of(slot)))
    vertical.setVisible(0 <= snapped <= canvas.plot_width)
    vertical.place(QRectF(snapped, 0, 1, canvas.frame.rows[-1]))
    horizontal.place(QRectF(0, round(y), canvas.plot_width, 1))
    value = pane.value_at(round(y) - pane.geometry().top())
    text = formatting.price(value, decimals) if index == PRICE else _one(value)
    axis = canvas.price_axes[index]
    axis.cursor_tag = Tag(round(y) - pane.geometry().top(), text, "tag", True)
    axis.update()
    time_ms = series.time_of_slot(slot)
    if time_ms is not None:
        label = cursor_label(time_ms, series.duration_ms)
        canvas.time_axis.cursor_label = (snapped, label)
        canvas.time_axis.update()
