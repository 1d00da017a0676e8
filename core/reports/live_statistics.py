"""The statistics of an account that is at work, for its screens.

The record of trades grows by one at a time and is gone through only then; the days move with
every price.
"""

from __future__ import annotations

from core.account_desk import AccountDesk
from core.display import display_number
from core.reports.statistics import Statistics, TradeStatistics, day_statistics, trade_statistics

DAYS_COUNTED = 366


class LiveStatistics:
    """Attributes: desk (built), latest (as of the last `refresh`)."""

    latest: Statistics

    def __init__(self, desk: AccountDesk) -> None:
        self.desk = desk
        self._trades: TradeStatistics = trade_statistics([])
        self.refresh()

    def refresh(self) -> None:
        trips = self.desk.trades.round_trips
        if len(trips) != self._trades.trades:
            self._trades = trade_statistics(trips)
        days = self.desk.capital.trading_days(DAYS_COUNTED)
        *finished, today = days.values()
        self.latest = Statistics(
            trades=self._trades,
            days=day_statistics(finished, today),
            calendar=[(name, display_number(day.result)) for name, day in days.items()],
        )
