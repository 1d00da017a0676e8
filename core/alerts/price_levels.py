"""The thresholds of one symbol, sorted so that a tick looks at two of them.

Those that wait for a rise stand with the lowest at the end, those that wait for a fall with the
highest: only the two ends can be next, and a crossed one is popped from its end.
"""

from __future__ import annotations

import bisect
from decimal import Decimal


class PriceLevels:
    """`crossed` costs two comparisons where nothing was crossed, whatever the number of levels."""

    def __init__(self) -> None:
        self._rises: list[tuple[Decimal, int]] = []
        self._falls: list[tuple[Decimal, int]] = []

    def __len__(self) -> int:
        return len(self._rises) + len(self._falls)

    def add(self, alert_id: int, price: Decimal, *, waits_for_rise: bool) -> None:
        if waits_for_rise:
            bisect.insort(self._rises, (price, alert_id), key=_falling)
        else:
            bisect.insort(self._falls, (price, alert_id), key=_rising)

    def remove(self, alert_id: int) -> None:
        """Nothing happens for one that is not there."""
        self._rises = [entry for entry in self._rises if entry[1] != alert_id]
        self._falls = [entry for entry in self._falls if entry[1] != alert_id]

    def crossed(self, price: Decimal) -> list[int]:
        """Alerts that this price reaches, nearest first; they wait no longer."""
        found = []
        while self._rises and price >= self._rises[-1][0]:
            found.append(self._rises.pop()[1])
        while self._falls and price <= self._falls[-1][0]:
            found.append(self._falls.pop()[1])
        return found


def _rising(entry: tuple[Decimal, int]) -> Decimal:
    return entry[0]


def _falling(entry: tuple[Decimal, int]) -> Decimal:
    return -entry[0]
