"""The daily report of a running engine: written by itself when an account's trading day has ended,
and at any time when the trader asks for it.

The figures are the ledger's and the trade log's; nothing is replayed, and files are written beside
the loop.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

from core.account_desk import AccountDesk
from core.clock import Clock
from core.refusal import Refused
from core.reports.daily import DailyReport, report_day, write_files

LOOK_EVERY_S = 5.0
LATE_FILLS_S = 10.0  # real seconds after midnight in which the day's last executions come in
_ALL_DAYS = 100_000


class ReportDesk:
    """`tell(severity, title, text)` is the log that the trader reads."""

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock,
        desks: Mapping[str, AccountDesk],
        tell: Callable[[str, str, str], None],
    ) -> None:
        self._folder, self._clock, self._desks, self._tell = folder, clock, desks, tell
        self._seen_s: dict[tuple[str, int], float] = {}  # (account, its day) to monotonic time
        self._done: set[tuple[str, int]] = set()
        self._told: set[tuple[str, int]] = set()

    async def run(self) -> None:
        """For ever: the report of each day that has ended, also of one that ended while no engine
        ran."""
        while True:
            for desk in self._desks.values():
                if desk.is_built and desk.is_ready:  # else its books may lack executions
                    await self._look(desk)
            await asyncio.sleep(LOOK_EVERY_S)

    async def write(self, account: str, day_name: str = "") -> list[Path]:
        """A day's files, of today as it stands where none is named. Raises Refused."""
        desk = self._desks.get(account)
        if desk is None:
            raise Refused(f"There is no account {account!r}.")
        if not desk.is_built:
            raise Refused(f"{account} is not connected yet: {desk.state_text}")
        try:
            return await self._write(desk, day_name)
        except KeyError:
            raise Refused(f"{account} has no trading day {day_name!r}.") from None
        except (OSError, sqlite3.Error) as fault:
            raise Refused(f"The report cannot be written: {fault}.") from None

    async def _look(self, desk: AccountDesk) -> None:
        """The day before the present one, once it is over and its executions are booked."""
        today = (desk.name, desk.day_start_ms())
        seen_s = self._seen_s.setdefault(today, self._clock.monotonic_s())
        is_late = self._clock.monotonic_s() - seen_s >= LATE_FILLS_S
        if today in self._done or not is_late:
            return
        try:
            ended = [
                name
                for name, day in desk.capital.trading_days(2).items()
                if day.start_ms < today[1]
            ]
            if ended:
                page, *_ = await self._write(desk, ended[-1])
                self._tell("info", "Daily report", f"{desk.name}: {page.name} is written.")
        except (OSError, sqlite3.Error) as fault:
            if today not in self._told:  # once; it is tried again until it succeeds
                self._told.add(today)
                text = f"{desk.name}: the daily report cannot be written yet: {fault}."
                self._tell("warning", "Daily report", text)
            return
        self._done.add(today)

    async def _write(self, desk: AccountDesk, day_name: str) -> list[Path]:
        return await asyncio.to_thread(write_files, self._report(desk, day_name), self._folder)

    @staticmethod
    def _report(desk: AccountDesk, day_name: str) -> DailyReport:
        days = desk.capital.trading_days(_ALL_DAYS)
        chosen = day_name or list(days)[-1]
        return report_day(
            chosen,
            account=desk.name,
            exchange=desk.port.exchange,
            currency=desk.capital.currency,
            timezone=desk.timezone,
            days=days,
            fills=desk.oms.fills(days[chosen].start_ms),
            trips=list(desk.trades.round_trips),
        )
