"""The blotter under the chart: positions, working orders, fills, history, log, latest events."""

from __future__ import annotations

from typing import Any

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QGridLayout, QStackedWidget, QTabBar, QVBoxLayout, QWidget

from core.models.orders import Order
from core.snapshots import EngineSnapshot, FeedItem
from ui import formatting, i18n, tasks
from ui.bridge import Bridge
from ui.i18n import tr
from ui.models import blotter as tables
from ui.models.table import TableModel
from ui.widgets.basic import (
    INSET,
    ElidedLabel,
    EmptyState,
    Panel,
    label,
    rule,
    show_value,
)
from ui.widgets.table_view import DataTable

_EVENTS = 3


class _Page(QWidget):
    """One table, or the words that stand where it would be."""

    def __init__(self, model: TableModel[Any], empty: tuple[str, str, str]) -> None:
        super().__init__()
        self.model, self.table = model, DataTable(model)
        self._empty = EmptyState(*empty)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.table)
        outer.addWidget(self._empty)

    def set_narrow(self, narrow: bool) -> None:
        self.table.set_narrow(narrow)
        self._empty.icon.setVisible(not narrow)  # the words matter where room is short

    def set_rows(self, rows: list[Any]) -> None:
        self.model.set_rows(rows)
        self.table.setVisible(bool(rows))
        self._empty.setVisible(not rows)


class Blotter(Panel):
    """Signals: close_wanted(PositionSnapshot); a working order is cancelled at once."""

    close_wanted = pyqtSignal(object)

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._busy: set[tuple[str, str]] = set()
        self._positions = _Page(
            tables.positions(bridge),
            ("layers", "No open positions", "Start a bot; it opens one at its next signal."),
        )
        self._working = _Page(
            tables.working(bridge),
            ("hourglass", "No working orders", "Orders that wait at the exchange stand here."),
        )
        self._fills = _Page(
            tables.fills(bridge), ("check", "No fills yet", "Every execution is listed here.")
        )
        self._history = _Page(
            tables.history(bridge), ("clock", "No orders yet", "Every order is listed here.")
        )
        self._log = _Page(tables.log(), ("list", "Nothing yet", "What happens is written here."))
        self._pages: list[tuple[str, _Page]] = [
            ("Positions", self._positions),
            ("Working", self._working),
            ("Fills", self._fills),
            ("History", self._history),
            ("Log", self._log),
        ]
        self._tabs = QTabBar()
        self._tabs.setProperty("kind", "sub")
        self._tabs.setDrawBase(False)
        self._tabs.setExpanding(False)
        self._tabs.setFixedHeight(34)
        self._tabs.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._stack = QStackedWidget()
        keeps_its_room = self._stack.sizePolicy()
        keeps_its_room.setRetainSizeWhenHidden(True)
        self._stack.setSizePolicy(keeps_its_room)
        for name, page in self._pages:
            self._tabs.addTab(tr(name))
            self._stack.addWidget(page)
        self._tabs.currentChanged.connect(self._stack.setCurrentIndex)
        self.body.addWidget(self._tabs)
        self.body.addWidget(self._stack, 1)
        self._events = _LatestEvents()
        self.body.addWidget(self._events)
        self._positions.table.action.connect(lambda row, _name: self.close_wanted.emit(row))
        self._positions.table.chosen.connect(self.close_wanted)
        self._working.table.action.connect(lambda row, _name: self._cancel(row))
        bridge.snapshot_changed.connect(self._take)
        bridge.feed_items.connect(self._take_items)
        bridge.feed_reset.connect(self.refresh)
        bridge.state_changed.connect(self._positions.table.paint_again)
        i18n.language.changed.connect(self._retranslate)
        self.refresh()

    def set_narrow(self, narrow: bool) -> None:
        for _, page in self._pages:
            page.set_narrow(narrow)
        self._events.setVisible(not narrow)

    def _retranslate(self, _language: str) -> None:
        self.refresh()

    def refresh(self) -> None:
        """Everything anew: at the start, after attaching, in another language."""
        self._stack.setVisible(self._bridge.is_settled)
        if self._bridge.snapshot is not None:
            self._show_open(self._bridge.snapshot)
        self._show_feed()
        for page, of in ((0, self._positions), (1, self._working), (2, self._fills)):
            self._title(page, of)
        self._tabs.setTabText(3, tr("History"))
        self._tabs.setTabText(4, tr("Log"))

    def _take(self, snapshot: EngineSnapshot) -> None:
        if self.isVisible():
            self._show_open(snapshot)

    def _take_items(self, _items: list[FeedItem]) -> None:
        if self.isVisible():
            self._show_feed()

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        self.refresh()

    def _show_open(self, snapshot: EngineSnapshot) -> None:
        self._stack.setVisible(self._bridge.is_settled)  # before, an empty list says nothing
        self._positions.set_rows([p for p in snapshot.positions if not p.position.is_flat])
        self._working.set_rows(snapshot.working_orders)
        self._title(0, self._positions)
        self._title(1, self._working)

    def _show_feed(self) -> None:
        self._fills.set_rows(list(reversed(self._bridge.fills())))
        self._title(2, self._fills)
        self._history.set_rows(self._bridge.order_history())
        lines = tables.log_lines(self._bridge)
        self._log.set_rows(lines)
        self._events.show_lines(lines[:_EVENTS])

    def _title(self, index: int, page: _Page) -> None:
        count = page.model.rowCount()
        text = tr(self._pages[index][0])
        text = f"{text}  {count}" if count else text
        if self._tabs.tabText(index) != text:
            self._tabs.setTabText(index, text)

    def _cancel(self, order: Order) -> None:
        key = (order.client_order_id, order.exchange_order_id)
        if key not in self._busy:  # a second click while the first is under way sends nothing
            self._busy.add(key)
            tasks.spawn(self._cancel_once(order, key))

    async def _cancel_once(self, order: Order, key: tuple[str, str]) -> None:
        try:
            tasks.announce(await self._bridge.cancel_order(order))
        finally:
            self._busy.discard(key)


class _LatestEvents(QWidget):
    """The newest lines of the log, always in sight."""

    def __init__(self) -> None:
        super().__init__()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(INSET, 0, INSET, 8)
        outer.setSpacing(4)
        outer.addWidget(rule())
        outer.addWidget(label("caption", "Latest events"))
        lines = QGridLayout()
        lines.setContentsMargins(0, 0, 0, 0)
        lines.setHorizontalSpacing(12)
        lines.setVerticalSpacing(0)
        lines.setColumnMinimumWidth(0, 80)
        lines.setColumnMinimumWidth(1, 80)
        lines.setColumnStretch(2, 1)
        self._lines = [
            (label("label", tone="t3"), label("value"), ElidedLabel("label"))
            for _ in range(_EVENTS)
        ]
        for i, parts in enumerate(self._lines):
            lines.setRowMinimumHeight(i, 20)
            for j, part in enumerate(parts):
                lines.addWidget(part, i, j)
        outer.addLayout(lines)

    def show_lines(self, lines: list[tables.LogLine]) -> None:
        empty = [None] * (_EVENTS - len(lines))
        for (time, title, text), line in zip(self._lines, [*lines, *empty], strict=True):
            show_value(time, formatting.clock_ms(line.time_ms) if line else "")
            show_value(title, line.title if line else "", line.tone if line else "t1")
            text.show_text(line.text if line else "")
