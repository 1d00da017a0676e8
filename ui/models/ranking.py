"""The ranking of a bot that scans: its rows, their columns, and an order that keeps still.

Rows are ranked anew with every scan. While the mouse is over them they stay where they are, so
that a double click meets the symbol it was aimed at.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from PyQt6.QtCore import QObject, Qt

from core.scanning.snapshots import ScanRow, ScanSnapshot, SymbolState
from core.snapshots import EngineSnapshot
from ui import formatting
from ui.bridge import STALE_AFTER_MS, Bridge
from ui.i18n import sentence, tr
from ui.models import words
from ui.models.cells import Figures
from ui.models.table import Cell, Column, TableModel
from ui.models.words import tone_of

SPARK, READING, SCORE, STATE = "100 candles", "Reading", "Score", "State"  # painted by hand
DROPPED = (SPARK, "Volume", "Since last", READING)  # where there is no room, in this order
_LAST, _VOLUME = 2, 4  # the columns whose cells change with a price
_AGE_STEP_MS = 100  # as fine as an age is shown
_MEDIUM = 500
REFUSED = "it was refused"  # a waiting signal's own words
_QUIET = (SymbolState.WATCHED, SymbolState.LOADING, SymbolState.TAKEN)


class RankRow(NamedTuple):
    """One line. `change`: of the score since the scan before; `price_age_ms`: real, None without
    a price; `threshold`: the score that makes a signal; `waits_for`: why its signal is not
    entered, "" without one; `cooldown_left_ms` in market time."""

    symbol: ScanRow
    change: float | None
    price_age_ms: int | None
    threshold: float
    waits_for: str
    cooldown_left_ms: int | None

    @property
    def is_stale(self) -> bool:
        """Whether its price or its newest candle is late, whatever the bot does with it."""
        late = self.price_age_ms is None or self.price_age_ms > STALE_AFTER_MS
        return late or self.symbol.state is SymbolState.STALE


class ScoreMemory:
    """The scores of the scan before: the snapshot tells only the newest."""

    def __init__(self) -> None:
        self._number = -1
        self._newest: dict[str, float] = {}
        self._before: dict[str, float] = {}

    def take(self, scan: ScanSnapshot) -> None:
        if scan.scan_number != self._number:
            self._number = scan.scan_number
            self._before = self._newest
            self._newest = {r.symbol: r.score for r in scan.rows if r.score is not None}

    def change(self, symbol: str) -> float | None:
        newest, before = self._newest.get(symbol), self._before.get(symbol)
        return None if newest is None or before is None else newest - before


def rank_rows(scan: ScanSnapshot, snapshot: EngineSnapshot, memory: ScoreMemory) -> list[RankRow]:
    """The strongest first; symbols without a score last."""
    ages = {t.ticker.symbol: t.age_ms for t in snapshot.tickers}
    waits = {signal.symbol: signal.waits_for for signal in scan.pending}
    rows = [
        RankRow(
            row,
            memory.change(row.symbol),
            _shown_age_ms(ages.get(row.symbol)),
            scan.settings.signal_threshold,
            waits.get(row.symbol, ""),
            _left_ms(row.cooldown_until_ms, snapshot.market_time_ms),
        )
        for row in scan.rows
    ]
    return sorted(rows, key=lambda r: (r.symbol.rank is None, r.symbol.rank or 0, r.symbol.symbol))


def _shown_age_ms(age_ms: int | None) -> int | None:
    return None if age_ms is None else age_ms // _AGE_STEP_MS * _AGE_STEP_MS


def _left_ms(until_ms: int | None, now_ms: int) -> int | None:
    return None if until_ms is None else max(0, until_ms - now_ms)


class RankingModel(TableModel[RankRow]):
    """While `hold` is on, known rows keep their places and new ones go to the end."""

    def __init__(self, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(
            _columns(bridge),
            key=lambda r: r.symbol.symbol,
            parent=parent,
            is_stale=lambda r: r.is_stale or not bridge.is_attached,
        )
        self._is_held = False
        self.reading_name = ""
        self.reading_range = (0.0, 100.0)
        self.reading_marks: tuple[float, ...] = ()

    def set_reading(self, scan: ScanSnapshot) -> None:
        """What the strategy reads its score from: name of the column, range, marks."""
        if scan.reading_name != self.reading_name:
            self.reading_name = scan.reading_name
            self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, len(self.columns) - 1)
        self.reading_range, self.reading_marks = scan.reading_range, scan.reading_marks

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        found = super().headerData(section, orientation, role)
        is_title = role == Qt.ItemDataRole.DisplayRole
        if is_title and found == tr(READING) and self.reading_name:
            return self.reading_name
        return found

    @property
    def is_held(self) -> bool:
        return self._is_held

    def hold(self, held: bool) -> None:
        self._is_held = held

    def _replace_values(self, fresh: list[RankRow]) -> None:
        """Prices and ages change ten times a second: then only their cells are painted again."""
        old, self._rows = self._rows, fresh
        last = len(self.columns) - 1
        for i, (before, after) in enumerate(zip(old, fresh, strict=True)):
            if before == after:
                continue
            self._note_flashes(before, after)
            if _face(before) != _face(after):
                self.dataChanged.emit(self.index(i, 0), self.index(i, last))
                continue
            if before.symbol.price != after.symbol.price:
                self.dataChanged.emit(self.index(i, _LAST), self.index(i, _VOLUME))
            if before.price_age_ms != after.price_age_ms:
                self.dataChanged.emit(self.index(i, last), self.index(i, last))

    def _sorted(self, rows: Sequence[RankRow]) -> list[RankRow]:
        fresh = super()._sorted(rows)
        if not self._is_held:
            return fresh
        places: dict[Hashable, int] = {self.key_at(i): i for i in range(self.rowCount())}
        return sorted(fresh, key=lambda r: places.get(r.symbol.symbol, len(places)))


def _face(row: RankRow) -> tuple[object, ...]:
    """What a row shows besides its price and its age."""
    symbol = row.symbol
    cooldown = formatting.age(row.cooldown_left_ms)
    return (
        symbol.rank, symbol.score, symbol.reading, symbol.closes, symbol.state, symbol.direction,
        row.change, row.threshold, row.waits_for, row.is_stale, cooldown,
    )  # fmt: skip


def state_cell(row: RankRow) -> Cell:
    """What the bot does with the symbol; the word first, the reason as tooltip."""
    state = row.symbol.state
    text = tr(words.SYMBOL_STATES[state])
    why = sentence(row.waits_for[:1].upper() + row.waits_for[1:]) if row.waits_for else ""
    if state in (SymbolState.POSITION, SymbolState.ENTERING):
        return Cell(text, "t1", _MEDIUM)
    if row.waits_for == REFUSED:
        return Cell(tr("Denied"), "warn", _MEDIUM, icon="circle-alert", tool_tip=why)
    if state is not SymbolState.LOADING and row.is_stale:
        age_ms = row.price_age_ms or 0
        is_price = age_ms > STALE_AFTER_MS
        late = formatting.age(age_ms) if is_price else ""
        tool_tip = tr("No fresh price") if is_price else tr("Its newest candle has not come yet")
        whole = f"{tr('Stale')} {late}".strip()
        return Cell(whole, "warn", _MEDIUM, icon="triangle-alert", tool_tip=tool_tip)
    if state is SymbolState.COOLING:
        return Cell(f"{text} {formatting.age(row.cooldown_left_ms)}", "t2", tool_tip=why)
    if state is SymbolState.SIGNAL:
        return Cell(text, "accent", _MEDIUM, tool_tip=why)
    if state is SymbolState.TAKEN:
        why = tr("Another bot trades it, or it waits for your word")
    return Cell(text, "t3" if state in _QUIET else "t2", tool_tip=why)


def _columns(bridge: Bridge) -> list[Column[RankRow]]:
    figures = Figures(bridge)

    def rank(row: RankRow) -> Cell:
        number = row.symbol.rank
        return Cell(formatting.UNKNOWN if number is None else str(number), "t3")

    def symbol(row: RankRow) -> Cell:
        instrument = bridge.instruments.get(row.symbol.symbol)
        if instrument is None:
            return Cell(row.symbol.symbol, weight=600)
        quote = instrument.quote
        return Cell(instrument.base, weight=600, caption=quote, plain=instrument.symbol)

    def last(row: RankRow) -> Cell:
        return figures.price(row.symbol.symbol, row.symbol.price, _MEDIUM)

    def day(row: RankRow) -> Cell:
        ratio = row.symbol.change_24h_ratio
        if ratio is None:
            return Cell(formatting.UNKNOWN, "t3", plain="")
        return Cell(formatting.signed(ratio * 100), tone_of(ratio), _MEDIUM, plain=f"{ratio:f}")

    def volume(row: RankRow) -> Cell:
        value = row.symbol.turnover_24h
        return Cell(formatting.compact(value, 1), "t2", plain="" if value is None else f"{value:f}")

    def closes(_row: RankRow) -> Cell:
        return Cell("", plain="")

    def reading(row: RankRow) -> Cell:
        value = row.symbol.reading
        if value is None:
            return Cell(formatting.UNKNOWN, "t3", plain="")
        return Cell(formatting.number(value, 1), "t2", plain=f"{value:.2f}")

    def score(row: RankRow) -> Cell:
        value = row.symbol.score
        if value is None:
            return Cell(formatting.UNKNOWN, "t3", plain="")
        way = tr({1: "Long", -1: "Short", 0: ""}[row.symbol.direction])
        return Cell(formatting.number(value, 0), "t1", 600, tool_tip=way, plain=f"{value:.2f}")

    def change(row: RankRow) -> Cell:
        if row.change is None or round(row.change) == 0:
            return Cell("0" if row.change is not None else formatting.UNKNOWN, "t3")
        return Cell(formatting.signed(Decimal(round(row.change)), 0), "t2")

    def age(row: RankRow) -> Cell:
        age_ms, candle_ms = row.price_age_ms, row.symbol.data_age_ms
        tool_tip = tr("Newest candle closed {age} ago", age=formatting.age(candle_ms))
        if age_ms is None:
            return Cell(formatting.UNKNOWN, "t3", tool_tip=tool_tip)
        if age_ms > STALE_AFTER_MS:
            text = formatting.age(age_ms)
            return Cell(text, "warn", _MEDIUM, icon="triangle-alert", tool_tip=tool_tip)
        return Cell(formatting.number(Decimal(age_ms) / 1000, 1), "t3", tool_tip=tool_tip)

    return [
        Column("#", rank, 46, lambda r: r.symbol.rank, right=True),
        Column("Symbol", symbol, 104, lambda r: r.symbol.symbol, stretch=1),
        Column("Last", last, 92, lambda r: r.symbol.price, right=True, flash=True),
        Column("24h %", day, 74, lambda r: r.symbol.change_24h_ratio, right=True),
        Column("Volume", volume, 88, lambda r: r.symbol.turnover_24h, right=True),
        Column("100 candles", closes, 124, stretch=1),
        Column("Reading", reading, 124, lambda r: r.symbol.reading, stretch=1),
        Column("Score", score, 168, lambda r: r.symbol.score, stretch=2),
        Column("Since last", change, 84, lambda r: r.change, right=True),
        Column("State", state_cell, 150, lambda r: words.SYMBOL_STATES[r.symbol.state]),
        Column("Age", age, 68, lambda r: r.price_age_ms, right=True),
    ]
