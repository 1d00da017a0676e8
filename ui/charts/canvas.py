"""The drawing surface: three panes with their axes, and what mouse and keys do to the view.

Mouse events are handled here, in widget pixels, and not by pyqtgraph's scene: which part of the
chart was pressed decides everything, and one place that knows it is easier to read than items
that pass events on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pyqtgraph as pg
from PyQt6.QtCore import QEvent, QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QResizeEvent, QTransform, QWheelEvent
from PyQt6.QtWidgets import QGraphicsItem, QGraphicsView

from ui import theme
from ui.charts import axes
from ui.charts.axes import AXIS_WIDTH, TIME_AXIS_HEIGHT
from ui.charts.overlays import CrosshairLine
from ui.charts.pane import Pane
from ui.charts.viewport import Viewport

PRICE, RSI, MACD = 0, 1, 2
_SHARES = (0.66, 0.155, 0.185)
_LEAST_PANE_PX = 40.0
_GRIP_PX = 7
_WHEEL_STEP = 1.15  # zoom per notch

_CURSORS = {
    "plot": Qt.CursorShape.CrossCursor,
    "price_axis": Qt.CursorShape.SizeVerCursor,
    "time_axis": Qt.CursorShape.SizeHorCursor,
    "grip": Qt.CursorShape.SplitVCursor,
    "corner": Qt.CursorShape.PointingHandCursor,
}
_ALT_KEYS: dict[int, str] = {Qt.Key.Key_R: "", Qt.Key.Key_L: "L", Qt.Key.Key_P: "%"}


@dataclass(frozen=True, slots=True)
class _Spot:
    """What lies under the mouse: kind is plot, price_axis, time_axis, grip, corner or none."""

    kind: str
    pane: int = 0


@dataclass(slots=True)
class _Drag:
    spot: _Spot
    x: float
    y: float


class ChartCanvas(pg.GraphicsView):  # type: ignore[misc]
    """Emits `view_changed` when x or y ranges or sizes changed, `cursor_moved` with the mouse."""

    view_changed = pyqtSignal()
    cursor_moved = pyqtSignal()
    scale_key = pyqtSignal(str)
    reset_requested = pyqtSignal()

    def __init__(self) -> None:
        super().__init__(background=None)
        self.setCacheMode(QGraphicsView.CacheModeFlag(0))
        self.setMouseTracking(True)
        self.setMinimumSize(160, 120)
        scene = self.sceneObj
        scene.setItemIndexMethod(scene.ItemIndexMethod.NoIndex)
        self.viewport_model = Viewport()
        self.panes = [Pane() for _ in _SHARES]
        self.price_axes = [axes.PriceAxis() for _ in _SHARES]
        self.time_axis = axes.TimeAxis()
        self.corner = axes.ScaleCorner()
        self.frame = axes.FrameItem()
        self.cross = (CrosshairLine(), CrosshairLine())
        self.cursor: QPointF | None = None
        self._shares = list(_SHARES)
        self._drag: _Drag | None = None
        rest: tuple[QGraphicsItem, ...] = (self.frame, self.time_axis, self.corner)
        for item in (*self.panes, *self.price_axes, *rest):
            scene.addItem(item)
        for line in self.cross:
            line.setZValue(200)
            line.hide()
            scene.addItem(line)

    # Geometry

    @property
    def plot_width(self) -> float:
        return max(1.0, float(self.width() - AXIS_WIDTH))

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        if event is None:  # pyqtgraph's constructor, before our panes exist
            return
        QGraphicsView.resizeEvent(self, event)
        self.lay_out()

    def updateMatrix(self, propagate: bool = True) -> None:  # noqa: ARG002
        """Scene units are widget pixels; pyqtgraph's fit would put everything off the grid."""
        size = self.viewport().size() if self.viewport() is not None else self.size()
        self.setSceneRect(QRectF(0, 0, size.width(), size.height()))
        self.setTransform(QTransform())

    def lay_out(self) -> None:
        """Gives every pane and axis its rectangle, on whole pixels."""
        self.updateMatrix()
        width, height = self.plot_width, float(self.height() - TIME_AXIS_HEIGHT)
        if height < 3:
            return
        edges = [0.0]
        for share in self._shares:
            edges.append(round(edges[-1] + share * height))
        edges[-1] = round(height)
        for index, pane in enumerate(self.panes):
            top, bottom = edges[index], edges[index + 1]
            pane.place(QRectF(0, top, width, max(1.0, bottom - top - 1)))
            self.price_axes[index].place(
                QRectF(width + 1, top, AXIS_WIDTH - 1, max(1.0, bottom - top - 1))
            )
        self.frame.rows = [edge - 1 for edge in edges[1:]]
        self.frame.axis_x = width
        self.frame.place(QRectF(0, 0, self.width(), self.height()))
        self.time_axis.place(QRectF(0, height, width, TIME_AXIS_HEIGHT))
        self.corner.place(QRectF(width, height, AXIS_WIDTH, TIME_AXIS_HEIGHT))
        self.view_changed.emit()

    def reset_scales(self) -> None:
        """Automatic and linear in every pane."""
        for pane in self.panes:
            pane.set_log(False)
            pane.is_auto = True

    def repaint_all(self) -> None:
        self.viewport().update()

    # What is under the mouse

    def _spot(self, position: QPointF) -> _Spot:
        x, y = position.x(), position.y()
        on_axis = x > self.plot_width
        if y >= self.height() - TIME_AXIS_HEIGHT:
            return _Spot("corner" if on_axis else "time_axis")
        for index, edge in enumerate(self.frame.rows[:-1]):
            if abs(y - edge) <= _GRIP_PX / 2:
                return _Spot("grip", index)
        return _Spot("price_axis" if on_axis else "plot", self.pane_at(y))

    def pane_at(self, y: float) -> int:
        """Index of the pane at `y` px."""
        return next((i for i, edge in enumerate(self.frame.rows) if y < edge), MACD)

    # Mouse

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is None or event.button() is not Qt.MouseButton.LeftButton:
            return
        position = event.position()
        spot = self._spot(position)
        if spot.kind == "corner":
            key = self.corner.key_at(position.x() - self.plot_width)
            if key is not None:
                self.scale_key.emit(key)
            return
        self._drag = _Drag(spot, position.x(), position.y())

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and event.button() is Qt.MouseButton.LeftButton:
            self._drag = None

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        if event is None or event.button() is not Qt.MouseButton.LeftButton:
            return
        spot = self._spot(event.position())
        if spot.kind == "price_axis":
            self.panes[spot.pane].is_auto = True
            self.view_changed.emit()
        elif spot.kind == "time_axis":
            self.reset_requested.emit()
        elif spot.kind == "grip":
            self._shares = list(_SHARES)
            self.lay_out()
        else:
            self.mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is None:
            return
        position = event.position()
        if self._drag is not None:
            if event.buttons() & Qt.MouseButton.LeftButton:
                self._drag_to(self._drag, position)
            else:
                self._drag = None
        spot = self._drag.spot if self._drag is not None else self._spot(position)
        self.viewport().setCursor(_CURSORS[spot.kind])
        self._set_cursor(position if self._spot(position).kind == "plot" else None)

    def _drag_to(self, drag: _Drag, position: QPointF) -> None:
        dx, dy = position.x() - drag.x, position.y() - drag.y
        drag.x, drag.y = position.x(), position.y()
        pane = self.panes[drag.spot.pane]
        if drag.spot.kind == "plot":
            self.viewport_model.pan(-dx / max(pane.slot_px, 1e-9))
            if not pane.is_auto:
                low, high = pane.scaled
                move = dy / max(pane.height_px, 1.0) * (high - low)
                pane.set_scaled(low + move, high + move)
        elif drag.spot.kind == "price_axis":
            low, high = pane.scaled
            middle, half = (low + high) / 2, (high - low) / 2 * math.exp(dy / 200)
            pane.is_auto = False
            pane.set_scaled(middle - half, middle + half)
        elif drag.spot.kind == "time_axis":
            self.viewport_model.zoom(math.exp(dx / 200), self.viewport_model.right)
        elif drag.spot.kind == "grip":
            self._move_grip(drag.spot.pane, dy)
            return
        self.view_changed.emit()

    def _move_grip(self, index: int, dy: float) -> None:
        height = float(self.height() - TIME_AXIS_HEIGHT)
        above, below = (self._shares[i] * height for i in (index, index + 1))
        dy = max(_LEAST_PANE_PX - above, min(dy, below - _LEAST_PANE_PX))
        self._shares[index] += dy / height
        self._shares[index + 1] -= dy / height
        self.lay_out()

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        if event is None:
            return
        delta, position = event.angleDelta(), event.position()
        slot_px = max(self.panes[PRICE].slot_px, 1e-9)
        is_shifted = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        sideways = delta.x() + (delta.y() if is_shifted else 0)
        if sideways and abs(sideways) >= abs(delta.y()):
            self.viewport_model.pan(-sideways / 2 / slot_px)
        elif delta.y():
            spot = self._spot(position)
            if spot.kind == "price_axis":
                self._zoom_price(self.panes[spot.pane], delta.y() / 120)
            else:
                anchor = self.panes[PRICE].slot_at(min(position.x(), self.plot_width))
                self.viewport_model.zoom(_WHEEL_STEP ** (delta.y() / 120), anchor)
        event.accept()
        self.view_changed.emit()

    def _zoom_price(self, pane: Pane, notches: float) -> None:
        low, high = pane.scaled
        middle, half = (low + high) / 2, (high - low) / 2 / _WHEEL_STEP**notches
        pane.is_auto = False
        pane.set_scaled(middle - half, middle + half)

    def leaveEvent(self, event: QEvent | None) -> None:
        QGraphicsView.leaveEvent(self, event)
        self._set_cursor(None)

    def _set_cursor(self, position: QPointF | None) -> None:
        self.cursor = position
        self.cursor_moved.emit()

    # Keys

    def focusInEvent(self, event: QFocusEvent | None) -> None:
        QGraphicsView.focusInEvent(self, event)
        by_key = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        self._ring(event is not None and event.reason() in by_key)

    def focusOutEvent(self, event: QFocusEvent | None) -> None:
        QGraphicsView.focusOutEvent(self, event)
        self._ring(False)

    def _ring(self, has_ring: bool) -> None:
        if self.frame.has_ring != has_ring:
            self.frame.has_ring = has_ring
            self.repaint_all()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is None:
            return
        key, held = event.key(), event.modifiers()
        far = 10.0 if held & Qt.KeyboardModifier.ControlModifier else 1.0
        model = self.viewport_model
        middle = (model.left + model.right) / 2
        if held & Qt.KeyboardModifier.AltModifier:
            action = _ALT_KEYS.get(key)
            if action is None:
                event.ignore()
            elif action:
                self.scale_key.emit(action)
            else:
                self.reset_requested.emit()
            return
        if key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            model.pan(far if key == Qt.Key.Key_Right else -far)
        elif key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            model.zoom(_WHEEL_STEP if key == Qt.Key.Key_Up else 1 / _WHEEL_STEP, middle)
        elif key == Qt.Key.Key_End:
            model.go_to_latest()
        else:
            event.ignore()
            return
        self.view_changed.emit()

    def apply_theme(self) -> None:
        self.setBackground(theme.color("e1"))
        self.repaint_all()
