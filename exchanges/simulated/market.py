"""Where the simulated exchange's prices come from: the contract, and what passes over it.

Ticks travel as integer arrays (ticks of price, steps of quantity): exact, and quick enough for
900 market seconds per real second. Only what somebody looks at becomes a `Decimal`.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from core.models.candles import Candle, Timeframe
from core.models.instruments import Instrument
from core.models.orders import Side

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Tick(NamedTuple):
    """One public trade. `taker_side` is who crossed the spread."""

    time_ms: int
    price: Decimal
    quantity: Decimal
    taker_side: Side


class TickBlock:
    """Public trades of one symbol, oldest first; iterating yields `Tick`s.

    Attributes: `times_ms`, `prices` (in ticks), `quantities` (in steps), `is_buy` (taker side).
    """

    __slots__ = ("instrument", "is_buy", "prices", "quantities", "times_ms")

    def __init__(
        self,
        instrument: Instrument,
        times_ms: Int64s,
        prices: Int64s,
        quantities: Int64s,
        is_buy: Bools,
    ) -> None:
        self.instrument = instrument
        self.times_ms = times_ms
        self.prices = prices
        self.quantities = quantities
        self.is_buy = is_buy

    def __len__(self) -> int:
        return len(self.times_ms)

    def __iter__(self) -> Iterator[Tick]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> Tick:
        return Tick(
            int(self.times_ms[index]),
            int(self.prices[index]) * self.instrument.tick_size,
            int(self.quantities[index]) * self.instrument.quantity_step,
            Side.BUY if self.is_buy[index] else Side.SELL,
        )

    def part(self, start: int, stop: int) -> TickBlock:
        """Ticks `start` (inclusive) to `stop` (exclusive), sharing memory."""
        return TickBlock(
            self.instrument,
            self.times_ms[start:stop],
            self.prices[start:stop],
            self.quantities[start:stop],
            self.is_buy[start:stop],
        )


class Level(NamedTuple):
    price: Decimal
    quantity: Decimal


class OrderBook(NamedTuple):
    """Best first on both sides; never crossed. `time_ms` is market time."""

    symbol: str
    time_ms: int
    bids: list[Level]
    asks: list[Level]


class DayStatistics(msgspec.Struct, frozen=True):
    """The last 24 h up to the moment asked for. Volume in base, turnover in quote."""

    high: Decimal
    low: Decimal
    volume: Decimal
    turnover: Decimal
    price_24h_ago: Decimal
    price_1h_ago: Decimal


class Market(Protocol):
    """A source of prices. Everything is a pure function of the market's identity and the time.

    Methods raise KeyError for a symbol that is not in `instruments`.
    """

    @property
    def identity(self) -> str:
        """Names this market for the books: restored books refuse another market."""

    @property
    def start_ms(self) -> int:
        """Market time, ms UTC, at which a new exchange starts; history lies before it."""

    @property
    def instruments(self) -> dict[str, Instrument]: ...

    def ticks(self, symbol: str, start_ms: int, end_ms: int) -> TickBlock:
        """Trades after `start_ms` up to and including `end_ms`."""

    def price_range(self, symbol: str, start_ms: int, end_ms: int) -> tuple[int, int] | None:
        """Bounds, in ticks, of all trades after `start_ms` up to and including `end_ms`; they may
        be wider than the trades. None: there were none."""

    def last_tick(self, symbol: str, now_ms: int) -> Tick | None:
        """Newest trade at or before `now_ms`; None when there was none yet."""

    def candles(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        now_ms: int,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 200,
    ) -> list[Candle]:
        """At most `limit` bars, oldest first; the forming one is last when it is in range. Bounds
        are open times, inclusive. The newest bars of the range win, as on Bybit. Raises
        LookupError where the source keeps no candles (live prices)."""

    def order_book(self, symbol: str, now_ms: int, depth: int) -> OrderBook: ...

    def day_statistics(self, symbol: str, now_ms: int) -> DayStatistics: ...

    def funding_rate(self, symbol: str, funding_ms: int) -> Decimal:
        """Paid by longs to shorts at `funding_ms`, as a ratio of position value."""
