"""Columns of the trade journal, what of it is shown, and what that adds up to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import NamedTuple

from core.journal.entries import JournalEntry
from ui import formatting
from ui.bridge import Bridge
from ui.i18n import sentence, tr
from ui.models import words
from ui.models.cells import MEDIUM, Figures, change_cell, side_cell, time_cell
from ui.models.table import Cell, Column, TableModel
from ui.models.words import tone_of

ALL, WON, LOST = "All", "Won", "Lost"
RESULTS = (ALL, WON, LOST)
PERIODS = (("1D", 1), ("1W", 7), ("1M", 30), ("3M", 90), ("All", 0))


class JournalFilter(NamedTuple):
    """`words` all have to be in a trip's texts; `since` is the first trading day ("2026-11-20"),
    "" for all."""

    words: tuple[str, ...] = ()
    result: str = ALL
    since: str = ""

    def passes(self, entry: JournalEntry, texts: Callable[[JournalEntry], str]) -> bool:
        net = entry.trip.net_result
        if (self.result == WON and net <= 0) or (self.result == LOST and net >= 0):
            return False
        if self.since and entry.day < self.since:
            return False
        return not self.words or all(word in texts(entry) for word in self.words)


class Totals(NamedTuple):
    """`net` by currency: sums of different money are no sum."""

    trips: int
    won: int
    net: dict[str, Decimal]
    fees: dict[str, Decimal]
    funding: dict[str, Decimal]


def totals(entries: Iterable[JournalEntry]) -> Totals:
    trips = won = 0
    net: dict[str, Decimal] = {}
    fees: dict[str, Decimal] = {}
    funding: dict[str, Decimal] = {}
    for entry in entries:
        trips += 1
        won += entry.trip.net_result > 0
        for sums, value in (
            (net, entry.trip.net_result),
            (fees, entry.trip.fees),
            (funding, entry.trip.funding),
        ):
            sums[entry.currency] = sums.get(entry.currency, Decimal(0)) + value
    return Totals(trips, won, net, fees, funding)


def texts_of(bridge: Bridge, entry: JournalEntry) -> str:
    """Everything of a trip that can be searched, folded."""
    trip = entry.trip
    link = bridge.bots.get(trip.bot_id)
    found = (
        trip.symbol,
        tr(words.DIRECTIONS[trip.side]),
        link.latest.title if link else "",
        link.latest.kind if link else trip.bot_id,
        sentence(entry.reason),
        exit_word(entry),
        entry.account,
        entry.day,
        entry.note.text,
        *entry.note.tags,
    )
    return " ".join(found).casefold()


def exit_word(entry: JournalEntry) -> str:
    return tr(words.PURPOSES.get(entry.exit_purpose, entry.exit_purpose))


def unknown_cell(entry: JournalEntry, name: str) -> Cell:
    """ "—" that says on hover why."""
    return Cell(formatting.UNKNOWN, "t3", tool_tip=sentence(entry.unknown.get(name, "")), plain="")


def r_cell(entry: JournalEntry) -> Cell:
    value = entry.r_multiple
    if value is None:
        return unknown_cell(entry, "risk")
    hint = tr("Net result by the risk to the first stop, {sum}", sum=formatting.number(entry.risk))
    text = f"{formatting.signed(value)} R"
    return Cell(text, tone_of(value), MEDIUM, tool_tip=hint, plain=f"{value:.4f}")


def excursion_cell(entry: JournalEntry, name: str) -> Cell:
    value = entry.adverse if name == "adverse" else entry.favourable
    if value is None:
        return unknown_cell(entry, name)
    signed = -value if name == "adverse" else value
    hint = tr("By bars of {bars}; the first and the last count whole.", bars=entry.bars)
    text = formatting.money(signed, entry.currency, sign=True)
    return Cell(text, tool_tip=hint, plain=f"{signed:.8f}")


def _moment(time_ms: int) -> Cell:
    cell = time_cell(time_ms)
    return cell._replace(text=formatting.date_time(time_ms), tone="t2")


def _duration_ms(entry: JournalEntry) -> int:
    return entry.trip.closed_ms - entry.trip.opened_ms


def _money(value: Decimal, entry: JournalEntry, *, sign: bool = False) -> Cell:
    text = formatting.money(value, entry.currency, sign=sign)
    return Cell(text, "t2", plain=f"{value:f}")


def journal(bridge: Bridge) -> TableModel[JournalEntry]:
    show = Figures(bridge)

    def note(row: JournalEntry) -> Cell:
        text = " ".join(row.note.text.split())
        return Cell(text, "t2", tool_tip=row.note.text, plain=row.note.text)

    columns: list[Column[JournalEntry]] = [
        Column("Closed", lambda r: _moment(r.trip.closed_ms), 142, lambda r: r.trip.closed_ms),
        Column("Symbol", lambda r: Cell(r.trip.symbol, weight=600,
               tool_tip=tr("Double-click shows it on the chart, Enter why it began.")), 116,
               lambda r: r.trip.symbol, stretch=1),
        Column("Side", lambda r: side_cell(r.trip.side, words.DIRECTIONS), 60,
               lambda r: r.trip.side.sign),
        Column("Net result", lambda r: change_cell(r.trip.net_result, r.currency), 96,
               lambda r: r.trip.net_result, right=True),
        Column("R", r_cell, 76, lambda r: r.r_multiple, right=True),
        Column("Size", lambda r: show.quantity(r.trip.symbol, r.trip.quantity), 84,
               lambda r: r.trip.quantity, right=True),
        Column("Entry", lambda r: show.price(r.trip.symbol, r.trip.entry_price), 88,
               lambda r: r.trip.entry_price, right=True),
        Column("Exit", lambda r: show.price(r.trip.symbol, r.trip.exit_price), 88,
               lambda r: r.trip.exit_price, right=True),
        Column("Ended by", lambda r: Cell(exit_word(r), "t2"), 92, exit_word, drop=True),
        Column("Duration", lambda r: Cell(formatting.duration(_duration_ms(r)), "t2",
               plain=str(_duration_ms(r) // 1000)), 92, _duration_ms, right=True, drop=True),
        Column("Signal", lambda r: Cell(sentence(r.reason) or formatting.UNKNOWN,
               "t2" if r.reason else "t3", tool_tip=sentence(r.reason)), 118,
               lambda r: r.reason, stretch=2, drop=True),
        Column("MAE", lambda r: excursion_cell(r, "adverse"), 80, lambda r: r.adverse,
               right=True, drop=True),
        Column("MFE", lambda r: excursion_cell(r, "favourable"), 80, lambda r: r.favourable,
               right=True, drop=True),
        Column("Tags", lambda r: Cell(", ".join(r.note.tags), "accent"), 84,
               lambda r: ", ".join(r.note.tags) or None, stretch=1, drop=True),
        Column("Fees", lambda r: _money(r.trip.fees, r), 68, lambda r: r.trip.fees,
               right=True, drop=True),
        Column("Funding", lambda r: _money(r.trip.funding, r, sign=True), 72,
               lambda r: r.trip.funding, right=True, drop=True),
        Column("Bot", lambda r: show.bot(r.trip.bot_id), 120, lambda r: r.trip.bot_id, drop=True),
        Column("Note", note, 120, lambda r: r.note.text or None, stretch=1, drop=True),
        Column("Opened", lambda r: _moment(r.trip.opened_ms), 142, lambda r: r.trip.opened_ms,
               drop=True),
        Column("Trading day", lambda r: Cell(r.day, "t2"), 92, lambda r: r.day, drop=True),
        Column("Risk", lambda r: _money(r.risk, r) if r.risk is not None
               else unknown_cell(r, "risk"), 76, lambda r: r.risk, right=True, drop=True),
        Column("Account", lambda r: Cell(r.account, "t2"), 92, lambda r: r.account, drop=True),
        Column("Currency", lambda r: Cell(r.currency, "t2"), 76, lambda r: r.currency, drop=True),
    ]  # fmt: skip
    return TableModel(columns, key=lambda r: r.key)
