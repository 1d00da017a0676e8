"""The settings: each takes effect at once, is kept, and hides what it says it hides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PyQt6.QtCore import QModelIndex, Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QCheckBox, QComboBox, QLabel, QTableView

from core.commands import ClosePosition
from core.snapshots import AccountMode
from ui import formatting, i18n, preferences, setting_rows, theme
from ui.dialogs.settings import SettingsDialog
from ui.main_window import MainWindow
from ui.models.table import TableModel
from ui.preferences import Preferences
from ui.setting_rows import ROWS
from ui.settings import ScreenSettings
from ui.tabs import PAGES

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", r"support (raise|lower|setParent)")
Until = Callable[[Callable[[], Any]], Awaitable[None]]
_KEYS = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier


@pytest.fixture(autouse=True)
def as_delivered() -> Iterator[None]:
    yield
    preferences.use(Preferences())


@pytest.fixture
async def window(make_window: Callable[[], MainWindow], until: Until) -> MainWindow:
    made = make_window()
    await until(lambda: "b1" in made._tabs)
    made.activateWindow()
    QApplication.processEvents()
    return made


async def opened(window: MainWindow, until: Until) -> SettingsDialog:
    QTest.keyClick(window, Qt.Key.Key_Comma, Qt.KeyboardModifier.ControlModifier)
    await until(lambda: window.findChildren(SettingsDialog))
    [dialog] = window.findChildren(SettingsDialog)
    return dialog


def choose(dialog: SettingsDialog, name: str, value: str) -> None:
    box = dialog.controls[name]
    assert isinstance(box, QComboBox)
    box.setCurrentIndex(box.findData(value))
    box.activated.emit(box.currentIndex())


def switch(dialog: SettingsDialog, name: str) -> None:
    box = dialog.controls[name]
    assert isinstance(box, QCheckBox)
    box.click()


async def test_every_row_of_the_table_has_its_control_and_shows_what_is_set(
    window: MainWindow, until: Until
) -> None:
    dialog = await opened(window, until)
    assert list(dialog.controls) == [row.name for row in ROWS]
    for row in ROWS:
        box = dialog.controls[row.name]
        shown = box.currentData() if isinstance(box, QComboBox) else _word(box.isChecked())
        assert shown == row.read(window.settings)


def _word(on: bool) -> str:
    return "on" if on else "off"


async def test_look_and_language_change_while_it_is_open(window: MainWindow, until: Until) -> None:
    """ux 70, 71, 74"""
    dialog = await opened(window, until)
    choose(dialog, "theme", "light")
    choose(dialog, "colours", "korea")
    choose(dialog, "language", "ko")
    assert (theme.current().name, theme.current().scheme) == ("light", "korea")
    assert dialog.windowTitle() == "설정"
    assert dialog.controls["theme"].itemText(1) == "밝게"  # type: ignore[union-attr]
    kept = window.settings
    assert (kept.theme, kept.colours, kept.language) == ("light", "korea", "ko")


async def test_the_scale_counts_from_the_next_start(
    window: MainWindow, until: Until, tmp_path: Path
) -> None:
    """ux 74"""
    choose(await opened(window, until), "scale", "150")
    window.settings.save()
    assert ScreenSettings(tmp_path).scale_percent == 150


def shown_texts(window: MainWindow) -> list[str]:
    """What can be read: labels and tables that are visible, and the chart's lines."""
    texts = [label.text() for label in window.findChildren(QLabel) if label.isVisible()]
    for table in window.findChildren(QTableView):
        model = table.model()
        if table.isVisible() and isinstance(model, TableModel):
            texts += [
                column.cell(model.row_at(row)).text
                for row in range(model.rowCount(QModelIndex()))
                for column in model.columns
            ]
    tab: Any = window._tabs["b1"]
    texts += [f"{level.name} {level.text}" for level in tab.chart.trades.levels.levels]
    return texts


async def test_one_key_hides_every_amount_on_every_page(window: MainWindow, until: Until) -> None:
    """ux 75"""
    amounts = (
        "25,162.26",
        "80.76",
        "95.06",
        "12,038.56",
        "4,493.99",
        "14.30",
        "0.067",
        "6,815.2",
        "11.92",
    )
    pages = [lambda: window.show_bot("b1"), lambda: window.show_page("Capital")]
    pages += [lambda title=page.title: window.show_page(title) for page in PAGES]  # type: ignore[misc]
    for show in pages[:2]:
        show()
        QApplication.processEvents()
        assert any(a in text for a in amounts for text in shown_texts(window))
    QTest.keyClick(window, Qt.Key.Key_H, _KEYS)
    for show in pages:
        show()
        QApplication.processEvents()
        left = [text for text in shown_texts(window) if any(a in text for a in amounts)]
        assert left == []
    assert window.status._equity.value.text() == f"{formatting.HIDDEN} USDT"
    window.show_bot("b1")
    assert "67,074.5" in shown_texts(window)  # the market is nobody's secret
    window.activateWindow()
    QApplication.processEvents()
    QTest.keyClick(window, Qt.Key.Key_H, _KEYS)
    assert window.status._equity.value.text() == "25,162.26 USDT"


async def test_preferences_come_back_with_the_next_start(
    window: MainWindow, until: Until, tmp_path: Path
) -> None:
    dialog = await opened(window, until)
    for row in ROWS:
        if row.is_switch:
            switch(dialog, row.name)
    window.settings.save()
    preferences.use(Preferences())
    setting_rows.recall(ScreenSettings(tmp_path))
    assert preferences.current() == Preferences(True, True, True, True)


async def test_fewer_questions_leave_a_warning_and_real_money_asks_all_the_same(
    window: MainWindow,
    until: Until,
    trader: Any,
    link_server: Any,
    make_snapshot: Any,
) -> None:
    """ux 65"""
    assert not window.app_bar.fewer_questions.isVisible()
    setting_rows.prefer(window.settings, "asks_less", on=True)
    assert window.app_bar.fewer_questions.isVisible()
    tab: Any = window._tabs["b1"]
    held = window.bridge.position("main", "BTCUSDT")
    await tab.blotter.order_actions.close(held)
    assert len(trader.sent(ClosePosition)) == 1
    snapshot = make_snapshot(3)
    [account, *rest] = snapshot.accounts
    live = msgspec.structs.replace(account, mode=AccountMode.LIVE)
    link_server.publish(msgspec.structs.replace(snapshot, accounts=[live, *rest]))
    await until(lambda: window.bridge.mode() is AccountMode.LIVE)
    tab.blotter._do(tab.blotter.order_actions.close(held))
    await trader.answer("")
    assert len(trader.sent(ClosePosition)) == 1


async def test_a_single_key_asks_whatever_is_preferred(window: MainWindow, trader: Any) -> None:
    setting_rows.prefer(window.settings, "asks_less", on=True)
    tab: Any = window._tabs["b1"]
    table = tab.blotter._positions.table
    table.setFocus()
    table.selectRow(0)
    QTest.keyClick(table, Qt.Key.Key_Delete)
    await trader.answer("")
    assert not trader.sent(ClosePosition)


async def test_less_motion_tints_nothing(window: MainWindow) -> None:
    model: Any = window.watchlist.findChild(QTableView).model()  # type: ignore[union-attr]
    setting_rows.prefer(window.settings, "reduces_motion", on=True)
    row = model.row_at(0)
    ticker = msgspec.structs.replace(row.ticker, last_price=row.ticker.last_price + 1)
    rows = [model.row_at(i) for i in range(model.rowCount(QModelIndex()))]
    rows[0] = msgspec.structs.replace(row, ticker=ticker)
    model.set_rows(rows)
    assert not model._flashes


async def test_times_in_the_accounts_zone(
    window: MainWindow, until: Until, link_server: Any, make_snapshot: Any
) -> None:
    """ux 68: the clock says whose it is."""
    setting_rows.prefer(window.settings, "in_account_zone", on=True)
    snapshot = make_snapshot(3)
    [account, *rest] = snapshot.accounts
    seoul = msgspec.structs.replace(account, timezone="Asia/Seoul")
    link_server.publish(msgspec.structs.replace(snapshot, accounts=[seoul, *rest]))
    await until(lambda: window.status._clock.caption.text() == "KST")
    assert window.status._clock.value.text().startswith("23:32")
    assert formatting.stamp(1_763_649_127_000) == "2025-11-20 23:32 KST"
    setting_rows.prefer(window.settings, "in_account_zone", on=False)
    assert formatting.stamp(1_763_649_127_000) == "2025-11-20 14:32 UTC"
    assert i18n.language.name == "en"
