"""The wizard that adds an account: what the modes mean, the key, what was made of it.

The secret is typed or pasted into a masked field, handed once to the process that stores it, and
forgotten: the fields are emptied, the clipboard too where it still holds it. Nothing shows it
again.
"""

from __future__ import annotations

import asyncio
import re
from decimal import Decimal
from typing import Protocol

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QIntValidator, QKeyEvent, QMouseEvent
from PyQt6.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QFrame,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from core.models.new_account import AccountAnswer, ExchangeChoice, NewAccount
from ui import i18n, tasks, theme
from ui.dialogs.sheet import Sheet
from ui.i18n import sentence, tr
from ui.widgets.basic import label, show_plate
from ui.widgets.buttons import TextButton

_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
_MODES = {
    "demo": "Everything plays on this computer: invented prices, invented money, no key.",
    "paper": "Real prices, invented money: orders are filled here and reach no exchange. No key.",
    "live": "Real prices and real money. Each start of a bot asks again before it trades.",
}
_PLACES = {"keyring": "The system's key ring", "vault": "An encrypted file with a passphrase"}


class Keeper(Protocol):
    """Stores accounts; never raises. Attribute: start_command, what to type to trade on them."""

    start_command: str

    def exchanges(self) -> list[ExchangeChoice]: ...

    async def add(self, account: NewAccount) -> AccountAnswer: ...


class KeyWizard(Sheet):
    """Three steps: `choice`, `key` (only for real money), `outcome`."""

    def __init__(self, parent: QWidget, keeper: Keeper) -> None:
        super().__init__(parent, tr("Add an account"), width=560)
        self._keeper = keeper
        self._choices = {choice.name: choice for choice in keeper.exchanges()}
        self.problem = label("error")
        self.problem.setWordWrap(True)
        self.problem.hide()
        self._working: asyncio.Task[None] | None = None
        self.choice = _ChoiceStep(list(self._choices.values()))
        self.key = _KeyStep()
        self.outcome = _OutcomeStep()
        for step in (self.choice, self.key, self.outcome):
            self.content.addWidget(step)
        self.content.addWidget(self.problem)
        self.back = TextButton("Back")
        self.next = TextButton("Next", kind="primary")
        self.next.setDefault(True)
        for button in (self.back, self.next):
            button.setMinimumWidth(96)
            self.button_row.addWidget(button)
        self.back.clicked.connect(self._go_back)
        self.next.clicked.connect(self._go_on)
        self.choice.changed.connect(self._check)
        self.key.changed.connect(self._check)
        self._show(self.choice)

    @property
    def _exchange(self) -> ExchangeChoice:
        return self._choices[self.choice.exchange.currentData()]

    def _show(self, step: QWidget) -> None:
        for other in (self.choice, self.key, self.outcome):
            other.setVisible(other is step)
        self._step = step
        self.problem.hide()
        self.back.setVisible(step is not self.outcome)
        i18n.set_text(self.back, "Cancel" if step is self.choice else "Back")
        self._check()
        self.fit()

    def _check(self) -> None:
        """What is missing is the tooltip of the button that waits for it."""
        if self._step is self.choice:
            self.choice.show_exchange(self._exchange)
            is_live = self.choice.mode == "live"
            word, missing = "Next" if is_live else "Add account", self.choice.missing()
        elif self._step is self.key:
            word, missing = "Check and store", self.key.missing()
        else:
            word, missing = "Done", ""
        if self._working is None:
            i18n.set_text(self.next, word)
        self.next.setEnabled(self._working is None and not missing)
        i18n.set_tool_tip(self.next, missing)

    def _go_back(self) -> None:
        if self._step is self.choice:
            self.finish_with("")
        else:
            self._show(self.choice)

    def _go_on(self) -> None:
        if self._step is self.outcome:
            self.finish_with("done")
        elif self._step is self.choice and self.choice.mode == "live":
            self.key.show_exchange(self._exchange)
            self._show(self.key)
            self.key.api_key.setFocus()
        else:
            self._working = tasks.spawn(self._add())

    async def _add(self) -> None:
        self._say_busy(True)
        try:
            answer = await self._keeper.add(self._account())
        finally:
            self._working = None
            self._say_busy(False)
        if answer.ok or answer.is_key_refused:
            self.key.forget()
        if answer.ok:
            self.outcome.show_answer(answer, self.choice.mode, self.key, self._keeper)
            self._show(self.outcome)
            return
        self.problem.setText(sentence(answer.text))
        self.problem.show()
        self._check()
        self.fit()
        if answer.is_passphrase_wrong:
            self.key.vault_passphrase.setFocus()
            self.key.vault_passphrase.selectAll()

    def _say_busy(self, busy: bool) -> None:
        i18n.set_text(self.next, "Checking…")
        for part in (self.choice, self.key, self.back):
            part.setEnabled(not busy)
        self._check()

    def _account(self) -> NewAccount:
        choice = self.choice
        if choice.mode != "live":
            return NewAccount(
                name=choice.account_name.text(),
                exchange=self._exchange.name,
                mode=choice.mode,
                paper_balance=Decimal(choice.balance.text()),
            )
        key = self.key
        return NewAccount(
            name=choice.account_name.text(),
            exchange=self._exchange.name,
            mode="live",
            place=key.place.currentData(),
            api_key=key.api_key.text().strip(),
            api_secret=key.api_secret.text().strip(),
            passphrase=key.passphrase.text() if self._exchange.has_passphrase else "",
            vault_passphrase=key.vault_passphrase.text() if key.is_vault else "",
            is_key_looked_at=not self._exchange.is_checked and key.looked_at.isChecked(),
        )

    def reject(self) -> None:
        """Not while a key is on its way: its answer has to be read."""
        if self._working is None:
            super().reject()

    def done(self, code: int) -> None:
        """Whatever way it closes, nothing stays in its fields."""
        self.key.forget()
        super().done(code)


class _Step(QWidget):
    """One page. Signal: changed()."""

    changed = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.inside = QVBoxLayout(self)
        self.inside.setContentsMargins(0, 0, 0, 0)
        self.inside.setSpacing(10)

    def add(self, paragraph: QLabel) -> QLabel:
        paragraph.setWordWrap(True)
        self.inside.addWidget(paragraph)
        return paragraph


class _ChoiceStep(_Step):
    """Mode, exchange, name."""

    def __init__(self, exchanges: list[ExchangeChoice]) -> None:
        super().__init__()
        self.mode = "paper"
        self.modes = {name: _ModeCard(name, text) for name, text in _MODES.items()}
        for name, card in self.modes.items():
            card.pressed.connect(lambda chosen=name: self.choose(chosen))
            self.inside.addWidget(card)
        self.modes["demo"].set_refusal("The demo is there already: start without a configuration.")
        self.exchange = QComboBox()
        for choice in exchanges:
            self.exchange.addItem(choice.title, choice.name)
        self.account_name = QLineEdit("main")
        self.account_name.setMaxLength(32)
        form = _form()
        form.addRow(_form_label("Exchange"), self.exchange)
        form.addRow(_form_label("Account name"), self.account_name)
        self.balance = QLineEdit("25000")
        self.balance.setValidator(QIntValidator(1, 1_000_000_000, self.balance))
        form.addRow(_form_label("Paper money"), self.balance)
        self._form = form
        self.inside.addLayout(form)
        self.note = self.add(label("label", _UNMET, "warn"))
        self.exchange.currentIndexChanged.connect(self.changed)
        self.account_name.textEdited.connect(self.changed)
        self.balance.textEdited.connect(self.changed)
        self.choose("paper")

    def choose(self, mode: str) -> None:
        self.mode = mode
        for name, card in self.modes.items():
            card.show_chosen(name == mode)
        self.changed.emit()

    def show_exchange(self, exchange: ExchangeChoice) -> None:
        self._form.setRowVisible(self.balance, self.mode == "paper")
        live = self.modes["live"]
        may = exchange.may_trade_live
        live.set_refusal("" if may else "This exchange keeps no stop orders: paper trading only.")
        if not may and self.mode == "live":
            self.choose("paper")
            return
        unmet = self.mode == "live" and not exchange.is_checked
        self.note.setVisible(unmet)

    def missing(self) -> str:
        if not _NAME.fullmatch(self.account_name.text()):
            return "A name of up to 32 letters, digits, _ or -"
        if self.mode == "paper" and not self.balance.hasAcceptableInput():
            return "A number above zero"
        return ""


class _ModeCard(QFrame):
    """One mode: badge, what it means; chosen by mouse or keyboard. Signal: pressed()."""

    pressed = pyqtSignal()

    def __init__(self, mode: str, text: str) -> None:
        super().__init__()
        self.setProperty("role", "field")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        badge = label("caption")
        badge.setAlignment(Qt.AlignmentFlag.AlignCenter)
        show_plate(badge, mode.upper(), "badge", mode)
        body = label("label", text, tone="t1")
        body.setWordWrap(True)
        self.setAccessibleName(mode.upper())
        inside = QFormLayout(self)
        inside.setContentsMargins(12, 10, 12, 10)
        inside.setHorizontalSpacing(12)
        inside.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        holder = QWidget()
        holder.setFixedWidth(56)
        column = QVBoxLayout(holder)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(badge, 0, Qt.AlignmentFlag.AlignLeft)
        inside.addRow(holder, body)

    def show_chosen(self, chosen: bool) -> None:
        theme.set_property(self, "focused", chosen)

    def set_refusal(self, reason: str) -> None:
        """Why it cannot be chosen, in English; "" if it can."""
        self.setEnabled(not reason)
        i18n.set_tool_tip(self, reason)

    def mousePressEvent(self, _event: QMouseEvent | None) -> None:
        self.pressed.emit()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is not None and event.key() == Qt.Key.Key_Space:
            self.pressed.emit()
        else:
            super().keyPressEvent(event)


class _KeyStep(_Step):
    """The key itself, and where it is to be kept."""

    def __init__(self) -> None:
        super().__init__()
        self.add(label("label", _MAKE_KEY, "t1"))
        self.add(label("label", "Do not let it withdraw: such a key is refused here."))
        self.add(label("label", _BIND_KEY))
        self.api_key, self.api_secret = _masked(), _masked()
        self.passphrase, self.vault_passphrase = _masked(), _masked()
        self.place = QComboBox()
        for name, text in _PLACES.items():
            self.place.addItem(tr(text), name)
        self.looked_at = QCheckBox()
        self.looked_at_text = label("label", _LOOKED_AT, tone="t1")
        self.form = _form()
        self.form.addRow(_form_label("API key"), self.api_key)
        self.form.addRow(_form_label("API secret"), self.api_secret)
        self.form.addRow(_form_label("Passphrase"), self.passphrase)
        self.form.addRow(_form_label("Kept in"), self.place)
        self.form.addRow(_form_label("Vault passphrase"), self.vault_passphrase)
        self.inside.addLayout(self.form)
        self.looked_row = QWidget()
        line = QFormLayout(self.looked_row)
        line.setContentsMargins(0, 0, 0, 0)
        line.setHorizontalSpacing(10)
        self.looked_at_text.setWordWrap(True)
        self.looked_at.setAccessibleName(tr(_LOOKED_AT))
        line.addRow(self.looked_at, self.looked_at_text)
        self.inside.addWidget(self.looked_row)
        self.add(label("label", "The secret is not shown again, here or anywhere else.", "t3"))
        for field in (self.api_key, self.api_secret, self.passphrase, self.vault_passphrase):
            field.textChanged.connect(self.changed)
        self.place.currentIndexChanged.connect(self._place_changed)
        self.looked_at.toggled.connect(self.changed)
        self._place_changed()

    @property
    def is_vault(self) -> bool:
        return str(self.place.currentData()) == "vault"

    def show_exchange(self, exchange: ExchangeChoice) -> None:
        self.form.setRowVisible(self.passphrase, exchange.has_passphrase)
        self.looked_row.setVisible(not exchange.is_checked)
        self._needs_look = not exchange.is_checked
        self._needs_passphrase = exchange.has_passphrase

    def _place_changed(self) -> None:
        self.form.setRowVisible(self.vault_passphrase, self.is_vault)
        self.changed.emit()

    def missing(self) -> str:
        if not self.api_key.text().strip() or not self.api_secret.text().strip():
            return "Both the key and the secret are needed."
        if self._needs_passphrase and not self.passphrase.text():
            return "This exchange gives a passphrase with each key."
        if self.is_vault and len(self.vault_passphrase.text()) < 8:
            return "A vault passphrase of at least 8 characters"
        if self._needs_look and not self.looked_at.isChecked():
            return "Look at the exchange what this key may do, and say so."
        return ""

    def forget(self) -> None:
        """Empty every field, and the clipboard where it still holds one of them."""
        fields = (self.api_key, self.api_secret, self.passphrase, self.vault_passphrase)
        values = {field.text().strip() for field in fields} - {""}
        clipboard = QApplication.clipboard()
        if values and clipboard is not None and clipboard.text().strip() in values:
            clipboard.clear()
        for field in fields:
            field.clear()


class _OutcomeStep(_Step):
    """What was stored, what to know about it, how to trade on it."""

    def __init__(self) -> None:
        super().__init__()
        self.said = self.add(label("label", tone="t1"))
        self.advice = self.add(label("label", tone="warn"))
        self.how = self.add(label("label"))
        self.command = QLineEdit()
        self.command.setReadOnly(True)
        self.inside.addWidget(self.command)
        self.vault = self.add(label("label", _SET_VARIABLE))
        self.after = self.add(label("label"))

    def show_answer(self, answer: AccountAnswer, mode: str, key: _KeyStep, keeper: Keeper) -> None:
        is_live = mode == "live"
        self.said.setText(sentence(answer.text))
        self.advice.setText("\n".join(sentence(line) for line in answer.advice))
        self.advice.setVisible(bool(answer.advice))
        i18n.set_text(self.how, "To trade on it, close this window and start with:")
        self.command.setText(keeper.start_command)
        self.vault.setVisible(is_live and key.is_vault)
        live = "The window then says LIVE, and each bot asks before it trades real money."
        paper = "The window then says PAPER. Go live later the same way, with a key."
        i18n.set_text(self.after, live if is_live else paper)


_MAKE_KEY = "Make a key at the exchange that may read and trade."
_BIND_KEY = "Bind it to your IP address: a stolen key is then of no use elsewhere."
_SET_VARIABLE = "Set the variable TWINSTAR_VAULT_PASSPHRASE before each start."
_UNMET = "This adapter has never met the real exchange; trust it on paper only."
_LOOKED_AT = (
    "I have looked at the exchange: this key may trade and may not withdraw. I know that this "
    "adapter has never met the real exchange."
)


def _masked() -> QLineEdit:
    made = QLineEdit()
    made.setEchoMode(QLineEdit.EchoMode.Password)
    made.setMaxLength(512)
    return made


def _form() -> QFormLayout:
    form = QFormLayout()
    form.setContentsMargins(0, 4, 0, 0)
    form.setHorizontalSpacing(16)
    form.setVerticalSpacing(8)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return form


def _form_label(text: str) -> QLabel:
    made = label("label", text)
    made.setFixedHeight(32)
    made.setMinimumWidth(112)
    return made
