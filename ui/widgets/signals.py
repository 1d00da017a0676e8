"""The signals of a bot that scans: what waits for what, and what came of the others today."""

from __future__ import annotations

from PyQt6.QtCore import pyqtSignal

from core.snapshots import BotSnapshot, EngineSnapshot
from ui.bridge import Bridge
from ui.i18n import tr
from ui.models.scan_signals import SignalLog, SignalRow, signals
from ui.widgets.basic import INSET, EmptyState, Panel, label, show_value
from ui.widgets.table_view import DataTable

HEIGHT_WIDE, HEIGHT_NARROW = 172, 124


class SignalsPanel(Panel):
    """Signals: chosen(symbol) by a double click; trail_wanted(client order id)."""

    chosen = pyqtSignal(str)
    trail_wanted = pyqtSignal(str)

    def __init__(self, bridge: Bridge) -> None:
        super().__init__("Signals today")
        self._bridge = bridge
        self._log = SignalLog()
        self.model = signals(bridge)
        self.table = DataTable(self.model, selectable=True, name="Signals")
        self._count = label("label")
        self.head.addWidget(self._count)
        self.head.setContentsMargins(INSET, 0, INSET, 0)
        self._empty = EmptyState(
            "zap", "No signal today", "One comes when a symbol reaches the entry score."
        )
        self.body.addWidget(self.table, 1)
        self.body.addWidget(self._empty, 1)
        self.table.action.connect(lambda row, _name: self.trail_wanted.emit(row.order_id))
        self.table.chosen.connect(lambda row: self.chosen.emit(row.symbol))
        self.table.entered.connect(lambda row: self.chosen.emit(row.symbol))
        self.setMinimumHeight(HEIGHT_NARROW)
        self.set_narrow(False)
        self._show([])

    def set_narrow(self, narrow: bool) -> None:
        self.table.set_narrow(narrow)
        self._empty.icon.setVisible(not narrow)

    def take(self, bot: BotSnapshot, snapshot: EngineSnapshot) -> None:
        self._show(self._log.rows(self._bridge, bot, snapshot.market_time_ms))

    def _show(self, rows: list[SignalRow]) -> None:
        self.model.set_rows(rows)
        self.table.setVisible(bool(rows))
        self._empty.setVisible(not rows)
        counts = {
            name: sum(row.decision == name for row in rows)
            for name in ("entered", "refused", "waiting")
        }
        show_value(
            self._count, tr("{entered} entered · {refused} denied · {waiting} waiting", **counts)
        )
