"""One table for the whole screen: a model that is a list of columns, and its delegate's cells.

A new table is a list of `Column`s. Rows are immutable values with a key; a refresh repaints only
the rows that differ, keeps the selection when rows move, and never measures contents. Columns sort
by value, so numbers sort as numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from PyQt6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt, QTimer

from ui import preferences
from ui.i18n import tr
from ui.plain import tip

Row = TypeVar("Row")
FLASH_MS = 250
_ONE_BY_ONE = 50  # rows that come or go in one refresh without a reset
_CALM_S = 1.0  # a value that changes more often than this is not tinted at each change
_NOWHERE = QModelIndex()


class Cell(NamedTuple):
    """What one cell shows. `tone` and `caption_tone` name colour tokens.

    `caption` is small text behind the value (quote currency), `arrow` +1/-1 draws ▲/▼ before it,
    `bar` 0..1 a share bar, `action` makes the cell a button that reports this name, `is_off` one
    that does nothing now (`tool_tip` says why). `plain` is what copy and export write where that
    is not the text: the whole figure, the whole time.
    """

    text: str
    tone: str = "t1"
    weight: int = 400
    caption: str = ""
    arrow: int = 0
    icon: str = ""
    bar: float | None = None
    action: str = ""
    is_off: bool = False
    tool_tip: str = ""
    plain: str | None = None


class Edit(NamedTuple, Generic[Row]):
    """A cell that is changed in its place. `start(row)` is the text to begin with, "" where this
    row has nothing to change; `problem(row, text)` says what is wrong with an entry, "" if fine."""

    start: Callable[[Row], str]
    problem: Callable[[Row, str], str]


class Column(NamedTuple, Generic[Row]):
    """`title` is English; `width` in px, of which the `stretch` columns share what is left.

    `sort` gives the value to sort by, None where sorting makes no sense. `flash` tints the cell
    for a moment when its sort value changes. `drop` leaves the column out of narrow windows.
    """

    title: str
    cell: Callable[[Row], Cell]
    width: int
    sort: Callable[[Row], Any] | None = None
    right: bool = False
    stretch: int = 0
    flash: bool = False
    drop: bool = False
    edit: Edit[Row] | None = None


class TableModel(QAbstractTableModel, Generic[Row]):
    """Rows of one kind under their columns.

    `key(row)` names a row over refreshes; `is_stale(row)` greys it.
    """

    def __init__(
        self,
        columns: Sequence[Column[Row]],
        key: Callable[[Row], Hashable],
        parent: QObject | None = None,
        is_stale: Callable[[Row], bool] = lambda _row: False,
    ) -> None:
        super().__init__(parent)
        self.columns = list(columns)
        self.is_stale = is_stale
        self._key = key
        self._rows: list[Row] = []
        self._sort_column: int | None = None
        self._sort_descending = False
        self._flashes: dict[tuple[Hashable, int], tuple[float, int]] = {}
        self._changed_s: dict[tuple[Hashable, int], float] = {}
        self._flash_end = QTimer(self)
        self._flash_end.setSingleShot(True)
        self._flash_end.timeout.connect(self._end_flashes)

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show `rows`; only what differs is repainted."""
        fresh = self._sorted(rows)
        keys = [self._key(row) for row in fresh]
        if not self._has_few_changes(keys):
            self.beginResetModel()
            self._rows = fresh
            self.endResetModel()
            return
        self._remove_gone(set(keys))
        self._insert_new(fresh, keys)
        if keys == [self._key(row) for row in self._rows]:
            self._replace_values(fresh)
        else:
            self._move_rows(fresh, keys)

    def row_at(self, index: int) -> Row:
        return self._rows[index]

    def rows(self) -> list[Row]:
        """All of them, in the order shown; a list of the caller's own."""
        return list(self._rows)

    def key_at(self, index: int) -> Hashable:
        return self._key(self._rows[index])

    def index_of(self, key: Hashable) -> int | None:
        """Row number of `key`, None where it is not shown."""
        return next((i for i, row in enumerate(self._rows) if self._key(row) == key), None)

    def flash_direction(self, row: int, column: int) -> int:
        """+1/-1 while the cell is tinted after a change, else 0."""
        end, direction = self._flashes.get((self.key_at(row), column), (0.0, 0))
        return direction if time.monotonic() < end else 0

    def rowCount(self, parent: QModelIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self.columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        cell = self.columns[index.column()].cell(self._rows[index.row()])
        if role == Qt.ItemDataRole.DisplayRole:
            return cell.text
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip(cell.tool_tip) or None
        return None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        usual = super().flags(index)
        return usual | Qt.ItemFlag.ItemIsEditable if self.edit_start(index) else usual

    def edit_start(self, index: QModelIndex) -> str:
        """The text an edit of this cell begins with, "" where it cannot be changed."""
        edit = self.columns[index.column()].edit if index.isValid() else None
        return edit.start(self._rows[index.row()]) if edit is not None else ""

    def plain_titles(self, columns: Sequence[int]) -> list[str]:
        """Heads of these columns, in the trader's language."""
        return [tr(self.columns[i].title) for i in columns]

    def plain_cells(self, row: int, columns: Sequence[int]) -> list[str]:
        """As `plain_of`, by the row's number."""
        return self.plain_of(self._rows[row], columns)

    def plain_of(self, row: Row, columns: Sequence[int]) -> list[str]:
        """One row as it is copied and exported: whole figures and times."""
        cells = (self.columns[i].cell(row) for i in columns)
        return [cell.text if cell.plain is None else cell.plain for cell in cells]

    def plain_columns(self) -> list[int]:
        """Columns that say something: all but buttons."""
        return [i for i, column in enumerate(self.columns) if column.title]

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        if orientation is not Qt.Orientation.Horizontal or section >= len(self.columns):
            return None
        column = self.columns[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return tr(column.title) if column.title else ""
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if column.right else Qt.AlignmentFlag.AlignLeft
            return side | Qt.AlignmentFlag.AlignVCenter
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        if column < 0 or self.columns[column].sort is None:
            return
        self._sort_column = column
        self._sort_descending = order is Qt.SortOrder.DescendingOrder
        fresh = self._sorted(self._rows)
        self._move_rows(fresh, [self._key(row) for row in fresh])

    def _sorted(self, rows: Sequence[Row]) -> list[Row]:
        if self._sort_column is None:
            return list(rows)
        value = self.columns[self._sort_column].sort
        assert value is not None
        known = [row for row in rows if value(row) is not None]
        unknown = [row for row in rows if value(row) is None]  # last either way: "—" has no order
        return sorted(known, key=value, reverse=self._sort_descending) + unknown

    def _has_few_changes(self, keys: list[Hashable]) -> bool:
        """Few rows come and go one by one, so that selection and an open editor stay; a table
        that is filled anew is reset."""
        old, new = {self._key(row) for row in self._rows}, set(keys)
        return len(new) == len(keys) and len(old ^ new) <= _ONE_BY_ONE

    def _remove_gone(self, kept: set[Hashable]) -> None:
        for i in reversed(range(len(self._rows))):
            if self._key(self._rows[i]) not in kept:
                self.beginRemoveRows(_NOWHERE, i, i)
                del self._rows[i]
                self.endRemoveRows()

    def _insert_new(self, fresh: list[Row], keys: list[Hashable]) -> None:
        known = {self._key(row) for row in self._rows}
        for i, (row, key) in enumerate(zip(fresh, keys, strict=True)):
            if key not in known:
                place = min(i, len(self._rows))
                self.beginInsertRows(_NOWHERE, place, place)
                self._rows.insert(place, row)
                self.endInsertRows()

    def _replace_values(self, fresh: list[Row]) -> None:
        old, self._rows = self._rows, fresh
        last_column = len(self.columns) - 1
        for i, (before, after) in enumerate(zip(old, fresh, strict=True)):
            if before != after:
                self._note_flashes(before, after)
                self.dataChanged.emit(self.index(i, 0), self.index(i, last_column))

    def _move_rows(self, fresh: list[Row], keys: list[Hashable]) -> None:
        self.layoutAboutToBeChanged.emit()
        places = {key: i for i, key in enumerate(keys)}
        before = self.persistentIndexList()
        after = [self.index(places[self.key_at(i.row())], i.column()) for i in before]
        self._rows = fresh
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def _note_flashes(self, before: Row, after: Row) -> None:
        for i, column in enumerate(self.columns):
            if not column.flash or column.sort is None or preferences.current().reduces_motion:
                continue
            old, new = column.sort(before), column.sort(after)
            if old is None or new is None or old == new:
                continue
            place, now_s = (self._key(after), i), time.monotonic()
            was_calm = now_s - self._changed_s.get(place, 0.0) > _CALM_S
            self._changed_s[place] = now_s
            if was_calm:
                self._flashes[place] = (now_s + FLASH_MS / 1000, 1 if new > old else -1)
                if not self._flash_end.isActive():
                    self._flash_end.start(FLASH_MS)

    def _end_flashes(self) -> None:
        now = time.monotonic()
        self._flashes = {k: v for k, v in self._flashes.items() if v[0] > now}
        if self._rows:
            last = self.index(len(self._rows) - 1, len(self.columns) - 1)
            self.dataChanged.emit(self.index(0, 0), last)
        if self._flashes:
            self._flash_end.start(FLASH_MS)
