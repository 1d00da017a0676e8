"""Columns of the capital page: capital by symbol, and the ledger."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from core.snapshots import CapitalSlice, LedgerLine
from ui import formatting
from ui.bridge import Bridge
from ui.i18n import sentence, tr
from ui.models import words
from ui.models.table import Cell, Column, TableModel
from ui.models.words import tone_of

_MEDIUM = 500


class NumberedLine(NamedTuple):
    """A ledger line and its place from the newest."""

    number: int
    line: LedgerLine


def slices(bridge: Bridge, limit: Callable[[], float]) -> TableModel[CapitalSlice]:
    """`limit` gives the largest share (0..1) that one position may have."""

    def bot(row: CapitalSlice) -> Cell:
        link = bridge.bots.get(row.bot_id)
        return Cell(f"{link.latest.kind} {link.latest.timeframe}" if link else row.bot_id, "t2")

    def fill_ratio(row: CapitalSlice) -> float:
        most = limit()
        return float(row.share) / most if most > 0 else 0.0

    def share_tone(row: CapitalSlice) -> str:
        return "warnf" if fill_ratio(row) >= 0.8 else "accent"

    def pnl(row: CapitalSlice) -> Cell:
        value = row.unrealized_pnl
        if value is None:
            return Cell(formatting.UNKNOWN, "t3")
        arrow = 0 if value == 0 else (1 if value > 0 else -1)
        return Cell(formatting.money(value, sign=True), tone_of(value), _MEDIUM, arrow=arrow)

    columns: list[Column[CapitalSlice]] = [
        Column("Symbol", lambda r: Cell(r.symbol, weight=600), 92, lambda r: r.symbol),
        Column("Bot", bot, 108, stretch=1),
        Column("Amount", lambda r: Cell(formatting.money(r.amount), weight=_MEDIUM), 88,
               lambda r: r.amount, right=True),
        Column("Share of limit", lambda r: Cell("", share_tone(r), bar=fill_ratio(r)), 100,
               lambda r: r.share),
        Column("", lambda r: Cell(formatting.percent(r.share, 1, sign=False),
               "warn" if fill_ratio(r) >= 0.8 else "t1", _MEDIUM), 64, right=True),
        Column("PnL", pnl, 84, lambda r: r.unrealized_pnl, right=True),
        Column("State", lambda r: Cell(tr("Locked") if r.state == "locked" else tr("Reserved"),
               "t1" if r.state == "locked" else "accent"), 84),
    ]  # fmt: skip
    return TableModel(columns, key=lambda r: (r.symbol, r.bot_id, r.state))


def ledger() -> TableModel[NumberedLine]:
    columns: list[Column[NumberedLine]] = [
        Column("Time", lambda r: Cell(formatting.clock(r.line.time_ms), "t3",
               tool_tip=formatting.date_time(r.line.time_ms)), 84),
        Column("Kind", lambda r: Cell(tr(words.LEDGER_KINDS.get(r.line.kind, r.line.kind)),
               weight=600), 96),
        Column("What", lambda r: Cell(sentence(r.line.text), "t2",
               tool_tip=sentence(r.line.text)), 120, stretch=1),
        Column("Amount", lambda r: Cell(formatting.money(r.line.amount), weight=_MEDIUM), 92,
               right=True),
    ]  # fmt: skip
    return TableModel(columns, key=lambda r: r.number)
