"""A cell changed in its place: Enter sends, Escape or a click elsewhere leaves it as it was.

Nothing is sent because the focus went somewhere else: that would be an order by accident.
"""

from __future__ import annotations

from typing import cast

from PyQt6.QtCore import QAbstractItemModel, QEvent, QModelIndex, QObject, QPoint, Qt
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import (
    QLineEdit,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QToolTip,
    QWidget,
)

from ui import theme
from ui.models.table import TableModel
from ui.plain import tip

_STYLE = (
    "QLineEdit { min-height: 20px; max-height: 20px; padding: 0 10px; font-size: 12px;"
    " border-radius: 3px; }"
)


class CellEditor(QLineEdit):
    """The field over a cell. Attributes: index of the cell; `problem` is what is wrong, "" if
    nothing."""

    def __init__(self, parent: QWidget, model: TableModel[object], index: QModelIndex) -> None:
        super().__init__(parent)
        self._model, self._key = model, model.key_at(index.row())
        self._edit = model.columns[index.column()].edit
        self.setStyleSheet(_STYLE)
        if model.columns[index.column()].right:
            self.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.setText(model.edit_start(index))
        self.selectAll()
        self.textChanged.connect(lambda _text: self.check())

    def check(self) -> str:
        """What is wrong with the entry now; shown as a border and beside the field."""
        row = self._model.index_of(self._key)
        problem = ""
        if row is not None and self._edit is not None:
            problem = self._edit.problem(self._model.row_at(row), self.text())
        theme.set_property(self, "error", "true" if problem else "false")
        self.setToolTip(tip(problem))
        if problem and self.isVisible():
            QToolTip.showText(self.mapToGlobal(QPoint(0, self.height())), tip(problem), self)
        elif not problem:
            QToolTip.hideText()
        return problem


class CellEditing(QStyledItemDelegate):
    """The editing half of the table's delegate."""

    def createEditor(
        self, parent: QWidget | None, _option: QStyleOptionViewItem, index: QModelIndex
    ) -> QWidget | None:
        model = index.model()
        if parent is None or not isinstance(model, TableModel):
            return None
        return CellEditor(parent, model, index)

    def setEditorData(self, editor: QWidget | None, index: QModelIndex) -> None:
        """What is being typed stays, whatever the market does to the cell meanwhile."""

    def updateEditorGeometry(
        self, editor: QWidget | None, option: QStyleOptionViewItem, _index: QModelIndex
    ) -> None:
        if editor is not None:
            editor.setGeometry(option.rect.adjusted(2, 2, -2, -2))

    def setModelData(
        self, editor: QWidget | None, model: QAbstractItemModel | None, index: QModelIndex
    ) -> None:
        view = self.parent()
        if isinstance(editor, CellEditor) and isinstance(model, TableModel):
            text = editor.text().strip()
            if text != model.edit_start(index):
                title = model.columns[index.column()].title
                row = model.row_at(index.row())
                cast("QTableView", view).edited.emit(row, title, text)  # type: ignore[attr-defined]

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if isinstance(watched, CellEditor) and event is not None:
            if event.type() is QEvent.Type.FocusOut:
                self.closeEditor.emit(watched, QStyledItemDelegate.EndEditHint.RevertModelCache)
                return True
            is_enter = isinstance(event, QKeyEvent) and event.key() in (
                Qt.Key.Key_Return,
                Qt.Key.Key_Enter,
            )
            is_tab = isinstance(event, QKeyEvent) and event.key() in (
                Qt.Key.Key_Tab,
                Qt.Key.Key_Backtab,
            )
            if event.type() is QEvent.Type.KeyPress and is_enter and watched.check():
                return True  # the problem stands beside the field
            if event.type() is QEvent.Type.KeyPress and is_tab:
                return True
        return super().eventFilter(watched, event)
