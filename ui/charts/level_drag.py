"""Order, stop and target lines that are dragged to another price, and ask before anything is sent.

Off until the trader unlocks the chart, at every opening of it. A dragged line snaps to the tick and
says what it would bring; Confirm (Enter) sends it, Discard (Esc) puts it back. While it waits,
the old line stays where it is: it is still the one in force.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from PyQt6.QtCore import QObject, QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QPainter

from ui import fonts, formatting, theme
from ui.charts import primitives
from ui.charts.canvas import PRICE, ChartCanvas
from ui.charts.levels import Handle, Level
from ui.charts.overlays import GRAB_PX, INSET, LevelsItem
from ui.charts.pane import Pane, PaneItem
from ui.charts.primitives import PILL_HEIGHT
from ui.charts.series import CandleSeries
from ui.i18n import tr

CONFIRM, DISCARD = "Confirm", "Discard"
_GAP_PX = 4


@dataclass(frozen=True, slots=True)
class Proposal:
    """A line at another price. `is_held`: the mouse still moves it."""

    level: Level
    price: Decimal
    text: str
    is_held: bool


class ProposalItem(PaneItem):
    """The dashed line of a proposal, its pill, and the two buttons beside it."""

    z = 35.0

    def __init__(
        self, pane: Pane, series: CandleSeries, obstacles: Callable[[], list[QRectF]]
    ) -> None:
        """`obstacles`: the pills of the other lines, which this one's stands beside."""
        super().__init__(pane, series)
        self.proposal: Proposal | None = None
        self.decimals = 2
        self._obstacles = obstacles

    def buttons(self) -> dict[str, QRectF]:
        """Where Confirm and Discard are, px of the pane; none while the line is held."""
        if self.proposal is None or self.proposal.is_held:
            return {}
        x, top, found = self._pill_right() + _GAP_PX, self._y() - PILL_HEIGHT // 2, {}
        for name in (CONFIRM, DISCARD):
            width = round(primitives.text_width(tr(name), weight=fonts.SEMIBOLD) + 20)
            found[name] = QRectF(x, top, width, PILL_HEIGHT)
            x += width + _GAP_PX
        return found

    def draw(self, painter: QPainter) -> None:
        proposal = self.proposal
        if proposal is None:
            return
        width, y, ink = self._rect.width(), self._y(), theme.color("accent")
        primitives.hline(painter, ink, left=0, right=width, y=y, style="dashed")
        name, text = self._words(proposal)
        primitives.draw_pill(
            painter, self._left(), y, name=name, text=text, hue="accent", text_hue="t1"
        )
        for button, rect in self.buttons().items():
            is_confirm = button == CONFIRM
            fill = theme.color("afill" if is_confirm else "e2")
            border = None if is_confirm else theme.color("line2")
            primitives.rounded(painter, rect, 4, fill, border)
            label = theme.color("#FFFFFF" if is_confirm else "t1")
            centre = rect.center().y()
            primitives.draw_text(
                painter, rect.left() + 10, centre, tr(button), label, weight=fonts.SEMIBOLD
            )

    def _words(self, proposal: Proposal) -> tuple[str, str]:
        price = formatting.price(proposal.price, self.decimals)
        return f"{proposal.level.name} {price}", proposal.text

    def _pill_right(self) -> float:
        if self.proposal is None:
            return INSET
        return self._left() + primitives.pill_width(*self._words(self.proposal))

    def _left(self) -> float:
        """Beside the pills that are in the way."""
        row = QRectF(0, self._y() - PILL_HEIGHT / 2, self._rect.width(), PILL_HEIGHT)
        taken = [pill.right() + _GAP_PX for pill in self._obstacles() if pill.intersects(row)]
        return max([float(INSET), *taken])

    def _y(self) -> int:
        price = 0.0 if self.proposal is None else float(self.proposal.price)
        half = PILL_HEIGHT / 2
        return round(min(max(self.pane.y_of(price), half), self._rect.height() - half))


@dataclass(slots=True)
class _Field:
    """A line of the order ticket in the hand: where it was, where it is."""

    handle: Handle
    before: Decimal
    price: Decimal


class LevelDrag(QObject):
    """Takes the mouse of the price pane while `is_unlocked`. Lines that no exchange hears of move
    always: alerts when they are let go of, those of the order ticket at every step of the way.
    `describe(handle, price)` says what a price would bring. `is_on_drawing(point, price)`: an alert
    there stands on a drawn line; it is that which moves, and the alert goes with it.

    Signals: wanted(Handle, Decimal) once for every confirmed change; changed().
    """

    wanted = pyqtSignal(object, object)
    changed = pyqtSignal()

    def __init__(
        self,
        canvas: ChartCanvas,
        levels: LevelsItem,
        item: ProposalItem,
        describe: Callable[[Handle, Decimal], str],
        is_on_drawing: Callable[[QPointF, Decimal], bool],
    ) -> None:
        super().__init__()
        self.is_unlocked = False
        self.needs_alt = False
        self.is_instant = False  # no Confirm: what is let go of is sent
        self.tick = Decimal("0.01")
        self._canvas, self._levels, self._item = canvas, levels, item
        self._describe, self._is_on_drawing = describe, is_on_drawing
        self._field: _Field | None = None
        self._offset_px = 0.0  # from the mouse to the line it took

    @property
    def proposal(self) -> Proposal | None:
        return self._item.proposal

    def set_unlocked(self, is_unlocked: bool) -> None:
        """Locking puts back what was not confirmed."""
        self.is_unlocked = is_unlocked
        if not is_unlocked:
            self.discard()
        self.changed.emit()

    def confirm(self) -> None:
        """Send the proposal, if there is one."""
        proposal = self._item.proposal
        if proposal is not None and proposal.level.handle is not None:
            self._become(None)
            self.wanted.emit(proposal.level.handle, proposal.price)

    def discard(self) -> None:
        """Let go of everything, as it was."""
        self._field = None
        self._become(None)
        self._hold(False)

    # Mouse and keys

    def press(self, position: QPointF, held: Qt.KeyboardModifier) -> bool:
        point = self._point(position)
        if point is None:
            return False
        for name, rect in self._item.buttons().items():
            if rect.contains(point):
                (self.confirm if name == CONFIRM else self.discard)()
                return True
        level = self._grabbed(point, held)
        if level is None or level.handle is None:
            return False
        self._offset_px = self._y_of(level) - point.y()
        if level.handle.is_of_ticket:
            price = self.snapped(level.price)
            self._field = _Field(level.handle, price, price)
            self._hold(True)
        else:
            self._drag_to(level, position)
        return True

    def move(self, position: QPointF, held: Qt.KeyboardModifier) -> bool:  # noqa: ARG002
        if self._field is not None:
            self._move_field(self._field, self._price_at(position))
            return True
        proposal = self._item.proposal
        if proposal is None or not proposal.is_held:
            return False
        self._drag_to(proposal.level, position)
        return True

    def release(self, position: QPointF) -> None:  # noqa: ARG002
        if self._field is not None:
            self._field = None
            self._hold(False)
        proposal = self._item.proposal
        if proposal is None or not proposal.is_held:
            return
        if proposal.price == self.snapped(proposal.level.price):
            self.discard()  # back where it was
            return
        self._become(Proposal(proposal.level, proposal.price, proposal.text, is_held=False))
        handle = proposal.level.handle
        if self.is_instant or (handle is not None and handle.is_safe):
            self.confirm()

    def line_at(self, position: QPointF) -> Level | None:
        """The line under the mouse that is somebody's; `position` is px of the canvas."""
        point = self._point(position)
        if point is None or not self._levels.isVisible():
            return None
        return self._levels.handle_at(point.y())

    def key(self, key: int, held: Qt.KeyboardModifier) -> bool:  # noqa: ARG002
        if self._field is not None and key == Qt.Key.Key_Escape:
            self._move_field(self._field, self._field.before)
            self._field = None
            self._hold(False)
            return True
        if self._item.proposal is None:
            return False
        if key == Qt.Key.Key_Escape:
            self.discard()
            return True
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not self._item.proposal.is_held:
            self.confirm()
            return True
        return False

    def cursor_at(self, position: QPointF) -> Qt.CursorShape | None:
        point = self._point(position)
        if point is None:
            return None
        if any(rect.contains(point) for rect in self._item.buttons().values()):
            return Qt.CursorShape.PointingHandCursor
        is_grip = self._grabbed(point, Qt.KeyboardModifier.AltModifier) is not None
        return Qt.CursorShape.SizeVerCursor if is_grip else None

    # Inside

    def _grabbed(self, point: QPointF, held: Qt.KeyboardModifier) -> Level | None:
        if self.needs_alt and not held & Qt.KeyboardModifier.AltModifier:
            return None
        proposal = self._item.proposal
        if proposal is not None and abs(self._y_of(proposal.level) - point.y()) <= GRAB_PX:
            return proposal.level  # taken up again
        level = self._levels.handle_at(point.y()) if self._levels.isVisible() else None
        handle = None if level is None else level.handle
        if level is not None and handle is not None and handle.kind == "alert":
            return None if self._is_on_drawing(point, self.snapped(level.price)) else level
        is_free = self.is_unlocked or (handle is not None and handle.is_safe)
        return level if is_free else None

    def _y_of(self, level: Level) -> float:
        """Where it is in the hand: px of the pane."""
        proposal = self._item.proposal
        if proposal is not None and proposal.level is level:
            return self._item.pane.y_of(float(proposal.price))
        return self._item.pane.y_of(level.price)

    def _price_at(self, position: QPointF) -> Decimal:
        """On the tick, inside the pane; `position` is of the canvas."""
        pane = self._item.pane
        y = position.y() - pane.geometry().top() + self._offset_px
        return self.snapped(pane.value_at(min(max(0.0, y), pane.height_px)))

    def _move_field(self, field: _Field, price: Decimal) -> None:
        if price > 0 and price != field.price:
            field.price = price
            self.wanted.emit(field.handle, price)

    def _hold(self, is_held: bool) -> None:
        """While a line is in the hand the scale stands still: else it would run from the mouse."""
        if is_held is not self._levels.is_held:
            self._levels.is_held = is_held
            if not is_held:
                self._canvas.view_changed.emit()

    def _drag_to(self, level: Level, position: QPointF) -> None:
        price = self._price_at(position)
        if level.handle is not None and price > 0:
            text = self._describe(level.handle, price)
            self._become(Proposal(level, price, text, is_held=True))

    def snapped(self, price: float) -> Decimal:
        """The nearest price that the exchange takes."""
        ticks = (Decimal(repr(price)) / self.tick).to_integral_value()
        return (ticks * self.tick).quantize(self.tick)

    def _become(self, proposal: Proposal | None) -> None:
        if proposal != self._item.proposal:
            self._item.proposal = proposal
            self._item.update()
            self._hold(proposal is not None and proposal.is_held)
            self.changed.emit()

    def _point(self, position: QPointF) -> QPointF | None:
        pane = self._canvas.panes[PRICE]
        area = pane.geometry()
        is_in = area.contains(position) and pane.isVisible()
        return position - area.topLeft() if is_in else None
