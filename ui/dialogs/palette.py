"""The command palette: type a few letters, press Enter."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QObject, QRect, QSize, Qt
from PyQt6.QtGui import QKeyEvent, QPainter, QShowEvent
from PyQt6.QtWidgets import (
    QDialog,
    QListWidget,
    QListWidgetItem,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from ui import fonts, theme
from ui.i18n import tr
from ui.palette_entries import Entry, matching
from ui.widgets.basic import label
from ui.widgets.search_field import SearchField

_WIDTH, _ROW, _ROWS = 560, 32, 11
_MOVES = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)


class _Lines(QStyledItemDelegate):
    """Name left, what it is and its keys right."""

    def sizeHint(self, _option: QStyleOptionViewItem, _index: object) -> QSize:
        return QSize(_WIDTH - 24, _ROW)

    def paint(self, painter: QPainter | None, option: QStyleOptionViewItem, index: object) -> None:
        super().paint(painter, option, index)  # type: ignore[arg-type]
        if painter is None:
            return
        entry: Entry = index.data(Qt.ItemDataRole.UserRole)  # type: ignore[attr-defined]
        area = QRect(option.rect).adjusted(12, 0, -12, 0)
        middle = option.rect.center().y() + 0.5
        painter.setFont(theme.font(13, 500))
        painter.setPen(theme.color("t1"))
        painter.drawText(area.left(), fonts.baseline(middle, 13, 500), entry.text)
        right = f"{entry.hint}   {entry.keys}" if entry.keys else entry.hint
        painter.setFont(theme.font(11, 400))
        painter.setPen(theme.color("t3"))
        width = fonts.metrics(11, 400).horizontalAdvance(right)
        painter.drawText(area.right() - round(width), fonts.baseline(middle, 11, 400), right)


class Palette(QDialog):
    """Closes on Escape, when something is chosen, and when the trader turns elsewhere."""

    def __init__(self, parent: QWidget, entries: list[Entry]) -> None:
        super().__init__(parent, Qt.WindowType.Dialog | Qt.WindowType.FramelessWindowHint)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Search or run"))
        self.setFixedWidth(_WIDTH)
        self._entries = entries
        self.field = SearchField("Bot, symbol, page or action")
        self.field.installEventFilter(self)
        self.list = QListWidget()
        self.list.setItemDelegate(_Lines(self.list))
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setUniformItemSizes(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setFixedHeight(_ROW * _ROWS)
        self._nothing = label("label", "Nothing is called that")
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(12, 12, 12, 12)
        outer.setSpacing(8)
        outer.addWidget(self.field)
        outer.addWidget(self.list)
        outer.addWidget(self._nothing)
        self.field.textChanged.connect(self._filter)
        self.list.itemClicked.connect(self._run)
        self._filter("")

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        parent = self.parentWidget()
        if parent is not None:
            middle = parent.mapToGlobal(parent.rect().center())
            top = parent.mapToGlobal(parent.rect().topLeft()).y() + 72
            self.move(middle.x() - self.width() // 2, top)
        self.field.setFocus()

    def changeEvent(self, event: QEvent | None) -> None:
        super().changeEvent(event)
        left = event is not None and event.type() == QEvent.Type.ActivationChange
        if left and self.isVisible() and not self.isActiveWindow():
            self.reject()

    def _filter(self, typed: str) -> None:
        self.list.clear()
        for entry in matching(self._entries, typed):
            item = QListWidgetItem(self.list)
            item.setData(Qt.ItemDataRole.UserRole, entry)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{entry.text}, {entry.hint}")
        found = self.list.count() > 0
        self.list.setVisible(found)
        self._nothing.setVisible(not found)
        if found:
            self.list.setCurrentRow(0)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Arrows and Enter belong to the list while the letters go to the field."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() in _MOVES:
                self.list.keyPressEvent(event)
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._run(self.list.currentItem())
                return True
        return super().eventFilter(watched, event)

    def _run(self, item: QListWidgetItem | None) -> None:
        if item is None:
            return
        entry: Entry = item.data(Qt.ItemDataRole.UserRole)
        self.accept()
        entry.do()
