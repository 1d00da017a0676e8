"""The trade journal: every round trip, to be filtered, looked into, written on, exported."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from PyQt6.QtCore import QPoint, Qt, pyqtSignal
from PyQt6.QtGui import QKeySequence, QShowEvent
from PyQt6.QtWidgets import QButtonGroup, QGridLayout, QMenu, QStackedWidget, QWidget

from core.journal.entries import JournalEntry, TradeKey
from core.reports.chosen_statistics import first_day
from ui import export, formatting, i18n, shortcuts
from ui.bridge import Bridge, LinkState
from ui.i18n import sentence, tr
from ui.journal_book import JournalBook
from ui.models import journal as model
from ui.models.words import tone_of
from ui.widgets.basic import GUTTER, INSET, EmptyState, Panel, label, row, show_value
from ui.widgets.buttons import IconButton, TextButton
from ui.widgets.journal_detail import JournalDetail
from ui.widgets.search_field import SearchField
from ui.widgets.table_view import DataTable

_DETAIL_WIDE, _DETAIL_NARROW, _SEARCH_WIDTH = 332, 280, 200


class JournalPage(QWidget):
    """Signals: trail_wanted(client order id); moment_wanted(bot id, symbol, ms UTC): the chart."""

    trail_wanted = pyqtSignal(str)
    moment_wanted = pyqtSignal(str, str, "qint64")

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._days = 0
        self._result = model.ALL
        self._is_outdated = True
        self._texts: dict[TradeKey, tuple[JournalEntry, str]] = {}
        self.book = JournalBook(bridge, self)
        self.model = model.journal(bridge)
        self.table = DataTable(self.model, selectable=True, name="Journal")
        self.table.setAccessibleName("Journal")
        self.detail = JournalDetail(bridge, self.book.write_note)
        self.search = SearchField("Filter trades")
        self.export = IconButton("download", "Export as CSV")
        self.summary, self.net = label("label"), label("value")
        self.progress = label("caption", tone="t3")
        self.empty = EmptyState("list", "No trades yet", "They come with the first closed one.")
        self._pages = QStackedWidget()
        self.periods: dict[str, TextButton] = {}
        self.results: dict[str, TextButton] = {}
        self._lay_out()
        self._connect()
        self._show()

    def _lay_out(self) -> None:
        panel = Panel("Trade journal")
        head = panel.head
        head.takeAt(1)  # what is chosen stands beside the title
        head.setContentsMargins(INSET, 0, INSET - 4, 0)
        head.setSpacing(4)
        periods, results = QButtonGroup(self), QButtonGroup(self)
        head.addSpacing(8)
        for name, days in model.PERIODS:
            chip = _chip(name, periods, is_on=not days)
            chip.clicked.connect(lambda _on, chosen=days: self._choose_period(chosen))
            self.periods[name] = chip
            head.addWidget(chip)
        head.addSpacing(8)
        for name in model.RESULTS:
            chip = _chip(name, results, is_on=name == model.ALL)
            chip.clicked.connect(lambda _on, chosen=name: self._choose_result(chosen))
            self.results[name] = chip
            head.addWidget(chip)
        head.addSpacing(8)
        self.search.setMaximumWidth(_SEARCH_WIDTH)
        self.search.setStyleSheet(
            "QLineEdit { min-height: 22px; max-height: 22px; font-size: 12px; }"
        )
        head.addWidget(self.search, 1)
        head.addStretch(1)
        head.addWidget(self.export)
        for page in (self.empty, self.table):
            self._pages.addWidget(page)
        panel.body.addWidget(self._pages, 1)
        foot = row(self.summary, self.net, None, self.progress, spacing=8)
        foot.setContentsMargins(INSET, 6, INSET, 8)
        panel.body.addLayout(foot)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(GUTTER)
        grid.setColumnStretch(0, 1)
        grid.addWidget(panel, 0, 0)
        grid.addWidget(self.detail, 0, 1)
        self.set_narrow(False)

    def _connect(self) -> None:
        self.book.changed.connect(self._show)
        self.search.textChanged.connect(lambda _text: self._show())
        self.export.clicked.connect(self._export)
        self.table.chosen.connect(self.show_on_chart)
        self.table.entered.connect(self.show_trail)
        self.table.menu_wanted.connect(self._open_menu)
        self.detail.chart_wanted.connect(self.show_on_chart)
        self.detail.trail_wanted.connect(self.show_trail)
        selection = self.table.selectionModel()
        assert selection is not None
        selection.currentRowChanged.connect(lambda _new, _old: self._show_chosen())
        shortcuts.bind("search_table", self, self._begin_search)
        shortcuts.bind("export_table", self, self._export)
        self._bridge.state_changed.connect(self._take_state)
        i18n.language.changed.connect(self._retranslate)

    def set_narrow(self, narrow: bool) -> None:
        self.detail.setFixedWidth(_DETAIL_NARROW if narrow else _DETAIL_WIDE)

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        if self._is_outdated:
            self._show()
        self.book.refresh()

    # What is shown

    @property
    def rows(self) -> list[JournalEntry]:
        """In the order shown."""
        return self.model.rows()

    def _show(self) -> None:
        """Filtered, with its sums; a page that nobody sees waits until it is seen."""
        self._is_outdated = not self.isVisible()
        if self._is_outdated:
            return
        entries = self.book.entries
        chosen = model.JournalFilter(
            tuple(self.search.text().casefold().split()),
            self._result,
            first_day(self._today(entries), self._days),
        )
        shown = [entry for entry in entries if chosen.passes(entry, self._texts_of)]
        self.model.set_rows(shown)
        self._pages.setCurrentWidget(self.table if shown else self.empty)
        self._show_why_empty(is_filtered=bool(entries))
        self._show_totals(shown)
        self._show_progress(self.book.total - len(entries))
        self._show_chosen()

    def _show_progress(self, missing: int) -> None:
        """What is missing, or why it may be."""
        why = sentence(self.book.problem)
        if why and self.book.total:
            show_value(self.progress, tr("It may not be up to date. {why}", why=why), "warn")
        else:
            text = tr("{n} older ones are on their way", n=f"{missing:,}") if missing else ""
            show_value(self.progress, text, "t3")

    def _today(self, entries: list[JournalEntry]) -> str:
        """The account's newest trading day; of the newest trip where no day is known."""
        capital = self._bridge.capital.latest
        days = capital.statistics.calendar if capital and capital.statistics else []
        return days[-1][0] if days else max((entry.day for entry in entries), default="")

    def _texts_of(self, entry: JournalEntry) -> str:
        known = self._texts.get(entry.key)
        if known is None or known[0] is not entry:
            known = self._texts[entry.key] = (entry, model.texts_of(self._bridge, entry))
        return known[1]

    def _show_why_empty(self, *, is_filtered: bool) -> None:
        if self.book.problem and not is_filtered:
            words = ("The journal cannot be read", "")
        elif is_filtered:
            words = ("Nothing fits the filter", "Choose another period, or clear the search.")
        elif self.book.is_loading:
            words = ("Reading the journal", "")
        else:
            words = ("No trades yet", "They come with the first closed one.")
        for target, text in zip((self.empty.title, self.empty.hint), words, strict=True):
            i18n.set_text(target, text)
        if self.book.problem and not is_filtered:
            self.empty.hint.setProperty("trText", None)
            show_value(self.empty.hint, sentence(self.book.problem))

    def _show_totals(self, shown: Iterable[JournalEntry]) -> None:
        found = model.totals(shown)
        parts = [tr("{n} trades", n=f"{found.trips:,}")]
        if found.trips:
            parts.append(tr("{won} won", won=f"{found.won:,}"))
        for name, sums in (("Fees", found.fees), ("Funding", found.funding)):
            is_cost = name == "Fees"
            parts += [
                f"{tr(name)} {formatting.money(-sum_ if is_cost else sum_, currency, sign=True)}"
                for currency, sum_ in sums.items()
            ]
        show_value(self.summary, " · ".join(parts))
        net = [
            f"{formatting.money(sum_, currency, sign=True)} {currency}"
            for currency, sum_ in found.net.items()
        ]
        tone = tone_of(next(iter(found.net.values()))) if len(found.net) == 1 else "t1"
        show_value(self.net, " · ".join([tr("Net result"), *net]) if net else "", tone)

    def _show_chosen(self) -> None:
        self.detail.show_entry(self.table.current_row())

    # What the trader does

    def _choose_period(self, days: int) -> None:
        self._days = days
        self._show()

    def _choose_result(self, result: str) -> None:
        self._result = result
        self._show()

    def _begin_search(self) -> None:
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search.selectAll()

    def show_on_chart(self, entry: JournalEntry) -> None:
        """The chart of the bot that made it, where it began."""
        self.moment_wanted.emit(entry.trip.bot_id, entry.trip.symbol, entry.trip.opened_ms)

    def show_trail(self, entry: JournalEntry) -> None:
        """Why it began; how it ended where its beginning is not ours."""
        order_id = entry.trip.entry_order_id or entry.trip.exit_order_id
        if order_id:
            self.trail_wanted.emit(order_id)

    def _open_menu(self, entry: JournalEntry, position: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        choices: tuple[tuple[str, str, Callable[[], object]], ...] = (
            (tr("Why: the trail"), "Return", lambda: self.show_trail(entry)),
            (tr("On the chart"), "", lambda: self.show_on_chart(entry)),
            (tr("Copy row"), "Ctrl+C", self.table.copy_row),
            (tr("Export as CSV"), "Ctrl+E", self._export),
        )
        for text, keys, do in choices:
            action = menu.addAction(text)
            if action is not None:
                action.setShortcut(QKeySequence(keys))
                action.setShortcutVisibleInContextMenu(True)
                action.triggered.connect(lambda _on, do=do: do())
        menu.popup(position)

    def _export(self) -> None:
        now_ms = self._bridge.snapshot.market_time_ms if self._bridge.snapshot else 0
        day = formatting.date_time(now_ms).partition(" ")[0]
        export.ask_and_save(self.window() or self, self.model, f"twinstar-journal-{day}")

    # What changes around it

    def _take_state(self, state: LinkState) -> None:
        if state is LinkState.ATTACHED and self.isVisible():
            self.book.refresh()

    def _retranslate(self, _language: str) -> None:
        self._texts.clear()
        self._show()


def _chip(name: str, group: QButtonGroup, *, is_on: bool) -> TextButton:
    made = TextButton(name, kind="chip")
    made.setCheckable(True)
    made.setChecked(is_on)
    group.addButton(made)
    return made
