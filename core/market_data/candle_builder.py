"""Candles made from trades, for exchanges that stream none (spec T2).

A bar is the exchange's own only if every trade of it was seen: the bar in which the trades began,
or began again after a gap, is shown while it forms but never called closed; REST has it. A bar
closes when a trade of a later one comes, or when the exchange's clock says so. A bar without a
trade does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from core.models.candles import Candle, Timeframe
from core.models.trades import PublicTrade


class CandleBuilder:
    """One series. Trades come in the exchange's order; one that was seen already, or that belongs
    to a bar which has closed, changes nothing."""

    def __init__(self, timeframe: Timeframe) -> None:
        self._timeframe = timeframe
        self._seen_from_ms: int | None = None
        self._open_ms = -1
        self._prices: tuple[Decimal, Decimal, Decimal, Decimal] | None = None
        self._volume = Decimal(0)
        self._ids: set[str] = set()
        self._closed_until_ms = -1

    def begin(self, time_ms: int) -> None:
        """Every trade from `time_ms` (the exchange's clock) on will come; what was before is not
        continued."""
        self._seen_from_ms = time_ms
        self._forget()

    def add(self, trades: Iterable[PublicTrade]) -> list[Candle]:
        """Bars that these trades closed, oldest first."""
        closed = []
        for trade in trades:
            open_ms = self._timeframe.floor_ms(trade.time_ms)
            if open_ms > self._open_ms:
                closed += self._close()
                self._open_ms = open_ms
            if open_ms < self._open_ms or open_ms < self._closed_until_ms:
                continue
            if trade.trade_id and trade.trade_id in self._ids:
                continue
            self._ids.add(trade.trade_id)
            self._take(trade)
        return closed

    def close_until(self, time_ms: int) -> list[Candle]:
        """The bar that has ended at `time_ms`, the exchange's clock less the time that the last
        trades need to come."""
        if self._prices is None or self._timeframe.next_open_ms(self._open_ms) > time_ms:
            return []
        return self._close()

    @property
    def forming(self) -> Candle | None:
        """The newest bar as far as it is known."""
        if self._prices is None:
            return None
        return Candle(self._open_ms, *self._prices, self._volume)

    def _take(self, trade: PublicTrade) -> None:
        price = trade.price
        if self._prices is None:
            self._prices = (price, price, price, price)
        else:
            first, high, low, _ = self._prices
            self._prices = (first, max(high, price), min(low, price), price)
        self._volume += trade.quantity

    def _close(self) -> list[Candle]:
        bar = self.forming
        whole = self._seen_from_ms is not None and self._seen_from_ms <= self._open_ms
        if bar is not None:
            self._closed_until_ms = self._timeframe.next_open_ms(self._open_ms)
        self._forget()
        return [bar] if bar is not None and whole else []

    def _forget(self) -> None:
        self._prices = None
        self._volume = Decimal(0)
        self._ids.clear()
