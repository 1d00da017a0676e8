"""The dashboard's statistics and calendar say what the engine reckoned, or why it is not known."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import msgspec
from PyQt6.QtCore import QPointF
from PyQt6.QtGui import QImage

from core.reports.statistics import Statistics
from core.snapshots import CapitalSnapshot
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
