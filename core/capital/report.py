"""How the capital is shown: the dashboard's snapshot, the design's statistics and JSON."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core.capital.book import ZERO, CapitalBook
from core.capital.ledger import Performance
from core.capital.trading_day import TradingDay
from core.display import display_number
from core.snapshots import CapitalSlice, CapitalSnapshot, LedgerLine


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


def build_snapshot(
    book: CapitalBook,
    *,
    currency: str,
    performance: Performance,
    equity: Decimal,
    drawdown: Decimal,
    days: list[TradingDay],
    lines: list[LedgerLine],
    points: list[tuple[int, Decimal]],
) -> CapitalSnapshot:
    """`days` ends with today. Results are after fees and funding."""
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
        allocation_ratio=_ratio(book.committed, book.total),
        realized_pnl=book.total - book.deposits,
        unrealized_pnl=equity - book.total,
        equity=equity,
        daily_pnl=performance.day.result,
        daily_realized_pnl=performance.day.realized,
        peak=performance.peak,
        drawdown=drawdown,
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
        roi=_ratio(total_pnl, snapshot.initial),
        max_drawdown=snapshot.max_drawdown,
        peak_capital=snapshot.peak,
    )


def to_design_json(
    exchange: str, snapshot: CapitalSnapshot, daily_pnl: dict[str, Decimal], now_ms: int
) -> str:
    """Amounts are strings, so that no reader rounds them."""
    allocations: dict[str, Decimal] = {}
    for entry in snapshot.slices:
        allocations[entry.symbol] = allocations.get(entry.symbol, ZERO) + entry.amount
    state = {
        "exchange": exchange,
        "currency": snapshot.currency,
        "updated_ms": now_ms,
        **msgspec.structs.asdict(build_stats(snapshot)),
        "allocations": allocations,
        "daily_pnl": daily_pnl,
    }
    return msgspec.json.format(msgspec.json.encode(state), indent=2).decode()


def _slices(book: CapitalBook, marks: dict[str, Decimal]) -> list[CapitalSlice]:
    slices = [
        CapitalSlice(
            symbol=lock.symbol,
            bot_id=lock.bot_id,
            amount=lock.amount,
            state="locked",
            share=_ratio(lock.amount, book.total),
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
            share=_ratio(entry.amount, book.total),
            unrealized_pnl=None,
        )
        for entry in book.reservations.values()
    ]
    return slices


def _ratio(part: Decimal, whole: Decimal) -> Decimal:
    return part / whole if part and whole > 0 else ZERO
