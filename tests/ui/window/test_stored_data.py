"""Stored candles and their download on a live link: what is chosen, asked, shown and repaired."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QPushButton

from core.commands import (
    CancelDownload,
    Command,
    CommandResult,
    ListSeries,
    PauseDownload,
    RepairGaps,
    ResumeDownload,
    StartDownload,
)
from core.snapshots import DownloadSnapshot, DownloadState, SeriesSnapshot, SymbolDownload
from ui.dialogs.download import DownloadDialog
from ui.dialogs.stored_data import StoredDataDialog
from ui.main_window import MainWindow
from ui.models import stored_data
from ui.widgets.services import DataManager

# the offscreen platform says so of every window with a minimum size
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")
Until = Callable[[Callable[[], Any]], Awaitable[None]]
QUARTER_MS = 900_000
DAY_MS = 86_400_000


def press(button: QPushButton) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def sent(server: Any, kind: type) -> list[Any]:
    return [command for command in server.commands if isinstance(command, kind)]


def series(symbol: str, gaps: int = 0, timeframe: str = "15m") -> SeriesSnapshot:
    return SeriesSnapshot(
        "bybit", symbol, timeframe, 35_040, 1_700_000_100_000, 1_763_648_100_000, gaps, 175_000
    )


def download(state: DownloadState, *rows: SymbolDownload, text: str = "") -> DownloadSnapshot:
    return DownloadSnapshot(state, text, "bybit", "15m", 1_732_000_000_000, list(rows))


@pytest.fixture
def stored(link_server: Any) -> list[SeriesSnapshot]:
    """What the engine has; the test may change it."""
    rows = [series("BTCUSDT"), series("ETHUSDT", gaps=3)]
    answer = link_server._answer

    def with_series(request_id: int, command: Command) -> CommandResult | None:
        if isinstance(command, ListSeries):
            link_server.commands.append(command)
            return CommandResult(request_id, True, series=rows)
        result: CommandResult | None = answer(request_id, command)
        return result

    link_server._answer = with_series
    return rows


@pytest.fixture
async def window(make_window: Callable[..., MainWindow], until: Until) -> MainWindow:
    made = make_window()
    await until(lambda: "b1" in made._tabs)
    return made


def publish(server: Any, progress: DownloadSnapshot | None) -> None:
    server.publish(
        msgspec.structs.replace(server.snapshot, seq=server.snapshot.seq + 1, download=progress)
    )


async def test_chosen_symbols_bars_and_range_go_to_the_engine(
    window: MainWindow, link_server: Any, until: Until, stored: list[SeriesSnapshot]
) -> None:
    dialog = DownloadDialog(window, window.bridge)
    dialog.open()
    assert not dialog.start.isEnabled()
    dialog.choosing.search.setText("eth")
    press(dialog.choosing.all)
    dialog.choosing.search.setText("sol")
    table = dialog.choosing.table
    place = table.visualRect(dialog.choosing.model.index(0, 0)).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert dialog.choosing.chosen == {"ETHUSDT", "SOLUSDT"}
    dialog.choosing.bars.setCurrentText("1h")
    dialog.choosing.range.setCurrentIndex(1)
    assert "at most 4,320 candles" in dialog.choosing.summary.text()
    press(dialog.start)
    await until(lambda: sent(link_server, StartDownload))
    await until(dialog.buttons[""].hasFocus)  # Return ends nothing that has just begun
    command = sent(link_server, StartDownload)[0]
    assert (command.symbols, command.timeframe) == (["ETHUSDT", "SOLUSDT"], "1h")
    assert command.start_ms == link_server.snapshot.market_time_ms - 90 * DAY_MS
    dialog.close()


async def test_what_is_stored_stands_beside_each_symbol(
    window: MainWindow, link_server: Any, until: Until, stored: list[SeriesSnapshot]
) -> None:
    dialog = DownloadDialog(window, window.bridge)
    dialog.open()
    model = dialog.choosing.model
    dialog.choosing.search.setText("BTC")
    there = model.index(0, 1)
    await until(lambda: model.data(there) == "35,040 since 2023-11-14")
    dialog.choosing.bars.setCurrentText("1m")
    assert model.data(there) == "—"
    dialog.close()


async def test_progress_is_shown_and_can_be_paused_resumed_and_cancelled(
    window: MainWindow, link_server: Any, until: Until, stored: list[SeriesSnapshot]
) -> None:
    rows = (SymbolDownload("BTCUSDT", "loading", 1_000, 500, 400), SymbolDownload("X", "waiting"))
    publish(link_server, download(DownloadState.RUNNING, *rows))
    await until(lambda: window.bridge.snapshot.download is not None)  # type: ignore[union-attr]
    dialog = DownloadDialog(window, window.bridge)
    dialog.open()
    assert dialog.progress.isVisible()
    assert dialog.progress.figures.text() == "400 candles · 25 %"
    assert dialog.progress.model.data(dialog.progress.model.index(0, 3)) == "Loading"
    assert not dialog.resume.isVisible()
    press(dialog.pause)
    await until(lambda: sent(link_server, PauseDownload))
    publish(link_server, download(DownloadState.PAUSED, *rows))
    await until(dialog.resume.isVisible)
    press(dialog.resume)
    await until(lambda: sent(link_server, ResumeDownload))
    press(dialog.cancel)
    await until(lambda: sent(link_server, CancelDownload))
    text = "Cancelled. What has come is kept."
    publish(link_server, download(DownloadState.CANCELLED, *rows, text=text))
    await until(dialog.again.isVisible)
    assert dialog.progress.outcome.text() == text
    assert not dialog.cancel.isVisible()
    press(dialog.again)
    assert dialog.choosing.isVisible()
    dialog.close()


async def test_a_gap_is_repaired_by_a_click_and_the_table_is_read_again(
    window: MainWindow, link_server: Any, until: Until, stored: list[SeriesSnapshot]
) -> None:
    said = "3 candles came; ETHUSDT 15m has no gaps any more."
    link_server.answers[RepairGaps] = lambda _command: (True, said)
    dialog = StoredDataDialog(window, window.bridge)
    dialog.open()
    await until(lambda: dialog.model.rowCount() == 2)
    assert dialog.told.text() == "2 series, 70,080 candles, 350 KB on disk"
    gaps = dialog.model.index(1, 5)
    assert dialog.model.data(gaps) == "3 · repair"
    stored[1] = series("ETHUSDT")
    place = dialog.table.visualRect(gaps).center()
    QTest.mouseClick(dialog.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    await until(lambda: dialog.model.data(dialog.model.index(1, 5)) == "none")
    assert sent(link_server, RepairGaps) == [RepairGaps("ETHUSDT", "15m", "bybit")]
    assert dialog.told.text() == said
    QTest.mouseClick(dialog.table.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(10, 200))
    assert len(sent(link_server, RepairGaps)) == 1
    dialog.close()


async def test_the_table_is_read_again_when_a_download_has_ended(
    window: MainWindow, link_server: Any, until: Until, stored: list[SeriesSnapshot]
) -> None:
    dialog = StoredDataDialog(window, window.bridge)
    dialog.open()
    await until(lambda: dialog.model.rowCount() == 2)
    publish(link_server, download(DownloadState.RUNNING, SymbolDownload("SOLUSDT", "loading")))
    await until(lambda: dialog._was_working)
    stored.append(series("SOLUSDT"))
    publish(link_server, download(DownloadState.DONE, SymbolDownload("SOLUSDT", "done", 9, 9, 9)))
    await until(lambda: dialog.model.rowCount() == 3)
    dialog.close()


async def test_the_data_manager_opens_the_table_and_the_table_the_download(
    window: MainWindow, link_server: Any, until: Until, stored: list[SeriesSnapshot]
) -> None:
    window.show_page("Capital")
    await until(lambda: window.findChildren(DataManager))
    manager = window.findChildren(DataManager)[0]
    button = next(b for b in manager.findChildren(QPushButton) if b.text() == "Stored candles")
    button.click()
    await until(lambda: window.findChildren(StoredDataDialog))
    dialog = window.findChildren(StoredDataDialog)[0]
    await until(dialog.isVisible)
    press(dialog.download)
    await until(lambda: dialog.findChildren(DownloadDialog))
    inner = dialog.findChildren(DownloadDialog)[0]
    await until(inner.isVisible)
    inner.finish_with("")
    dialog.finish_with("")
    await until(lambda: not dialog.isVisible())


def test_sizes_are_short() -> None:
    assert [stored_data.size(n) for n in (0, 452_852, 1_254_000)] == ["—", "453 KB", "1.25 MB"]
