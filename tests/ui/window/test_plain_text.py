"""Text from outside is plain text everywhere: never a link, a picture, another font; S7."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QTextDocument
from PyQt6.QtWidgets import QLabel, QWidget

from core.snapshots import Notice
from ui.main_window import MainWindow
from ui.plain import tip

Until = Callable[[Callable[[], Any]], Awaitable[None]]
HOSTILE = "<a href='http://evil'>retry</a> <img src='file:///home/picture.png'> <b>now</b>"


@pytest.fixture
async def window(make_window: Callable[..., MainWindow], until: Until) -> MainWindow:
    made = make_window()
    await until(lambda: "b1" in made._tabs)
    return made


async def test_no_label_of_the_window_guesses_at_markup(window: MainWindow) -> None:
    for page in ("Capital", "Trail"):
        window.show_page(page)
    labels = window.findChildren(QLabel)
    assert len(labels) > 100
    guessing = [one for one in labels if one.textFormat() is not Qt.TextFormat.PlainText]
    assert [(type(one.parent()).__name__, one.text()) for one in guessing] == []


async def test_what_an_exchange_says_is_shown_as_it_stands(
    window: MainWindow, link_server: Any, until: Until
) -> None:
    snapshot = link_server.snapshot
    links = [msgspec.structs.replace(c, detail=HOSTILE) for c in snapshot.connections]
    bots = [msgspec.structs.replace(b, state_text=HOSTILE) for b in snapshot.bots]
    seq = snapshot.seq + 1
    link_server.publish(msgspec.structs.replace(snapshot, seq=seq, connections=links, bots=bots))
    link_server.feed(Notice("danger", "Bybit", HOSTILE, toast=True))
    await until(lambda: any(HOSTILE in one.text() for one in window.findChildren(QLabel)))
    await until(lambda: any("evil" in one.toolTip() for one in window.findChildren(QWidget)))
    for part in window.findChildren(QWidget):
        told = part.toolTip()
        if "evil" in told:
            assert HOSTILE in shown(told)
    for named in window.findChildren(QLabel):
        assert named.textFormat() is Qt.TextFormat.PlainText


def shown(tool_tip: str) -> str:
    """What the trader reads of a tooltip."""
    if not Qt.mightBeRichText(tool_tip):  # type: ignore[attr-defined]  # missing in its stubs
        return tool_tip
    document = QTextDocument()
    document.setHtml(tool_tip)
    return document.toPlainText()


@given(st.text(alphabet=st.characters(codec="ascii", min_codepoint=32), max_size=80))
def test_a_tooltip_reads_as_its_text(text: str) -> None:
    for hostile in (text, f"<b>{text}</b>", f"{HOSTILE}{text}"):
        read = shown(tip(hostile))
        assert " ".join(read.split()) == " ".join(hostile.split())
