"""Text from outside is plain text everywhere: never a link, a picture, another font; S7."""

from __future__ import annotations

import ast
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from every_dialog import DIALOGS, names_of_all, with_hostile_words
from hypothesis import given
from hypothesis import strategies as st
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QTextDocument
from PyQt6.QtWidgets import QApplication, QLabel, QWidget
from scan_samples import SCANNER, scanning_engine

from core.snapshots import Notice
from ui import tasks
from ui.main_window import MainWindow
from ui.plain import tip
from ui.tabs import PAGES
from ui.widgets.buttons import ActionButton
from ui.widgets.statistics import StatisticsPanel

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", r"raise\(\)", "grabbing the keyboard")
Until = Callable[[Callable[[], Any]], Awaitable[None]]
ROOT = Path(__file__).resolve().parents[3]
HOSTILE = "<a href='http://evil'>retry</a> <img src='file:///home/picture.png'> <b>now</b>"
# what shows markup by itself, or a text that is taken for it
MARKUP = {
    "QMessageBox", "QTextBrowser", "QTextEdit", "setHtml", "insertHtml", "appendHtml",
    "setMarkdown", "RichText", "AutoText", "MarkdownText", "setWhatsThis",
}  # fmt: skip


@pytest.fixture
async def window(
    make_window: Callable[..., MainWindow], link_server: Any, until: Until
) -> MainWindow:
    """At an exchange, with bots, whose words are hostile; every page has been open."""
    link_server.publish(with_hostile_words(scanning_engine(), HOSTILE))
    made = make_window()
    await until(lambda: SCANNER in made.bridge.bots and "b1" in made._tabs)
    for bot_id in made.bridge.bots:
        made.show_bot(bot_id)
    for page in PAGES:
        made.show_page(page.title)
    made.show_bot("b1")
    return made


def shown(tool_tip: str) -> str:
    """What the trader reads of a tooltip."""
    if not Qt.mightBeRichText(tool_tip):  # type: ignore[attr-defined]  # missing in its stubs
        return tool_tip
    document = QTextDocument()
    document.setHtml(tool_tip)
    return document.toPlainText()


def parts_of(top: QWidget) -> list[QWidget]:
    return [top, *top.findChildren(QWidget)]


def guessing(parts: Iterable[QWidget]) -> list[tuple[str, str]]:
    """Labels that would read markup in their text, with where they are."""
    return [
        (type(part.parent()).__name__, part.text())
        for part in parts
        if isinstance(part, QLabel) and part.textFormat() is not Qt.TextFormat.PlainText
    ]


def obeying(parts: Iterable[QWidget]) -> list[str]:
    """Tooltips that would make a link or a picture of what is hostile in them."""
    tips = [part.toolTip() for part in parts if "evil" in part.toolTip()]
    return [told for told in tips if HOSTILE not in shown(told)]


async def test_no_label_of_any_window_guesses_at_markup(
    window: MainWindow, qapp: QApplication
) -> None:
    window.open_log()
    window.tab_stack.take_out("b2")
    qapp.processEvents()
    parts = qapp.allWidgets()
    assert sum(isinstance(part, QLabel) for part in parts_of(window._log)) > 0
    assert sum(isinstance(part, QLabel) for part in parts) > 300
    assert guessing(parts) == []
    assert obeying(parts) == []


async def test_what_an_exchange_says_is_shown_as_it_stands(
    window: MainWindow, link_server: Any, until: Until
) -> None:
    link_server.feed(Notice("danger", "Bybit", HOSTILE, toast=True))
    tasks.refused.emit(HOSTILE)
    await until(lambda: len(window.toaster._toasts) == 2)
    assert {toast._body.whole_text for toast in window.toaster._toasts} == {HOSTILE}
    parts = parts_of(window)
    assert any(HOSTILE in part.text() for part in parts if isinstance(part, QLabel))
    assert sum("evil" in part.toolTip() for part in parts) > 5
    assert obeying(parts) == []
    assert guessing(parts) == []


def test_every_dialog_is_opened_here() -> None:
    assert names_of_all() == set(DIALOGS)


async def test_no_dialog_guesses_at_markup(
    window: MainWindow, qapp: QApplication, calm: Callable[[], Awaitable[None]]
) -> None:
    found: dict[str, list[Any]] = {}
    for name, make in DIALOGS.items():
        dialog = make(window)
        dialog.open()
        qapp.processEvents()
        parts = parts_of(dialog)
        assert any(isinstance(part, QLabel) for part in parts) or name == "Palette"
        found[name] = [*guessing(parts), *obeying(parts)]
        dialog.reject()
    await calm()
    assert {name: faults for name, faults in found.items() if faults} == {}


async def test_a_reason_why_a_button_is_off_is_read_as_it_stands(qapp: QApplication) -> None:
    button = ActionButton("Pause", _nothing)
    button.set_allowed(HOSTILE)
    assert shown(button.toolTip()) == HOSTILE


async def _nothing() -> None:
    """Asks for nothing."""


async def test_an_ampersand_in_a_name_is_a_letter_and_no_key(
    window: MainWindow, link_server: Any, until: Until
) -> None:
    snapshot, replace = link_server.snapshot, msgspec.structs.replace
    *others, scanner = snapshot.bots
    statistics = replace(snapshot.capital.statistics, bots=[SCANNER])
    link_server.publish(
        replace(
            snapshot,
            seq=snapshot.seq + 1,
            bots=[*others, replace(scanner, name="R&D")],
            capital=replace(snapshot.capital, statistics=statistics),
        )
    )
    window.show_page("Capital")
    plate = window.app_bar._bots[SCANNER]
    await until(lambda: plate.text() == "R&D")
    assert plate.shortcut().isEmpty()
    assert window.workspaces.create("P&L") == ""
    assert window.workspaces.make_menu().actions()[1].text().startswith("P&&L")
    panel = window.findChildren(StatisticsPanel)[0]
    panel._fill_menu()
    assert any(action.text().startswith("R&&D") for action in panel._menu.actions())


def names_in(path: Path) -> set[str]:
    """Every name and attribute that a file speaks of."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    return {node.id for node in nodes if isinstance(node, ast.Name)} | {
        node.attr for node in nodes if isinstance(node, ast.Attribute)
    }


def test_nothing_that_shows_markup_is_used() -> None:
    found = {
        (path.name, name)
        for path in (ROOT / "ui").rglob("*.py")
        for name in MARKUP & names_in(path)
    }
    assert found == set()


@given(st.text(alphabet=st.characters(codec="ascii", min_codepoint=32), max_size=80))
def test_a_tooltip_reads_as_its_text(text: str) -> None:
    for hostile in (text, f"<b>{text}</b>", f"{HOSTILE}{text}"):
        read = shown(tip(hostile))
        assert " ".join(read.split()) == " ".join(hostile.split())
