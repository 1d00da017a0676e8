"""Candles, timeframes and the names of candle series.

Prices and volumes are exact (`Decimal`): they are stored and compared with the exchange's own.
Only indicators and the chart turn them into floats.
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec

_MINUTE_MS = 60_000
_DAY_MS = 86_400_000
_FIXED_DURATION_MS = {
    "1m": _MINUTE_MS,
    "3m": 3 * _MINUTE_MS,
    "5m": 5 * _MINUTE_MS,
    "15m": 15 * _MINUTE_MS,
    "30m": 30 * _MINUTE_MS,
    "1h": 60 * _MINUTE_MS,
    "2h": 120 * _MINUTE_MS,
    "4h": 240 * _MINUTE_MS,
    "6h": 360 * _MINUTE_MS,
    "12h": 720 * _MINUTE_MS,
    "1d": _DAY_MS,
    "1w": 7 * _DAY_MS,
    "1M": 30 * _DAY_MS,  # nominal: months are walked by the calendar below
}
_MONDAY_OFFSET_MS = 4 * _DAY_MS  # 1970-01-05 was the first Monday of the epoch


class Timeframe(enum.StrEnum):
    """A bar length by its usual label; `1M` is the month, `1m` the minute.

    Attributes: duration_ms, nominal (30 days) for the month. An attribute and no property: it is
    asked for with every message."""

    duration_ms: int

    M1 = "1m"
    M3 = "3m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    H2 = "2h"
    H4 = "4h"
    H6 = "6h"
    H12 = "12h"
    D1 = "1d"
    W1 = "1w"
    MONTH = "1M"

    def __init__(self, label: str) -> None:
        self.duration_ms = _FIXED_DURATION_MS[label]

    def floor_ms(self, time_ms: int) -> int:
        """Open time (ms UTC) of the bar that contains `time_ms`."""
        if self is Timeframe.MONTH:
            moment = datetime.fromtimestamp(time_ms // 1000, UTC)
            return int(datetime(moment.year, moment.month, 1, tzinfo=UTC).timestamp()) * 1000
        if self is Timeframe.W1:
            return (time_ms - _MONDAY_OFFSET_MS) // self.duration_ms * self.duration_ms + (
                _MONDAY_OFFSET_MS
            )
        return time_ms // self.duration_ms * self.duration_ms

    def next_open_ms(self, time_ms: int) -> int:
        """Open time (ms UTC) of the bar after the one that contains `time_ms`."""
        if self is Timeframe.MONTH:
            return self.floor_ms(self.floor_ms(time_ms) + 32 * _DAY_MS)
        return self.floor_ms(time_ms) + self.duration_ms


class SeriesKey(NamedTuple):
    """Names one candle series."""

    exchange: str
    symbol: str
    timeframe: Timeframe

    @property
    def file_stem(self) -> str:
        """`bybit_btcusdt_15m`: lower case, symbol without punctuation (spec T4).

        The month is `1mo`: on Windows and macOS `1M` and `1m` would be the same file.
        """
        symbol = "".join(c for c in self.symbol if c.isalnum()).lower()
        timeframe = "1mo" if self.timeframe is Timeframe.MONTH else self.timeframe.value
        return f"{self.exchange.lower()}_{symbol}_{timeframe}"


class Candle(msgspec.Struct, frozen=True, array_like=True):
    """One bar. `open_time_ms` is ms UTC; `volume` is in the base currency."""

    open_time_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class CandleUpdate(msgspec.Struct, frozen=True):
    """A candle as the exchange's stream sent it.

    `exchange_time_ms` is the exchange's clock, `is_closed` its word that the bar is final.
    """

    exchange: str
    symbol: str
    timeframe: Timeframe
    candle: Candle
    is_closed: bool
    exchange_time_ms: int


class Ticker(msgspec.Struct, frozen=True):
    """Newest prices of one symbol; None where the exchange has not said."""

    exchange: str
    symbol: str
    last_price: Decimal
    exchange_time_ms: int
    mark_price: Decimal | None = None
    bid_price: Decimal | None = None
    ask_price: Decimal | None = None
    high_24h: Decimal | None = None
    low_24h: Decimal | None = None
    change_24h_ratio: Decimal | None = None
    turnover_24h: Decimal | None = None
    funding_rate: Decimal | None = None
