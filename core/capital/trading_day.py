"""The trading day: from midnight to midnight in the trader's own time zone."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal

import msgspec


class TradingDay(msgspec.Struct, frozen=True):
    """One day's result. `realized` is after fees and funding; `trades` counts closed positions."""

    start_ms: int
    start_equity: Decimal
    end_equity: Decimal
    realized: Decimal = Decimal(0)
    trades: int = 0

    @property
    def result(self) -> Decimal:
        return self.end_equity - self.start_equity


def day_start_ms(time_ms: int, timezone: tzinfo) -> int:
    """The midnight before `time_ms`, ms UTC."""
    moment = datetime.fromtimestamp(time_ms // 1000, timezone)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return int(midnight.timestamp()) * 1000


def next_day_start_ms(start_ms: int, timezone: tzinfo) -> int:
    """The first midnight after `start_ms`; days of 23 and 25 hours are days too, and a day that
    began by another zone's midnight ends by this one's."""
    today = datetime.fromtimestamp(start_ms // 1000, timezone).date()
    midnight = datetime.combine(today + timedelta(days=1), time(), timezone)
    return int(midnight.timestamp()) * 1000


def day_name(start_ms: int, timezone: tzinfo) -> str:
    """`2026-11-20`."""
    return datetime.fromtimestamp(start_ms // 1000, timezone).date().isoformat()


def day_named(name: str, timezone: tzinfo) -> int:
    """The start of the day `2026-11-20`, ms UTC. Raises ValueError when it is no date."""
    midnight = datetime.combine(date.fromisoformat(name), time(), timezone)
    return int(midnight.timestamp()) * 1000
