"""What a trader has drawn on one symbol: lines anchored by time and price, with undo.

Anchored so, they stay where they belong through a change of timeframe, new bars and a restart.
One set is shared by every chart of its symbol. No numpy and no graphics here: it is loaded with the
window.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from PyQt6.QtCore import QObject, pyqtSignal

_MOST_UNDONE = 100


class DrawingKind(NamedTuple):
    """`points` are clicks; `key` is pressed with Alt."""

    title: str
    points: int
    key: str


KINDS = {
    "trend": DrawingKind("Trend line", 2, "T"),
    "horizontal": DrawingKind("Horizontal line", 1, "H"),
    "vertical": DrawingKind("Vertical line", 1, "V"),
    "cross": DrawingKind("Cross line", 1, "C"),
    "fibonacci": DrawingKind("Fibonacci retracement", 2, "F"),
}


LEVELS = ("horizontal", "cross")
"""Those that stand at one price."""


class Anchor(msgspec.Struct, frozen=True):
    """A point of the market; `time_ms` UTC."""

    time_ms: int
    price: float


class Drawing(msgspec.Struct, frozen=True):
    """`kind` is a key of `KINDS`, which says how many anchors there are."""

    drawing_id: int
    kind: str
    anchors: tuple[Anchor, ...]


def is_sound(drawing: Drawing) -> bool:
    """Whether it can be drawn; what comes from a file may be anything."""
    kind = KINDS.get(drawing.kind)
    return (
        kind is not None
        and len(drawing.anchors) == kind.points
        and all(0 < anchor.price < float("inf") for anchor in drawing.anchors)
    )


class DrawingSet(QObject):
    """The drawings of one symbol. Signals: changed(), after every change that is kept;
    level_moved(price, price): one of `LEVELS` went from there to there.

    `is_hidden` hides all of them and is not kept: hidden lines that come back hidden after a
    restart look lost.
    """

    changed = pyqtSignal()
    level_moved = pyqtSignal(float, float)

    def __init__(self, drawings: tuple[Drawing, ...] = ()) -> None:
        super().__init__()
        self.drawings = drawings
        self.is_hidden = False
        self._undone: list[tuple[Drawing, ...]] = []
        self._former: list[tuple[Drawing, ...]] = []

    def find(self, drawing_id: int | None) -> Drawing | None:
        return next((d for d in self.drawings if d.drawing_id == drawing_id), None)

    def add(self, kind: str, anchors: tuple[Anchor, ...]) -> Drawing:
        """A new one, on top of the others."""
        taken = (drawing.drawing_id for drawing in self.drawings)
        made = Drawing(max(taken, default=0) + 1, kind, anchors)
        self._become((*self.drawings, made))
        return made

    def replace(self, drawing: Drawing) -> None:
        """Another place for the one with its id."""
        same = (drawing if d.drawing_id == drawing.drawing_id else d for d in self.drawings)
        self._become(tuple(same))

    def remove(self, drawing_id: int) -> None:
        self._become(tuple(d for d in self.drawings if d.drawing_id != drawing_id))

    def clear(self) -> None:
        self._become(())

    def set_hidden(self, is_hidden: bool) -> None:
        self.is_hidden = is_hidden
        self.changed.emit()

    def undo(self) -> None:
        if self._former:
            self._undone.append(self.drawings)
            self._set(self._former.pop())

    def redo(self) -> None:
        if self._undone:
            self._former.append(self.drawings)
            self._set(self._undone.pop())

    def _become(self, drawings: tuple[Drawing, ...]) -> None:
        if drawings == self.drawings:
            return
        self._former = [*self._former[-_MOST_UNDONE + 1 :], self.drawings]
        self._undone.clear()
        self._set(drawings)

    def _set(self, drawings: tuple[Drawing, ...]) -> None:
        before = {d.drawing_id: d for d in self.drawings if d.kind in LEVELS}
        self.drawings = drawings
        self.changed.emit()
        for drawing in drawings:
            former = before.get(drawing.drawing_id)
            if former is None or former.kind != drawing.kind:
                continue
            old, new = former.anchors[0].price, drawing.anchors[0].price
            if old != new:
                self.level_moved.emit(old, new)
