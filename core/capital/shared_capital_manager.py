"""One ledger of one account's capital, shared by every bot: nobody spends what another holds.

The race it removes: two bots read 10,000 at once and spend 500 and 600. Here reading, deciding
and writing are one step: under one lock within a process, inside one write transaction on the
file's own truth between processes, durable before the answer is given.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import UTC, tzinfo
from decimal import Decimal

from core.capital.book import (
    IMPORTED_OWNER,
    MANUAL_OWNER,
    ZERO,
    CapitalBook,
    Line,
    PositionLock,
    Reservation,
)
from core.capital.design_json import DesignState, from_design_json, to_design_json
from core.capital.difference import LedgerDifference, explain_difference
from core.capital.ledger import trade_key
from core.capital.live_ledger import Decide, LiveLedger
from core.capital.performance import DAYS_SHOWN
from core.capital.report import (
    CapitalFigures,
    CapitalStats,
    build_figures,
    build_snapshot,
    build_stats,
    ratio,
)
from core.capital.trading_day import TradingDay, day_name, day_named
from core.clock import Clock
from core.models.fills import Fill, FillKind
from core.models.orders import Denial, Order, OrderPurpose, OrderRequest, Side
from core.models.positions import Balance, Position
from core.snapshots import CapitalSnapshot

__all__ = ["CapitalFigures", "CapitalStats", "SharedCapitalManager"]

_SAVE_INTERVAL_S = 1.0  # marks are saved at most this often, real seconds
_TRANSFER = "transfer"  # stands for the symbol in the key of a booked transfer


class _Denied(Exception):
    """Ends a write transaction in which nothing may be changed."""

    def __init__(self, denial: Denial) -> None:
        super().__init__(denial.text)
        self.denial = denial


class SharedCapitalManager:
    """Thread safe by one lock, crash safe by one transaction for each change, safe between
    processes by deciding inside that transaction. `database` is a connection of its own, or one
    that nothing else uses from another thread.

    New entries are refused while `fault` says why: the books do not add up (for good), or could
    not be written, or a trade is missing in them (until a write succeeds and the trade is
    booked). Exits and fills go on being booked whenever that is possible.
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
        ledger's own truth does. Trading days begin at midnight in `timezone`, the trader's.
        `taker_fee_ratio` is what a reservation adds for the fee; the real fee is booked from
        the fill. Raises ValueError for a ledger of another exchange or a negative capital,
        sqlite3.Error when the database cannot be used."""
        if initial_capital < 0:
            raise ValueError(f"initial capital {initial_capital} is below zero")
        self.exchange = exchange
        self.currency = currency
        self.cap_ratio = cap_ratio
        self._clock = clock
        self._timezone = timezone
        self.taker_fee_ratio = taker_fee_ratio
        self._live = LiveLedger(
            database,
            exchange=exchange,
            currency=currency,
            initial_capital=initial_capital,
            cap_ratio=cap_ratio,
            clock=clock,
            timezone=timezone,
        )

    @property
    def fault(self) -> str:
        """Why new entries are refused, "" while the books are sound."""
        return self._live.fault

    @property
    def is_sound(self) -> bool:
        return not self.fault

    def probe(self) -> bool:
        """Try to write, so that a passing fault of the disk ends by itself; True when the ledger
        is sound. Costs nothing then; else call it about once a second."""
        if self._live.write_fault:
            with self._live.lock:
                self._live.save_performance()
        return self.is_sound

    # orders

    def reserve(self, request: OrderRequest) -> Denial | None:
        """Keep notional plus fee for an order that may open a position, or say why not. Orders
        that only reduce need nothing and always pass. Asking again with the same id changes
        nothing."""
        if request.reduce_only:
            return None
        amount = request.notional * (1 + self.taker_fee_ratio)

        def decide(draft: CapitalBook) -> list[Line]:
            if request.client_order_id in draft.reservations:
                return []
            if self._live.store.is_settled(request.client_order_id):
                text = f"order {request.client_order_id} has ended already"
                raise _Denied(Denial("order_settled", text))
            self._require_room(draft, amount)
            entry = Reservation(
                request.client_order_id,
                request.symbol,
                request.bot_id or MANUAL_OWNER,
                request.quantity,
                amount,
            )
            text = f"{request.symbol}, {request.order_type} {request.side} {request.quantity}"
            return draft.reserve(entry, text)

        return self._commit_or_deny(decide)

    def preview(self, request: OrderRequest) -> Denial | None:
        """What `reserve` would say to a new order; nothing is reserved."""
        if request.reduce_only:
            return None
        with self._live.lock:
            self._live.look()
            if self.fault:
                return self._unsound()
            try:
                amount = request.notional * (1 + self.taker_fee_ratio)
                self._require_room(self._live.book, amount)
            except _Denied as no:
                return no.denial
        return None

    def give_back(self, client_order_id: str, reason: str = "order not placed") -> None:
        """What the order reserved and has not filled is free again. Harmless when repeated.
        Raises sqlite3.Error."""
        self._live.write(lambda draft: draft.settle(client_order_id, None, reason))

    def on_order(self, order: Order) -> None:
        """An order that has ended gives the rest of its reservation back; what has filled but
        is not booked yet stays reserved for its fills. Raises sqlite3.Error."""
        if order.status.is_terminal:
            reason = f"order {order.status}"
            self._live.write(
                lambda draft: draft.settle(order.client_order_id, order.filled_quantity, reason)
            )

    def on_fill(self, fill: Fill, purpose: OrderPurpose) -> bool:
        """Book one execution: False if this trade id was booked before. Raises sqlite3.Error:
        then nothing is booked, and entries are refused until it is, for the books are behind."""
        key = trade_key(fill)

        def decide(draft: CapitalBook) -> list[Line]:
            lines = draft.fill(fill, purpose)
            if fill.kind is FillKind.TRADE and fill.symbol in draft.locks:
                self._live.tracker.mark_by_fill(fill.symbol, fill.price)
            return lines

        with self._live.lock:
            try:
                is_new = self._live.write(decide, trade=key)
            except sqlite3.Error:
                self._live.missing.add(key)
                raise
            self._live.missing.discard(key)
            return is_new

    # by name (spec S3)

    def allocate_for_position(
        self, symbol: str, amount: Decimal, bot_id: str = MANUAL_OWNER
    ) -> bool:
        """Lock `amount` for a position about to be opened; False if the cap leaves no room.
        The first fill of the symbol takes its place. Raises ValueError unless amount > 0."""
        if amount <= 0:
            raise ValueError(f"an allocation is more than zero, not {amount}")

        def decide(draft: CapitalBook) -> list[Line]:
            self._require_room(draft, amount)
            lock = PositionLock(symbol, bot_id, Side.BUY, ZERO, amount, self._clock.time_ms())
            return draft.allocate(lock)

        return self._commit_or_deny(decide) is None

    def release_position(self, symbol: str, pnl: Decimal) -> None:
        """Unlock the symbol and book `pnl` (after fees): for positions allocated by name, whose
        fills are not booked. Raises sqlite3.Error."""
        self._live.write(lambda draft: draft.release(symbol, pnl))

    def take_over(self, symbol: str, bot_id: str) -> None:
        """The trader has accepted a position that nobody here opened; "" makes it his own.
        Raises sqlite3.Error."""
        self._live.write(lambda draft: draft.take_over(symbol, bot_id or MANUAL_OWNER))

    # transfers

    def book_transfer(self, amount: Decimal, text: str, *, transfer_id: str = "") -> bool:
        """Book a deposit (above zero) or a withdrawal (below) at the exchange: no result, no
        drawdown. False if `transfer_id`, the exchange's name for it, was booked before. Raises
        ValueError for nothing, sqlite3.Error."""
        if amount == 0:
            raise ValueError("a transfer of nothing is no transfer")
        key = (self.exchange, _TRANSFER, transfer_id) if transfer_id else None

        def decide(draft: CapitalBook) -> list[Line]:
            self._live.tracker.on_transfer(amount)
            return draft.transfer(amount, text)

        return self._live.write(decide, trade=key)

    def explain(self, balance: Balance, exchange_fills: Iterable[Fill]) -> LedgerDifference:
        """Why our total and the exchange's wallet balance differ, by category.
        `exchange_fills` are its executions for the time in question, funding included. Raises
        ValueError for another currency, sqlite3.Error."""
        self._require_currency(balance)
        with self._live.lock:
            self._live.look()
            unbooked = [f for f in exchange_fills if not self._live.store.is_booked(trade_key(f))]
            difference = self._live.book.total - balance.wallet_balance
        return explain_difference(difference, unbooked, self.currency)

    # market and exchange

    def on_mark_price(self, symbol: str, price: Decimal) -> None:
        """A new price of a symbol: unrealized result, equity, peak, drawdown, the day. Cheap."""
        with self._live.lock:
            if symbol in self._live.book.locks:
                self._live.tracker.mark(symbol, price)
            self._live.tracker.refresh(self._live.book, self._clock.time_ms())
            if self._clock.monotonic_s() - self._live.saved_s >= _SAVE_INTERVAL_S:
                self._live.save_performance()

    def synchronise(
        self,
        balance: Balance,
        positions: list[Position],
        *,
        as_of_ms: int | None = None,
        open_orders: Iterable[Order] | None = None,
    ) -> Decimal:
        """Compare with the exchange: its positions set the locks (owner "external" where nobody
        here opened one), and entry orders in `open_orders` that are not ours are reserved for
        (None: not asked, they stay as they were). Returns our total minus its wallet balance: 0
        when the books tie out; a difference is only returned, never booked away. `as_of_ms` is
        when the positions were asked for (market time; None: when the balance was read): a fill
        since then outweighs them. Book every known fill first. Raises ValueError for another
        currency, sqlite3.Error."""
        self._require_currency(balance)
        asked_ms = balance.updated_ms if as_of_ms is None else as_of_ms
        held = [position for position in positions if not position.is_flat]

        def decide(draft: CapitalBook) -> list[Line]:
            lines = draft.synchronise(held, asked_ms)
            if open_orders is not None:
                lines += draft.hold_external(open_orders, self.taker_fee_ratio)
            return lines

        with self._live.lock:
            self._live.write(decide)
            for position in held:
                if position.mark_price is not None:
                    self._live.tracker.mark(position.symbol, position.mark_price)
            return self._live.book.total - balance.wallet_balance

    def reset_peak(self) -> None:
        """Count drawdown anew from today's equity: what resuming after a liquidation means.
        The largest drawdown so far stays on record."""
        with self._live.lock:
            self._live.look()
            self._live.tracker.reset_peak()
            self._live.save_performance()

    # reading

    def figures(self) -> CapitalFigures:
        with self._live.lock:
            self._live.look()
            return build_figures(self._live.book, self._live.tracker)

    def committed_to(self, symbol: str, except_order: str = "") -> Decimal:
        """Capital that one symbol holds, without what the order `except_order` has reserved."""
        with self._live.lock:
            self._live.look()
            return self._live.book.committed_to(symbol, except_order)

    def reserved_by(self, client_order_id: str) -> Decimal:
        """What an order holds for what it may still fill; 0 when it holds nothing."""
        with self._live.lock:
            self._live.look()
            entry = self._live.book.reservations.get(client_order_id)
            return entry.amount if entry is not None else ZERO

    def get_available_capital(self) -> Decimal:
        """What a new order may take under the cap."""
        with self._live.lock:
            self._live.look()
            return self._live.book.available

    def get_allocation_ratio(self) -> Decimal:
        """Reserved and locked as a part of the total, 0..1."""
        with self._live.lock:
            self._live.look()
            return ratio(self._live.book.committed, self._live.book.total)

    def get_locked_symbols(self) -> list[str]:
        with self._live.lock:
            self._live.look()
            return sorted(self._live.book.locks)

    def get_daily_pnl(self, days: int = 7) -> dict[str, Decimal]:
        """Result of each of the newest `days` trading days by its date, today last."""
        return {name: day.result for name, day in self.trading_days(days).items()}

    def trading_days(self, count: int) -> dict[str, TradingDay]:
        """The newest `count` by their dates in the account's time zone, today last."""
        with self._live.lock:
            self._live.look()
            stored = {day.start_ms: day for day in self._live.store.days(count)}
            newest = stored | {day.start_ms: day for day in self._live.tracker.days(count)}
            days = {day_name(ms, self._timezone): newest[ms] for ms in sorted(newest)}
            return dict(list(days.items())[-count:])

    def get_cash_by_kind(self) -> dict[str, Decimal]:
        """The total taken apart as the exchange's own statement is: deposit, withdrawal,
        released (results), fee, funding."""
        with self._live.lock:
            self._live.look()
            return dict(self._live.book.cash)

    def get_stats(self) -> CapitalStats:
        return build_stats(self.snapshot())

    def snapshot(self) -> CapitalSnapshot:
        with self._live.lock:
            self._live.look()
            now = (self._clock.time_ms(), self._live.tracker.equity)
            return build_snapshot(
                self._live.book,
                self._live.tracker,
                currency=self.currency,
                lines=list(self._live.lines),
                points=[*self._live.curve.points, now],
            )

    # the design's JSON

    def export_json(self) -> str:
        """The state in the form of the design's `{exchange}_capital_state.json`."""
        with self._live.lock:
            days = self.get_daily_pnl(DAYS_SHOWN)
            return to_design_json(self.exchange, self.snapshot(), days, self._clock.time_ms())

    def import_json(self, text: str) -> None:
        """Begin this ledger with the state of such a file: capital, results, peak, days, and its
        allocations, held until the exchange says what is behind them. Raises ValueError when
        something has been booked here already or the file does not fit, sqlite3.Error."""
        state = from_design_json(text, self.exchange, self.currency)
        days = {day_named(name, self._timezone): pnl for name, pnl in state.daily_pnl.items()}

        def decide(draft: CapitalBook) -> list[Line]:
            if not self._live.store.is_new():
                raise ValueError("this ledger has begun already; a file can only begin a new one")
            lines = self._taken_over(draft, state)
            start_ms = self._live.tracker.state.day.start_ms
            earlier = {ms: pnl for ms, pnl in days.items() if ms < start_ms}
            self._live.store.save_days(
                TradingDay(ms, ZERO, pnl, pnl) for ms, pnl in earlier.items()
            )
            self._live.tracker.begin(
                draft.total,
                result_today=days.get(start_ms, ZERO),
                peak=state.peak_capital,
                max_drawdown=state.max_drawdown,
                past_days=self._live.store.days(DAYS_SHOWN)[:-1],
            )
            return lines

        self._live.write(decide)

    # inside

    def _taken_over(self, draft: CapitalBook, state: DesignState) -> list[Line]:
        lines = []
        if state.initial_capital != draft.total:
            lines += draft.transfer(state.initial_capital - draft.total, "taken over")
        result = Line("released", "results taken over", ZERO, state.total_capital - draft.total)
        draft.book_line(result)
        lines.append(result)
        for symbol, amount in state.allocations.items():
            held = PositionLock(symbol, IMPORTED_OWNER, Side.BUY, ZERO, amount, 0)
            lines += draft.allocate(held)
        return lines

    def _require_currency(self, balance: Balance) -> None:
        if balance.currency != self.currency:
            raise ValueError(f"the ledger is in {self.currency}, the balance in {balance.currency}")

    def _require_room(self, draft: CapitalBook, amount: Decimal) -> None:
        if amount <= 0:
            text = f"an order of {amount:,.2f} {self.currency} is no order"
            raise _Denied(Denial("order_size", text))
        if amount > draft.available:
            text = (
                f"{amount:,.2f} {self.currency} needed, {draft.available:,.2f} of "
                f"{draft.total:,.2f} is free under the {draft.cap_ratio:.0%} cap"
            )
            raise _Denied(Denial("capital_cap", text))

    def _commit_or_deny(self, decide: Decide) -> Denial | None:
        """New commitments only: a book that would not add up is not written at all."""

        def decide_and_prove(draft: CapitalBook) -> list[Line]:
            if self.fault:  # seen only now, in what another process has written
                raise _Denied(self._unsound())
            lines = decide(draft)
            over = draft.committed - draft.cap_ratio * draft.total
            fault = draft.audit() or (f"{over} above the cap is in use" if over > 0 else "")
            if lines and fault:
                text = f"the books would not add up with it: {fault}"
                raise _Denied(Denial("ledger_unsound", text))
            return lines

        with self._live.lock:
            if not self.probe():
                return self._unsound()
            try:
                self._live.write(decide_and_prove)
            except _Denied as no:
                return no.denial
            except sqlite3.Error:  # it is the visible fault already
                return self._unsound()
        return None

    def _unsound(self) -> Denial:
        return Denial("ledger_unsound", f"no new entries: {self.fault}")
