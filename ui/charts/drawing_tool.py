"""Drawing with mouse and keys, as in TradingView: Alt and a letter takes a tool, clicks place it,
Esc lets it go; Shift keeps a line level or upright, or measures; Ctrl drags a copy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from PyQt6.QtCore import QObject, QPointF, Qt, pyqtSignal

from ui.charts.canvas import PRICE, ChartCanvas
from ui.charts.drawings import KINDS, Anchor, Drawing, DrawingSet
from ui.charts.drawings_item import DrawingsItem

MEASURE = "measure"
_KEYS = {Qt.Key(ord(kind.key)): name for name, kind in KINDS.items()}
_MOVED_PX = 4.0  # less is a click
_ALT, _SHIFT, _CTRL = (
    Qt.KeyboardModifier.AltModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
)


@dataclass(slots=True)
class _Drag:
    """`drawing` as it was pressed; `anchor` alone moves, None: all of it. `is_copy` while the
    mouse has not moved: a click with Ctrl makes no copy."""

    drawing: Drawing
    anchor: int | None
    start: QPointF
    is_copy: bool


class DrawingTool(QObject):
    """Takes the mouse of the price pane. `snap(point, held)` gives the anchor at a point of the
    pane. Signal: changed(): the tool in hand or the selection."""

    changed = pyqtSignal()

    def __init__(
        self,
        canvas: ChartCanvas,
        item: DrawingsItem,
        snap: Callable[[QPointF, Qt.KeyboardModifier], Anchor],
    ) -> None:
        super().__init__()
        self.armed = ""
        self._canvas, self._item, self._snap = canvas, item, snap
        self._drag: _Drag | None = None
        self._pressed_at: QPointF | None = None  # the first click of the tool in hand
        self._is_measuring = False
        self._pointer: QPointF | None = None

    @property
    def drawings(self) -> DrawingSet:
        return self._item.drawings

    def use(self, drawings: DrawingSet) -> None:
        """The set of another symbol."""
        self.drop()
        self._item.drawings = drawings

    def arm(self, kind: str) -> None:
        """Take a tool: a key of `KINDS`, or `MEASURE`. A line that needs one point is placed at
        the mouse at once, when it is over the prices."""
        self.drop()
        self.drawings.is_hidden = False
        self.armed = kind
        pointer = self._pointer
        if kind != MEASURE and KINDS[kind].points == 1 and pointer is not None:
            self._finish((self._snap(pointer, Qt.KeyboardModifier.NoModifier),))
        self._tell()

    def drop(self) -> bool:
        """Put everything down that is not finished; whether there was something."""
        item = self._item
        busy = (self.armed, item.pending, item.moved, item.measured, item.selected)
        was_busy = any(thing not in ("", None) for thing in busy)
        self.armed, self._drag, self._pressed_at, self._is_measuring = "", None, None, False
        item.pending = item.moved = item.measured = item.selected = None
        self._tell()
        return was_busy

    # Mouse

    def press(self, position: QPointF, held: Qt.KeyboardModifier) -> bool:
        point = self._point(position)
        if point is None:
            return False
        item = self._item
        if item.pending is not None:  # the second click
            self._finish((item.pending.anchors[0], self._constrained(point, held)))
            return True
        if self.armed == MEASURE or (not self.armed and held & _SHIFT):
            self._begin_measure(point, held)
            return True
        if self.armed:
            self._begin(point, held)
            return True
        item.measured = None
        hit = item.hit(point)
        item.selected = hit.drawing.drawing_id if hit is not None else None
        if hit is not None:
            self._drag = _Drag(hit.drawing, hit.anchor, point, bool(held & _CTRL))
        self._tell()
        return hit is not None

    def move(self, position: QPointF, held: Qt.KeyboardModifier) -> bool:
        self._pointer = self._point(position)
        point = self._pointer if self._drag is None else self._inside(position)
        if point is None:
            return False
        item = self._item
        if self._is_measuring and item.measured is not None:
            item.measured = (item.measured[0], self._snap(point, held))
        elif item.pending is not None:
            end = self._constrained(point, held)
            item.pending = msgspec.structs.replace(
                item.pending, anchors=(item.pending.anchors[0], end)
            )
        elif self._drag is not None:
            self._drag_to(self._drag, point, held)
        else:
            return False
        item.update()
        return True

    def release(self, position: QPointF) -> None:
        point, item = self._inside(position), self._item
        if self._is_measuring:
            start = self._pressed_at
            if self.armed == MEASURE and start is not None and not _is_far(start, point):
                return  # clicked, not dragged: the second click ends it
            self._is_measuring, self.armed, self._pressed_at = False, "", None
        elif item.pending is not None and self._pressed_at is not None:
            if _is_far(self._pressed_at, point):
                self._finish(item.pending.anchors)
        elif self._drag is not None:
            moved, item.moved, self._drag = item.moved, None, None
            if moved is not None:
                self.drawings.replace(moved)
        self._tell()

    def cursor_at(self, position: QPointF) -> Qt.CursorShape | None:
        point = self._point(position)
        if point is None or self.armed or self._is_measuring:
            return None
        if self._drag is not None:
            return Qt.CursorShape.ClosedHandCursor
        return None if self._item.hit(point) is None else Qt.CursorShape.PointingHandCursor

    # Keys

    def key(self, key: int, held: Qt.KeyboardModifier) -> bool:
        if key == Qt.Key.Key_Escape:
            return self.drop()
        if held & _CTRL and held & _ALT and key == Qt.Key.Key_H:
            self.drawings.set_hidden(not self.drawings.is_hidden)
            return True
        if held & _ALT and not held & _CTRL and key in _KEYS:
            self.arm(_KEYS[Qt.Key(key)])
            return True
        if held & _CTRL and key in (Qt.Key.Key_Z, Qt.Key.Key_Y):
            is_redo = key == Qt.Key.Key_Y or bool(held & _SHIFT)
            (self.drawings.redo if is_redo else self.drawings.undo)()
            return True
        if key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and self._item.selected is not None:
            chosen, self._item.selected = self._item.selected, None
            self.drawings.remove(chosen)
            return True
        return False

    # Inside

    def _begin(self, point: QPointF, held: Qt.KeyboardModifier) -> None:
        anchor = self._snap(point, held)
        if KINDS[self.armed].points == 1:
            self._finish((anchor,))
            return
        self._pressed_at = point
        self._item.pending = Drawing(0, self.armed, (anchor, anchor))
        self._tell()

    def _begin_measure(self, point: QPointF, held: Qt.KeyboardModifier) -> None:
        anchor = self._snap(point, held)
        if self._is_measuring and self._item.measured is not None:  # the second click
            self._item.measured = (self._item.measured[0], anchor)
            self._is_measuring, self.armed = False, ""
        else:
            self._item.measured = (anchor, anchor)
            self._is_measuring, self._pressed_at = True, point
        self._tell()

    def _finish(self, anchors: tuple[Anchor, ...]) -> None:
        kind, self.armed, self._pressed_at = self.armed, "", None
        self._item.pending = None
        self._item.selected = self.drawings.add(kind, anchors).drawing_id
        self._tell()

    def _drag_to(self, drag: _Drag, point: QPointF, held: Qt.KeyboardModifier) -> None:
        if self._item.moved is None and not _is_far(drag.start, point):
            return
        if drag.is_copy:
            drag.drawing = self.drawings.add(drag.drawing.kind, drag.drawing.anchors)
            drag.is_copy, drag.anchor = False, None
            self._item.selected = drag.drawing.drawing_id
        anchors = list(drag.drawing.anchors)
        if drag.anchor is not None:
            anchors[drag.anchor] = self._snap(point, held)
        else:
            move = point - drag.start
            anchors = [
                self._snap(self._item.point(anchor) + move, Qt.KeyboardModifier.NoModifier)
                for anchor in anchors
            ]
        self._item.moved = msgspec.structs.replace(drag.drawing, anchors=tuple(anchors))

    def _constrained(self, point: QPointF, held: Qt.KeyboardModifier) -> Anchor:
        """With Shift the line is level, upright or at 45 degrees, whichever is nearest."""
        pending = self._item.pending
        if pending is None or not held & _SHIFT:
            return self._snap(point, held)
        start = pending.anchors[0]
        at = self._item.point(start)
        dx, dy = point.x() - at.x(), point.y() - at.y()
        end = self._snap(point, Qt.KeyboardModifier.NoModifier)
        if abs(dy) < abs(dx) * 0.414:  # tan 22.5 degrees
            return Anchor(end.time_ms, start.price)
        if abs(dx) < abs(dy) * 0.414:
            return Anchor(start.time_ms, end.price)
        diagonal = QPointF(point.x(), at.y() + (abs(dx) if dy > 0 else -abs(dx)))
        return self._snap(diagonal, Qt.KeyboardModifier.NoModifier)

    def _point(self, position: QPointF) -> QPointF | None:
        """px of the price pane; None beside it, and before there are bars."""
        pane = self._canvas.panes[PRICE]
        area = pane.geometry()
        is_in = self._item.series.size > 0 and area.contains(position) and pane.isVisible()
        return position - area.topLeft() if is_in else None

    def _inside(self, position: QPointF) -> QPointF:
        area = self._canvas.panes[PRICE].geometry()
        return QPointF(
            min(max(0.0, position.x() - area.left()), area.width()),
            min(max(0.0, position.y() - area.top()), area.height()),
        )

    def _tell(self) -> None:
        self._item.update()
        self.changed.emit()


def _is_far(a: QPointF, b: QPointF) -> bool:
    return (a - b).manhattanLength() > _MOVED_PX
