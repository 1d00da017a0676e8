"""One chart's place in a link group."""

from __future__ import annotations

from PyQt6.QtCore import QObject, pyqtSignal

from ui.chart_links import HUES, ChartLinks
from ui.charts.trading_chart import TradingChart


class ChartLink(QObject):
    """Shows the crosshair of the group's other charts and tells them its own. Attribute: group.

    Signals: symbol_wanted(symbol): the group looks at another; changed(): the group is another.
    """

    symbol_wanted = pyqtSignal(str)
    changed = pyqtSignal()

    def __init__(self, links: ChartLinks, chart: TradingChart, group: str) -> None:
        super().__init__(chart)
        self.group = group if group in HUES else next(iter(HUES))
        self._links, self._chart = links, chart
        chart.crosshair_moved.connect(self._point)
        links.pointed.connect(self._show)
        links.symbol_chosen.connect(self._follow)

    def join(self, group: str) -> None:
        """A key of `HUES`; the group's symbol is wanted at once."""
        if group != self.group:
            self._chart.show_crosshair(None)
            self.group = group
            self.changed.emit()
            symbol = self._links.symbol_of(group)
            if symbol:
                self.symbol_wanted.emit(symbol)

    def choose(self, symbol: str) -> None:
        """This chart looks at `symbol`: so do the others."""
        self._links.choose(self.group, symbol)

    def _point(self, time_ms: int | None) -> None:
        self._links.point(self.group, time_ms, self._chart)

    def _show(self, group: str, time_ms: int | None, source: object) -> None:
        if group == self.group and source is not self._chart and self._chart.isVisible():
            self._chart.show_crosshair(time_ms)

    def _follow(self, group: str, symbol: str) -> None:
        if group == self.group:
            self.symbol_wanted.emit(symbol)
