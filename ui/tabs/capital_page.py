"""The capital dashboard: figures, where the capital is, equity, daily results, statistics, limits,
services."""

from __future__ import annotations

from decimal import Decimal

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
    ChangeLabel,
    Panel,
    Stat,
    column,
    label,
    row,
    show_value,
)
from ui.widgets.buttons import TextButton
from ui.widgets.capital_bar import CapitalBar
from ui.widgets.heat_map import HeatMapPanel
from ui.widgets.request_limits import RequestLimits
from ui.widgets.risk_panel import RiskPanel
from ui.widgets.services import DataManager
from ui.widgets.statistics import StatisticsPanel

_RANGES = (("1D", 1), ("1W", 7), ("1M", 30), ("3M", 90), ("All", None))
_BOTTOM_HEIGHT = 326
_STATISTICS_HEIGHT = 176
_EQUITY_LEAST = 258  # so that 1080 px show the whole page


class _Figure(QWidget):
    """Caption, figure of 24 px, a line below."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name, self._figure = label("label", name), ChangeLabel("big")
        self._unit, self._below = label("label", tone="t3"), label("caption")
        line = row(self._figure, self._unit, None, spacing=8)
        outer = column(None, self._name, spacing=2)
        outer.addLayout(line)
        outer.addWidget(self._below)
        outer.addStretch(1)
        self.setLayout(outer)

    def show_figure(
        self,
        text: str,
        below: str,
        *,
        tone: str = "t1",
        direction: int = 0,
        unit: str = "",
        below_tone: str = "",
    ) -> None:
        self._figure.show_change(text, direction, tone)
        show_value(self._below, below, below_tone or tone)
        show_value(self._unit, unit)

    def set_name(self, text: str) -> None:
        self._name.setProperty("trText", None)
        show_value(self._name, text)


class _Figures(Panel):
    """Equity, today, unrealised, realised today, since the start, drawdown."""

    def __init__(self) -> None:
        super().__init__()
        names = ("Equity", "Today", "Unrealised", "Realised today", "Since the start", "Drawdown")
        self._figures = [_Figure(name) for name in names]
        self._grid = QGridLayout()
        self._grid.setContentsMargins(INSET, 8, INSET, 8)
        self._grid.setHorizontalSpacing(24)
        self.body.addLayout(self._grid)
        self.set_narrow(False)

    def set_narrow(self, narrow: bool) -> None:
        for i, figure in enumerate(self._figures):
            self._grid.removeWidget(figure)
            place = divmod(i, 3) if narrow else (0, i)
            self._grid.addWidget(figure, *place)
        for i in range(6):
            self._grid.setColumnStretch(i, 1 if not narrow or i < 3 else 0)
        self.setFixedHeight(176 if narrow else 92)

    def show_capital(self, capital: CapitalSnapshot, drawdown_limit: str) -> None:
        equity, today, unrealized, realized, since, drawdown = self._figures
        currency = capital.currency
        total = tr("Total {sum} realised", sum=formatting.long_sum(capital.total, currency))
        equity.show_figure(
            formatting.money(capital.equity, currency), total, unit=currency, below_tone="t3"
        )
        start_of_day = capital.equity - capital.daily_pnl
        for figure, change, base in (
            (today, capital.daily_pnl, start_of_day),
            (unrealized, capital.unrealized_pnl, capital.total),
            (realized, capital.daily_realized_pnl, start_of_day),
            (since, capital.equity - capital.initial, capital.initial),
        ):
            self._show_change(figure, change, base, currency)
        since.set_name(
            tr("Since the start, {sum}", sum=formatting.long_sum(capital.initial, currency))
        )
        drawdown.set_name(tr("Drawdown from {sum}", sum=formatting.long_sum(capital.peak, currency)))
        most = tr("most {n}", n=formatting.percent(capital.max_drawdown, sign=False))
        drawdown.show_figure(
            formatting.percent(capital.drawdown, sign=False),
            f"{drawdown_limit} · {most}" if drawdown_limit else most,
            below_tone="t3",
        )

    @staticmethod
    def _show_change(figure: _Figure, change: Decimal, base: Decimal, currency: str) -> None:
        ratio = change / base if base > 0 else None
        figure.show_figure(
            formatting.money(change, currency, sign=True),
            formatting.percent(ratio),
            tone=tone_of(change),
            direction=int(change.compare(Decimal(0))),
        )


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
        if self._bridge.snapshot is not None:
            self.chart.set_zone(zones.of_first(self._bridge.snapshot.accounts))
        self.chart.set_curve(capital.equity_curve, capital.currency)
        show_value(self._peak, tr("Peak {sum}", sum=formatting.long_sum(capital.peak, capital.currency)))


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
        if self._bridge.snapshot is not None:
            self.chart.set_zone(zones.of_first(self._bridge.snapshot.accounts))
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
            show_value(stat.value, formatting.signed(value), tone_of(value))
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
        self._figures = _Figures()
        self._bar = CapitalBar(bridge)
        self._equity, self._daily = _EquityPanel(bridge), _DailyPanel(bridge)
        self._statistics, self._calendar = StatisticsPanel(bridge), HeatMapPanel(bridge)
        self.allocation = AllocationPanel(bridge)
        self.allocation.bot_wanted.connect(self.bot_wanted)
        self._risk = RiskPanel(bridge, with_consequences=True)
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
        limits = self._bridge.snapshot.risk.limits if self._bridge.snapshot else []
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
