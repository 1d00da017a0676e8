"""The head of a bot's tab: what its state is, what each button does to an open position."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QLabel

from core.snapshots import AccountMode
from ui import i18n
from ui.main_window import MainWindow

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")
Until = Callable[[Callable[[], Any]], Awaitable[None]]
replace = msgspec.structs.replace


@pytest.fixture
async def window(make_window: Callable[[], MainWindow], until: Until) -> MainWindow:
    made = make_window()
    await until(lambda: "b1" in made._tabs)
    return made


@pytest.mark.parametrize(
    ("bot_id", "word", "dot", "offered"),
    [
        ("b1", "Running", (True, "accent"), ["pause", "stop"]),
        ("b2", "Paused", (False, "t3"), ["start", "stop"]),
        ("b3", "Error", (True, "danger"), ["start"]),
    ],
)
async def test_a_state_has_its_dot_its_word_and_the_buttons_that_make_sense(
    window: MainWindow, bot_id: str, word: str, dot: tuple[bool, str], offered: list[str]
) -> None:
    """ux 57"""
    window.show_bot(bot_id)
    header = window._tabs[bot_id].header
    assert header._state.text() == word
    assert (header._dot._filled, header._dot._token) == dot
    names = ("start", "pause", "stop")
    assert [name for name in names if getattr(header, name).isVisible()] == offered


async def test_every_button_says_what_becomes_of_an_open_position(
    window: MainWindow, link_server: Any, until: Until
) -> None:
    """ux 57: also again after it was off, and in Korean."""
    header = window._tabs["b1"].header
    buttons = (header.start, header.pause, header.stop)
    hints = [button.toolTip() for button in buttons]
    assert all("position" in hint for hint in hints)
    assert len(set(hints)) == 3
    await link_server.stop()
    await until(lambda: header.stop.toolTip() == "The engine is not connected")
    await link_server.start()
    await until(header.stop.isEnabled)
    assert [button.toolTip() for button in buttons] == hints
    i18n.use("ko")
    assert all("포지션" in button.toolTip() for button in buttons)


async def test_a_live_start_lists_its_consequences_in_figures(
    window: MainWindow, link_server: Any, make_snapshot: Any, trader: Any, until: Until
) -> None:
    """ux 58"""
    snapshot = make_snapshot(2)
    live = [replace(snapshot.accounts[0], mode=AccountMode.LIVE)]
    link_server.publish(replace(snapshot, accounts=live))
    await until(lambda: window.app_bar.badge.text() == "LIVE")
    window.show_bot("b2")
    QTest.mouseClick(window._tabs["b2"].header.start, Qt.MouseButton.LeftButton)
    sheet = await trader.asked()
    told = [part.text() for part in sheet.findChildren(QLabel)]
    assert "Orders go to Bybit, account main, without asking you each time." in told
    assert "One position takes at most 5,032.45 USDT (20 %)." in told
    assert "A day that loses 754.87 USDT (3 %) stops trading." in told
    assert "LIVE" in told
    assert sheet.buttons[""].isDefault()
    await trader.press(Qt.Key.Key_Escape)
