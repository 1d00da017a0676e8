"""Alerts on the screen: set, listed, deleted, heard, and a word of the desktop; ux 66, 67, 17."""

from __future__ import annotations

import wave
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QWidget

from core.commands import (
    AddPriceAlert,
    ChooseMessages,
    CommandResult,
    RemovePriceAlert,
    SendTestMessage,
)
from core.models.alerts import AlertState, AlertWish, PriceAlert, SendingSnapshot
from core.snapshots import Notice
from ui import i18n
from ui.alert_centre import AlertCentre
from ui.dialogs.alerts import AlertDialog, AlertsDialog
from ui.main_window import MainWindow
from ui.models import alerts as models
from ui.sounds import EVENTS, Sounds

Until = Callable[[Callable[[], Any]], Awaitable[None]]
CROSSED = Notice(
    "info", "Price alert", "BTCUSDT has reached 70000, now 70001.", "BTCUSDT", "", True
)


def alert(ident: int = 1, **more: Any) -> PriceAlert:
    wish = AlertWish(symbol="BTCUSDT", price=Decimal(70_000), exchange="bybit")
    return PriceAlert(alert_id=ident, wish=wish, waits_for_rise=True, created_ms=0, **more)


def publish(server: Any, **more: Any) -> None:
    seq = server.snapshot.seq + 1
    server.publish(msgspec.structs.replace(server.snapshot, seq=seq, **more))


@pytest.fixture
async def window(make_window: Callable[..., MainWindow], until: Until) -> MainWindow:
    made = make_window()
    await until(lambda: "b1" in made._tabs)
    return made


@pytest.fixture
async def dialog(window: MainWindow, until: Until) -> AlertsDialog:
    QTest.mouseClick(window.app_bar.bell, Qt.MouseButton.LeftButton)
    await until(lambda: window.findChildren(AlertsDialog))
    made = window.findChildren(AlertsDialog)[0]
    await until(made.isVisible)
    return made


def click_cell(dialog: AlertsDialog, name: str) -> None:
    model, table = dialog.list.model, dialog.list.table
    for number, column in enumerate(model.columns):
        if column.cell(model.row_at(0)).action == name:
            place = table.visualRect(model.index(0, number)).center()
            QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)


async def test_an_alert_is_set_at_the_price_that_was_clicked(
    window: MainWindow, link_server: Any, until: Until
) -> None:
    """ux 66"""
    window._tabs["b1"].chart.alert_wanted.emit(Decimal("70000.5"))
    await until(lambda: window.findChildren(AlertDialog))
    asked = window.findChildren(AlertDialog)[0]
    await until(asked.isVisible)
    asked.often.choose("always")
    asked.until.setCurrentIndex(1)
    asked.sound.setChecked(False)
    asked.buttons["add"].click()
    await until(lambda: any(isinstance(c, AddPriceAlert) for c in link_server.commands))
    sent = next(c for c in link_server.commands if isinstance(c, AddPriceAlert)).wish
    assert (sent.symbol, sent.price, sent.repeats) == ("BTCUSDT", Decimal("70000.5"), True)
    assert sent.expires_ms == link_server.snapshot.market_time_ms + 86_400_000
    assert (sent.has_sound, sent.has_popup, sent.is_sent) == (False, True, True)


async def test_a_refusal_stays_in_the_question(
    window: MainWindow, link_server: Any, until: Until
) -> None:
    said = "BTCUSDT is at 70000 already."
    link_server.answers[AddPriceAlert] = lambda _command: (False, said)
    window.alert_centre.ask_alert("BTCUSDT", Decimal(70_000))
    await until(lambda: window.findChildren(AlertDialog))
    asked = window.findChildren(AlertDialog)[0]
    await until(asked.isVisible)
    asked.price.setText("nonsense")
    assert not asked.buttons["add"].isEnabled()
    asked.price.setText("70,000")
    asked.buttons["add"].click()
    await until(asked.problem.isVisible)
    assert asked.problem.text() == said
    asked.finish_with("")


async def test_the_list_leads_to_the_chart_and_deletes(
    window: MainWindow, dialog: AlertsDialog, link_server: Any, until: Until
) -> None:
    """ux 66: list with "go to chart"."""
    publish(link_server, alerts=[alert(state=AlertState.FIRED, fired_ms=1_763_600_000_000)])
    await until(lambda: dialog.list.model.rowCount() == 1)
    shown = [c.cell(dialog.list.model.row_at(0)).text for c in dialog.list.model.columns]
    assert shown[:2] == ["BTCUSDT", "rises to"]
    assert "Fired" in shown
    click_cell(dialog, models.DELETE)
    await until(lambda: RemovePriceAlert(1) in link_server.commands)
    window.show_page("Capital")
    click_cell(dialog, models.GO)
    await until(lambda: not dialog.isVisible())
    assert window._current == "b1"


async def test_what_is_sent_is_chosen_and_a_test_can_be_sent(
    window: MainWindow, dialog: AlertsDialog, link_server: Any, until: Until
) -> None:
    """ux 67"""
    sending = SendingSnapshot(["Telegram"], 3, "", ["price_alert", "danger"])
    publish(link_server, sending=sending)
    page = dialog.messages
    dialog.show_page("messages")
    await until(lambda: page.channels.text() == "Telegram · 3 waiting")
    assert page.kinds["danger"].isChecked()
    assert not page.kinds["trade"].isChecked()
    page.kinds["trade"].click()
    chosen = ChooseMessages(["price_alert", "danger", "trade"])
    await until(lambda: chosen in link_server.commands)
    link_server.answers[SendTestMessage] = lambda _command: (True, "Sent over 1 channel.")
    page.test.click()
    await until(lambda: page.said.text() == "Sent over 1 channel.")
    dialog.finish_with("")


async def test_a_channels_address_is_masked_handed_over_once_and_forgotten(
    window: MainWindow, until: Until, link_server: Any
) -> None:
    given: list[str] = []

    class Keeper:
        async def add_channel(self, address: str) -> CommandResult:
            given.append(address)
            return CommandResult(0, True)

        async def forget_channels(self) -> CommandResult:
            return CommandResult(0, True)

    window.alert_centre.keeper = Keeper()
    window.alert_centre.open_list()
    await until(lambda: window.findChildren(AlertsDialog))
    await until(window.findChildren(AlertsDialog)[0].isVisible)
    page = window.findChildren(AlertsDialog)[0].messages
    assert page.address.echoMode() is page.address.EchoMode.Password
    page.address.setText("tgram://canary-token/1")
    page.add.click()
    await until(lambda: any(isinstance(c, SendTestMessage) for c in link_server.commands))
    assert given == ["tgram://canary-token/1"]
    assert page.address.text() == ""
    window.findChildren(AlertsDialog)[0].finish_with("")


class Heard:
    """What would have been played, by its event."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def play(self, path: Path) -> None:
        with wave.open(str(path)) as file:
            assert file.getnframes() > 1000
        self.events.append(path.stem)


@pytest.fixture
def heard(window: MainWindow) -> Heard:
    made = Heard()
    window.alert_centre.sounds._play_file = made.play
    return made


async def test_each_event_has_its_sound(
    window: MainWindow, heard: Heard, link_server: Any, until: Until, fill_record: Any
) -> None:
    """ux 67, ux 17"""
    link_server.feed(CROSSED)
    await until(lambda: heard.events == ["price_alert"])
    link_server.feed(fill_record)
    await until(lambda: heard.events[-1] == "fill")
    link_server.feed(Notice("danger", "risk", "Stopped.", toast=True))
    await until(lambda: heard.events[-1] == "danger")


async def test_what_is_off_or_muted_is_not_heard(
    window: MainWindow, heard: Heard, link_server: Any, until: Until
) -> None:
    """ux 67: master mute in the status bar."""
    sounds = window.alert_centre.sounds
    QTest.mouseClick(window.status.mute, Qt.MouseButton.LeftButton)
    assert sounds.is_muted
    link_server.feed(CROSSED)
    link_server.feed(msgspec.structs.replace(CROSSED, code="silent"))
    QTest.mouseClick(window.status.mute, Qt.MouseButton.LeftButton)
    sounds.set_wanted("price_alert", False)
    link_server.feed(CROSSED)
    link_server.feed(Notice("warning", "Health", "x", toast=True))
    await until(lambda: heard.events)
    assert heard.events == ["warning"]
    again = Sounds(window.settings)
    assert not again.is_wanted("price_alert")
    assert not again.is_muted


async def test_every_sound_can_be_heard_by_its_button(dialog: AlertsDialog, heard: Heard) -> None:
    """ux 67: sound per event with a play button."""
    dialog.show_page("sounds")
    dialog.sounds.muted.setChecked(True)
    for play in dialog.sounds.plays.values():
        play.click()
    assert heard.events == list(EVENTS)
    dialog.finish_with("")


async def test_the_desktop_is_told_while_the_window_is_not_in_front(
    window: MainWindow, link_server: Any, until: Until
) -> None:
    told: list[tuple[str, str]] = []
    other = QWidget()
    other.show()
    other.activateWindow()
    await until(lambda: not window.isActiveWindow())
    centre = AlertCentre(
        window, window.bridge, Sounds(window.settings, lambda _path: None),
        window.open_symbol, lambda title, text: told.append((title, text)),
    )  # fmt: skip
    link_server.feed(Notice("info", "Trade closed", "x", toast=False))
    link_server.feed(CROSSED)
    await until(lambda: told)
    assert told == [("Price alert", CROSSED.text)]
    other.close()
    centre.deleteLater()


async def test_alerts_are_told_in_korean(window: MainWindow) -> None:
    i18n.use("ko")
    assert i18n.sentence(CROSSED.text) == "BTCUSDT 70000 도달, 현재 70001."
    said = i18n.sentence("bybit: nothing has come for 34 s.")
    assert said == "bybit: 34초째 수신 없음."
