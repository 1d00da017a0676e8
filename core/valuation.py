"""What a position is worth now: the exchange's own message about it may be older than the price."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core.models.candles import Ticker
from core.models.positions import Position


def valued(position: Position, ticker: Ticker | None) -> Position:
    """The position at the newest mark price."""
    if ticker is None:
        return position
    mark = ticker.mark_price or ticker.last_price
    pnl = (mark - position.entry_price) * position.signed_quantity
    return msgspec.structs.replace(position, mark_price=mark, unrealized_pnl=pnl)


def price_of(position: Position, ticker: Ticker | None) -> Decimal:
    """The newest price known, quote currency."""
    return ticker.last_price if ticker else position.mark_price or position.entry_price
