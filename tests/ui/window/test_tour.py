"""The tour over the living demo: once by itself, skippable, again when asked; ux 76."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest

from core.snapshots import AccountMode
from ui import i18n
from ui.dialogs.tour import STOPS, Tour
from ui.main_window import MainWindow

Until = Callable[[Callable[[], Any]], Awaitable[None]]


def set_mode(server: Any, mode: AccountMode) -> None:
    accounts = [msgspec.structs.replace(a, mode=mode) for a in server.snapshot.accounts]
    seq = server.snapshot.seq + 1
    server.publish(msgspec.structs.replace(server.snapshot, seq=seq, accounts=accounts))


@pytest.fixture
async def window(
    make_window: Callable[..., MainWindow], link_server: Any, until: Until
) -> MainWindow:
    made = make_window()
    set_mode(link_server, AccountMode.DEMO)
    await until(lambda: "b1" in made._tabs and made.bridge.mode() is AccountMode.DEMO)
    return made


def press(target: Any) -> None:
    QTest.mouseClick(target, Qt.MouseButton.LeftButton)


def tour_of(window: MainWindow) -> Tour:
    assert window._tour is not None
    return window._tour


async def test_the_first_start_of_the_demo_shows_it_and_the_second_does_not(
    window: MainWindow, make_window: Callable[..., MainWindow], until: Until
) -> None:
    window.offer_tour()
    tour = tour_of(window)
    assert tour.card.title.text() == "Nothing here is real yet"
    press(tour.card.skip)
    assert window._tour is None
    window.offer_tour()
    assert window._tour is None
    again = make_window()
    await until(lambda: "b1" in again._tabs)
    again.offer_tour()
    assert again._tour is None
    window.start_tour()
    assert window._tour is not None


async def test_real_money_is_no_place_for_it(
    window: MainWindow, link_server: Any, until: Until
) -> None:
    set_mode(link_server, AccountMode.LIVE)
    await until(lambda: window.bridge.mode() is AccountMode.LIVE)
    window.offer_tour()
    assert window._tour is None


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
async def test_every_card_stands_inside_and_points_at_its_part(
    window: MainWindow, size: tuple[int, int]
) -> None:
    window.resize(*size)
    window.start_tour()
    tour = tour_of(window)
    seen = []
    for number in range(len(STOPS)):
        assert tour.number == number
        assert window.rect().contains(tour.card.geometry())
        target = tour._stops[number].find()
        assert target is not None
        assert target.isVisible()
        assert tour.ring.isVisible()
        seen.append(tour.card.title.text())
        if number + 1 < len(STOPS):
            press(tour.card.next)
    assert seen == [title for title, _ in STOPS.values()]
    press(tour.card.next)
    assert window._tour is None


async def test_the_kill_switch_works_beneath_it(
    window: MainWindow, link_server: Any, until: Until
) -> None:
    from core.commands import KillSwitch

    window.start_tour()
    tour = tour_of(window)
    for _ in range(4):
        press(tour.card.next)
    assert not tour.card.geometry().intersects(
        window.app_bar.kill.rect().translated(
            window.app_bar.kill.mapTo(window, window.app_bar.kill.rect().topLeft())
        )
    )
    press(window.app_bar.kill)
    await until(lambda: any(isinstance(c, KillSwitch) for c in link_server.commands))
    tour.end()


async def test_escape_ends_it_and_back_goes_back(window: MainWindow) -> None:
    window.start_tour()
    tour = tour_of(window)
    press(tour.card.next)
    press(tour.card.back)
    assert tour.number == 0
    assert not tour.card.back.isVisible()
    tour._escape.activated.emit()
    assert window._tour is None


async def test_it_speaks_korean(window: MainWindow) -> None:
    i18n.use("ko")
    window.start_tour()
    tour = tour_of(window)
    for _ in range(len(STOPS)):
        for part in (tour.card.title, tour.card.text, tour.card.next):
            assert re.search("[가-힣]", part.text())
        press(tour.card.next)
