"""Price alerts on disk: they survive the screen, the engine and a power cut."""

from __future__ import annotations

import sqlite3

import msgspec

from core.models.alerts import PriceAlert
from core.storage.database import transaction


class AlertBook:
    """Table `price_alerts` in the connection given."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        with transaction(database):
            database.execute(
                "CREATE TABLE IF NOT EXISTS price_alerts ("
                " alert_id INTEGER PRIMARY KEY AUTOINCREMENT, alert TEXT NOT NULL)"
            )

    def load(self) -> list[PriceAlert]:
        """Oldest first."""
        rows = self._database.execute("SELECT alert FROM price_alerts ORDER BY alert_id")
        return [msgspec.json.decode(text, type=PriceAlert) for (text,) in rows]

    def add(self, alert: PriceAlert) -> PriceAlert:
        """Keep it under a number of its own, which is never used again."""
        with transaction(self._database):
            cursor = self._database.execute("INSERT INTO price_alerts (alert) VALUES ('')")
            assert cursor.lastrowid is not None
            numbered = msgspec.structs.replace(alert, alert_id=cursor.lastrowid)
            self._write(numbered)
        return numbered

    def update(self, alert: PriceAlert) -> None:
        with transaction(self._database):
            self._write(alert)

    def remove(self, alert_id: int) -> None:
        with transaction(self._database):
            self._database.execute("DELETE FROM price_alerts WHERE alert_id = ?", (alert_id,))

    def _write(self, alert: PriceAlert) -> None:
        self._database.execute(
            "UPDATE price_alerts SET alert = ? WHERE alert_id = ?",
            (msgspec.json.encode(alert).decode(), alert.alert_id),
        )
