"""One ledger of one account's capital, shared by every bot: nobody spends what another holds.

The race it removes: two bots read 10,000 at once and spend 500 and 600. Here reading, deciding
and writing are one step under one lock, durable before the answer is given.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import deque
from datetime import UTC, tzinfo
from decimal import Decimal

import msgspec

from core.capital.book import ZERO, CapitalBook, Line, PositionLock, Reservation
from core.capital.equity_curve import EquityCurve
from core.capital.ledger import NEWEST_LINES, CapitalLedger, Performance
from core.capital.report import CapitalStats, build_snapshot, build_stats, to_design_json
from core.capital.trading_day import TradingDay, day_name, day_start_ms, next_day_start_ms
from core.clock import Clock
from core.models.fills import Fill
from core.models.orders import Denial, Order, OrderPurpose, OrderRequest, Side
from core.models.positions import Balance, Position
from core.snapshots import CapitalSnapshot, LedgerLine

log = logging.getLogger(__name__)
_SAVE_INTERVAL_S = 1.0  # marks are saved at most this often, real seconds
_POINT_INTERVAL_MS = 60_000  # of the equity curve, market time
_DAYS_SHOWN = 30


class CapitalFigures(msgspec.Struct, frozen=True):
    """What sizing and risk rules look at, taken in one moment. Ratios 0..1."""

    total: Decimal
    committed: Decimal  # reserved and locked
    equity: Decimal
    drawdown: Decimal
    daily_pnl: Decimal
    day_start_equity: Decimal
    day_start_ms: int
    largest_symbol: Decimal  # what the symbol that holds most is holding

    @property
    def daily_loss_ratio(self) -> Decimal:
        """Loss of the day as a part of its first equity; 0 on a winning day."""
        return max(ZERO, -self.daily_pnl) / self.day_start_equity if self.day_start_equity else ZERO


class SharedCapitalManager:
    """Thread safe by one lock, crash safe by one transaction for each change.

    `database` belongs to this ledger: give it a connection of its own, or one that nothing
    else uses from another thread. One manager for each account, in one process. `fault` is why
    new entries are refused when the books do not add up or cannot be written (`is_sound`
    False); exits and fills are booked all the same.
    """

    def __init__(
        self,
        exchange: str,
        initial_capital: Decimal,
        *,
        database: sqlite3.Connection,
        clock: Clock,
        currency: str = "USDT",
        cap_ratio: Decimal = Decimal("0.80"),
        timezone: tzinfo = UTC,
        taker_fee_ratio: Decimal = Decimal("0.00055"),
    ) -> None:
        """`initial_capital` (quote currency) counts only when the ledger is new; afterwards the
        ledger's own truth does. `taker_fee_ratio` is what a reservation adds for the fee; the
        real fee is booked from the fill. Raises ValueError for a ledger of another exchange
        or a negative capital, sqlite3.Error when the database cannot be used."""
        if initial_capital < 0:
            raise ValueError(f"initial capital {initial_capital} is below zero")
        self.exchange = exchange
        self.currency = currency
        self.cap_ratio = cap_ratio
        self.fault = ""
        self._clock = clock
        self._timezone = timezone
        self._taker_fee_ratio = taker_fee_ratio
        self._lock = threading.RLock()
        self._ledger = CapitalLedger(database)
        identity = self._ledger.identity()
        if identity is None:
            self._open_new(initial_capital, cap_ratio)
        elif identity != (exchange, currency):
            raise ValueError(
                f"this ledger belongs to {' '.join(identity)}, not {exchange} {currency}"
            )
        self._book, fault = self._ledger.load(cap_ratio)
        if fault:
            self._fail(fault)
        stored = self._ledger.performance()
        self._peak = stored.peak
        self._max_drawdown = stored.max_drawdown
        self._marks = {s: mark for s, mark in stored.marks.items() if s in self._book.locks}
        self._day = stored.day
        self._day_end_ms = next_day_start_ms(self._day.start_ms, timezone)
        self._past_days = self._ledger.days(_DAYS_SHOWN)[:-1]
        self._curve = EquityCurve(self._ledger.equity_points())
        self._lines = deque(self._ledger.newest_lines(), maxlen=NEWEST_LINES)
        self._saved_s = clock.monotonic_s()
        self._equity = self._book.total + self._unrealized(self._book)

    @property
    def is_sound(self) -> bool:
        return not self.fault

    # orders

    def reserve(self, request: OrderRequest) -> Denial | None:
        """Keep notional plus fee for an entry, or say why not. Exits need nothing and always
        pass. Asking again with the same id changes nothing."""
        if not request.increases_risk:
            return None
        amount = request.notional * (1 + self._taker_fee_ratio)
        with self._lock:
            if request.client_order_id in self._book.reservations:
                return None
            if amount <= 0:
                return Denial(
                    "order_size", f"an order of {amount:,.2f} {self.currency} is no order"
                )
            if self._ledger.is_settled(request.client_order_id):
                return Denial("order_settled", f"order {request.client_order_id} has ended already")
            denial = self._room_for(amount)
            if denial is not None:
                return denial
            draft = self._book.copy()
            text = f"{request.symbol}, {request.order_type} {request.side} {request.quantity}"
            lines = draft.reserve(
                Reservation(
                    request.client_order_id,
                    request.symbol,
                    request.bot_id,
                    request.quantity,
                    amount,
                ),
                text,
            )
            return self._commit_or_deny(draft, lines)

    def give_back(self, client_order_id: str, reason: str = "order not placed") -> None:
        """What the order reserved and has not filled is free again. Harmless when repeated.
        Raises sqlite3.Error."""
        self._settle(client_order_id, None, reason)

    def on_order(self, order: Order) -> None:
        """An order that has ended gives the rest of its reservation back; what has filled but
        is not booked yet stays reserved for its fills. Raises sqlite3.Error."""
        if order.status.is_terminal:
            self._settle(order.client_order_id, order.filled_quantity, f"order {order.status}")

    def on_fill(self, fill: Fill, purpose: OrderPurpose) -> bool:
        """Book one execution: False if this trade id was booked before. Raises sqlite3.Error:
        then nothing is booked and entries are refused, for the books are behind."""
        with self._lock:
            if self._ledger.is_booked(fill):
                return False
            draft = self._book.copy()
            lines = draft.fill(fill, purpose)
            closed = fill.symbol in self._book.locks and fill.symbol not in draft.locks
            self._commit(draft, lines, trade=fill, closed_positions=int(closed))
            return True

    # by name (spec S3)

    def allocate_for_position(self, symbol: str, amount: Decimal, bot_id: str = "manual") -> bool:
        """Lock `amount` for a position about to be opened; False if the cap leaves no room.
        The first fill of the symbol takes its place. Raises ValueError unless amount > 0."""
        if amount <= 0:
            raise ValueError(f"an allocation is more than zero, not {amount}")
        with self._lock:
            if self._room_for(amount) is not None:
                return False
            draft = self._book.copy()
            lock = PositionLock(symbol, bot_id, Side.BUY, ZERO, amount, self._clock.time_ms())
            return self._commit_or_deny(draft, draft.allocate(lock)) is None

    def release_position(self, symbol: str, pnl: Decimal) -> None:
        """Unlock the symbol and book `pnl` (after fees): for positions allocated by name, whose
        fills are not booked. Raises sqlite3.Error."""
        with self._lock:
            draft = self._book.copy()
            closed = symbol in self._book.locks
            self._commit(draft, draft.release(symbol, pnl), closed_positions=int(closed))

    # market and exchange

    def on_mark_price(self, symbol: str, price: Decimal) -> None:
        """A new price of a symbol: unrealized result, equity, peak, drawdown, the day. Cheap."""
        with self._lock:
            if symbol in self._book.locks:
                self._marks[symbol] = price
            self._refresh(self._book)
            if self._clock.monotonic_s() - self._saved_s >= _SAVE_INTERVAL_S:
                self._save_performance()

    def synchronise(
        self, balance: Balance, positions: list[Position], *, as_of_ms: int | None = None
    ) -> Decimal:
        """Compare with the exchange: its positions set the locks (owner "external" where nobody
        here opened one). Returns our total minus its wallet balance: 0 when the books tie out;
        a difference is only returned, never booked away. `as_of_ms` is when the positions were
        asked for (market time; None: when the balance was read): a fill since then outweighs
        them. Book every known fill first. Raises ValueError for another currency, sqlite3.Error."""
        if balance.currency != self.currency:
            raise ValueError(f"the ledger is in {self.currency}, the balance in {balance.currency}")
        with self._lock:
            draft = self._book.copy()
            asked_ms = balance.updated_ms if as_of_ms is None else as_of_ms
            lines = draft.synchronise(positions, asked_ms)
            for position in positions:
                if position.mark_price is not None and not position.is_flat:
                    self._marks[position.symbol] = position.mark_price
            if lines:
                self._commit(draft, lines)
            return self._book.total - balance.wallet_balance

    def reset_peak(self) -> None:
        """Count drawdown anew from today's equity: what resuming after a liquidation means.
        The largest drawdown so far stays on record."""
        with self._lock:
            self._peak = self._equity
            self._save_performance()

    # reading

    def figures(self) -> CapitalFigures:
        with self._lock:
            self._refresh(self._book)
            held = {lock.symbol for lock in self._book.locks.values()}
            return CapitalFigures(
                total=self._book.total,
                committed=self._book.committed,
                equity=self._equity,
                drawdown=self._drawdown,
                daily_pnl=self._day.result,
                day_start_equity=self._day.start_equity,
                day_start_ms=self._day.start_ms,
                largest_symbol=max(
                    (self._book.committed_to(symbol) for symbol in held), default=ZERO
                ),
            )

    def committed_to(self, symbol: str, except_order: str = "") -> Decimal:
        """Capital that one symbol holds, without what the order `except_order` has reserved."""
        with self._lock:
            return self._book.committed_to(symbol, except_order)

    def get_available_capital(self) -> Decimal:
        """What a new order may take under the cap."""
        with self._lock:
            return self._book.available

    def get_allocation_ratio(self) -> Decimal:
        """Reserved and locked as a part of the total, 0..1."""
        with self._lock:
            return self._book.committed / self._book.total if self._book.total > 0 else ZERO

    def get_locked_symbols(self) -> list[str]:
        with self._lock:
            return sorted(self._book.locks)

    def get_daily_pnl(self, days: int = 7) -> dict[str, Decimal]:
        """Result of each of the newest `days` trading days by its date, today last."""
        with self._lock:
            self._refresh(self._book)
            newest = [*self._ledger.days(days), self._day]
            results = {day_name(day.start_ms, self._timezone): day.result for day in newest}
            return dict(list(results.items())[-days:])

    def get_stats(self) -> CapitalStats:
        return build_stats(self.snapshot())

    def export_json(self) -> str:
        """The state in the form of the design's `{exchange}_capital_state.json`."""
        with self._lock:
            return to_design_json(
                self.exchange,
                self.snapshot(),
                self.get_daily_pnl(_DAYS_SHOWN),
                self._clock.time_ms(),
            )

    def snapshot(self) -> CapitalSnapshot:
        with self._lock:
            self._refresh(self._book)
            return build_snapshot(
                self._book,
                currency=self.currency,
                performance=self._performance(),
                equity=self._equity,
                drawdown=self._drawdown,
                days=[*self._past_days, self._day],
                lines=list(self._lines),
                points=[*self._curve.points, (self._clock.time_ms(), self._equity)],
            )

    # inside, with the lock held

    def _open_new(self, initial_capital: Decimal, cap_ratio: Decimal) -> None:
        now_ms = self._clock.time_ms()
        book = CapitalBook(cap_ratio)
        book.book_line(Line("deposit", "", initial_capital, initial_capital))
        start_ms = day_start_ms(now_ms, self._timezone)
        day = TradingDay(start_ms, initial_capital, initial_capital)
        line = LedgerLine(now_ms, "deposit", "capital at the start of this ledger", initial_capital)
        first = Performance(initial_capital, ZERO, {}, day)
        self._ledger.create(self.exchange, self.currency, book, line, first)

    @property
    def _drawdown(self) -> Decimal:
        return (self._peak - self._equity) / self._peak if self._peak > 0 else ZERO

    def _room_for(self, amount: Decimal) -> Denial | None:
        if not self.is_sound:
            return Denial("ledger_unsound", f"no new entries: {self.fault}")
        if amount > self._book.available:
            return Denial(
                "capital_cap",
                f"{amount:,.2f} {self.currency} needed, {self._book.available:,.2f} of "
                f"{self._book.total:,.2f} is free under the {self._book.cap_ratio:.0%} cap",
            )
        return None

    def _settle(self, client_order_id: str, filled: Decimal | None, reason: str) -> None:
        with self._lock:
            draft = self._book.copy()
            lines = draft.settle(client_order_id, filled, reason)
            if lines:
                self._commit(draft, lines)

    def _commit_or_deny(self, draft: CapitalBook, lines: list[Line]) -> Denial | None:
        """New commitments only: a book that would not add up is not written at all."""
        over = draft.committed - draft.cap_ratio * draft.total
        fault = draft.audit() or (f"capital in use {over} above the cap" if over > 0 else "")
        if fault:
            self._fail(fault)
            return Denial("ledger_unsound", f"no new entries: {fault}")
        try:
            self._commit(draft, lines)
        except sqlite3.Error:  # _commit has made it the visible fault
            return Denial("ledger_unsound", f"no new entries: {self.fault}")
        return None

    def _commit(
        self,
        draft: CapitalBook,
        lines: list[Line],
        *,
        trade: Fill | None = None,
        closed_positions: int = 0,
    ) -> None:
        """Durable first, then in memory."""
        now_ms = self._clock.time_ms()
        fault = draft.audit()
        if fault:
            self._fail(fault)
        measured = (self._day, self._peak, self._max_drawdown)
        self._refresh(draft)
        cash = sum((line.cash for line in lines), ZERO)
        self._day = msgspec.structs.replace(
            self._day,
            realized=self._day.realized + cash,
            trades=self._day.trades + closed_positions,
        )
        try:
            self._ledger.save(
                self._book, draft, lines, now_ms, trade=trade, performance=self._performance()
            )
        except sqlite3.Error as error:
            self._day, self._peak, self._max_drawdown = measured
            self._fail(f"the ledger could not be written: {error}")
            raise
        self._book = draft
        self._marks = {
            symbol: mark for symbol, mark in self._marks.items() if symbol in draft.locks
        }
        self._lines.extendleft(LedgerLine(now_ms, x.kind, x.text, x.amount) for x in lines)

    def _fail(self, fault: str) -> None:
        if not self.fault:
            log.error("capital of %s: %s; entries are refused", self.exchange, fault)
            self.fault = fault

    def _unrealized(self, book: CapitalBook) -> Decimal:
        results = (
            lock.unrealized_pnl(self._marks[symbol])
            for symbol, lock in book.locks.items()
            if symbol in self._marks
        )
        return sum(results, ZERO)

    def _refresh(self, book: CapitalBook) -> None:
        """Equity and all that follows from it, for now and for `book`."""
        now_ms = self._clock.time_ms()
        if now_ms >= self._day_end_ms:
            self._roll_day(now_ms)
        self._equity = book.total + self._unrealized(book)
        if self._equity != self._day.end_equity:
            self._day = msgspec.structs.replace(self._day, end_equity=self._equity)
        self._peak = max(self._peak, self._equity)
        self._max_drawdown = max(self._max_drawdown, self._drawdown)

    def _roll_day(self, now_ms: int) -> None:
        self._save_performance()  # the old day's last word
        self._past_days = [*self._past_days, self._day][-(_DAYS_SHOWN - 1) :]
        start_ms = day_start_ms(now_ms, self._timezone)
        self._day = TradingDay(start_ms, self._equity, self._equity)
        self._day_end_ms = next_day_start_ms(start_ms, self._timezone)

    def _performance(self) -> Performance:
        return Performance(self._peak, self._max_drawdown, self._marks, self._day)

    def _save_performance(self) -> None:
        now_ms = self._clock.time_ms()
        self._saved_s = self._clock.monotonic_s()
        point, dropped_ms = None, None
        points = self._curve.points
        if not points or now_ms - points[-1][0] >= _POINT_INTERVAL_MS:
            point = (now_ms, self._equity)
            dropped_ms = self._curve.add(*point)
        try:
            self._ledger.save_performance(self._performance(), point, dropped_ms)
        except sqlite3.Error as error:  # shown as the fault; prices go on being followed
            self._fail(f"the ledger could not be written: {error}")
