"""Panels that move: where the default puts them, taking out and back, and layouts that are lies."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PyQt6.QtCore import QPoint, QSize, Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QFrame, QSplitter
from pytestqt.qtbot import QtBot

from ui import tasks
from ui.docks import Docks
from ui.panel_layouts import Arrangement, Cell, Stripe, bring_inside, is_sound, xml_of

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", r"(raise|lower)\(\)")

_CENTRE = Stripe(0, (Cell(0, ("chart",)), Cell(224, ("blotter",))))


def _choose(size: QSize) -> Arrangement:
    if size.height() >= 1000:
        return (_CENTRE, Stripe(324, (Cell(412, ("order",)), Cell(0, ("book",)))))
    return (_CENTRE, Stripe(280, (Cell(0, ("order", "book")),)))


@pytest.fixture
def docks(qtbot: QtBot) -> Docks:
    """Shown at 1640 x 1006: chart and blotter left, order and book right."""
    made = Docks()
    qtbot.addWidget(made)
    for name in ("chart", "blotter", "order", "book"):
        made.add(name, name.title(), QFrame(), scrolls=name == "order")
    made.use_default(_choose, "chart")
    made.resize(1640, 1006)
    with qtbot.waitExposed(made):  # a window manager takes its time
        made.show()
    settle()
    return made


def settle() -> None:
    QApplication.processEvents()


def place(docks: Docks, name: str) -> tuple[int, int, int, int]:
    panel = docks._panels[name]
    at = panel.mapTo(docks, QPoint(0, 0))
    return at.x(), at.y(), panel.width(), panel.height()


def places(docks: Docks) -> dict[str, tuple[int, int, int, int]]:
    return {name: place(docks, name) for name in docks.names if docks.is_open(name)}


DEFAULT = {
    "chart": (0, 0, 1312, 778),
    "blotter": (0, 782, 1312, 224),
    "order": (1316, 0, 324, 412),
    "book": (1316, 416, 324, 590),
}


def test_the_default_is_the_designs_with_four_pixels_between(docks: Docks) -> None:
    """ux 1"""
    assert places(docks) == DEFAULT


def test_the_chart_takes_what_the_window_grows_by(docks: Docks) -> None:
    docks.resize(1840, 1106)
    settle()
    assert place(docks, "chart") == (0, 0, 1512, 878)
    assert place(docks, "blotter")[3] == 224
    assert place(docks, "order")[2:] == (324, 412)


def test_the_default_follows_the_size_until_the_trader_moves_something(docks: Docks) -> None:
    """ux 2"""
    docks.resize(1004, 726)
    settle()
    assert place(docks, "order")[2] == 280
    assert docks.layout_now() == ""
    docks.resize(1640, 1006)
    settle()
    assert places(docks) == DEFAULT
    docks.close_panel("book")
    docks.resize(1004, 726)
    settle()
    assert place(docks, "order")[2] == 324
    assert not docks.is_open("book")


def test_a_layout_comes_back_and_the_default_too(docks: Docks) -> None:
    """ux 2"""
    docks.close_panel("book")
    docks.take_out("chart")
    settle()
    layout = docks.layout_now()
    docks.restore_default()
    settle()
    assert places(docks) == DEFAULT
    assert docks.restore(layout)
    settle()
    assert docks.is_floating("chart")
    assert docks._panels["chart"].isVisible()
    assert not docks.is_open("book")
    assert docks.layout_now()


def test_a_layout_given_before_the_first_showing_is_as_large_as_it_was(
    docks: Docks, qtbot: QtBot
) -> None:
    """ux 2: on the way to the screen a tab has sizes of its own."""
    docks.close_panel("book")
    layout = docks.layout_now()
    again = Docks()
    qtbot.addWidget(again)
    for name in docks.names:
        again.add(name, name.title(), QFrame())
    again.use_default(_choose, "chart")
    assert again.restore(layout)
    assert again.layout_now() == layout
    again.resize(1640, 1006)
    again.show()
    settle()
    assert places(again) == places(docks)


def test_a_window_that_is_closed_gives_its_panel_back(docks: Docks) -> None:
    """ux 5"""
    docks.caption = "BTCUSDT"
    docks.take_out("chart")
    settle()
    window = docks._panels["chart"].window()
    assert window is not docks.window()
    assert window is not None
    assert window.windowTitle() == "Chart · BTCUSDT"
    assert docks.has_floating
    window.close()
    settle()
    assert places(docks) == DEFAULT
    assert not docks.has_floating


def test_a_tab_taken_out_leaves_in_front_what_was_in_front(docks: Docks) -> None:
    docks.resize(1004, 726)
    settle()
    docks.take_out("book")
    settle()
    assert docks._panels["order"].isVisible()
    docks.put_back("book")
    settle()
    assert docks._panels["order"].isVisible()


def test_a_panel_alone_is_no_higher_than_what_is_in_it(docks: Docks, qtbot: QtBot) -> None:
    docks._panels["order"].widget().setFixedHeight(300)  # type: ignore[attr-defined]
    docks.take_out("order")
    settle()
    window = docks._panels["order"].window()
    assert window is not None
    qtbot.waitUntil(lambda: 300 <= window.height() <= 340)  # X11 answers later


@pytest.mark.parametrize("name", ["blotter", "order", "book"])
def test_every_panel_finds_back_to_its_place(docks: Docks, name: str) -> None:
    docks.take_out(name)
    settle()
    docks.put_back(name)
    settle()
    assert places(docks) == DEFAULT


def test_a_closed_panel_comes_back_where_it_was(docks: Docks) -> None:
    docks.close_panel("order")
    settle()
    assert place(docks, "book") == (1316, 0, 324, 1006)
    docks.put_back("order")
    settle()
    assert places(docks) == DEFAULT


def dock_of(docks: Docks, name: str) -> Any:
    assert docks._site is not None
    return docks._site._docks[name]


def drag_head(docks: Docks, name: str, to: QPoint) -> None:
    """The head of a panel's area, by the mouse; an invisible one too."""
    area = dock_of(docks, name).dockAreaWidget()
    assert area is not None
    bar = area.titleBar()
    assert bar is not None
    held = dock_of(docks, name).tabWidget() or bar
    start = held.rect().center()
    QTest.mousePress(held, Qt.MouseButton.LeftButton, pos=start)
    for step in range(1, 5):
        QTest.mouseMove(held, start + (to - start) * step / 4)
    settle()
    QTest.mouseRelease(held, Qt.MouseButton.LeftButton, pos=to)
    settle()


def heads(docks: Docks) -> list[bool]:
    assert docks._site is not None
    return [a.titleBar().isVisible() for a in docks._site._manager.openedDockAreas()]


def test_locked_dragging_a_head_changes_nothing(docks: Docks) -> None:
    """ux 4"""
    docks.set_locked(False)
    settle()
    assert all(heads(docks))
    docks.set_locked(True)
    settle()
    assert not any(heads(docks))
    assert places(docks) == DEFAULT
    drag_head(docks, "book", QPoint(-700, 300))
    assert places(docks) == DEFAULT
    assert not docks.has_floating


def test_unlocked_a_double_click_on_a_head_takes_a_panel_out(docks: Docks) -> None:
    docks.set_locked(False)
    settle()
    QTest.mouseDClick(dock_of(docks, "book").tabWidget(), Qt.MouseButton.LeftButton)
    settle()
    assert docks.is_floating("book")
    assert docks.layout_now()


@pytest.mark.parametrize("is_docking", [False, True])
def test_a_border_that_is_dragged_is_the_traders_own_layout(docks: Docks, is_docking: bool) -> None:
    if is_docking:
        docks.restore(xml_of(_choose(docks.size()), docks.size()))
        settle()
    splitter = next(
        s for s in docks.findChildren(QSplitter)
        if s.isAncestorOf(docks._panels["chart"]) and s.orientation() is Qt.Orientation.Horizontal
    )  # fmt: skip
    handle = splitter.handle(1)
    assert handle is not None
    at = handle.rect().center()
    moved = []
    docks.changed.connect(lambda: moved.append(1))
    QTest.mousePress(handle, Qt.MouseButton.LeftButton, pos=at)
    QTest.mouseMove(handle, at + QPoint(-40, -40))
    QTest.mouseRelease(handle, Qt.MouseButton.LeftButton, pos=at + QPoint(-40, -40))
    settle()
    assert moved
    assert place(docks, "chart")[2] == 1272
    layout = docks.layout_now()
    docks.restore_default()
    assert docks.restore(layout)
    settle()
    assert place(docks, "chart")[2] == 1272
    assert place(docks, "blotter")[3] == 224


def test_what_is_hidden_for_room_is_no_part_of_the_layout(docks: Docks) -> None:
    docks.take_out("chart")
    open_before = docks.layout_now()
    docks.hide_for_room("order", "book")
    settle()
    assert not docks.is_open("order")
    assert docks.layout_now().count('Closed="0"') == open_before.count('Closed="0"') == 4
    docks.show_again()
    assert docks.is_open("order")


def test_while_a_column_is_hidden_the_chart_has_its_room(docks: Docks) -> None:
    docks.hide_for_room("order", "book")
    settle()
    assert place(docks, "chart")[2] == 1640
    docks.show_again()
    settle()
    assert places(docks) == DEFAULT


def test_a_window_on_a_screen_that_is_gone_comes_inside(docks: Docks) -> None:
    docks.take_out("book")
    window = docks._panels["book"].window()
    assert window is not None
    window.move(20_000, -9_000)
    layout = docks.layout_now()
    docks.restore_default()
    assert docks.restore(layout)
    settle()
    back = docks._panels["book"].window()
    screen = QApplication.primaryScreen()
    assert back is not None
    assert screen is not None
    assert screen.availableGeometry().contains(back.frameGeometry().center())
    kept = back.pos()
    bring_inside(back)
    assert back.pos() == kept


def test_where_the_library_has_no_wheel_the_default_stands_and_it_is_said(
    docks: Docks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ui.docking", None)
    told: list[str] = []
    tasks.refused.connect(told.append)
    docks.take_out("chart")
    docks.set_locked(False)
    docks.close_panel("book")
    tasks.refused.disconnect(told.append)
    assert told == ["Panels cannot be moved on this computer."] * 3
    assert docks.is_locked
    settle()
    assert places(docks) == DEFAULT


def test_a_layout_that_is_none_of_ours_leaves_the_default(docks: Docks) -> None:
    """ux 7: the library ends the process for some of these."""
    docks.close_panel("book")
    good = docks.layout_now()
    for bad in (
        "nonsense", "<a/>", good[: len(good) // 2], good.replace("Count", "Cnt"),
        good.replace('Name="book"', 'Name="chart"'), good.replace('Name="book"', 'Name="dom"'),
        good.replace('Tabs="1"', 'Tabs="7"'), good.replace("<Sizes>", "<Sizes>99999999 "),
        good.replace('Orientation="|"', 'Orientation="x"'),
        good.replace("?>", '?><!DOCTYPE x [<!ENTITY a "b">]>'),
        good.replace('Containers="1"', 'Containers="3"'),
    ):  # fmt: skip
        assert bad != good
        assert not docks.restore(bad)
        settle()
        assert places(docks) == DEFAULT
    assert docks.restore(good)


_GOOD = (
    '<QtAdvancedDockingSystem Version="1" UserVersion="0" Containers="1"><Container Floating="0">'
    '<Splitter Orientation="-" Count="2"><Area Tabs="1" Current="a" Flags="1">'
    '<Widget Name="a" Closed="0"/></Area><Area Tabs="1" Current="b" Flags="1">'
    '<Widget Name="b" Closed="0"/></Area><Sizes>1 2 </Sizes></Splitter></Container>'
    "</QtAdvancedDockingSystem>"
)


@given(st.integers(0, len(_GOOD) - 1), st.sampled_from("0x</> \"'"))
def test_a_changed_character_is_refused_or_harmless(at: int, put: str) -> None:
    """ux 7: what is let through still has every panel once and counts that are true."""
    text = _GOOD[:at] + put + _GOOD[at + 1 :]
    if is_sound(text, ("a", "b")):
        assert text.count("<Widget ") == 2
        assert 'Name="a"' in text.replace("'", '"')
        assert text.count("<Area") == 2
    assert is_sound(_GOOD, ("b", "a"))
    assert not is_sound(_GOOD, ("a",))
