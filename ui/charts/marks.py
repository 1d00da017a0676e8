"""Fills as triangles, closed trades as connectors, and beside them texts that never overlap.

Where texts would meet each other, a bar, a triangle, a pill or the legend, they move to another
side of their triangle or further away from it; where no place is free, the older one is left out,
as results are where bars are mere lines: their figures are in the blotter. Only what is still open
is written over bars before it is left out.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PyQt6.QtCore import QPointF, QRectF
from PyQt6.QtGui import QPainter, QPen

from core.models.orders import Side
from ui import formatting, i18n, preferences, theme
from ui.charts import primitives
from ui.charts.pane import Pane, PaneItem
from ui.charts.series import CandleSeries
from ui.charts.trades import Connector, Mark
from ui.i18n import tr

_SIZE_PX = 12
_GAP_PX = 5  # from the wick
_STACK_PX = 15  # between marks of one side on one bar
_TEXT_PX = 14  # height that a text takes
_EDGE_PX = 4  # between a text and the pane's edges
_NEVER_MS = 2**62
_OUTSIDE_PX = 80  # marks that far beside the pane are not drawn
_MOST_TEXTS = 60
_STEPS_AWAY = 3  # of a text's height
_LEAST_SLOT_PX = 3.0  # bars have bodies from here on


@dataclass(frozen=True, slots=True)
class Text:
    """A text and the rectangle that it takes; px of the pane."""

    text: str
    hue: str
    rect: QRectF


@dataclass(frozen=True, slots=True)
class _Placed:
    mark: Mark
    x: float
    tip: float
    points_up: bool  # below the bar, as buys are unless the scale is upside down

    @property
    def rect(self) -> QRectF:
        top = self.tip if self.points_up else self.tip - _SIZE_PX * 0.8
        return QRectF(self.x - _SIZE_PX / 2, top, _SIZE_PX, _SIZE_PX * 0.8)


class MarksItem(PaneItem):
    """`obstacles` gives the rectangles of the pane that texts must leave free."""

    z = 25.0

    def __init__(
        self, pane: Pane, series: CandleSeries, obstacles: Callable[[], list[QRectF]]
    ) -> None:
        super().__init__(pane, series)
        self.marks: Sequence[Mark] = ()
        self.connectors: Sequence[Connector] = ()
        self._times: list[int] = []
        self._spans = np.empty((0, 2), np.int64)
        self._obstacles = obstacles
        self._key: object = None
        self._laid_out: tuple[list[_Placed], list[Text]] = ([], [])

    def set_trades(self, marks: Sequence[Mark], connectors: Sequence[Connector]) -> None:
        """`marks` oldest first. A frame costs what is in view, however many there are."""
        self.marks, self.connectors = marks, connectors
        self._times = [mark.time_ms for mark in marks]
        spans = [(trade.entry_ms, trade.exit_ms) for trade in connectors]
        self._spans = np.array(spans, np.int64).reshape(-1, 2)

    def texts(self) -> list[Text]:
        """What is written now, and where."""
        return self._layout()[1]

    def draw(self, painter: QPainter) -> None:
        if not self.marks:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setPen(primitives.line_pen(theme.color("t2", 0.7), "fine"))
        first_ms, last_ms = self._in_view()
        seen = (self._spans[:, 0] <= last_ms) & (self._spans[:, 1] >= first_ms)
        for index in np.flatnonzero(seen).tolist():
            self._connect(painter, self.connectors[index])
        placed, texts = self._layout()
        outline = QPen(theme.color("e1"), 4)  # 2 px of it are outside the triangle
        for mark in placed:
            path = primitives.triangle(mark.x, mark.tip, points_up=mark.points_up, size=_SIZE_PX)
            painter.strokePath(path, outline)
            painter.fillPath(path, theme.color("up" if mark.mark.side is Side.BUY else "down"))
        for text in texts:  # lines of indicators cross behind it
            plate = text.rect.adjusted(-2, 0, 2, 0)
            primitives.rounded(painter, plate, 3, theme.color("e1", 0.75), None)
            centre = text.rect.center().y()
            primitives.draw_text(
                painter, text.rect.left(), centre, text.text, theme.color(text.hue)
            )

    def _connect(self, painter: QPainter, trade: Connector) -> None:
        slots = [self.series.slot_of_time(ms) for ms in (trade.entry_ms, trade.exit_ms)]
        if slots[0] is None or slots[1] is None:
            return
        start, end = (float(int(self.pane.x_of(slot))) for slot in slots if slot is not None)
        if end >= 0 and start <= self._rect.width():
            painter.drawLine(
                QPointF(start, self.pane.y_of(trade.entry_price)),
                QPointF(end, self.pane.y_of(trade.exit_price)),
            )

    def _layout(self) -> tuple[list[_Placed], list[Text]]:
        """Places of everything; thought out anew only when something that matters has moved."""
        taken = self._obstacles()
        edges = [r.getRect() for r in taken]
        newest = [float(self.series.column(name)[-1:].sum()) for name in ("low", "high")]
        key = (
            self.pane.slots, self.pane.scaled, self.pane.is_inverted, self._rect.getRect(),
            self.series.size, newest, edges, self.marks, i18n.language.name,
            preferences.current().hides_balances,
        )  # fmt: skip
        if key != self._key:
            self._key = key
            placed = self._place_marks()
            self._laid_out = placed, self._place_texts(placed, taken)
        return self._laid_out

    def _in_view(self) -> tuple[int, int]:
        """From, until ms UTC; what came after the newest bar stands on it."""
        left = math.floor(self.pane.slot_at(-_OUTSIDE_PX))
        right = math.ceil(self.pane.slot_at(self._rect.width() + _OUTSIDE_PX)) + 1
        is_newest_in = right > self.series.last_slot
        last_ms = _NEVER_MS if is_newest_in else self.series.time_of_place(right)
        return self.series.time_of_place(left), last_ms

    def _place_marks(self) -> list[_Placed]:
        """The newest first: on a bar with many, it is the one next to the wick."""
        placed = []
        stacked: dict[tuple[int, Side], int] = {}
        first_ms, last_ms = self._in_view()
        first, last = bisect_left(self._times, first_ms), bisect_right(self._times, last_ms)
        for mark in reversed(self.marks[first:last]):
            slot = self.series.slot_of_time(mark.time_ms)
            row = None if slot is None else self.series.row_at(slot)
            if slot is None or row is None:
                continue
            x = float(int(self.pane.x_of(slot))) + 0.5
            if not -_OUTSIDE_PX < x < self._rect.width() + _OUTSIDE_PX:
                continue
            level = stacked.get((slot, mark.side), 0)
            stacked[slot, mark.side] = level + 1
            is_buy = mark.side is Side.BUY
            wick = float(self.series.column("low" if is_buy else "high")[row])
            away = _GAP_PX + level * _STACK_PX
            points_up = is_buy is not self.pane.is_inverted
            tip = self.pane.y_of(wick) + (away if points_up else -away)
            placed.append(_Placed(mark, x, tip, points_up))
        return placed

    def _place_texts(self, placed: list[_Placed], obstacles: list[QRectF]) -> list[Text]:
        room = self._rect.adjusted(_EDGE_PX, _EDGE_PX, -_EDGE_PX, -_EDGE_PX)
        taken = [*obstacles, *(mark.rect for mark in placed)]
        texts: list[Text] = []
        for mark in placed:
            if len(texts) == _MOST_TEXTS:
                break
            said = _words(mark.mark)
            is_dense = self.pane.slot_px < _LEAST_SLOT_PX and mark.mark.result is not None
            if said is None or is_dense:
                continue
            places = _places(mark, primitives.text_width(said[0]), mark.mark.result is not None)
            free = [p for p in places if room.contains(p) and not any(map(p.intersects, taken))]
            rect = next((p for p in free if not self._covers_bars(p)), None)
            if rect is None and free and mark.mark.result is None:
                rect = free[0]
            if rect is not None:
                taken.append(rect)
                texts.append(Text(*said, rect))
        return texts

    def _covers_bars(self, rect: QRectF) -> bool:
        first, last = self.series.rows(
            self.pane.slot_at(rect.left()), self.pane.slot_at(rect.right())
        )
        tops, bottoms = (self.pane.y_px(self.series.column(n)[first:last]) for n in ("high", "low"))
        return bool(((tops < rect.bottom()) & (bottoms > rect.top())).any())


def _words(mark: Mark) -> tuple[str, str] | None:
    """(text, hue): a result at an exit, side and size at an entry that is still open."""
    if mark.result is not None:
        tone = "up" if mark.result > 0 else "down" if mark.result < 0 else "t2"
        return formatting.money(mark.result, sign=True), tone
    if mark.quantity is not None:
        is_buy = mark.side is Side.BUY
        side = tr("Buy") if is_buy else tr("Sell")
        return f"{side} {formatting.size(mark.quantity)}", "up" if is_buy else "down"
    return None


def _places(mark: _Placed, width: float, is_result: bool) -> list[QRectF]:
    """Where the text of `mark` may stand, the best place first."""
    body = mark.rect
    middle = body.center().y() - _TEXT_PX / 2
    beside = [
        QRectF(body.right() + 4, middle, width, _TEXT_PX),
        QRectF(body.left() - 4 - width, middle, width, _TEXT_PX),
    ]
    left = mark.x - width / 2
    edge, sign = (body.bottom(), 1) if mark.points_up else (body.top() - _TEXT_PX, -1)
    away = [
        QRectF(left, edge + sign * (step * (_TEXT_PX + 2) + 2), width, _TEXT_PX)
        for step in range(_STEPS_AWAY)
    ]
    if is_result:
        return [away[0], *beside, *away[1:]]
    return [beside[0], away[0], beside[1], *away[1:]]
