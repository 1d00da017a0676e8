"""What prices and days make of the capital: equity, its peak, drawdown, today's result.

Transfers are no performance. A deposit or withdrawal scales the peak and the base of today's
loss by what it did to the equity, so the ratios that risk rules watch stay as they were
(time-weighted return); in money, today's result simply leaves the transfer out.
"""

from __future__ import annotations

from datetime import tzinfo
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from core.capital.book import SMALLEST, ZERO, CapitalBook
from core.capital.trading_day import TradingDay, day_start_ms, next_day_start_ms

DAYS_SHOWN = 30


class Performance(msgspec.Struct, frozen=True):
    """The part that is stored. `marks` are the newest prices of locked symbols, `day_base` is
    the equity that today's loss is a ratio of."""

    peak: Decimal
    max_drawdown: Decimal
    marks: dict[str, Decimal]
    day: TradingDay
    day_base: Decimal


class PerformanceTracker:
    """Not locked: its owner is. All that changes is in `state`, `equity` and `ended_days`, so a
    change that could not be made durable is taken back by putting the former `state` back."""

    def __init__(self, state: Performance, past_days: list[TradingDay], timezone: tzinfo) -> None:
        """`past_days` oldest first, without today."""
        self.state = state
        self.equity = state.day.end_equity
        self.ended_days: list[TradingDay] = []  # over, and not on disk in their last state yet
        self._past_days = past_days
        self._marked_by_fill: set[str] = set()
        self._timezone = timezone
        self._day_end_ms = next_day_start_ms(state.day.start_ms, timezone)

    @property
    def drawdown(self) -> Decimal:
        """0..1 of the peak; more than 1 when even more was lost."""
        peak = self.state.peak
        return (peak - self.equity) / peak if peak > 0 else ZERO

    def days(self, count: int = DAYS_SHOWN) -> list[TradingDay]:
        """The newest, oldest first; today is the last."""
        return [*self._past_days, self.state.day][-count:]

    def unrealized(self, book: CapitalBook) -> Decimal:
        """Open result of all positions whose price is known."""
        marks = self.state.marks
        results = (
            lock.unrealized_pnl(marks[symbol])
            for symbol, lock in book.locks.items()
            if symbol in marks
        )
        return sum(results, ZERO)

    def mark(self, symbol: str, price: Decimal) -> None:
        self._replace(marks={**self.state.marks, symbol: price})
        self._marked_by_fill.discard(symbol)

    def mark_by_fill(self, symbol: str, price: Decimal) -> None:
        """The price of an own execution counts until the market's own is heard."""
        if symbol not in self.state.marks or symbol in self._marked_by_fill:
            self.mark(symbol, price)
            self._marked_by_fill.add(symbol)

    def refresh(self, book: CapitalBook, now_ms: int) -> None:
        """Equity and all that follows from it, for `book` and now."""
        if now_ms >= self._day_end_ms:
            self._roll_day(now_ms)
        self.equity = book.total + self.unrealized(book)
        state = self.state
        peak = max(state.peak, self.equity)
        if self.equity != state.day.end_equity or peak != state.peak:
            day = msgspec.structs.replace(state.day, end_equity=self.equity)
            self._replace(day=day, peak=peak)
        if self.drawdown > state.max_drawdown:
            self._replace(max_drawdown=self.drawdown)

    def book(self, cash: Decimal, closed_positions: int) -> None:
        """Results, fees and funding of today; transfers go to `on_transfer`."""
        day = self.state.day
        self._replace(
            day=msgspec.structs.replace(
                day, realized=day.realized + cash, trades=day.trades + closed_positions
            )
        )

    def on_transfer(self, amount: Decimal) -> None:
        """`amount` has come (or gone, below zero) since the last `refresh`."""
        before, after, state = self.equity, self.equity + amount, self.state
        peak, base = after, after
        if before > 0 and after > 0:
            peak = _scaled(state.peak, after, before)
            base = _scaled(state.day_base, after, before)
        start = state.day.start_equity + amount
        self._replace(
            peak=peak, day_base=base, day=msgspec.structs.replace(state.day, start_equity=start)
        )

    def take_back(self, state: Performance) -> None:
        """Undo what has been done since `state` was current, on the same day."""
        self.state = state
        self.equity = state.day.end_equity

    def begin(
        self,
        equity: Decimal,
        *,
        result_today: Decimal,
        peak: Decimal,
        max_drawdown: Decimal,
        past_days: list[TradingDay],
    ) -> None:
        """Start from figures that another program has kept."""
        start = equity - result_today
        day = TradingDay(self.state.day.start_ms, start, equity, result_today)
        self._past_days = past_days
        self._replace(peak=peak, max_drawdown=max_drawdown, day=day, day_base=start)

    def reset_peak(self) -> None:
        self._replace(peak=self.equity)

    def keep_marks_of(self, book: CapitalBook) -> None:
        """Forget the prices of what is not held any more."""
        marks = self.state.marks
        if marks.keys() - book.locks.keys():
            self._replace(marks={s: mark for s, mark in marks.items() if s in book.locks})

    def _roll_day(self, now_ms: int) -> None:
        """Days on which nothing ran are not counted; the next one begins with what there is."""
        ended = self.state.day
        self.ended_days.append(ended)
        self._past_days = [*self._past_days, ended][-DAYS_SHOWN:]
        start_ms = day_start_ms(now_ms, self._timezone)
        equity = ended.end_equity
        self._replace(day=TradingDay(start_ms, equity, equity), day_base=equity)
        self._day_end_ms = next_day_start_ms(start_ms, self._timezone)

    def _replace(self, **changes: object) -> None:
        self.state = msgspec.structs.replace(self.state, **changes)


def _scaled(amount: Decimal, after: Decimal, before: Decimal) -> Decimal:
    return (amount * after / before).quantize(SMALLEST, rounding=ROUND_HALF_EVEN)
