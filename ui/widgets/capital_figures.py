"""The dashboard's head: six figures, and whose they are."""

from __future__ import annotations

from decimal import Decimal

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QGridLayout, QWidget

from core.snapshots import CapitalSnapshot
from ui import formatting
from ui.bridge import Bridge
from ui.i18n import tr
from ui.models.words import tone_of
from ui.widgets.account_choice import AccountChoice
from ui.widgets.basic import INSET, ChangeLabel, Panel, column, label, row, show_value
from ui.widgets.report_buttons import ReportButtons


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


class CapitalFigures(Panel):
    """Equity, today, unrealised, realised today, since the start, drawdown."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self.account = AccountChoice(bridge)
        self.report = ReportButtons(bridge)
        self._tools = QWidget()
        tools = column(None, self.report, spacing=0)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignAbsolute
        tools.addWidget(self.account, 0, right)
        tools.addStretch(1)
        self._tools.setLayout(tools)
        names = ("Equity", "Today", "Unrealised", "Realised today", "Since the start", "Drawdown")
        self._figures = [_Figure(name) for name in names]
        self._grid = QGridLayout()
        self._grid.setContentsMargins(INSET, 8, INSET, 8)
        self._grid.setHorizontalSpacing(24)
        self.body.addLayout(self._grid)
        self.set_narrow(False)

    def hide_tools(self) -> None:
        self._tools.hide()

    def set_narrow(self, narrow: bool) -> None:
        for i, figure in enumerate(self._figures):
            self._grid.removeWidget(figure)
            place = divmod(i, 3) if narrow else (0, i)
            self._grid.addWidget(figure, *place)
        self._grid.removeWidget(self._tools)
        self._grid.addWidget(self._tools, 0, 3 if narrow else 6, 2 if narrow else 1, 1)
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
        drawdown.set_name(
            tr("Drawdown from {sum}", sum=formatting.long_sum(capital.peak, currency))
        )
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
