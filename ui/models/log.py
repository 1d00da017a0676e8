"""The log's lines, and the words for a fill."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from core.snapshots import ClosedCandle, FeedItem, FillRecord, Notice
from ui import formatting
from ui.bridge import Bridge
from ui.i18n import tr
from ui.models import words
from ui.models.cells import MEDIUM, Figures, time_cell
from ui.models.refusals import notice_words
from ui.models.table import Cell, Column, TableModel


class LogLine(NamedTuple):
    """One line of the log, in the trader's language; `number` keeps equal lines apart."""

    number: int
    time_ms: int
    tone: str
    title: str
    text: str


def fill_words(bridge: Bridge, record: FillRecord) -> str:
    """`Filled: buy 0.067 BTCUSDT at 65,869.1`, in the trader's language."""
    fill, show = record.fill, Figures(bridge)
    return tr(
        "{side} {size} {symbol} at {price}",
        side=tr(words.SIDES[fill.side]),
        size=show.quantity(fill.symbol, fill.quantity).text,
        symbol=fill.symbol,
        price=show.price(fill.symbol, fill.price).text,
    )


class LogReader:
    """The log's lines of the ordered list, each put into words once."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._known: dict[int, LogLine | None] = {}

    def forget(self) -> None:
        """Another language, or another list: the words are made anew."""
        self._known = {}

    def lines(self, most: int | None = None) -> list[LogLine]:
        """Notices, fills and closed candles, newest first; the newest `most`."""
        items, owners, found = self._bridge.items, self._bridge.owners(), []
        for item in reversed(items):
            if item.seq not in self._known:
                self._known[item.seq] = _line(self._bridge, item, owners)
            line = self._known[item.seq]
            if line is not None:
                found.append(line)
                if len(found) == most:
                    break
        if items and len(self._known) > 2 * len(items):
            first = items[0].seq
            self._known = {seq: line for seq, line in self._known.items() if seq >= first}
        return found


def _line(bridge: Bridge, item: FeedItem, owners: Mapping[str, str]) -> LogLine | None:
    """None for what the log leaves to other tables."""
    record = item.record
    if isinstance(record, Notice):
        tone = words.SEVERITY_TONES.get(record.severity, "t1")
        title, text = words.part_title(record.title, owners), notice_words(record)
    elif isinstance(record, FillRecord):
        tone, title = "t1", tr("Filled")
        fee = tr("fee {fee}", fee=formatting.money(record.fill.fee))
        text = f"{fill_words(bridge, record)} · {fee}"
        if record.trade_pnl is not None:
            result = tr("result {pnl}", pnl=formatting.money(record.trade_pnl, sign=True))
            text = f"{text} · {result}"
    elif isinstance(record, ClosedCandle):
        candle = record.candle
        tone, title = "t1", tr("Candle closed")
        close = Figures(bridge).price(candle.symbol, Decimal(str(candle.close))).text
        volume = formatting.volume(candle.volume)
        text = f"{candle.symbol} {candle.timeframe} C {close} · {tr('Vol')} {volume}"
    else:
        return None
    return LogLine(item.seq, item.time_ms, tone, title, text)


def log() -> TableModel[LogLine]:
    def time(line: LogLine) -> Cell:
        return time_cell(line.time_ms)._replace(text=formatting.clock_ms(line.time_ms))

    columns: list[Column[LogLine]] = [
        Column("Time", time, 108, lambda r: r.time_ms),
        Column("Event", lambda r: Cell(r.title, r.tone, MEDIUM), 140),
        Column("What happened", lambda r: Cell(r.text, "t2", tool_tip=r.text), 200, stretch=1),
    ]
    return TableModel(columns, key=lambda r: r.number)
