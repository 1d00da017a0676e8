"""The data manager's table: every stored series, gaps to repair by a click, more to download."""

from __future__ import annotations

from PyQt6 import sip
from PyQt6.QtWidgets import QStackedWidget, QWidget

from core.snapshots import DownloadState, EngineSnapshot, SeriesSnapshot
from ui import i18n, tasks
from ui.bridge import Bridge
from ui.dialogs.download import DownloadDialog
from ui.dialogs.sheet import Sheet
from ui.i18n import sentence, tr
from ui.models import stored_data
from ui.widgets.basic import EmptyState, label, show_value
from ui.widgets.buttons import TextButton
from ui.widgets.table_view import DataTable

_TABLE_HEIGHT = 380


class StoredDataDialog(Sheet):
    """Asks the engine when it opens, after each repair, and when a download has ended."""

    def __init__(self, parent: QWidget, bridge: Bridge) -> None:
        super().__init__(parent, tr("Stored candles"), width=920)
        self._bridge = bridge
        self._was_working = False
        self.model = stored_data.stored_series(self._market_time_ms)
        self.table = DataTable(self.model, name="Stored data")
        self.empty = EmptyState("layers", "Reading what is stored", "")
        self._pages = QStackedWidget()
        self._pages.setFixedHeight(_TABLE_HEIGHT)
        for page in (self.empty, self.table):
            self._pages.addWidget(page)
        self.told = label("label")
        self.told.setWordWrap(True)
        self.content.addWidget(self._pages)
        self.content.addWidget(self.told)
        self.download = TextButton("Download history", "primary", "download", "#FFFFFF")
        self.download.setAutoDefault(False)
        self.download.clicked.connect(lambda: tasks.spawn(DownloadDialog(self, bridge).ask()))
        self.button_row.addWidget(self.download)
        self.add_button("", tr("Close"))
        self.table.action.connect(lambda series, _name: tasks.spawn(self._repair(series)))
        bridge.snapshot_changed.connect(self._take)
        tasks.spawn(self._refresh())

    def _market_time_ms(self) -> int | None:
        snapshot = self._bridge.snapshot
        return None if snapshot is None else snapshot.market_time_ms

    async def _refresh(self) -> None:
        result = await self._bridge.data.stored_series()
        if sip.isdeleted(self):
            return
        if result.series is None:
            show_value(self.told, sentence(result.text), "danger")
            return
        rows = sorted(result.series, key=lambda one: (one.symbol, one.timeframe))
        self.model.set_rows(rows)
        self._pages.setCurrentWidget(self.table if rows else self.empty)
        i18n.set_text(self.empty.title, "No candles are stored yet")
        if not self.told.text() and rows:
            candles, size = sum(r.rows for r in rows), sum(r.file_bytes for r in rows)
            text = tr(
                "{n} series, {candles} candles, {size} on disk",
                n=len(rows),
                candles=f"{candles:,}",
                size=stored_data.size(size),
            )
            show_value(self.told, text, "t2")

    async def _repair(self, series: SeriesSnapshot) -> None:
        asking = tr("Asking for the gaps of {symbol} …", symbol=series.symbol)
        show_value(self.told, asking, "t2")
        result = await self._bridge.data.repair_gaps(
            series.symbol, series.timeframe, series.exchange
        )
        if sip.isdeleted(self):
            return
        show_value(self.told, sentence(result.text), "t1" if result.ok else "danger")
        await self._refresh()

    def _take(self, snapshot: EngineSnapshot) -> None:
        download = snapshot.download
        is_working = download is not None and download.state in (
            DownloadState.RUNNING,
            DownloadState.PAUSED,
        )
        if self._was_working and not is_working:
            show_value(self.told, "")
            tasks.spawn(self._refresh())
        self._was_working = is_working
