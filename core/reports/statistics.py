"""How good the trading was: figures of the round trips, and of the days.

Two parts, because they answer to different samples: a record of trades has its own number of
observations and a row of days another. A figure whose sample is too small to mean anything is
None, and `unknown` says why by the figure's name.

Every formula stands in the docstring of its function with its source.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from core.capital.trading_day import TradingDay
from core.trade_log import RoundTrip

FEWEST_TRADES = 10  # a win rate of fewer says more about luck than about the strategy
FEWEST_DAYS = 20  # about a month of days: below it, the deviation itself is a guess
DAYS_A_YEAR = 365  # crypto trades on all of them; 252 is for exchanges that close

NO_LOSS = "No trade has lost yet."
NO_DEVIATION = "Every day had the same result."
NO_LOSING_DAY = "No day has lost yet."
NO_CAPITAL = "A day began without capital."


class TradeStatistics(msgspec.Struct, frozen=True):
    """Of round trips that have ended. Money in quote currency, after fees and funding.

    `won` + `lost` + even ones = `trades`; `gross_profit` - `gross_loss` = `net_result`, exactly.
    """

    trades: int
    won: int
    lost: int
    net_result: Decimal
    gross_profit: Decimal
    gross_loss: Decimal  # >= 0
    fees: Decimal
    funding: Decimal  # > 0 was received
    win_rate: float | None  # 0..1
    profit_factor: float | None
    expectancy: Decimal | None  # per trade
    exposure: float | None  # 0..1
    unknown: dict[str, str] = {}


class DayStatistics(msgspec.Struct, frozen=True):
    """Of trading days. Ratios: 0.1 is 10 %. `days` counts the finished ones."""

    days: int
    total_return: float | None
    sharpe: float | None
    sortino: float | None
    max_drawdown: float | None
    unknown: dict[str, str] = {}


class Statistics(msgspec.Struct, frozen=True):
    """`calendar`: (2026-11-20, result of the day), oldest first; the names are the account's own
    days, so that no reader has to know its time zone. `bots` and `symbols` are those that have
    ended a trade: what may be chosen from."""

    trades: TradeStatistics
    days: DayStatistics
    calendar: list[tuple[str, float]]
    bots: list[str] = []
    symbols: list[str] = []


class TradeTally:
    """Statistics of trips that come one by one, in any order: a record of thousands is not gone
    through again for each."""

    def __init__(self) -> None:
        self.trades = self._won = self._lost = 0
        self._net_result = self._profit = self._loss = Decimal(0)
        self._fees = self._funding = Decimal(0)
        self._starts_ms: list[int] = []  # when something was held: spans without overlap,
        self._ends_ms: list[int] = []  # oldest first
        self._held_ms = 0

    def add(self, trip: RoundTrip) -> None:
        result = trip.net_result
        self.trades += 1
        self._net_result += result
        self._fees += trip.fees
        self._funding += trip.funding
        if result > 0:
            self._won += 1
            self._profit += result
        elif result < 0:
            self._lost += 1
            self._loss -= result
        self._hold(trip.opened_ms, trip.closed_ms)

    def _hold(self, start_ms: int, end_ms: int) -> None:
        """The span, united with those that it touches."""
        first = bisect_left(self._ends_ms, start_ms)
        last = bisect_right(self._starts_ms, end_ms)
        if first < last:
            start_ms = min(start_ms, self._starts_ms[first])
            end_ms = max(end_ms, self._ends_ms[last - 1])
        self._held_ms -= sum(self._ends_ms[first:last]) - sum(self._starts_ms[first:last])
        self._held_ms += end_ms - start_ms
        self._starts_ms[first:last] = [start_ms]
        self._ends_ms[first:last] = [end_ms]

    @property
    def exposure(self) -> float | None:
        """As the function `exposure`, from the first entry to the last exit."""
        if not self.trades or self._ends_ms[-1] <= self._starts_ms[0]:
            return None
        return self._held_ms / (self._ends_ms[-1] - self._starts_ms[0])

    def statistics(self, held: float | None) -> TradeStatistics:
        """`held` is the exposure of the period in question."""
        count, net_result = self.trades, self._net_result
        unknown: dict[str, str] = {}
        is_enough = count >= FEWEST_TRADES
        if not is_enough:
            why = f"Needs {FEWEST_TRADES} trades, there are {count}."
            unknown = dict.fromkeys(("win_rate", "profit_factor", "expectancy"), why)
        elif not self._lost:
            unknown["profit_factor"] = NO_LOSS
        if held is None:
            unknown["exposure"] = "No trade has ended yet."
        return TradeStatistics(
            trades=count,
            won=self._won,
            lost=self._lost,
            net_result=net_result,
            gross_profit=self._profit,
            gross_loss=self._loss,
            fees=self._fees,
            funding=self._funding,
            win_rate=self._won / count if is_enough else None,
            profit_factor=float(self._profit / self._loss) if is_enough and self._lost else None,
            expectancy=net_result / count if is_enough else None,
            exposure=held,
            unknown=unknown,
        )


def trade_statistics(
    trips: Sequence[RoundTrip], start_ms: int | None = None, end_ms: int | None = None
) -> TradeStatistics:
    """Of `trips`, in any order. Exposure is measured from `start_ms` to `end_ms`, ms UTC; without
    them, from the first entry to the last exit."""
    tally = TradeTally()
    for trip in trips:
        tally.add(trip)
    return tally.statistics(exposure(trips, start_ms, end_ms))


def exposure(
    trips: Sequence[RoundTrip], start_ms: int | None = None, end_ms: int | None = None
) -> float | None:
    """Share of the time in which at least one position was held, 0..1: the length of the union
    of [opened, closed) over the length of the period (time in the market; Pardo, The Evaluation
    and Optimization of Trading Strategies, 2008). Two positions at once count once. None for a
    period without length. A position that is still open does not count before it has ended."""
    start_ms = min((t.opened_ms for t in trips), default=0) if start_ms is None else start_ms
    end_ms = max((t.closed_ms for t in trips), default=0) if end_ms is None else end_ms
    if end_ms <= start_ms:
        return None
    held_ms, counted_to_ms = 0, start_ms
    for opened_ms, closed_ms in sorted((t.opened_ms, t.closed_ms) for t in trips):
        from_ms, to_ms = max(opened_ms, counted_to_ms), min(closed_ms, end_ms)
        if to_ms > from_ms:
            held_ms += to_ms - from_ms
            counted_to_ms = to_ms
    return held_ms / (end_ms - start_ms)


def day_statistics(finished: Sequence[TradingDay], today: TradingDay | None) -> DayStatistics:
    """`finished` oldest first. Return and drawdown count `today` too; a day that is not over has
    no comparable return, so the ratios wait for its end."""
    unknown: dict[str, str] = {}
    every = [*finished, today] if today is not None else list(finished)
    index = growth_index(every)
    names = ("total_return", "max_drawdown", "sharpe", "sortino")
    if index is None:
        return DayStatistics(
            len(finished), None, None, None, None, dict.fromkeys(names, NO_CAPITAL)
        )
    if not every:
        unknown = dict.fromkeys(names[:2], "No trading day has begun yet.")
    returns = [float(day.result / day.start_equity) for day in finished]
    ratio_of_sharpe = ratio_of_sortino = None
    if len(returns) < FEWEST_DAYS:
        why = f"Needs {FEWEST_DAYS} finished days, there are {len(returns)}."
        unknown |= dict.fromkeys(names[2:], why)
    else:
        ratio_of_sharpe, ratio_of_sortino = sharpe(returns), sortino(returns)
        if ratio_of_sharpe is None:
            unknown["sharpe"] = NO_DEVIATION
        if ratio_of_sortino is None:
            unknown["sortino"] = NO_LOSING_DAY
    return DayStatistics(
        days=len(finished),
        total_return=float(index[-1] - 1) if every else None,
        sharpe=ratio_of_sharpe,
        sortino=ratio_of_sortino,
        max_drawdown=max_drawdown(index) if every else None,
        unknown=unknown,
    )


def growth_index(days: Sequence[TradingDay]) -> list[Decimal] | None:
    """What 1 became: the product of the days' growth, 1 first, one value for each day's end. A
    day grows by end / start of its equity, its start moved by the day's transfers (time-weighted
    return with the day as its period; CFA Institute, GIPS 2020). None when a day began with
    nothing."""
    index = [Decimal(1)]
    for day in days:
        if day.start_equity <= 0:
            return None
        index.append(index[-1] * day.end_equity / day.start_equity)
    return index


def max_drawdown(index: Sequence[Decimal]) -> float:
    """The deepest fall from a former peak, as a ratio of that peak: max over t of
    1 - index(t) / max(index(0..t)) (Magdon-Ismail and Atiya, Maximum Drawdown, 2004). From
    day's end to day's end: what a day has made good by its end is not seen."""
    peak, deepest = index[0], Decimal(0)
    for value in index:
        peak = max(peak, value)
        deepest = max(deepest, 1 - value / peak)
    return float(deepest)


def sharpe(returns: Sequence[float]) -> float | None:
    """Mean of the daily returns over their sample deviation (n - 1), times the root of 365; the
    risk-free rate is taken as 0 (Sharpe, The Sharpe Ratio, 1994). None without a deviation.
    `returns`: at least two."""
    mean = math.fsum(returns) / len(returns)
    variance = math.fsum((value - mean) ** 2 for value in returns) / (len(returns) - 1)
    deviation = math.sqrt(variance)
    if deviation <= 1e-12 * max(1.0, abs(mean)):  # equal days differ in their last bits
        return None
    return mean / deviation * math.sqrt(DAYS_A_YEAR)


def sortino(returns: Sequence[float]) -> float | None:
    """Mean of the daily returns over the root of the mean of squares of the losing ones, taken
    over all days, times the root of 365; the target is 0 (Sortino and Price, Performance
    Measurement in a Downside Risk Framework, 1994). None when no day lost."""
    downside = math.fsum(min(0.0, value) ** 2 for value in returns) / len(returns)
    if downside == 0:
        return None
    return math.fsum(returns) / len(returns) / math.sqrt(downside) * math.sqrt(DAYS_A_YEAR)
