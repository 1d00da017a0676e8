"""Capital by symbol or by bot: a stacked bar that adds up to the total, and its parts as rows.

A click on a part, in the bar or in the table, shows what it is made of; a click on the way back
returns.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from PyQt6.QtCore import QEvent, QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QMouseEvent, QPainter, QPaintEvent
from PyQt6.QtWidgets import QButtonGroup, QWidget

from core.snapshots import CapitalSnapshot
from ui import formatting, theme
from ui.bridge import Bridge
from ui.charts import primitives
from ui.i18n import tr
from ui.models import allocation as model
from ui.models import capital as tables
from ui.plain import tip
from ui.widgets.basic import INSET, EmptyState, Panel, label, show_value
from ui.widgets.buttons import TextButton
from ui.widgets.ink import Ink, draw_left
from ui.widgets.table_view import DataTable

_DEFAULT_POSITION_LIMIT = 0.20
_OPACITIES = (1.0, 0.72, 0.5)  # neighbours differ; hue says what state it is in


class Segment(NamedTuple):
    """`key` is a part's, "" for what nobody holds; `name` as the trader reads it."""

    key: str
    name: str
    amount: Decimal
    token: str


def segments_of(
    capital: CapitalSnapshot, parts: list[model.Part], names: dict[str, str], *, is_whole: bool
) -> list[Segment]:
    """All of the total where `is_whole`, else of the part that is open: they always add up."""
    made = [
        Segment(part.key, names[part.key], part.amount,
                "reserved" if part.state == model.RESERVED else "accent")
        for part in parts
    ]  # fmt: skip
    if is_whole:
        kept = capital.free - capital.available
        made.append(Segment("", tr("Free to use"), capital.available, "free"))
        made.append(Segment("", tr("Kept, never used"), kept, "kept"))
    return made


class AllocationBar(QWidget):
    """Signal: chosen(key of the part that was clicked)."""

    chosen = pyqtSignal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(22)
        self.setMouseTracking(True)
        self._segments: list[Segment] = []
        self._currency = ""
        theme.changed.connect(self.update)

    @property
    def segments(self) -> list[Segment]:
        return self._segments

    def show_segments(self, segments: list[Segment], currency: str) -> None:
        if (segments, currency) != (self._segments, self._currency):
            self._segments, self._currency = segments, currency
            self.update()

    def _text(self, part: Segment) -> str:
        return formatting.money(part.amount, self._currency)

    def place_of(self, key: str) -> QRectF | None:
        return next((area for area, part in self._places() if part.key == key), None)

    def _places(self) -> list[tuple[QRectF, Segment]]:
        """What is below nothing (more in use than there is) takes no room."""
        shown = [part for part in self._segments if part.amount > 0]
        whole = sum((part.amount for part in shown), Decimal(0))
        places: list[tuple[QRectF, Segment]] = []
        x = float(INSET)
        room = self.width() - 2.0 * INSET
        for part in shown:
            width = float(part.amount / whole) * room
            places.append((QRectF(x, 2, max(width - 2, 1), self.height() - 4), part))
            x += width
        return places

    def _at(self, point: QPointF) -> Segment | None:
        return next((part for area, part in self._places() if area.contains(point)), None)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        part = None if event is None else self._at(event.position())
        text = "" if part is None else f"{part.name} · {self._text(part)}"
        if self.toolTip() != tip(text):
            self.setToolTip(tip(text))
        is_part = part is not None and bool(part.key)
        self.setCursor(Qt.CursorShape.PointingHandCursor if is_part else Qt.CursorShape.ArrowCursor)

    def leaveEvent(self, event: QEvent | None) -> None:
        super().leaveEvent(event)
        self.setToolTip("")

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        part = None if event is None else self._at(event.position())
        if part is not None and part.key:
            self.chosen.emit(part.key)

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for i, (area, part) in enumerate(self._places()):
            opacity = _OPACITIES[i % len(_OPACITIES)] if part.key else 1.0
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color(part.token, opacity))
            painter.drawRoundedRect(area, 3, 3)
            if part.key and area.width() >= primitives.text_width(part.name) + 12:
                draw_left(
                    painter, part.name, (area.left() + 6, area.center().y()),
                    Ink(_ink_on(part.token), 500, 11), area.right() - 6,
                )  # fmt: skip


def _ink_on(token: str) -> str:
    """What can be read on a part: the reserved ones are pale in both themes."""
    is_light = theme.current().name == "light"
    return "t1" if token == "reserved" and is_light else "e0"


class AllocationPanel(Panel):
    """Signal: bot_wanted(bot id): a double click on a row."""

    bot_wanted = pyqtSignal(str)

    def __init__(self, bridge: Bridge) -> None:
        super().__init__("Capital held")
        self._bridge = bridge
        self._view, self._within = model.BY_SYMBOL, ""
        self._capital: CapitalSnapshot | None = None
        self.views: dict[str, TextButton] = {}
        self._sum = label("label")
        self._lay_out_head()
        self.bar = AllocationBar()
        self.back = TextButton(kind="link", icon="chevron-right", color="t2")
        self.back.hide()
        self.model = model.holdings(bridge, self._shown_view, self._limit)
        self.table = DataTable(self.model)
        self.table.setMinimumHeight(80)
        self._nothing = EmptyState("wallet", "All capital is free", "Positions hold none of it.")
        self._ledger = tables.ledger(bridge)
        ledger = DataTable(self._ledger, row_height=22, header=False)
        heading = label("caption", "Ledger, newest first")
        heading.setContentsMargins(INSET, 6, INSET, 2)
        self.body.addWidget(self.bar)
        self.body.addWidget(self.back, 0, Qt.AlignmentFlag.AlignLeft)
        self.body.addWidget(self.table, 3)
        self.body.addWidget(self._nothing, 3)
        self.body.addWidget(heading)
        self.body.addWidget(ledger, 4)
        self.bar.chosen.connect(self.open_part)
        self.table.clicked.connect(lambda index: self.open_part(self.model.row_at(index.row()).key))
        self.table.chosen.connect(self._want_bot)
        self.back.clicked.connect(self.close_part)
        bridge.capital.changed.connect(self.show_capital)

    def _lay_out_head(self) -> None:
        group = QButtonGroup(self)
        self.head.takeAt(1)
        self.head.addSpacing(8)
        for view in model.VIEWS:
            chip = TextButton(view, kind="chip")
            chip.setCheckable(True)
            chip.setChecked(view == self._view)
            chip.clicked.connect(lambda _on, chosen=view: self.show_view(chosen))
            group.addButton(chip)
            self.views[view] = chip
            self.head.addWidget(chip)
        self.head.addStretch(1)
        self.head.addWidget(self._sum)
        self.head.setContentsMargins(INSET, 0, INSET, 0)

    def show_view(self, view: str) -> None:
        self._view, self._within = view, ""
        self.views[view].setChecked(True)
        self._show()

    def open_part(self, key: str) -> None:
        """What a part is made of; its inside has no inside."""
        if not self._within:
            self._within = key
            self._show()

    def close_part(self) -> None:
        self._within = ""
        self._show()

    def show_capital(self, capital: CapitalSnapshot) -> None:
        self._capital = capital
        self._ledger.set_rows(
            [tables.NumberedLine(i, line) for i, line in enumerate(capital.ledger)]
        )
        self._show()

    def _shown_view(self) -> str:
        """What the rows stand for: inside a symbol bots, inside a bot symbols."""
        if not self._within:
            return self._view
        return model.BY_BOT if self._view == model.BY_SYMBOL else model.BY_SYMBOL

    def _limit(self) -> float:
        """Of the capital: of one symbol's position, or of all that one bot holds."""
        if self._shown_view() == model.BY_BOT:
            return float(self._capital.cap_ratio) if self._capital else 1.0
        risk = self._bridge.risk_in_view()
        limits = risk.limits if risk is not None else []
        found = next((x.limit for x in limits if x.name == "largest_position"), None)
        return found / 100 if found else _DEFAULT_POSITION_LIMIT

    def _name(self, key: str, view: str) -> str:
        return key if view == model.BY_SYMBOL else model.bot_name(self._bridge, key)

    def _show(self) -> None:
        capital = self._capital
        if capital is None:
            return
        parts = model.parts(capital, self._view, self._within)
        if self._within and not parts:  # it holds nothing any more
            self._within = ""
            parts = model.parts(capital, self._view)
        view = self._shown_view()
        held = sum((part.amount for part in parts), Decimal(0))
        show_value(self._sum, tr("total {sum}", sum=formatting.long_sum(held, capital.currency)))
        names = {part.key: self._name(part.key, view) for part in parts}
        is_whole = not self._within
        segments = segments_of(capital, parts, names, is_whole=is_whole)
        self.bar.show_segments(segments, capital.currency)
        self.back.setVisible(bool(self._within))
        if self._within:
            inside = self._name(self._within, self._view)
            self.back.setText(tr("All of it: back from {name}", name=inside))
        self.model.set_rows(parts)
        self.table.setVisible(bool(parts))
        self._nothing.setVisible(not parts)

    def _want_bot(self, part: model.Part) -> None:
        known = [bot_id for bot_id in part.bots if bot_id in self._bridge.bots]
        if known:
            self.bot_wanted.emit(known[0])
