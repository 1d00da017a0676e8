"""The daily report's button and picture: files side by side, taken before the next day shows."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from PyQt6.QtCore import QEvent, QObject, Qt, QUrl, pyqtSlot
from PyQt6.QtGui import QDesktopServices, QImage
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from core.commands import CommandResult, WriteReport
from core.snapshots import EngineSnapshot
from ui import i18n, tasks, theme
from ui.bridge import Bridge
from ui.day_picture import SIZE, DayPictures, picture_of
from ui.tabs.capital_page import CapitalPage

DAY = "2025-11-20"


def on_next_day(snapshot: EngineSnapshot) -> EngineSnapshot:
    """The same account after midnight: another day's bar, and nothing earned on it."""
    capital = snapshot.capital
    assert capital is not None
    assert capital.statistics is not None
    assert capital.statistics.calendar[-1][0] == DAY
    start_ms = capital.daily_results[-1][0] + 86_400_000
    return msgspec.structs.replace(snapshot, capital=msgspec.structs.replace(
        capital, daily_pnl=capital.daily_pnl * 0, daily_realized_pnl=capital.daily_pnl * 0,
        daily_results=[*capital.daily_results[1:], (start_ms, 0.0)],
    ))  # fmt: skip


@pytest.fixture
async def page(bridge: Bridge, qtbot: QtBot, until):  # type: ignore[no-untyped-def]
    await until(lambda: bridge.capital.latest is not None)
    made = CapitalPage(bridge)
    qtbot.addWidget(made)
    made.resize(1280, 700)
    made.show()
    return made


async def test_the_report_of_today_is_a_page_a_table_and_a_picture(  # type: ignore[no-untyped-def]
    page, link_server, until, trader, tmp_path: Path
) -> None:
    folder = tmp_path / "reports"
    path = folder / f"main-{DAY}.md"
    link_server.results[WriteReport] = lambda _c: CommandResult(
        0, True, f"{path.name} is written.", path=str(path)
    )
    told: list[str] = []
    tasks.done.connect(told.append)
    buttons = page._figures.report
    assert not buttons.open.isVisible()
    QTest.mouseClick(buttons.write, Qt.MouseButton.LeftButton)
    QTest.mouseClick(buttons.write, Qt.MouseButton.LeftButton)  # busy: nothing more is sent
    await until(lambda: not buttons.write.is_busy)
    tasks.done.disconnect(told.append)
    assert trader.sent(WriteReport) == [WriteReport("main")]
    assert QImage(str(path.with_suffix(".png"))).size() == SIZE
    assert told == [f"main-{DAY}.md is written."]
    assert buttons.open.isVisible()
    opened = Opened()
    QDesktopServices.setUrlHandler("file", opened.take)
    QTest.mouseClick(buttons.open, Qt.MouseButton.LeftButton)
    QDesktopServices.unsetUrlHandler("file")
    assert [Path(url.toLocalFile()) for url in opened.urls] == [folder]


class Opened(QObject):
    """Stands where the desktop's file manager would."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[QUrl] = []

    @pyqtSlot(QUrl)
    def take(self, url: QUrl) -> None:
        self.urls.append(url)


async def test_a_report_that_was_refused_has_no_picture(  # type: ignore[no-untyped-def]
    page, link_server, until, tmp_path: Path
) -> None:
    why = "The report cannot be written: [Errno 28] No space left on device."
    link_server.answers[WriteReport] = lambda _c: (False, why)
    told: list[str] = []
    tasks.refused.connect(told.append)
    QTest.mouseClick(page._figures.report.write, Qt.MouseButton.LeftButton)
    await until(lambda: told)
    tasks.refused.disconnect(told.append)
    assert told == [why]
    assert not (tmp_path / "reports").exists()
    assert not page._figures.report.open.isVisible()


async def test_a_day_that_ends_leaves_the_picture_of_its_last_figures(  # type: ignore[no-untyped-def]
    bridge: Bridge, link_server, until, tmp_path: Path
) -> None:
    """Also where the page was never opened."""
    await until(lambda: bridge.capital.latest is not None)
    pictures = DayPictures(bridge)
    before = picture_of(bridge, DAY)
    link_server.publish(on_next_day(link_server.snapshot))
    path = tmp_path / "reports" / f"main-{DAY}.png"
    await until(path.exists)
    assert QImage(str(path)) == QImage.fromData(before)
    assert QImage.fromData(picture_of(bridge, DAY)) != QImage.fromData(before)
    link_server.publish(msgspec.structs.replace(link_server.snapshot, seq=9))
    assert len(list(path.parent.iterdir())) == 1
    assert pictures.parent() is bridge


async def test_a_folder_that_cannot_be_written_is_told(  # type: ignore[no-untyped-def]
    bridge: Bridge, link_server, until, tmp_path: Path
) -> None:
    await until(lambda: bridge.capital.latest is not None)
    DayPictures(bridge)
    (tmp_path / "reports").write_text("a file where the folder should be")
    told: list[str] = []
    tasks.refused.connect(told.append)
    link_server.publish(on_next_day(link_server.snapshot))
    await until(lambda: told)
    tasks.refused.disconnect(told.append)
    assert told[0].startswith("The picture could not be written: ")


async def test_a_page_that_was_made_for_a_picture_leaves_nothing_behind(  # type: ignore[no-untyped-def]
    bridge: Bridge, link_server, until, qapp: QApplication
) -> None:
    """Its parts are gone; what goes on afterwards must not meet them."""
    await until(lambda: bridge.capital.latest is not None)
    picture_of(bridge)
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    capital = link_server.snapshot.capital
    other = msgspec.structs.replace(capital, account="second")
    link_server.publish(msgspec.structs.replace(
        link_server.snapshot, seq=2, other_capital=[other],
        capital=msgspec.structs.replace(capital, equity=capital.equity + 1),
    ))  # fmt: skip
    await until(lambda: len(bridge.capital.accounts) == 2)
    theme.apply(qapp, "light", "korea")
    i18n.use("ko")
    bridge.repeat()
    i18n.use("en")
    theme.apply(qapp, "dark", "global")
    link_server.greet_again()
    await until(lambda: bridge.capital.account == "main")
