"""The log's lines, and the words for a fill."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from core.snapshots import ClosedCandle, FillRecord, Notice
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


def log_lines(bridge: Bridge) -> list[LogLine]:
    """Notices, fills and closed candles of the ordered list, newest first."""
    lines, owners = [], bridge.owners()
    for item in reversed(bridge.items):
        record = item.record
        if isinstance(record, Notice):
            tone = words.SEVERITY_TONES.get(record.severity, "t1")
            title, text = words.part_title(record.title, owners), notice_words(record)
        elif isinstance(record, FillRecord):
            tone, title = "t1", tr("Filled")
            fee = tr("fee {fee}", fee=formatting.number(record.fill.fee, 2))
            text = f"{fill_words(bridge, record)} · {fee}"
            if record.trade_pnl is not None:
                result = tr("result {pnl}", pnl=formatting.signed(record.trade_pnl))
                text = f"{text} · {result}"
        elif isinstance(record, ClosedCandle):
            candle = record.candle
            tone, title = "t1", tr("Candle closed")
            close = Figures(bridge).price(candle.symbol, Decimal(str(candle.close))).text
            volume = formatting.volume(candle.volume)
            text = f"{candle.symbol} {candle.timeframe} C {close} · {tr('Vol')} {volume}"
        else:
            continue
        lines.append(LogLine(item.seq, item.time_ms, tone, title, text))
    return lines


def log() -> TableModel[LogLine]:
    def time(line: LogLine) -> Cell:
        return time_cell(line.time_ms)._replace(text=formatting.clock_ms(line.time_ms))

    columns: list[Column[LogLine]] = [
        Column("Time", time, 108, lambda r: r.time_ms),
        Column("Event", lambda r: Cell(r.title, r.tone, MEDIUM), 140),
        Column("What happened", lambda r: Cell(r.text, "t2", tool_tip=r.text), 200, stretch=1),
    ]
    return TableModel(columns, key=lambda r: r.number)
