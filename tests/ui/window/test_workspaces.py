"""Workspaces: kept between starts, switched, named; and files that lie."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QMenu

from ui import tasks
from ui.dialogs.workspace_name import GO, WorkspaceName
from ui.main_window import MainWindow
from ui.workspaces import FIRST, TabLayout, Workspace, WorkspaceFiles

pytestmark = pytest.mark.qt_log_ignore(
    "propagateSizeHints", r"support (raise|lower|setParent|grabbing)"
)
Until = Callable[[Callable[[], Any]], Awaitable[None]]


@pytest.fixture
async def window(make_window: Callable[[], MainWindow], until: Until) -> MainWindow:
    made = make_window()
    await until(lambda: "b1" in made._tabs)
    made.activateWindow()
    QApplication.processEvents()
    return made


@pytest.fixture
def refusals() -> list[str]:
    told: list[str] = []
    tasks.refused.connect(told.append)
    return told


def docks(window: MainWindow, bot_id: str = "b1") -> Any:
    return window._tabs[bot_id].docks  # type: ignore[union-attr]


async def test_the_layout_comes_back_after_a_restart(
    window: MainWindow, make_window: Callable[[], MainWindow], until: Until
) -> None:
    """ux 2"""
    docks(window).close_panel("book")
    docks(window).take_out("chart")
    window.left.docks.take_out("watchlist")
    window.tab_stack.take_out("b2")
    QApplication.processEvents()
    window._leave(stop_engine=False)
    window.hide()
    again = make_window()
    await until(lambda: "b1" in again._tabs and "b2" in again.tab_stack.windows)
    QApplication.processEvents()
    assert not docks(again).is_open("book")
    assert docks(again).is_floating("chart")
    assert again._tabs["b1"].chart.isVisible()  # type: ignore[union-attr]
    assert again.left.docks.is_floating("watchlist")
    assert again.watchlist.isVisible()
    again.workspaces.restore_default()
    QApplication.processEvents()
    assert docks(again).layout_now() == again.left.docks.layout_now() == ""
    assert again.watchlist.window() is again


async def test_workspaces_are_switched_there_and_back(window: MainWindow) -> None:
    """ux 3: panels, timeframe, indicators and scale; the same as before."""
    tab: Any = window._tabs["b1"]
    docks(window).close_panel("book")
    QApplication.processEvents()
    first = window.workspaces.capture()
    assert window.workspaces.create("Scalping") == ""
    assert docks(window).layout_now() == ""
    tab.chart.timeframe_wanted.emit("1m")
    QTest.keyClick(tab.chart.canvas, Qt.Key.Key_L, Qt.KeyboardModifier.AltModifier)
    docks(window).take_out("blotter")
    second = window.workspaces.capture()
    assert second.tabs["b1"].timeframe == "1m"
    window.workspaces.switch(FIRST)
    QApplication.processEvents()
    assert tab.timeframe == "15m"
    assert window.workspaces.capture() == first
    QTest.keyClick(window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    QApplication.processEvents()
    assert window.workspaces.name == "Scalping"
    assert tab.timeframe == "1m"
    now = window.workspaces.capture().tabs["b1"]
    assert now.chart == second.tabs["b1"].chart
    assert docks(window).is_floating("blotter")


async def test_workspaces_are_duplicated_renamed_and_deleted(window: MainWindow) -> None:
    """ux 3"""
    desk = window.workspaces
    docks(window).close_panel("risk")
    assert desk.duplicate("Night") == ""
    assert not docks(window).is_open("risk")
    assert desk.rename("Night shift") == ""
    assert desk.files.names() == [FIRST, "Night shift"]
    assert desk.create("night SHIFT") == "There is a workspace of that name"
    assert desk.create("  ") == "A workspace needs a name"
    desk.delete()
    assert desk.name == FIRST
    assert desk.files.names() == [FIRST]
    desk.delete()
    assert desk.files.names() == [FIRST]
    assert not docks(window).is_open("risk")


async def test_the_keys_save_and_lock(window: MainWindow, tmp_path: Path) -> None:
    """ux 4"""
    told: list[str] = []
    tasks.done.connect(told.append)
    QTest.keyClick(window, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    assert told == ["Workspace Main is saved."]
    assert (tmp_path / "workspaces" / "Main.json").exists()
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    QTest.keyClick(window, Qt.Key.Key_L, both)
    assert not docks(window).is_locked
    assert not window.left.docks.is_locked
    QTest.keyClick(window, Qt.Key.Key_L, both)
    assert docks(window).is_locked


@pytest.mark.parametrize(
    "content", [b"\xff\xfe rubbish", b"[]", b'{"tabs": {"b1": {"panels": 3}}}']
)
async def test_a_broken_file_is_kept_as_backup_and_the_window_stands(
    make_window: Callable[[], MainWindow],
    until: Until,
    tmp_path: Path,
    refusals: list[str],
    content: bytes,
) -> None:
    """ux 7"""
    folder = tmp_path / "workspaces"
    folder.mkdir()
    (folder / "Main.json").write_bytes(content)
    window = make_window()
    await until(lambda: "b1" in window._tabs)
    assert (folder / "Main.json.bak").read_bytes() == content
    assert refusals == ["The layout could not be read; it is kept as Main.json.bak"]
    assert docks(window).layout_now() == ""
    assert window.workspaces.save()
    assert WorkspaceFiles(folder).load(FIRST)[1] == ""


async def test_a_layout_of_another_version_is_kept_as_backup_too(
    make_window: Callable[[], MainWindow], until: Until, tmp_path: Path, refusals: list[str]
) -> None:
    """ux 7: the JSON is sound, its panels are not ours."""
    files = WorkspaceFiles(tmp_path / "workspaces")
    files.save(FIRST, Workspace(tabs={"b1": TabLayout("<QtAdvancedDockingSystem/>", "15m")}))
    window = make_window()
    await until(lambda: "b1" in window._tabs)
    assert len(refusals) == 1
    assert (tmp_path / "workspaces" / "Main.json.bak").exists()
    assert docks(window).layout_now() == ""


def entries(menu: QMenu) -> list[str]:
    return [action.text().partition("\t")[0] for action in menu.actions() if action.text()]


async def test_the_menu_shows_closes_and_takes_out(window: MainWindow) -> None:
    """ux 1, 5: every panel is there, by name."""
    menu = window.workspaces.make_menu()
    assert entries(menu) == [
        "Main", "Save the workspace", "New workspace…", "Duplicate…", "Lock panels", "Chart",
        "Positions and orders", "Position", "Order", "Order book", "Risk limits", "Bots",
        "Watchlist", "Tab to its own window", "Restore default layout",
    ]  # fmt: skip
    book = next(a for a in menu.actions() if a.text() == "Order book").menu()
    assert book is not None
    shown, out = book.actions()
    shown.trigger()
    assert not docks(window).is_open("book")
    docks(window).put_back("book")
    out.trigger()
    assert docks(window).is_floating("book")
    again = window.workspaces.make_menu()
    book = next(a for a in again.actions() if a.text() == "Order book").menu()
    assert book is not None
    assert entries(book) == ["Show", "Bring back"]
    window.show_page("Trail")
    assert "Lock panels" not in entries(window.workspaces.make_menu())


async def test_a_name_that_is_taken_is_told_in_the_sheet(window: MainWindow, trader: Any) -> None:
    sheet = WorkspaceName(window, "New workspace", window.workspaces.create)
    tasks.spawn(sheet.ask())
    await trader.asked()
    sheet.field.setText("main")
    QTest.mouseClick(sheet.buttons[GO], Qt.MouseButton.LeftButton)
    assert sheet.isVisible()
    assert sheet.problem.text() == "There is a workspace of that name"
    sheet.field.setText("Asia")
    await trader.answer(GO)
    assert window.workspaces.name == "Asia"


async def test_what_was_moved_is_on_disk_soon_and_not_only_at_the_end(
    window: MainWindow, tmp_path: Path
) -> None:
    """ux 80: after a crash the layout is as it was left."""
    docks(window).close_panel("book")
    assert window.workspaces._timer.isActive()
    window.workspaces._timer.timeout.emit()
    kept, _ = WorkspaceFiles(tmp_path / "workspaces").load(FIRST)
    assert 'Name="book" Closed="1"' in kept.tabs["b1"].panels
    window.tab_stack.take_out("b2")
    assert window.workspaces._timer.isActive()
    window.workspaces._timer.timeout.emit()
    kept, _ = WorkspaceFiles(tmp_path / "workspaces").load(FIRST)
    assert kept.tabs["b2"].window


async def test_a_tab_of_the_bar_is_taken_out_by_its_menu(window: MainWindow) -> None:
    """ux 5"""
    plate = window.app_bar._bots["b2"]
    plate.customContextMenuRequested.emit(plate.rect().center())
    [menu] = [m for m in window.findChildren(QMenu) if m.isVisible()]
    [action] = menu.actions()
    assert action.text() == "Tab to its own window"
    action.trigger()
    assert "b2" in window.tab_stack.windows
    menu.close()
    again = QMenu()
    window.workspaces._add_window(again, "b2")
    again.actions()[0].trigger()
    assert window.tab_stack.windows == {}
