"""Candles and indicators for the screen's charts, computed here so that the chart shows exactly
what the strategies see, and so that the screen needs no indicator library."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import talib

from core.exchange_port import MarketDataPort
from core.market_data.columns import EMPTY, Columns, columns_from_candles
from core.market_feed import MarketFeed
from core.models.candles import CandleUpdate, Timeframe
from core.snapshots import CandleBlock, LiveCandle

FloatArray = npt.NDArray[np.float64]
WARM_UP_BARS = 300  # EMA 60 and MACD have forgotten their beginning by then (error below 1e-4)
TAIL_BARS = 400
MAX_BARS = 20_000
_Series = tuple[str, Timeframe]


def chart_indicators(columns: Columns) -> dict[str, FloatArray]:
    """The chart's standard set, one value per bar, NaN while warming up."""
    close = columns.close
    macd, signal, histogram = talib.MACD(close, 12, 26, 9)
    return {
        "ema_20": talib.EMA(close, 20),
        "ema_60": talib.EMA(close, 60),
        "rsi_14": talib.RSI(close, 14),
        "atr_14": talib.ATR(columns.high, columns.low, close, 14),
        "macd": macd,
        "macd_signal": signal,
        "macd_histogram": histogram,
    }


class ChartService:
    """Answers a screen's wish for history and keeps the watched charts' forming bars."""

    def __init__(self, feed: MarketFeed) -> None:
        self._feed = feed
        self._tails: dict[_Series, Columns] = {}
        feed.on_closed_candle.append(self._on_closed)

    async def block(
        self, symbol: str, timeframe: Timeframe, *, count: int, end_ms: int | None
    ) -> CandleBlock:
        """The newest `count` closed bars up to open time `end_ms`. Raises ExchangeError."""
        count = max(1, min(count, MAX_BARS))
        wanted = count + WARM_UP_BARS
        columns = await self._columns(symbol, timeframe, wanted, end_ms)
        if end_ms is None:
            self._tails[symbol, timeframe] = columns.select(slice(-TAIL_BARS, None))
            self._feed.stream(symbol, timeframe)
        indicators = chart_indicators(columns) if columns.rows else {}
        fields = {name: getattr(columns, name) for name in Columns._fields} | indicators
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
        tail = self._tails.get((symbol, timeframe))
        if update is None or tail is None:
            return None
        if tail.rows and update.candle.open_time_ms <= int(tail.open_time_ms[-1]):
            return None  # an echo of a bar that has closed
        return _with_indicators(update, tail)

    def closed(self, update: CandleUpdate) -> LiveCandle | None:
        """A bar that has just closed, for the ordered list; None where no chart shows it."""
        tail = self._tails.get((update.symbol, update.timeframe))
        if tail is None or not tail.rows:
            return None
        older = tail.select(tail.open_time_ms < update.candle.open_time_ms)
        return _with_indicators(update, older)

    def forget(self, keep: set[_Series]) -> None:
        """No screen shows the others any more."""
        self._tails = {series: tail for series, tail in self._tails.items() if series in keep}

    def _on_closed(self, update: CandleUpdate) -> None:
        series = (update.symbol, update.timeframe)
        tail = self._tails.get(series)
        if tail is not None and (
            not tail.rows or int(tail.open_time_ms[-1]) < update.candle.open_time_ms
        ):
            newest = columns_from_candles([update.candle])
            self._tails[series] = tail.followed_by(newest).select(slice(-TAIL_BARS, None))

    async def _columns(
        self, symbol: str, timeframe: Timeframe, count: int, end_ms: int | None
    ) -> Columns:
        """From the store where the series is kept and has enough, else from the exchange."""
        stored = EMPTY
        if self._feed.is_stored(symbol, timeframe):
            manager = self._feed.data.get_manager(symbol, timeframe)
            stored = manager.history(timeframe, count=count, end_ms=end_ms)
            if stored.rows >= count:
                return stored
        port: MarketDataPort = self._feed.port
        candles = await port.fetch_candles(symbol, timeframe, end_ms=end_ms, limit=count)
        fetched = columns_from_candles(candles)
        return fetched if fetched.rows >= stored.rows else stored


def _with_indicators(update: CandleUpdate, older: Columns) -> LiveCandle:
    columns = older.followed_by(columns_from_candles([update.candle]))
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
        indicators={name: float(values[-1]) for name, values in chart_indicators(columns).items()},
    )
