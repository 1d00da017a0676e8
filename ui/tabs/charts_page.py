"""Charts beside each other, linked by colour: one symbol in several intervals, or several."""

from __future__ import annotations

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QButtonGroup, QGridLayout, QVBoxLayout, QWidget

from core.models.candles import Timeframe
from core.snapshots import EngineSnapshot
from ui import i18n
from ui.bridge import Bridge
from ui.chart_memory import ChartWall, SavedChart
from ui.widgets.basic import GUTTER, INSET, Panel, label
from ui.widgets.buttons import TextButton
from ui.widgets.linked_chart import LinkedChart

_COUNTS = (1, 2, 4)
_MOST = max(_COUNTS)


class ChartsPage(QWidget):
    """Attribute: charts, those that are shown. Signal: alert_wanted(symbol, price)."""

    alert_wanted = pyqtSignal(str, object)

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        wall, usual = bridge.chart_memory.wall(), ChartWall()
        kept = [_sound(saved) for saved in wall.charts[:_MOST]]
        self._saved = [*kept, *usual.charts[len(kept) :]]
        self.charts: list[LinkedChart] = []
        self.counts: dict[int, TextButton] = {}
        self._grid = QGridLayout()
        self._grid.setSpacing(GUTTER)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(GUTTER)
        outer.addWidget(self._head())
        outer.addLayout(self._grid, 1)
        self.show_count(wall.count if wall.count in _COUNTS else usual.count)
        bridge.snapshot_changed.connect(self._take)

    def _head(self) -> Panel:
        head = Panel("Charts")
        head.head.takeAt(1)
        group = QButtonGroup(self)
        for count in _COUNTS:
            chip = TextButton(str(count), kind="chip")
            chip.setCheckable(True)
            i18n.set_tool_tip(chip, "How many charts stand here")
            chip.clicked.connect(lambda _checked, chosen=count: self._choose_count(chosen))
            group.addButton(chip)
            head.head.addWidget(chip)
            self.counts[count] = chip
        head.head.addStretch(1)
        head.head.addWidget(label("caption", "Charts of one colour share symbol and crosshair"))
        head.head.setContentsMargins(INSET, 0, INSET, 0)
        return head

    def set_narrow(self, narrow: bool) -> None:
        """The charts share what room there is."""

    def show_moment(self, symbol: str, time_ms: int) -> None:
        """On the first chart, at ms UTC."""
        self.charts[0].choose_symbol(symbol)
        self.charts[0].go_to(time_ms)

    def show_count(self, count: int) -> None:
        """The first `count` of them; the others are put away."""
        self.counts[count].setChecked(True)
        while len(self.charts) > count:
            gone = self.charts.pop()
            gone.leave()
            self._grid.removeWidget(gone)
            gone.hide()
            gone.deleteLater()
        while len(self.charts) < count:
            self._add()
        for number, chart in enumerate(self.charts):
            self._grid.addWidget(chart, number // 2, number % 2)
        self._fill()

    def _add(self) -> None:
        number = len(self.charts)
        chart = LinkedChart(self._bridge, number, self._saved[number])
        chart.changed.connect(self._keep)
        chart.alert_wanted.connect(self.alert_wanted)
        self.charts.append(chart)

    def _choose_count(self, count: int) -> None:
        self.show_count(count)
        self._keep()

    def _take(self, _snapshot: EngineSnapshot) -> None:
        self._fill()

    def _fill(self) -> None:
        """A chart that looks at nothing yet: as it was kept, as its group, as the first bot."""
        known = self._bridge.instruments
        for number, chart in enumerate(self.charts):
            if chart.symbol:
                continue
            bots = (bot.latest.symbol for bot in self._bridge.bots.values())
            group = self._bridge.chart_links.symbol_of(chart.link.group)
            wanted = (group, self._saved[number].symbol, *bots, *known)
            symbol = next((name for name in wanted if name in known), "")
            if symbol:
                chart.choose_symbol(symbol)

    def _keep(self) -> None:
        for number, chart in enumerate(self.charts):
            if chart.symbol:
                self._saved[number] = chart.saved()
        self._bridge.chart_memory.keep_wall(ChartWall(len(self.charts), tuple(self._saved)))


def _sound(saved: SavedChart) -> SavedChart:
    """An interval that no longer exists is the usual one."""
    is_known = saved.timeframe in {timeframe.value for timeframe in Timeframe}
    return saved if is_known else SavedChart(saved.symbol, group=saved.group)
