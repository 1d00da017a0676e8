"""When the day of an exchange begins, which its daily, weekly and monthly bars follow."""

from __future__ import annotations

_HOUR_MS = 3_600_000

# Hours before 00:00 UTC. Upbit's day begins at 09:00 in Korea, which is 00:00 UTC; Bithumb's at
# midnight there. OKX and Bitget offer both: their adapters ask for the UTC bars.
_DAY_OFFSET_HOURS = {"bithumb": 9}


def day_offset_ms(exchange: str) -> int:
    """How much earlier than 00:00 UTC the exchange's day begins; 0 unless it is known to."""
    return _DAY_OFFSET_HOURS.get(exchange.lower(), 0) * _HOUR_MS
