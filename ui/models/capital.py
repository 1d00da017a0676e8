"""Columns of the ledger's lines."""

from __future__ import annotations

from typing import NamedTuple

from core.snapshots import LedgerLine
from ui import formatting
from ui.bridge import Bridge
from ui.i18n import sentence, tr
from ui.models import words
from ui.models.table import Cell, Column, TableModel

_MEDIUM = 500


class NumberedLine(NamedTuple):
    """A ledger line and its place from the newest."""

    number: int
    line: LedgerLine


def ledger(bridge: Bridge) -> TableModel[NumberedLine]:
    columns: list[Column[NumberedLine]] = [
        Column("Time", lambda r: Cell(formatting.clock(r.line.time_ms), "t3",
               tool_tip=formatting.date_time(r.line.time_ms)), 84),
        Column("Kind", lambda r: Cell(tr(words.LEDGER_KINDS.get(r.line.kind, r.line.kind)),
               weight=600), 96),
        Column("What", lambda r: Cell(formatting.veiled(sentence(r.line.text)), "t2",
               tool_tip=formatting.veiled(sentence(r.line.text))), 120, stretch=1),
        Column("Amount", lambda r: Cell(formatting.money(r.line.amount, bridge.capital.currency),
               weight=_MEDIUM), 92,
               right=True),
    ]  # fmt: skip
    return TableModel(columns, key=lambda r: r.number)
