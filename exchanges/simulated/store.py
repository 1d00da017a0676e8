"""The exchange's books on disk (SQLite): what a restart finds is what was answered.

History lives only here, so an exchange that runs for weeks keeps working orders in memory and
nothing else.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TypeVar

import msgspec

from core.storage.database import open_database, transaction
from exchanges.simulated.holding import AccountBooks
from exchanges.simulated.values import Execution, Page, VenueOrder

T = TypeVar("T")

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, body BLOB NOT NULL)",
    """CREATE TABLE IF NOT EXISTS orders (
        order_id TEXT PRIMARY KEY, account TEXT NOT NULL, client_order_id TEXT NOT NULL,
        symbol TEXT NOT NULL, is_open INTEGER NOT NULL, sequence INTEGER NOT NULL,
        updated_ms INTEGER NOT NULL, body BLOB NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS orders_newest ON orders (account, is_open, sequence)",
    """CREATE TABLE IF NOT EXISTS executions (
        sequence INTEGER PRIMARY KEY, account TEXT NOT NULL, symbol TEXT NOT NULL,
        order_id TEXT NOT NULL, client_order_id TEXT NOT NULL, time_ms INTEGER NOT NULL,
        closes INTEGER NOT NULL, body BLOB NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS executions_newest ON executions (account, sequence)",
)
_CLIENT_ID_INDEX = """CREATE {unique} INDEX IF NOT EXISTS orders_by_client_id
        ON orders (account, client_order_id) WHERE client_order_id <> ''"""
_encode = msgspec.msgpack.Encoder().encode
_decode_order = msgspec.msgpack.Decoder(VenueOrder).decode
_decode_execution = msgspec.msgpack.Decoder(Execution).decode
_decode_account = msgspec.msgpack.Decoder(AccountBooks).decode


class BooksMismatch(Exception):
    """The books on disk belong to another market; the text says which."""


class Changes(msgspec.Struct):
    """What one commit writes. `facts` are the market time and the last sequence number."""

    orders: dict[str, VenueOrder] = {}
    executions: list[Execution] = []
    accounts: dict[str, AccountBooks] = {}
    facts: dict[str, str] = {}


class VenueStore:
    """`path` None keeps the books in memory (tests, short demos). `has_unique_client_ids` False:
    an id may come again once its order is final.

    Raises OSError, sqlite3.DatabaseError when the file cannot be opened.
    """

    def __init__(self, path: Path | None = None, *, has_unique_client_ids: bool = True) -> None:
        if path is None:
            self._database = sqlite3.connect(":memory:", isolation_level=None)
        else:
            self._database = open_database(path)
        unique = "UNIQUE" if has_unique_client_ids else ""
        for statement in (*_SCHEMA, _CLIENT_ID_INDEX.format(unique=unique)):
            self._database.execute(statement)

    @property
    def resume_ms(self) -> int | None:
        """Market time to set the clock to, at the earliest, when these books are opened again:
        never before anything the exchange has shown. None for new books (use `market.start_ms`)."""
        value = self.fact("resume_ms")
        return None if value is None else int(value)

    @property
    def market_identity(self) -> str | None:
        """Of the market that the books belong to; None for new books."""
        return self.fact("market")

    def fact(self, name: str) -> str | None:
        row = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def adopt_market(self, identity: str) -> None:
        """Bind new books to a market. Raises BooksMismatch when they belong to another."""
        owner = self.market_identity
        if owner is None:
            self.write(Changes(facts={"market": identity}))
        elif owner != identity:
            raise BooksMismatch(
                f"These books belong to the market {owner}, not to {identity}: start the demo "
                "exchange as before, or with another data directory."
            )

    def accounts(self) -> list[AccountBooks]:
        rows = self._database.execute("SELECT body FROM accounts ORDER BY name")
        return [_decode_account(body) for (body,) in rows]

    def open_orders(self) -> list[VenueOrder]:
        """Of all accounts, oldest change first."""
        rows = self._database.execute("SELECT body FROM orders WHERE is_open ORDER BY sequence")
        return [_decode_order(body) for (body,) in rows]

    def write(self, changes: Changes) -> None:
        """One transaction, durable on return."""
        with transaction(self._database) as database:
            database.executemany(
                "REPLACE INTO facts VALUES (?, ?)",
                changes.facts.items(),
            )
            database.executemany(
                "REPLACE INTO accounts VALUES (?, ?)",
                [(books.name, _encode(books)) for books in changes.accounts.values()],
            )
            database.executemany(
                "REPLACE INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        order.order_id,
                        order.account,
                        order.client_order_id,
                        order.symbol,
                        order.is_open,
                        order.sequence,
                        order.updated_ms,
                        _encode(order),
                    )
                    for order in changes.orders.values()
                ],
            )
            database.executemany(
                "INSERT INTO executions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        execution.sequence,
                        execution.account,
                        execution.symbol,
                        execution.exchange_order_id,
                        execution.client_order_id,
                        execution.time_ms,
                        execution.closed_quantity > 0,
                        _encode(execution),
                    )
                    for execution in changes.executions
                ],
            )

    def order(self, account: str, *, order_id: str, client_order_id: str) -> VenueOrder | None:
        """By exchange id if given, else by client id: of several the one that changed last."""
        column, value = ("order_id", order_id) if order_id else ("client_order_id", client_order_id)
        row = self._database.execute(
            f"SELECT body FROM orders WHERE account = ? AND {column} = ? AND {column} <> ''"
            " ORDER BY sequence DESC LIMIT 1",
            (account, value),
        ).fetchone()
        return None if row is None else _decode_order(row[0])

    def order_history(
        self,
        account: str,
        *,
        symbol: str | None,
        start_ms: int | None,
        end_ms: int | None,
        limit: int,
        cursor: str,
    ) -> Page[VenueOrder]:
        """Final orders, newest change first."""
        conditions = {
            "account = ?": account,
            "NOT is_open": None,
            "symbol = ?": symbol,
            "updated_ms >= ?": start_ms,
            "updated_ms <= ?": end_ms,
        }
        rows = self._page("orders", conditions, limit, cursor)
        return _page([_decode_order(body) for _, body in rows], rows, limit)

    def executions(
        self,
        account: str,
        *,
        symbol: str | None,
        start_ms: int | None,
        end_ms: int | None,
        order_id: str,
        client_order_id: str,
        only_closing: bool,
        limit: int,
        cursor: str,
    ) -> Page[Execution]:
        """Newest first."""
        conditions = {
            "account = ?": account,
            "symbol = ?": symbol,
            "time_ms >= ?": start_ms,
            "time_ms <= ?": end_ms,
            "order_id = ?": order_id or None,
            "client_order_id = ?": client_order_id or None,
            "closes >= ?": 1 if only_closing else None,
        }
        rows = self._page("executions", conditions, limit, cursor)
        return _page([_decode_execution(body) for _, body in rows], rows, limit)

    def close(self) -> None:
        self._database.close()

    def _page(
        self, table: str, conditions: dict[str, str | int | None], limit: int, cursor: str
    ) -> list[tuple[int, bytes]]:
        """Rows (sequence, body) of one page and one more, which tells whether another follows."""
        asked = conditions | {"sequence < ?": int(cursor) if cursor else None}
        chosen = {text: value for text, value in asked.items() if value is not None}
        fixed = [text for text in asked if "?" not in text]
        where = " AND ".join([*chosen, *fixed])
        query = f"SELECT sequence, body FROM {table} WHERE {where} ORDER BY sequence DESC LIMIT ?"
        return self._database.execute(query, (*chosen.values(), limit + 1)).fetchall()


def _page(items: list[T], rows: list[tuple[int, bytes]], limit: int) -> Page[T]:
    has_more = len(items) > limit
    return Page(items[:limit], str(rows[limit - 1][0]) if has_more else "")
