"""Equity curve with its drawdown pane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, timedelta, tzinfo

import numpy as np
from PyQt6.QtCore import QEvent, QPointF, QRectF, Qt
from PyQt6.QtGui import QLinearGradient, QMouseEvent, QPainter, QPaintEvent
from PyQt6.QtWidgets import QWidget
from pyqtgraph import arrayToQPath

from ui import fonts, formatting, theme, zones
from ui.charts import primitives
from ui.charts.scales import date_label, decimals_of, round_values
from ui.charts.series import Floats
from ui.i18n import tr

_AXIS_PX = 76
_TIME_PX = 26
_INSET = 12
_DRAWDOWN_SHARE = 0.18
_LABEL_PITCH = 14  # of 0 % and the deepest, however low the pane
_DAY_MS = 86_400_000
_LABEL_PX = 150


class EquityChart(QWidget):
    """`set_curve` takes (ms UTC, equity), oldest first; what is not finite is left out."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._all_times: Floats = np.empty(0)
        self._all_values: Floats = np.empty(0)
        self._times = self._all_times
        self._values = self._all_values
        self._drawdown = self._all_values
        self._days: int | None = None
        self._currency = "USDT"
        self._mouse_x: float | None = None
        self._zone: tzinfo = UTC
        self.setMouseTracking(True)
        self.setMinimumSize(160, 100)
        theme.changed.connect(self.update)

    @property
    def peak(self) -> tuple[int, float] | None:
        """(ms UTC, equity) of the highest point in range; None without points."""
        if self._values.size == 0:
            return None
        row = int(np.argmax(self._values))
        return int(self._times[row]), float(self._values[row])

    def set_zone(self, zone: tzinfo) -> None:
        """Whose days and hours the axis names."""
        self._zone = zone
        self.update()

    def set_curve(self, points: Sequence[tuple[int, float]], currency: str = "USDT") -> None:
        self._currency = currency
        known = [(t, v) for t, v in points if math.isfinite(v)]
        self._all_times = np.array([t for t, _ in known], np.float64)
        self._all_values = np.array([v for _, v in known], np.float64)
        self._choose()

    def set_range(self, days: int | None) -> None:
        """Shows the newest `days` days; None shows all."""
        self._days = days
        self._choose()

    def _choose(self) -> None:
        self._times, self._values = self._all_times, self._all_values
        peaks = np.maximum.accumulate(self._all_values)
        with np.errstate(divide="ignore", invalid="ignore"):
            drawdown = np.where(peaks > 0, self._all_values / peaks - 1, 0.0)
        self._drawdown = drawdown
        if self._days is not None and self._times.size:
            span_ms = timedelta(days=self._days) / timedelta(milliseconds=1)
            keep = self._times >= self._times[-1] - span_ms
            self._times, self._values = self._times[keep], self._values[keep]
            self._drawdown = drawdown[keep]
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is not None:
            self._mouse_x = event.position().x()
            self.update()

    def leaveEvent(self, event: QEvent | None) -> None:
        super().leaveEvent(event)
        self._mouse_x = None
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: ARG002
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.color("e1"))
        height = self.height() - _TIME_PX
        split = round(height * (1 - _DRAWDOWN_SHARE))
        plot = QRectF(_INSET, 0, max(1, self.width() - _INSET - _AXIS_PX), max(1, split))
        below = QRectF(plot.left(), split, plot.width(), max(1, height - split))
        if self._values.size == 0:
            text = tr("No equity recorded yet")
            x = (self.width() - primitives.text_width(text, 12)) / 2
            primitives.draw_text(painter, x, self.height() / 2, text, theme.color("t2"), px=12)
        else:
            self._paint_curve(painter, plot)
            self._paint_drawdown(painter, below)
            self._paint_times(painter, plot, height)
            self._paint_cursor(painter, plot, height)
        for y in (split, height):
            painter.fillRect(0, y, self.width(), 1, theme.color("line"))
        painter.end()

    def _x(self, area: QRectF) -> Floats:
        first, last = float(self._times[0]), float(self._times[-1])
        if last <= first:
            return np.full(self._times.size, area.right())
        return area.left() + (self._times - first) / (last - first) * (area.width() - 4)

    def _paint_curve(self, painter: QPainter, area: QRectF) -> None:
        low, high = float(self._values.min()), float(self._values.max())
        span = (high - low) or max(abs(high) * 0.01, 1.0)
        bottom, top = low - span * 0.12, high + span * 0.12
        per_unit = area.height() / (top - bottom)
        y = area.top() + (top - self._values) * per_unit
        ticks = round_values(bottom, top, area.height())
        places = decimals_of(ticks[1] - ticks[0], 2) if len(ticks) > 1 else 2
        last_y = float(y[-1])
        for value in ticks:
            row = area.top() + (top - value) * per_unit
            painter.fillRect(QRectF(area.left(), round(row), area.width(), 1), theme.color("grid"))
            if abs(row - last_y) > 17 and 8 < row < area.bottom() - 6:
                self._axis_text(painter, area, row, formatting.axis_money(value, places))
        x = self._x(area)
        hue = theme.color("accent")
        if x.size > 1:
            fill = arrayToQPath(
                np.concatenate(([x[0]], x, [x[-1]])),
                np.concatenate(([area.bottom()], y, [area.bottom()])),
            )
            shade = QLinearGradient(0, float(y.min()), 0, area.bottom())
            shade.setColorAt(0, theme.color("accent", 0.28))
            shade.setColorAt(1, theme.color("accent", 0.0))
            painter.fillPath(fill, shade)
            primitives.polyline(painter, x, y, hue, 1.5)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(hue)
        painter.drawEllipse(QPointF(float(x[-1]), last_y), 3.5, 3.5)
        text = formatting.money(float(self._values[-1]), self._currency)
        width = primitives.text_width(text, weight=fonts.SEMIBOLD) + 12
        tag = primitives.Tag(last_y, text, "afill", True)
        primitives.draw_tag(painter, area.right() + 2, width, last_y, tag)

    def _paint_drawdown(self, painter: QPainter, area: QRectF) -> None:
        deepest = min(float(self._drawdown.min()), -0.001)
        zero, height = area.top() + 12, max(_LABEL_PITCH, area.height() - 30)
        y = zero + self._drawdown / deepest * height
        x = self._x(area)
        if x.size > 1:
            fill = arrayToQPath(
                np.concatenate(([x[0]], x, [x[-1]])), np.concatenate(([zero], y, [zero]))
            )
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
            painter.fillPath(fill, theme.color("down", 0.22))
            primitives.polyline(painter, x, y, theme.color("down"))
        self._axis_text(painter, area, zero, formatting.percent(0, 0, sign=False))
        places = 0 if deepest <= -0.01 else 1
        self._axis_text(painter, area, zero + height, formatting.percent(deepest, places))
        primitives.draw_text(
            painter, area.left(), area.bottom() - 12, tr("Drawdown"), theme.color("t2")
        )

    def _paint_times(self, painter: QPainter, area: QRectF, top: int) -> None:
        first, last = float(self._times[0]), float(self._times[-1])
        count = max(1, int(area.width() / _LABEL_PX))
        is_short = last - first < 2 * _DAY_MS
        for index in range(count + 1):
            wall_ms = zones.shifted_ms(int(first + (last - first) * index / count), self._zone)
            text = f"{formatting.utc(wall_ms):%H:%M}" if is_short else date_label(wall_ms)
            x = area.left() + index / count * area.width()
            x -= primitives.text_width(text) * index / count
            primitives.draw_text(
                painter, x, top + _TIME_PX / 2, text, theme.color("t2"), weight=fonts.REGULAR
            )

    def _paint_cursor(self, painter: QPainter, area: QRectF, bottom: int) -> None:
        if self._mouse_x is None or not area.left() <= self._mouse_x <= area.right():
            return
        x = self._x(area)
        row = int(np.argmin(np.abs(x - self._mouse_x)))
        at = round(float(x[row]))
        painter.setPen(primitives.line_pen(theme.color("t3", 0.6), "fine"))
        painter.drawLine(at, 0, at, bottom)
        time_ms = int(self._times[row])
        money = formatting.money(float(self._values[row]), self._currency)
        wall_ms, name = (
            zones.shifted_ms(time_ms, self._zone),
            zones.abbreviation(time_ms, self._zone),
        )
        text = f"{date_label(wall_ms)} {formatting.utc(wall_ms):%H:%M} {name} · {money}"
        width = primitives.text_width(text) + 16
        left = min(max(area.left(), at - width / 2), area.right() - width)
        plate = QRectF(round(left), 4, round(width), 20)
        primitives.rounded(painter, plate, 3, theme.color("tag"), None)
        primitives.draw_text(painter, left + 8, 14, text, theme.color("#FFFFFF"))

    def _axis_text(self, painter: QPainter, area: QRectF, y: float, text: str) -> None:
        ink = theme.color("t2")
        primitives.draw_text(painter, area.right() + 8, y, text, ink, weight=fonts.REGULAR)
