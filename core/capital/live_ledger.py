"""The capital book in memory, kept equal to the file it is written to.

Durable first, then in memory; what another process has written is taken in before anything is
read or decided. Here live also the reasons for which the books may not be trusted with a new
commitment: they do not add up, they could not be written, or a trade is missing in them.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import tzinfo
from decimal import Decimal

from core.capital.book import TRANSFER_KINDS, ZERO, CapitalBook, Line
from core.capital.equity_curve import EquityCurve
from core.capital.ledger import NEWEST_LINES, CapitalLedger, TradeKey
from core.capital.performance import DAYS_SHOWN, Performance, PerformanceTracker
from core.capital.trading_day import TradingDay, day_start_ms
from core.clock import Clock
from core.snapshots import LedgerLine

log = logging.getLogger(__name__)
POINT_INTERVAL_MS = 60_000  # of the equity curve, market time
Decide = Callable[[CapitalBook], list[Line]]


class LiveLedger:
    """Attributes: lock, book, tracker, curve, lines (newest first), store. Callers that read
    more than one of them hold `lock` and have called `look`."""

    def __init__(
        self,
        database: sqlite3.Connection,
        *,
        exchange: str,
        currency: str,
        initial_capital: Decimal,
        cap_ratio: Decimal,
        clock: Clock,
        timezone: tzinfo,
    ) -> None:
        """Raises ValueError for a ledger of another exchange, sqlite3.Error."""
        self.exchange = exchange
        self.lock = threading.RLock()
        self.store = CapitalLedger(database)
        self.broken = ""  # the books do not add up
        self.write_fault = ""
        self.missing: set[TradeKey] = set()  # trades that could not be written
        self._clock = clock
        self._timezone = timezone
        with self.store.exclusive():  # one moment's truth, read as a whole
            identity = self.store.identity()
            if identity is None:
                self._open_new(currency, initial_capital)
            elif identity != (exchange, currency):
                raise ValueError(
                    f"this ledger belongs to {' '.join(identity)}, not {exchange} {currency}"
                )
            self.book, fault = self.store.load(cap_ratio)
            self._load_performance()
            self.curve = EquityCurve(self.store.equity_points())
        if fault:
            self.break_off(fault)
        self.saved_s = clock.monotonic_s()

    @property
    def fault(self) -> str:
        """Why nothing new may be committed, "" while the books are sound."""
        missing = len(self.missing)
        behind = f"{missing} executed trades could not be booked yet" if missing else ""
        return self.broken or self.write_fault or behind

    def break_off(self, fault: str) -> None:
        """The books do not add up: nothing here makes that good."""
        if not self.broken:
            log.error("capital of %s: %s; entries are refused", self.exchange, fault)
            self.broken = fault

    def write(self, decide: Decide, *, trade: TradeKey | None = None) -> bool:
        """`decide` changes a draft of the newest book and says what it did; what it raises leaves
        everything as it was. False if `trade` was booked before: then it is not asked. Raises
        sqlite3.Error: nothing has happened, and it is the visible fault."""
        with self.lock:
            now_ms = self._clock.time_ms()
            with self._writing(now_ms):
                if trade is not None and self.store.is_booked(trade):
                    return False
                draft = self.book.copy()
                lines = decide(draft)
                if not lines and trade is None:
                    return True
                fault = draft.audit()
                if fault:
                    self.break_off(fault)
                self._account_for(draft, lines, now_ms)
                self.store.save(self.book, draft, lines, now_ms, trade=trade)
                if self._has_moved(draft, lines):
                    self.store.save_performance(self.tracker.state, self.tracker.ended_days)
            self.book = draft
            self._written()
            self.lines.extendleft(LedgerLine(now_ms, x.kind, x.text, x.amount) for x in lines)
        return True

    def save_performance(self) -> None:
        """Marks, peak and day. Never raises, and so it is also the probe after a write fault.

        Done every second on the engine's loop, where a price that comes meanwhile has to wait: a
        power cut may cost the newest second of it, unless a day has ended."""
        now_ms = self._clock.time_ms()
        self.saved_s = self._clock.monotonic_s()
        try:
            with self._writing(now_ms, is_synced=bool(self.tracker.ended_days)):
                self.store.save_performance(self.tracker.state, self.tracker.ended_days)
                points = self.curve.points
                if not points or now_ms - points[-1][0] >= POINT_INTERVAL_MS:
                    point = (now_ms, self.tracker.equity)
                    self.store.save_point(point, self.curve.add(*point))
        except sqlite3.Error:
            return  # shown as the fault; prices go on being followed
        self._written()

    def look(self) -> None:
        """Bring memory up to date before reading. While the disk cannot be read, memory is what
        there is: equity goes on being followed, so that exits and the kill switch do."""
        try:
            if self.store.is_behind():
                with self.store.exclusive():
                    self._catch_up()
        except sqlite3.Error as error:
            self._write_failed(error)
        self.tracker.refresh(self.book, self._clock.time_ms())
        if self.tracker.ended_days and not self.write_fault:
            self.save_performance()

    @contextmanager
    def _writing(self, now_ms: int, *, is_synced: bool = True) -> Iterator[None]:
        """One write transaction on the newest truth; left by an exception, nothing has happened."""
        former: Performance | None = None
        try:
            with self.store.exclusive(is_synced=is_synced):
                self._catch_up()
                self.tracker.refresh(self.book, now_ms)
                former = self.tracker.state
                yield
        except BaseException as error:
            if former is not None:
                self.tracker.take_back(former)
            if isinstance(error, sqlite3.Error):
                self._write_failed(error)
            raise

    def _account_for(self, draft: CapitalBook, lines: list[Line], now_ms: int) -> None:
        """What the change does to equity and to today's result."""
        cash = sum((line.cash for line in lines if line.kind not in TRANSFER_KINDS), ZERO)
        closed = len(self.book.locks.keys() - draft.locks.keys())
        self.tracker.book(cash, closed)
        self.tracker.refresh(draft, now_ms)
        self.tracker.keep_marks_of(draft)

    def _has_moved(self, draft: CapitalBook, lines: list[Line]) -> bool:
        """A reservation alone moves no equity; leaving that out halves what it costs."""
        return (
            any(line.cash != 0 for line in lines)
            or draft.locks.keys() != self.book.locks.keys()
            or bool(self.tracker.ended_days)
        )

    def _catch_up(self) -> None:
        """Take in what another process has written."""
        if not self.store.is_behind():
            return
        book = self.book.copy()
        fault = self.store.catch_up(book)
        self.book = book
        marks = self.tracker.state.marks
        self._load_performance()
        for symbol, price in marks.items():
            self.tracker.mark(symbol, price)
        self.tracker.keep_marks_of(book)
        if fault:
            self.break_off(fault)

    def _load_performance(self) -> None:
        self.tracker = PerformanceTracker(
            self.store.performance(), self.store.days(DAYS_SHOWN)[:-1], self._timezone
        )
        self.lines = deque(self.store.newest_lines(), maxlen=NEWEST_LINES)

    def _open_new(self, currency: str, capital: Decimal) -> None:
        now_ms = self._clock.time_ms()
        day = TradingDay(day_start_ms(now_ms, self._timezone), capital, capital)
        line = LedgerLine(now_ms, "deposit", "capital at the start of this ledger", capital)
        first = Performance(capital, ZERO, {}, day, capital)
        self.store.create(self.exchange, currency, line, first)

    def _written(self) -> None:
        self.tracker.ended_days.clear()
        if self.write_fault:
            log.info("capital of %s: the ledger can be written again", self.exchange)
            self.write_fault = ""

    def _write_failed(self, error: sqlite3.Error) -> None:
        text = f"the ledger could not be written: {error}"
        if not self.write_fault:
            log.error("capital of %s: %s; entries are refused", self.exchange, text)
        self.write_fault = text
