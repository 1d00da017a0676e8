"""Columns of the watchlist."""

from __future__ import annotations

from decimal import Decimal

from core.snapshots import TickerRow
from ui import formatting
from ui.bridge import STALE_AFTER_MS, Bridge
from ui.models.table import Cell, Column, TableModel
from ui.models.words import tone_of

_MEDIUM = 500
_ROOM_FOR_QUOTE = 5  # letters of a base name beside which its quote still fits


def watchlist(bridge: Bridge) -> TableModel[TickerRow]:
    """Symbol, last price, 24 h change, age in seconds; a stale row alone turns grey."""

    def is_stale(row: TickerRow) -> bool:
        return row.age_ms > STALE_AFTER_MS or not bridge.is_attached

    def symbol(row: TickerRow) -> Cell:
        instrument = bridge.instruments.get(row.ticker.symbol)
        if instrument is None:
            return Cell(row.ticker.symbol, weight=600)
        caption = instrument.quote if len(instrument.base) <= _ROOM_FOR_QUOTE else ""
        return Cell(instrument.base, weight=600, caption=caption, tool_tip=instrument.symbol)

    def last(row: TickerRow) -> Cell:
        instrument = bridge.instruments.get(row.ticker.symbol)
        price = row.ticker.last_price
        text = formatting.price(price, instrument.price_decimals if instrument else 2)
        return Cell(text, weight=_MEDIUM, tool_tip=f"{price:f}")

    def change(row: TickerRow) -> Cell:
        ratio = row.ticker.change_24h_ratio
        if ratio is None:
            return Cell(formatting.UNKNOWN, "t3")
        return Cell(formatting.signed(ratio * 100), tone_of(ratio), _MEDIUM)

    def age(row: TickerRow) -> Cell:
        if row.age_ms > STALE_AFTER_MS:
            return Cell(formatting.age(row.age_ms), "warn", icon="triangle-alert")
        return Cell(formatting.number(Decimal(row.age_ms) / 1000, 1), "t3")

    columns: list[Column[TickerRow]] = [
        Column("Symbol", symbol, 72, lambda r: r.ticker.symbol, stretch=1),
        Column("Last", last, 74, lambda r: r.ticker.last_price, right=True, flash=True),
        Column("24h %", change, 52, lambda r: r.ticker.change_24h_ratio, right=True),
        Column("Age", age, 50, lambda r: r.age_ms, right=True),
    ]
    return TableModel(columns, key=lambda r: r.ticker.symbol, is_stale=is_stale)
