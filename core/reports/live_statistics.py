"""The statistics of an account that is at work, for its screens.

The record of trades grows by one at a time and only the new one is looked at; the days move with
every price.
"""

from __future__ import annotations

import sqlite3

from core.capital.shared_capital_manager import SharedCapitalManager
from core.display import display_number
from core.reports.statistics import (
    Statistics,
    TradeStatistics,
    TradeTally,
    day_statistics,
    trade_statistics,
)
from core.trade_log import TradeLog

DAYS_COUNTED = 366


class LiveStatistics:
    """Attributes: capital, latest (as of the last `refresh` that could read the ledger)."""

    def __init__(self, log: TradeLog, capital: SharedCapitalManager) -> None:
        self.capital = capital
        self.latest = Statistics(trade_statistics([]), day_statistics([], None), [])
        self._log = log
        self._trades: TradeStatistics = self.latest.trades
        self._tally = TradeTally()
        self._bots: set[str] = set()
        self._symbols: set[str] = set()
        self.refresh()

    def refresh(self) -> None:
        fresh = self._log.round_trips[self._tally.trades :]
        for trip in fresh:
            self._tally.add(trip)
            self._bots.add(trip.bot_id)
            self._symbols.add(trip.symbol)
        if fresh:
            self._trades = self._tally.statistics(self._tally.exposure)
        try:
            days = self.capital.trading_days(DAYS_COUNTED)
        except sqlite3.Error:  # the ledger says so itself; a screen goes on showing what was
            return
        *finished, today = days.values()
        self.latest = Statistics(
            trades=self._trades,
            days=day_statistics(finished, today),
            calendar=[(name, display_number(day.result)) for name, day in days.items()],
            bots=sorted(self._bots),
            symbols=sorted(self._symbols),
        )
