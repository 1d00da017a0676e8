"""Grid, axes and the lines between panes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, tzinfo

import numpy as np
from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QPainter, QPen, QRegion
from PyQt6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from ui import fonts, theme
from ui.charts import primitives
from ui.charts.pane import Pane, PanePart
from ui.charts.primitives import TAG_HEIGHT, RectBatch, Tag
from ui.charts.scales import TimeTick
from ui.charts.series import CandleSeries

AXIS_WIDTH = 76
TIME_AXIS_HEIGHT = 26
_LABEL_INSET = 9
_TAG_INSET = 3
_LABEL_CLEARANCE_PX = 17


class SceneItem(QGraphicsItem):
    """Base of what is drawn beside the panes: a rectangle of the scene, in its own pixels."""

    def __init__(self) -> None:
        super().__init__()
        self._rect = QRectF(0, 0, 1, 1)
        self._exposed: QRegion | None = None

    def place(self, rect: QRectF) -> None:
        self.prepareGeometryChange()
        self.setPos(rect.topLeft())
        self._rect = QRectF(0, 0, rect.width(), rect.height())

    def expose(self, region: QRegion) -> None:
        """What of the scene the next paint is about: Qt tells an item no more than the rectangle
        around all of it."""
        self._exposed = region.translated(-self.pos().toPoint())

    def is_exposed(self, rect: QRectF) -> bool:
        """Whether anything of `rect` (own px) is painted now."""
        return self._exposed is None or self._exposed.intersects(rect.toAlignedRect())

    def boundingRect(self) -> QRectF:
        return self._rect

    def paint(
        self,
        painter: QPainter | None,
        _option: QStyleOptionGraphicsItem | None,
        _widget: QWidget | None = None,
    ) -> None:
        if painter is not None and self._rect.width() > 0 and self._rect.height() > 0:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            self.draw(painter)

    def draw(self, painter: QPainter) -> None:
        raise NotImplementedError


class GridPart(PanePart):
    """Horizontal at every round value, vertical at the labelled times; one draw call."""

    def __init__(self, pane: Pane, series: CandleSeries, dashed: tuple[float, ...] = ()) -> None:
        super().__init__(pane, series)
        self.values: list[float] = []
        self.ticks: list[TimeTick] = []
        self.dashed = dashed
        self._batch = RectBatch()

    def draw(self, painter: QPainter, exposed: QRectF) -> None:
        left, width, height = exposed.left(), exposed.width(), self.pane.height_px
        across = [round(self.pane.y_of(v)) for v in self.values if v not in self.dashed]
        down = [int(self.pane.x_of(tick.slot)) for tick in self.ticks]
        x = np.array([left] * len(across) + down, np.float64)
        y = np.array(across + [0] * len(down), np.float64)
        is_across = np.arange(x.size) < len(across)
        self._batch.fill(
            painter,
            theme.color("grid"),
            x=x,
            y=y,
            width=np.where(is_across, width, 1.0),
            height=np.where(is_across, 1.0, height),
        )
        for value in self.dashed:
            level = round(self.pane.y_of(value))
            color = theme.color("line2")
            primitives.hline(painter, color, left=0, right=exposed.right(), y=level, style="fine")


class BandPart(PanePart):
    """The tinted band of an oscillator, 30 to 70."""

    def __init__(self, pane: Pane, series: CandleSeries, low: float, high: float) -> None:
        super().__init__(pane, series)
        self._low, self._high = low, high

    def draw(self, painter: QPainter, exposed: QRectF) -> None:
        top, bottom = self.pane.y_of(self._high), self.pane.y_of(self._low)
        painter.fillRect(
            QRectF(exposed.left(), round(top), exposed.width(), round(bottom - top)),
            theme.color("accent", 0.05),
        )


@dataclass(frozen=True, slots=True)
class AxisLabel:
    """`y` in px of the pane."""

    y: float
    text: str


class PriceAxis(SceneItem):
    """Labels and tags of one pane; a label too near to a tag gives way to it."""

    def __init__(self) -> None:
        super().__init__()
        self.labels: list[AxisLabel] = []
        self.tags: list[Tag] = []
        self.cursor_tag: Tag | None = None
        self._placed: list[Tag] = []  # where there is room for them

    def place(self, rect: QRectF) -> None:
        super().place(rect)
        self._placed = self._placed_tags()

    def set_tags(self, tags: list[Tag]) -> None:
        """Paints again only where a tag has come, gone or changed: that is every tick."""
        if tags == self.tags:
            return
        former, self.tags = self._placed, tags
        self._placed = self._placed_tags()
        changed = set(former) ^ set(self._placed)
        reach = _LABEL_CLEARANCE_PX + TAG_HEIGHT
        for tag in changed:
            room = QRectF(0, tag.y - reach, self._rect.width(), tag.height + 2 * reach)
            self.update(room & self._rect)

    def _placed_tags(self) -> list[Tag]:
        height = self._rect.height()
        return _spread([t for t in self.tags if 0 <= t.y <= height], height)

    def draw(self, painter: QPainter) -> None:
        height, width = self._rect.height(), self._rect.width()
        tags = self._placed
        shown = tags if self.cursor_tag is None else [*tags, self.cursor_tag]
        for label in self.labels:
            if not self.is_exposed(QRectF(0, label.y - 8, width, 16)):
                continue
            if not 8 <= label.y <= height - 6 or any(_hides(tag, label.y) for tag in shown):
                continue
            ink = theme.color("t2")
            primitives.draw_text(
                painter, _LABEL_INSET, label.y, label.text, ink, weight=fonts.REGULAR
            )
        for tag in shown:
            width = max(
                AXIS_WIDTH - 3 * _TAG_INSET - 1,
                primitives.text_width(tag.text, weight=fonts.SEMIBOLD) + 12,
            )
            primitives.draw_tag(painter, _TAG_INSET, width, tag.y, tag)


def _hides(tag: Tag, y: float) -> bool:
    return tag.y - _LABEL_CLEARANCE_PX < y < tag.y + _LABEL_CLEARANCE_PX + tag.height - TAG_HEIGHT


def _row(tags: list[Tag], top: float, bottom: float) -> list[Tag] | None:
    """`tags` (from the top) with their middles inside `top`..`bottom`, down until they are apart,
    then up where that went too far; None where they do not fit."""
    if tags and (len(tags) - 1) * TAG_HEIGHT > bottom - top:
        return None
    places: list[float] = []
    for tag in tags:
        places.append(max(tag.y, places[-1] + TAG_HEIGHT if places else top))
    for index in reversed(range(len(places))):
        most = places[index + 1] - TAG_HEIGHT if index + 1 < len(places) else bottom
        places[index] = min(places[index], most)
    return [replace(tag, y=y) for tag, y in zip(tags, places, strict=True)]


def _spread(tags: list[Tag], height: float) -> list[Tag]:
    """Moves outlined tags apart, in the order of their prices where there is room for it, else
    each to the nearest free place; the filled one (last price) stays."""
    highest, lowest = TAG_HEIGHT / 2, height - TAG_HEIGHT / 2
    outlined = sorted((t for t in tags if not t.is_filled), key=lambda t: t.y)
    fixed = next((t for t in tags if t.is_filled), None)
    if fixed is None:
        rows = [_row(outlined, highest, lowest)]
    else:
        above = [t for t in outlined if t.y <= fixed.y]
        below = outlined[len(above) :]
        rows = [
            _row(above, highest, fixed.y - TAG_HEIGHT),
            _row(below, fixed.y + fixed.height, lowest),
        ]
    if all(row is not None for row in rows):
        return [*([fixed] if fixed else []), *(tag for row in rows for tag in row or [])]
    placed = [fixed] if fixed else []
    for tag in outlined:
        wanted = min(max(tag.y, highest), lowest)
        blocked = [(other.y - TAG_HEIGHT, other.y + other.height) for other in placed]
        places = [wanted, *(edge for pair in blocked for edge in pair)]
        free = [y for y in places if not any(top < y < bottom for top, bottom in blocked)]
        inside = [y for y in free if highest <= y <= lowest]
        y = min(inside or free, key=lambda y: abs(y - wanted))
        placed.append(replace(tag, y=y))
    return placed


class TimeAxis(SceneItem):
    """Times of `zone` under the panes and the crosshair's own."""

    def __init__(self) -> None:
        super().__init__()
        self.zone: tzinfo = UTC
        self.labels: list[tuple[float, str, bool]] = []
        self.cursor_label: tuple[float, str] | None = None

    def draw(self, painter: QPainter) -> None:
        if not self.is_exposed(self._rect):
            return
        middle = self._rect.height() / 2
        blocked: tuple[float, float] | None = None
        cursor_width = 0.0
        if self.cursor_label is not None:
            cursor_width = round(primitives.text_width(self.cursor_label[1]) + 20)
            left = min(max(0.0, self.cursor_label[0] - cursor_width / 2), self._rect.width())
            blocked = (round(left), round(left) + cursor_width)
        for x, text, is_major in self.labels:
            weight = fonts.SEMIBOLD if is_major else fonts.REGULAR
            width = primitives.text_width(text, weight=weight)
            left = x - width / 2
            if left < 0 or left + width > self._rect.width():
                continue
            if blocked is not None and left + width > blocked[0] - 4 and left < blocked[1] + 4:
                continue
            ink = theme.color("t1" if is_major else "t2")
            primitives.draw_text(painter, left, middle, text, ink, weight=weight)
        if self.cursor_label is not None and blocked is not None:
            plate = QRectF(blocked[0], round(middle - TAG_HEIGHT / 2), cursor_width, TAG_HEIGHT)
            primitives.rounded(painter, plate, 3, theme.color("tag"), None)
            primitives.draw_text(
                painter, plate.left() + 10, middle, self.cursor_label[1], theme.color("#FFFFFF")
            )


class FrameItem(SceneItem):
    """Hairlines: under every pane, and left of the price axis; the ring of the keyboard's focus."""

    def __init__(self) -> None:
        super().__init__()
        self.has_ring = False
        self.rows: list[float] = []
        self.axis_x = 0.0

    def draw(self, painter: QPainter) -> None:
        color = theme.color("line")
        for y in self.rows:
            painter.fillRect(QRectF(0, round(y), self._rect.width(), 1), color)
        bottom = self.rows[-1] if self.rows else self._rect.height()
        painter.fillRect(QRectF(round(self.axis_x), 0, 1, bottom), color)
        if self.has_ring:
            painter.setPen(QPen(theme.color("accent"), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self._rect.adjusted(1, 1, -1, -1))


class ScaleCorner(SceneItem):
    """A (auto), L (log), % in the corner of the two axes."""

    KEYS = ("A", "L", "%")
    _CELL = 22.0

    def __init__(self) -> None:
        super().__init__()
        self.active: frozenset[str] = frozenset()

    def key_at(self, x: float) -> str | None:
        """Which key is at `x` (px of this item)."""
        index = int((x - 4) // self._CELL)
        return self.KEYS[index] if 0 <= index < len(self.KEYS) and x >= 4 else None

    def draw(self, painter: QPainter) -> None:
        if not self.is_exposed(self._rect):
            return
        middle = self._rect.height() / 2
        for index, key in enumerate(self.KEYS):
            cell = QRectF(4 + index * self._CELL, round(middle - 9), self._CELL - 2, 18)
            is_on = key in self.active
            if is_on:
                primitives.rounded(painter, cell, 3, theme.color("e2"), None)
            weight = fonts.SEMIBOLD if is_on else fonts.REGULAR
            width = primitives.text_width(key, weight=weight)
            primitives.draw_text(
                painter,
                cell.center().x() - width / 2,
                middle,
                key,
                theme.color("t1" if is_on else "t3"),
                weight=weight,
            )
