"""Columns as the trader wants them: dragged to another place or width, left out, sorted by.

The table asks here how wide a column is and whether it is shown; what changes is kept under the
table's name, for every table of that name and for the next start.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
from PyQt6.QtCore import QObject, QPoint, Qt, QTimer, pyqtSignal
from PyQt6.QtWidgets import QHeaderView, QMenu

from ui import table_memory
from ui.i18n import tr
from ui.models.table import TableModel
from ui.table_memory import ColumnChoice

_KEEP_AFTER_MS = 400  # a border that is dragged is written once


class TableColumns(QObject):
    """Of one table; `name` "" is a table whose columns stay as they are. Signals: changed(): lay
    out anew."""

    changed = pyqtSignal()

    def __init__(self, header: QHeaderView, model: TableModel[Any], name: str) -> None:
        super().__init__(header)
        self._header, self._model, self._name = header, model, name
        self._keys = [column.title or f"#{i}" for i, column in enumerate(model.columns)]
        self._choice = table_memory.choice_of(name) if name else ColumnChoice()
        self.is_laying_out = False  # widths change by our doing
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._keep)
        if not name:
            return
        header.setSectionsMovable(True)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(self._open_menu)
        header.sectionMoved.connect(lambda *_places: self._take_order())
        header.sectionResized.connect(self._take_width)
        self._put_in_order()

    # What the table asks

    def width(self, number: int) -> int:
        own = self._choice.widths.get(self._keys[number])
        return self._model.columns[number].width if own is None else own

    def has_own_width(self, number: int) -> bool:
        return self._keys[number] in self._choice.widths

    def is_hidden(self, number: int) -> bool:
        return self._keys[number] in self._choice.hidden

    def sorted_by(self) -> tuple[int, bool] | None:
        """Column number and whether the largest comes first."""
        if self._choice.sort not in self._keys:
            return None
        return self._keys.index(self._choice.sort), self._choice.is_descending

    # What the trader does

    def show_column(self, number: int, shown: bool) -> None:
        """At least one stays."""
        hidden = self._choice.hidden - {self._keys[number]}
        if not shown:
            hidden |= {self._keys[number]}
        if len(hidden) < len(self._keys):
            self._use(msgspec.structs.replace(self._choice, hidden=hidden))

    def take_sort(self, number: int, *, is_descending: bool) -> None:
        self._choice = msgspec.structs.replace(
            self._choice, sort=self._keys[number], is_descending=is_descending
        )
        self._keep_soon()

    def restore(self) -> None:
        """The columns as delivered."""
        self._use(ColumnChoice())
        self._put_in_order()

    def make_menu(self) -> QMenu:
        menu = QMenu(self._header)
        for number, column in enumerate(self._model.columns):
            action = menu.addAction(tr(column.title)) if column.title else None
            if action is not None:
                action.setCheckable(True)
                action.setChecked(not self.is_hidden(number))
                action.toggled.connect(partial(self.show_column, number))
        menu.addSeparator()
        for text, do in (("Restore columns", self.restore), ("Export as CSV", self._export)):
            action = menu.addAction(tr(text))
            if action is not None:
                action.triggered.connect(lambda _on, do=do: do())
        return menu

    # Inside

    def _open_menu(self, where: QPoint) -> None:
        menu = self.make_menu()
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self._header.mapToGlobal(where))

    def _export(self) -> None:
        from ui import export  # not for the first paint

        window = self._header.window() or self._header
        export.ask_and_save(window, self._model, f"twinstar-{self._name.lower()}")

    def _put_in_order(self) -> None:
        """What is not named keeps its place behind what is."""
        named = [self._keys.index(key) for key in self._choice.order if key in self._keys]
        order = named + [i for i in range(len(self._keys)) if i not in named]
        self._header.blockSignals(True)
        for place, number in enumerate(order):
            self._header.moveSection(self._header.visualIndex(number), place)
        self._header.blockSignals(False)

    def _take_order(self) -> None:
        order = tuple(self._keys[self._header.logicalIndex(i)] for i in range(len(self._keys)))
        self._use(msgspec.structs.replace(self._choice, order=order))

    def _take_width(self, number: int, _former: int, width: int) -> None:
        if not self.is_laying_out and width > 0:
            widths = {**self._choice.widths, self._keys[number]: width}
            self._choice = msgspec.structs.replace(self._choice, widths=widths)
            self._keep_soon()

    def _use(self, choice: ColumnChoice) -> None:
        self._choice = choice
        self._keep_soon()
        self.changed.emit()

    def _keep_soon(self) -> None:
        if self._name:
            self._timer.start(_KEEP_AFTER_MS)

    def _keep(self) -> None:
        table_memory.keep(self._name, self._choice)
