"""The order book: sums, standing still under the mouse, a price at a click."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from PyQt6.QtCore import QEvent, QPoint, QPointF, QRect, Qt
from PyQt6.QtGui import QEnterEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication
from sample_engine import sample_instruments

from core.models.books import BookLevel, OrderBookSnapshot
from ui import theme
from ui.widgets.order_book import BookRows, levels_of

LEFT = Qt.MouseButton.LeftButton
BTC = next(i for i in sample_instruments() if i.symbol == "BTCUSDT")


def book(best_bid: str = "67074.5", rows: int = 6) -> OrderBookSnapshot:
    bid, tick = Decimal(best_bid), Decimal("0.1")
    bids = tuple(BookLevel(bid - n * tick, Decimal(n + 1)) for n in range(rows))
    asks = tuple(BookLevel(bid + (n + 1) * tick, Decimal(n + 1)) for n in range(rows))
    return OrderBookSnapshot("bybit", "BTCUSDT", bids, asks, 1)


@pytest.fixture
def rows(qapp: QApplication) -> BookRows:
    made = BookRows()
    made.resize(300, made.height())
    made.show_book(book(), BTC)
    return made


def enter(rows: BookRows) -> None:
    at = QPointF(10, 10)
    rows.enterEvent(QEnterEvent(at, at, at))


def middle_of(rows: BookRows, price: str) -> QPoint:
    number = [level.price for level in rows.levels].index(Decimal(price))
    return rows._area_of(number).center().toPoint()


def test_sums_grow_from_the_best_price_and_asks_stand_on_top():
    levels = levels_of(book(), 3)
    assert [str(level.price) for level in levels] == [
        "67074.8", "67074.7", "67074.6", "67074.5", "67074.4", "67074.3",
    ]  # fmt: skip
    assert [level.total for level in levels] == [6, 3, 1, 1, 3, 6]


def test_between_the_sides_stands_the_last_price_in_the_hue_of_its_step(rows: BookRows) -> None:
    def hues() -> set[str]:
        picture = rows.grab(QRect(0, 64, rows.width(), 20)).toImage()
        points = itertools.product(range(picture.width()), range(picture.height()))
        return {picture.pixelColor(x, y).name() for x, y in points}

    up, down = theme.color("up").name(), theme.color("down").name()
    rows.show_last(Decimal("67074.5"))
    assert not {up, down} & hues()
    rows.show_last(Decimal("67074.6"))
    assert up in hues()
    rows.show_last(Decimal("67074.4"))
    assert down in hues()


def test_ux_51_a_click_on_a_level_gives_its_price(rows: BookRows) -> None:
    chosen: list[Decimal] = []
    rows.chosen.connect(chosen.append)
    QTest.mouseClick(rows, LEFT, pos=middle_of(rows, "67074.4"))
    QTest.mouseClick(rows, LEFT, pos=middle_of(rows, "67074.7"))
    assert chosen == [Decimal("67074.4"), Decimal("67074.7")]


def test_ux_51_rows_stand_still_under_the_mouse_and_go_on_when_it_leaves(rows: BookRows) -> None:
    enter(rows)
    before = rows.levels
    rows.show_book(book("68000.0"), BTC)
    assert rows.levels == before
    rows.leaveEvent(QEvent(QEvent.Type.Leave))
    assert rows.levels[-1].price < Decimal(68000) < rows.levels[0].price


def test_ux_51_a_click_whose_price_changed_between_press_and_release_is_dropped(
    rows: BookRows,
) -> None:
    chosen: list[Decimal] = []
    rows.chosen.connect(chosen.append)
    at = middle_of(rows, "67074.5")
    QTest.mousePress(rows, LEFT, pos=at)
    rows.show_book(book("67074.6"), BTC)
    QTest.mouseRelease(rows, LEFT, pos=at)
    assert chosen == []


@pytest.mark.parametrize("shown", [None, book(rows=1), book(rows=0)])
def test_a_short_or_missing_book_is_painted_and_clicked_without_harm(
    rows: BookRows, shown: OrderBookSnapshot | None
) -> None:
    rows.show_book(shown, BTC)
    rows.grab()
    for y in range(0, rows.height(), 5):
        QTest.mouseClick(rows, LEFT, pos=QPoint(20, y))
