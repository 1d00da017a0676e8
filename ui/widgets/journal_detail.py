"""One trade of the journal in full: its figures, why those that are missing are, and its note."""

from __future__ import annotations

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QStackedWidget, QWidget

from core.journal.entries import JournalEntry
from ui import formatting
from ui.bridge import Bridge
from ui.i18n import sentence, tr
from ui.models import journal as model
from ui.models import words
from ui.models.cells import Figures
from ui.models.table import Cell
from ui.models.words import tone_of
from ui.plain import tip
from ui.widgets.basic import (
    INSET,
    ChangeLabel,
    EmptyState,
    KeyValue,
    Panel,
    column,
    label,
    row,
    rule,
    show_value,
)
from ui.widgets.buttons import TextButton
from ui.widgets.journal_note import NoteEditor, Save

_NO_SIGNAL = "No signal of ours: see the first line of its trail."


class JournalDetail(Panel):
    """Signals: chart_wanted(entry), trail_wanted(entry)."""

    chart_wanted = pyqtSignal(object)
    trail_wanted = pyqtSignal(object)

    def __init__(self, bridge: Bridge, save: Save) -> None:
        super().__init__()
        self._bridge, self._figures = bridge, Figures(bridge)
        self.entry: JournalEntry | None = None
        self._title, self._when = label("title"), label("caption")
        self._net = ChangeLabel("figure", right=True)
        self._reason = label("label")
        self._reason.setWordWrap(True)
        names = ("Entry", "Exit", "Size", "Before costs", "Fees", "Funding", "First stop", "R",
                 "MAE", "MFE", "Duration", "Trading day")  # fmt: skip
        self.lines = {name: KeyValue(name, height=22) for name in names}
        self.note = NoteEditor(save)
        self.chart = TextButton("On the chart", icon="chart-candlestick")
        self.trail = TextButton("Why: the trail", icon="list")
        self.chart.clicked.connect(lambda: self.chart_wanted.emit(self.entry))
        self.trail.clicked.connect(lambda: self.trail_wanted.emit(self.entry))
        self._pages = QStackedWidget()
        self._pages.addWidget(
            EmptyState("pencil", "No trade chosen", "Choose one to read on it and write on it.")
        )
        self._pages.addWidget(self._page())
        self.body.addWidget(self._pages, 1)

    def _page(self) -> QWidget:
        head = row(self._title, None, self._net, spacing=8)
        lines = column(spacing=0)
        lines.setContentsMargins(INSET, 12, INSET, INSET)
        lines.addLayout(head)
        lines.addWidget(self._when)
        lines.addSpacing(8)
        lines.addWidget(self._reason)
        lines.addSpacing(8)
        for line in self.lines.values():
            lines.addWidget(line)
        lines.addSpacing(8)
        lines.addLayout(row(self.chart, self.trail, spacing=8))
        lines.addSpacing(10)
        lines.addWidget(rule())
        lines.addSpacing(10)
        lines.addWidget(self.note, 1)
        page = QWidget()
        page.setLayout(lines)
        return page

    def show_entry(self, entry: JournalEntry | None) -> None:
        self.entry = entry
        self.note.show_entry(entry)
        self._pages.setCurrentIndex(0 if entry is None else 1)
        if entry is None:
            return
        trip, currency = entry.trip, entry.currency
        show_value(self._title, f"{trip.symbol} · {tr(words.DIRECTIONS[trip.side])}")
        show_value(self._when, _span(trip.opened_ms, trip.closed_ms))
        self._when.setToolTip(formatting.local_time(trip.closed_ms))
        net = trip.net_result
        text = formatting.money(net, currency, sign=True)
        self._net.show_change(text, int(net.compare(0)), tone_of(net))
        show_value(self._reason, sentence(entry.reason) or tr(_NO_SIGNAL))
        self.trail.setEnabled(bool(trip.entry_order_id or trip.exit_order_id))
        for name, cell in self._cells(entry).items():
            line = self.lines[name]
            show_value(line.value, cell.text, cell.tone)
            line.setToolTip(tip(cell.tool_tip))

    def _cells(self, entry: JournalEntry) -> dict[str, Cell]:
        show, trip, currency = self._figures, entry.trip, entry.currency
        gross = entry.gross_result
        day = tr("Days begin at midnight in the account's own zone.")
        left = show.price(trip.symbol, trip.exit_price)
        stop = (
            model.unknown_cell(entry, "risk")
            if entry.first_stop is None
            else show.price(trip.symbol, entry.first_stop)
        )
        return {
            "Entry": show.price(trip.symbol, trip.entry_price),
            "Exit": left._replace(text=f"{left.text} · {model.exit_word(entry)}"),
            "Size": show.quantity(trip.symbol, trip.quantity),
            "Before costs": Cell(formatting.money(gross, currency, sign=True), tone_of(gross)),
            "Fees": Cell(formatting.money(-trip.fees, currency, sign=True)),
            "Funding": Cell(formatting.money(trip.funding, currency, sign=True)),
            "First stop": stop,
            "R": model.r_cell(entry),
            "MAE": model.excursion_cell(entry, "adverse"),
            "MFE": model.excursion_cell(entry, "favourable"),
            "Duration": Cell(formatting.duration(trip.closed_ms - trip.opened_ms)),
            "Trading day": Cell(entry.day, tool_tip=day),
        }


def _span(opened_ms: int, closed_ms: int) -> str:
    """`2026-11-20 10:32 – 11:32 UTC`, the day once where it is one."""
    opened, closed = formatting.date_time(opened_ms), formatting.date_time(closed_ms)
    day, _, clock = closed.partition(" ")
    end = clock if opened.startswith(day) else closed
    return f"{opened} – {end} {formatting.zone_name(closed_ms)}"
