"""Bybit's `/v5/market` paths: public reads. Only linear perpetuals exist here; the other
categories are empty lists, which is what a client that loads every market needs."""

from __future__ import annotations

from typing import Any

from exchanges.simulated.settlement import FUNDING_INTERVAL_MS
from exchanges.simulated.venue import Venue
from exchanges.simulated.wire import parameters as read
from exchanges.simulated.wire.messages import (
    instrument_json,
    kline_row,
    levels_json,
    public_trade_json,
    ticker_json,
)
from exchanges.simulated.wire.parameters import Params
from exchanges.simulated.wire.rest import Route, Routes, real_time_ms
from exchanges.simulated.wire.words import TIMEFRAMES, text


class MarketEndpoints:
    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def routes(self) -> Routes:
        return {
            ("GET", "/v5/market/time"): Route(self.time),
            ("GET", "/v5/market/kline"): Route(self.kline),
            ("GET", "/v5/market/tickers"): Route(read.empty_elsewhere(self.tickers)),
            ("GET", "/v5/market/instruments-info"): Route(read.empty_elsewhere(self.instruments)),
            ("GET", "/v5/market/orderbook"): Route(self.order_book),
            ("GET", "/v5/market/recent-trade"): Route(self.recent_trades),
            ("GET", "/v5/market/funding/history"): Route(self.funding_history),
        }

    def time(self, _: str, __: Params) -> dict[str, Any]:
        """Real time, as signatures need it; market time is in the process's runtime file."""
        now_ms = real_time_ms()
        return {"timeSecond": str(now_ms // 1000), "timeNano": f"{now_ms}000000"}

    def kline(self, _: str, params: Params) -> dict[str, Any]:
        read.require_linear(params)
        symbol = read.known_symbol(self._venue, params)
        candles = self._venue.candles(
            symbol,
            read.one_of(params, "interval", TIMEFRAMES),
            start_ms=read.integer(params, "start", 0) or None,
            end_ms=read.integer(params, "end", 0) or None,
            limit=read.limit(params, default=200, most=1000),
        )
        rows = [kline_row(candle) for candle in reversed(candles)]
        return {"category": "linear", "symbol": symbol, "list": rows}

    def tickers(self, _: str, params: Params) -> dict[str, Any]:
        symbol = read.optional_symbol(self._venue, params)
        symbols = [symbol] if symbol else list(self._venue.instruments)
        tickers = [ticker_json(self._venue.ticker(name)) for name in symbols]
        return {"category": "linear", "list": tickers}

    def instruments(self, _: str, params: Params) -> dict[str, Any]:
        listed = []
        if read.string(params, "status") in ("", "Trading"):
            symbol = read.optional_symbol(self._venue, params)
            base = read.string(params, "baseCoin")
            listed = [
                instrument_json(instrument)
                for instrument in self._venue.instruments.values()
                if symbol in (None, instrument.symbol) and base in ("", instrument.base)
            ]
        return {"category": "linear", "list": listed, "nextPageCursor": ""}

    def order_book(self, _: str, params: Params) -> dict[str, Any]:
        read.require_linear(params)
        symbol = read.known_symbol(self._venue, params)
        book = self._venue.order_book(symbol, read.limit(params, default=25, most=500))
        return {
            "s": symbol,
            "b": levels_json(book.bids),
            "a": levels_json(book.asks),
            "ts": book.time_ms,
            "u": book.time_ms,
            "seq": book.time_ms,
            "cts": book.time_ms,
        }

    def recent_trades(self, _: str, params: Params) -> dict[str, Any]:
        read.require_linear(params)
        symbol = read.known_symbol(self._venue, params)
        ticks = self._venue.recent_trades(symbol, read.limit(params, default=500, most=1000))
        trades = [public_trade_json(symbol, tick) for tick in ticks]
        return {"category": "linear", "list": trades}

    def funding_history(self, _: str, params: Params) -> dict[str, Any]:
        read.require_linear(params)
        symbol = read.known_symbol(self._venue, params)
        now_ms = self._venue.time_ms()
        newest_ms = min(read.integer(params, "endTime", now_ms), now_ms)
        newest_ms -= newest_ms % FUNDING_INTERVAL_MS
        count = read.limit(params, default=200, most=200)
        oldest_ms = max(
            read.integer(params, "startTime", 0), newest_ms - (count - 1) * FUNDING_INTERVAL_MS
        )
        rows = [
            {
                "symbol": symbol,
                "fundingRate": text(self._venue.funding_rate(symbol, funding_ms)),
                "fundingRateTimestamp": str(funding_ms),
            }
            for funding_ms in range(newest_ms, oldest_ms - 1, -FUNDING_INTERVAL_MS)
        ]
        return {"category": "linear", "list": rows}
