"""The real engine dies under the real window, and comes back."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from PyQt6.QtCore import QEvent
from PyQt6.QtWidgets import QApplication

from app.engine_process import EngineProcess
from app.options import Options
from core.snapshots import BotState
from ui import i18n, theme
from ui.bridge import Bridge
from ui.main_window import MainWindow
from ui.settings import ScreenSettings

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.qt_log_ignore("propagateSizeHints"),
    pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX"),
]
_PATIENCE_S = 30.0


async def _until(condition: Callable[[], Any]) -> float:
    """Seconds that it took; Qt's events are handled meanwhile."""
    started_s = time.monotonic()
    async with asyncio.timeout(_PATIENCE_S):
        while not condition():
            QApplication.processEvents()
            await asyncio.sleep(0.005)
    return time.monotonic() - started_s


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[EngineProcess]:
    """A demo engine with its bot running, ended in order."""
    (tmp_path / "logs").mkdir()
    made = EngineProcess(Options(tmp_path, demo=True, autostart=True, speed=60.0))
    made.start()
    yield made
    if made.pid is not None and made.is_running:
        os.kill(made.pid, signal.SIGTERM)
        await made.until_ended()


@pytest.fixture
async def window(
    engine: EngineProcess, tmp_path: Path, qapp: QApplication
) -> AsyncIterator[MainWindow]:
    theme.apply(qapp, "dark", "global")
    i18n.use("en")
    bridge = Bridge(tmp_path)

    async def start_engine() -> None:
        if not engine.is_running:
            engine.start()
        await bridge.link.until_attached()

    window = MainWindow(bridge, ScreenSettings(tmp_path), start_engine)
    window.show()
    bridge.link.start()
    yield window
    await bridge.link.close()
    window.hide()
    window.deleteLater()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)


async def test_a_killed_engine_is_told_within_a_second_and_restarted_by_one_click(
    window: MainWindow, engine: EngineProcess
) -> None:
    bridge = window.bridge
    await _until(lambda: window.last_chart() is not None)
    bot = bridge.bots["btcusdt-15m"]
    await _until(lambda: bot.latest.state is BotState.RUNNING)
    (tab,) = window._tabs.values()
    account = bridge.snapshot.accounts[0] if bridge.snapshot else None
    first_pid = bridge.link.engine_pid
    assert first_pid == engine.pid
    os.kill(first_pid, signal.SIGKILL)  # type: ignore[arg-type]

    assert await _until(window.engine_band.isVisible) < 1.0
    assert window._veil.isVisible()
    assert tab.chart._is_stale
    assert not tab.header.pause.isEnabled()
    assert tab.header.pause.toolTip() == "The engine is not connected"

    window.engine_band.restart.click()
    assert window.engine_band.restart.text() == "Starting…"
    await _until(lambda: window.last_chart() is not None)
    assert bridge.link.engine_pid != first_pid
    assert not window.engine_band.isVisible()
    assert not window._veil.isVisible()
    assert window._tabs == {bot.bot_id: tab}
    await _until(lambda: bot.latest.state is BotState.RUNNING)
    again = bridge.snapshot.accounts[0] if bridge.snapshot else None
    assert account is not None
    assert again is not None
    assert (again.name, again.wallet_balance) == (account.name, account.wallet_balance)
