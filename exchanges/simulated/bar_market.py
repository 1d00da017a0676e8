"""A market made of bars: ticks, candles, book and statistics from one series of bars a symbol.

Subclasses say only what the bars are (generated or read from files); everything shown is derived
here from the same numbers, so ticks, forming candle and closed candle always agree.
"""

from __future__ import annotations

import abc
from collections import OrderedDict
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from core.models.candles import Candle, Timeframe
from core.models.instruments import Instrument
from exchanges.simulated import noise
from exchanges.simulated.bar_path import BarPath, bar_path
from exchanges.simulated.market import (
    DayStatistics,
    Int64s,
    Level,
    OrderBook,
    Tick,
    TickBlock,
)

_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_PATHS_KEPT = 512  # bars whose ticks stay at hand; 50 symbols ask for their newest again and again
_DAY_MINUTES = 1440
_ROLL_EVERY_MS = 900_000  # the 24 h window rolls on in these steps: 24 h to 24 h 15 m are shown
_LEVEL_GAP = 2e-5  # of the price between levels of the book
_LEVEL_SHARE = 0.05  # of a typical minute's volume resting at one level


class Bars(NamedTuple):
    """Columns: open time in ms, prices in ticks, volume in steps of quantity."""

    open_ms: Int64s
    open: Int64s
    high: Int64s
    low: Int64s
    close: Int64s
    volume: Int64s

    def between(self, start_ms: int, end_ms: int) -> Bars:
        """Bars that open in [start, end)."""
        first, last = np.searchsorted(self.open_ms, (start_ms, end_ms))
        return Bars(*(column[first:last] for column in self))

    def at(self, index: int) -> tuple[int, int, int, int, int]:
        """Open, high, low, close, volume of one bar."""
        return (
            int(self.open[index]),
            int(self.high[index]),
            int(self.low[index]),
            int(self.close[index]),
            int(self.volume[index]),
        )


class _Day(NamedTuple):
    """Sums of the whole bars from 24 h before `rolled_ms` up to `until_ms`, where the forming bar
    opens; prices in ticks, zero when there were no bars."""

    rolled_ms: int
    until_ms: int
    first: int
    hour_ago: int
    high: int
    low: int
    volume: int
    turnover: int

    def and_then(self, bars: Bars, until_ms: int) -> _Day:
        """With the whole bars that followed."""
        if not len(bars.open_ms):
            return self._replace(until_ms=until_ms)
        summed = self.and_part(
            int(bars.open[0]),
            int(bars.high.max()),
            int(bars.low.min()),
            int(bars.volume.sum()),
            int(bars.close @ bars.volume),
        )
        return summed._replace(until_ms=until_ms)

    def and_part(self, first: int, high: int, low: int, volume: int, turnover: int) -> _Day:
        """With sums of what followed; `first` is its first price."""
        return _Day(
            self.rolled_ms,
            self.until_ms,
            self.first or first,
            self.hour_ago,
            max(self.high, high),
            min(self.low or low, low),
            self.volume + volume,
            self.turnover + turnover,
        )


def joined(parts: list[Bars]) -> Bars:
    return Bars(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def aggregate(bars: Bars, timeframe: Timeframe) -> Bars:
    """Bars of `timeframe` from finer ones; a bar with nothing in it does not appear."""
    if not len(bars.open_ms):
        return bars
    if timeframe is Timeframe.MONTH:
        months = bars.open_ms.astype("datetime64[ms]").astype("datetime64[M]")
        opens = months.astype("datetime64[ms]").astype(np.int64)
    else:
        opens = bars.open_ms - (bars.open_ms - timeframe.floor_ms(0)) % timeframe.duration_ms
    first = np.flatnonzero(np.diff(opens, prepend=opens[0] - 1))
    last = np.append(first[1:], len(opens)) - 1
    return Bars(
        opens[first],
        bars.open[first],
        np.maximum.reduceat(bars.high, first),
        np.minimum.reduceat(bars.low, first),
        bars.close[last],
        np.add.reduceat(bars.volume, first),
    )


class BarMarket(abc.ABC):
    """Base of the generated and the replayed market; see `Market` for what methods promise."""

    def __init__(
        self,
        identity: str,
        start_ms: int,
        instruments: dict[str, Instrument],
        *,
        noise_name: str | None = None,
        moved_ms: int = 0,
    ) -> None:
        """Two markets with one `noise_name` (default: the identity) and the same bars make the
        same trades of them, `moved_ms` later each."""
        self.identity = identity
        self.moved_ms = moved_ms
        self.start_ms = start_ms
        self.instruments = instruments
        self._keys = {
            symbol: noise.key_of(noise_name or identity, symbol) for symbol in instruments
        }
        self._rolled_days: dict[str, _Day] = {}
        self._days: dict[str, _Day] = {}
        self._books: dict[tuple[str, int], tuple[int, list[Level], list[Level]]] = {}
        self._forming_paths: dict[str, tuple[int, BarPath | None]] = {}
        self._paths: OrderedDict[tuple[str, int], BarPath] = OrderedDict()

    @abc.abstractmethod
    def base_timeframe(self, symbol: str) -> Timeframe:
        """Length of the bars that `bars` gives."""

    @abc.abstractmethod
    def history_start_ms(self, symbol: str) -> int:
        """Open time of the first bar there is."""

    @abc.abstractmethod
    def bars(self, symbol: str, start_ms: int, end_ms: int) -> Bars:
        """Bars that open in [start, end), whole, whatever the time is."""

    # -- ticks --------------------------------------------------------------------------------

    def ticks(self, symbol: str, start_ms: int, end_ms: int) -> TickBlock:
        base = self.base_timeframe(symbol)
        bars = self.bars(symbol, base.floor_ms(start_ms), end_ms + 1)
        paths = [self._path(symbol, bars, i) for i in range(len(bars.open_ms))]
        columns = paths[0] if len(paths) == 1 else _joined_paths(paths)
        block = TickBlock(self.instruments[symbol], *columns)
        first, last = np.searchsorted(block.times_ms, (start_ms, end_ms), side="right")
        return block.part(int(first), int(last))

    def price_range(self, symbol: str, start_ms: int, end_ms: int) -> tuple[int, int] | None:
        bars = self.bars(symbol, self.base_timeframe(symbol).floor_ms(start_ms), end_ms + 1)
        return (int(bars.low.min()), int(bars.high.max())) if len(bars.open_ms) else None

    def last_tick(self, symbol: str, now_ms: int) -> Tick | None:
        found = self._newest_path(symbol, now_ms)
        if found is None:
            return None
        path, index = found
        return TickBlock(self.instruments[symbol], *path)[index]

    def _newest_path(self, symbol: str, now_ms: int) -> tuple[BarPath, int] | None:
        """Ticks of the bar with the newest tick at or before `now_ms`, and that tick's index."""
        open_ms = self.base_timeframe(symbol).floor_ms(now_ms)
        path = self._forming_path(symbol, open_ms)
        if path is None:  # a gap: the last bar before it
            bars = self.bars(symbol, self.history_start_ms(symbol), open_ms)
            if not len(bars.open_ms):
                return None
            path = self._path(symbol, bars, len(bars.open_ms) - 1)
        return path, int(np.searchsorted(path.times_ms, now_ms, side="right")) - 1

    def _forming_path(self, symbol: str, open_ms: int) -> BarPath | None:
        """Ticks of the bar that opens at `open_ms`, None for a gap; the last one asked for stays
        at hand, as everything shown of a symbol asks for it."""
        kept = self._forming_paths.get(symbol)
        if kept is None or kept[0] != open_ms:
            bars = self.bars(symbol, open_ms, open_ms + 1)
            path = self._path(symbol, bars, 0) if len(bars.open_ms) else None
            kept = self._forming_paths[symbol] = open_ms, path
        return kept[1]

    def _path(self, symbol: str, bars: Bars, index: int) -> BarPath:
        open_ms = int(bars.open_ms[index])
        name = (symbol, open_ms)
        path = self._paths.get(name)
        if path is None:
            duration_ms = self.base_timeframe(symbol).duration_ms
            key = noise.key_of(self._keys[symbol], open_ms - self.moved_ms)
            path = bar_path(key, open_ms, duration_ms, bars.at(index))
            self._paths[name] = path
            if len(self._paths) > _PATHS_KEPT:
                self._paths.popitem(last=False)
        return path

    # -- candles ------------------------------------------------------------------------------

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
        newest_ms = min(now_ms, now_ms if end_ms is None else end_ms)
        last_open_ms = timeframe.floor_ms(newest_ms)
        oldest_ms = self.history_start_ms(symbol)
        if start_ms is not None:
            oldest_ms = max(oldest_ms, start_ms)
        if oldest_ms > newest_ms:
            return []
        first_open_ms = timeframe.floor_ms(last_open_ms - (limit - 1) * timeframe.duration_ms)
        while True:
            bars = self._candle_bars(
                symbol, timeframe, max(first_open_ms, oldest_ms), last_open_ms, now_ms
            )
            if len(bars.open_ms) >= limit or first_open_ms <= oldest_ms:
                break
            # Gaps left fewer than asked for: reach further back.
            first_open_ms -= limit * timeframe.duration_ms
        return self._as_candles(symbol, Bars(*(column[-limit:] for column in bars)), oldest_ms)

    def _candle_bars(
        self, symbol: str, timeframe: Timeframe, first_ms: int, last_open_ms: int, now_ms: int
    ) -> Bars:
        """Aggregated bars that open from `timeframe.floor(first)` to `last_open`, as of `now`."""
        base = self.base_timeframe(symbol)
        start_ms = timeframe.floor_ms(first_ms)
        end_ms = timeframe.next_open_ms(last_open_ms)
        seen = self._seen(symbol, start_ms, min(end_ms, now_ms + 1))
        if timeframe.duration_ms < base.duration_ms:
            block = self.ticks(symbol, start_ms - 1, min(end_ms - 1, now_ms))
            prices = block.prices
            seen = Bars(block.times_ms, prices, prices, prices, prices, block.quantities)
        return aggregate(seen, timeframe)

    def _seen(self, symbol: str, start_ms: int, end_ms: int) -> Bars:
        """Base bars that open in [start, end); the last one only as far as it got before `end`."""
        base = self.base_timeframe(symbol)
        forming_ms = base.floor_ms(end_ms)
        whole = self.bars(symbol, start_ms, forming_ms)
        if forming_ms == end_ms or forming_ms < start_ms:
            return whole
        block = self.ticks(symbol, forming_ms - 1, end_ms - 1)
        if not len(block):
            return whole
        partial = Bars(
            np.array([forming_ms]),
            block.prices[:1],
            block.prices.max(keepdims=True),
            block.prices.min(keepdims=True),
            block.prices[-1:],
            block.quantities.sum(keepdims=True),
        )
        return joined([whole, partial])

    def _as_candles(self, symbol: str, bars: Bars, oldest_ms: int) -> list[Candle]:
        instrument = self.instruments[symbol]
        tick, step = instrument.tick_size, instrument.quantity_step
        return [
            Candle(open_ms, o * tick, h * tick, low * tick, c * tick, volume * step)
            for open_ms, o, h, low, c, volume in zip(
                *(column.tolist() for column in bars), strict=True
            )
            if open_ms >= oldest_ms
        ]

    # -- what is shown around the last price --------------------------------------------------

    def order_book(self, symbol: str, now_ms: int, depth: int) -> OrderBook:
        """Made up around the last trade: one or two ticks wide, depth after the volume. Constant
        between two trades. Empty before the first trade."""
        found = self._newest_path(symbol, now_ms)
        if found is None:
            return OrderBook(symbol, now_ms, [], [])
        path, index = found
        trade_ms = int(path.times_ms[index])
        kept = self._books.get((symbol, depth))
        if kept is None or kept[0] != trade_ms:
            price, is_buy = int(path.prices[index]), bool(path.is_buy[index])
            kept = trade_ms, *self._levels(symbol, trade_ms, price, is_buy, depth)
            self._books[symbol, depth] = kept
        _, bids, asks = kept
        return OrderBook(symbol, now_ms, bids, asks)

    def _levels(
        self, symbol: str, trade_ms: int, price: int, is_buy: bool, depth: int
    ) -> tuple[list[Level], list[Level]]:
        """Bids and asks after a trade at `price` ticks; a deeper book begins with the shallower."""
        random_bits = noise.bits(self._keys[symbol], trade_ms - self.moved_ms, 1 + 2 * depth)
        spread = 1 + int(random_bits[0] & np.uint64(1))
        best_ask = price if is_buy else price + spread
        best_bid = best_ask - spread
        rank = np.arange(depth)
        offsets = rank * max(1, round(price * _LEVEL_GAP))
        volume = self._rolled(symbol, self._rolled_ms(symbol, trade_ms)).volume
        size = _LEVEL_SHARE * volume / _DAY_MINUTES * (1 + rank / 10)
        instrument = self.instruments[symbol]
        tick, step = instrument.tick_size, instrument.quantity_step
        bids, asks = (
            [
                Level(level * tick, lots * step)
                for level, lots in zip(levels.tolist(), sizes.tolist(), strict=True)
                if level > 0
            ]
            for levels, sizes in (
                (best_bid - offsets, _lots(size, random_bits[1::2])),
                (best_ask + offsets, _lots(size, random_bits[2::2])),
            )
        )
        return bids, asks

    def day_statistics(self, symbol: str, now_ms: int) -> DayStatistics:
        instrument = self.instruments[symbol]
        day = self._whole_bars_of_day(symbol, now_ms)
        path = self._forming_path(symbol, day.until_ms)
        if path is not None:
            count = int(np.searchsorted(path.times_ms, now_ms, side="right"))
            prices = path.prices[:count]
            volume = int(path.quantities[:count].sum())
            turnover = int(prices[-1]) * volume  # as of a bar that closed here
            day = day.and_part(
                int(prices[0]), int(prices.max()), int(prices.min()), volume, turnover
            )
        if not day.first:
            newest = self.last_tick(symbol, now_ms)
            if newest is None:
                raise LookupError(f"{symbol} has not traded yet.")
            price, zero = newest.price, Decimal(0)
            return DayStatistics(price, price, zero, zero, price, price)
        tick, step = instrument.tick_size, instrument.quantity_step
        return DayStatistics(
            high=day.high * tick,
            low=day.low * tick,
            volume=day.volume * step,
            turnover=day.turnover * tick * step,
            price_24h_ago=day.first * tick,
            price_1h_ago=(day.hour_ago or day.first) * tick,
        )

    def _whole_bars_of_day(self, symbol: str, now_ms: int) -> _Day:
        """Up to the forming bar; each bar is added once, when it has closed."""
        rolled_ms = self._rolled_ms(symbol, now_ms)
        until_ms = self.base_timeframe(symbol).floor_ms(now_ms)
        day = self._days.get(symbol)
        if day is None or day.rolled_ms != rolled_ms or day.until_ms > until_ms:
            day = self._rolled(symbol, rolled_ms)
        if day.until_ms < until_ms:
            day = day.and_then(self.bars(symbol, day.until_ms, until_ms), until_ms)
        self._days[symbol] = day
        return day

    def _rolled_ms(self, symbol: str, now_ms: int) -> int:
        return self.base_timeframe(symbol).floor_ms(now_ms // _ROLL_EVERY_MS * _ROLL_EVERY_MS)

    def _rolled(self, symbol: str, rolled_ms: int) -> _Day:
        """The 24 h before `rolled_ms`, kept until the window rolls on."""
        kept = self._rolled_days.get(symbol)
        if kept is None or kept.rolled_ms != rolled_ms:
            bars = self.bars(symbol, rolled_ms - _DAY_MS, rolled_ms)
            hour_ago = int(np.searchsorted(bars.open_ms, rolled_ms - _HOUR_MS))
            opened = bars.open[min(hour_ago, len(bars.open) - 1)] if len(bars.open) else 0
            nothing = _Day(rolled_ms, rolled_ms, 0, int(opened), 0, 0, 0, 0)
            kept = self._rolled_days[symbol] = nothing.and_then(bars, rolled_ms)
        return kept

    def funding_rate(self, symbol: str, funding_ms: int) -> Decimal:
        """Between -0.01 % and 0.03 %, around the usual 0.01 %."""
        key = noise.key_of(self._keys[symbol], "funding", funding_ms - self.moved_ms)
        millionths = key % 401 - 100
        return Decimal(millionths).scaleb(-6)


def _lots(size: noise.Floats, random_bits: noise.Bits) -> Int64s:
    """Whole steps around `size`, never none."""
    lots: Int64s = (size * (0.4 + 1.2 * noise.uniform(random_bits))).astype(np.int64) + 1
    return lots


def _joined_paths(paths: list[BarPath]) -> BarPath:
    if not paths:
        empty = np.empty(0, dtype=np.int64)
        return BarPath(empty, empty, empty, np.empty(0, dtype=np.bool_))
    return BarPath(*(np.concatenate(columns) for columns in zip(*paths, strict=True)))
