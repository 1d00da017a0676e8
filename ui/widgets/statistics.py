"""How good the trading was, in eight figures; each says on hover how it is reckoned, or why it is
not known yet."""

from __future__ import annotations

from PyQt6.QtWidgets import QGridLayout

from core.reports.statistics import DayStatistics, Statistics, TradeStatistics
from core.snapshots import CapitalSnapshot
from ui import formatting, i18n
from ui.bridge import Bridge
from ui.i18n import tr
from ui.models.words import tone_of
from ui.widgets.basic import INSET, Panel, Stat, label, show_value

_COLUMNS = 4


class StatisticsPanel(Panel):
    def __init__(self, bridge: Bridge) -> None:
        super().__init__("Statistics")
        self._sample = label("label")
        self.head.addWidget(self._sample)
        self.head.setContentsMargins(INSET, 0, INSET, 0)
        self.stats = {
            "total_return": Stat("Return"),
            "sharpe": Stat("Sharpe ratio"),
            "sortino": Stat("Sortino ratio"),
            "max_drawdown": Stat("Drawdown, daily closes"),
            "win_rate": Stat("Win rate"),
            "profit_factor": Stat("Profit factor"),
            "expectancy": Stat("Expectancy"),
            "exposure": Stat("Exposure"),
        }
        grid = QGridLayout()
        grid.setContentsMargins(INSET, 4, INSET, 8)
        grid.setHorizontalSpacing(INSET)
        for i, stat in enumerate(self.stats.values()):
            grid.addWidget(stat, *divmod(i, _COLUMNS))
        for i in range(_COLUMNS):
            grid.setColumnStretch(i, 1)
        self.body.addLayout(grid, 1)
        bridge.capital.changed.connect(self.show_capital)

    def show_capital(self, capital: CapitalSnapshot) -> None:
        found = capital.statistics
        if found is None:
            return
        show_value(self._sample, _sample(found))
        self._show_days(found.days)
        self._show_trades(found.trades, capital.currency)

    def _show_days(self, days: DayStatistics) -> None:
        number = formatting.number
        change, fall = days.total_return, days.max_drawdown
        why = days.unknown
        self._show(
            "total_return",
            formatting.percent(change),
            why,
            tone_of(change),
            hint=tr("Every day's growth, one on the other; transfers left out."),
        )
        self._show(
            "sharpe",
            number(days.sharpe),
            why,
            hint=tr("Mean of the daily returns by their deviation, for a year."),
        )
        self._show(
            "sortino",
            number(days.sortino),
            why,
            hint=tr("As Sharpe's, but only losing days count as deviation."),
        )
        self._show(
            "max_drawdown",
            formatting.percent(fall, sign=False),
            why,
            hint=tr("The deepest fall below a peak, from day's end to day's end."),
        )

    def _show_trades(self, trades: TradeStatistics, currency: str) -> None:
        money, why = formatting.money, trades.unknown
        won = tr("{won} won · {lost} lost", won=trades.won, lost=trades.lost)
        sums = tr(
            "{profit} won by {loss} lost",
            profit=money(trades.gross_profit, currency),
            loss=money(trades.gross_loss, currency),
        )
        self._show("win_rate", formatting.percent(trades.win_rate, 1, sign=False), why, hint=won)
        self._show("profit_factor", formatting.number(trades.profit_factor), why, hint=sums)
        self._show(
            "expectancy",
            money(trades.expectancy, currency, sign=True),
            why,
            tone_of(trades.expectancy),
            hint=tr("The mean result of a trade, after fees and funding."),
        )
        self._show(
            "exposure",
            formatting.percent(trades.exposure, 1, sign=False),
            why,
            hint=tr("Share of the time with a position, first entry to last exit."),
        )

    def _show(
        self, name: str, text: str, unknown: dict[str, str], tone: str = "t1", *, hint: str
    ) -> None:
        stat = self.stats[name]
        show_value(stat.value, text, "t3" if name in unknown else tone)
        reason = i18n.sentence(unknown[name]) if name in unknown else hint
        if stat.toolTip() != reason:
            stat.setToolTip(reason)
            stat.setAccessibleDescription(reason)


def _sample(found: Statistics) -> str:
    return tr(
        "trades {trades} · days {days}", trades=f"{found.trades.trades:,}", days=len(found.calendar)
    )
