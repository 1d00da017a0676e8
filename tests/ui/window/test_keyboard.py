"""The window without a mouse: the way of Tab, rings, and the keys that act."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QWidget

from core.commands import KillSwitch, PauseBot, StartBot
from core.snapshots import AccountMode
from ui.charts.canvas import ChartCanvas
from ui.dialogs.sheet import Sheet
from ui.main_window import MainWindow
from ui.widgets.app_bar import KillButton, TabPlate
from ui.widgets.bots_list import BotRow

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")
Until = Callable[[Callable[[], Any]], Awaitable[None]]
replace = msgspec.structs.replace


@pytest.fixture
async def window(make_window: Callable[..., MainWindow], until: Until) -> MainWindow:
    made = make_window()
    await until(lambda: "b1" in made._tabs)
    made.activateWindow()
    await until(lambda: QApplication.activeWindow() is made)
    return made


def key(window: MainWindow, pressed: Qt.Key, held: Qt.KeyboardModifier | None = None) -> None:
    target = QApplication.focusWidget() or window
    QTest.keyClick(target, pressed, held or Qt.KeyboardModifier.NoModifier)


def way_of_tab(window: MainWindow) -> list[QWidget]:
    """What Tab reaches, in order, once round."""
    seen: list[QWidget] = []
    while True:
        key(window, Qt.Key.Key_Tab)
        focused = QApplication.focusWidget()
        assert focused is not None
        if focused in seen:
            return seen
        seen.append(focused)


def sent(server: Any, kind: type) -> list[Any]:
    return [command for command in server.commands if isinstance(command, kind)]


async def test_tab_goes_through_the_window_as_one_reads_it(window: MainWindow) -> None:
    way = way_of_tab(window)
    kinds = [type(widget) for widget in way]
    assert kinds[:3] == [TabPlate, TabPlate, TabPlate]
    first_row = kinds.index(BotRow)
    assert kinds.index(KillButton) < first_row < kinds.index(ChartCanvas)
    assert kinds[first_row : first_row + 3] == [BotRow, BotRow, BotRow]
    header = window._tabs["b1"].header
    assert first_row < way.index(header.pause) < way.index(header.stop)
    chosen = [w for w in way if getattr(w, "isCheckable", lambda: False)() and w.isChecked()]  # type: ignore[attr-defined]
    assert "15m" in [chip.text() for chip in chosen]  # type: ignore[attr-defined]


async def test_a_click_leaves_no_ring_and_tab_draws_one(window: MainWindow) -> None:
    canvas = window._tabs["b1"].chart.canvas
    QTest.mouseClick(canvas.viewport(), Qt.MouseButton.LeftButton)
    assert not canvas.frame.has_ring
    marks = window._tabs["b1"]._panel.toolbar._marks
    QTest.mouseClick(marks, Qt.MouseButton.LeftButton)
    assert QApplication.focusWidget() is not marks
    canvas.setFocus(Qt.FocusReason.TabFocusReason)
    assert canvas.frame.has_ring
    window.centralWidget().setFocus()  # type: ignore[union-attr]
    assert not canvas.frame.has_ring


async def test_the_kill_shortcut_stops_at_its_second_press(
    window: MainWindow, link_server: Any, until: Until
) -> None:
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    key(window, Qt.Key.Key_K, both)
    assert not sent(link_server, KillSwitch)
    assert window.app_bar.kill.property("armed") == "true"
    key(window, Qt.Key.Key_K, both)
    await until(lambda: sent(link_server, KillSwitch))
    assert len(sent(link_server, KillSwitch)) == 1
    await until(lambda: not window.app_bar.kill.is_busy)


async def test_space_pauses_and_starts_the_bot_in_front(
    window: MainWindow, link_server: Any, until: Until
) -> None:
    window.centralWidget().setFocus()  # type: ignore[union-attr]
    key(window, Qt.Key.Key_Space)
    await until(lambda: sent(link_server, PauseBot) == [PauseBot("b1")])
    window.show_bot("b2")
    key(window, Qt.Key.Key_Space)
    await until(lambda: sent(link_server, StartBot) == [StartBot("b2", confirm_live=False)])


async def test_space_asks_before_real_money(
    window: MainWindow, link_server: Any, make_snapshot: Any, until: Until
) -> None:
    snapshot = make_snapshot(2)
    accounts = [replace(snapshot.accounts[0], mode=AccountMode.LIVE)]
    link_server.publish(replace(snapshot, accounts=accounts))
    await until(lambda: window.app_bar.badge.text() == "LIVE")
    window.show_bot("b2")
    window.centralWidget().setFocus()  # type: ignore[union-attr]
    key(window, Qt.Key.Key_Space)
    sheets: list[Sheet] = []

    def is_asked() -> bool:
        sheets[:] = [s for s in window.findChildren(Sheet) if s.isVisible()]
        return bool(sheets)

    await until(is_asked)
    QTest.keyClick(sheets[0], Qt.Key.Key_Escape)
    await until(lambda: not is_asked())
    assert not sent(link_server, StartBot)


async def test_space_in_a_field_or_on_a_button_stays_there(
    window: MainWindow, link_server: Any, until: Until
) -> None:
    window.watchlist._toggle_search()
    window.watchlist._search.setFocus()
    key(window, Qt.Key.Key_Space)
    window.app_bar._pages["Capital"].setFocus()
    key(window, Qt.Key.Key_Space)
    await until(lambda: window._current == "Capital")
    assert not sent(link_server, PauseBot)


async def test_keys_move_columns_tabs_and_the_window(window: MainWindow, until: Until) -> None:
    control = Qt.KeyboardModifier.ControlModifier
    window.centralWidget().setFocus()  # type: ignore[union-attr]
    key(window, Qt.Key.Key_Tab, control)
    assert window._current == "b2"
    assert window.bots.isVisible()
    key(window, Qt.Key.Key_B, control)
    assert not window.bots.isVisible()
    key(window, Qt.Key.Key_B, control)
    assert window.bots.isVisible()
    tab = window._tabs["b2"]
    assert tab.is_right_shown
    key(window, Qt.Key.Key_F9)
    assert not tab.is_right_shown
    key(window, Qt.Key.Key_F11)
    assert window.isFullScreen()
    key(window, Qt.Key.Key_F11)
    assert not window.isFullScreen()
