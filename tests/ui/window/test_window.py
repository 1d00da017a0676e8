"""The whole window on a live link: what a trader clicks, and what may then happen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from PyQt6 import sip
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QFont
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QLabel, QLineEdit, QPushButton, QWidget

from core.commands import (
    AddBot,
    CancelOrder,
    ClosePosition,
    Command,
    KillSwitch,
    PauseBot,
    ResumeTrading,
    StartBot,
    StopBot,
)
from core.snapshots import AccountMode, BotState, Notice, TradingState
from ui import i18n, theme
from ui.bridge import Bridge
from ui.dialogs.add_bot import AddBotDialog
from ui.dialogs.sheet import Sheet
from ui.main_window import MainWindow
from ui.tabs import PAGES

# the offscreen platform says so of every window with a minimum size
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")
Until = Callable[[Callable[[], Any]], Awaitable[None]]
replace = msgspec.structs.replace


def sent(server: Any, kind: type) -> list[Any]:
    return [command for command in server.commands if isinstance(command, kind)]


def open_sheet() -> Sheet | None:
    sheets = [w for w in QApplication.topLevelWidgets() if isinstance(w, Sheet) and w.isVisible()]
    return sheets[0] if sheets else None


def press(button: QPushButton) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


async def answer(until: Until, name: str) -> None:
    """Wait for the question and press its button `name` ("" is Cancel)."""
    await until(lambda: open_sheet() is not None)
    sheet = open_sheet()
    assert sheet is not None
    press(sheet.buttons[name])
    await until(lambda: open_sheet() is None)


@pytest.fixture
async def window(make_window: Callable[[], MainWindow], until: Until) -> MainWindow:
    made = make_window()
    await until(lambda: "b1" in made._tabs)
    return made


async def test_the_first_bot_is_in_front_with_its_chart(
    window: MainWindow, link_server: Any, until: Until
) -> None:
    await until(lambda: window._tabs["b1"].chart._series.size > 900)  # type: ignore[attr-defined]
    assert window.app_bar._bots["b1"].isChecked()


async def test_kill_switch_and_badge_stay_in_place_on_every_tab(
    window: MainWindow, until: Until
) -> None:
    """ux 60"""
    places = []
    tabs = [(window.show_bot, bot_id) for bot_id in window.bridge.bots]
    for show, name in (*tabs, *((window.show_page, page.title) for page in PAGES)):
        show(name)
        QApplication.processEvents()
        kill = window.app_bar.kill
        assert kill.isVisible()
        places.append((kill.mapTo(window, kill.rect().topLeft()), kill.size()))
    assert len(set(map(str, places))) == 1
    assert window.app_bar.badge.text() == "DEMO"
    assert window.app_bar.badge.isVisible()


async def test_one_click_kills_and_the_band_stands_until_resumed(
    window: MainWindow, link_server: Any, make_snapshot: Any, until: Until
) -> None:
    """ux 61, 62: nothing is typed or asked; each exchange's acknowledgement is shown."""
    press(window.app_bar.kill)
    press(window.app_bar.kill)  # busy: sends nothing
    await until(lambda: sent(link_server, KillSwitch))
    assert len(sent(link_server, KillSwitch)) == 1
    snapshot = make_snapshot(2)
    risk = replace(
        snapshot.risk, kill_switch_since_ms=1_763_649_127_000, kill_switch_answers=["Bybit: 3 of 3"]
    )
    link_server.publish(replace(snapshot, risk=risk))
    await until(window.kill_band.isVisible)
    assert window.kill_band._title.text() == "Trading stopped 14:32:07"
    assert window.kill_band._answers.whole_text == "Bybit: 3 of 3"
    press(window.kill_band.resume)
    await answer(until, "go")
    await until(lambda: sent(link_server, ResumeTrading))


async def test_what_was_killed_before_this_start_stands_until_it_is_resumed(
    make_window: Callable[[], MainWindow], link_server: Any, make_snapshot: Any, until: Until
) -> None:
    """ux 62"""
    snapshot = make_snapshot(2)
    risk = replace(
        snapshot.risk,
        state=TradingState.HALTED,
        reason="Stopped by the kill switch.",
        kill_switch_since_ms=1_763_649_127_000,
    )
    link_server.publish(replace(snapshot, risk=risk))
    window = make_window()
    await until(window.kill_band.isVisible)
    assert window.kill_band._answers.whole_text == "Stopped by the kill switch."
    assert window.kill_band.resume.isVisible()
    link_server.publish(snapshot)
    await until(lambda: not window.kill_band.isVisible())


async def test_the_kill_shortcut_needs_two_presses(
    window: MainWindow, link_server: Any, until: Until
) -> None:
    window.app_bar.kill.press_by_key()
    assert window.app_bar.kill.text() == "Press again"
    assert not sent(link_server, KillSwitch)
    window.app_bar.kill.press_by_key()
    await until(lambda: sent(link_server, KillSwitch))


async def test_pause_shows_busy_and_sends_once(
    window: MainWindow, link_server: Any, until: Until
) -> None:
    header = window._tabs["b1"].header  # type: ignore[attr-defined]
    width = header.pause.width()
    press(header.pause)
    assert header.pause.text() == "Sending…"
    assert header.pause.width() == width
    press(header.pause)
    await until(lambda: header.pause.text() == "Pause")
    assert sent(link_server, PauseBot) == [PauseBot("b1")]


@pytest.mark.parametrize(("button", "close"), [("keep", False), ("close", True)])
async def test_stop_asks_whether_to_keep_the_position(
    window: MainWindow, link_server: Any, until: Until, button: str, close: bool
) -> None:
    press(window._tabs["b1"].header.stop)  # type: ignore[attr-defined]
    await answer(until, button)
    await until(lambda: sent(link_server, StopBot))
    assert sent(link_server, StopBot) == [StopBot("b1", close)]


async def test_stop_cancelled_sends_nothing(
    window: MainWindow, link_server: Any, until: Until
) -> None:
    header = window._tabs["b1"].header  # type: ignore[attr-defined]
    press(header.stop)
    await answer(until, "")
    await until(lambda: header.stop.text() == "Stop…")
    assert not sent(link_server, StopBot)


async def test_demo_starts_without_asking(
    window: MainWindow, link_server: Any, until: Until
) -> None:
    window.show_bot("b2")
    press(window._tabs["b2"].header.start)  # type: ignore[attr-defined]
    await until(lambda: sent(link_server, StartBot))
    assert sent(link_server, StartBot) == [StartBot("b2", confirm_live=False)]


async def test_live_asks_and_return_means_no(
    window: MainWindow, link_server: Any, make_snapshot: Any, until: Until
) -> None:
    snapshot = make_snapshot(2)
    accounts = [replace(snapshot.accounts[0], mode=AccountMode.LIVE)]
    link_server.publish(replace(snapshot, accounts=accounts))
    await until(lambda: window.app_bar.badge.text() == "LIVE")
    assert window.live_line.isVisible()
    window.show_bot("b2")
    start = window._tabs["b2"].header.start  # type: ignore[attr-defined]
    press(start)
    await until(lambda: open_sheet() is not None)
    sheet = open_sheet()
    assert sheet is not None
    QTest.keyClick(sheet, Qt.Key.Key_Return)
    await until(lambda: start.text() == "Start")
    assert not sent(link_server, StartBot)
    press(start)
    await answer(until, "go")
    await until(lambda: sent(link_server, StartBot))
    assert sent(link_server, StartBot) == [StartBot("b2", confirm_live=True)]


async def test_a_refusal_becomes_a_toast(
    window: MainWindow, link_server: Any, until: Until
) -> None:
    def refuse(_command: Command) -> tuple[bool, str]:
        return False, "Trading is halted."

    link_server.answers[PauseBot] = refuse
    press(window._tabs["b1"].header.pause)  # type: ignore[attr-defined]
    await until(lambda: window.toaster._toasts)
    window.toaster.clear()
    assert not window.toaster.isVisible()


async def test_at_most_three_toasts_newest_on_top(
    window: MainWindow, link_server: Any, until: Until
) -> None:
    for i in range(5):
        link_server.feed(Notice("danger", "Rejected", f"number {i}", toast=True))
    await until(lambda: len(window.bridge.items) >= 11)
    assert len(window.toaster._toasts) == 3


async def test_a_lost_engine_is_said_at_once_and_switches_buttons_off(
    window: MainWindow, link_server: Any, until: Until
) -> None:
    header = window._tabs["b1"].header  # type: ignore[attr-defined]
    await link_server.stop()
    await until(window.engine_band.isVisible)
    assert window.engine_band.restart.isVisible()
    i18n.use("ko")
    assert window.engine_band._title.text() == "엔진 연결 끊김"
    assert window.engine_band._text.whole_text.endswith("거래소에 남아 있습니다.")
    i18n.use("en")
    assert window._veil.isVisible()
    assert not header.stop.isEnabled()
    assert header.stop.toolTip() == "The engine is not connected"
    await link_server.start()
    await until(lambda: not window.engine_band.isVisible())
    assert header.stop.isEnabled()
    assert not window._veil.isVisible()


async def test_a_stale_price_greys_the_head_and_gives_the_reason(
    window: MainWindow, link_server: Any, make_snapshot: Any, until: Until
) -> None:
    snapshot = make_snapshot(2)
    tickers = [
        replace(row, age_ms=18_000) if row.ticker.symbol == "BTCUSDT" else row
        for row in snapshot.tickers
    ]
    link_server.publish(replace(snapshot, tickers=tickers))
    tab: Any = window._tabs["b1"]
    await until(lambda: tab.header._price.property("tone") == "stale")
    assert not tab.position.close_button.isEnabled()
    assert tab.position.close_button.toolTip() == "Waiting for a fresh price"
    assert tab.header.stop.isEnabled()  # stopping needs no price


async def test_a_bot_is_added_by_search(window: MainWindow, link_server: Any, until: Until) -> None:
    window.add_bot("ETH")
    await answer(until, "add")
    await until(lambda: sent(link_server, AddBot))
    expected = AddBot("UnifiedBot", "main", "ETHUSDT", "15m", "macd_rsi_trend")
    assert sent(link_server, AddBot) == [expected]


async def test_a_removed_bot_takes_its_tab_along(
    window: MainWindow, link_server: Any, make_snapshot: Any, until: Until
) -> None:
    snapshot = make_snapshot(2)
    link_server.publish(replace(snapshot, bots=snapshot.bots[1:]))
    await until(lambda: "b1" not in window._tabs and "b2" in window._tabs)
    i18n.use("ko")  # a deleted tab must not hear of it
    assert window.app_bar._bots["b2"].isChecked()


async def test_closing_a_position_and_cancelling_an_order_from_the_blotter(
    window: MainWindow, link_server: Any, until: Until
) -> None:
    tab: Any = window._tabs["b1"]
    held = window.bridge.position("main", "BTCUSDT")
    tab.blotter._positions.table.action.emit(held, "close")
    await answer(until, "go")
    await until(lambda: sent(link_server, ClosePosition))
    order = window.bridge.working_orders("ETHUSDT")[0]
    tab.blotter._working.table.action.emit(order, "cancel")
    tab.blotter._working.table.action.emit(order, "cancel")
    await until(lambda: sent(link_server, CancelOrder))
    assert len(sent(link_server, CancelOrder)) == 1


async def test_closing_with_running_bots_asks(
    window: MainWindow, until: Until, trader: Any
) -> None:
    """ux 9: Return and Escape keep the window."""
    decided: list[bool] = []
    window.closing.connect(decided.append)
    for key in (Qt.Key.Key_Return, Qt.Key.Key_Escape):
        window.close()
        await trader.press(key)
        assert window.isVisible()
        assert decided == []
    window.close()
    await answer(until, "keep")
    await until(lambda: decided)
    assert decided == [False]
    assert not window.isVisible()


async def test_closing_with_open_positions_asks_though_no_bot_runs(
    window: MainWindow, link_server: Any, make_snapshot: Any, until: Until, trader: Any
) -> None:
    """ux 9: they would stand at the exchange with nobody to watch them."""
    snapshot = make_snapshot(2)
    idle = [replace(bot, state=BotState.STOPPED) for bot in snapshot.bots]
    link_server.publish(replace(snapshot, bots=idle))
    await until(lambda: window.bridge.bots["b1"].latest.state is BotState.STOPPED)
    decided: list[bool] = []
    window.closing.connect(decided.append)
    window.close()
    sheet = await trader.asked()
    assert sheet.windowTitle() == "2 positions are open"
    told = [part.text() for part in sheet.findChildren(QLabel)]
    assert "BTCUSDT: Long 0.067, result +80.76 USDT" in told
    assert "Without a stop at the exchange: SOLUSDT." in told
    await trader.press(Qt.Key.Key_Return)
    assert window.isVisible()
    assert decided == []
    window.close()
    await trader.answer("close")
    await until(lambda: decided)
    assert decided == [True]


async def test_closing_with_idle_bots_ends_the_engine_without_a_question(
    window: MainWindow, link_server: Any, make_snapshot: Any, until: Until
) -> None:
    snapshot = make_snapshot(2)
    idle = [replace(bot, state=BotState.STOPPED) for bot in snapshot.bots]
    link_server.publish(replace(snapshot, bots=idle, positions=[]))
    await until(lambda: window.bridge.bots["b1"].latest.state is BotState.STOPPED)
    decided: list[bool] = []
    window.closing.connect(decided.append)
    window.close()
    assert decided == [True]


async def test_an_engine_of_its_own_is_left_running_without_a_question(
    window: MainWindow,
) -> None:
    window.settings.engine_pid = None  # no screen has started it
    decided: list[bool] = []
    window.closing.connect(decided.append)
    window.close()
    assert decided == [False]


async def test_the_head_shows_what_has_room(window: MainWindow, until: Until) -> None:
    header = window._tabs["b1"].header
    for width in (1920, 1600, 1500, 1400, 1280, 1180, 1000):
        window.resize(width, 940)
        QApplication.processEvents()
        shown = [stat for stat in header._stats.values() if stat.isVisible()]
        parts = [header._name, header._prices, *shown, header._states, header.pause, header.stop]
        edges = [(part.x(), part.x() + part.width()) for part in parts]
        assert all(left[1] <= right[0] for left, right in pairwise(edges)), width
        assert header._since.text() == header._since.whole_text, width
    window.resize(1920, 1080)
    QApplication.processEvents()
    assert all(stat.isVisible() for stat in header._stats.values())


@pytest.mark.parametrize("width", [1920, 1600, 1500, 1280, 1000])
async def test_every_position_can_be_closed_at_every_width(window: MainWindow, width: int) -> None:
    window.resize(width, 940)
    QApplication.processEvents()
    table = window._tabs["b1"].blotter._positions.table
    last = len(table._columns.columns) - 1
    view = table.viewport()
    assert not table.isColumnHidden(last)
    assert table.columnViewportPosition(last) + table.columnWidth(last) <= view.width()


async def test_the_left_column_becomes_a_drawer(window: MainWindow) -> None:
    assert window.bots.isVisible()
    window.resize(1280, 800)
    QApplication.processEvents()
    assert not window.bots.isVisible()
    window.toggle_left()
    assert window.bots.isVisible()
    assert window.app_bar.kill.size().height() == 28


async def test_window_and_language_come_back(
    window: MainWindow, make_window: Callable[[], MainWindow], until: Until
) -> None:
    window.resize(1400, 820)
    window.settings.language = "ko"
    window._leave(stop_engine=False)
    again = make_window()
    await until(lambda: "b1" in again._tabs)
    again.restoreGeometry(window.settings.window_geometry)  # type: ignore[arg-type]
    assert again.settings.language == "ko"
    assert again.settings.window_geometry is not None


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("size", [(1920, 1080), (1280, 800)])
async def test_no_label_is_clipped(
    window: MainWindow, until: Until, language: str, size: tuple[int, int]
) -> None:
    from ui.widgets.basic import ElidedLabel

    i18n.use(language)
    window.resize(*size)
    for show in (lambda: window.show_bot("b1"), lambda: window.show_page("Capital")):
        show()
        for _ in range(2):  # a layout may ask for one more
            QApplication.processEvents()
        clipped = [
            label.text()
            for label in window.findChildren(QLabel)
            if label.isVisible()
            and not isinstance(label, ElidedLabel)
            and not label.wordWrap()
            and label.text()
            and label.fontMetrics().horizontalAdvance(label.text()) > label.width() + 1
        ]
        assert clipped == []


async def test_the_status_bar_has_every_figure(window: MainWindow) -> None:
    bar = window.status
    assert bar._bots.value.text() == "1 of 3 running"
    assert bar._equity.value.text() == "25,162.26 USDT"
    assert bar._positions.value.text() == "2"
    assert bar._connections["bybit"].value.text() == "12 ms"
    assert bar._rate.value.text() == "83 %"


async def test_every_theme_and_scheme_paints(window: MainWindow) -> None:
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    for name in ("dark", "light"):
        for scheme in ("global", "korea", "china", "colour_blind"):
            theme.apply(app, name, scheme)
            assert not window.grab().isNull()
    assert isinstance(theme.font(12), QFont)


async def test_a_dialog_that_its_window_took_along_ends_in_silence(bridge: Bridge) -> None:
    """Its question used to end in a fault when the window was closed under it."""
    parent = QWidget()
    dialog = AddBotDialog(parent, bridge, "")
    asked = asyncio.ensure_future(dialog.ask_and_add())
    await asyncio.sleep(0)
    sip.delete(parent)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked


async def test_flattening_after_the_kill_switch_needs_a_typed_phrase(
    window: MainWindow, link_server: Any, until: Until, trader: Any
) -> None:
    """ux 61"""
    snapshot = link_server.snapshot
    risk = replace(snapshot.risk, kill_switch_since_ms=1_763_649_127_000)
    link_server.publish(replace(snapshot, risk=risk))
    await until(window.kill_band.flatten.isVisible)
    press(window.kill_band.flatten)
    sheet = await trader.asked()
    assert not sheet.buttons["go"].isEnabled()
    [field] = sheet.findChildren(QLineEdit)
    QTest.keyClicks(field, "close all")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert await trader.sent_nothing(ClosePosition)
    field.setText("CLOSE ALL")
    press(sheet.buttons["go"])
    await until(lambda: len(sent(link_server, ClosePosition)) == 2)
    link_server.publish(replace(snapshot, risk=risk, positions=[]))
    await until(lambda: not window.kill_band.flatten.isVisible())
