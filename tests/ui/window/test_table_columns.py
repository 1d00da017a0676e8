"""ux 8: the columns of every table are the trader's: order, width, which there are, sorted by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QHeaderView
from pytestqt.qtbot import QtBot

from ui import export, table_memory
from ui.models.table import Cell, Column, TableModel
from ui.table_memory import ColumnChoice
from ui.widgets.table_view import DataTable

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")
Row = tuple[str, Decimal]
_ROWS = [("btc", Decimal(9)), ("eth", Decimal(10)), ("sol", Decimal(1))]
Make = Callable[[], DataTable]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    table_memory.load(tmp_path)
    yield tmp_path
    table_memory.load(tmp_path / "nowhere")


@pytest.fixture
def make(qtbot: QtBot) -> Make:
    """Shown tables of the same name, 600 px wide."""

    def made() -> DataTable:
        columns: list[Column[Row]] = [
            Column("Symbol", lambda r: Cell(r[0]), 100, lambda r: r[0]),
            Column("Size", lambda r: Cell(f"{r[1]}"), 80, lambda r: r[1], right=True),
            Column("What", lambda r: Cell(""), 120, stretch=1),
            Column("", lambda r: Cell("Close"), 60),
        ]
        model = TableModel(columns, key=lambda r: r[0])
        model.set_rows(_ROWS)
        table = DataTable(model, name="Things")
        qtbot.addWidget(table)
        table.resize(600, 200)
        table.show()
        return table

    return made


def heads(table: DataTable) -> QHeaderView:
    found = table.horizontalHeader()
    assert found is not None
    return found


def seen(table: DataTable) -> list[tuple[str, int]]:
    """(title, width) from left to right."""
    header = heads(table)
    order = [header.logicalIndex(i) for i in range(header.count())]
    return [
        (table.arranged._keys[i], header.sectionSize(i))
        for i in order
        if not header.isSectionHidden(i)
    ]


def written(table: DataTable) -> None:
    """The wait before it is written is over."""
    table.arranged._timer.timeout.emit()


def symbols(table: DataTable) -> list[str]:
    model = table._columns
    return [model.row_at(i)[0] for i in range(model.rowCount())]


def test_as_delivered_one_column_takes_the_rest(make: Make) -> None:
    assert seen(make()) == [("Symbol", 100), ("Size", 80), ("What", 360), ("#3", 60)]


def test_a_column_is_dragged_to_another_place_and_width_and_stays_there(make: Make) -> None:
    table = make()
    heads(table).moveSection(1, 0)
    border = QPoint(heads(table).sectionViewportPosition(0) + 100 - 1, 10)
    view = heads(table).viewport()
    assert view is not None
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=border)
    QTest.mouseMove(view, border + QPoint(50, 0))
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=border + QPoint(50, 0))
    QApplication.processEvents()
    written(table)
    again = make()
    assert seen(again) == [("Size", 80), ("Symbol", 150), ("What", 310), ("#3", 60)]


def test_a_column_is_left_out_and_comes_back(make: Make, folder: Path) -> None:
    table = make()
    actions = [a for a in table.arranged.make_menu().actions() if a.text()]
    assert [a.text() for a in actions] == [
        "Symbol", "Size", "What", "Restore columns", "Export as CSV",
    ]  # fmt: skip
    actions[1].trigger()
    assert [title for title, _ in seen(table)] == ["Symbol", "What", "#3"]
    written(table)
    table_memory.load(folder)
    again = make()
    assert [title for title, _ in seen(again)] == ["Symbol", "What", "#3"]
    again.arranged.restore()
    assert seen(again) == [("Symbol", 100), ("Size", 80), ("What", 360), ("#3", 60)]
    written(again)
    assert table_memory.choice_of("Things") == ColumnChoice()


def test_the_last_column_cannot_be_left_out(make: Make) -> None:
    table = make()
    for number in range(4):
        table.arranged.show_column(number, False)
    assert len(seen(table)) == 1


def test_sorting_is_by_value_and_kept(make: Make) -> None:
    """Nine stands before ten."""
    table = make()
    table._sort_by(1)
    assert symbols(table) == ["eth", "btc", "sol"]
    table._sort_by(1)
    assert symbols(table) == ["sol", "btc", "eth"]
    written(table)
    assert symbols(make()) == ["sol", "btc", "eth"]


async def test_an_export_has_every_row_and_column(make: Make) -> None:
    table = make()
    table.arranged.show_column(1, False)
    lines = (await export.csv_bytes(table._columns)).decode("utf-8-sig").splitlines()
    assert lines[0].startswith("Symbol,Size")
    assert len(lines) == 1 + len(_ROWS)


async def test_a_long_export_lets_the_screen_go_on_and_keeps_to_what_stood_at_its_start() -> None:
    columns: list[Column[int]] = [Column("Number", lambda n: Cell(str(n)), 80)]
    model: TableModel[int] = TableModel(columns, key=lambda n: n)
    model.set_rows(range(10_000))
    turns = 0

    async def screen() -> None:
        nonlocal turns
        while True:
            turns += 1
            model.set_rows([turns])
            await asyncio.sleep(0)

    others = asyncio.create_task(screen())
    written = await export.csv_bytes(model)
    others.cancel()
    assert turns >= 10_000 // export.ROWS_AT_ONCE
    assert written.decode("utf-8-sig").split()[1:] == [str(n) for n in range(10_000)]


def test_columns_of_another_version_count_for_nothing(make: Make) -> None:
    table_memory.keep(
        "Things",
        ColumnChoice(("Gone", "What", "Symbol"), {"Gone": 9}, frozenset({"Gone"}), "Gone", True),
    )
    table = make()
    assert [title for title, _ in seen(table)] == ["What", "Symbol", "Size", "#3"]
    assert symbols(table) == ["btc", "eth", "sol"]


@pytest.mark.parametrize("content", [b"\xff", b"[1]", b'{"Things": {"widths": "wide"}}'])
def test_a_broken_file_is_kept_as_backup(make: Make, folder: Path, content: bytes) -> None:
    (folder / "tables.json").write_bytes(content)
    table_memory.load(folder)
    assert (folder / "tables.json.bak").read_bytes() == content
    assert seen(make())[0] == ("Symbol", 100)
