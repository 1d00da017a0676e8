"""The engine's own list of bots: survives a restart, with which of them were running."""

from __future__ import annotations

import sqlite3

import msgspec

from core.bots.bot_spec import BotSpec
from core.storage.database import transaction


class BotRegistry:
    """Table `bots` in the connection given."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        with transaction(database):
            database.execute(
                "CREATE TABLE IF NOT EXISTS bots ("
                " bot_id TEXT PRIMARY KEY, spec TEXT NOT NULL, was_running INTEGER NOT NULL)"
            )
            database.execute(
                "CREATE TABLE IF NOT EXISTS configured_bots ("
                " bot_id TEXT PRIMARY KEY, spec TEXT NOT NULL)"
            )

    def load(self) -> list[tuple[BotSpec, bool]]:
        """Every bot in the order it was added, with whether it was running."""
        rows = self._database.execute("SELECT spec, was_running FROM bots ORDER BY rowid")
        return [(msgspec.json.decode(spec, type=BotSpec), bool(on)) for spec, on in rows]

    def add(self, spec: BotSpec) -> None:
        """Keep `spec`; one that is there already is replaced and keeps its place and state."""
        with transaction(self._database):
            self._database.execute(
                "INSERT INTO bots VALUES (?, ?, 0)"
                " ON CONFLICT (bot_id) DO UPDATE SET spec = excluded.spec",
                (spec.bot_id, msgspec.json.encode(spec).decode()),
            )

    def is_news(self, spec: BotSpec) -> bool:
        """Whether the configuration says of this bot what it has not said before. What it has
        said already gives way to what the trader has done with the bot since."""
        row = self._database.execute(
            "SELECT spec FROM configured_bots WHERE bot_id = ?", (spec.bot_id,)
        ).fetchone()
        return row is None or msgspec.json.decode(row[0], type=BotSpec) != spec

    def note_configured(self, spec: BotSpec) -> None:
        with transaction(self._database):
            self._database.execute(
                "INSERT OR REPLACE INTO configured_bots VALUES (?, ?)",
                (spec.bot_id, msgspec.json.encode(spec).decode()),
            )

    def remove(self, bot_id: str) -> None:
        with transaction(self._database):
            self._database.execute("DELETE FROM bots WHERE bot_id = ?", (bot_id,))

    def set_running(self, bot_id: str, running: bool) -> None:
        with transaction(self._database):
            self._database.execute(
                "UPDATE bots SET was_running = ? WHERE bot_id = ?", (int(running), bot_id)
            )

    def close(self) -> None:
        self._database.close()
