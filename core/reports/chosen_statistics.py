"""The same statistics of a part of the trading: one bot, one symbol, the newest days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import msgspec

from core.capital.trading_day import TradingDay
from core.display import display_number
from core.reports.statistics import (
    DayStatistics,
    Statistics,
    day_statistics,
    trade_statistics,
)
from core.trade_log import RoundTrip

WHOLE_ONLY = "Days are reckoned for the whole account: a part of it has no equity of its own."
_OF_DAYS = ("total_return", "sharpe", "sortino", "max_drawdown")


class Choice(msgspec.Struct, frozen=True):
    """Of which trades: `bot_id` None is every bot, "" what no bot owns; `symbol` "" is every
    symbol; `days` counts trading days with today, 0 is all that are kept."""

    bot_id: str | None = None
    symbol: str = ""
    days: int = 0

    @property
    def is_whole_account(self) -> bool:
        return self.bot_id is None and not self.symbol


def first_day(today: str, days: int) -> str:
    """Name of the first of the newest `days` days, today included ("2026-11-20"); "" for all."""
    if days <= 0 or not today:
        return ""
    return (date.fromisoformat(today) - timedelta(days=days - 1)).isoformat()


def chosen_statistics(
    trips: Sequence[RoundTrip], days: Mapping[str, TradingDay], choice: Choice, now_ms: int
) -> Statistics:
    """`days` by name, oldest first, today last. A trade belongs to the day that it ended on;
    exposure is measured over the whole of the chosen days up to `now_ms`."""
    since = first_day(list(days)[-1], choice.days)
    shown = {name: day for name, day in days.items() if name >= since}
    start_ms = next(iter(shown.values())).start_ms if since else None
    chosen = [
        trip
        for trip in trips
        if (choice.bot_id is None or trip.bot_id == choice.bot_id)
        and (not choice.symbol or trip.symbol == choice.symbol)
        and (start_ms is None or trip.closed_ms >= start_ms)
    ]
    *finished, today = shown.values()
    end_ms = None if start_ms is None else now_ms
    return Statistics(
        trades=trade_statistics(chosen, start_ms, end_ms),
        days=(
            day_statistics(finished, today)
            if choice.is_whole_account
            else DayStatistics(
                len(finished), None, None, None, None, dict.fromkeys(_OF_DAYS, WHOLE_ONLY)
            )
        ),
        calendar=[(name, display_number(day.result)) for name, day in shown.items()],
    )
