"""The drawing surface: panes with their axes, and what mouse and keys do to the view.

Mouse events are handled here, in widget pixels, and not by pyqtgraph's scene: which part of the
chart was pressed decides everything, and one place that knows it is easier to read than items
that pass events on. What can be grabbed in a pane (drawings, order lines) is asked first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import pyqtgraph as pg
from PyQt6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import (
    QContextMenuEvent,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPaintEvent,
    QResizeEvent,
    QTransform,
    QWheelEvent,
)
from PyQt6.QtWidgets import QGraphicsItem, QGraphicsView

from ui import theme
from ui.charts import axes
from ui.charts.axes import AXIS_WIDTH, TIME_AXIS_HEIGHT
from ui.charts.overlays import CrosshairLine
from ui.charts.pane import Pane
from ui.charts.viewport import Viewport

PRICE = 0
_PRICE_SHARES = (1.0, 0.8, 0.66, 0.56, 0.5)  # by the number of panes under it
_TWO_PANES = (0.66, 0.155, 0.185)
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
_ALT_KEYS: dict[int, str] = {
    Qt.Key.Key_R: "reset",
    Qt.Key.Key_L: "L",
    Qt.Key.Key_P: "%",
    Qt.Key.Key_I: "invert",
    Qt.Key.Key_G: "date",
    Qt.Key.Key_S: "snapshot",
}


def default_shares(panes: int) -> list[float]:
    """How the height is divided between the prices and what is under them."""
    if panes == len(_TWO_PANES):
        return list(_TWO_PANES)
    under = panes - 1
    price = _PRICE_SHARES[min(under, len(_PRICE_SHARES) - 1)]
    return [price, *([(1 - price) / under] * under if under else [])]


class MouseTool(Protocol):
    """Something that may take the mouse and the keys before the view gets them.

    Positions are px of the canvas. `press`, `move` and `key` say whether they took it; from a
    press that was taken to its release, every move goes to the same tool.
    """

    def press(self, position: QPointF, held: Qt.KeyboardModifier) -> bool: ...

    def move(self, position: QPointF, held: Qt.KeyboardModifier) -> bool: ...

    def release(self, position: QPointF) -> None: ...

    def key(self, key: int, held: Qt.KeyboardModifier) -> bool: ...

    def cursor_at(self, position: QPointF) -> Qt.CursorShape | None: ...


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
    action = pyqtSignal(str)  # A, L, %, invert, reset, date, snapshot
    typed = pyqtSignal(str)  # a digit, a letter or "/": the beginning of what is searched
    menu_wanted = pyqtSignal(QPointF, QPoint)  # px of the canvas, of the screen

    def __init__(self) -> None:
        super().__init__(background=None)
        self.setCacheMode(QGraphicsView.CacheModeFlag(0))
        # Everything keeps inside its rectangle: no two px more that would touch the neighbours.
        self.setOptimizationFlag(QGraphicsView.OptimizationFlag.DontAdjustForAntialiasing, True)
        self.setMouseTracking(True)
        self.setMinimumSize(160, 120)
        scene = self.sceneObj
        scene.setItemIndexMethod(scene.ItemIndexMethod.NoIndex)
        self.viewport_model = Viewport()
        self.panes: list[Pane] = []
        self.price_axes: list[axes.PriceAxis] = []
        self.tools: list[MouseTool] = []
        self.time_axis = axes.TimeAxis()
        self.corner = axes.ScaleCorner()
        self.frame = axes.FrameItem()
        self.cross = (CrosshairLine(), CrosshairLine())
        self.cursor: QPointF | None = None
        self._shares: list[float] = []
        self.maximised: int | None = None
        self.is_ctrl_held = False
        self._drag: _Drag | None = None
        self._holder: MouseTool | None = None  # has the mouse until its release
        rest: tuple[QGraphicsItem, ...] = (self.frame, self.time_axis, self.corner)
        for item in rest:
            scene.addItem(item)
        for line in self.cross:
            line.setZValue(200)
            line.hide()
            scene.addItem(line)

    def add_pane(self) -> Pane:
        """A pane under the others. Lay out when all are there."""
        pane, axis = Pane(), axes.PriceAxis()
        self.panes.append(pane)
        self.price_axes.append(axis)
        self.sceneObj.addItem(pane)
        self.sceneObj.addItem(axis)
        self._shares, self.maximised = default_shares(len(self.panes)), None
        return pane

    def remove_pane(self, index: int) -> None:
        """With everything drawn in it. Lay out afterwards."""
        pane, axis = self.panes.pop(index), self.price_axes.pop(index)
        self.sceneObj.removeItem(pane)
        self.sceneObj.removeItem(axis)
        self._shares, self.maximised = default_shares(len(self.panes)), None

    @property
    def shares(self) -> list[float]:
        """Of the height, by pane."""
        return list(self._shares)

    @shares.setter
    def shares(self, shares: list[float]) -> None:
        """Ignored where they are of another number of panes."""
        if len(shares) == len(self.panes):
            self._shares = list(shares)

    def maximise(self, index: int | None) -> None:
        """One pane alone; None: all of them again."""
        self.maximised = index
        self.lay_out()

    # Geometry

    @property
    def plot_width(self) -> float:
        return max(1.0, float(self.width() - AXIS_WIDTH))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        if event is not None:
            region = event.region()
            for pane in self.panes:
                pane.expose(region)
            for item in (*self.price_axes, self.time_axis, self.corner):
                item.expose(region)
        super().paintEvent(event)

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
        for share in self._shown_shares():
            edges.append(round(edges[-1] + share * height))
        edges[-1] = round(height)
        for index, pane in enumerate(self.panes):
            top, bottom = edges[index], edges[index + 1]
            pane.setVisible(bottom > top)
            self.price_axes[index].setVisible(bottom > top)
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

    def _shown_shares(self) -> list[float]:
        if self.maximised is None:
            return self._shares
        return [float(index == self.maximised) for index in range(len(self.panes))]

    def reset_scales(self) -> None:
        """Automatic, linear and the right way up in every pane."""
        for pane in self.panes:
            pane.set_log(False)
            pane.is_auto, pane.is_inverted = True, False

    def repaint_all(self) -> None:
        self.viewport().update()

    # What is under the mouse

    def _spot(self, position: QPointF) -> _Spot:
        x, y = position.x(), position.y()
        on_axis = x > self.plot_width
        if y >= self.height() - TIME_AXIS_HEIGHT:
            return _Spot("corner" if on_axis else "time_axis")
        for index, edge in enumerate(self.frame.rows[:-1] if self.maximised is None else []):
            if abs(y - edge) <= _GRIP_PX / 2:
                return _Spot("grip", index)
        return _Spot("price_axis" if on_axis else "plot", self.pane_at(y))

    def pane_at(self, y: float) -> int:
        """Index of the pane at `y` px."""
        last = len(self.panes) - 1 if self.maximised is None else self.maximised
        return next((i for i, edge in enumerate(self.frame.rows) if y < edge), last)

    # Mouse

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is None or event.button() is not Qt.MouseButton.LeftButton:
            return
        position = event.position()
        spot = self._spot(position)
        if spot.kind == "corner":
            key = self.corner.key_at(position.x() - self.plot_width)
            if key is not None:
                self.action.emit(key)
            return
        if spot.kind == "plot":
            held = event.modifiers()
            self._holder = next((t for t in self.tools if t.press(position, held)), None)
            if self._holder is not None:
                return
        self._drag = _Drag(spot, position.x(), position.y())

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and event.button() is Qt.MouseButton.LeftButton:
            self._drag = None
            holder, self._holder = self._holder, None
            if holder is not None:
                holder.release(event.position())

    def contextMenuEvent(self, event: QContextMenuEvent | None) -> None:
        if event is not None and self._spot(QPointF(event.pos())).kind == "plot":
            self.menu_wanted.emit(QPointF(event.pos()), event.globalPos())

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        if event is None or event.button() is not Qt.MouseButton.LeftButton:
            return
        spot = self._spot(event.position())
        if spot.kind == "price_axis":
            self.panes[spot.pane].is_auto = True
            self.view_changed.emit()
        elif spot.kind == "time_axis":
            self.action.emit("reset")
        elif spot.kind == "grip":
            self._shares = default_shares(len(self.panes))
            self.lay_out()
        elif spot.kind == "plot" and not any(
            tool.press(event.position(), event.modifiers()) for tool in self.tools
        ):
            self.maximise(None if self.maximised is not None else spot.pane)
        elif spot.kind == "corner":
            self.mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is None:
            return
        position, held = event.position(), event.modifiers()
        self.is_ctrl_held = bool(held & Qt.KeyboardModifier.ControlModifier)
        if self._drag is not None:
            if event.buttons() & Qt.MouseButton.LeftButton:
                self._drag_to(self._drag, position)
            else:
                self._drag = None
        elif self._holder is not None:
            self._holder.move(position, held)
        else:
            any(tool.move(position, held) for tool in self.tools)
        spot = self._drag.spot if self._drag is not None else self._spot(position)
        self.viewport().setCursor(self._shape(spot, position))
        self._set_cursor(position if self._spot(position).kind == "plot" else None)

    def _shape(self, spot: _Spot, position: QPointF) -> Qt.CursorShape:
        shapes = (tool.cursor_at(position) for tool in self.tools if spot.kind == "plot")
        return next((shape for shape in shapes if shape is not None), _CURSORS[spot.kind])

    def _drag_to(self, drag: _Drag, position: QPointF) -> None:
        dx, dy = position.x() - drag.x, position.y() - drag.y
        drag.x, drag.y = position.x(), position.y()
        pane = self.panes[drag.spot.pane]
        if drag.spot.kind == "plot":
            self.viewport_model.pan(-dx / max(pane.slot_px, 1e-9))
            if not pane.is_auto:
                low, high = pane.scaled
                move = dy / max(pane.height_px, 1.0) * (high - low)
                move = -move if pane.is_inverted else move
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
        self._hold_ctrl(key, is_held=True)
        if any(tool.key(key, held) for tool in self.tools):
            return
        far = 10.0 if held & Qt.KeyboardModifier.ControlModifier else 1.0
        model = self.viewport_model
        middle = (model.left + model.right) / 2
        if held & Qt.KeyboardModifier.AltModifier:
            if key in _ALT_KEYS:
                self.action.emit(_ALT_KEYS[key])
            else:
                event.ignore()
            return
        text = event.text()
        if not held & Qt.KeyboardModifier.ControlModifier and (text.isalnum() or text == "/"):
            self.typed.emit(text)
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

    def keyReleaseEvent(self, event: QKeyEvent | None) -> None:
        if event is not None:
            self._hold_ctrl(event.key(), is_held=False)
            event.ignore()

    def _hold_ctrl(self, key: int, *, is_held: bool) -> None:
        if key == Qt.Key.Key_Control and is_held is not self.is_ctrl_held:
            self.is_ctrl_held = is_held
            self.cursor_moved.emit()

    def apply_theme(self) -> None:
        self.setBackground(theme.color("e1"))
        self.repaint_all()
