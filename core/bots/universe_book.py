"""The symbols that a scanning bot watched last, kept on disk: a restart has to ask nobody."""

from __future__ import annotations

import sqlite3

import msgspec

from core.scanning.universe import Universe
from core.storage.database import transaction


class UniverseBook:
    """Table `universes` in the connection given."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        with transaction(database):
            database.execute(
                "CREATE TABLE IF NOT EXISTS universes ("
                " bot_id TEXT PRIMARY KEY, universe TEXT NOT NULL)"
            )

    def load(self, bot_id: str) -> Universe | None:
        """Raises sqlite3.Error."""
        row = self._database.execute(
            "SELECT universe FROM universes WHERE bot_id = ?", (bot_id,)
        ).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=Universe)

    def keep(self, bot_id: str, universe: Universe) -> None:
        """Durable on return. Raises sqlite3.Error."""
        with transaction(self._database):
            self._database.execute(
                "INSERT OR REPLACE INTO universes VALUES (?, ?)",
                (bot_id, msgspec.json.encode(universe).decode()),
            )

    def forget(self, bot_id: str) -> None:
        """Raises sqlite3.Error."""
        with transaction(self._database):
            self._database.execute("DELETE FROM universes WHERE bot_id = ?", (bot_id,))
