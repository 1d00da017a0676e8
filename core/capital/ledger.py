"""The capital ledger on disk: one SQLite transaction for each change, so that a kill at any
moment leaves the book as it was before or as it is after, never between.

The lines are the truth for money: on opening, the total is added up again from all of them and
compared with the stored one. Several processes may share the file: a change is decided inside
the write transaction, on what the file holds at that moment (`exclusive`, `is_behind`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from decimal import Decimal

import msgspec

from core.capital.book import ZERO, CapitalBook, Line, PositionLock, Reservation
from core.capital.performance import Performance
from core.capital.trading_day import TradingDay
from core.models.fills import Fill
from core.models.orders import Side
from core.snapshots import LedgerLine
from core.storage.database import synced_later, transaction

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
CREATE INDEX IF NOT EXISTS capital_open_reservations
    ON capital_reservations (client_order_id) WHERE is_open;
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


TradeKey = tuple[str, str, str]  # account, symbol, trade id


def trade_key(fill: Fill) -> TradeKey:
    """What makes an execution the same one, so that it is booked once."""
    return (fill.account, fill.symbol, fill.trade_id)


class CapitalLedger:
    """Reads and writes; holds nothing but the connection and how far it has read. Not locked:
    its owner is."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._version = -1
        self._last_line = 0  # the newest line that is in the owner's book
        self._written_to = 0
        with transaction(database):
            for statement in _SCHEMA.split(";"):
                database.execute(statement)

    @contextmanager
    def exclusive(self, *, is_synced: bool = True) -> Iterator[None]:
        """Nobody else changes the file meanwhile; what was written is durable, as a whole, when
        the block has been left (not `is_synced`: with the next that is; a killed program loses
        nothing). Raises sqlite3.Error: then nothing of it is kept."""
        self._written_to = 0
        with (
            nullcontext() if is_synced else synced_later(self._database),
            transaction(self._database),
        ):
            yield
        # only now it is true that our own lines are there
        self._last_line = max(self._last_line, self._written_to)

    def is_behind(self) -> bool:
        """Somebody else has written since the last `load` or `catch_up`. Raises sqlite3.Error."""
        return self._data_version() != self._version

    def identity(self) -> tuple[str, str] | None:
        """(exchange, currency) the ledger was made for; None when it is new."""
        state = self._state()
        return (state["exchange"], state["currency"]) if state else None

    def create(self, exchange: str, currency: str, line: LedgerLine, first: Performance) -> None:
        """A new ledger, with its first deposit; inside `exclusive`."""
        self._put_state(exchange=exchange, currency=currency, total=str(line.amount))
        self._insert_lines([Line(line.kind, line.text, line.amount, line.amount)], line.time_ms)
        self.save_performance(first, [])

    def is_new(self) -> bool:
        """Nothing has been booked since `create`."""
        return not self._exists("SELECT 1 FROM capital_lines WHERE id > 1")

    def load(self, cap_ratio: Decimal) -> tuple[CapitalBook, str]:
        """The book added up from its lines, and what does not fit the stored total, or ""."""
        book = CapitalBook(cap_ratio)
        self._last_line = 0
        return book, self.catch_up(book)

    def catch_up(self, book: CapitalBook) -> str:
        """Bring `book` to what the file holds: lines that are new to it, and who holds what.
        Returns what does not add up, or ""."""
        self._version = self._data_version()
        for line_id, kind, cash in self._database.execute(
            "SELECT id, kind, cash FROM capital_lines WHERE id > ? ORDER BY id", (self._last_line,)
        ):
            self._last_line = line_id
            book.book_line(Line(kind, "", ZERO, Decimal(cash)))
        book.reservations = {
            row[0]: Reservation(*row[:3], *map(Decimal, row[3:]))
            for row in self._database.execute(
                "SELECT client_order_id, symbol, bot_id, quantity, amount, booked_quantity"
                " FROM capital_reservations WHERE is_open ORDER BY rowid"
            )
        }
        book.locks = {
            symbol: PositionLock(
                symbol, bot_id, Side(side), Decimal(quantity), Decimal(amount), *times
            )
            for symbol, bot_id, side, quantity, amount, *times in self._database.execute(
                "SELECT symbol, bot_id, side, quantity, amount, changed_ms, synchronised_ms"
                " FROM capital_locks"
            )
        }
        stored = Decimal(self._state()["total"])
        if stored != book.total:
            return f"the lines add up to {book.total}, the stored total is {stored}"
        return book.audit()

    def save(
        self,
        before: CapitalBook,
        after: CapitalBook,
        lines: list[Line],
        now_ms: int,
        *,
        trade: TradeKey | None = None,
    ) -> None:
        """Write a change of the book; inside `exclusive`. Raises sqlite3.Error."""
        if trade is not None:
            self._database.execute("INSERT INTO capital_trades VALUES (?, ?, ?)", trade)
        self._save_reservations(before, after)
        self._save_locks(before, after)
        self._insert_lines(lines, now_ms)
        if after.total != before.total:
            self._put_state(total=str(after.total))

    def save_performance(self, performance: Performance, ended_days: Iterable[TradingDay]) -> None:
        """Inside `exclusive`. Marks move no money: losing the newest second is harmless."""
        self._put_state(
            peak=str(performance.peak),
            max_drawdown=str(performance.max_drawdown),
            marks=msgspec.json.encode(performance.marks).decode(),
            day_base=str(performance.day_base),
        )
        self.save_days([*ended_days, performance.day])

    def save_point(self, point: tuple[int, Decimal], dropped_ms: int | None) -> None:
        """One more point of the equity curve, one less if the curve was full."""
        self._database.execute(
            "INSERT OR REPLACE INTO capital_equity VALUES (?, ?)", (point[0], str(point[1]))
        )
        if dropped_ms is not None:
            self._database.execute("DELETE FROM capital_equity WHERE time_ms = ?", (dropped_ms,))

    def save_days(self, days: Iterable[TradingDay]) -> None:
        self._database.executemany(
            "INSERT OR REPLACE INTO capital_days VALUES (?, ?, ?, ?, ?)",
            [
                (d.start_ms, str(d.start_equity), str(d.end_equity), str(d.realized), d.trades)
                for d in days
            ],
        )

    def is_booked(self, trade: TradeKey) -> bool:
        return self._exists(
            "SELECT 1 FROM capital_trades WHERE account = ? AND symbol = ? AND trade_id = ?", trade
        )

    def is_settled(self, client_order_id: str) -> bool:
        """A reservation of this id existed and has ended."""
        return self._exists(
            "SELECT 1 FROM capital_reservations WHERE client_order_id = ? AND NOT is_open",
            (client_order_id,),
        )

    def performance(self) -> Performance:
        state, day = self._state(), self.days(1)[0]
        return Performance(
            peak=Decimal(state["peak"]),
            max_drawdown=Decimal(state["max_drawdown"]),
            marks=msgspec.json.decode(state["marks"], type=dict[str, Decimal]),
            day=day,
            day_base=Decimal(state["day_base"]),
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

    def _data_version(self) -> int:
        version: int = self._database.execute("PRAGMA data_version").fetchone()[0]
        return version

    def _exists(self, query: str, values: tuple[str, ...] = ()) -> bool:
        return self._database.execute(query, values).fetchone() is not None

    def _put_state(self, **values: str) -> None:
        self._database.executemany(
            "INSERT OR REPLACE INTO capital_state VALUES (?, ?)", values.items()
        )

    def _insert_lines(self, lines: Iterable[Line], now_ms: int) -> None:
        self._database.executemany(
            "INSERT INTO capital_lines (time_ms, kind, text, amount, cash) VALUES (?, ?, ?, ?, ?)",
            [(now_ms, x.kind, x.text, str(x.amount), str(x.cash)) for x in lines],
        )
        newest = self._database.execute("SELECT max(id) FROM capital_lines").fetchone()[0]
        self._written_to = newest

    def _save_reservations(self, before: CapitalBook, after: CapitalBook) -> None:
        for client_order_id in before.reservations.keys() - after.reservations.keys():
            self._database.execute(
                "UPDATE capital_reservations SET is_open = 0 WHERE client_order_id = ?",
                (client_order_id,),
            )
        self._database.executemany(
            "INSERT INTO capital_reservations VALUES (?, ?, ?, ?, ?, ?, 1)"
            " ON CONFLICT (client_order_id) DO UPDATE SET quantity = excluded.quantity,"
            " amount = excluded.amount, booked_quantity = excluded.booked_quantity,"
            " is_open = 1",
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
