"""One table of the blotter: its rows, the filter on them, or the words that stand instead.

The table itself is made when the page first shows rows: of the seven pages of each bot's blotter
a trader looks at two, and the others would cost a third of a tab's memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from PyQt6.QtWidgets import QVBoxLayout, QWidget

from ui import i18n
from ui.models.table import TableModel
from ui.widgets.basic import EmptyState
from ui.widgets.table_view import DataTable


class RowFilter(NamedTuple):
    """`bot_id` None: all; "": what no bot owns. `words`: every one of them has to be in a row."""

    bot_id: str | None = None
    words: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.bot_id is None and not self.words


class BlotterPage(QWidget):
    """`empty` stands where there are no rows; `bot_of(row)` is the bot that a row belongs to, ""
    for none; None where rows have no bot."""

    def __init__(
        self,
        name: str,
        model: TableModel[Any],
        empty: EmptyState,
        bot_of: Callable[[Any], str] | None,
    ) -> None:
        super().__init__()
        self.name, self.model = name, model
        self._table: DataTable | None = None
        self._narrow = False
        self._wires: list[Callable[[DataTable], None]] = []
        self._bot_of = bot_of
        self._all: Sequence[Any] = ()
        self._filter = RowFilter()
        self._empty = empty
        self._title, self._hint = empty.title.property("trText"), empty.hint.property("trText")
        self._outer = QVBoxLayout(self)
        self._outer.setContentsMargins(0, 0, 0, 0)
        self._outer.addWidget(self._empty)

    @property
    def table(self) -> DataTable:
        """Made here if nobody has looked at it yet."""
        if self._table is None:
            made = self._table = DataTable(self.model, selectable=True, name=self.name)
            made.setAccessibleName(self.name)
            made.set_narrow(self._narrow)
            made.setVisible(bool(self.model.rowCount()))
            self._outer.insertWidget(0, made)
            for wire in self._wires:
                wire(made)
        return self._table

    def wire(self, connect: Callable[[DataTable], None]) -> None:
        """`connect` is called with the table once there is one."""
        self._wires.append(connect)
        if self._table is not None:
            connect(self._table)

    def paint_again(self) -> None:
        """What a cell may do has changed."""
        if self._table is not None:
            self._table.paint_again()

    @property
    def rows(self) -> list[Any]:
        """What is shown, in the order shown."""
        return [self.model.row_at(i) for i in range(self.model.rowCount())]

    def set_narrow(self, narrow: bool) -> None:
        self._narrow = narrow
        if self._table is not None:
            self._table.set_narrow(narrow)
        self._empty.icon.setVisible(not narrow)  # the words matter where room is short

    def set_rows(self, rows: Sequence[Any]) -> None:
        self._all = rows
        shown = rows if self._filter.is_open else [row for row in rows if self._passes(row)]
        self.model.set_rows(shown)
        self._show_either()
        is_filtered = bool(rows) and not shown
        title = "Nothing fits the filter" if is_filtered else self._title
        hint = "Choose all bots, or clear the search." if is_filtered else self._hint
        if self._empty.title.property("trText") != title:
            i18n.set_text(self._empty.title, title)
            i18n.set_text(self._empty.hint, hint)

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        self._show_either()

    def _show_either(self) -> None:
        has_rows = bool(self.model.rowCount())
        if self._table is not None or (has_rows and self.isVisible()):
            self.table.setVisible(has_rows)
        self._empty.setVisible(not has_rows)

    def count(self, rows: Sequence[Any]) -> int:
        """How many of these the filter lets through."""
        return len(rows) if self._filter.is_open else sum(self._passes(row) for row in rows)

    def set_filter(self, chosen: RowFilter) -> None:
        if chosen != self._filter:
            self._filter = chosen
            self.set_rows(self._all)

    def _passes(self, row: Any) -> bool:
        bot_id, words = self._filter
        if bot_id is not None and self._bot_of is not None and self._bot_of(row) != bot_id:
            return False
        if not words:
            return True
        shown = " ".join(column.cell(row).text for column in self.model.columns).casefold()
        return all(word in shown for word in words)
