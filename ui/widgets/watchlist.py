"""The watchlist: newest price of every symbol that the engine follows, and how old it is."""

from __future__ import annotations

from PyQt6.QtCore import pyqtSignal

from core.snapshots import EngineSnapshot, TickerRow
from ui import i18n
from ui.bridge import Bridge
from ui.models.watchlist import watchlist
from ui.widgets.basic import INSET, EmptyState, Panel, column
from ui.widgets.buttons import IconButton
from ui.widgets.search_field import SearchField
from ui.widgets.table_view import DataTable

_PAD = 4


class Watchlist(Panel):
    """Signal: chosen(symbol) on a double click or a click on a row."""

    chosen = pyqtSignal(str)

    def __init__(self, bridge: Bridge) -> None:
        super().__init__("Watchlist")
        self._bridge = bridge
        self._model = watchlist(bridge)
        self._places: dict[str, int] = {}
        self._wanted = ""  # marked as soon as it is there, unless another one is
        self._table = DataTable(
            self._model, row_height=24, pad=_PAD, selectable=True, name="Watchlist"
        )
        self._table.chosen.connect(lambda shown: self.chosen.emit(shown.ticker.symbol))
        i18n.set_tool_tip(self._table, "Double click opens the symbol")
        self._search = SearchField("Symbol")
        self._search.hide()
        self._search.textChanged.connect(self._filter)
        self._search.returnPressed.connect(self._choose_first)
        self._find = IconButton("search", "Find a symbol")
        self._find.clicked.connect(self._toggle_search)
        self.head.addWidget(self._find)
        self._empty = EmptyState(
            "wifi-off", "No prices yet", "They come when the exchange is connected."
        )
        self.body.addWidget(self._search)
        inset = column(self._table)  # names begin under the panel's title
        inset.setContentsMargins(INSET - _PAD, 0, _PAD, 0)
        self.body.addLayout(inset, 1)
        self.body.addWidget(self._empty, 1)
        bridge.snapshot_changed.connect(self._take)
        bridge.state_changed.connect(self._table.paint_again)
        self._show(bridge.snapshot.tickers if bridge.snapshot else [])

    def select(self, symbol: str) -> None:
        """Mark a symbol, once it has a price."""
        self._wanted = symbol
        self._table.select_key(symbol)

    def _take(self, snapshot: EngineSnapshot) -> None:
        if self.isVisible():
            self._show(snapshot.tickers)

    def _filter(self) -> None:
        self._show(self._bridge.snapshot.tickers if self._bridge.snapshot else [])

    def _choose_first(self) -> None:
        """Return takes the first that is left."""
        if self._search.text().strip() and self._model.rowCount():
            self.chosen.emit(self._model.row_at(0).ticker.symbol)

    def _show(self, tickers: list[TickerRow]) -> None:
        wanted = self._search.text().strip().upper()
        rows = [t for t in tickers if wanted in t.ticker.symbol]
        self._model.set_rows(sorted(rows, key=lambda t: self._place(t, tickers)))
        self._table.setVisible(bool(tickers))
        self._empty.setVisible(not tickers)
        if self._table.current_row() is None:
            self._table.select_key(self._wanted)

    def _place(self, row: TickerRow, tickers: list[TickerRow]) -> int:
        """By traded value, settled when the symbols become known: rows do not jump about."""
        if len(self._places) != len(tickers):
            by_value = sorted(tickers, key=lambda t: t.ticker.turnover_24h or 0, reverse=True)
            self._places = {t.ticker.symbol: i for i, t in enumerate(by_value)}
        return self._places.get(row.ticker.symbol, len(self._places))

    def _toggle_search(self) -> None:
        self._search.setVisible(not self._search.isVisible())
        if self._search.isVisible():
            self._search.setFocus()
        else:
            self._search.clear()
