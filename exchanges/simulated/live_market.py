"""A market fed from outside: a real exchange's prices for the simulated matching (paper trading).

It remembers a few minutes of trades, for the venue to process, and the newest quote. A price that
arrives late is stamped just after what the venue has already seen: time never goes back for the
books.
"""

from __future__ import annotations

from bisect import bisect_right
from decimal import Decimal

import numpy as np

from core.models.candles import Candle, Ticker, Timeframe
from core.models.instruments import Instrument
from core.models.orders import Side
from exchanges.simulated.market import DayStatistics, Level, OrderBook, Tick, TickBlock

_TICKS_AT_MOST = 2000  # of a symbol; the venue takes them twenty times a second
_LEVEL_GAP = Decimal("0.0001")  # of the price, between assumed levels of the book


class LiveMarket:
    """Feed it with `push`; a `Venue` over it fills paper orders at these prices.

    Depth is not known: each level of the book is assumed to hold `level_notional` (quote
    currency), one basis point apart, and so is a trade whose quantity is not told.
    """

    def __init__(
        self,
        identity: str,
        start_ms: int,
        instruments: dict[str, Instrument],
        level_notional: Decimal = Decimal(50_000),
    ) -> None:
        self.identity = identity
        self.start_ms = start_ms
        self.instruments = instruments
        self._level_notional = level_notional
        self._kept: dict[str, list[Tick]] = {symbol: [] for symbol in instruments}
        self._newest: dict[str, Tick] = {}
        self._tickers: dict[str, Ticker] = {}
        self._handed_out_ms = start_ms

    def on_ticker(self, ticker: Ticker) -> None:
        """Take the quote; a new last price is also a trade. Unknown symbols are ignored."""
        if ticker.symbol not in self.instruments:
            return
        self._tickers[ticker.symbol] = ticker
        newest = self._newest.get(ticker.symbol)
        if newest is None or newest.price != ticker.last_price:
            self.push(ticker.symbol, ticker.last_price, ticker.exchange_time_ms)

    def push(
        self,
        symbol: str,
        price: Decimal,
        time_ms: int,
        *,
        quantity: Decimal | None = None,
        taker_side: Side | None = None,
    ) -> None:
        """One trade at the exchange. Raises KeyError for an unknown symbol."""
        instrument = self.instruments[symbol]
        newest = self._newest.get(symbol)
        if quantity is None:
            quantity = instrument.round_quantity_down(self._level_notional / price)
        if taker_side is None:
            rising = newest is None or price >= newest.price
            taker_side = Side.BUY if rising else Side.SELL
        earliest_ms = max(self._handed_out_ms + 1, newest.time_ms if newest else 0)
        tick = Tick(max(time_ms, earliest_ms), instrument.round_price(price), quantity, taker_side)
        self._newest[symbol] = tick
        kept = self._kept[symbol]
        kept.append(tick)
        if len(kept) > _TICKS_AT_MOST:
            del kept[: _TICKS_AT_MOST // 2]

    def ticks(self, symbol: str, start_ms: int, end_ms: int) -> TickBlock:
        instrument = self.instruments[symbol]
        self._handed_out_ms = max(self._handed_out_ms, end_ms)
        kept = self._kept[symbol]
        first = bisect_right(kept, start_ms, key=lambda tick: tick.time_ms)
        chosen = kept[first : bisect_right(kept, end_ms, key=lambda tick: tick.time_ms)]
        tick_size, step = instrument.tick_size, instrument.quantity_step
        return TickBlock(
            instrument,
            np.array([tick.time_ms for tick in chosen], dtype=np.int64),
            np.array([int(tick.price / tick_size) for tick in chosen], dtype=np.int64),
            np.array([int(tick.quantity / step) for tick in chosen], dtype=np.int64),
            np.array([tick.taker_side is Side.BUY for tick in chosen], dtype=np.bool_),
        )

    def price_range(self, symbol: str, start_ms: int, end_ms: int) -> tuple[int, int] | None:
        prices = self.ticks(symbol, start_ms, end_ms).prices  # which also counts as handed out
        return (int(prices.min()), int(prices.max())) if len(prices) else None

    def last_tick(self, symbol: str, now_ms: int) -> Tick | None:
        """The newest there is; a tick stamped a moment ahead of the clock counts."""
        del now_ms
        return self._newest.get(symbol)

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
        """Raises LookupError always: the exchange's own data port has the candles."""
        del now_ms, start_ms, end_ms, limit
        raise LookupError(f"{symbol} {timeframe.value}: live prices keep no candles here.")

    def order_book(self, symbol: str, now_ms: int, depth: int) -> OrderBook:
        instrument = self.instruments[symbol]
        newest, ticker = self._newest.get(symbol), self._tickers.get(symbol)
        if newest is None:
            return OrderBook(symbol, now_ms, [], [])
        tick = instrument.tick_size
        ask = ticker.ask_price if ticker and ticker.ask_price is not None else newest.price + tick
        bid = ticker.bid_price if ticker and ticker.bid_price is not None else newest.price
        gap = max(tick, instrument.round_price(newest.price * _LEVEL_GAP))
        quantity = instrument.round_quantity_down(self._level_notional / newest.price)
        quantity = max(quantity, instrument.quantity_step)
        bids = [Level(bid - i * gap, quantity) for i in range(depth) if bid > i * gap]
        asks = [Level(max(ask, bid + tick) + i * gap, quantity) for i in range(depth)]
        return OrderBook(symbol, now_ms, bids, asks)

    def day_statistics(self, symbol: str, now_ms: int) -> DayStatistics:
        """From the newest ticker, as far as the exchange tells. Raises LookupError before it."""
        del now_ms
        ticker = self._tickers.get(symbol)
        if ticker is None:
            raise LookupError(f"{symbol} has no ticker yet.")
        price, zero = ticker.last_price, Decimal(0)
        return DayStatistics(
            high=ticker.high_24h or price,
            low=ticker.low_24h or price,
            volume=(ticker.turnover_24h or zero) / price,
            turnover=ticker.turnover_24h or zero,
            price_24h_ago=price / (1 + (ticker.change_24h_ratio or zero)),
            price_1h_ago=price,
        )

    def funding_rate(self, symbol: str, funding_ms: int) -> Decimal:
        """The exchange's newest; zero while it has not said."""
        del funding_ms
        ticker = self._tickers.get(symbol)
        return ticker.funding_rate if ticker and ticker.funding_rate else Decimal(0)
