"""The trader's notes and tags on disk: they survive the screen, the engine and a power cut.

A file of its own: words about trades are no part of the books that money rests on.
"""

from __future__ import annotations

import sqlite3

import msgspec

from core.journal.entries import TradeKey, TradeNote
from core.storage.database import transaction


class NoteBook:
    """Table `trade_notes` in the connection given. Methods raise sqlite3.Error."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        with transaction(database):
            database.execute(
                "CREATE TABLE IF NOT EXISTS trade_notes (account TEXT NOT NULL,"
                " symbol TEXT NOT NULL, trade_id TEXT NOT NULL, opened_ms INTEGER NOT NULL,"
                " changed_ms INTEGER NOT NULL, note TEXT NOT NULL,"
                " PRIMARY KEY (account, symbol, trade_id, opened_ms)) WITHOUT ROWID"
            )

    def load(self) -> dict[TradeKey, TradeNote]:
        rows = self._database.execute(
            "SELECT account, symbol, trade_id, opened_ms, note FROM trade_notes"
        )
        return {TradeKey(*key): msgspec.json.decode(text, type=TradeNote) for *key, text in rows}

    def write(self, key: TradeKey, note: TradeNote, *, now_ms: int) -> None:
        """In the place of the former one; durable on return. An empty note is no note."""
        names = (key.account, key.symbol, key.trade_id, key.opened_ms)
        with transaction(self._database):
            if note == TradeNote():
                self._database.execute(
                    "DELETE FROM trade_notes WHERE account = ? AND symbol = ? AND trade_id = ?"
                    " AND opened_ms = ?",
                    names,
                )
            else:
                self._database.execute(
                    "INSERT OR REPLACE INTO trade_notes VALUES (?, ?, ?, ?, ?, ?)",
                    (*names, now_ms, msgspec.json.encode(note).decode()),
                )

    def close(self) -> None:
        self._database.close()
