"""How far the price went against a position and for it, while it was held.

Floats: figures to learn from, nothing decides by them. What is not known says why.
"""

from __future__ import annotations

from typing import NamedTuple

from core.display import display_number
from core.market_data.columns import Columns
from core.models.candles import Timeframe
from core.models.orders import Side
from core.trade_log import RoundTrip

NO_PRICES = "Its average prices are not known."
NO_CANDLES = "No candles of that time are stored."
MISSING_CANDLES = "Candles of that time are missing."
TOO_NEW = "The stored candles end before it did."


class Excursion(NamedTuple):
    """Quote currency, both >= 0; None with `why` where that is not known."""

    adverse: float | None
    favourable: float | None
    why: str = ""


def excursion(trip: RoundTrip, bars: Columns, timeframe: Timeframe) -> Excursion:
    """By `bars`, which hold at least those of the trip's time that are stored: from the one in
    which it began to the one in which it ended, both whole. Entry and exit price count too, for
    the bars are not made of our own executions alone. `timeframe` is not the month."""
    if trip.entry_price is None or trip.exit_price is None:
        return Excursion(None, None, NO_PRICES)
    first_ms, last_ms = timeframe.floor_ms(trip.opened_ms), timeframe.floor_ms(trip.closed_ms)
    times = bars.open_time_ms
    start, end = int(times.searchsorted(first_ms)), int(times.searchsorted(last_ms, side="right"))
    if len(times) and start < len(times) and times[-1] < last_ms:
        return Excursion(None, None, TOO_NEW)
    if end == start:
        return Excursion(None, None, NO_CANDLES)
    if end - start != (last_ms - first_ms) // timeframe.duration_ms + 1:
        return Excursion(None, None, MISSING_CANDLES)
    entry, left = display_number(trip.entry_price), display_number(trip.exit_price)
    highest = max(float(bars.high[start:end].max()), entry, left)
    lowest = min(float(bars.low[start:end].min()), entry, left)
    size = display_number(trip.quantity)
    up, down = (highest - entry) * size, (entry - lowest) * size
    return Excursion(down, up) if trip.side is Side.BUY else Excursion(up, down)
