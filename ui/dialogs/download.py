"""The dialog that fetches history: which symbols, which bars, how far back, and how far it is.

The engine does it, behind its bots' requests; the dialog may be closed meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable

from PyQt6 import sip
from PyQt6.QtCore import QModelIndex, Qt
from PyQt6.QtGui import QKeySequence, QShortcut
from PyQt6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from core.commands import CommandResult
from core.models.candles import Timeframe
from core.snapshots import DownloadSnapshot, DownloadState, EngineSnapshot, SeriesSnapshot
from ui import formatting, tasks
from ui.bridge import Bridge
from ui.dialogs.sheet import Sheet
from ui.i18n import sentence, tr
from ui.models import stored_data, words
from ui.widgets.basic import INSET, ShareBar, label, row, show_value, value_label
from ui.widgets.buttons import ActionButton, TextButton
from ui.widgets.search_field import SearchField
from ui.widgets.table_view import DataTable

_DAY_MS = 86_400_000
_TIMEFRAMES = [timeframe for timeframe in Timeframe if timeframe is not Timeframe.MONTH]
_RANGES = (("30 days", 30), ("90 days", 90), ("1 year", 365), ("3 years", 1096))
_EVERYTHING = "All there is"
_FIRST_DAY_MS = 1_262_304_000_000  # 2010-01-01: no symbol is older
_TABLE_HEIGHT = 288
_WORKING = (DownloadState.RUNNING, DownloadState.PAUSED)


class DownloadDialog(Sheet):
    """`choosing` or, while a download runs and after it, `progress` is in front."""

    def __init__(self, parent: QWidget, bridge: Bridge) -> None:
        super().__init__(parent, tr("Download history"), width=640)
        self._bridge = bridge
        self.choosing = _Choosing(bridge)
        self.progress = _Progress()
        self._pages = QStackedWidget()
        self._pages.addWidget(self.choosing)
        self._pages.addWidget(self.progress)
        self.content.addWidget(self._pages)
        self.start = ActionButton("Download", self._start, "primary", "download", "#FFFFFF")
        self.again = TextButton("New download", "primary")
        self.pause = ActionButton("Pause", bridge.data.pause_download)
        self.resume = ActionButton("Resume", bridge.data.resume_download, "primary")
        self.cancel = ActionButton("Cancel download", bridge.data.cancel_download, "danger")
        self.again.clicked.connect(lambda: self._show_page(self.choosing))
        for button in (self.start, self.again, self.cancel, self.pause, self.resume):
            button.setMinimumWidth(96)
            button.setAutoDefault(False)
            self.button_row.addWidget(button)
        self.add_button("", tr("Close"))
        self.choosing.changed = self._allow
        bridge.snapshot_changed.connect(self._take)
        download = bridge.snapshot.download if bridge.snapshot else None
        is_working = download is not None and download.state in _WORKING
        self._show_page(self.progress if is_working else self.choosing)
        tasks.spawn(self._list_stored())

    async def _list_stored(self) -> None:
        result = await self._bridge.data.stored_series()
        if result.series is not None and not sip.isdeleted(self):
            self.choosing.show_stored(result.series)

    async def _start(self) -> CommandResult:
        wanted = self.choosing
        result = await self._bridge.data.start_download(
            sorted(wanted.chosen), wanted.timeframe.value, wanted.start_ms()
        )
        if result.ok and not sip.isdeleted(self):
            self.progress.clear()
            self._show_page(self.progress)
        return result

    def _show_page(self, page: QWidget) -> None:
        self._pages.setCurrentWidget(page)
        self._take(self._bridge.snapshot)
        self._allow()
        if page is self.progress:
            self.buttons[""].setFocus()  # else Qt goes on to the next one, which cancels

    def _allow(self) -> None:
        self.start.set_allowed("" if self.choosing.chosen else "Choose a symbol first")

    def _take(self, snapshot: EngineSnapshot | None) -> None:
        download = snapshot.download if snapshot else None
        is_choosing = self._pages.currentWidget() is self.choosing
        state = None if download is None or is_choosing else download.state
        if download is not None and not is_choosing:
            self.progress.show_download(download)
        self.start.setVisible(is_choosing)
        self.pause.setVisible(state is DownloadState.RUNNING)
        self.resume.setVisible(state is DownloadState.PAUSED)
        self.cancel.setVisible(state in _WORKING)
        self.again.setVisible(not is_choosing and state not in (None, *_WORKING))


class _Choosing(QWidget):
    """Attributes: chosen (symbols), changed (called after each choice)."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self.chosen: set[str] = set()
        self.changed: Callable[[], None] = lambda: None
        self._symbols = sorted(s for s, i in bridge.instruments.items() if i.is_trading)
        self._stored: list[SeriesSnapshot] = []
        self.search = SearchField("Symbol, for example ETH")
        self.all, self.none = TextButton("All", "chip"), TextButton("None", "chip")
        self.model = stored_data.choice(self._stored_now)
        self.table = DataTable(self.model, selectable=True)
        self.table.setFixedHeight(_TABLE_HEIGHT - 96)
        self.bars, self.range = QComboBox(), QComboBox()
        self.bars.addItems(timeframe.value for timeframe in _TIMEFRAMES)
        self.bars.setCurrentText(Timeframe.M15.value)
        for text, days in _RANGES:
            self.range.addItem(tr(text), days)
        self.range.addItem(tr(_EVERYTHING), None)
        self.range.setCurrentIndex(2)
        self.summary = label("label")
        self._lay_out()
        self.search.textChanged.connect(self._show)
        self.all.clicked.connect(lambda: self._choose(self._shown(), True))
        self.none.clicked.connect(lambda: self._choose(self._shown(), False))
        self.table.clicked.connect(self._toggle)
        space = QShortcut(QKeySequence(Qt.Key.Key_Space), self.table)
        space.setContext(Qt.ShortcutContext.WidgetShortcut)
        space.activated.connect(lambda: self._toggle(self.table.currentIndex()))
        for box in (self.bars, self.range):
            box.currentIndexChanged.connect(self._show)
        self._show()

    @property
    def timeframe(self) -> Timeframe:
        return _TIMEFRAMES[self.bars.currentIndex()]

    def start_ms(self) -> int:
        """The oldest bar wanted, ms UTC of market time."""
        days = self.range.currentData()
        snapshot = self._bridge.snapshot
        if days is None or snapshot is None:
            return _FIRST_DAY_MS
        return int(snapshot.market_time_ms - days * _DAY_MS)

    def show_stored(self, series: list[SeriesSnapshot]) -> None:
        """Put beside each symbol what there is of it already."""
        self._stored = series
        self._show()

    def _lay_out(self) -> None:
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(10)
        outer.addLayout(row(self.search, self.all, self.none))
        outer.addWidget(self.table)
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(8)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for name, field in (("Timeframe", self.bars), ("How far back", self.range)):
            caption = label("label", name)
            caption.setFixedHeight(32)
            form.addRow(caption, field)
        outer.addLayout(form)
        outer.addWidget(self.summary)

    def _stored_now(self) -> dict[str, SeriesSnapshot]:
        bars = self.timeframe.value
        return {series.symbol: series for series in self._stored if series.timeframe == bars}

    def _shown(self) -> list[str]:
        sought = self.search.text().strip().upper()
        return [symbol for symbol in self._symbols if sought in symbol]

    def _choose(self, symbols: list[str], is_chosen: bool) -> None:
        for symbol in symbols:
            (self.chosen.add if is_chosen else self.chosen.discard)(symbol)
        self._show()

    def _toggle(self, index: QModelIndex) -> None:
        if index.isValid():
            symbol, was_chosen = self.model.row_at(index.row())
            self._choose([symbol], not was_chosen)

    def _show(self) -> None:
        self.model.set_rows([(symbol, symbol in self.chosen) for symbol in self._shown()])
        self.table.paint_again()  # what is stored depends on the bars
        self.summary.setText(self._summary())
        self.changed()

    def _summary(self) -> str:
        count = len(self.chosen)
        days = self.range.currentData()
        if not count:
            return tr("No symbol chosen")
        if days is None:
            return tr("Chosen: {n} · from their first bar on", n=count)
        candles = count * days * _DAY_MS // self.timeframe.duration_ms
        text = "Chosen: {n} · at most {candles} candles; only what is missing is asked for"
        return tr(text, n=count, candles=f"{candles:,}")


class _Progress(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.head = label("label", tone="t1")
        self.figures = value_label("value")
        self.bar = ShareBar()
        self.model = stored_data.progress()
        self.table = DataTable(self.model)
        self.table.setFixedHeight(_TABLE_HEIGHT)
        self.note = label("caption", "It goes on in the engine when this window is closed.")
        self.outcome = QLabel()
        self.outcome.setTextFormat(Qt.TextFormat.PlainText)
        self.outcome.setProperty("role", "label")
        self.outcome.setWordWrap(True)
        head = QHBoxLayout()
        head.addWidget(self.head, 1)
        head.addWidget(self.figures)
        panel = QFrame()
        panel.setProperty("role", "panel")
        inside = QVBoxLayout(panel)
        inside.setContentsMargins(0, INSET, 0, 0)
        inside.setSpacing(10)
        for part in (head, row(self.bar)):
            part.setContentsMargins(INSET, 0, INSET, 0)
            inside.addLayout(part)
        inside.addWidget(self.table)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(10)
        outer.addWidget(panel)
        outer.addStretch(1)
        outer.addWidget(self.note)
        outer.addWidget(self.outcome)

    def clear(self) -> None:
        """A new download was accepted; its figures come with the next snapshot."""
        self.model.set_rows([])
        self.bar.show_ratio(0.0, "accent")

    def show_download(self, download: DownloadSnapshot) -> None:
        rows = download.symbols
        share = sum(map(stored_data.share, rows)) / len(rows)
        tone = {DownloadState.FAILED: "danger", DownloadState.PAUSED: "t3"}
        self.bar.show_ratio(share, tone.get(download.state, "accent"))
        self.model.set_rows(rows)
        ended = sum(one.state in ("done", "failed") for one in rows)
        since = stored_data.day(download.start_ms)
        show_value(
            self.head,
            tr(
                "{exchange} {bars} since {day} · {done} of {n} complete",
                exchange=words.exchange_name(download.exchange),
                bars=download.timeframe,
                day=since,
                done=ended,
                n=len(rows),
            ),
        )
        added = sum(one.added for one in rows)
        ratio = formatting.percent(share, 0, sign=False)
        show_value(self.figures, tr("{n} candles · {share}", n=f"{added:,}", share=ratio))
        is_working = download.state in _WORKING
        self.note.setVisible(is_working)
        self.outcome.setVisible(not is_working)
        failed = download.state is DownloadState.FAILED
        show_value(self.outcome, sentence(download.state_text), "danger" if failed else "t2")
