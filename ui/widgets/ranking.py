"""The ranking: every watched symbol with its line, its score against the entry score, its state.

The order stands still under the mouse; what is newest comes when it leaves.
"""

from __future__ import annotations

from typing import Any

from PyQt6.QtCore import QEvent, QModelIndex, QObject, QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QPainter
from PyQt6.QtWidgets import QComboBox, QStyle, QStyleOptionViewItem

from core.scanning.snapshots import ScanSnapshot, SymbolState
from core.snapshots import EngineSnapshot
from ui import export, fonts, formatting, i18n, theme
from ui.bridge import Bridge
from ui.i18n import tr
from ui.models.ranking import (
    DROPPED,
    READING,
    REFUSED,
    SCORE,
    SPARK,
    STATE,
    RankingModel,
    RankRow,
    ScoreMemory,
    rank_rows,
)
from ui.models.table import Column
from ui.widgets.basic import EmptyState, Panel, label, show_value
from ui.widgets.buttons import IconButton
from ui.widgets.ink import Ink, draw_left, draw_right
from ui.widgets.sparkline import sparkline
from ui.widgets.table_view import CellDelegate, DataTable

_PAD = 12
_NUMBER_ROOM = 34
_PLATES = {  # state -> (plate token, its strength, text token)
    SymbolState.SIGNAL: ("accent", 0.16, "accent"),
    SymbolState.POSITION: ("line2", 1.0, "t1"),
    SymbolState.ENTERING: ("line2", 1.0, "t1"),
}


class RankingDelegate(CellDelegate):
    """Paints lines, scores and states; everything else as every table."""

    def paint(
        self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        model = index.model()
        if painter is None or not isinstance(model, RankingModel):
            return
        title = model.columns[index.column()].title
        row = model.row_at(index.row())
        area = QRectF(option.rect)
        is_plated = title == STATE and row.symbol.state in _PLATES and not _is_told_otherwise(row)
        if title not in (SPARK, READING, SCORE) and not is_plated:
            super().paint(painter, option, index)
            return
        self._paint_ground(painter, option, area, 0)
        area.adjust(_PAD, 0, -_PAD, 0)
        is_stale = model.is_stale(row)
        if title == SPARK:
            self._paint_line(painter, area, row, is_stale)
        elif title == READING:
            _paint_reading(painter, area, row, model, is_stale=is_stale)
        elif title == SCORE:
            is_hovered = bool(option.state & QStyle.StateFlag.State_MouseOver)
            _paint_score(painter, area, row, is_stale=is_stale, is_hovered=is_hovered)
        else:
            _paint_plate(painter, area, row)

    @staticmethod
    def _paint_line(painter: QPainter, area: QRectF, row: RankRow, is_stale: bool) -> None:
        hue = theme.color("t3" if is_stale else "t2").name()
        device = painter.device()
        ratio = device.devicePixelRatioF() if device is not None else 1.0
        width, height = int(area.width()), int(area.height()) - 8
        image = sparkline(row.symbol.closes, width, height, hue, ratio)
        painter.drawPixmap(QPointF(area.left(), area.top() + 4), image)


def _is_told_otherwise(row: RankRow) -> bool:
    """A signal whose price is late or that was refused says that instead."""
    is_refused = row.waits_for == REFUSED
    return row.symbol.state is SymbolState.SIGNAL and (row.is_stale or is_refused)


def _paint_score(
    painter: QPainter, area: QRectF, row: RankRow, *, is_stale: bool, is_hovered: bool
) -> None:
    score = row.symbol.score
    middle = area.center().y()
    if score is None:
        draw_right(painter, formatting.UNKNOWN, (area.right(), middle), Ink("t3"))
        return
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    track = QRectF(area.left(), middle - 2, area.width() - _NUMBER_ROOM - 12, 4)
    painter.setBrush(theme.color("line2" if is_hovered else "track"))
    painter.drawRoundedRect(track, 2, 2)
    counts = score >= row.threshold and not is_stale
    if score > 0:
        filled = QRectF(track)
        filled.setWidth(max(3.0, track.width() * min(score / 100, 1.0)))
        painter.setBrush(theme.color("accent" if counts else "t3"))
        painter.drawRoundedRect(filled, 2, 2)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
    tick = round(track.left() + track.width() * row.threshold / 100)
    painter.fillRect(QRectF(tick, middle - 4, 1, 8), theme.color("t2"))
    painter.restore()
    arrow = {1: "▲", -1: "▼"}.get(row.symbol.direction, "")
    tone = "t3" if is_stale else "t1" if score > 0 else "t3"
    left = draw_right(painter, f"{score:.0f}", (area.right(), middle), Ink(tone, 600))
    if arrow:
        way = "t3" if is_stale else "up" if row.symbol.direction > 0 else "down"
        draw_right(painter, arrow, (left - 4, middle), Ink(way, 400, 8))


def _paint_reading(
    painter: QPainter, area: QRectF, row: RankRow, model: RankingModel, *, is_stale: bool
) -> None:
    value, middle = row.symbol.reading, area.center().y()
    if value is None:
        draw_right(painter, formatting.UNKNOWN, (area.right(), middle), Ink("t3"))
        return
    low, high = model.reading_range
    track = QRectF(area.left(), middle - 2, area.width() - _NUMBER_ROOM - 8, 4)

    def place(figure: float) -> float:
        return track.left() + track.width() * min(max((figure - low) / (high - low), 0.0), 1.0)

    painter.save()
    painter.fillRect(track, theme.color("track"))
    for mark in model.reading_marks:
        painter.fillRect(QRectF(round(place(mark)), middle - 4, 1, 8), theme.color("t3"))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.color("t3" if is_stale else "t1"))
    painter.drawEllipse(QPointF(place(value), middle), 3, 3)
    painter.restore()
    tone = "t3" if is_stale else "t2"
    draw_right(painter, f"{value:.1f}", (area.right(), middle), Ink(tone))


def _paint_plate(painter: QPainter, area: QRectF, row: RankRow) -> None:
    token, strength, tone = _PLATES[row.symbol.state]
    text = tr({
        SymbolState.SIGNAL: "Signal",
        SymbolState.POSITION: "In position",
        SymbolState.ENTERING: "Entering",
    }[row.symbol.state])  # fmt: skip
    width = fonts.metrics(11, 600).horizontalAdvance(text) + 12
    plate = QRectF(area.left(), area.center().y() - 9, min(width, area.width()), 18)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.color(token, strength))
    painter.drawRoundedRect(plate, 4, 4)
    painter.restore()
    draw_left(
        painter, text, (plate.left() + 6, plate.center().y()), Ink(tone, 600, 11), area.right()
    )


class RankingTable(DataTable):
    """Signal: held(bool) when the mouse comes over the rows, and when it leaves."""

    held = pyqtSignal(bool)

    def __init__(self, model: RankingModel) -> None:
        super().__init__(model, selectable=True)
        self.setItemDelegate(RankingDelegate(self))
        view = self.viewport()
        assert view is not None
        view.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is not None and watched is self.viewport():
            if event.type() == QEvent.Type.Enter:
                self.held.emit(True)
            elif event.type() in (QEvent.Type.Leave, QEvent.Type.Hide):
                self.held.emit(False)
        return super().eventFilter(watched, event)

    def _with_room(self, room: int) -> list[tuple[int, Column[Any]]]:
        shown = list(enumerate(self._columns.columns))
        for title in DROPPED:
            if sum(column.width for _, column in shown) <= room:
                break
            shown = [(i, column) for i, column in shown if column.title != title]
        return shown


class Ranking(Panel):
    """Signals: chosen(symbol) by a double click or Return; selected(symbol) by a click or keys."""

    chosen = pyqtSignal(str)
    selected = pyqtSignal(str)

    def __init__(self, bridge: Bridge) -> None:
        super().__init__("Ranking")
        self._bridge = bridge
        self._memory = ScoreMemory()
        self._rows: list[RankRow] = []
        self.model = RankingModel(bridge, self)
        self.table = RankingTable(self.model)
        self._count = label("label")
        self._held = label("caption", "The order stands still under the mouse")
        self._held.hide()
        self.states = QComboBox()
        self.states.setProperty("role", "small")
        self._export = IconButton("download", "Export as CSV")
        self._empty = EmptyState(
            "hourglass", "Nothing is watched yet", "Symbols come when the bot has chosen them."
        )
        self.head.insertWidget(1, self._count)
        for part in (self._held, self.states, self._export):
            self.head.addWidget(part)
        self.body.addWidget(self.table, 1)
        self.body.addWidget(self._empty, 1)
        self._name_filters()
        self._connect()
        self._show()

    def _connect(self) -> None:
        self.table.held.connect(self._hold)
        self.table.chosen.connect(lambda row: self.chosen.emit(row.symbol.symbol))
        self.table.entered.connect(lambda row: self.chosen.emit(row.symbol.symbol))
        selection = self.table.selectionModel()
        assert selection is not None
        selection.currentRowChanged.connect(self._tell_selected)
        self.states.currentIndexChanged.connect(self._show)
        self._export.clicked.connect(
            lambda: export.ask_and_save(self.window() or self, self.model, "ranking")
        )
        i18n.language.changed.connect(self._name_filters)
        self._bridge.state_changed.connect(self.table.paint_again)

    def take(self, scan: ScanSnapshot, snapshot: EngineSnapshot) -> None:
        """The newest scan."""
        self._memory.take(scan)
        self.model.set_reading(scan)
        self._rows = rank_rows(scan, snapshot, self._memory)
        self._show()

    def _show(self) -> None:
        wanted = self.states.currentIndex()
        rows = [row for row in self._rows if _passes(row, wanted)]
        self.model.set_rows(rows)
        total = len(self._rows)
        count = str(total) if len(rows) == total else tr("{n} of {total}", n=len(rows), total=total)
        show_value(self._count, count)
        self.table.setVisible(bool(self._rows))
        self._empty.setVisible(not self._rows)

    def _hold(self, held: bool) -> None:
        self.model.hold(held)
        self._held.setVisible(held and bool(self._rows))
        if not held:
            self._show()

    def _tell_selected(self, index: QModelIndex) -> None:
        if index.isValid():
            self.selected.emit(self.model.row_at(index.row()).symbol.symbol)

    def _name_filters(self, _language: str = "") -> None:
        chosen = max(0, self.states.currentIndex())
        self.states.blockSignals(True)
        self.states.clear()
        self.states.addItems([
            tr("All states"), tr("Signals"), tr("In position"), tr("Stale"), tr("Not free")
        ])  # fmt: skip
        self.states.setCurrentIndex(chosen)
        self.states.blockSignals(False)


def _passes(row: RankRow, wanted: int) -> bool:
    state = row.symbol.state
    return (
        True,
        state is SymbolState.SIGNAL or bool(row.waits_for),
        state in (SymbolState.POSITION, SymbolState.ENTERING),
        row.is_stale,
        state in (SymbolState.TAKEN, SymbolState.COOLING),
    )[wanted]
