"""The one table view and the one delegate that paints every table of the screen.

The delegate paints `Cell`s: padding 12, alignment, half-size arrow, small caption, share bar, stale
grey, and the tint of a value that has just changed. Columns have fixed widths and one or more
stretch; nothing is ever resized to contents, which walks the whole model on each change.
"""

from __future__ import annotations

from typing import Any

from PyQt6.QtCore import QModelIndex, QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QContextMenuEvent,
    QFocusEvent,
    QFontMetricsF,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPolygonF,
    QResizeEvent,
)
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from ui import fonts, icons, theme
from ui.models.table import Cell, Column, TableModel
from ui.widgets.cell_editor import CellEditing
from ui.widgets.table_columns import TableColumns

_PAD = 12
_GAP = 4


class CellDelegate(CellEditing, QStyledItemDelegate):
    """Paints the cells of a `TableModel`; `pad` px left and right."""

    def __init__(self, parent: QWidget, pad: int = _PAD) -> None:
        super().__init__(parent)
        self._pad = pad

    def paint(
        self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        model = index.model()
        if painter is None or not isinstance(model, TableModel):
            return
        column = model.columns[index.column()]
        value = model.row_at(index.row())
        cell = column.cell(value)
        area = QRectF(option.rect)
        self._paint_ground(
            painter, option, area, model.flash_direction(index.row(), index.column())
        )
        stale = model.is_stale(value)
        area.adjust(self._pad, 0, -self._pad, 0)
        if cell.bar is not None:
            _paint_bar(painter, area, cell)
            return
        hovered = bool(option.state & QStyle.StateFlag.State_MouseOver)
        _paint_text(painter, area, cell, right=column.right, stale=stale, hovered=hovered)

    @staticmethod
    def _paint_ground(
        painter: QPainter, option: QStyleOptionViewItem, area: QRectF, flash: int
    ) -> None:
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(area, theme.color("sel"))
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(area, theme.color("e2"))
        if flash:
            painter.fillRect(area, theme.color("up" if flash > 0 else "down", 0.18))


def _paint_bar(painter: QPainter, area: QRectF, cell: Cell) -> None:
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    track = QRectF(area.left(), area.center().y() - 2, area.width(), 4)
    painter.setBrush(theme.color("track"))
    painter.drawRoundedRect(track, 2, 2)
    track.setWidth(max(3.0, track.width() * min(max(cell.bar or 0.0, 0.0), 1.0)))
    painter.setBrush(theme.color(cell.tone))
    painter.drawRoundedRect(track, 2, 2)
    painter.restore()


def _paint_text(
    painter: QPainter, area: QRectF, cell: Cell, *, right: bool, stale: bool, hovered: bool
) -> None:
    tone = "t3" if stale and cell.tone in ("t1", "t2", "up", "down") else cell.tone
    if cell.action:
        tone = "t3" if cell.is_off else "t1" if hovered else "t2"
    hue = theme.color(tone)
    metrics = fonts.metrics(12, cell.weight)
    caption_metrics = fonts.metrics(10)
    caption_width = caption_metrics.horizontalAdvance(cell.caption) + 2 if cell.caption else 0.0
    lead = (10.0 if cell.arrow else 0.0) + (16.0 if cell.icon else 0.0)
    room = area.width() - caption_width - lead
    text = _fit(metrics, cell.text, room)
    width = metrics.horizontalAdvance(text)
    x = area.right() - width - caption_width - lead if right else area.left()
    base = fonts.baseline(area.center().y(), 12, cell.weight)
    if cell.icon:
        painter.drawPixmap(
            QPointF(round(x), round(area.center().y() - 7)), icons.pixmap(cell.icon, tone)
        )
        x += 16
    if cell.arrow:
        _paint_arrow(painter, QPointF(x, area.center().y()), cell.arrow, hue)
        x += 10
    painter.setFont(theme.font(12, cell.weight))
    painter.setPen(hue)
    painter.drawText(QPointF(x, base), text)
    if cell.caption:
        painter.setFont(theme.font(10))
        painter.setPen(theme.color("t3"))
        painter.drawText(QPointF(x + width + 2, base), cell.caption)


def _fit(metrics: QFontMetricsF, text: str, room: float) -> str:
    if metrics.horizontalAdvance(text) <= room + 0.5:
        return text
    return metrics.elidedText(text, Qt.TextElideMode.ElideRight, room)


def _paint_arrow(painter: QPainter, at: QPointF, direction: int, hue: QColor) -> None:
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(hue)
    y = at.y()
    tip, foot = (y - 2.5, y + 2) if direction > 0 else (y + 2.5, y - 2)
    painter.drawPolygon(
        QPolygonF([QPointF(at.x(), foot), QPointF(at.x() + 6, foot), QPointF(at.x() + 3, tip)])
    )
    painter.restore()


class DataTable(QTableView):
    """A `TableModel` shown by the house rules.

    Signals: action(row value, name) for a click on a cell that is a button; chosen(row value) for
    a double click on a row (not on a cell that can be changed); entered(row value) for Return;
    delete_wanted(row value) for Delete; menu_wanted(row value, global position) for the right
    button or the menu key; edited(row value, column title, text).
    """

    action = pyqtSignal(object, str)
    chosen = pyqtSignal(object)
    entered = pyqtSignal(object)
    delete_wanted = pyqtSignal(object)
    menu_wanted = pyqtSignal(object, object)
    edited = pyqtSignal(object, str, str)

    def __init__(
        self,
        model: TableModel[Any],
        row_height: int = 26,
        pad: int = _PAD,
        selectable: bool = False,
        header: bool = True,
        *,
        name: str = "",
    ) -> None:
        """`name`: its columns may be moved, sized and left out, and are kept under it."""
        super().__init__()
        self._columns = model
        self._narrow = False
        self.setModel(model)
        self.setItemDelegate(CellDelegate(self, pad))
        self.setShowGrid(False)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWordWrap(False)
        self.setMouseTracking(True)
        self.setTabKeyNavigation(False)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(
            QAbstractItemView.SelectionMode.SingleSelection
            if selectable
            else QAbstractItemView.SelectionMode.NoSelection
        )
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if selectable else Qt.FocusPolicy.NoFocus)
        if selectable:
            self.setProperty("rows", "selectable")
        if pad != _PAD:
            self.setStyleSheet(f"QHeaderView::section {{ padding: 0 {pad}px; }}")
        self._set_up_headers(model, row_height, header)
        heads = self.horizontalHeader()
        assert heads is not None
        self.arranged = TableColumns(heads, model, name)
        self.arranged.changed.connect(self._spread)
        kept = self.arranged.sorted_by()
        if kept is not None:
            self._sort(*kept)
        self.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            if any(column.edit for column in model.columns)
            else QAbstractItemView.EditTrigger.NoEditTriggers
        )
        self.doubleClicked.connect(self._on_double_click)
        self._kept_key: object = None
        model.modelAboutToBeReset.connect(self._keep_selection)
        model.modelReset.connect(self._restore_selection)

    def _set_up_headers(self, model: TableModel[Any], row_height: int, header: bool) -> None:
        rows, heads = self.verticalHeader(), self.horizontalHeader()
        assert rows is not None
        assert heads is not None
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(row_height)
        heads.setVisible(header)
        heads.setFixedHeight(26)
        heads.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        heads.setMinimumSectionSize(16)
        heads.setHighlightSections(False)
        heads.setSectionsClickable(True)
        heads.setSortIndicatorShown(False)
        heads.sectionClicked.connect(self._sort_by)
        self._sorted: tuple[int, Qt.SortOrder] | None = None
        for i, column in enumerate(model.columns):
            self.setColumnWidth(i, column.width)

    def set_narrow(self, narrow: bool) -> None:
        """Leave out the columns that a narrow window drops."""
        self._narrow = narrow
        self._spread()

    def paint_again(self) -> None:
        """What makes rows stale has changed outside of the model."""
        view = self.viewport()
        if view is not None:
            view.update()

    def select_key(self, key: object) -> None:
        """Select the row with this key, if it is shown."""
        index = self._columns.index_of(key)
        if index is not None:
            self.selectRow(index)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._spread()

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        super().mouseReleaseEvent(event)
        if event is None or event.button() is not Qt.MouseButton.LeftButton:
            return
        index = self.indexAt(event.position().toPoint())
        if index.isValid():
            value = self._columns.row_at(index.row())
            cell = self._columns.columns[index.column()].cell(value)
            if cell.action and not cell.is_off:
                self.action.emit(value, cell.action)

    def _on_double_click(self, index: QModelIndex) -> None:
        value = self._columns.row_at(index.row())
        is_button = bool(self._columns.columns[index.column()].cell(value).action)
        if not is_button and not self._columns.edit_start(index):
            self.chosen.emit(value)

    # Keys and menus: only where rows can be selected.

    def current_row(self) -> Any:
        """The selected row's value, None without one."""
        index = self.currentIndex()
        is_shown = index.isValid() and self.selectionModel() is not None
        return self._columns.row_at(index.row()) if is_shown else None

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        row = self.current_row()
        if event is None or row is None:
            super().keyPressEvent(event)
        elif event.matches(QKeySequence.StandardKey.Copy):
            self.copy_row()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.entered.emit(row)
        elif event.key() == Qt.Key.Key_Delete:
            self.delete_wanted.emit(row)
        elif event.key() == Qt.Key.Key_F2:
            self.edit_row()
        else:
            super().keyPressEvent(event)

    def copy_row(self) -> None:
        """The selected row's cells, tab separated, to the clipboard."""
        index, clipboard = self.currentIndex(), QGuiApplication.clipboard()
        if index.isValid() and clipboard is not None:
            cells = self._columns.plain_cells(index.row(), self._columns.plain_columns())
            clipboard.setText("\t".join(cells))

    def edit_row(self, title: str = "") -> None:
        """Begin to change the selected row: the column with this title, or the first that can."""
        row = self.currentIndex().row()
        for i, column in enumerate(self._columns.columns):
            index = self._columns.index(row, i)
            if title in ("", column.title) and self._columns.edit_start(index):
                self.setCurrentIndex(index)
                self.edit(index)
                return

    def contextMenuEvent(self, event: QContextMenuEvent | None) -> None:
        if event is None:
            return
        index = self.currentIndex()
        position = event.globalPos()
        if event.reason() is QContextMenuEvent.Reason.Mouse:
            index = self.indexAt(event.pos())
        elif index.isValid():
            view = self.viewport()
            below = self.visualRect(index).bottomLeft()
            position = view.mapToGlobal(below) if view is not None else position
        if index.isValid():
            self.menu_wanted.emit(self._columns.row_at(index.row()), position)

    def focusInEvent(self, event: QFocusEvent | None) -> None:
        super().focusInEvent(event)
        by_mouse = event is None or event.reason() is Qt.FocusReason.MouseFocusReason
        theme.set_property(self, "ring", "false" if by_mouse else "true")
        if by_mouse:
            return
        if not self.currentIndex().isValid() and self._columns.rowCount():
            self.selectRow(0)

    def _keep_selection(self) -> None:
        row = self.currentIndex().row()
        self._kept_key = self._columns.key_at(row) if row >= 0 else None

    def _restore_selection(self) -> None:
        if self._kept_key is not None:
            self.select_key(self._kept_key)

    def _sort_by(self, section: int) -> None:
        if self._columns.columns[section].sort is None:
            return
        descending = Qt.SortOrder.DescendingOrder
        again = self._sorted == (section, descending)
        self._sort(section, is_descending=not again)
        self.arranged.take_sort(section, is_descending=not again)

    def _sort(self, section: int, is_descending: bool) -> None:
        order = Qt.SortOrder.DescendingOrder if is_descending else Qt.SortOrder.AscendingOrder
        self._sorted = (section, order)
        self._columns.sort(section, order)

    def _with_room(self, room: int) -> list[tuple[int, Column[Any]]]:
        """The columns (number, column) that are shown in `room` px: those that may be dropped go,
        the last first, where all of them have no room."""
        own = self.arranged
        shown = [
            (i, c)
            for i, c in enumerate(self._columns.columns)
            if not (self._narrow and c.drop) and not own.is_hidden(i)
        ]
        while sum(own.width(i) for i, _ in shown) > room:
            droppable = [pair for pair in shown if pair[1].drop]
            if not droppable:
                break
            shown.remove(droppable[-1])
        return shown

    def _spread(self) -> None:
        self.arranged.is_laying_out = True
        try:
            self._lay_out_columns()
        finally:
            self.arranged.is_laying_out = False

    def _lay_out_columns(self) -> None:
        view = self.viewport()
        if view is None:
            return
        shown = self._with_room(view.width())
        kept = {i for i, _ in shown}
        for i in range(len(self._columns.columns)):
            self.setColumnHidden(i, i not in kept)
        own = self.arranged
        for i, _ in shown:
            self.setColumnWidth(i, own.width(i))
        stretching = [(i, c) for i, c in shown if c.stretch and not own.has_own_width(i)]
        total = sum(c.stretch for _, c in stretching)
        if not total:
            return
        spare = max(0, view.width() - sum(own.width(i) for i, _ in shown))
        left = spare
        for i, column in stretching[:-1]:
            share = spare * column.stretch // total
            left -= share
            self.setColumnWidth(i, column.width + share)
        last, column = stretching[-1]
        self.setColumnWidth(last, column.width + left)
