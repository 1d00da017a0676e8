"""A table as a CSV file: whole figures and times, every row that is shown, in the order shown."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QStandardPaths
from PyQt6.QtWidgets import QFileDialog, QWidget

from core.commands import CommandResult
from core.storage.durable import write_atomic
from ui import formatting, tasks
from ui.i18n import tr
from ui.models.table import TableModel

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
ROWS_AT_ONCE = 25  # some 5 ms of a wide table, then the screen has its turn


async def csv_bytes(model: TableModel[Any]) -> bytes:
    """The rows as they stand now: UTF-8 with a mark, so that a spreadsheet reads Korean; text that
    a spreadsheet would run as a formula is quoted with an apostrophe.

    Written in slices: ten thousand rows take a second, for which a screen must not stand still. In
    a thread it would all the same, by the interpreter's lock.
    """
    columns, rows = model.plain_columns(), model.rows()
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    writer.writerow(model.plain_titles(columns))
    for number, row in enumerate(rows, 1):
        writer.writerow([_harmless(cell) for cell in model.plain_of(row, columns)])
        if number % ROWS_AT_ONCE == 0:
            await asyncio.sleep(0)
    return written.getvalue().encode("utf-8-sig")


def _harmless(cell: str) -> str:
    if cell.startswith(_FORMULA_STARTS) and formatting.parse(cell.rstrip(" %")) is None:
        return f"'{cell}"
    return cell


def ask_and_save(parent: QWidget, model: TableModel[Any], name: str) -> QFileDialog:
    """Ask for the file's place, then write it; `name` is proposed, without folder or ending."""
    return _ask(parent, f"{name}.csv", "CSV (*.csv)", lambda: csv_bytes(model))


def ask_and_save_text(parent: QWidget, text: str, name: str) -> QFileDialog:
    """As `ask_and_save`, for a text."""

    async def content() -> bytes:
        return text.encode()

    return _ask(parent, f"{name}.txt", "Text (*.txt)", content)


def _ask(
    parent: QWidget, name: str, kind: str, content: Callable[[], Awaitable[bytes]]
) -> QFileDialog:
    folder = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
    dialog = QFileDialog(parent, tr("Export"), folder, kind)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(Path(name).suffix.removeprefix("."))
    dialog.selectFile(str(Path(folder) / name))
    dialog.fileSelected.connect(lambda path: tasks.spawn(_save(Path(path), content())))
    dialog.finished.connect(dialog.deleteLater)
    dialog.open()
    return dialog


async def _save(path: Path, content: Awaitable[bytes]) -> None:
    try:
        await asyncio.to_thread(write_atomic, path, await content)
    except OSError as fault:
        text = f"The file could not be written: {fault.strerror or fault}."
        tasks.announce(CommandResult(0, False, text))
    else:
        tasks.tell(CommandResult(0, True, f"Saved as {path.name}."))
