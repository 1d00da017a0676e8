"""The account wizard: modes explained, a key handed over once and forgotten; ux 78."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QLabel, QLineEdit, QPushButton

from core.models.new_account import AccountAnswer, ExchangeChoice, NewAccount
from ui import i18n
from ui.dialogs.key_wizard import KeyWizard
from ui.main_window import MainWindow

Until = Callable[[Callable[[], Any]], Awaitable[None]]
KEY, SECRET = "canary-key-7Q", "canary-secret-9Z"
EXCHANGES = [
    ExchangeChoice("bybit", "Bybit", True, True, False),
    ExchangeChoice("okx", "OKX", True, False, True),
    ExchangeChoice("upbit", "Upbit", False, False, False),
]


class Keeper:
    """Remembers what it was given and answers as told."""

    start_command = "python run.py --config data/trading.toml"

    def __init__(self) -> None:
        self.given: list[NewAccount] = []
        self.answer = AccountAnswer(True, "main was added.", ["The key ends in 3 days."])
        self.gate = asyncio.Event()
        self.gate.set()

    def exchanges(self) -> list[ExchangeChoice]:
        return EXCHANGES

    async def add(self, account: NewAccount) -> AccountAnswer:
        self.given.append(account)
        await self.gate.wait()
        return self.answer


@pytest.fixture
async def keeper() -> Keeper:
    return Keeper()


@pytest.fixture
async def wizard(make_window: Callable[..., MainWindow], keeper: Keeper, until: Until) -> KeyWizard:
    window = make_window()
    await until(lambda: "b1" in window._tabs)
    window.accounts = keeper
    window.add_account()
    await until(lambda: window.findChildren(KeyWizard))
    made = window.findChildren(KeyWizard)[0]
    await until(made.isVisible)
    return made


def press(target: Any) -> None:
    QTest.mouseClick(target, Qt.MouseButton.LeftButton)


def to_key(wizard: KeyWizard) -> None:
    press(wizard.choice.modes["live"])
    press(wizard.next)


def type_key(wizard: KeyWizard) -> None:
    wizard.key.api_key.setText(KEY)
    wizard.key.api_secret.setText(SECRET)


async def test_paper_is_the_default_and_asks_for_no_key(
    wizard: KeyWizard, keeper: Keeper, until: Until
) -> None:
    """ux 76"""
    assert not wizard.choice.modes["demo"].isEnabled()
    wizard.choice.balance.clear()
    QTest.keyClicks(wizard.choice.balance, "0")
    assert not wizard.next.isEnabled()
    wizard.choice.balance.clear()
    QTest.keyClicks(wizard.choice.balance, "5000")
    press(wizard.next)
    await until(wizard.outcome.isVisible)
    money = Decimal(5_000)
    assert keeper.given == [
        NewAccount(name="main", exchange="bybit", mode="paper", paper_balance=money)
    ]
    assert wizard.outcome.command.text() == keeper.start_command


async def test_a_wrong_passphrase_asks_for_that_field_alone(
    wizard: KeyWizard, keeper: Keeper, until: Until
) -> None:
    to_key(wizard)
    type_key(wizard)
    wizard.key.place.setCurrentIndex(wizard.key.place.findData("vault"))
    wizard.key.vault_passphrase.setText("wrong horse")
    told = "This is not the vault's passphrase. Nothing was saved."
    keeper.answer = AccountAnswer(False, told, is_passphrase_wrong=True)
    press(wizard.next)
    await until(wizard.problem.isVisible)
    assert wizard.problem.text() == told
    assert (wizard.key.api_key.text(), wizard.key.api_secret.text()) == (KEY, SECRET)
    assert wizard.key.vault_passphrase.hasFocus()
    assert wizard.key.vault_passphrase.selectedText()
    keeper.answer = AccountAnswer(True, "main was added.")
    QTest.keyClicks(wizard.key.vault_passphrase, "correct horse")
    press(wizard.next)
    await until(wizard.outcome.isVisible)
    assert keeper.given[-1].vault_passphrase == "correct horse"


async def test_a_key_is_masked_handed_over_once_and_forgotten(
    wizard: KeyWizard, keeper: Keeper, until: Until
) -> None:
    """ux 78"""
    to_key(wizard)
    assert not wizard.next.isEnabled()
    type_key(wizard)
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    clipboard.setText(SECRET)
    for field in (wizard.key.api_key, wizard.key.api_secret, wizard.key.vault_passphrase):
        assert field.echoMode() is QLineEdit.EchoMode.Password
    press(wizard.next)
    await until(wizard.outcome.isVisible)
    assert (keeper.given[0].api_key, keeper.given[0].api_secret) == (KEY, SECRET)
    assert len(keeper.given) == 1
    shown = [w.text() for w in wizard.findChildren((QLabel, QLineEdit, QPushButton))]
    assert not any(KEY in text or SECRET in text for text in shown)
    assert clipboard.text() == ""
    assert SECRET not in repr(keeper.given[0])
    assert "The key ends in 3 days." in shown


async def test_a_picture_of_the_wizard_is_the_same_whatever_the_key(wizard: KeyWizard) -> None:
    """ux 78: a picture is compressed, so that no search for the key in it would mean anything."""
    to_key(wizard)
    pictures = []
    for key, secret in ((KEY, SECRET), (KEY[::-1], SECRET[::-1])):
        wizard.key.api_key.setText(key)
        wizard.key.api_secret.setText(secret)
        wizard.setFocus()  # no blinking cursor
        pictures.append(wizard.grab().toImage())
    assert pictures[0] == pictures[1]
    wizard.key.api_secret.setText(SECRET + "1")
    assert wizard.grab().toImage() != pictures[0], "a picture that shows the field at all"


async def test_a_crash_while_a_key_is_handed_over_is_reported_without_it(
    wizard: KeyWizard,
    keeper: Keeper,
    until: Until,
    fail_on_unexpected_log: list[logging.LogRecord],
) -> None:
    """ux 78: what a crash writes is the error and the way to it, never what was in hand."""

    async def break_down(account: NewAccount) -> AccountAnswer:
        raise RuntimeError(f"the vault is gone while {account!r} was written")

    keeper.add = break_down  # type: ignore[method-assign]
    to_key(wizard)
    type_key(wizard)
    press(wizard.next)
    await until(lambda: fail_on_unexpected_log)
    report = "\n".join(map(logging.Formatter().format, fail_on_unexpected_log))
    fail_on_unexpected_log.clear()
    assert "the vault is gone" in report
    assert KEY not in report
    assert SECRET not in report


async def test_a_key_that_can_withdraw_is_refused_in_the_dialog(
    wizard: KeyWizard, keeper: Keeper, until: Until
) -> None:
    """ux 78"""
    refusal = "This key can withdraw. It was not saved."
    keeper.answer = AccountAnswer(False, refusal, is_key_refused=True)
    to_key(wizard)
    type_key(wizard)
    press(wizard.next)
    await until(wizard.problem.isVisible)
    assert wizard.problem.text() == refusal
    assert wizard.key.api_secret.text() == ""
    assert not wizard.next.isEnabled()


async def test_while_it_is_checked_nothing_can_be_pressed_twice(
    wizard: KeyWizard, keeper: Keeper, until: Until
) -> None:
    keeper.gate.clear()
    to_key(wizard)
    type_key(wizard)
    press(wizard.next)
    await until(lambda: keeper.given)
    assert wizard.next.text() == "Checking…"
    press(wizard.next)
    press(wizard.back)
    assert wizard.key.isVisible()
    keeper.gate.set()
    await until(wizard.outcome.isVisible)
    assert len(keeper.given) == 1


async def test_an_answer_after_escape_meets_no_dialog(
    wizard: KeyWizard, keeper: Keeper, until: Until, calm: Callable[[], Awaitable[None]]
) -> None:
    keeper.gate.clear()
    to_key(wizard)
    type_key(wizard)
    press(wizard.next)
    await until(lambda: keeper.given)
    QTest.keyClick(wizard, Qt.Key.Key_Escape)
    await calm()
    assert wizard.isVisible()
    keeper.gate.set()
    await until(wizard.outcome.isVisible)


async def test_an_exchange_that_cannot_be_asked_wants_the_traders_word(
    wizard: KeyWizard, keeper: Keeper, until: Until
) -> None:
    wizard.choice.exchange.setCurrentIndex(1)
    to_key(wizard)
    type_key(wizard)
    assert wizard.next.toolTip() == "This exchange gives a passphrase with each key."
    wizard.key.passphrase.setText("words")
    assert wizard.next.toolTip().startswith("Look at the exchange")
    wizard.key.looked_at.setChecked(True)
    press(wizard.next)
    await until(wizard.outcome.isVisible)
    assert keeper.given[0].is_key_looked_at
    assert keeper.given[0].passphrase == "words"


async def test_an_exchange_without_stop_orders_is_for_paper_only(wizard: KeyWizard) -> None:
    press(wizard.choice.modes["live"])
    wizard.choice.exchange.setCurrentIndex(2)
    assert wizard.choice.mode == "paper"
    assert not wizard.choice.modes["live"].isEnabled()


async def test_a_name_that_no_file_may_have_is_not_sent(wizard: KeyWizard) -> None:
    wizard.choice.account_name.setText("")
    QTest.keyClicks(wizard.choice.account_name, "a b")
    assert not wizard.next.isEnabled()


async def test_every_word_has_its_korean(
    make_window: Callable[..., MainWindow], keeper: Keeper, until: Until
) -> None:
    window = make_window()
    await until(lambda: "b1" in window._tabs)
    i18n.use("ko")
    wizard = KeyWizard(window, keeper)
    wizard.open()
    wizard.choice.exchange.setCurrentIndex(1)
    for step in (lambda: None, lambda: to_key(wizard)):
        step()
        texts = [
            w.text()
            for w in wizard.findChildren((QLabel, QPushButton))
            if w.isVisible() and re.search(r"[A-Za-z]{3} [a-z]{2}", w.text())
        ]
        assert [text for text in texts if not re.search("[가-힣]", text)] == []
    wizard.finish_with("")
