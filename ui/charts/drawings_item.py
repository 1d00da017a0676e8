"""Drawings as they are painted, and which of them lies under the mouse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from PyQt6.QtCore import QLineF, QPointF, QRectF, Qt
from PyQt6.QtGui import QPainter, QPen

from ui import formatting, theme
from ui.charts import primitives
from ui.charts.drawings import Anchor, Drawing, DrawingSet
from ui.charts.pane import Pane, PaneItem
from ui.charts.series import CandleSeries
from ui.i18n import tr

FIBONACCI = (0.0, 0.236, 0.382, 0.5, 0.618, 0.786, 1.0)
_HIT_PX = 5.0
_HANDLE_PX = 7.0
_FAR_PX = 100_000.0


class Hit(NamedTuple):
    """`anchor` is the index of the handle, None: the line itself."""

    drawing: Drawing
    anchor: int | None


class DrawingsItem(PaneItem):
    """Attributes: pending (being drawn), measured (a span from one point to another), selected
    (a drawing's id)."""

    z = 22.0

    def __init__(self, pane: Pane, series: CandleSeries) -> None:
        super().__init__(pane, series)
        self.drawings = DrawingSet()
        self.pending: Drawing | None = None
        self.moved: Drawing | None = None  # stands in for the one of its id while it is dragged
        self.measured: tuple[Anchor, Anchor] | None = None
        self.selected: int | None = None
        self.decimals = 2

    def shown(self) -> list[Drawing]:
        """From the back to the front."""
        if self.drawings.is_hidden:
            return []
        moved = self.moved
        return [
            moved if moved is not None and d.drawing_id == moved.drawing_id else d
            for d in self.drawings.drawings
        ]

    def point(self, anchor: Anchor) -> QPointF:
        """px of the pane."""
        x = math.floor(self.pane.x_of(self.series.place_of_time(anchor.time_ms))) + 0.5
        return QPointF(min(max(x, -_FAR_PX), _FAR_PX), self.pane.y_of(anchor.price))

    def anchor(self, point: QPointF) -> Anchor:
        """The time and price under `point`, px of the pane."""
        slot = round(self.pane.slot_at(point.x()))
        return Anchor(self.series.time_of_place(slot), self.pane.value_at(point.y()))

    def hit(self, point: QPointF) -> Hit | None:
        """The topmost drawing within a few px of `point`."""
        for drawing in reversed(self.shown()):
            if drawing.drawing_id == self.selected:
                for index, anchor in enumerate(drawing.anchors):
                    if QLineF(point, self.point(anchor)).length() <= _HANDLE_PX:
                        return Hit(drawing, index)
            if any(_distance(line, point) <= _HIT_PX for line in self._lines(drawing)):
                return Hit(drawing, None)
        return None

    def measure_text(self) -> str:
        """Change, %, bars and time of what is measured; "" when nothing is."""
        if self.measured is None:
            return ""
        start, end = self.measured
        change = end.price - start.price
        sign = "+" if change > 0 else ""
        parts = [f"{sign}{formatting.price(change, self.decimals)}"]
        if start.price > 0:
            parts[0] += f" ({formatting.percent(change / start.price)})"
        bars = self.series.place_of_time(end.time_ms) - self.series.place_of_time(start.time_ms)
        parts.append(tr("{n} bars", n=formatting.number(bars, 0)))
        parts.append(_span(abs(end.time_ms - start.time_ms)))
        return " · ".join(parts)

    def draw(self, painter: QPainter) -> None:
        if not (self.drawings.drawings or self.pending or self.measured):
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        pending = [] if self.pending is None else [self.pending]
        for drawing in (*self.shown(), *pending):
            is_selected = drawing.drawing_id == self.selected
            strength = 0.6 if drawing.kind == "fibonacci" and not is_selected else 1.0
            painter.setPen(QPen(theme.color("accent", strength), 2.0 if is_selected else 1.25))
            painter.drawLines(*self._lines(drawing))
            if drawing.kind == "fibonacci":
                self._write_levels(painter, drawing)
            if is_selected or drawing is self.pending:
                self._draw_handles(painter, drawing.anchors)
        if self.measured is not None:
            self._draw_measured(painter, *self.measured)

    def _lines(self, drawing: Drawing) -> list[QLineF]:
        points = [self.point(anchor) for anchor in drawing.anchors]
        width, height, first = self._rect.width(), self._rect.height(), points[0]
        across = QLineF(0, round(first.y()) + 0.5, width, round(first.y()) + 0.5)
        down = QLineF(first.x(), 0, first.x(), height)
        match drawing.kind:
            case "horizontal":
                return [across]
            case "vertical":
                return [down]
            case "cross":
                return [across, down]
            case "fibonacci":
                return [
                    QLineF(points[0].x(), y, max(width, points[1].x()), y)
                    for y in (round(y) + 0.5 for _, _, y in self._levels(drawing))
                ]
            case _:
                return [QLineF(points[0], points[1])]

    def _levels(self, drawing: Drawing) -> list[tuple[float, float, float]]:
        """(ratio, price, y px) of a retracement: 0 at its end, 1 at its beginning."""
        start, end = (anchor.price for anchor in drawing.anchors)
        prices = ((ratio, end + (start - end) * ratio) for ratio in FIBONACCI)
        return [(ratio, price, self.pane.y_of(price)) for ratio, price in prices]

    def _write_levels(self, painter: QPainter, drawing: Drawing) -> None:
        left = max(4.0, min(self.point(anchor).x() for anchor in drawing.anchors) + 4)
        for ratio, price, y in self._levels(drawing):
            text = f"{ratio:g}  {formatting.price(price, self.decimals)}"
            primitives.draw_text(painter, left, y - 8, text, theme.color("accent"))

    def _draw_handles(self, painter: QPainter, anchors: Sequence[Anchor]) -> None:
        painter.setPen(QPen(theme.color("accent"), 1.5))
        painter.setBrush(theme.color("e1"))
        for anchor in anchors:
            painter.drawEllipse(self.point(anchor), 4.0, 4.0)
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _draw_measured(self, painter: QPainter, start: Anchor, end: Anchor) -> None:
        a, b = self.point(start), self.point(end)
        hue = "up" if end.price >= start.price else "down"
        area = QRectF(a, b).normalized()
        painter.fillRect(area, theme.color(hue, 0.12))
        painter.setPen(QPen(theme.color(hue), 1))
        painter.drawRect(area)
        text = self.measure_text()
        width = primitives.text_width(text) + 16
        left = min(max(4.0, b.x() - width / 2), max(4.0, self._rect.width() - width - 4))
        below = b.y() >= a.y()
        top = b.y() + 6 if below else b.y() - 26
        top = min(max(4.0, top), max(4.0, self._rect.height() - 24))
        plate = QRectF(round(left), round(top), round(width), 20)
        primitives.rounded(painter, plate, 4, theme.color(f"{hue}_fill"), None)
        white = theme.color("#FFFFFF")
        primitives.draw_text(painter, plate.left() + 8, plate.center().y(), text, white)


def _distance(line: QLineF, point: QPointF) -> float:
    """px from `point` to the nearest place on `line`."""
    length = line.length()
    if length < 1e-6:
        return QLineF(line.p1(), point).length()
    along = QPointF.dotProduct(point - line.p1(), line.p2() - line.p1()) / length**2
    return QLineF(point, line.pointAt(min(1.0, max(0.0, along)))).length()


def _span(span_ms: int) -> str:
    """`2 d 6 h`, `45 m`."""
    minutes = span_ms // 60_000
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    said = [tr("{n} d", n=days)] if days else []
    said += [tr("{n} h", n=hours)] if hours else []
    said += [tr("{n} min", n=rest)] if rest or not said else []
    return " ".join(said[:2])
