"""The chart with its toolbar: what one does on the other, and what it keeps between starts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import msgspec
from PyQt6.QtCore import pyqtSignal
from PyQt6.QtGui import QPixmap, QShowEvent

from core.commands import CommandResult
from ui import shortcuts, tasks
from ui.chart_links import ChartLinks
from ui.chart_memory import ChartMemory
from ui.charts.chart_link import ChartLink
from ui.charts.trading_chart import TradingChart
from ui.i18n import tr
from ui.widgets.basic import Panel, rule
from ui.widgets.chart_toolbar import ChartToolbar
from ui.widgets.link_dot import LinkDot


class ChartPanel(Panel):
    """`layout_key` names whose indicators and scale these are (a bot). Attributes: chart, toolbar,
    link (its group).

    Signals: timeframe_chosen(str), expand_wanted(): the chart alone, or everything again.
    """

    timeframe_chosen = pyqtSignal(str)
    expand_wanted = pyqtSignal()

    def __init__(
        self,
        memory: ChartMemory,
        layout_key: str,
        timeframe: str,
        pictures: Path,
        links: ChartLinks,
    ) -> None:
        super().__init__()
        self._memory, self._key, self._pictures = memory, layout_key, pictures
        self.toolbar, self.chart = ChartToolbar(timeframe), TradingChart()
        self.body.addWidget(self.toolbar)
        self.body.addWidget(rule())
        self.body.addWidget(self.chart, 1)
        kept = memory.layout(layout_key)
        self.chart.use_layout(kept)
        self.link = ChartLink(links, self.chart, kept.group)
        self.toolbar.add_first(LinkDot(self.link))
        self.toolbar.show_kind(self.chart.kind)
        self._connect()

    def show_symbol(self, symbol: str) -> None:
        """The drawings of that symbol; linked charts look at it while this one is in front."""
        self.chart.use_drawings(self._memory.drawings(symbol))
        if self.isVisible():
            self.link.choose(symbol)

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self.link.choose(self.chart.series[0])

    def set_narrow(self, narrow: bool) -> None:
        self.toolbar.set_narrow(narrow)

    def _connect(self) -> None:
        toolbar, chart = self.toolbar, self.chart
        toolbar.timeframe_chosen.connect(self.timeframe_chosen)
        toolbar.kind_chosen.connect(chart.choose_kind)
        toolbar.indicators_wanted.connect(chart.open_indicators)
        toolbar.tool_chosen.connect(self._take_tool)
        toolbar.alert_wanted.connect(chart.ask_alert)
        toolbar.marks_shown.connect(lambda on: chart.trades.show(fills=on, orders=on))
        toolbar.unlock_wanted.connect(chart.levels.set_unlocked)
        toolbar.snapshot_wanted.connect(chart.take_snapshot)
        toolbar.expand_wanted.connect(self.expand_wanted)
        chart.timeframe_wanted.connect(self._take_timeframe)
        chart.layout_changed.connect(self._keep_layout)
        self.link.changed.connect(self._keep_layout)
        chart.levels.changed.connect(lambda: toolbar.show_unlocked(chart.levels.is_unlocked))
        chart.snapshot_taken.connect(self._save_picture)
        chart.refused.connect(lambda text: tasks.announce(CommandResult(0, False, text)))
        shortcuts.bind("expand_chart", self, self.expand_wanted.emit)

    def _take_tool(self, kind: str) -> None:
        self.chart.drawing.arm(kind)
        self.chart.setFocus()

    def _take_timeframe(self, timeframe: str) -> None:
        self.toolbar.show_timeframe(timeframe)
        self.timeframe_chosen.emit(timeframe)

    def _keep_layout(self) -> None:
        self.toolbar.show_kind(self.chart.kind)
        layout = msgspec.structs.replace(self.chart.layout_now(), group=self.link.group)
        self._memory.keep_layout(self._key, layout)

    def _save_picture(self, picture: QPixmap) -> None:
        keep_picture(picture, self.chart.series, self._pictures)


def keep_picture(picture: QPixmap, series: tuple[str, str], folder: Path) -> None:
    """Into `folder`, named after what it shows and now; its place is told."""
    now = datetime.now(UTC)
    name = quote("_".join(series), safe="")
    path = folder / f"{name}_{now:%Y-%m-%d_%H-%M-%S}.png"
    folder.mkdir(parents=True, exist_ok=True)
    if picture.save(str(path)):
        tasks.tell(CommandResult(0, True, tr("Picture saved: {path}", path=path)))
    else:
        text = tr("The picture could not be saved: {path}", path=path)
        tasks.tell(CommandResult(0, False, text))
