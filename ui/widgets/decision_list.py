"""The list of decisions beside a trail: icon, what was wanted, what became of it, result, time."""

from __future__ import annotations

from PyQt6.QtCore import QModelIndex, QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QPainter
from PyQt6.QtWidgets import QButtonGroup, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from ui import formatting, i18n, icons, theme
from ui.bridge import Bridge
from ui.i18n import tr
from ui.models import decisions as model
from ui.models.table import TableModel
from ui.models.words import tone_of
from ui.widgets.basic import INSET, EmptyState, Panel, row
from ui.widgets.buttons import TextButton
from ui.widgets.ink import Ink, draw_left, draw_right
from ui.widgets.table_view import DataTable

_ROW = 52
_MOST = 999  # that a chip counts


class DecisionDelegate(QStyledItemDelegate):
    """Two lines: order and result, outcome and time."""

    def __init__(self, parent: QWidget, bridge: Bridge) -> None:
        super().__init__(parent)
        self._bridge = bridge

    def paint(
        self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        shown = index.model()
        if painter is None or not isinstance(shown, TableModel):
            return
        decision: model.Decision = shown.row_at(index.row())
        area = QRectF(option.rect).adjusted(4, 1, -4, -1)
        self._paint_ground(painter, option, area)
        icon, tone = model.icon_of(decision.order)
        painter.drawPixmap(QPointF(area.left() + 8, area.top() + 9), icons.pixmap(icon, tone, 14))
        left, right = area.left() + 30, area.right() - 8
        upper, lower = area.top() + 16, area.top() + 35
        result, room = decision.result, right
        if result is not None:
            ink = Ink(tone_of(result), 500)
            room = draw_right(painter, formatting.money(result, sign=True), (right, upper), ink) - 8
        title = model.heading(self._bridge, decision.order)
        draw_left(painter, title, (left, upper), Ink("t1", 600), room)
        time = self.time_text(decision.order.updated_ms)
        room = draw_right(painter, time, (right, lower), Ink("t2")) - 8
        below = model.outcome(self._bridge, decision.order)
        ink = Ink(tone if tone in ("warn", "danger") else "t2")
        draw_left(painter, below, (left, lower), ink, room)

    def time_text(self, time_ms: int) -> str:
        """The hour; the day too where it is not the market's today."""
        snapshot = self._bridge.snapshot
        today = formatting.moment(snapshot.market_time_ms).date() if snapshot else None
        if formatting.moment(time_ms).date() == today:
            return formatting.clock(time_ms)
        return formatting.date_time(time_ms).partition("-")[2]

    @staticmethod
    def _paint_ground(painter: QPainter, option: QStyleOptionViewItem, area: QRectF) -> None:
        if option.state & QStyle.StateFlag.State_Selected:
            token = "sel"
        elif option.state & QStyle.StateFlag.State_MouseOver:
            token = "e2"
        else:
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color(token))
        painter.drawRoundedRect(area, 4, 4)
        painter.restore()


class DecisionList(Panel):
    """Signal: chosen(client order id)."""

    chosen = pyqtSignal(str)

    def __init__(self, bridge: Bridge) -> None:
        super().__init__("Decisions")
        self._bridge, self._kind = bridge, model.ALL
        self.model = model.decision_list(bridge)
        self.table = DataTable(self.model, row_height=_ROW, selectable=True, header=False)
        self.table.setItemDelegate(DecisionDelegate(self.table, bridge))
        self._empty = EmptyState("list", "No orders yet", "Each order has its trail here.")
        group = QButtonGroup(self)
        self._chips = {kind: TextButton(kind, kind="chip") for kind in model.KINDS}
        for kind, chip in self._chips.items():
            chip.setCheckable(True)
            chip.setChecked(kind == model.ALL)
            chip.setStyleSheet("QPushButton { padding: 0 6px; }")
            chip.clicked.connect(lambda _checked, wanted=kind: self._show_kind(wanted))
            group.addButton(chip)
        chips = row(*self._chips.values(), None, spacing=0)
        chips.setContentsMargins(INSET - 4, 0, 0, 6)
        self.body.addLayout(chips)
        self.body.addWidget(self.table, 1)
        self.body.addWidget(self._empty, 1)
        selection = self.table.selectionModel()
        assert selection is not None
        selection.currentChanged.connect(self._tell)
        i18n.language.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """The list anew; the selection stays."""
        found = model.decisions(self._bridge)
        for kind, chip in self._chips.items():
            count = sum(kind in (model.ALL, one.kind) for one in found)
            many = f"{_MOST}+" if count > _MOST else str(count)
            is_counted = count and kind != model.FILLED  # the others are what one looks for
            chip.setText(f"{tr(kind)} {many}" if is_counted else tr(kind))
        rows = [one for one in found if self._kind in (model.ALL, one.kind)]
        self.model.set_rows(rows)
        self.table.setVisible(bool(rows))
        self._empty.setVisible(not rows)

    def select(self, client_order_id: str) -> None:
        """Mark an order, in the list of all if the present one does not have it."""
        if self.model.index_of(client_order_id) is None and self._kind != model.ALL:
            self._chips[model.ALL].setChecked(True)
            self._show_kind(model.ALL)
        self.table.select_key(client_order_id)

    def _show_kind(self, kind: str) -> None:
        self._kind = kind
        self.refresh()

    def _tell(self, index: QModelIndex) -> None:
        if index.isValid():
            self.chosen.emit(self.model.row_at(index.row()).order.client_order_id)
