"""A market that costs almost nothing: one walk a symbol, made whole before the run begins.

The demo exchange's own market is beautiful and slow; thousands of schedules need neither clusters
of volatility nor three years of history. Prices are still a pure function of the seed.
"""

from __future__ import annotations

import itertools
from decimal import Decimal

import numpy as np

from core.models.candles import Candle, Timeframe
from core.models.instruments import Instrument
from core.models.orders import Side
from exchanges.simulated.instruments import EXCHANGE
from exchanges.simulated.market import DayStatistics, Int64s, Level, OrderBook, Tick, TickBlock

TIMEFRAME = Timeframe.M5
STEP_MS = 10_000  # market time between two trades of a symbol
HISTORY_BARS = 24
_BAR_STEPS = TIMEFRAME.duration_ms // STEP_MS
_STEP_SIGMA = 0.0007  # of a step's log return: about 0.4 % a bar
_TRADE_LOTS = 400
_BOOK_LOTS = 1_000_000
_THIN_LOTS = 3
_LEVELS = 3

# symbol, first price, tick, lot, smallest order in USDT: filters as different as real ones
_CHARACTERS = (
    ("BTCUSDT", "67214.5", "0.1", "0.001", "5"),
    ("ETHUSDT", "3482.15", "0.01", "0.01", "5"),
    ("SOLUSDT", "152.370", "0.010", "0.1", "10"),
    ("XRPUSDT", "0.5934", "0.0001", "1", "5"),
    ("DOGEUSDT", "0.12345", "0.00001", "10", "1"),
)


class ChaosMarket:
    """`Market`. Attributes: `thin`, `empty`: symbols whose book is so now; where it is thin, trades
    are small too."""

    def __init__(self, seed: int, *, symbols: int, start_ms: int, hours: float) -> None:
        """`symbols` of the five; `hours` of market time are prepared, then trading ends."""
        self.identity = f"chaos/{seed}/{start_ms}"
        self.start_ms = start_ms
        dice = np.random.default_rng(seed)
        self.instruments = {row[0]: _instrument(*row) for row in _CHARACTERS[:symbols]}
        self.thin: set[str] = set()
        self.empty: set[str] = set()
        self._first_ms = TIMEFRAME.floor_ms(start_ms) - HISTORY_BARS * TIMEFRAME.duration_ms
        steps = HISTORY_BARS * _BAR_STEPS + int(hours * 3_600_000) // STEP_MS
        self._times_ms: Int64s = self._first_ms + STEP_MS * np.arange(steps, dtype=np.int64)
        self._prices: dict[str, Int64s] = {}
        self._is_buy: dict[str, np.ndarray[tuple[int], np.dtype[np.bool_]]] = {}
        for symbol, price, tick, *_ in _CHARACTERS[:symbols]:
            moves = dice.normal(0, _STEP_SIGMA, steps)
            walk = np.exp(np.cumsum(moves)) * (float(price) / float(tick))
            self._prices[symbol] = np.maximum(np.rint(walk), 1).astype(np.int64)
            self._is_buy[symbol] = moves > 0
        self._lots: Int64s = np.full(steps, _TRADE_LOTS, dtype=np.int64)
        self._thin_lots: Int64s = np.full(steps, _THIN_LOTS, dtype=np.int64)
        self._newest: dict[str, tuple[int, Tick]] = {}  # index and tick that were asked for last

    def jump(self, symbol: str, now_ms: int, ratio: float) -> None:
        """From the next trade on the price is `ratio` times what it would have been."""
        index = self._index(now_ms) + 1
        prices = self._prices[symbol]
        prices[index:] = np.maximum(np.rint(prices[index:] * ratio), 1).astype(np.int64)
        self._newest.clear()

    def ticks(self, symbol: str, start_ms: int, end_ms: int) -> TickBlock:
        part = slice(self._index(start_ms) + 1, self._index(end_ms) + 1)
        return TickBlock(
            self.instruments[symbol],
            self._times_ms[part],
            self._prices[symbol][part],
            (self._thin_lots if symbol in self.thin else self._lots)[part],
            self._is_buy[symbol][part],
        )

    def price_range(self, symbol: str, start_ms: int, end_ms: int) -> tuple[int, int] | None:
        prices = self._prices[symbol][self._index(start_ms) + 1 : self._index(end_ms) + 1]
        return (int(prices.min()), int(prices.max())) if len(prices) else None

    def last_tick(self, symbol: str, now_ms: int) -> Tick | None:
        index = self._index(now_ms)
        known = self._newest.get(symbol)
        if known is not None and known[0] == index:
            return known[1]
        instrument = self.instruments[symbol]
        tick = Tick(
            self._first_ms + index * STEP_MS,
            int(self._prices[symbol][index]) * instrument.tick_size,
            _TRADE_LOTS * instrument.quantity_step,
            Side.BUY if self._is_buy[symbol][index] else Side.SELL,
        )
        self._newest[symbol] = index, tick
        return tick

    def price(self, symbol: str, now_ms: int) -> Decimal:
        """Of the newest trade."""
        tick = self.instruments[symbol].tick_size
        return int(self._prices[symbol][self._index(now_ms)]) * tick

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
        duration_ms = timeframe.duration_ms
        newest_ms = timeframe.floor_ms(now_ms)
        last_ms = newest_ms if end_ms is None else min(newest_ms, timeframe.floor_ms(end_ms))
        first_ms = max(last_ms - (limit - 1) * duration_ms, timeframe.next_open_ms(self._first_ms))
        if start_ms is not None:
            first_ms = max(first_ms, -(-start_ms // duration_ms) * duration_ms)
        opens = range(first_ms, last_ms + 1, duration_ms)
        bars = (self._bar(symbol, open_ms, duration_ms, now_ms) for open_ms in opens)
        return [bar for bar in bars if bar is not None]

    def _bar(self, symbol: str, open_ms: int, duration_ms: int, now_ms: int) -> Candle | None:
        end_ms = min(open_ms + duration_ms - 1, now_ms)
        first, last = (open_ms - self._first_ms) // STEP_MS, self._index(end_ms) + 1
        prices = self._prices[symbol][first:last]
        if not len(prices):
            return None
        instrument = self.instruments[symbol]
        tick, step = instrument.tick_size, instrument.quantity_step
        return Candle(
            open_ms,
            int(prices[0]) * tick,
            int(prices.max()) * tick,
            int(prices.min()) * tick,
            int(prices[-1]) * tick,
            len(prices) * _TRADE_LOTS * step,
        )

    def order_book(self, symbol: str, now_ms: int, depth: int) -> OrderBook:
        if symbol in self.empty:
            return OrderBook(symbol, now_ms, [], [])
        instrument, index = self.instruments[symbol], self._index(now_ms)
        tick, middle = instrument.tick_size, int(self._prices[symbol][index])
        lots = (_THIN_LOTS if symbol in self.thin else _BOOK_LOTS) * instrument.quantity_step
        steps = range(min(depth, _LEVELS))
        bids = [Level(max(1, middle - 1 - i) * tick, lots) for i in steps]
        return OrderBook(symbol, now_ms, bids, [Level((middle + i) * tick, lots) for i in steps])

    def day_statistics(self, symbol: str, now_ms: int) -> DayStatistics:
        tick = self.last_tick(symbol, now_ms)
        assert tick is not None
        price, volume = tick.price, tick.quantity * 1000
        return DayStatistics(price, price, volume, volume * price, price, price)

    def funding_rate(self, symbol: str, funding_ms: int) -> Decimal:
        """Far above the usual, of either sign: it has to show in the books."""
        place = next(i for i, row in enumerate(_CHARACTERS) if row[0] == symbol)
        signs = itertools.cycle((7, -5, 3, -11))
        sign = next(itertools.islice(signs, (funding_ms // 3_600_000 + place) % 4, None))
        return Decimal(sign).scaleb(-4)

    def _index(self, now_ms: int) -> int:
        """Of the newest trade at that time."""
        return int(min(max(now_ms - self._first_ms, 0) // STEP_MS, len(self._times_ms) - 1))


def _instrument(symbol: str, price: str, tick: str, lot: str, min_notional: str) -> Instrument:
    step = Decimal(lot)
    largest = (Decimal(100_000) / Decimal(price) / step).to_integral_value() * step
    return Instrument(
        exchange=EXCHANGE,
        symbol=symbol,
        base=symbol.removesuffix("USDT"),
        quote="USDT",
        tick_size=Decimal(tick),
        quantity_step=step,
        min_quantity=step,
        max_quantity=max(largest, step),
        min_notional=Decimal(min_notional),
        max_leverage=Decimal(50),
    )
