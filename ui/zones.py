"""Whose midnight it is: charts speak in the time zone of the account, where its trading day begins.

A moment is shifted by the zone's offset and then written as if it were UTC: so all arithmetic of
days and hours is the same in every zone.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from core.snapshots import AccountSnapshot

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_DAY_MS = 86_400_000


@functools.cache
def named(name: str) -> tzinfo:
    """The zone of an IANA name; UTC for one that this machine does not know."""
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # most accounts need none of it

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def of_first(accounts: Sequence[AccountSnapshot]) -> tzinfo:
    """The first account's, whose capital the pages show; UTC before there is one."""
    return named(accounts[0].timezone) if accounts else UTC


def shifted_ms(time_ms: int, zone: tzinfo) -> int:
    """`time_ms` (UTC) as the wall clock in `zone` shows it, to be read as UTC."""
    return time_ms + _offset_ms(time_ms, zone)


def abbreviation(time_ms: int, zone: tzinfo) -> str:
    """`UTC`, `KST`, `CEST`; `UTC−03` where the zone has no letters."""
    name = _moment(time_ms, zone).tzname() or ""
    return name if name.isalpha() else "UTC" + name.replace("-", "−")


@functools.lru_cache(maxsize=256)
def changes_ms(zone: tzinfo, year: int) -> tuple[tuple[int, int], ...]:
    """(from ms UTC, offset ms): at the beginning of `year` (UTC) and at each change in it."""
    at = _year_ms(year)
    found = [(at, _offset_ms(at, zone))]
    for next_ms in range(at + _DAY_MS, _year_ms(year + 1) + 1, _DAY_MS):
        offset_ms = _offset_ms(next_ms, zone)
        if offset_ms != found[-1][1]:
            low, high = next_ms - _DAY_MS, next_ms
            while high - low > 1000:
                middle = (low + high) // 2000 * 1000
                is_old = _offset_ms(middle, zone) == found[-1][1]
                low, high = (middle, high) if is_old else (low, middle)
            found.append((high, offset_ms))
    return tuple(found)


def _year_ms(year: int) -> int:
    return int((datetime(year, 1, 1, tzinfo=UTC) - _EPOCH) / _SECOND) * 1000


def _offset_ms(time_ms: int, zone: tzinfo) -> int:
    offset = _moment(time_ms, zone).utcoffset()
    return 0 if offset is None else int(offset / _SECOND) * 1000


def _moment(time_ms: int, zone: tzinfo) -> datetime:
    """Out of range (a damaged value) is the epoch, as in `formatting.utc`."""
    try:
        return (_EPOCH + timedelta(milliseconds=time_ms)).astimezone(zone)
    except OverflowError:
        return _EPOCH.astimezone(zone)
