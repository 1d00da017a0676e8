"""The engine's own list of bots: survives a restart, with what each of them was doing."""

from __future__ import annotations

import sqlite3

import msgspec

from core.bots.bot_spec import BotSpec
from core.snapshots import BotState
from core.storage.database import transaction


class BotRegistry:
    """Table `bots` in the connection given. A bot is kept as running, paused or stopped."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        with transaction(database):
            database.execute(
                "CREATE TABLE IF NOT EXISTS bots ("
                " bot_id TEXT PRIMARY KEY, spec TEXT NOT NULL, state TEXT NOT NULL)"
            )
            database.execute(
                "CREATE TABLE IF NOT EXISTS configured_bots ("
                " bot_id TEXT PRIMARY KEY, spec TEXT NOT NULL)"
            )
            self._take_over_old_form()

    def load(self) -> list[tuple[BotSpec, BotState]]:
        """Every bot in the order it was added, with what it was doing."""
        rows = self._database.execute("SELECT spec, state FROM bots ORDER BY rowid")
        return [(msgspec.json.decode(spec, type=BotSpec), BotState(state)) for spec, state in rows]

    def add(self, spec: BotSpec) -> None:
        """Keep `spec`; one that is there already is replaced and keeps its place and state."""
        with transaction(self._database):
            self._database.execute(
                "INSERT INTO bots VALUES (?, ?, ?)"
                " ON CONFLICT (bot_id) DO UPDATE SET spec = excluded.spec",
                (spec.bot_id, msgspec.json.encode(spec).decode(), BotState.STOPPED.value),
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

    def set_state(self, bot_id: str, state: BotState) -> None:
        """RUNNING, PAUSED or STOPPED: what it is to be after a restart."""
        with transaction(self._database):
            self._database.execute(
                "UPDATE bots SET state = ? WHERE bot_id = ?", (state.value, bot_id)
            )

    def pause(self, bot_id: str) -> None:
        """One that was running comes back paused."""
        with transaction(self._database):
            self._database.execute(
                "UPDATE bots SET state = 'paused' WHERE bot_id = ? AND state = 'running'", (bot_id,)
            )

    def close(self) -> None:
        self._database.close()

    def _take_over_old_form(self) -> None:
        """Earlier versions kept only whether a bot was running."""
        columns = {row[1] for row in self._database.execute("PRAGMA table_info(bots)")}
        if "was_running" in columns:
            self._database.execute("ALTER TABLE bots RENAME COLUMN was_running TO state")
            self._database.execute(
                "UPDATE bots SET state = CASE WHEN state THEN 'running' ELSE 'stopped' END"
            )
