"""How good the trading was, in eight figures, of all or of a part of it; each says on hover how it
is reckoned, or why it is not known yet."""

from __future__ import annotations

from PyQt6 import sip
from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtGui import QShowEvent
from PyQt6.QtWidgets import QButtonGroup, QGridLayout, QMenu

from core.commands import GetStatistics
from core.reports.chosen_statistics import Choice
from core.reports.statistics import DayStatistics, Statistics, TradeStatistics
from core.snapshots import CapitalSnapshot
from ui import formatting, i18n, tasks
from ui.bridge import Bridge
from ui.i18n import tr
from ui.models.allocation import bot_name
from ui.models.words import tone_of
from ui.plain import caption, tip
from ui.widgets.basic import INSET, Panel, Stat, label, show_value
from ui.widgets.buttons import TextButton

_COLUMNS = 4
_PERIODS = (("1W", 7), ("1M", 30), ("3M", 90), ("All", 0))
_ASK_AGAIN_MS = 5_000  # what days say moves with every price


class StatisticsPanel(Panel):
    """Of the account that the page shows. The whole of it is in every snapshot; a part is asked
    for while it is shown."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__("Statistics")
        self._bridge = bridge
        self._choice = Choice()
        self._whole: Statistics | None = None
        self._account, self._currency = "", "USDT"
        self._sample = label("label")
        self.periods: dict[str, TextButton] = {}
        self.part = TextButton(kind="chip", icon="chevron-down", color="t3")
        self._menu = QMenu(self)
        self._lay_out_head()
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
        self._ask_again = QTimer(self)
        self._ask_again.setSingleShot(True)
        self._ask_again.setInterval(_ASK_AGAIN_MS)
        self._ask_again.timeout.connect(self._ask)
        self._name_part()
        bridge.capital.changed.connect(self.show_capital)
        i18n.language.changed.connect(self._name_part)  # bound: it ends with the panel

    def _lay_out_head(self) -> None:
        group = QButtonGroup(self)
        self.head.takeAt(1)
        self.head.addSpacing(8)
        for name, days in _PERIODS:
            chip = TextButton(name, kind="chip")
            chip.setCheckable(True)
            chip.setChecked(not days)
            chip.clicked.connect(lambda _on, chosen=days: self._choose_days(chosen))
            group.addButton(chip)
            self.periods[name] = chip
            self.head.addWidget(chip)
        self.part.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        self.part.clicked.connect(self._open_menu)
        self.head.addWidget(self.part)
        self.head.addStretch(1)
        self.head.addWidget(self._sample)
        self.head.setContentsMargins(INSET, 0, INSET, 0)
        self.head.setSpacing(4)

    # Which part

    def choose(self, choice: Choice) -> None:
        """From now on these trades; the figures come with the engine's answer."""
        self._choice = choice
        self._name_part()
        if choice == Choice():
            self._show(self._whole)
        else:
            self._ask()

    def _choose_days(self, days: int) -> None:
        chosen = self._choice
        self.choose(Choice(bot_id=chosen.bot_id, symbol=chosen.symbol, days=days))

    def _choose_part(self, bot_id: str | None, symbol: str) -> None:
        self.choose(Choice(bot_id=bot_id, symbol=symbol, days=self._choice.days))

    def _open_menu(self) -> None:
        self._fill_menu()
        self._menu.popup(self.part.mapToGlobal(self.part.rect().bottomLeft()))

    def _fill_menu(self) -> None:
        self._menu.clear()
        self._add_part(tr("Whole account"), None, "")
        whole = self._whole
        self._menu.addSeparator()
        for bot_id in whole.bots if whole is not None else []:
            self._add_part(caption(bot_name(self._bridge, bot_id)), bot_id, "")
        self._menu.addSeparator()
        for symbol in whole.symbols if whole is not None else []:
            self._add_part(symbol, None, symbol)

    def _add_part(self, text: str, bot_id: str | None, symbol: str) -> None:
        action = self._menu.addAction(text)
        if action is not None:
            action.setCheckable(True)
            action.setChecked((bot_id, symbol) == (self._choice.bot_id, self._choice.symbol))
            action.triggered.connect(lambda _on: self._choose_part(bot_id, symbol))

    def _name_part(self) -> None:
        chosen = self._choice
        if chosen.is_whole_account:
            text = tr("Whole account")
        elif chosen.bot_id is not None:
            text = caption(bot_name(self._bridge, chosen.bot_id))
        else:
            text = chosen.symbol
        if self.part.text() != text:
            self.part.setText(text)

    def _ask(self) -> None:
        if self._choice != Choice() and self.isVisible():
            tasks.spawn(self._load(self._choice))

    async def _load(self, choice: Choice) -> None:
        account = self._account
        result = await self._bridge.link.send(GetStatistics(account, choice))
        if sip.isdeleted(self) or (account, choice) != (self._account, self._choice):
            return
        self._show(result.statistics)
        if result.statistics is None:
            tasks.announce(result)
        self._ask_again.start()

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self._ask()

    # Its figures

    def show_capital(self, capital: CapitalSnapshot) -> None:
        self._currency = capital.currency
        self._whole = capital.statistics
        if capital.account != self._account:  # its bots are others
            self._account = capital.account
            self.choose(Choice(days=self._choice.days))
        if self._choice == Choice():
            self._show(capital.statistics)

    def _show(self, found: Statistics | None) -> None:
        if found is None:
            return
        show_value(self._sample, _sample(found))
        self._show_days(found.days)
        self._show_trades(found.trades, self._currency)

    def _show_days(self, days: DayStatistics) -> None:
        number = formatting.number
        change, fall = days.total_return, days.max_drawdown
        why = days.unknown
        self._show_stat(
            "total_return",
            formatting.percent(change),
            why,
            tone_of(change),
            hint=tr("Every day's growth, one on the other; transfers left out."),
        )
        self._show_stat(
            "sharpe",
            number(days.sharpe),
            why,
            hint=tr("Mean of the daily returns by their deviation, for a year."),
        )
        self._show_stat(
            "sortino",
            number(days.sortino),
            why,
            hint=tr("As Sharpe's, but only losing days count as deviation."),
        )
        self._show_stat(
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
        self._show_stat(
            "win_rate", formatting.percent(trades.win_rate, 1, sign=False), why, hint=won
        )
        self._show_stat("profit_factor", formatting.number(trades.profit_factor), why, hint=sums)
        self._show_stat(
            "expectancy",
            money(trades.expectancy, currency, sign=True),
            why,
            tone_of(trades.expectancy),
            hint=tr("The mean result of a trade, after fees and funding."),
        )
        self._show_stat(
            "exposure",
            formatting.percent(trades.exposure, 1, sign=False),
            why,
            hint=tr("Share of the time with a position, first entry to last exit."),
        )

    def _show_stat(
        self, name: str, text: str, unknown: dict[str, str], tone: str = "t1", *, hint: str
    ) -> None:
        stat = self.stats[name]
        show_value(stat.value, text, "t3" if name in unknown else tone)
        reason = i18n.sentence(unknown[name]) if name in unknown else hint
        if stat.toolTip() != tip(reason):
            stat.setToolTip(tip(reason))
            stat.setAccessibleDescription(reason)


def _sample(found: Statistics) -> str:
    return tr(
        "trades {trades} · days {days}", trades=f"{found.trades.trades:,}", days=len(found.calendar)
    )
