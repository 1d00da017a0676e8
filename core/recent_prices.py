"""What the last minute says of a price: one price a second of each symbol, and their median.

A single wrong trade, or a wrong message, is the newest price for a moment; it is not the median of
a minute (spec M10).
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from statistics import median_low

WITHIN_S = 60
FEWEST_S = 5  # fewer seconds with a price say nothing


class RecentPrices:
    """Seconds are market time on a clock that never steps."""

    def __init__(self) -> None:
        self._seconds: dict[str, deque[tuple[int, Decimal]]] = {}

    def add(self, symbol: str, price: Decimal, at_s: float) -> None:
        """The first price of each second stands for it."""
        second, seconds = int(at_s), self._seconds.get(symbol)
        if seconds is None:
            seconds = self._seconds[symbol] = deque()
        if not seconds or second > seconds[-1][0]:
            seconds.append((second, price))
            while seconds[0][0] <= second - WITHIN_S:
                seconds.popleft()

    def median(self, symbol: str, at_s: float) -> Decimal | None:
        """Of the last minute; None where too little is known of it."""
        since = int(at_s) - WITHIN_S
        prices = [price for second, price in self._seconds.get(symbol, ()) if second > since]
        return median_low(prices) if len(prices) >= FEWEST_S else None

    def forget(self, symbol: str) -> None:
        self._seconds.pop(symbol, None)
