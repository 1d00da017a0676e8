"""A pane is a pyqtgraph ViewBox that holds the ranges; what is drawn in it works in pixels.

Nothing hangs below the ViewBox's scaled child group: candles have to stand on whole pixels and
keep 1 px wicks at every zoom, which a scaled painter cannot do. Parts map their numpy columns
with `x_px` and `y_px` and draw only what the exposed rectangle needs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QImage, QPainter, QRegion
from PyQt6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from ui import theme
from ui.charts import primitives
from ui.charts.scales import group_size
from ui.charts.series import CandleSeries, Floats

if TYPE_CHECKING:
    from collections.abc import Sequence


_STALE_OPACITY = 0.4


class Pane(pg.ViewBox):  # type: ignore[misc]
    """One pane: x in slots, y in its own unit (or its log10), both kept finite and not empty."""

    def __init__(self) -> None:
        super().__init__(enableMouse=False, enableMenu=False, defaultPadding=0)
        self.disableAutoRange()
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemIsFocusable, False)
        # Items clip themselves, to a rectangle: pyqtgraph's clip is a path, at twice the cost.
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemClipsChildrenToShape, False)
        self.is_log = False
        self.is_inverted = False
        self.is_auto = True
        self.items: list[PaneItem] = []
        self.width_px = self.height_px = 1.0
        self._left, self._right = 0.0, 1.0
        self._low, self._high = 0.0, 1.0
        self._exposed: QRegion | None = None

    @property
    def slot_px(self) -> float:
        return self.width_px / (self._right - self._left)

    @property
    def group(self) -> int:
        """Slots that share one drawn bar."""
        return group_size(self.slot_px)

    @property
    def slots(self) -> tuple[float, float]:
        return self._left, self._right

    @property
    def values(self) -> tuple[float, float]:
        """Lowest and highest value in view, in the pane's unit."""
        return self._unscaled(self._low), self._unscaled(self._high)

    def add(self, items: Sequence[PaneItem]) -> None:
        for item in items:
            item.setParentItem(self)
            self.items.append(item)

    def remove(self, item: PaneItem) -> None:
        """`item` is no longer drawn."""
        self.items.remove(item)
        item.setParentItem(None)
        scene = item.scene()
        if scene is not None:
            scene.removeItem(item)

    def place(self, rect: QRectF) -> None:
        self.setGeometry(rect)
        self.width_px, self.height_px = float(rect.width()), float(rect.height())
        for item in self.items:
            item.resize(self.rect())

    def expose(self, region: QRegion) -> None:
        """What of the scene the next paint is about: Qt tells an item no more than the rectangle
        around all of it."""
        self._exposed = region.translated(-self.pos().toPoint())

    def is_exposed(self, rect: QRectF) -> bool:
        """Whether anything of `rect` (pane px) is painted now."""
        return self._exposed is None or self._exposed.intersects(rect.toAlignedRect())

    def set_slots(self, left: float, right: float) -> None:
        if (left, right) != (self._left, self._right):
            self._left, self._right = left, right
            self.setXRange(left, right, padding=0)

    def set_values(self, low: float, high: float) -> None:
        """Shows `low`..`high` (the pane's unit); what cannot be shown is widened or ignored."""
        self.set_scaled(self._scaled(low), self._scaled(high))

    @property
    def scaled(self) -> tuple[float, float]:
        """The y range as it is on the axis: log10 of the values when `is_log`."""
        return self._low, self._high

    def set_scaled(self, low: float, high: float) -> None:
        if not (math.isfinite(low) and math.isfinite(high)) or high < low:
            return
        least = max(abs(low), abs(high)) * 1e-12 or 1e-12
        if high - low < least:
            low, high = low - least, high + least
        if (low, high) != (self._low, self._high):  # pyqtgraph paints all of it at every call
            self._low, self._high = low, high
            self.setYRange(low, high, padding=0)

    def set_log(self, is_log: bool) -> None:
        """Switches between linear and log10; what was in view stays about there."""
        low, high = self.values
        self.is_log = is_log
        self.set_values(max(low, high * 1e-6) if is_log else low, high)

    def _scaled(self, value: float) -> float:
        if not self.is_log:
            return value
        return math.log10(value) if value > 0 else -12.0

    def _unscaled(self, value: float) -> float:
        return float(10.0 ** min(value, 300.0)) if self.is_log else value

    def x_px(self, slot: Floats) -> Floats:
        """Centre of each slot, px from the pane's left."""
        return (slot - self._left) * self.slot_px

    def slot_at(self, x_px: float) -> float:
        return self._left + x_px / max(self.slot_px, 1e-9)

    def y_px(self, value: Floats) -> Floats:
        """px from the pane's top; NaN stays NaN."""
        if self.is_log:
            value = np.log10(np.maximum(value, 1e-12))
        from_top = value - self._low if self.is_inverted else self._high - value
        return from_top * (self.height_px / (self._high - self._low))

    def x_of(self, slot: float) -> float:
        return (slot - self._left) * self.slot_px

    def y_of(self, value: float) -> float:
        """As `y_px`, for one value; clipped far outside the pane."""
        scaled = self._scaled(value)
        from_top = scaled - self._low if self.is_inverted else self._high - scaled
        y = from_top * (self.height_px / (self._high - self._low))
        return min(max(y, -100_000.0), 100_000.0)

    def value_at(self, y_px: float) -> float:
        from_top = y_px / max(self.height_px, 1.0) * (self._high - self._low)
        scaled = self._low + from_top if self.is_inverted else self._high - from_top
        return self._unscaled(scaled)


class PanePart:
    """One thing of a pane's picture. Not a graphics item: parts are drawn together by `Layer`."""

    def __init__(self, pane: Pane, series: CandleSeries) -> None:
        self.pane = pane
        self.series = series

    def draw(self, painter: QPainter, exposed: QRectF) -> None:
        """Draws what `exposed` (pane px) needs; the painter is clipped to it."""
        raise NotImplementedError

    def exposed_rows(self, exposed: QRectF) -> tuple[int, int]:
        """Rows under `exposed`, whole groups, with a neighbour at each side."""
        group = self.pane.group
        first = math.floor(self.pane.slot_at(exposed.left()) / group - 1) * group
        last = math.ceil(self.pane.slot_at(exposed.right()) / group + 2) * group - 1
        start, stop = self.series.rows(first, last)
        return max(0, start - 1), min(self.series.size, stop + 1)


class LinePart(PanePart):
    """One indicator as a line."""

    def __init__(
        self,
        pane: Pane,
        series: CandleSeries,
        name: str,
        hue: str,
        *,
        width: float,
        alpha: float = 1.0,
    ) -> None:
        super().__init__(pane, series)
        self.name = name
        self.hue = hue
        self.width = width
        self.alpha = alpha
        self.is_stale = False

    def draw(self, painter: QPainter, exposed: QRectF) -> None:
        first, last = self.exposed_rows(exposed)
        slots, values = self.series.line(self.name, first, last, self.pane.group)
        x = np.floor(self.pane.x_px(slots)) + 0.5
        y = np.clip(self.pane.y_px(values), -100_000.0, 100_000.0)
        look = ("t3", _STALE_OPACITY) if self.is_stale else (self.hue, self.alpha)
        primitives.polyline(painter, x, y, theme.color(*look), self.width)


class PaneItem(QGraphicsItem):
    """Base of what moves by itself: as large as the pane, painted in its pixels."""

    z = 0.0

    def __init__(self, pane: Pane, series: CandleSeries) -> None:
        super().__init__()
        self.pane = pane
        self.series = series
        self._rect = QRectF(0, 0, 1, 1)
        self.setZValue(self.z)

    def resize(self, rect: QRectF) -> None:
        self.prepareGeometryChange()
        self._rect = QRectF(rect)

    def boundingRect(self) -> QRectF:
        return self._rect

    def paint(
        self,
        painter: QPainter | None,
        option: QStyleOptionGraphicsItem | None,
        _widget: QWidget | None = None,
    ) -> None:
        if painter is None or option is None or self._rect.width() < 2 or self._rect.height() < 2:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setClipRect(self._rect, Qt.ClipOperation.IntersectClip)
        self.draw(painter)

    def draw(self, painter: QPainter) -> None:
        """Draws in pane pixels."""
        raise NotImplementedError


class Layer(PaneItem):
    """All parts of a pane in one opaque picture, so that a frame is one copy of pixels.

    The crosshair and the price line cross the whole pane at every move; without the picture
    everything under them would be drawn again. A tick redraws the strip at the newest bar.
    """

    z = 10.0

    def __init__(self, pane: Pane, series: CandleSeries, parts: Sequence[PanePart]) -> None:
        super().__init__(pane, series)
        self.parts = list(parts)
        self._picture = QImage()
        self._is_valid = False

    def invalidate(self) -> None:
        """Everything is drawn again at the next paint."""
        self._is_valid = False
        self.update()

    def forget_picture(self) -> None:
        """Nobody looks: a picture of a whole chart is megabytes, and drawn in milliseconds."""
        self._picture = QImage()
        self._is_valid = False

    def invalidate_at(self, slot: float) -> None:
        """Draws the bar of `slot` again, and the lines that lead to it: what a live tick can
        change. Only the rows that differ then are painted: mostly a few."""
        reach = 1.5 * self.pane.group
        left = math.floor(max(0.0, self.pane.x_of(slot - reach) - 2))
        right = min(math.ceil(self.pane.x_of(slot + reach) + 2), int(self._rect.width()))
        if not self._is_valid or left >= right:
            return
        before = self._pixels(left, right).copy()
        self._render(QRectF(left, 0, right - left, self._rect.height()))
        rows = np.flatnonzero((before != self._pixels(left, right)).any(axis=1))
        if rows.size:
            ratio = self._picture.devicePixelRatio()
            top, bottom = math.floor(rows[0] / ratio), math.ceil((rows[-1] + 1) / ratio)
            self.update(QRectF(left, top, right - left, bottom - top))

    def _pixels(self, left: float, right: float) -> npt.NDArray[np.uint32]:
        """The picture's own between two x, a row for each of its lines."""
        ratio = self._picture.devicePixelRatio()
        colours: npt.NDArray[np.uint8] = pg.functions.ndarray_from_qimage(self._picture)
        return colours.view(np.uint32)[:, int(left * ratio) : math.ceil(right * ratio), 0]

    def resize(self, rect: QRectF) -> None:
        super().resize(rect)
        self._is_valid = False

    def draw(self, painter: QPainter) -> None:
        device = painter.device()
        ratio = device.devicePixelRatio() if device is not None else 1.0
        wanted = (self._rect.size() * ratio).toSize()
        if wanted != self._picture.size() or ratio != self._picture.devicePixelRatio():
            self._picture = QImage(wanted, QImage.Format.Format_RGB32)
            self._picture.setDevicePixelRatio(ratio)
            self._is_valid = False
        if not self._is_valid:
            self._render(self._rect)
            self._is_valid = True
        painter.drawImage(QPointF(0, 0), self._picture)

    def _render(self, area: QRectF) -> None:
        painter = QPainter(self._picture)
        painter.setClipRect(area)
        painter.fillRect(area, theme.color("e1"))
        for part in self.parts:
            part.draw(painter, area)
        painter.end()
