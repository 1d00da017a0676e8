"""Whose capital a page shows, where there is more than one account: sums of different money are
no sum, so it is one at a time."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QMenu

from core.snapshots import CapitalSnapshot
from ui import i18n
from ui.bridge import Bridge
from ui.widgets.buttons import TextButton


class AccountChoice(TextButton):
    """Hidden while there is one account."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(kind="chip", icon="chevron-down", color="t3")
        self._capital = bridge.capital
        self._menu = QMenu(self)
        self.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        i18n.set_tool_tip(self, "Whose capital this page shows")
        self.clicked.connect(self._open_menu)
        self._capital.accounts_changed.connect(self._show)
        self._capital.changed.connect(self._show)  # no lambda: the page may go, the ledger stays
        self._show()

    def _show(self, _capital: CapitalSnapshot | None = None) -> None:
        self.setVisible(len(self._capital.accounts) > 1)
        if self.text() != self._capital.account:
            self.setText(self._capital.account)

    def _open_menu(self) -> None:
        self._fill_menu()
        self._menu.popup(self.mapToGlobal(self.rect().bottomLeft()))

    def _fill_menu(self) -> None:
        self._menu.clear()
        for account in self._capital.accounts:
            action = self._menu.addAction(account)
            if action is not None:
                action.setCheckable(True)
                action.setChecked(account == self._capital.account)
                action.triggered.connect(lambda _on, name=account: self._capital.choose(name))
