"""Toasts are titled for people and a flood of them stays readable."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PyQt6.QtWidgets import QApplication, QWidget

from ui import i18n
from ui.models.words import part_title
from ui.widgets.toasts import Toaster

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", r"raise\(\)")


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def toaster(qapp: QApplication, clock: Clock) -> Iterator[Toaster]:
    i18n.use("en")
    window = QWidget()
    window.resize(1000, 700)
    yield Toaster(window, 38, clock)
    window.deleteLater()


def titles(toaster: Toaster) -> list[str]:
    return [toast._heading.whole_text for toast in toaster._toasts]


def test_the_same_words_are_counted_in_one_toast(toaster: Toaster) -> None:
    for _ in range(40):
        toaster.show_toast("warning", "Account watch", "The stream is away.")
    assert titles(toaster) == ["Account watch × 40"]


def test_what_comes_too_fast_is_counted_and_goes_on_later(toaster: Toaster, clock: Clock) -> None:
    for i in range(60):
        toaster.show_toast("info", "Filled", f"number {i}")
    assert titles(toaster)[0] == "54 more messages"
    assert len(toaster._toasts) == 3
    clock.now_s = 6.0
    toaster.show_toast("info", "Filled", "later")
    assert titles(toaster)[0] == "Filled"


def test_an_information_never_pushes_a_danger_away(toaster: Toaster) -> None:
    toaster.show_toast("danger", "Risk", "Loss of today is above 3 %.")
    for i in range(5):
        toaster.show_toast("info", "Filled", f"number {i}")
    assert titles(toaster) == ["Filled", "Filled", "Risk"]


@pytest.mark.parametrize(
    ("part", "title"),
    [
        ("bybit-demo: watch", "Account watch · bybit-demo"),
        ("demo: reconciliation", "Reconciliation · demo"),
        ("bybit: candle files", "Candle files · Bybit"),
        ("BTCUSDT: protection", "Protection · BTCUSDT"),
        ("order rsi_BTC_1_a", "Orders"),
        ("asking for rsi_BTC_1_a", "Orders"),
        ("cancel of rsi_BTC_1_a", "Orders"),
        ("link: snapshots", "Screen link"),
        ("market data", "Market data"),
        ("risk", "Risk"),
        ("Denied", "Denied"),
        ("demo", "Account · demo"),
        ("btcusdt-15m", "Bot · BTCUSDT 15m"),
    ],
)
def test_a_part_has_a_name_for_people(part: str, title: str, qapp: QApplication) -> None:
    i18n.use("en")
    owners = {"demo": "Account · demo", "btcusdt-15m": "Bot · BTCUSDT 15m"}
    assert part_title(part, owners) == title
