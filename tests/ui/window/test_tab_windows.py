"""Tabs and panels in windows of their own, and what windows are named after."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication

from core.commands import KillSwitch, PauseBot
from core.snapshots import AccountMode
from ui.main_window import MainWindow
from ui.tab_window import TabWindow

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", r"(raise|lower)\(\)")
Until = Callable[[Callable[[], Any]], Awaitable[None]]


@pytest.fixture
async def window(make_window: Callable[[], MainWindow], until: Until) -> MainWindow:
    made = make_window()
    await until(lambda: "b1" in made._tabs)
    return made


def taken_out(window: MainWindow, bot_id: str) -> TabWindow:
    window.tab_stack.take_out(bot_id)
    QApplication.processEvents()
    return window.tab_stack.windows[bot_id]


async def test_a_tab_that_is_taken_out_comes_back_when_its_window_closes(
    window: MainWindow, until: Until
) -> None:
    """ux 5"""
    tab: Any = window._tabs["b1"]
    alone = taken_out(window, "b1")
    assert tab.window() is alone
    assert tab.isVisible()
    assert window.tab_stack.currentWidget() is window.tab_stack._elsewhere
    alone.close()
    QApplication.processEvents()
    assert tab.window() is window
    assert window.tab_stack.currentWidget() is tab
    assert tab.isVisible()
    assert window.tab_stack.windows == {}


async def test_a_tab_in_its_own_window_goes_on_and_leaves_the_others_alone(
    window: MainWindow, link_server: Any, make_snapshot: Any, until: Until
) -> None:
    """ux 12: what is seen is kept fresh, wherever it stands."""
    tab: Any = window._tabs["b1"]
    taken_out(window, "b1")
    window.show_bot("b2")
    assert window._tabs["b2"].isVisible()
    snapshot = make_snapshot(3)
    held = [msgspec.structs.replace(p, position=p.position) for p in snapshot.positions]
    link_server.publish(msgspec.structs.replace(snapshot, positions=held[1:]))
    await until(lambda: tab.position._stack.currentIndex() == 0)
    window.show_bot("b1")
    assert window.tab_stack.currentWidget() is window.tab_stack._elsewhere
    window.tab_stack.bring_back("b1")
    assert window.tab_stack.currentWidget() is tab


async def test_a_tab_of_its_own_has_the_kill_switch_top_right_and_pauses_by_space(
    window: MainWindow, link_server: Any, until: Until, trader: Any
) -> None:
    """ux 60"""
    alone = taken_out(window, "b1")
    kill = alone.kill
    assert kill.isVisible()
    at = kill.mapTo(alone, kill.rect().topRight())
    main = window.app_bar.kill
    assert alone.width() - at.x() == window.width() - main.mapTo(window, main.rect().topRight()).x()
    QTest.mouseClick(kill, Qt.MouseButton.LeftButton)
    await until(lambda: trader.sent(KillSwitch))
    QTest.keyClick(alone, Qt.Key.Key_Space)
    await until(lambda: trader.sent(PauseBot))


async def test_the_kill_keys_count_in_every_window(
    window: MainWindow, until: Until, trader: Any
) -> None:
    tab: Any = window._tabs["b1"]
    tab.docks.take_out("chart")
    QApplication.processEvents()
    outside = tab.chart.window()
    outside.activateWindow()
    await until(outside.isActiveWindow)
    keys = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    QTest.keyClick(outside, Qt.Key.Key_K, keys)
    QTest.keyClick(outside, Qt.Key.Key_K, keys)
    await until(lambda: trader.sent(KillSwitch))


async def test_a_chart_of_its_own_is_fed_while_another_bot_is_in_front(
    window: MainWindow, link_server: Any, make_snapshot: Any, until: Until
) -> None:
    """ux 5"""
    tab: Any = window._tabs["b1"]
    tab.docks.take_out("chart")
    window.show_bot("b2")
    QApplication.processEvents()
    assert tab.chart.isVisible()
    assert not tab.isVisible()
    assert tab.is_seen
    window.tab_stack.tick()
    outside = tab.chart.window()
    assert outside.windowTitle() == "Chart · BTCUSDT"
    outside.close()
    QApplication.processEvents()
    assert tab.docks.layout_now() == ""
    assert not tab.is_seen


async def test_a_bot_that_is_removed_takes_its_window_along(
    window: MainWindow, link_server: Any, make_snapshot: Any, until: Until
) -> None:
    taken_out(window, "b2")
    snapshot = make_snapshot(4)
    left = [bot for bot in snapshot.bots if bot.bot_id != "b2"]
    link_server.publish(msgspec.structs.replace(snapshot, bots=left))
    await until(lambda: "b2" not in window._tabs)
    assert window.tab_stack.windows == {}


async def test_the_title_names_account_mode_and_symbol(
    window: MainWindow, link_server: Any, make_snapshot: Any, until: Until
) -> None:
    """ux 10"""
    assert window.windowTitle() == "BTCUSDT · main · DEMO · TwinStar Quantum"
    alone = taken_out(window, "b2")
    assert alone.windowTitle() == "ETHUSDT · main · DEMO"
    snapshot = make_snapshot(5)
    [account, *rest] = snapshot.accounts
    live = msgspec.structs.replace(account, mode=AccountMode.LIVE)
    link_server.publish(msgspec.structs.replace(snapshot, accounts=[live, *rest]))
    await until(lambda: "LIVE" in window.windowTitle())
    assert alone.windowTitle() == "ETHUSDT · main · LIVE"
    assert alone._live_line.isVisible()
    window.show_page("Trail")
    assert window.windowTitle() == "Trail · TwinStar Quantum"


async def test_a_window_made_smaller_has_the_layout_of_a_small_one(window: MainWindow) -> None:
    """ux 1: the chart keeps the room; the blotter used to stay as high as it was."""
    tab: Any = window._tabs["b1"]
    window.resize(1920, 1080)
    QApplication.processEvents()
    assert (tab.blotter.height(), tab.ticket.width()) == (224, 324)
    window.resize(1280, 800)
    QApplication.processEvents()
    assert (tab.blotter.height(), tab.ticket.width()) == (124, 280)
    window.resize(1920, 1080)
    QApplication.processEvents()
    assert (tab.blotter.height(), tab.ticket.width()) == (224, 324)


async def test_the_right_column_stays_as_the_trader_has_put_it(window: MainWindow) -> None:
    """It used to come back with every change of the window's size."""
    tab: Any = window._tabs["b1"]
    window.toggle_right()
    window.resize(1500, 920)
    QApplication.processEvents()
    assert not tab.ticket.isVisible()
    window.toggle_right()
    assert tab.ticket.isVisible()
    for name in ("position", "order", "book", "risk"):
        tab.docks.close_panel(name)
    window.resize(1600, 940)
    QApplication.processEvents()
    assert not tab.is_right_shown
    window.toggle_right()
    QApplication.processEvents()
    assert tab.ticket.isVisible()


async def test_the_right_column_goes_where_there_is_no_room_and_comes_back(
    window: MainWindow,
) -> None:
    tab: Any = window._tabs["b1"]
    window.resize(1100, 800)
    QApplication.processEvents()
    assert not tab.ticket.isVisible()
    window.toggle_right()
    assert tab.ticket.isVisible()
    window.resize(1600, 940)
    QApplication.processEvents()
    assert tab.ticket.isVisible()
