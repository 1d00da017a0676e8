"""The blotter's head: its tabs, the filter, and what is done to all rows at once."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QHBoxLayout, QMenu, QTabBar, QWidget

from core.models.orders import Side
from ui import i18n
from ui.bridge import Bridge
from ui.i18n import tr
from ui.widgets.basic import INSET
from ui.widgets.blotter_page import RowFilter
from ui.widgets.buttons import IconButton, TextButton
from ui.widgets.search_field import SearchField

_SEARCH_WIDTH = 170


class _Search(SearchField):
    """Escape clears it and says so."""

    left = pyqtSignal()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is not None and event.key() == Qt.Key.Key_Escape:
            self.clear()
            self.left.emit()
        else:
            super().keyPressEvent(event)


class BlotterBar(QWidget):
    """Signals: chosen(index of a tab), filtered(RowFilter), export_wanted(), search_left(),
    cancel_wanted(side or None for both, whether positions are closed too)."""

    chosen = pyqtSignal(int)
    filtered = pyqtSignal(object)
    export_wanted = pyqtSignal()
    cancel_wanted = pyqtSignal(object, bool)
    search_left = pyqtSignal()

    def __init__(self, bridge: Bridge, names: list[str]) -> None:
        super().__init__()
        self._bridge = bridge
        self._bot_id: str | None = None
        self.setFixedHeight(34)
        self.tabs = QTabBar()
        self.tabs.setProperty("kind", "sub")
        self.tabs.setDrawBase(False)
        self.tabs.setExpanding(False)
        self.tabs.setUsesScrollButtons(True)
        self.tabs.setFixedHeight(34)
        self.tabs.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        for name in names:
            self.tabs.addTab(tr(name))
        self.search = _Search("Filter rows")
        self.search.setFixedWidth(_SEARCH_WIDTH)
        self.search.setStyleSheet(
            "QLineEdit { min-height: 22px; max-height: 22px; font-size: 12px; }"
        )
        self.search.hide()
        self.bots = TextButton("All bots", kind="chip", icon="chevron-down", color="t3")
        self.bots.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        self.cancel_all = TextButton("Cancel all…", kind="chip", icon="chevron-down", color="t3")
        self.cancel_all.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        self.close_all = TextButton("Close all…", kind="chip")
        self.export = IconButton("download", "Export as CSV")
        self._menu = QMenu(self)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, INSET - 4, 0)
        line.setSpacing(4)
        line.addWidget(self.tabs, 1)
        for part in (self.search, self.bots, self.cancel_all, self.close_all, self.export):
            line.addWidget(part)
        self.tabs.currentChanged.connect(self.chosen)
        self.search.textChanged.connect(lambda _text: self._tell())
        self.search.left.connect(self._leave_search)
        self.bots.clicked.connect(self._open_menu)
        self.cancel_all.clicked.connect(self._open_cancel_menu)
        self.export.clicked.connect(self.export_wanted)

    def set_narrow(self, narrow: bool) -> None:
        self.export.setVisible(not narrow)  # the row's menu has it too

    def begin_search(self) -> None:
        """Ctrl+F."""
        self.search.show()
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search.selectAll()

    def show_bot(self, bot_id: str | None) -> None:
        """Only this bot's rows; None: all of them, "": those of no bot."""
        self._bot_id = bot_id
        self._name_bot()
        self._tell()

    def retranslate(self) -> None:
        self._name_bot()

    def _name_bot(self) -> None:
        if self._bot_id is None:
            i18n.set_text(self.bots, "All bots")
        elif not self._bot_id:
            i18n.set_text(self.bots, "External")
        else:
            self.bots.setProperty("trText", None)
            self.bots.setText(self._named(self._bot_id))

    def _named(self, bot_id: str) -> str:
        link = self._bridge.bots.get(bot_id)
        if link is None:
            return bot_id
        bot = link.latest
        return f"{bot.symbol or bot.kind} · {bot.timeframe}"

    def _open_menu(self) -> None:
        self._menu.clear()
        choices: list[tuple[str, str | None]] = [(tr("All bots"), None)]
        choices += [(self._named(bot_id), bot_id) for bot_id in self._bridge.bots]
        choices.append((tr("External"), ""))
        for text, bot_id in choices:
            action = self._menu.addAction(text)
            if action is not None:
                action.setCheckable(True)
                action.setChecked(bot_id == self._bot_id)
                action.triggered.connect(lambda _on, chosen=bot_id: self.show_bot(chosen))
        self._menu.popup(self.bots.mapToGlobal(self.bots.rect().bottomLeft()))

    def _open_cancel_menu(self) -> None:
        self._menu.clear()
        choices = (
            (tr("All orders…"), None, False),
            (tr("All buys…"), Side.BUY, False),
            (tr("All sells…"), Side.SELL, False),
            (tr("All orders and positions…"), None, True),
        )
        for text, side, closes in choices:
            action = self._menu.addAction(text)
            if action is not None:
                action.triggered.connect(
                    lambda _on, one=side, too=closes: self.cancel_wanted.emit(one, too)
                )
        self._menu.popup(self.cancel_all.mapToGlobal(self.cancel_all.rect().bottomLeft()))

    def _leave_search(self) -> None:
        self.search.hide()
        self.search_left.emit()

    def _tell(self) -> None:
        words = tuple(self.search.text().casefold().split())
        self.filtered.emit(RowFilter(self._bot_id, words))
