"""What is green or red says the same by a sign, an arrow or a word; a trader may not see it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from PyQt6.QtWidgets import QLabel

from ui import i18n
from ui.main_window import MainWindow
from ui.models.table import Cell, TableModel
from ui.tabs import PAGES
from ui.widgets.basic import ChangeLabel
from ui.widgets.table_view import DataTable

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")
Until = Callable[[Callable[[], Any]], Awaitable[None]]
TELLING = re.compile(r"[+−▲▼]|Buy|Sell|Long|Short|매수|매도|롱|숏")


@pytest.fixture
async def window(make_window: Callable[[], MainWindow], until: Until) -> MainWindow:
    made = make_window()
    await until(lambda: "b1" in made._tabs)
    for page in PAGES:
        made.show_page(page.title)
    for bot_id in ("b2", "b3", "b1"):
        made.show_bot(bot_id)
    return made


def coloured_labels(window: MainWindow) -> list[QLabel]:
    return [
        shown
        for shown in window.findChildren(QLabel)
        if shown.property("tone") in ("up", "down") and shown.text()
    ]


def coloured_cells(window: MainWindow) -> list[tuple[str, Cell]]:
    """With the title of their column, of every table."""
    found = []
    for table in window.findChildren(DataTable):
        model = table.model()
        assert isinstance(model, TableModel)
        for number in range(model.rowCount()):
            for column in model.columns:
                cell = column.cell(model.row_at(number))
                if cell.tone in ("up", "down") and cell.text:
                    found.append((column.title, cell))
    return found


def tells(shown: QLabel) -> bool:
    """By itself, or by the arrow of the change beside it (a price beside its change)."""
    parent = shown.parentWidget()
    changes = parent.findChildren(ChangeLabel) if parent is not None else []
    return bool(TELLING.search(shown.text()) or any(change._direction for change in changes))


@pytest.mark.parametrize("language", ["en", "ko"])
async def test_every_coloured_text_tells_it_without_the_colour(
    window: MainWindow, language: str
) -> None:
    """ux 72"""
    i18n.use(language)
    labels, cells = coloured_labels(window), coloured_cells(window)
    assert len(labels) > 10
    assert len(cells) > 30
    assert [(type(one.parent()).__name__, one.text()) for one in labels if not tells(one)] == []
    silent = [(t, c.text) for t, c in cells if not (c.arrow or TELLING.search(c.text))]
    assert silent == []
