"""Messages that wait to go out: on disk, so that a restart or an outage loses none of them.

Bounded: an outage of days keeps the newest. The same words within ten minutes are one message. What
stands here is what the log says too: no key, no address of a channel.
"""

from __future__ import annotations

import sqlite3

import msgspec

from core.clock import Clock
from core.models.alerts import MESSAGE_KINDS
from core.storage.database import transaction

MOST_WAITING = 200
SAME_WITHIN_MS = 600_000  # real time, as the next
TOO_OLD_MS = 24 * 3_600_000
_DEFAULT_KINDS = ("price_alert", "health", "danger")


class Message(msgspec.Struct, frozen=True):
    """`made_ms` is market time."""

    number: int
    title: str
    text: str
    made_ms: int


class Outbox:
    """Tables `outbox` and `sending` in the connection given. Attributes: kinds (what is sent, of
    `MESSAGE_KINDS`), waiting (how many)."""

    def __init__(self, database: sqlite3.Connection, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        with transaction(database):
            database.execute(
                "CREATE TABLE IF NOT EXISTS outbox ("
                " number INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL,"
                " text TEXT NOT NULL, made_ms INTEGER NOT NULL, is_sent INTEGER NOT NULL)"
            )
            database.execute("CREATE TABLE IF NOT EXISTS sending (kind TEXT PRIMARY KEY)")
            if not database.execute("PRAGMA user_version").fetchone()[0]:
                database.executemany(
                    "INSERT OR IGNORE INTO sending VALUES (?)", [(k,) for k in _DEFAULT_KINDS]
                )
                database.execute("PRAGMA user_version = 1")

        wanted = {kind for (kind,) in database.execute("SELECT kind FROM sending")}
        self.kinds = [kind for kind in MESSAGE_KINDS if kind in wanted]
        self.waiting = self._count()

    def choose_kinds(self, kinds: list[str]) -> None:
        with transaction(self._database):
            self._database.execute("DELETE FROM sending")
            chosen = [kind for kind in MESSAGE_KINDS if kind in kinds]
            rows = [(kind,) for kind in chosen]
            self._database.executemany("INSERT INTO sending VALUES (?)", rows)
        self.kinds = chosen

    def put(self, kind: str, title: str, text: str) -> bool:
        """Whether it waits now: its kind is sent, and the same was not said a moment ago."""
        if kind not in self.kinds:
            return False
        now_ms = self._clock.time_ms()
        recent_ms = now_ms - int(SAME_WITHIN_MS * self._clock.rate)
        too_old_ms = now_ms - int(TOO_OLD_MS * self._clock.rate)
        with transaction(self._database) as database:
            said = database.execute(
                "SELECT 1 FROM outbox WHERE title = ? AND text = ? AND made_ms > ?",
                (title, text, recent_ms),
            ).fetchone()
            if said:
                return False
            database.execute(
                "INSERT INTO outbox (title, text, made_ms, is_sent) VALUES (?, ?, ?, 0)",
                (title, text, now_ms),
            )
            database.execute(
                "DELETE FROM outbox WHERE is_sent = 0 AND number NOT IN ("
                " SELECT number FROM outbox WHERE is_sent = 0 ORDER BY number DESC LIMIT ?)",
                (MOST_WAITING,),
            )
            database.execute("DELETE FROM outbox WHERE is_sent = 1 AND made_ms <= ?", (recent_ms,))
            database.execute("DELETE FROM outbox WHERE made_ms <= ?", (too_old_ms,))
        self.waiting = self._count()
        return True

    def _count(self) -> int:
        row = self._database.execute("SELECT COUNT(*) FROM outbox WHERE is_sent = 0").fetchone()
        return int(row[0])

    def oldest(self, most: int) -> list[Message]:
        rows = self._database.execute(
            "SELECT number, title, text, made_ms FROM outbox WHERE is_sent = 0"
            " ORDER BY number LIMIT ?",
            (most,),
        )
        return [Message(*row) for row in rows]

    def sent(self, messages: list[Message]) -> None:
        """They went out: only their words are remembered, for a while."""
        with transaction(self._database):
            self._database.executemany(
                "UPDATE outbox SET is_sent = 1 WHERE number = ?", [(m.number,) for m in messages]
            )
        self.waiting = self._count()
