"""What risk must not forget: a restart never clears a kill (one row, one transaction).

On a full disk the newest state goes to a page that was reserved when there was room: a kill that
was pulled then has to outlive a crash too.
"""

from __future__ import annotations

import sqlite3
from decimal import Decimal

import msgspec

from core.storage.database import transaction
from core.storage.reserved_file import ReservedFile


class RiskState(msgspec.Struct, frozen=True):
    """`halted_since_ms` None: trading is allowed. `locked_day_ms` is the start of the trading
    day whose loss broke the limit. `is_liquidating`: everything is being closed."""

    halted_since_ms: int | None = None
    code: str = ""  # of the rule, or "kill_switch" when the trader or the engine pulled it
    reason: str = ""
    locked_day_ms: int | None = None
    is_liquidating: bool = False
    answers: list[str] = []
    recent_notionals: list[Decimal] = []


class RiskStateStore:
    def __init__(self, database: sqlite3.Connection, reserve: ReservedFile | None = None) -> None:
        """Raises sqlite3.Error when the database cannot be used."""
        self._database = database
        self._reserve = reserve
        with transaction(database):
            is_new = (
                database.execute("SELECT 1 FROM sqlite_master WHERE name = 'risk_state'").fetchone()
                is None
            )
            if is_new:
                database.execute(
                    "CREATE TABLE risk_state"
                    " (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL) STRICT"
                )
                self._write(RiskState())

    def load(self) -> RiskState | None:
        """None: there was a state and it is gone. Raises msgspec.ValidationError for one that
        nobody here wrote: never start with the kill switch forgotten."""
        reserved = self._reserve.records() if self._reserve is not None else []
        if reserved:  # the table could not be written since
            return msgspec.json.decode(reserved[-1], type=RiskState)
        row = self._database.execute("SELECT state FROM risk_state").fetchone()
        return msgspec.json.decode(row[0], type=RiskState) if row else None

    def save(self, state: RiskState) -> None:
        """Raises sqlite3.Error when the table cannot be written; the reserved page then has it.
        Raises OSError when that cannot be written either."""
        try:
            with transaction(self._database):
                self._write(state)
        except sqlite3.Error:
            self._keep(state)
            raise
        if self._reserve is not None:
            self._reserve.clear()

    def _keep(self, state: RiskState) -> None:
        if self._reserve is None:
            return
        record = msgspec.json.encode(state)
        try:
            self._reserve.append(record)
        except OSError:  # used up: only the newest counts
            self._reserve.clear()
            self._reserve.append(record)

    def _write(self, state: RiskState) -> None:
        text = msgspec.json.encode(state).decode()
        self._database.execute("INSERT OR REPLACE INTO risk_state VALUES (1, ?)", (text,))
