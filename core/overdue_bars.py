"""Which bars have ended by the exchange's clock without anybody having said so.

A stream may forget a bar, fall silent, or (on some exchanges) never say that one is closed. A
little after a bar's end the feed then asks REST, once for each bar; what is not there yet comes
with the next bar or with the regular look for holes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from core.clock import Clock
from core.models.candles import Timeframe

GRACE_S = 3.0  # real seconds that the stream has for its own word
Series = tuple[str, Timeframe]


class OverdueBars:
    def __init__(self, clock: Clock, grace_s: float = GRACE_S) -> None:
        self._clock = clock
        self._grace_s = grace_s
        self._asked_ms: dict[Series, int] = {}

    def look(self, told_ms: Mapping[Series, int]) -> Iterator[Series]:
        """Series of `told_ms` (open time of the newest bar known) that lack the one which ended
        longest ago within the grace; each bar is named once."""
        for series in self._asked_ms.keys() - told_ms.keys():
            del self._asked_ms[series]
        settled_ms = self._clock.time_ms() - int(self._grace_s * 1000 * self._clock.rate)
        for series, newest_ms in told_ms.items():
            timeframe = series[1]
            ended_ms = timeframe.floor_ms(timeframe.floor_ms(settled_ms) - 1)
            if newest_ms < ended_ms and self._asked_ms.get(series) != ended_ms:
                self._asked_ms[series] = ended_ms
                yield series
