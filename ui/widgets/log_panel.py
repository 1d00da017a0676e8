"""The whole log in a window of its own: by level, by words, and the way to its files."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import Qt, QTimer, QUrl
from PyQt6.QtGui import QDesktopServices, QShowEvent
from PyQt6.QtWidgets import QVBoxLayout, QWidget

from core.snapshots import FeedItem
from ui import export, formatting, i18n
from ui.bridge import Bridge
from ui.i18n import tr
from ui.models.log import LogLine, LogReader, log
from ui.widgets.basic import GUTTER, EmptyState, Panel
from ui.widgets.buttons import IconButton, TextButton
from ui.widgets.search_field import SearchField
from ui.widgets.table_view import DataTable
from ui.widgets.ticket_fields import Choice

_FEED_MS = 100  # what comes in a burst is shown once
_LEVELS = (("all", "All"), ("warning", "Warnings"), ("error", "Errors"))
_TONES = {"all": (), "warning": ("warn", "danger"), "error": ("danger",)}


class LogPanel(Panel):
    """Attributes: level, field, table."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__("Log")
        self._bridge, self._reader = bridge, LogReader(bridge)
        self.model = log()
        self.level = Choice(_LEVELS)
        self._level = "all"
        self.level.choose(self._level)
        self.field = SearchField("Search the log")
        folder = TextButton("Open log folder", kind="ghost")
        folder.clicked.connect(lambda: open_folder(bridge.data_dir))
        save = IconButton("download", "Export the table")
        save.clicked.connect(self._export)
        for part in (self.level, self.field, folder, save):
            self.head.addWidget(part)
        self.table = DataTable(self.model, selectable=True, name="Log")
        self.table.setAccessibleName("Log")
        self._empty = EmptyState("list", "Nothing of that kind", "Choose another level or word.")
        self.body.addWidget(self.table, 1)
        self.body.addWidget(self._empty, 1)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.refresh)
        self.level.chosen.connect(self.choose_level)
        self.field.textChanged.connect(lambda _text: self.refresh())
        bridge.feed_items.connect(self._take_items)
        bridge.feed_reset.connect(self._read_anew)
        i18n.language.changed.connect(self._retranslate)
        self.refresh()

    def choose_level(self, name: str) -> None:
        """all, warning (and what is worse) or error."""
        self._level = name
        self.level.choose(name)
        self.refresh()

    def refresh(self) -> None:
        """What fits the level and the words, newest first."""
        self._timer.stop()
        tones = _TONES[self._level]
        words = self.field.text().casefold().split()
        rows = [line for line in self._reader.lines() if _fits(line, tones, words)]
        self.model.set_rows(rows)
        self.table.setVisible(bool(rows))
        self._empty.setVisible(not rows)

    def _take_items(self, _items: list[FeedItem]) -> None:
        if self.isVisible() and not self._timer.isActive():
            self._timer.start(_FEED_MS)

    def _read_anew(self) -> None:
        self._reader.forget()
        self.refresh()

    def _retranslate(self, _language: str) -> None:
        self._read_anew()

    def _export(self) -> None:
        now_ms = self._bridge.snapshot.market_time_ms if self._bridge.snapshot else 0
        day = formatting.date_time(now_ms).partition(" ")[0]
        export.ask_and_save(self.window() or self, self.model, f"twinstar-log-{day}")

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self.refresh()


def _fits(line: LogLine, tones: tuple[str, ...], words: list[str]) -> bool:
    text = f"{line.title} {line.text}".casefold()
    return (not tones or line.tone in tones) and all(word in text for word in words)


def open_folder(data_dir: Path) -> None:
    """Where the log files are, in the desktop's own window."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(data_dir / "logs")))


class LogWindow(QWidget):
    """The panel in a window of its own. Attribute: panel."""

    def __init__(self, owner: QWidget, bridge: Bridge) -> None:
        super().__init__(owner, Qt.WindowType.Window)
        self.setProperty("role", "window")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.panel = LogPanel(bridge)
        inside = QVBoxLayout(self)
        inside.setContentsMargins(GUTTER, GUTTER, GUTTER, GUTTER)
        inside.addWidget(self.panel)
        self.resize(1100, 560)
        self._retranslate("")
        i18n.language.changed.connect(self._retranslate)

    def _retranslate(self, _language: str) -> None:
        self.setWindowTitle(f"{tr('Log')} · TwinStar Quantum")
