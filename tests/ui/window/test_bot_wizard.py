"""Bots are added by the wizard, set up, renamed, duplicated and removed, on the real window."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from PyQt6.QtWidgets import QApplication, QMenu, QPushButton
from scan_samples import SCANNER, scanning_bot, scanning_engine

from core.commands import (
    AddBot,
    ChangeScanSettings,
    ChangeSignalExchange,
    DuplicateBot,
    RemoveBot,
    RenameBot,
    StopBot,
)
from core.scanning.settings import ScanSettings
from core.snapshots import AccountMode, BotState
from ui import i18n
from ui.bot_actions import BotActions
from ui.dialogs.add_bot import AddBotDialog
from ui.dialogs.bot_questions import DuplicateSheet, NameSheet, SignalsSheet
from ui.dialogs.scan_settings import ScanSettingsSheet
from ui.main_window import MainWindow
from ui.widgets.bot_header import BotHeader

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", r"raise\(\)", "grabbing the keyboard")
Until = Callable[[Callable[[], Any]], Awaitable[None]]
replace = msgspec.structs.replace


@pytest.fixture
async def window(link_server: Any, make_window: Callable[[], MainWindow], until: Until) -> Any:
    link_server.publish(scanning_engine())
    made = make_window()
    await until(lambda: SCANNER in made.bridge.bots)
    return made


@pytest.fixture
async def wizard(window: MainWindow, trader: Any) -> AddBotDialog:
    window.add_bot()
    sheet = await trader.asked()
    assert isinstance(sheet, AddBotDialog)
    return sheet


def press(button: QPushButton, times: int = 1) -> None:
    for _ in range(times):
        button.click()


async def test_a_scanning_bot_is_added_step_by_step(
    wizard: AddBotDialog, trader: Any, until: Until
) -> None:
    wizard.kind.many.setChecked(True)
    press(wizard.next)
    assert wizard.universe.isVisible()
    wizard.universe.form.lines["signal_threshold"].entry.setText("80")
    wizard.universe.form.lines["cooldown_s"].entry.setText("90")
    wizard.universe.form.lines["blocklist"].entry.setText("dogeusdt, pepeusdt")
    press(wizard.next)
    assert [wizard.strategy.choice.itemText(i) for i in range(wizard.strategy.choice.count())] == [
        "rsi_pattern"
    ]  # only a strategy that scores can rank symbols
    assert wizard.strategy.form is not None
    wizard.strategy.form.lines["stop_atr"].entry.setText("2")
    press(wizard.next)
    wizard.sizing.choice.setCurrentText("fixed percent")
    assert wizard.sizing.form is not None
    wizard.sizing.form.lines["ratio"].entry.setText("5")
    wizard.sizing.name.setText("  Alt   scanner ")
    press(wizard.next)
    assert wizard.summary.lines["Entry score"] == "80 of 100"
    assert wizard.summary.lines["Share of equity"] == "5"
    assert wizard.summary.lines["Stop loss"] == "2"
    assert not wizard.next.isEnabled()
    await trader.answer("add")
    await until(lambda: trader.sent(AddBot))
    settings = ScanSettings(
        signal_threshold=80, cooldown_s=5400, blocklist=("DOGEUSDT", "PEPEUSDT")
    )
    assert trader.sent(AddBot) == [
        AddBot("MultiTrader", "main", "", "15m", "rsi_pattern", "Alt scanner", {"stop_atr": 2.0},
               settings, sizing={"method": "fixed_percent", "ratio": "0.05"})
    ]  # fmt: skip


async def test_a_symbol_typed_opens_the_wizard_where_one_is_chosen(
    window: MainWindow, trader: Any
) -> None:
    window.add_bot("ETH")
    sheet = await trader.asked()
    assert isinstance(sheet, AddBotDialog)
    assert sheet.symbols.isVisible()
    assert sheet.wanted() == AddBot("UnifiedBot", "main", "ETHUSDT", "15m", "macd_rsi_trend")
    await trader.answer("")


def with_binance(snapshot: Any) -> Any:
    """A paper account on another exchange beside the first."""
    first = snapshot.accounts[0]
    other = replace(first, name="paper", exchange="binance", mode=AccountMode.PAPER)
    return replace(snapshot, accounts=[first, other])


async def test_signals_may_come_from_the_candles_of_another_exchange(
    window: MainWindow, link_server: Any, trader: Any, until: Until
) -> None:
    """Spec T7, `use_binance_signal`."""
    link_server.publish(with_binance(scanning_engine()))
    await until(lambda: len(window.bridge.snapshot.accounts) == 2)
    window.add_bot("BTC")
    sheet = await trader.asked()
    assert isinstance(sheet, AddBotDialog)
    signals = sheet.strategy.signals
    names = [signals.choice.itemText(i) for i in range(signals.choice.count())]
    assert names == ["Bybit, as its orders", "Binance"]
    assert sheet.wanted().signal_exchange == ""
    signals.choice.setCurrentText("Binance")
    assert signals._hint.text() == "Orders go to Bybit at its prices; Binance only says when."
    sheet.kind.account.setCurrentIndex(1)
    assert signals.exchange() == "", "another account, another choice"
    assert [signals.choice.itemText(i) for i in range(2)] == ["Binance, as its orders", "Bybit"]
    sheet.kind.account.setCurrentIndex(0)
    signals.choice.setCurrentText("Binance")
    press(sheet.next, 3)
    assert sheet.summary.lines["Signals from"] == "Binance"
    await trader.answer("add")
    await until(lambda: trader.sent(AddBot))
    assert trader.sent(AddBot)[0].signal_exchange == "binance"


async def test_with_one_exchange_there_is_nothing_to_choose_and_a_word_why(
    wizard: AddBotDialog, trader: Any
) -> None:
    signals = wizard.strategy.signals
    assert not signals.choice.isEnabled()
    assert signals._hint.text().startswith("With an account on another exchange, paper is enough")
    await trader.answer("")


async def test_a_bots_signals_are_changed_in_its_menu_and_stand_in_its_head(
    window: MainWindow, link_server: Any, trader: Any, until: Until
) -> None:
    snapshot = with_binance(scanning_engine())
    link_server.publish(snapshot)
    await until(lambda: len(window.bridge.snapshot.accounts) == 2)
    link_server.answers[ChangeSignalExchange] = lambda _c: (False, "b1 is running; stop it first.")
    actions = BotActions(window.bridge, lambda: window)
    task = asyncio.ensure_future(actions.change_signals(window.bridge.bots["b1"]))
    sheet = await trader.asked()
    assert isinstance(sheet, SignalsSheet)
    assert not sheet.buttons["go"].isEnabled()
    sheet.signals.choice.setCurrentText("Binance")
    press(sheet.buttons["go"])
    await until(lambda: sheet.problem.text() == "b1 is running; stop it first.")
    link_server.answers[ChangeSignalExchange] = lambda _c: (True, "b1 takes its signals there.")
    press(sheet.buttons["go"])
    await task
    assert trader.sent(ChangeSignalExchange)[-1] == ChangeSignalExchange("b1", "binance")
    header = BotHeader(window.bridge, window.bridge.bots["b1"])
    header.show_bot(replace(snapshot.bots[0], signal_exchange="binance"))
    assert header._market.text() == "Bybit perpetual · 15m · by Binance"
    header.deleteLater()


async def test_the_engines_no_stands_in_the_wizard(
    wizard: AddBotDialog, link_server: Any, trader: Any, until: Until
) -> None:
    link_server.answers[AddBot] = lambda _command: (False, "BTCUSDT has a bot already.")
    press(wizard.buttons["add"])
    await until(lambda: wizard.problem.text() == "BTCUSDT has a bot already.")
    await until(wizard.isVisible)
    await trader.answer("")


@pytest.mark.parametrize(
    ("name", "text", "refusal"),
    [
        ("watch_count", "2000", "At most 1,000 symbols"),
        ("watch_count", "2.5", "Write a whole number"),
        ("scan_interval_s", "0", "At least 1 s"),
        ("signal_threshold", "101", "At most 100 of 100"),
        ("signal_threshold", "nan", "Write a number"),
        ("position_limit", "", "Write a number"),
        ("cooldown_s", "-1", "At least 0 min"),
        ("max_spread_ratio", "0", "More than 0 %"),
        ("max_spread_ratio", "101", "At most 100 %"),
        ("min_turnover_24h", "-5", "At least 0 USDT / 24 h"),
    ],
)
async def test_a_setting_that_means_nothing_is_refused_with_the_reason(
    wizard: AddBotDialog, name: str, text: str, refusal: str
) -> None:
    wizard.kind.many.setChecked(True)
    line = wizard.universe.form.lines[name]
    line.entry.setText(text)
    assert line.error.text() == refusal
    assert not wizard.buttons["add"].isEnabled()
    wizard.universe.form.lines[name].entry.setText("50")
    assert wizard.buttons["add"].isEnabled()
    wizard.finish_with("")


async def test_settings_are_changed_while_it_scans(
    window: MainWindow, trader: Any, until: Until, link_server: Any
) -> None:
    actions = BotActions(window.bridge, lambda: window)
    link_server.answers[ChangeScanSettings] = lambda c: (c.settings.watch_count != 7, "Not seven.")
    task = asyncio.ensure_future(actions.change_settings(window.bridge.bots[SCANNER]))
    sheet = await trader.asked()
    assert isinstance(sheet, ScanSettingsSheet)
    assert sheet.form.lines["max_spread_ratio"].text == "0.5"
    assert sheet.form.lines["min_turnover_24h"].text == "1,000,000"
    sheet.form.lines["watch_count"].entry.setText("7")
    press(sheet.buttons["save"])
    await until(lambda: sheet.problem.text() == "Not seven.")
    await until(sheet.isVisible)
    sheet.form.lines["watch_count"].entry.setText("20")
    sheet.form.lines["max_spread_ratio"].entry.setText("0.1")
    press(sheet.buttons["save"])
    result = await task
    assert result is not None
    assert result.ok
    settings = ScanSettings(watch_count=20, max_spread_ratio=Decimal("0.001"))
    assert trader.sent(ChangeScanSettings)[-1] == ChangeScanSettings(SCANNER, settings)


async def test_a_bot_is_renamed(window: MainWindow, trader: Any, until: Until) -> None:
    actions = BotActions(window.bridge, lambda: window)
    task = asyncio.ensure_future(actions.rename(window.bridge.bots[SCANNER]))
    sheet = await trader.asked()
    assert isinstance(sheet, NameSheet)
    sheet.field.setText("   ")
    assert not sheet.buttons["go"].isEnabled()
    sheet.field.setText("Alts")
    press(sheet.buttons["go"])
    await task
    assert trader.sent(RenameBot) == [RenameBot(SCANNER, "Alts")]


async def test_a_bot_of_one_symbol_is_duplicated_for_another_one(
    window: MainWindow, trader: Any, until: Until
) -> None:
    actions = BotActions(window.bridge, lambda: window)
    task = asyncio.ensure_future(actions.duplicate(window.bridge.bots["b1"]))
    sheet = await trader.asked()
    assert isinstance(sheet, DuplicateSheet)
    assert not sheet.buttons["go"].isEnabled()
    sheet.symbol.setCurrentText("LTCUSDT")
    press(sheet.buttons["go"])
    await task
    assert trader.sent(DuplicateBot) == [
        DuplicateBot("b1", "BTCUSDT copy", "LTCUSDT", "main")
    ]  # fmt: skip


async def test_removing_a_bot_that_runs_asks_then_closes_stops_and_removes(
    window: MainWindow, trader: Any, until: Until
) -> None:
    actions = BotActions(window.bridge, lambda: window)
    task = asyncio.ensure_future(actions.remove(window.bridge.bots[SCANNER]))
    await trader.answer("")
    assert await task is None
    assert not trader.sent(StopBot)
    task = asyncio.ensure_future(actions.remove(window.bridge.bots[SCANNER]))
    await trader.answer("go")
    await task
    assert trader.sent(StopBot) == [StopBot(SCANNER, close_position=True)]
    assert trader.sent(RemoveBot) == [RemoveBot(SCANNER)]


async def test_a_bot_that_could_not_be_stopped_is_not_removed(
    window: MainWindow, trader: Any, link_server: Any
) -> None:
    link_server.answers[StopBot] = lambda _c: (False, "SOLUSDT is not closed yet; see Orders.")
    actions = BotActions(window.bridge, lambda: window)
    task = asyncio.ensure_future(actions.remove(window.bridge.bots[SCANNER]))
    await trader.answer("go")
    result = await task
    assert result is not None
    assert not result.ok
    assert not trader.sent(RemoveBot)


async def test_a_bot_that_stands_still_goes_by_one_question(
    window: MainWindow, trader: Any, link_server: Any, until: Until
) -> None:
    snapshot = scanning_engine()
    stopped = scanning_bot(state=BotState.STOPPED)
    link_server.publish(replace(snapshot, bots=[*snapshot.bots[:-1], stopped]))
    link = window.bridge.bots[SCANNER]
    await until(lambda: link.latest.state is BotState.STOPPED)
    task = asyncio.ensure_future(BotActions(window.bridge, lambda: window).remove(link))
    await trader.answer("go")
    await task
    assert trader.sent(RemoveBot) == [RemoveBot(SCANNER)]
    assert not trader.sent(StopBot)


async def test_the_list_of_bots_has_the_menu_of_each(window: MainWindow) -> None:
    menu = BotActions(window.bridge, lambda: window).menu(window.bridge.bots[SCANNER], window)
    assert [action.text() for action in menu.actions()] == [
        "Scan settings…", "Rename…", "Duplicate…", "Signals from…", "Remove this bot…",
    ]  # fmt: skip
    one = BotActions(window.bridge, lambda: window).menu(window.bridge.bots["b1"], window)
    assert "Scan settings…" not in [action.text() for action in one.actions()]
    for made in (menu, one):
        made.deleteLater()


async def test_a_right_click_on_a_bot_of_the_list_opens_its_menu(
    window: MainWindow, until: Until
) -> None:
    row = window.bots._rows[SCANNER]
    assert row._kind.whole_text == "MultiTrader · SOLUSDT"
    row.menu_wanted.emit(SCANNER, row.mapToGlobal(row.rect().center()))
    menus = [m for m in window.bots.findChildren(QMenu) if m.isVisible()]
    assert len(menus) == 1
    menus[0].close()


async def test_a_new_name_is_on_the_tab_and_in_the_list(
    window: MainWindow, link_server: Any, until: Until
) -> None:
    snapshot = scanning_engine()
    first = replace(snapshot.bots[0], name="Swing")
    link_server.publish(
        replace(snapshot, bots=[first, *snapshot.bots[1:-1], scanning_bot(name="Alts")])
    )
    await until(lambda: window.app_bar._bots[SCANNER].text() == "Alts")
    assert window.bots._rows["b1"]._kind.whole_text == "Swing · UnifiedBot · 15m"


async def test_the_wizard_speaks_korean(window: MainWindow, trader: Any) -> None:
    i18n.use("ko")
    window.add_bot()
    sheet = await trader.asked()
    assert isinstance(sheet, AddBotDialog)
    QApplication.processEvents()
    assert sheet.kind.many.text() == "여러 종목"
    assert sheet.strategy.form is not None
    assert "macd_fast" in sheet.strategy.form.lines
    assert sheet.strategy.signals.choice.itemText(0).endswith("(주문 거래소와 동일)")
    await trader.answer("")
