"""`run.py capital ACCOUNT`: the account's ledger as the design's `{exchange}_capital_state.json`.

Reads the ledger's file beside a running engine or without one; to be shared by processes is what
the ledger is made for.
"""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path

from app.config import default_config, load_config, time_zone
from app.options import Options, StartError
from core.capital.ledger import CapitalLedger
from core.capital.shared_capital_manager import SharedCapitalManager
from core.clock import ManualClock
from core.storage.database import open_database

_PREFIX, _SUFFIX = "account_", ".sqlite"


def capital_json(account: str, options: Options) -> str:
    """Raises StartError where there is no such ledger or it cannot be read."""
    storage = options.data_dir / "storage"
    path = storage / f"{_PREFIX}{account}{_SUFFIX}"
    if not path.is_file():
        known = sorted(p.stem.removeprefix(_PREFIX) for p in storage.glob(f"{_PREFIX}*{_SUFFIX}"))
        there = f"known: {', '.join(known)}" if known else "no engine has run there yet"
        raise StartError(f"{options.data_dir} holds no account {account!r}; {there}")
    try:
        return _exported(path, account, options)
    except (OSError, ValueError, sqlite3.Error) as fault:
        raise StartError(f"{path}: the ledger cannot be read ({fault})") from None


def _exported(path: Path, account: str, options: Options) -> str:
    database = open_database(path)
    try:
        ledger = CapitalLedger(database)
        identity = ledger.identity()
        if identity is None:
            raise StartError(f"{account} has no ledger yet: it begins when the engine connects")
        exchange, currency = identity
        # the account's own market time stands still: reading must not begin another trading day
        newest_ms = max(ledger.performance().day.start_ms, ledger.newest_lines()[0].time_ms)
        capital = SharedCapitalManager(
            exchange,
            Decimal(0),  # counts for a new ledger only
            database=database,
            clock=ManualClock(newest_ms),
            currency=currency,
            timezone=time_zone(_zone_of(account, options)),
        )
        return capital.export_json()
    finally:
        database.close()


def _zone_of(account: str, options: Options) -> str:
    config = default_config() if options.config is None else load_config(options.config)
    return next((known.timezone for known in config.accounts if known.name == account), "UTC")
