"""The watchlist in the real window: its prices, their age, and the way to a symbol."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QImage
from PyQt6.QtTest import QTest
from pytestqt.qtbot import QtBot

from core.snapshots import EngineSnapshot
from ui import theme
from ui.bridge import Bridge
from ui.dialogs.add_bot import AddBotDialog
from ui.main_window import MainWindow
from ui.models import table
from ui.widgets.watchlist import Watchlist

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")
Until = Callable[[Callable[[], Any]], Awaitable[None]]
replace = msgspec.structs.replace
SYMBOL, LAST, CHANGE, AGE = range(4)


@pytest.fixture
async def window(make_window: Callable[[], MainWindow], until: Until) -> MainWindow:
    made = make_window()
    await until(lambda: "b1" in made._tabs and made.watchlist._model.rowCount() > 0)
    return made


def with_ticker(
    snapshot: EngineSnapshot, symbol: str, *, age_ms: int | None = None, price: str = ""
) -> EngineSnapshot:
    """As the engine publishes it when one symbol has traded, or has not."""
    tickers = []
    for row in snapshot.tickers:
        changed = row
        if row.ticker.symbol == symbol:
            ticker = replace(row.ticker, last_price=Decimal(price)) if price else row.ticker
            changed = replace(row, ticker=ticker, age_ms=row.age_ms if age_ms is None else age_ms)
        tickers.append(changed)
    return replace(snapshot, seq=snapshot.seq + 1, tickers=tickers)


def place_of(watchlist: Watchlist, symbol: str) -> int:
    place = watchlist._model.index_of(symbol)
    assert place is not None
    return place


def picture_of(watchlist: Watchlist, symbol: str, column: int) -> QImage:
    """One cell as the trader sees it."""
    view = watchlist._table
    area = view.visualRect(watchlist._model.index(place_of(watchlist, symbol), column))
    return view.viewport().grab(area).toImage()


def has_ink(picture: QImage, token: str) -> bool:
    """Whether a pixel has exactly that colour of the theme."""
    wanted = theme.color(token).rgb()
    return any(
        picture.pixel(x, y) == wanted
        for x in range(picture.width())
        for y in range(picture.height())
    )


def double_click(watchlist: Watchlist, symbol: str) -> None:
    view = watchlist._table
    at = view.visualRect(watchlist._model.index(place_of(watchlist, symbol), LAST)).center()
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    QTest.mouseDClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)


async def test_a_double_click_brings_the_symbols_chart_and_ticket(
    window: MainWindow, until: Until
) -> None:
    """ux 13"""
    double_click(window.watchlist, "ETHUSDT")
    assert window._current == "b2"
    tab: Any = window._tabs["b2"]
    await until(lambda: tab.chart.series == ("ETHUSDT", "1h") and tab.chart.has_bars)
    assert tab.ticket._symbol == "ETHUSDT"
    assert tab.ticket.isVisible()


async def test_a_symbol_that_no_bot_follows_opens_the_wizard_with_it(
    window: MainWindow, until: Until, trader: Any
) -> None:
    """ux 13, 15"""
    window.watchlist._toggle_search()
    QTest.keyClicks(window.watchlist._search, "doge")
    QTest.keyClick(window.watchlist._search, Qt.Key.Key_Return)
    sheet = await trader.asked()
    assert isinstance(sheet, AddBotDialog)
    assert sheet.symbol() == "DOGEUSDT"
    await trader.press(Qt.Key.Key_Escape)


async def test_a_price_that_rose_or_fell_is_tinted_for_a_moment_by_its_direction(
    window: MainWindow, link_server: Any, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ux 14"""
    monkeypatch.setattr(table, "_CALM_S", -1.0)  # tint every change
    monkeypatch.setattr(table, "FLASH_MS", 60_000)
    model = window.watchlist._model
    link_server.publish(with_ticker(link_server.snapshot, "BTCUSDT", price="67080.0"))
    await until(lambda: model.flash_direction(place_of(window.watchlist, "BTCUSDT"), LAST) == 1)
    assert model.flash_direction(place_of(window.watchlist, "ETHUSDT"), LAST) == 0
    rose = picture_of(window.watchlist, "BTCUSDT", LAST)
    link_server.publish(with_ticker(link_server.snapshot, "BTCUSDT", price="67070.0"))
    await until(lambda: model.flash_direction(place_of(window.watchlist, "BTCUSDT"), LAST) == -1)
    fell = picture_of(window.watchlist, "BTCUSDT", LAST)
    corner = (1, 1)
    shades = {picture.pixelColor(*corner).name() for picture in (rose, fell)}
    assert len(shades) == 2
    assert rose.pixelColor(*corner).green() > rose.pixelColor(*corner).red()
    assert fell.pixelColor(*corner).red() > fell.pixelColor(*corner).green()


async def test_one_silent_symbol_turns_grey_and_wears_a_badge_alone(
    window: MainWindow, link_server: Any, until: Until
) -> None:
    """ux 14, 16: 16 s without a price; the socket is up and all others go on."""
    watchlist = window.watchlist
    assert has_ink(picture_of(watchlist, "BTCUSDT", LAST), "t1")
    link_server.publish(with_ticker(link_server.snapshot, "BTCUSDT", age_ms=16_000))
    model = watchlist._model
    await until(lambda: model.is_stale(model.row_at(place_of(watchlist, "BTCUSDT"))))
    grey = picture_of(watchlist, "BTCUSDT", LAST)
    assert not has_ink(grey, "t1")
    badges = {
        row.ticker.symbol: model.columns[AGE].cell(row)
        for row in map(model.row_at, range(model.rowCount()))
    }
    assert (badges["BTCUSDT"].text, badges["BTCUSDT"].icon) == ("16 s", "triangle-alert")
    warned = [symbol for symbol, cell in badges.items() if cell.icon]
    assert warned == ["BTCUSDT", "ATOMUSDT"]
    assert badges["ETHUSDT"].text == "0.1"
    assert has_ink(picture_of(watchlist, "ETHUSDT", LAST), "t1")


async def test_a_tiny_price_has_its_whole_figure_in_the_tooltip(window: MainWindow) -> None:
    """ux 73"""
    model = window.watchlist._model
    cell = model.index(place_of(window.watchlist, "PEPEUSDT"), LAST)
    assert model.data(cell) == "0.0₅8124"
    assert model.data(cell, Qt.ItemDataRole.ToolTipRole) == "0.000008124"
    right = model.headerData(LAST, Qt.Orientation.Horizontal, Qt.ItemDataRole.TextAlignmentRole)
    assert right & Qt.AlignmentFlag.AlignRight


def test_the_symbol_of_the_bot_in_front_is_marked_as_soon_as_it_has_a_price(
    still_bridge: Bridge, qtbot: QtBot
) -> None:
    snapshot = still_bridge.snapshot
    assert snapshot is not None
    still_bridge.take_snapshot(replace(snapshot, seq=snapshot.seq + 1, tickers=[]))
    watchlist = Watchlist(still_bridge)
    qtbot.addWidget(watchlist)
    watchlist.show()
    watchlist.select("ETHUSDT")
    assert watchlist._table.current_row() is None
    for number in (2, 4):
        still_bridge.take_snapshot(replace(snapshot, seq=snapshot.seq + number))
        assert watchlist._table.current_row().ticker.symbol == "ETHUSDT"
        still_bridge.take_snapshot(replace(snapshot, seq=snapshot.seq + number + 1, tickers=[]))
