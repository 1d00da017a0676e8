"""The capital dashboard: figures, where the capital is, equity, daily results, statistics, limits,
services."""

from __future__ import annotations

from datetime import tzinfo

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLayout,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from core.snapshots import CapitalSnapshot, EngineSnapshot
from ui import formatting, zones
from ui.bridge import Bridge
from ui.charts.bars_chart import BarsChart
from ui.charts.equity_chart import EquityChart
from ui.i18n import tr
from ui.models.words import tone_of
from ui.widgets.allocation import AllocationPanel
from ui.widgets.basic import (
    GUTTER,
    INSET,
    Panel,
    Stat,
    label,
    show_value,
)
from ui.widgets.buttons import TextButton
from ui.widgets.capital_bar import CapitalBar
from ui.widgets.capital_figures import CapitalFigures
from ui.widgets.heat_map import HeatMapPanel
from ui.widgets.request_limits import RequestLimits
from ui.widgets.risk_panel import RiskPanel
from ui.widgets.services import DataManager
from ui.widgets.statistics import StatisticsPanel

_RANGES = (("1D", 1), ("1W", 7), ("1M", 30), ("3M", 90), ("All", None))
_BOTTOM_HEIGHT = 326
_STATISTICS_HEIGHT = 176
_EQUITY_LEAST = 258  # so that 1080 px show the whole page


class _EquityPanel(Panel):
    def __init__(self, bridge: Bridge) -> None:
        super().__init__("Equity")
        self.chart = EquityChart()
        self._peak = label("label")
        group = QButtonGroup(self)
        self.head.takeAt(1)  # the ranges stand beside the title
        self.head.addSpacing(12)
        for name, days in _RANGES:
            chip = TextButton(name, kind="chip")
            chip.setCheckable(True)
            chip.setChecked(days is None)
            chip.clicked.connect(lambda _checked, chosen=days: self.chart.set_range(chosen))
            group.addButton(chip)
            self.head.addWidget(chip)
        self.head.addStretch(1)
        self.head.addWidget(self._peak)
        self.head.setContentsMargins(INSET, 0, INSET, 0)
        self.body.addWidget(self.chart, 1)
        self._bridge = bridge
        bridge.capital.changed.connect(self.show_capital)

    def show_capital(self, capital: CapitalSnapshot) -> None:
        self.chart.set_zone(_zone_of(self._bridge, capital))
        self.chart.set_curve(capital.equity_curve, capital.currency)
        show_value(
            self._peak, tr("Peak {sum}", sum=formatting.long_sum(capital.peak, capital.currency))
        )


class _DailyPanel(Panel):
    def __init__(self, bridge: Bridge) -> None:
        super().__init__("Daily result, 30 days")
        self.chart = BarsChart()
        self._count = label("label")
        self.head.addWidget(self._count)
        self.head.setContentsMargins(INSET, 0, INSET, 0)
        self._best, self._worst = Stat("Best day"), Stat("Worst day")
        self._average, self._trades = Stat("Average"), Stat("Trades")
        self.body.addWidget(self.chart, 1)
        line = QHBoxLayout()
        line.setContentsMargins(INSET + 4, 10, INSET, INSET + 4)
        for stat in (self._best, self._worst, self._average, self._trades):
            line.addWidget(stat, 1)
        self.body.addLayout(line)
        self._bridge = bridge
        bridge.capital.changed.connect(self.show_capital)

    def show_capital(self, capital: CapitalSnapshot) -> None:
        self.chart.set_zone(_zone_of(self._bridge, capital))
        self.chart.set_bars(capital.daily_results, capital.currency)
        results = [result for _, result in capital.daily_results]
        up, down = sum(r > 0 for r in results), sum(r < 0 for r in results)
        show_value(self._count, tr("{up} up · {down} down", up=up, down=down))
        average = sum(results) / len(results) if results else None
        for stat, value in (
            (self._best, capital.best_day),
            (self._worst, capital.worst_day),
            (self._average, average),
        ):
            show_value(
                stat.value, formatting.money(value, capital.currency, sign=True), tone_of(value)
            )
        show_value(self._trades.value, f"{capital.trades:,}")


class CapitalPage(QScrollArea):
    """Fits 1920 × 1080 without scrolling; on a narrow window it scrolls. Signal: bot_wanted(bot
    id)."""

    bot_wanted = pyqtSignal(str)

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._figures = CapitalFigures(bridge)
        self._bar = CapitalBar(bridge)
        self._equity, self._daily = _EquityPanel(bridge), _DailyPanel(bridge)
        self._statistics, self._calendar = StatisticsPanel(bridge), HeatMapPanel(bridge)
        self.allocation = AllocationPanel(bridge)
        self.allocation.bot_wanted.connect(self.bot_wanted)
        self._risk = RiskPanel(bridge, is_of_page=True)
        self._requests = Panel("Request limits")
        self._requests.head.addWidget(label("label", "used of 80 % of the limit, last window"))
        self._requests.body.addWidget(RequestLimits(bridge), 1)
        self._data = Panel("Data and machine")
        self._uptime = label("label")
        self._data.head.addWidget(self._uptime)
        for panel in (self._requests, self._data):
            panel.head.setContentsMargins(INSET, 0, INSET, 0)
        self._data.body.addWidget(DataManager(bridge, with_machine=True), 1)
        self._page = QWidget()
        self._page.setProperty("role", "page")
        self._outer = QVBoxLayout(self._page)
        self._outer.setContentsMargins(0, 0, 0, 0)
        self._outer.setSpacing(GUTTER)
        self._lay_out(narrow=False)
        self.setWidget(self._page)
        bridge.capital.changed.connect(self._show_capital)
        bridge.snapshot_changed.connect(self._take)
        if bridge.capital.latest is not None:
            for part in (self._bar, self._equity, self._daily, self.allocation,
                         self._statistics, self._calendar):  # fmt: skip
                part.show_capital(bridge.capital.latest)
            self._show_capital(bridge.capital.latest)
        if bridge.snapshot is not None:
            self._take(bridge.snapshot)

    def hide_tools(self) -> None:
        """For a picture: figures without buttons that nobody can press."""
        self._figures.hide_tools()

    def set_narrow(self, narrow: bool) -> None:
        self._lay_out(narrow)
        self._figures.set_narrow(narrow)

    def _lay_out(self, narrow: bool) -> None:
        while (item := self._outer.takeAt(0)) is not None:
            old = item.layout()
            if old is not None:
                _empty(old)
        middle, bottom = QHBoxLayout(), QGridLayout()
        middle.setSpacing(GUTTER)
        bottom.setSpacing(GUTTER)
        middle.addWidget(self._equity, 66)
        middle.addWidget(self._daily, 34)
        record = QHBoxLayout()
        record.setSpacing(GUTTER)
        for half in (self._statistics, self._calendar):
            record.addWidget(half, 1)
            half.setFixedHeight(_STATISTICS_HEIGHT)
        panels = (self.allocation, self._risk, self._requests, self._data)
        for i, panel in enumerate(panels):
            bottom.addWidget(panel, *(divmod(i, 2) if narrow else (0, i)))
            panel.setFixedHeight(_BOTTOM_HEIGHT)
        for i, share in enumerate((1, 1, 0, 0) if narrow else (620, 400, 420, 460)):
            bottom.setColumnStretch(i, share)
        self._outer.addWidget(self._figures)
        self._outer.addWidget(self._bar)
        self._outer.addLayout(middle, 1)
        self._outer.addLayout(record)
        self._outer.addLayout(bottom)
        self._equity.setMinimumHeight(300 if narrow else _EQUITY_LEAST)

    def _show_capital(self, capital: CapitalSnapshot) -> None:
        risk = self._bridge.risk_in_view()
        limits = risk.limits if risk is not None else []
        most = next((x.limit for x in limits if x.name == "drawdown"), None)
        words = tr("limit {n} %", n=formatting.number(most, 0)) if most is not None else ""
        self._figures.show_capital(capital, words)

    def _take(self, snapshot: EngineSnapshot) -> None:
        up = formatting.duration(snapshot.machine.uptime_s * 1000)
        show_value(self._uptime, tr("engine up {time}", time=up))


def _empty(layout: QLayout) -> None:
    """Take everything out of a layout; the widgets live on."""
    while layout.takeAt(0) is not None:
        pass


def _zone_of(bridge: Bridge, capital: CapitalSnapshot) -> tzinfo:
    """Where this account's day begins at midnight."""
    account = bridge.account(capital.account)
    return zones.named(account.timezone if account is not None else "UTC")
