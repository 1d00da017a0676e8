"""Cells that several tables share: times, changes, prices as the instrument's steps want them."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal

from core.models.instruments import Instrument
from core.models.orders import Side
from ui import formatting
from ui.bridge import Bridge
from ui.i18n import tr
from ui.models import words
from ui.models.table import Cell
from ui.models.words import tone_of

MEDIUM = 500


def time_cell(time_ms: int) -> Cell:
    whole = f"{formatting.utc(time_ms).astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    tool_tip = f"{whole} UTC\n{formatting.local_time(time_ms)}"
    return Cell(formatting.clock(time_ms), "t3", tool_tip=tool_tip, plain=whole)


def change_cell(value: Decimal | None, currency: str = "USDT") -> Cell:
    """A signed amount with its arrow."""
    if value is None:
        return Cell(formatting.UNKNOWN, "t3", plain="")
    arrow = 0 if value == 0 else (1 if value > 0 else -1)
    text = formatting.money(value, currency, sign=True)
    return Cell(text, tone_of(value), MEDIUM, arrow=arrow, plain=f"{value:f}")


def side_cell(side: Side | None, names: dict[Side, str]) -> Cell:
    if side is None:
        return Cell(formatting.UNKNOWN, "t3")
    return Cell(tr(names[side]), words.SIDE_TONES[side], MEDIUM)


class Figures:
    """Prices and sizes as the instrument's steps want them; the whole figure on copy."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def instrument(self, symbol: str) -> Instrument | None:
        return self._bridge.instruments.get(symbol)

    def price(self, symbol: str, value: Decimal | None, weight: int = 400) -> Cell:
        if value is None:
            return Cell(formatting.UNKNOWN, "t3", plain="")
        instrument = self.instrument(symbol)
        text = formatting.price(value, instrument.price_decimals if instrument else 2)
        return Cell(text, "t1", weight, tool_tip=f"{value:f}", plain=f"{value:f}")

    def quantity(self, symbol: str, value: Decimal | None) -> Cell:
        if value is None:
            return Cell(formatting.UNKNOWN, "t3", plain="")
        instrument = self.instrument(symbol)
        text = formatting.size(value, instrument.quantity_decimals if instrument else None)
        return Cell(text, plain=f"{value:f}")

    def money(self, value: Decimal | None, decimals: int = 2) -> Cell:
        if value is None:
            return Cell(formatting.UNKNOWN, "t3", plain="")
        return Cell(formatting.axis_money(value, decimals), plain=f"{value:f}")

    def bot(self, bot_id: str) -> Cell:
        link = self._bridge.bots.get(bot_id)
        if link is None:
            return Cell(bot_id or formatting.UNKNOWN, "t2" if bot_id else "t3")
        return Cell(f"{link.latest.kind} · {link.latest.timeframe}", "t2")
