"""The questions about a bot as a whole: its name, a second one like it, stopping one that scans,
removing one that runs."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtWidgets import QComboBox, QLineEdit, QWidget

from core.snapshots import BotSnapshot, PositionSnapshot
from ui import formatting
from ui.bridge import Bridge
from ui.dialogs.questions import CLOSE, GO, KEEP
from ui.dialogs.sheet import Sheet
from ui.i18n import sentence, tr
from ui.models import words
from ui.widgets.basic import label
from ui.widgets.signal_choice import SignalChoice

_LISTED = 6
_NAME_LENGTH = 40


def _add_positions(asked: Sheet, held: Sequence[PositionSnapshot]) -> None:
    for one in held[:_LISTED]:
        position = one.position
        asked.add_point(
            tr(
                "{symbol}: {side} {size}, result {pnl} USDT",
                symbol=position.symbol,
                side=tr(words.DIRECTIONS[position.side]),
                size=formatting.quantity(position.quantity),
                pnl=formatting.signed(position.unrealized_pnl),
            )
        )
    if len(held) > _LISTED:
        asked.add_text(tr("and {n} more", n=len(held) - _LISTED))


def stop_scanner(parent: QWidget, bot: BotSnapshot, held: Sequence[PositionSnapshot]) -> Sheet:
    """Answers KEEP or CLOSE; without a position only KEEP (stop)."""
    asked = Sheet(parent, tr("Stop {symbol}?", symbol=bot.title), width=520)
    if not held:
        asked.add_text(tr("The bot has no open position. Its working entries are cancelled."))
        asked.add_button(KEEP, tr("Stop"), "primary")
        asked.add_cancel()
        return asked
    _add_positions(asked, held)
    asked.add_point(tr("Keep: stop loss and take profit stay at the exchange; nobody moves them."))
    asked.add_point(tr("Close: a market order closes it now, at the price there is."))
    asked.add_button(CLOSE, tr("Close position and stop"), "danger")
    asked.add_button(KEEP, tr("Keep position and stop"), "primary")
    asked.add_cancel()
    return asked


def remove_running(parent: QWidget, bot: BotSnapshot, held: Sequence[PositionSnapshot]) -> Sheet:
    """Answers GO (close what is open, stop, remove) or cancel (the default)."""
    asked = Sheet(parent, tr("{name} is running. Stop and remove it?", name=bot.title), width=520)
    if held:
        asked.add_text(tr("It holds what a bot has to close before it can go:"))
        _add_positions(asked, held)
    asked.add_text(tr("Its candles and its trades stay on disk. Only the bot goes."))
    text = tr("Close, stop and remove") if held else tr("Stop and remove")
    asked.add_button(GO, text, "danger")
    asked.add_cancel()
    return asked


def block_symbol(parent: QWidget, symbol: str, bot: BotSnapshot) -> Sheet:
    """Answers GO or cancel."""
    asked = Sheet(parent, tr("Block {symbol}?", symbol=symbol))
    asked.add_text(
        tr(
            "{name} does not watch or enter it until you take it off the list in its settings.",
            name=bot.title,
        )
    )
    asked.add_button(GO, tr("Block symbol"), "primary", default=True)
    asked.add_cancel(default=False)
    return asked


class NameSheet(Sheet):
    """Answers GO once there is a name of 1 to 40 characters. Attribute: field."""

    def __init__(self, parent: QWidget, bot: BotSnapshot) -> None:
        super().__init__(parent, tr("Rename {name}", name=bot.title))
        self.field = QLineEdit(bot.name)
        self.field.setMaxLength(_NAME_LENGTH)
        self.field.setFixedHeight(32)
        self.field.selectAll()
        self.content.addWidget(self.field)
        self.add_text(tr("Orders keep the id {bot_id}.", bot_id=bot.bot_id))
        go = self.add_button(GO, tr("Rename"), "primary", default=True)
        self.add_cancel(default=False)
        self.field.textChanged.connect(lambda text: go.setEnabled(bool(text.strip())))
        go.setEnabled(bool(bot.name))
        self.field.setFocus()


class SignalsSheet(Sheet):
    """Answers GO once another exchange is chosen. Attributes: signals, problem."""

    def __init__(self, parent: QWidget, bridge: Bridge, bot: BotSnapshot) -> None:
        super().__init__(parent, tr("Signals of {name}", name=bot.title))
        self.signals = SignalChoice(bridge)
        self.signals.offer(bot.account, bot.signal_exchange)
        self.content.addWidget(self.signals)
        self.problem = label("error")
        self.problem.setWordWrap(True)
        self.problem.hide()
        self.content.addWidget(self.problem)
        go = self.add_button(GO, tr("Change"), "primary", default=True)
        self.add_cancel(default=False)
        self.signals.changed.connect(
            lambda: go.setEnabled(self.signals.exchange() != bot.signal_exchange)
        )
        go.setEnabled(False)

    def show_problem(self, text: str) -> None:
        """The engine's sentence, below the field."""
        self.problem.setText(sentence(text))
        self.problem.show()
        self.fit()


class DuplicateSheet(Sheet):
    """Answers GO. A bot of one symbol needs another symbol or another account. Attributes: name,
    symbol, account, problem."""

    def __init__(self, parent: QWidget, bridge: Bridge, bot: BotSnapshot) -> None:
        super().__init__(parent, tr("Duplicate {name}", name=bot.title))
        self._bot = bot
        self.name = QLineEdit()
        self.name.setMaxLength(_NAME_LENGTH)
        self.name.setText(tr("{name} copy", name=bot.title)[:_NAME_LENGTH])
        self.symbol, self.account = QComboBox(), QComboBox()
        accounts = bridge.snapshot.accounts if bridge.snapshot else []
        for account in accounts:
            self.account.addItem(account.name, account.name)
        self.account.setCurrentIndex(self.account.findData(bot.account))
        tradable = sorted(s for s, i in bridge.instruments.items() if i.is_trading)
        self.symbol.addItems(tradable)
        self.symbol.setCurrentText(bot.symbol)
        self.content.addWidget(label("label", "Name"))
        self.content.addWidget(self.name)
        if bot.symbol:
            self.content.addWidget(label("label", "Symbol"))
            self.content.addWidget(self.symbol)
        if self.account.count() > 1:
            self.content.addWidget(label("label", "Account"))
            self.content.addWidget(self.account)
        self.add_text(tr("The copy has the same settings and stands still until you start it."))
        self.problem = label("error")
        self.problem.setWordWrap(True)
        self.problem.hide()
        self.content.addWidget(self.problem)
        self.add_button(GO, tr("Duplicate"), "primary", default=True)
        self.add_cancel(default=False)
        self.symbol.currentIndexChanged.connect(self._check)
        self.account.currentIndexChanged.connect(self._check)
        self._check()

    def _check(self) -> None:
        same = (
            bool(self._bot.symbol)
            and self.symbol.currentText() == self._bot.symbol
            and self.account.currentData() == self._bot.account
        )
        self.buttons[GO].setEnabled(not same)
        self.buttons[GO].setToolTip(tr("Choose another symbol or account") if same else "")

    def show_problem(self, text: str) -> None:
        """The engine's sentence, below the fields."""
        self.problem.setText(sentence(text))
        self.problem.show()
        self.fit()
