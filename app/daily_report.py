"""`run.py report`: a trading day of an account as files, beside a running engine or without one."""

from __future__ import annotations

from pathlib import Path

from app.capital_export import account_zone, known_accounts, open_books
from app.options import Options, StartError
from core.oms.intent_journal import IntentJournal
from core.reports.daily import REPORTS, report_of_history, write_files

_ALL_DAYS = 100_000


def write_report(account: str | None, day_name: str | None, options: Options) -> list[Path]:
    """Write ACCOUNT-DAY.md and .csv into the data folder's `reports`; returns their paths. Without
    `account` the only one there is, without `day_name` its newest trading day. Raises
    StartError."""
    if account is None:
        account = _only_account(options)
    with open_books(account, options) as (capital, database):
        days = capital.trading_days(_ALL_DAYS)
        newest = list(days)[-1]
        chosen = day_name or newest
        if chosen not in days:
            raise StartError(
                f"{account} has no trading day {chosen!r}; it has {len(days)}, "
                f"from {next(iter(days))} to {newest}"
            )
        report = report_of_history(
            chosen,
            account=account,
            exchange=capital.exchange,
            currency=capital.currency,
            timezone=account_zone(account, options),
            days=days,
            history=IntentJournal(database).history(account),
        )
    try:
        return write_files(report, options.data_dir / REPORTS)
    except OSError as fault:
        raise StartError(f"the report cannot be written: {fault}") from None


def _only_account(options: Options) -> str:
    known = known_accounts(options)
    if len(known) != 1:
        there = (
            f"name one with --account: {', '.join(known)}"
            if known
            else "no engine has run there yet"
        )
        raise StartError(f"{options.data_dir} holds {len(known)} accounts; {there}")
    return known[0]
