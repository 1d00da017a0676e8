"""The log by level and words, and what a window says that follows a crash."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from PyQt6.QtCore import QObject, Qt, QUrl, pyqtSlot
from PyQt6.QtGui import QDesktopServices
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QPushButton

from core.commands import StartBot
from core.snapshots import Notice
from ui.bridge import Bridge
from ui.crash_mark import CrashMark
from ui.main_window import MainWindow
from ui.widgets.log_panel import LogPanel

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", r"support (raise|lower|setParent)")
Until = Callable[[Callable[[], Any]], Awaitable[None]]


def titles(panel: LogPanel) -> list[str]:
    return [panel.model.row_at(i).title for i in range(panel.model.rowCount())]


@pytest.fixture
def panel(still_bridge: Bridge, qtbot: Any) -> LogPanel:
    made = LogPanel(still_bridge)
    qtbot.addWidget(made)
    made.show()
    return made


def press(button: QPushButton) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_levels_and_words_narrow_the_log(panel: LogPanel) -> None:
    """ux 80"""
    whole = titles(panel)
    assert {"Filled", "Denied", "Candle closed"} <= set(whole)
    press(panel.level.buttons["warning"])
    warnings = titles(panel)
    assert "Denied" in warnings
    assert "Filled" not in warnings
    press(panel.level.buttons["all"])
    QTest.keyClicks(panel.field, "solusdt sell")
    found = [panel.model.row_at(i) for i in range(panel.model.rowCount())]
    assert found
    assert all("solusdt" in line.text.casefold() for line in found)
    panel.field.setText("nothing says this")
    assert not panel.table.isVisible()
    assert panel._empty.isVisible()
    panel.field.clear()
    assert titles(panel) == whole


class _Opened(QObject):
    def __init__(self) -> None:
        super().__init__()
        self.urls: list[QUrl] = []

    @pyqtSlot(QUrl)
    def take(self, url: QUrl) -> None:
        self.urls.append(url)


def test_the_folder_of_the_log_opens(panel: LogPanel, still_bridge: Bridge) -> None:
    """ux 80"""
    opened = _Opened()
    QDesktopServices.setUrlHandler("file", opened.take)
    try:
        [button] = [b for b in panel.findChildren(QPushButton) if b.text() == "Open log folder"]
        press(button)
    finally:
        QDesktopServices.unsetUrlHandler("file")
    assert [Path(url.toLocalFile()) for url in opened.urls] == [still_bridge.data_dir / "logs"]


async def test_the_window_of_the_log_follows_what_comes(
    make_window: Callable[[], MainWindow], until: Until, link_server: Any
) -> None:
    window = make_window()
    await until(lambda: "b1" in window._tabs)
    window.activateWindow()
    QApplication.processEvents()
    QTest.keyClick(window, Qt.Key.Key_J, Qt.KeyboardModifier.ControlModifier)
    assert window._log is not None
    panel = window._log.panel
    panel.choose_level("error")
    before = panel.model.rowCount()
    link_server.feed(Notice("danger", "Storage", "The disk is full.", toast=False))
    await until(lambda: panel.model.rowCount() == before + 1)
    assert panel.model.row_at(0).text == "The disk is full."


_KILLED = """
import os, signal, sys
from pathlib import Path
from ui.crash_mark import CrashMark
mark = CrashMark(Path(sys.argv[1]))
assert not mark.was_crash
if sys.argv[2] == "orderly":
    mark.remove()
os.kill(os.getpid(), signal.SIGKILL)
"""


def leave_a_mark(folder: Path, end: str) -> None:
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-c", _KILLED, str(folder), end]
    subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=False)


@pytest.mark.parametrize(("end", "is_crash"), [("killed", True), ("orderly", False)])
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_screen_leaves_its_mark(tmp_path: Path, end: str, is_crash: bool) -> None:
    """ux 80"""
    folder = tmp_path / "run"
    leave_a_mark(folder, end)
    mark = CrashMark(folder)
    assert mark.was_crash is is_crash
    beside = CrashMark(folder)
    assert not beside.was_crash  # a second window is no crash
    mark.remove()
    assert not CrashMark(folder).was_crash


async def test_after_a_crash_the_layout_may_be_kept_or_reset(
    make_window: Callable[[], MainWindow], until: Until, tmp_path: Path, trader: Any
) -> None:
    """ux 80: and nothing is started by itself."""
    leave_a_mark(tmp_path / "run", "killed")
    window = make_window()
    await until(lambda: "b1" in window._tabs)
    docks: Any = window._tabs["b1"].docks  # type: ignore[union-attr]
    docks.close_panel("book")
    assert window.crash_band.isVisible()
    press(window.crash_band.reset)
    assert docks.layout_now() == ""
    assert not window.crash_band.isVisible()
    assert not trader.sent(StartBot)
    window._leave(stop_engine=False)
    window.hide()
    again = make_window()
    await until(lambda: "b1" in again._tabs)
    assert not again.crash_band.isVisible()
