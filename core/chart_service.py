"""Candles and indicators for the screen's charts, computed here so that the chart shows exactly
what the strategies see, and so that the screen needs no indicator library."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Set as AbstractSet

from core.exchange_port import MarketDataPort
from core.indicators import INDICATORS, Indicator, batch, columns_of, make
from core.market_data.columns import EMPTY, Columns, FloatArray, columns_from_candles
from core.market_feed import MarketFeed
from core.models.candles import Candle, CandleUpdate, Timeframe
from core.models.indicators import STANDARD, IndicatorSpec
from core.snapshots import CandleBlock, LiveCandle

WARM_UP_BARS = 300  # EMA 60 and MACD have forgotten their beginning by then (error below 1e-4)
STANDING_BARS = 1000  # then what is kept up bar by bar equals the block's to the last digit shown
MAX_BARS = 20_000
MAX_INDICATORS = 24  # of one series
_Series = tuple[str, Timeframe]
_Specs = tuple[IndicatorSpec, ...]


def chart_indicators(columns: Columns, specs: _Specs = STANDARD) -> dict[str, FloatArray]:
    """The columns of `specs`, one value per bar, NaN while warming up. Raises ValueError for what
    is no indicator."""
    found: dict[str, FloatArray] = {}
    for spec in specs:
        found |= batch(spec, columns)
    return found


def _warm_up_bars(specs: _Specs, timeframe: Timeframe) -> int:
    duration_ms = timeframe.duration_ms
    wanted = [INDICATORS[s.name].warm_up_bars(s.parameters, duration_ms) for s in specs]
    return max(WARM_UP_BARS, *wanted, 0)


class _Standing:
    """The indicators as they stand after the newest closed bar of one series."""

    def __init__(self, columns: Columns, specs: _Specs, warm_up_bars: int) -> None:
        newest = columns.select(slice(-max(STANDING_BARS, warm_up_bars), None))
        self.specs = specs
        self.newest_ms = int(newest.open_time_ms[-1]) if newest.rows else -1
        self._indicators = {columns_of(spec): make(spec) for spec in specs}
        for indicator in self._indicators.values():
            fields = (getattr(newest, name).tolist() for name in indicator.inputs)
            for values in zip(*fields, strict=True):
                indicator.update(*values)

    def close(self, candle: Candle) -> None:
        """The next bar has closed."""
        if candle.open_time_ms > self.newest_ms:
            self._update(self._indicators, candle)
            self.newest_ms = candle.open_time_ms

    def values(self) -> dict[str, float]:
        return self._values(self._indicators)

    def values_with(self, forming: Candle) -> dict[str, float]:
        """As they would be if the next bar closed like this."""
        tried = {names: copy.copy(indicator) for names, indicator in self._indicators.items()}
        self._update(tried, forming)
        return self._values(tried)

    @staticmethod
    def _update(indicators: dict[tuple[str, ...], Indicator], candle: Candle) -> None:
        for indicator in indicators.values():
            indicator.update(*(float(getattr(candle, name)) for name in indicator.inputs))

    @staticmethod
    def _values(indicators: dict[tuple[str, ...], Indicator]) -> dict[str, float]:
        return {
            name: value
            for names, indicator in indicators.items()
            for name, value in zip(names, indicator.values, strict=True)
        }


class ChartService:
    """Answers a screen's wish for history and keeps the watched charts' forming bars."""

    def __init__(self, feed: MarketFeed) -> None:
        self._feed = feed
        self._standing: dict[_Series, _Standing] = {}
        self._closed_ms: dict[_Series, int] = {}  # the newest closed bar that was told
        feed.on_closed_candle.append(self._on_closed)

    async def block(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        count: int,
        end_ms: int | None,
        indicators: _Specs = STANDARD,
    ) -> CandleBlock:
        """The newest `count` closed bars up to open time `end_ms`, with the columns of
        `indicators`. Raises ExchangeError, and ValueError for what is no indicator.

        Without `end_ms` these indicators are kept up on the forming bar for as long as the series
        is shown, beside those that another chart of it has asked for.
        """
        for spec in indicators[:MAX_INDICATORS]:
            make(spec)
        if len(indicators) > MAX_INDICATORS:
            raise ValueError(f"A chart shows {MAX_INDICATORS} indicators at most.")
        count = max(1, min(count, MAX_BARS))
        warm_up = _warm_up_bars(indicators, timeframe)
        wanted = count + warm_up
        columns = await self._columns(symbol, timeframe, wanted, end_ms)
        if end_ms is None:
            if self._has_closed_since(symbol, timeframe, columns):
                columns = await self._columns(symbol, timeframe, wanted, end_ms)
            self._stand(symbol, timeframe, columns, indicators, warm_up)
        computed = chart_indicators(columns, indicators) if columns.rows else {}
        fields = {name: getattr(columns, name) for name in Columns._fields} | computed
        return CandleBlock(
            symbol=symbol,
            timeframe=timeframe.value,
            rows=min(count, columns.rows),
            columns={name: values[-count:].tobytes() for name, values in fields.items()},
            is_end_of_history=columns.rows < wanted,
        )

    def live(self, symbol: str, timeframe: Timeframe) -> LiveCandle | None:
        """The forming bar with the indicators as they stand on it; None before the first tick."""
        update = self._feed.forming.get((symbol, timeframe))
        standing = self._standing.get((symbol, timeframe))
        if update is None or standing is None:
            return None
        if update.candle.open_time_ms <= standing.newest_ms:
            return None  # an echo of a bar that has closed
        return _live_candle(update, standing.values_with(update.candle))

    def closed(self, update: CandleUpdate) -> LiveCandle | None:
        """A bar that has just closed, for the ordered list; None where no chart shows it."""
        standing = self._standing.get((update.symbol, update.timeframe))
        if standing is None or standing.newest_ms != update.candle.open_time_ms:
            return None  # no chart, or one whose history was read with this bar in it
        return _live_candle(update, standing.values())

    def show(self, charts: AbstractSet[_Series]) -> None:
        """What screens look at, and nothing else, is streamed and kept up from now on."""
        self._feed.chart(charts)
        for series in self._standing.keys() - charts:
            del self._standing[series]

    def _stand(
        self, symbol: str, timeframe: Timeframe, columns: Columns, specs: _Specs, warm_up: int
    ) -> None:
        former = self._standing.get((symbol, timeframe))
        others = [] if former is None else [s for s in former.specs if s not in specs]
        kept = (*specs, *others)[:MAX_INDICATORS]
        self._standing[symbol, timeframe] = _Standing(columns, kept, warm_up)

    def _on_closed(self, update: CandleUpdate) -> None:
        series = (update.symbol, update.timeframe)
        self._closed_ms[series] = update.candle.open_time_ms
        if series in self._standing:
            self._standing[series].close(update.candle)

    def _has_closed_since(self, symbol: str, timeframe: Timeframe, columns: Columns) -> bool:
        """Whether a bar was told while these were read."""
        newest_ms = int(columns.open_time_ms[-1]) if columns.rows else -1
        return self._closed_ms.get((symbol, timeframe), -1) > newest_ms

    async def _columns(
        self, symbol: str, timeframe: Timeframe, count: int, end_ms: int | None
    ) -> Columns:
        """From the store where the series is kept and has enough, else from the exchange."""
        stored = EMPTY
        if self._feed.is_stored(symbol, timeframe):
            manager = self._feed.data.get_manager(symbol, timeframe)
            stored = await asyncio.to_thread(manager.history, timeframe, count=count, end_ms=end_ms)
            if stored.rows >= count:
                return stored
        port: MarketDataPort = self._feed.port
        candles = await port.fetch_candles(symbol, timeframe, end_ms=end_ms, limit=count)
        fetched = columns_from_candles(candles)
        return fetched if fetched.rows >= stored.rows else stored


def _live_candle(update: CandleUpdate, indicators: dict[str, float]) -> LiveCandle:
    candle = update.candle
    return LiveCandle(
        symbol=update.symbol,
        timeframe=update.timeframe.value,
        open_time_ms=candle.open_time_ms,
        open=float(candle.open),
        high=float(candle.high),
        low=float(candle.low),
        close=float(candle.close),
        volume=float(candle.volume),
        indicators=indicators,
    )
