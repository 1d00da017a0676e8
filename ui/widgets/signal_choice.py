"""Whose candles give a bot its signals: its account's exchange, or another one (spec T7)."""

from __future__ import annotations

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QComboBox, QWidget

from ui.bridge import Bridge
from ui.i18n import tr
from ui.models import words
from ui.widgets.basic import column, label, show_value


class SignalChoice(QWidget):
    """Signal: changed()."""

    changed = pyqtSignal()

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._accounts = list(bridge.snapshot.accounts) if bridge.snapshot else []
        self._own = ""
        self.choice = QComboBox()
        self._hint = label("label")
        self._hint.setWordWrap(True)
        lines = column(label("label", "Signals from the candles of"), self.choice, self._hint)
        lines.setSpacing(8)
        self.setLayout(lines)
        self.choice.currentIndexChanged.connect(self._show_hint)
        self.choice.currentIndexChanged.connect(self.changed)

    def offer(self, account: str, chosen: str = "") -> None:
        """For a bot on `account`; `chosen` is an exchange's name, "" the account's own."""
        own = next((a.exchange for a in self._accounts if a.name == account), "")
        self._own = own
        others = sorted({a.exchange for a in self._accounts} - {own})
        self.choice.blockSignals(True)
        self.choice.clear()
        self.choice.addItem(tr("{exchange}, as its orders", exchange=words.exchange_name(own)), "")
        for exchange in others:
            self.choice.addItem(words.exchange_name(exchange), exchange)
        self.choice.setCurrentIndex(max(0, self.choice.findData(chosen)))
        self.choice.blockSignals(False)
        self._show_hint()

    def exchange(self) -> str:
        """As a bot's settings say it: "" is its account's own."""
        return str(self.choice.currentData() or "")

    def _show_hint(self) -> None:
        alone = self.choice.count() < 2
        self.choice.setEnabled(not alone)
        own, other = words.exchange_name(self._own), words.exchange_name(self.exchange())
        text = ""
        if alone:
            text = tr("With an account on another exchange, paper is enough, its candles can too.")
        elif other:
            text = tr(
                "Orders go to {own} at its prices; {other} only says when.", own=own, other=other
            )
        show_value(self._hint, text)
