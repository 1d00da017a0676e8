"""Charts beside each other: what one shows the others of its group follow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from PyQt6.QtCore import QPointF, Qt
from PyQt6.QtTest import QTest

from core.commands import GetCandles, WatchChart
from ui.chart_links import ALONE
from ui.charts.canvas import PRICE
from ui.tabs.bot_tab import BotTab
from ui.tabs.charts_page import ChartsPage
from ui.widgets.linked_chart import LinkedChart


@pytest.fixture
def open_page(make_window, until) -> Callable[[int], Awaitable[ChartsPage]]:
    """The page with so many charts, all of them with bars."""

    async def opened(count: int) -> ChartsPage:
        window = make_window()
        await until(lambda: any(t.chart.has_bars for t in window.findChildren(BotTab)))
        window.show_page("Charts")
        (page,) = window.findChildren(ChartsPage)
        QTest.mouseClick(page.counts[count], Qt.MouseButton.LeftButton)
        await until(
            lambda: len(page.charts) == count and all(c.chart.has_bars for c in page.charts)
        )
        return page

    return opened


def point(chart: LinkedChart, slots_back: int) -> int:
    """Move the mouse to a bar; its open time."""
    canvas = chart.chart.canvas
    pane = canvas.panes[PRICE]
    slot = canvas.viewport_model.last_slot - slots_back
    canvas._set_cursor(QPointF(pane.x_of(slot), 80))
    return chart.chart._series.time_of_place(slot)


async def test_a_symbol_goes_round_its_group_and_no_further(open_page, until) -> None:
    """ux 6"""
    page = await open_page(4)
    first, second, third, fourth = page.charts
    third.link.join("2")
    fourth.link.join(ALONE)
    assert {chart.symbol for chart in page.charts} == {"BTCUSDT"}  # the bot's that was in front
    first.choose_symbol("SOLUSDT")
    assert [c.symbol for c in page.charts] == ["SOLUSDT", "SOLUSDT", "BTCUSDT", "BTCUSDT"]
    await until(lambda: second.chart.series == ("SOLUSDT", "1h") and second.chart.has_bars)
    third.link.join("1")
    assert third.symbol == "SOLUSDT"


async def test_the_mouse_of_one_chart_is_a_line_on_the_others_at_the_same_moment(
    open_page,
) -> None:
    """ux 25: over intervals, inside the group."""
    page = await open_page(4)
    first, second, third, _ = page.charts
    third.link.join("3")
    time_ms = point(first, 60)
    line, label = second.chart.canvas.cross[0], second.chart.canvas.time_axis.cursor_label
    assert line.isVisible()
    series, pane = second.chart._series, second.chart.canvas.panes[PRICE]
    shown_ms = series.time_of_place(round(pane.slot_at(line._rect.x() + line.pos().x())))
    assert shown_ms <= time_ms < shown_ms + series.duration_ms
    assert label is not None
    assert not second.chart.canvas.cross[1].isVisible()  # a moment, not a price
    assert not third.chart.canvas.cross[0].isVisible()
    first.chart.canvas._set_cursor(None)
    assert not line.isVisible()


async def test_the_chart_of_the_bot_in_front_leads_its_group(open_page, until) -> None:
    """ux 6, 13"""
    page = await open_page(2)
    window = page.window()
    page.charts[1].link.join(ALONE)
    window.show_bot("b2")
    window.show_page("Charts")
    assert [chart.symbol for chart in page.charts] == ["ETHUSDT", "BTCUSDT"]
    await until(lambda: page.charts[0].chart.series == ("ETHUSDT", "15m"))


async def test_what_is_not_seen_is_not_asked_for(open_page, link_server, until, calm) -> None:
    page = await open_page(2)
    window = page.window()
    window.show_bot("b2")
    await until(lambda: any(t.chart.series[0] == "ETHUSDT" for t in window.findChildren(BotTab)))
    await calm()
    asked = [c.timeframe for c in link_server.commands if isinstance(c, GetCandles)]
    before = len(asked)
    window.show_bot("b3")
    await calm()
    later = [c for c in link_server.commands if isinstance(c, GetCandles)][before:]
    assert [(c.symbol, c.timeframe) for c in later] == [("SOLUSDT", "15m")]  # the bot's own


async def test_a_chart_that_is_put_away_is_no_longer_streamed(
    open_page, link_server, until
) -> None:
    page = await open_page(4)
    QTest.mouseClick(page.counts[1], Qt.MouseButton.LeftButton)
    await until(
        lambda: (
            [c.charts for c in link_server.commands if isinstance(c, WatchChart)][-1]
            == [("BTCUSDT", "15m")]
        )
    )


async def test_the_charts_come_back(open_page, bridge, until) -> None:
    """ux 3"""
    page = await open_page(2)
    page.charts[1].link.join("2")
    page.charts[1].choose_symbol("ETHUSDT")
    page.charts[1].choose_timeframe("4h")
    bridge.chart_memory.save()
    other = ChartsPage(bridge)
    try:
        assert len(other.charts) == 2
        assert (other.charts[1].symbol, other.charts[1].timeframe) == ("ETHUSDT", "4h")
        assert other.charts[1].link.group == "2"
    finally:
        other.deleteLater()


async def test_a_broken_memory_of_them_is_the_usual_two(bridge, tmp_path) -> None:
    """ux 7"""
    path = tmp_path / "charts" / "layouts" / "charts.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"count": 3, "charts": [{"timeframe": "7m", "group": "9"}]}')
    page = ChartsPage(bridge)
    try:
        assert [chart.timeframe for chart in page.charts] == ["15m", "1h"]
        assert page.charts[0].link.group == ALONE
    finally:
        page.deleteLater()


async def test_letters_typed_at_it_choose_a_symbol_or_say_why_not(open_page, until) -> None:
    """ux 29, 15"""
    page = await open_page(1)
    (chart,) = page.charts
    QTest.keyClicks(chart.chart.canvas, "a")
    box = chart.chart.ask_box
    assert box.field.text() == "a"
    QTest.keyClick(box.field, Qt.Key.Key_Return)
    assert box.hint.text() == "Several begin so: ADAUSDT, APTUSDT, ARBUSDT, ATOMUSDT, AVAXUSDT."
    QTest.keyClicks(box.field, "va")
    QTest.keyClick(box.field, Qt.Key.Key_Return)
    assert chart.symbol == "AVAXUSDT"
    chart.ask_symbol("zzz")
    QTest.keyClick(box.field, Qt.Key.Key_Return)
    assert box.hint.text() == "There is no such symbol."
    await until(lambda: chart.chart.series[0] == "AVAXUSDT")


async def test_the_dot_names_the_groups_and_joins_one(open_page) -> None:
    """ux 6"""
    page = await open_page(2)
    chart = page.charts[1]
    menu = chart.dot.menu_of_groups()
    assert [a.text() for a in menu.actions()] == ["Not linked", "Group 1", "Group 2", "Group 3"]
    menu.actions()[2].trigger()
    assert chart.link.group == "2"
    menu.close()
    assert not page.grab().isNull()


async def test_return_in_the_watchlists_search_opens_the_first_that_is_left(open_page) -> None:
    """ux 15"""
    window = (await open_page(1)).window()
    window.show_bot("b1")
    window.watchlist._toggle_search()
    QTest.keyClicks(window.watchlist._search, "eth")
    QTest.keyClick(window.watchlist._search, Qt.Key.Key_Return)
    assert window.app_bar._bots["b2"].isChecked()  # ETHUSDT's
