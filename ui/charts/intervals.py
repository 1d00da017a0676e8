"""What a trader types at a chart, understood: an interval, a date, a symbol."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo

from core.models.candles import Timeframe
from core.models.instruments import Instrument
from ui.i18n import tr

_UNITS = {"m": 1, "h": 60, "d": 1440, "w": 10_080}
_MOST_NAMED = 5
_DATE_FORMATS = ("%Y-%m-%d %H:%M", "%Y-%m-%d", "%Y/%m/%d %H:%M", "%Y/%m/%d")


def interval(text: str) -> str:
    """The timeframe meant by `15`, `60`, `4h`, `1D`, `1M`. Raises ValueError with a sentence."""
    match = re.fullmatch(r"(\d{1,5})\s*([a-zA-Z]?)", text.strip())
    if match is not None:
        number, unit = int(match[1]), match[2]
        if unit == "M" and number == 1:
            return Timeframe.MONTH.value
        minutes = number * _UNITS.get(unit.lower() or "m", 0)
        for timeframe in Timeframe:
            is_month = timeframe is Timeframe.MONTH
            if not is_month and timeframe.duration_ms == minutes * 60_000 and minutes:
                return timeframe.value
    known = ", ".join(timeframe.value for timeframe in Timeframe)
    raise ValueError(tr("There is no such interval. There are {known}.", known=known))


def moment(text: str, zone: tzinfo = UTC) -> int:
    """ms UTC of `2026-11-20 14:30` or `2026-11-20` in `zone`. Raises ValueError with a sentence."""
    for form in _DATE_FORMATS:
        try:
            typed = datetime.strptime(text.strip(), form).replace(tzinfo=zone)
            return int(typed.timestamp() * 1000)
        except (ValueError, OverflowError):
            continue
    raise ValueError(tr("Write a date like 2026-11-20, or 2026-11-20 14:30."))


def symbol(text: str, known: Mapping[str, Instrument]) -> str:
    """The one meant by `SOLUSDT`, `sol` or `sola`. Raises ValueError with a sentence."""
    wanted = "".join(c for c in text.upper() if c.isalnum())
    found = [name for name in known if name.startswith(wanted)] if wanted else []
    exact = [name for name in found if name == wanted or known[name].base.upper() == wanted]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        names = ", ".join(sorted(exact or found)[:_MOST_NAMED])
        raise ValueError(tr("Several begin so: {names}.", names=names))
    raise ValueError(tr("There is no such symbol."))
