"""`run.py capital ACCOUNT`: the account's ledger as the design's `{exchange}_capital_state.json`.

Reads the ledger's file beside a running engine or without one; to be shared by processes is what
the ledger is made for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from zoneinfo import ZoneInfo

from app.config import default_config, load_config, time_zone
from app.options import Options, StartError
from core.capital.ledger import CapitalLedger
from core.capital.shared_capital_manager import SharedCapitalManager
from core.clock import ManualClock
from core.storage.database import open_database

_PREFIX, _SUFFIX = "account_", ".sqlite"


def capital_json(account: str, options: Options) -> str:
    """Raises StartError where there is no such ledger or it cannot be read."""
    with open_books(account, options) as (capital, _):
        return capital.export_json()


def known_accounts(options: Options) -> list[str]:
    """Those that have books in the data folder."""
    found = (options.data_dir / "storage").glob(f"{_PREFIX}*{_SUFFIX}")
    return sorted(path.stem.removeprefix(_PREFIX) for path in found)


@contextmanager
def open_books(
    account: str, options: Options
) -> Iterator[tuple[SharedCapitalManager, sqlite3.Connection]]:
    """The account's capital and the file that it is in, to be read only. Raises StartError where
    there is no such ledger or it cannot be read, also by what is done with it inside."""
    path = options.data_dir / "storage" / f"{_PREFIX}{account}{_SUFFIX}"
    if not path.is_file():
        known = known_accounts(options)
        there = f"known: {', '.join(known)}" if known else "no engine has run there yet"
        raise StartError(f"{options.data_dir} holds no account {account!r}; {there}")
    try:
        database = open_database(path)
        try:
            yield _capital(database, account, options), database
        finally:
            database.close()
    except (OSError, ValueError, sqlite3.Error) as fault:
        raise StartError(f"{path}: the ledger cannot be read ({fault})") from None


def _capital(database: sqlite3.Connection, account: str, options: Options) -> SharedCapitalManager:
    ledger = CapitalLedger(database)
    identity = ledger.identity()
    if identity is None:
        raise StartError(f"{account} has no ledger yet: it begins when the engine connects")
    exchange, currency = identity
    # the account's own market time stands still: reading must not begin another trading day
    newest_ms = max(ledger.performance().day.start_ms, ledger.newest_lines()[0].time_ms)
    return SharedCapitalManager(
        exchange,
        Decimal(0),  # counts for a new ledger only
        database=database,
        clock=ManualClock(newest_ms),
        currency=currency,
        timezone=account_zone(account, options),
    )


def account_zone(account: str, options: Options) -> ZoneInfo:
    """Whose midnights are those of its trading days."""
    config = default_config() if options.config is None else load_config(options.config)
    named = (known.timezone for known in config.accounts if known.name == account)
    return time_zone(next(named, "UTC"))
