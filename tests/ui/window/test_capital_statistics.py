"""The dashboard's statistics and calendar say what the engine reckoned, or why it is not known."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import date, timedelta
from decimal import Decimal

import msgspec
import pytest
from PyQt6.QtCore import QPointF, Qt
from PyQt6.QtGui import QImage
from PyQt6.QtTest import QTest

from core.commands import CommandResult, GetStatistics
from core.reports.chosen_statistics import WHOLE_ONLY, Choice
from core.reports.statistics import DayStatistics, Statistics
from core.snapshots import CapitalSnapshot, RiskLimit, RiskSnapshot, TradingState
from ui import i18n, theme
from ui.bridge import Bridge
from ui.tabs.capital_page import CapitalPage
from ui.widgets.heat_map import HeatMap
from ui.widgets.statistics import StatisticsPanel


def shown(bridge: Bridge) -> CapitalSnapshot:
    assert bridge.capital.latest is not None
    return bridge.capital.latest


def statistics(bridge: Bridge) -> Statistics:
    found = shown(bridge).statistics
    assert found is not None
    return found


def test_each_figure_is_the_engines_and_says_how_it_is_reckoned(still_bridge: Bridge) -> None:
    panel = StatisticsPanel(still_bridge)
    panel.show_capital(shown(still_bridge))
    texts = {name: stat.value.text() for name, stat in panel.stats.items()}
    assert texts == {
        "total_return": "+25.81 %", "sharpe": "—", "sortino": "—", "max_drawdown": "3.12 %",
        "win_rate": "60.8 %", "profit_factor": "2.25", "expectancy": "+68.48",
        "exposure": "38.2 %",
    }  # fmt: skip
    assert panel.stats["win_rate"].toolTip() == "45 won · 28 lost"
    assert panel.stats["profit_factor"].toolTip() == "9,120.40 won by 4,053.20 lost"
    assert all(stat.toolTip() for stat in panel.stats.values())


def test_a_figure_that_is_not_known_says_why_in_both_languages(still_bridge: Bridge) -> None:
    panel = StatisticsPanel(still_bridge)
    panel.show_capital(shown(still_bridge))
    assert panel.stats["sharpe"].toolTip() == "Needs 20 finished days, there are 19."
    i18n.use("ko")
    try:
        panel.show_capital(shown(still_bridge))
        assert panel.stats["sharpe"].toolTip() == "마감된 날 20일이 필요합니다. 지금은 19일입니다."
    finally:
        i18n.use("en")


def test_a_loss_and_an_account_without_statistics(still_bridge: Bridge) -> None:
    panel = StatisticsPanel(still_bridge)
    capital = shown(still_bridge)
    panel.show_capital(msgspec.structs.replace(capital, statistics=None))
    assert panel.stats["win_rate"].value.text() == "—"
    found = statistics(still_bridge)
    lost = msgspec.structs.replace(found.trades, expectancy=Decimal("-3.2"))
    panel.show_capital(
        msgspec.structs.replace(capital, statistics=msgspec.structs.replace(found, trades=lost))
    )
    value = panel.stats["expectancy"].value
    assert (value.text(), value.property("tone")) == ("−3.20", "down")


def painted(days: list[tuple[str, float]], width: int = 700) -> tuple[HeatMap, QImage]:
    heat_map = HeatMap()
    heat_map.resize(width, 140)
    heat_map.set_days(days)
    return heat_map, heat_map.grab().toImage()


def test_the_calendar_stands_on_its_weekdays_and_ends_today() -> None:
    today = date(2026, 11, 20)  # a Friday
    heat_map, _ = painted([((today - timedelta(days=i)).isoformat(), 1.0) for i in (2, 1, 0)])
    friday, thursday = heat_map.cell_of(today), heat_map.cell_of(today - timedelta(days=1))
    assert friday is not None
    assert thursday is not None
    assert friday.left() == thursday.left()
    assert friday.top() > thursday.top()
    week_before = heat_map.cell_of(today - timedelta(days=7))
    assert week_before is not None
    assert (week_before.top(), week_before.right() < friday.left()) == (friday.top(), True)
    assert heat_map.cell_of(today + timedelta(days=1)) is None
    assert heat_map.day_at(thursday.center()) == today - timedelta(days=1)
    assert heat_map.day_at(QPointF(1, 1)) is None


def test_gains_losses_and_days_on_which_nothing_ran_differ() -> None:
    days = [("2026-11-16", 50.0), ("2026-11-17", -50.0), ("2026-11-18", 5.0), ("2026-11-20", 0.0)]
    heat_map, image = painted(days)

    def hue(name: str) -> str:
        cell = heat_map.cell_of(date.fromisoformat(name))
        assert cell is not None
        return image.pixelColor(cell.center().toPoint()).name()

    assert hue("2026-11-16") == theme.color("up").name()
    assert hue("2026-11-17") == theme.color("down").name()
    assert hue("2026-11-19") == theme.color("e2").name()
    assert hue("2026-11-20") == theme.color("track").name()
    assert len({hue(name) for name, _ in days}) == 4


def test_a_calendar_without_days_says_so_and_a_narrow_one_keeps_the_newest() -> None:
    heat_map, _ = painted([])
    assert heat_map.cell_of(date(2026, 11, 20)) is None
    today = date(2026, 11, 20)
    days = [((today - timedelta(days=i)).isoformat(), 1.0) for i in reversed(range(366))]
    heat_map, _ = painted(days, width=260)
    assert heat_map.cell_of(today) is not None
    assert heat_map.cell_of(today - timedelta(days=365)) is None


def test_the_page_shows_both_from_the_start(still_bridge: Bridge) -> None:
    page = CapitalPage(still_bridge)
    assert page._statistics.stats["win_rate"].value.text() == "60.8 %"
    assert page._statistics._sample.text() == "trades 74 · days 169"
    page._calendar.map.resize(700, 140)
    page._calendar.map.grab()
    newest = date.fromisoformat(statistics(still_bridge).calendar[-1][0])
    assert page._calendar.map.cell_of(newest) is not None


@pytest.fixture
async def asked(  # type: ignore[no-untyped-def]
    link_server, bridge: Bridge, until, qapp
) -> AsyncIterator[tuple[StatisticsPanel, list[GetStatistics]]]:
    """A panel over an engine that answers for any part: 3 trades, and no day of its own."""
    sent: list[GetStatistics] = []

    def answer(command: GetStatistics) -> CommandResult:
        sent.append(command)
        whole = statistics(bridge)
        few = "Needs 10 trades, there are 3."
        trades = msgspec.structs.replace(
            whole.trades, trades=3, win_rate=None, unknown={"win_rate": few}
        )
        days = DayStatistics(6, None, None, None, None, dict.fromkeys(
            ("total_return", "sharpe", "sortino", "max_drawdown"), WHOLE_ONLY
        ))  # fmt: skip
        return CommandResult(0, True, statistics=Statistics(trades, days, whole.calendar[-7:]))

    link_server.results[GetStatistics] = answer
    await until(lambda: bridge.capital.latest is not None)
    panel = StatisticsPanel(bridge)
    panel.resize(900, 176)
    panel.show()
    panel.show_capital(shown(bridge))
    yield panel, sent
    panel.hide()
    panel.deleteLater()


async def test_a_period_is_asked_of_the_engine_and_shown_with_its_own_sample(asked, until) -> None:  # type: ignore[no-untyped-def]
    panel, sent = asked
    assert panel.stats["win_rate"].value.text() == "60.8 %"
    QTest.mouseClick(panel.periods["1W"], Qt.MouseButton.LeftButton)
    await until(lambda: panel._sample.text() == "trades 3 · days 7")
    assert sent == [GetStatistics("main", Choice(days=7))]
    assert panel.stats["win_rate"].value.text() == "—"
    assert panel.stats["win_rate"].toolTip() == "Needs 10 trades, there are 3."
    assert panel.stats["total_return"].toolTip() == WHOLE_ONLY
    QTest.mouseClick(panel.periods["All"], Qt.MouseButton.LeftButton)
    assert panel.stats["win_rate"].value.text() == "60.8 %"
    assert len(sent) == 1  # the whole is in every snapshot


async def test_a_bot_or_a_symbol_is_chosen_from_those_that_have_traded(asked, until) -> None:  # type: ignore[no-untyped-def]
    panel, sent = asked
    panel._fill_menu()
    choices = [action.text() for action in panel._menu.actions() if action.text()]
    assert choices == ["Whole account", "By hand", "BTCUSDT 15m", "ETHUSDT 1h", "BTCUSDT",
                       "ETHUSDT"]  # fmt: skip
    next(a for a in panel._menu.actions() if a.text() == "ETHUSDT 1h").trigger()
    await until(lambda: len(sent) == 1)
    assert panel.part.text() == "ETHUSDT 1h"
    next(a for a in panel._menu.actions() if a.text() == "BTCUSDT").trigger()
    QTest.mouseClick(panel.periods["1M"], Qt.MouseButton.LeftButton)
    await until(lambda: len(sent) == 3)
    assert [one.choice for one in sent] == [
        Choice(bot_id="b2"), Choice(symbol="BTCUSDT"), Choice(symbol="BTCUSDT", days=30),
    ]  # fmt: skip


async def test_a_part_stays_shown_while_the_whole_goes_on(asked, until, bridge: Bridge) -> None:  # type: ignore[no-untyped-def]
    panel, sent = asked
    panel.choose(Choice(symbol="BTCUSDT"))
    await until(lambda: panel._sample.text() == "trades 3 · days 7")
    panel.show_capital(shown(bridge))
    assert panel._sample.text() == "trades 3 · days 7"
    panel._ask_again.timeout.emit()
    await until(lambda: len(sent) == 2)
    panel.hide()
    panel._ask_again.timeout.emit()  # nobody looks
    other = msgspec.structs.replace(shown(bridge), account="second")
    panel.show_capital(other)
    assert panel.part.text() == "Whole account"
    assert len(sent) == 2


def test_another_account_is_chosen_where_there_is_more_than_one(still_bridge: Bridge) -> None:
    page = CapitalPage(still_bridge)
    page.show()
    choice = page._figures.account
    assert not choice.isVisible()
    assert still_bridge.snapshot is not None
    won = msgspec.structs.replace(
        shown(still_bridge), account="krw", currency="KRW", equity=Decimal(33_210_000)
    )
    risk = RiskSnapshot(TradingState.ACTIVE, "", [
        RiskLimit("largest_position", 4.0, 50.0, "%", "the order is denied"),
        RiskLimit("drawdown", 1.0, 30.0, "%", "everything is closed"),
    ])  # fmt: skip
    [account] = still_bridge.snapshot.accounts
    second = msgspec.structs.replace(account, name="krw", currency="KRW", risk=risk)
    both = msgspec.structs.replace(
        still_bridge.snapshot, other_capital=[won], accounts=[account, second]
    )
    still_bridge.take_snapshot(both)
    assert choice.isVisible()
    assert (choice.text(), page._figures._figures[0]._unit.text()) == ("main", "USDT")
    choice._fill_menu()
    next(action for action in choice._menu.actions() if action.text() == "krw").trigger()
    assert (choice.text(), page._figures._figures[0]._unit.text()) == ("krw", "KRW")
    assert page._figures._figures[0]._figure.text() == "33,210,000"
    still_bridge.take_snapshot(both)
    assert "30 %" in page._figures._figures[5]._below.text()
    assert page._risk._rows["largest_position"]._limit.text() == "/ 50 %"
    assert page.allocation._limit() == 0.5
    assert still_bridge.capital.account == "krw"
    still_bridge.take_snapshot(msgspec.structs.replace(both, other_capital=[]))
    assert (still_bridge.capital.account, choice.isVisible()) == ("main", False)
    page.hide()
    page.deleteLater()


def test_won_has_no_decimals_anywhere_on_the_page(still_bridge: Bridge) -> None:
    """ux 73"""
    won = msgspec.structs.replace(shown(still_bridge), currency="KRW")
    assert still_bridge.snapshot is not None
    still_bridge.take_snapshot(msgspec.structs.replace(still_bridge.snapshot, capital=won))
    page = CapitalPage(still_bridge)
    held, lines = page.allocation.model, page.allocation._ledger
    texts = [
        model.columns[i].cell(model.row_at(row)).text
        for model in (held, lines)
        for i, column in enumerate(model.columns)
        if column.title in ("Amount", "PnL")
        for row in range(model.rowCount())
    ]
    assert "4,413" in texts
    assert "+81" in texts
    texts += [legend._note.whole_text for legend in page._bar._legends]
    texts += [stat.value.text() for stat in (page._daily._best, page._daily._worst)]
    texts += [stat.value.text() for stat in (page._daily._average,)]
    texts.append(page.allocation._sum.text())
    texts.append(page._statistics.stats["expectancy"].value.text())
    assert [text for text in texts if re.search(r"\d\.\d", text)] == []
    page.deleteLater()
