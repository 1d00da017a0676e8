"""Drawing helpers of the charts: many rectangles in one call, text on cap height, tags, pills.

pyqtgraph's `PrimitiveArray` (private, so it is named only here) hands numpy memory to QPainter
without one Python object per rectangle.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PyQt6.QtCore import QLineF, QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QPainter, QPainterPath, QPen
from pyqtgraph.Qt.internals import PrimitiveArray

from ui import fonts, theme
from ui.charts.series import Floats

LABEL_PX = 11
TAG_HEIGHT = 18
PILL_HEIGHT = 20
_DASHES = {"solid": None, "dashed": [4.0, 3.0], "fine": [3.0, 3.0], "dotted": [1.5, 3.0]}

LineStyle = Literal["solid", "dashed", "fine", "dotted"]
_HINT_AA = QPainter.RenderHint.Antialiasing


class RectBatch:
    """Filled pixel rectangles, one draw call for all of them."""

    def __init__(self) -> None:
        self._array = PrimitiveArray(QRectF, 4)

    def fill(
        self,
        painter: QPainter,
        color: QColor,
        *,
        x: Floats,
        y: Floats,
        width: Floats | float,
        height: Floats | float,
    ) -> None:
        """Whole-pixel rectangles; all arguments px, `height` and `width` may be one number."""
        if x.size == 0:
            return
        self._array.resize(x.size)
        memory = self._array.ndarray()
        memory[:, 0] = x
        memory[:, 1] = y
        memory[:, 2] = width
        memory[:, 3] = height
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        painter.drawRects(*self._array.drawargs())


_segments = PrimitiveArray(QLineF, 4)  # drawing is on one thread, and ends before it is used again


def polyline(painter: QPainter, x: Floats, y: Floats, color: QColor, width: float = 1.0) -> None:
    """A smooth line through the points, px; what is not finite breaks it.

    Drawn as segments: Qt strokes a path wider than 1 px ten times slower.
    """
    if x.size < 2:
        return
    known = np.isfinite(y[1:]) & np.isfinite(y[:-1])
    count = int(np.count_nonzero(known))
    if count == 0:
        return
    _segments.resize(count)
    memory = _segments.ndarray()
    memory[:, 0] = x[:-1][known]
    memory[:, 1] = y[:-1][known]
    memory[:, 2] = x[1:][known]
    memory[:, 3] = y[1:][known]
    painter.setRenderHint(_HINT_AA, True)
    painter.setPen(QPen(color, width))  # its square caps close the joints
    painter.drawLines(*_segments.drawargs())
    painter.setRenderHint(_HINT_AA, False)


def line_pen(color: QColor, style: LineStyle = "solid") -> QPen:
    """A 1 px pen for straight lines."""
    pen = QPen(color, 1)
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    pattern = _DASHES[style]
    if pattern is not None:
        pen.setDashPattern(pattern)
    return pen


def hline(
    painter: QPainter,
    color: QColor,
    *,
    left: float,
    right: float,
    y: float,
    style: LineStyle = "solid",
) -> None:
    """A level on whole pixels; dashes are anchored at `left`."""
    if right <= left:
        return
    painter.setPen(line_pen(color, style))
    painter.drawLine(QPointF(left, y + 0.5), QPointF(right, y + 0.5))


@functools.lru_cache(maxsize=2048)
def text_width(text: str, px: int = LABEL_PX, weight: int = fonts.MEDIUM) -> float:
    return fonts.metrics(px, weight).horizontalAdvance(text)


def draw_text(
    painter: QPainter,
    x: float,
    centre_y: float,
    text: str,
    color: QColor,
    *,
    px: int = LABEL_PX,
    weight: int = fonts.MEDIUM,
) -> float:
    """Text from `x`, capitals centred on `centre_y`; returns its width."""
    painter.setFont(fonts.shared(px, weight))
    painter.setPen(color)
    painter.drawText(QPointF(round(x), fonts.baseline(centre_y, px, weight)), text)
    return text_width(text, px, weight)


def rounded(
    painter: QPainter, rect: QRectF, radius: float, fill: QColor | None, border: QColor | None
) -> None:
    """A rounded plate whose border lies inside `rect`."""
    painter.setRenderHint(_HINT_AA, True)
    painter.setBrush(fill if fill is not None else Qt.BrushStyle.NoBrush)
    if border is None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawRoundedRect(rect, radius, radius)
    else:
        painter.setPen(QPen(border, 1))
        painter.drawRoundedRect(rect.adjusted(0.5, 0.5, -0.5, -0.5), radius, radius)
    painter.setRenderHint(_HINT_AA, False)


@dataclass(frozen=True, slots=True)
class Tag:
    """A label on the price axis at `y` (px of its pane).

    Filled tags are white text on `fill`; outlined ones (`fill` None) the hue on e1. `detail` is
    a second line (the countdown).
    """

    y: float
    text: str
    hue: str
    is_filled: bool
    detail: str = ""

    @property
    def height(self) -> int:
        return TAG_HEIGHT + (15 if self.detail else 0)


def draw_tag(painter: QPainter, left: float, width: float, y: float, tag: Tag) -> None:
    """`y` is the level; the first line is centred on it, the second hangs below."""
    top = round(y) - TAG_HEIGHT // 2
    rect = QRectF(left, top, width, tag.height)
    if tag.is_filled:
        rounded(painter, rect, 3, theme.color(tag.hue), None)
        ink = theme.color("#FFFFFF")
    else:
        rounded(painter, rect, 3, theme.color("e1"), theme.color(tag.hue))
        ink = theme.color(tag.hue)
    centre = top + TAG_HEIGHT / 2
    draw_text(painter, left + 6, centre, tag.text, ink, weight=fonts.SEMIBOLD)
    if tag.detail:
        draw_text(painter, left + 6, centre + 14, tag.detail, ink)


def pill_width(name: str, text: str) -> float:
    width = text_width(name, LABEL_PX, fonts.SEMIBOLD) + 14
    if text:
        width += text_width(text, LABEL_PX, fonts.SEMIBOLD) + 14
    return round(width)


def draw_pill(
    painter: QPainter, left: float, y: float, *, name: str, text: str, hue: str, text_hue: str
) -> float:
    """`name` on a ground of `hue`, then `text`; 20 px high, centred on `y`. Returns its width."""
    top = round(y) - PILL_HEIGHT // 2
    name_width = round(text_width(name, LABEL_PX, fonts.SEMIBOLD) + 14)
    width = pill_width(name, text)
    rect = QRectF(left, top, width, PILL_HEIGHT)
    rounded(painter, rect, 4, theme.color("e1"), theme.color(hue))
    path = QPainterPath()
    path.addRoundedRect(rect, 4, 4)
    painter.save()
    painter.setClipRect(QRectF(left, top, name_width, PILL_HEIGHT), Qt.ClipOperation.IntersectClip)
    painter.setRenderHint(_HINT_AA, True)
    painter.fillPath(path, theme.color(hue))
    painter.restore()
    centre = top + PILL_HEIGHT / 2
    draw_text(painter, left + 7, centre, name, theme.color("e1"), weight=fonts.SEMIBOLD)
    if text:
        ink = theme.color(text_hue)
        draw_text(painter, left + name_width + 7, centre, text, ink, weight=fonts.SEMIBOLD)
    return width


def triangle(x: float, tip_y: float, *, points_up: bool, size: float = 12) -> QPainterPath:
    """A marker whose tip is at (x, tip_y), `size` wide."""
    base_y = tip_y + (size * 0.8 if points_up else -size * 0.8)
    path = QPainterPath()
    path.moveTo(x, tip_y)
    path.lineTo(x + size / 2, base_y)
    path.lineTo(x - size / 2, base_y)
    path.closeSubpath()
    return path


def whole(values: Floats) -> Floats:
    """Rounded to whole pixels and kept inside what QPainter's 32-bit coordinates can take."""
    return np.rint(np.clip(values, -100_000.0, 100_000.0))
