"""How the capital is shown: figures for sizing and rules, the dashboard's snapshot, statistics."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core.capital.book import ZERO, CapitalBook
from core.capital.performance import PerformanceTracker
from core.display import display_number
from core.snapshots import CapitalSlice, CapitalSnapshot, LedgerLine


class CapitalFigures(msgspec.Struct, frozen=True):
    """What sizing and risk rules look at, taken in one moment. Ratios 0..1."""

    total: Decimal
    committed: Decimal  # reserved and locked
    equity: Decimal
    drawdown: Decimal
    daily_pnl: Decimal
    day_base: Decimal  # the equity that today's loss is a ratio of; transfers scale it
    day_start_ms: int
    largest_symbol: Decimal  # what the symbol that holds most is holding
    symbols: frozenset[str]  # that hold anything: a position or an order

    @property
    def daily_loss_ratio(self) -> Decimal:
        """Loss of the day as a part of its base; 0 on a winning day."""
        return max(ZERO, self.day_base - self.equity) / self.day_base if self.day_base > 0 else ZERO


class CapitalStats(msgspec.Struct, frozen=True):
    """The design's names. Quote currency; `allocation_ratio`, `roi`, `max_drawdown` are 0..1.
    `locked_capital` is all that positions and orders hold; results are after fees."""

    total_capital: Decimal
    initial_capital: Decimal
    available_capital: Decimal
    locked_capital: Decimal
    allocation_ratio: Decimal
    locked_symbols: list[str]
    total_pnl: Decimal
    realized_pnl: Decimal
    unrealized_pnl: Decimal
    roi: Decimal
    max_drawdown: Decimal
    peak_capital: Decimal


def build_figures(book: CapitalBook, tracker: PerformanceTracker) -> CapitalFigures:
    """`tracker` has been refreshed for `book`."""
    held = book.committed_by_symbol()
    return CapitalFigures(
        total=book.total,
        committed=book.committed,
        equity=tracker.equity,
        drawdown=tracker.drawdown,
        daily_pnl=tracker.state.day.result,
        day_base=tracker.state.day_base,
        day_start_ms=tracker.state.day.start_ms,
        largest_symbol=max(held.values(), default=ZERO),
        symbols=frozenset(held),
    )


def build_snapshot(
    book: CapitalBook,
    tracker: PerformanceTracker,
    *,
    currency: str,
    lines: list[LedgerLine],
    points: list[tuple[int, Decimal]],
) -> CapitalSnapshot:
    """`tracker` has been refreshed for `book`. Results are after fees and funding."""
    performance, days = tracker.state, tracker.days()
    results = [day.result for day in days]
    return CapitalSnapshot(
        currency=currency,
        initial=book.deposits,
        total=book.total,
        free=book.total - book.committed,
        reserved=book.reserved,
        locked=book.locked,
        available=book.available,
        cap_ratio=book.cap_ratio,
        allocation_ratio=ratio(book.committed, book.total),
        realized_pnl=book.total - book.deposits,
        unrealized_pnl=tracker.equity - book.total,
        equity=tracker.equity,
        daily_pnl=performance.day.result,
        daily_realized_pnl=performance.day.realized,
        peak=performance.peak,
        drawdown=tracker.drawdown,
        max_drawdown=performance.max_drawdown,
        slices=_slices(book, performance.marks),
        ledger=lines,
        equity_curve=[(time_ms, display_number(value)) for time_ms, value in points[-500:]],
        daily_results=[(day.start_ms, display_number(day.result)) for day in days],
        best_day=max(results),
        worst_day=min(results),
        trades=sum(day.trades for day in days),
    )


def build_stats(snapshot: CapitalSnapshot) -> CapitalStats:
    total_pnl = snapshot.equity - snapshot.initial
    return CapitalStats(
        total_capital=snapshot.total,
        initial_capital=snapshot.initial,
        available_capital=snapshot.available,
        locked_capital=snapshot.reserved + snapshot.locked,
        allocation_ratio=snapshot.allocation_ratio,
        locked_symbols=[entry.symbol for entry in snapshot.slices if entry.state == "locked"],
        total_pnl=total_pnl,
        realized_pnl=snapshot.realized_pnl,
        unrealized_pnl=snapshot.unrealized_pnl,
        roi=ratio(total_pnl, snapshot.initial),
        max_drawdown=snapshot.max_drawdown,
        peak_capital=snapshot.peak,
    )


def _slices(book: CapitalBook, marks: dict[str, Decimal]) -> list[CapitalSlice]:
    slices = [
        CapitalSlice(
            symbol=lock.symbol,
            bot_id=lock.bot_id,
            amount=lock.amount,
            state="locked",
            share=ratio(lock.amount, book.total),
            unrealized_pnl=lock.unrealized_pnl(marks[symbol]) if symbol in marks else None,
        )
        for symbol, lock in sorted(book.locks.items())
    ]
    slices += [
        CapitalSlice(
            symbol=entry.symbol,
            bot_id=entry.bot_id,
            amount=entry.amount,
            state="reserved",
            share=ratio(entry.amount, book.total),
            unrealized_pnl=None,
        )
        for entry in book.reservations.values()
    ]
    return slices


def ratio(part: Decimal, whole: Decimal) -> Decimal:
    """0 where there is nothing to be a part of."""
    return part / whole if part and whole > 0 else ZERO
