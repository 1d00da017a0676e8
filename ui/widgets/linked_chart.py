"""A chart beside the bots: any symbol, any interval, and the group it is linked with.

One looks at it; orders are moved on the chart of the bot that they belong to.
"""

from __future__ import annotations

from PyQt6.QtCore import QPoint, Qt, pyqtSignal
from PyQt6.QtGui import QShowEvent
from PyQt6.QtWidgets import QMenu

from core.commands import CommandResult
from core.models.candles import Timeframe
from ui import alert_desk, i18n, tasks
from ui.bridge import Bridge
from ui.chart_memory import SavedChart
from ui.charts import intervals
from ui.charts.chart_link import ChartLink
from ui.charts.trading_chart import TradingChart
from ui.i18n import tr
from ui.widgets.basic import Panel, row, rule
from ui.widgets.buttons import IconButton, TextButton
from ui.widgets.chart_feed import ChartFeed
from ui.widgets.chart_panel import keep_picture
from ui.widgets.link_dot import LinkDot

_OFFERED = ("1m", "5m", "15m", "30m", "1h", "4h", "1d")


class LinkedChart(Panel):
    """`number` keeps its indicators apart from those of the others.

    Attributes: chart, link (its group), symbol, timeframe. Signals: changed(): `saved()` is
    another; alert_wanted(symbol, price).
    """

    changed = pyqtSignal()
    alert_wanted = pyqtSignal(str, object)

    def __init__(self, bridge: Bridge, number: int, saved: SavedChart) -> None:
        super().__init__()
        self._bridge, self._key = bridge, f"charts {number}"
        self.symbol, self.timeframe = "", saved.timeframe
        self._is_outdated = False
        self.chart = TradingChart()
        self.chart.use_layout(bridge.chart_memory.layout(self._key))
        self.link = ChartLink(bridge.chart_links, self.chart, saved.group)
        self._feed = ChartFeed(
            bridge, self.chart, self._key, lambda: bridge.is_attached and bridge.is_settled
        )
        self.dot = LinkDot(self.link)
        self.name, self.interval = TextButton(kind="chip"), TextButton(kind="chip")
        i18n.set_tool_tip(self.name, "Another symbol: click, or type its letters on the chart")
        i18n.set_tool_tip(self.interval, "Another interval: click, or type its digits on the chart")
        indicators = IconButton("activity", "Indicators (/)")
        camera = IconButton("camera", "Save a picture of the chart (Alt+S)")
        line = row(self.dot, self.name, self.interval, indicators, None, camera, spacing=2)
        line.setContentsMargins(6, 3, 8, 3)
        self.body.addLayout(line)
        self.body.addWidget(rule())
        self.body.addWidget(self.chart, 1)
        self.name.clicked.connect(lambda _checked: self.ask_symbol())
        self.interval.clicked.connect(lambda _checked: self._open_intervals())
        indicators.clicked.connect(self.chart.open_indicators)
        camera.clicked.connect(self.chart.take_snapshot)
        self._connect()
        self._show_names()

    def _connect(self) -> None:
        chart = self.chart
        self.link.symbol_wanted.connect(self._become)
        self.link.changed.connect(self.changed)
        chart.symbol_search_wanted.connect(self.ask_symbol)
        chart.timeframe_wanted.connect(self.choose_timeframe)
        chart.layout_changed.connect(
            lambda: self._bridge.chart_memory.keep_layout(self._key, chart.layout_now())
        )
        chart.refused.connect(lambda text: tasks.announce(CommandResult(0, False, text)))
        chart.snapshot_taken.connect(
            lambda picture: keep_picture(picture, chart.series, self._bridge.data_dir / "pictures")
        )
        chart.alert_wanted.connect(lambda price: self.alert_wanted.emit(self.symbol, price))
        alert_desk.take_lines(chart, self._bridge.link.send)

    def saved(self) -> SavedChart:
        return SavedChart(self.symbol, self.timeframe, self.link.group)

    def choose_symbol(self, symbol: str) -> None:
        """The trader's choice: the group follows."""
        self._become(symbol)
        self.link.choose(symbol)

    def go_to(self, time_ms: int) -> None:
        """The bars of a moment, ms UTC."""
        self._feed.go_to(time_ms)

    def choose_timeframe(self, timeframe: str) -> None:
        if timeframe != self.timeframe:
            self.timeframe = timeframe
            self._show_series()

    def leave(self) -> None:
        """It is put away."""
        self._feed.leave()
        self.symbol = ""

    def ask_symbol(self, begun: str = "") -> None:
        """The box in the middle that takes `sol` or `SOLUSDT`."""
        at = QPoint(self.chart.width() // 2 - 130, self.chart.height() // 3)
        self.chart.ask_box.ask(at, tr("Symbol"), begun, self._take_typed)

    def _take_typed(self, text: str) -> None:
        self.choose_symbol(intervals.symbol(text, self._bridge.instruments))

    def _become(self, symbol: str) -> None:
        if symbol != self.symbol:
            self.symbol = symbol
            self._show_series()

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        if self._is_outdated:
            self._show_series()

    def _show_series(self) -> None:
        self._is_outdated = not self.isVisible()  # who is not seen asks for nothing
        self._show_names()
        if self._is_outdated or not self.symbol:
            return
        self.chart.use_drawings(self._bridge.chart_memory.drawings(self.symbol))
        self._feed.show_series(self.symbol, self.timeframe)
        self.changed.emit()

    def _show_names(self) -> None:
        self.name.setText(self.symbol or tr("Symbol"))
        self.interval.setText({"1d": "1D", "1w": "1W"}.get(self.timeframe, self.timeframe))

    def _open_intervals(self) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for name in sorted({*_OFFERED, self.timeframe}, key=lambda n: Timeframe(n).duration_ms):
            action = menu.addAction(name)
            if action is not None:
                action.setCheckable(True)
                action.setChecked(name == self.timeframe)
                action.triggered.connect(
                    lambda _checked, chosen=name: self.choose_timeframe(chosen)
                )
        menu.popup(self.interval.mapToGlobal(QPoint(0, self.interval.height() + 2)))
