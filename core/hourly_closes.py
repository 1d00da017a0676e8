"""The newest hourly closes of a followed series, for sizing: asked for within a signal's turn, so
from memory, without a frame and without the disk wherever memory reaches far enough back."""

from __future__ import annotations

from decimal import Decimal

from core.market_data.bot_data_manager import BotDataManager
from core.market_data.series_memory import MAX_ENTRY_MEMORY
from core.models.candles import Timeframe

HOUR = Timeframe.H1


def hourly_closes(manager: BotDataManager, count: int) -> list[Decimal]:
    """The newest `count` closes at an hour's end, fewer if there are no more, oldest first. Bars of
    a few minutes need more than memory holds: then the store is read, once. Raises ValueError for
    bars longer than an hour, StoreFault."""
    if manager.key.timeframe.duration_ms > HOUR.duration_ms:
        raise ValueError(f"{manager.key.timeframe} bars have no hourly closes")
    bars = manager.recent(MAX_ENTRY_MEMORY)
    ends_ms = bars.open_time_ms + manager.key.timeframe.duration_ms
    closes = bars.close[ends_ms % HOUR.duration_ms == 0]
    if len(closes) < count and bars.rows == MAX_ENTRY_MEMORY:
        closes = manager.frame(HOUR)["close"].to_numpy()
    return [Decimal(str(close)) for close in closes[-count:].tolist()]
