"""The capital ledger on disk: one SQLite transaction for each change, so that a kill at any
moment leaves the book as it was before or as it is after, never between.

The lines are the truth for money: on opening, the total is added up again from all of them and
compared with the stored one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from decimal import Decimal

import msgspec

from core.capital.book import CapitalBook, Line, PositionLock, Reservation
from core.capital.trading_day import TradingDay
from core.models.fills import Fill
from core.models.orders import Side
from core.snapshots import LedgerLine
from core.storage.database import transaction

NEWEST_LINES = 50
_SCHEMA = """
CREATE TABLE IF NOT EXISTS capital_state (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS capital_lines (
    id INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
    amount TEXT NOT NULL, cash TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS capital_reservations (
    client_order_id TEXT PRIMARY KEY, symbol TEXT NOT NULL, bot_id TEXT NOT NULL,
    quantity TEXT NOT NULL, amount TEXT NOT NULL, booked_quantity TEXT NOT NULL,
    is_open INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS capital_locks (
    symbol TEXT PRIMARY KEY, bot_id TEXT NOT NULL, side TEXT NOT NULL, quantity TEXT NOT NULL,
    amount TEXT NOT NULL, changed_ms INTEGER NOT NULL, synchronised_ms INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS capital_trades (
    account TEXT NOT NULL, symbol TEXT NOT NULL, trade_id TEXT NOT NULL,
    PRIMARY KEY (account, symbol, trade_id)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS capital_days (
    start_ms INTEGER PRIMARY KEY, start_equity TEXT NOT NULL, end_equity TEXT NOT NULL,
    realized TEXT NOT NULL, trades INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS capital_equity (
    time_ms INTEGER PRIMARY KEY, equity TEXT NOT NULL) STRICT;
"""


class Performance(msgspec.Struct, frozen=True):
    """What marks and days have brought; `marks` are the newest prices of locked symbols."""

    peak: Decimal
    max_drawdown: Decimal
    marks: dict[str, Decimal]
    day: TradingDay


class CapitalLedger:
    """Reads and writes; holds nothing but the connection. Not locked: its owner is."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        with transaction(database):
            for statement in _SCHEMA.split(";"):
                database.execute(statement)

    def identity(self) -> tuple[str, str] | None:
        """(exchange, currency) the ledger was made for; None when it is new."""
        state = self._state()
        return (state["exchange"], state["currency"]) if state else None

    def create(
        self, exchange: str, currency: str, book: CapitalBook, line: LedgerLine, first: Performance
    ) -> None:
        with transaction(self._database):
            self._put_state(exchange=exchange, currency=currency, total=str(book.total))
            self._insert_lines([Line(line.kind, line.text, line.amount, line.amount)], line.time_ms)
            self._put_performance(first)

    def load(self, cap_ratio: Decimal) -> tuple[CapitalBook, str]:
        """The book added up from its lines, and what does not fit the stored total, or ""."""
        book = CapitalBook(cap_ratio)
        for kind, cash in self._database.execute(
            "SELECT kind, cash FROM capital_lines WHERE cash <> '0' ORDER BY id"
        ):
            book.book_line(Line(kind, "", Decimal(0), Decimal(cash)))
        for row in self._database.execute(
            "SELECT client_order_id, symbol, bot_id, quantity, amount, booked_quantity"
            " FROM capital_reservations WHERE is_open ORDER BY rowid"
        ):
            reservation = Reservation(*row[:3], *map(Decimal, row[3:]))
            book.reservations[reservation.client_order_id] = reservation
        for symbol, bot_id, side, quantity, amount, *times in self._database.execute(
            "SELECT symbol, bot_id, side, quantity, amount, changed_ms, synchronised_ms"
            " FROM capital_locks"
        ):
            book.locks[symbol] = PositionLock(
                symbol, bot_id, Side(side), Decimal(quantity), Decimal(amount), *times
            )
        stored = Decimal(self._state()["total"])
        if stored != book.total:
            return book, f"the lines add up to {book.total}, the stored total is {stored}"
        return book, book.audit()

    def save(
        self,
        before: CapitalBook,
        after: CapitalBook,
        lines: list[Line],
        now_ms: int,
        *,
        trade: Fill | None = None,
        performance: Performance,
    ) -> None:
        """Make the change durable as a whole. Raises sqlite3.Error: then nothing is changed."""
        with transaction(self._database):
            if trade is not None:
                self._database.execute(
                    "INSERT INTO capital_trades VALUES (?, ?, ?)",
                    (trade.account, trade.symbol, trade.trade_id),
                )
            self._save_reservations(before, after)
            self._save_locks(before, after)
            self._insert_lines(lines, now_ms)
            self._put_state(total=str(after.total))
            self._put_performance(performance)

    def save_performance(
        self, performance: Performance, point: tuple[int, Decimal] | None, dropped_ms: int | None
    ) -> None:
        """Marks move no money: losing the newest second of them is harmless."""
        with transaction(self._database):
            self._put_performance(performance)
            if point is not None:
                self._database.execute(
                    "INSERT OR REPLACE INTO capital_equity VALUES (?, ?)", (point[0], str(point[1]))
                )
            if dropped_ms is not None:
                self._database.execute(
                    "DELETE FROM capital_equity WHERE time_ms = ?", (dropped_ms,)
                )

    def is_booked(self, fill: Fill) -> bool:
        return self._exists(
            "SELECT 1 FROM capital_trades WHERE account = ? AND symbol = ? AND trade_id = ?",
            (fill.account, fill.symbol, fill.trade_id),
        )

    def is_settled(self, client_order_id: str) -> bool:
        """A reservation of this id existed and has ended."""
        return self._exists(
            "SELECT 1 FROM capital_reservations WHERE client_order_id = ? AND NOT is_open",
            (client_order_id,),
        )

    def performance(self) -> Performance:
        state = self._state()
        return Performance(
            peak=Decimal(state["peak"]),
            max_drawdown=Decimal(state["max_drawdown"]),
            marks=msgspec.json.decode(state["marks"], type=dict[str, Decimal]),
            day=self.days(1)[0],
        )

    def days(self, count: int) -> list[TradingDay]:
        """The newest `count`, oldest first."""
        rows = self._database.execute(
            "SELECT start_ms, start_equity, end_equity, realized, trades FROM capital_days"
            " ORDER BY start_ms DESC LIMIT ?",
            (count,),
        ).fetchall()
        return [
            TradingDay(start, Decimal(opened), Decimal(closed), Decimal(realized), trades)
            for start, opened, closed, realized, trades in reversed(rows)
        ]

    def equity_points(self) -> list[tuple[int, Decimal]]:
        rows = self._database.execute("SELECT time_ms, equity FROM capital_equity ORDER BY time_ms")
        return [(time_ms, Decimal(equity)) for time_ms, equity in rows]

    def newest_lines(self) -> list[LedgerLine]:
        """Newest first."""
        rows = self._database.execute(
            "SELECT time_ms, kind, text, amount FROM capital_lines ORDER BY id DESC LIMIT ?",
            (NEWEST_LINES,),
        )
        return [LedgerLine(time, kind, text, Decimal(amount)) for time, kind, text, amount in rows]

    def _state(self) -> dict[str, str]:
        return dict(self._database.execute("SELECT key, value FROM capital_state").fetchall())

    def _exists(self, query: str, values: tuple[str, ...]) -> bool:
        return self._database.execute(query, values).fetchone() is not None

    def _put_state(self, **values: str) -> None:
        self._database.executemany(
            "INSERT OR REPLACE INTO capital_state VALUES (?, ?)", values.items()
        )

    def _put_performance(self, performance: Performance) -> None:
        day = performance.day
        self._put_state(
            peak=str(performance.peak),
            max_drawdown=str(performance.max_drawdown),
            marks=msgspec.json.encode(performance.marks).decode(),
        )
        self._database.execute(
            "INSERT OR REPLACE INTO capital_days VALUES (?, ?, ?, ?, ?)",
            (
                day.start_ms,
                str(day.start_equity),
                str(day.end_equity),
                str(day.realized),
                day.trades,
            ),
        )

    def _insert_lines(self, lines: Iterable[Line], now_ms: int) -> None:
        self._database.executemany(
            "INSERT INTO capital_lines (time_ms, kind, text, amount, cash) VALUES (?, ?, ?, ?, ?)",
            [(now_ms, x.kind, x.text, str(x.amount), str(x.cash)) for x in lines],
        )

    def _save_reservations(self, before: CapitalBook, after: CapitalBook) -> None:
        for client_order_id in before.reservations.keys() - after.reservations.keys():
            self._database.execute(
                "UPDATE capital_reservations SET is_open = 0 WHERE client_order_id = ?",
                (client_order_id,),
            )
        self._database.executemany(
            "INSERT INTO capital_reservations VALUES (?, ?, ?, ?, ?, ?, 1)"
            " ON CONFLICT (client_order_id) DO UPDATE SET quantity = excluded.quantity,"
            " amount = excluded.amount, booked_quantity = excluded.booked_quantity",
            [
                _reservation_row(entry)
                for client_order_id, entry in after.reservations.items()
                if before.reservations.get(client_order_id) is not entry
            ],
        )

    def _save_locks(self, before: CapitalBook, after: CapitalBook) -> None:
        for symbol in before.locks.keys() - after.locks.keys():
            self._database.execute("DELETE FROM capital_locks WHERE symbol = ?", (symbol,))
        self._database.executemany(
            "INSERT OR REPLACE INTO capital_locks VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                _lock_row(lock)
                for symbol, lock in after.locks.items()
                if before.locks.get(symbol) is not lock
            ],
        )


def _reservation_row(entry: Reservation) -> tuple[str, ...]:
    amounts = (entry.quantity, entry.amount, entry.booked_quantity)
    return (entry.client_order_id, entry.symbol, entry.bot_id, *map(str, amounts))


def _lock_row(lock: PositionLock) -> tuple[str | int, ...]:
    words = (lock.symbol, lock.bot_id, lock.side.value)
    return (*words, str(lock.quantity), str(lock.amount), lock.changed_ms, lock.synchronised_ms)
