"""Three ways to receive the same stream, each run in a process of its own by `feed.py`, which
ends it when it has printed its figures.

Ours is the product's whole road: picows, `WsMultiplexHandler` with Bybit's dialect, `MarketFeed`,
the event bus, and a subscriber in a strategy's place. pybit calls back with its own merged
message. ccxt.pro has one `watch_ticker` task per symbol; in a flood its messages are counted at
its own handler, because its tasks see only the newest of them.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.benchmarks.feed_server import symbol_names
from app.heap import spare_the_loop

WARM_UP_S = 1.0


class Meter:
    """Latencies from the socket write in the server to `note`, and messages counted."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._first_ns = 0
        self._begins_ns = 0
        self._ends_ns = 0
        self._cpu_s = 0.0
        self._latencies_ns: list[int] = []
        self._counts = (0, 0)
        self.count: Callable[[], int] = lambda: len(self._latencies_ns)

    def note(self, written_ns: int) -> None:
        """One message has reached the strategy."""
        now_ns = time.monotonic_ns()
        if self._begins_ns <= now_ns < self._ends_ns:
            self._latencies_ns.append(now_ns - written_ns)
        elif not self._first_ns:
            self._first_ns = now_ns

    def run(self) -> dict[str, float]:
        """Watch from beside, in a thread: warm-up, window, result."""
        while not self._first_ns:
            time.sleep(0.01)
        self._begins_ns = self._first_ns + int(WARM_UP_S * 1e9)
        self._ends_ns = self._begins_ns + int(self._window_s * 1e9)
        time.sleep(max(0.0, (self._begins_ns - time.monotonic_ns()) / 1e9))
        count, cpu_s, start_ns = self.count(), time.process_time(), time.monotonic_ns()
        time.sleep(self._window_s)
        count, cpu_s = self.count() - count, time.process_time() - cpu_s
        took_s = (time.monotonic_ns() - start_ns) / 1e9
        latencies = sorted(self._latencies_ns) or [0]
        return {
            "p50_ms": latencies[len(latencies) // 2] / 1e6,
            "p99_ms": latencies[int(len(latencies) * 0.99)] / 1e6,
            "cpu_ratio": cpu_s / took_s,
            "messages_per_s": count / took_s,
            "callbacks_per_s": len(self._latencies_ns) / took_s,
        }


def ours(port: int, symbols: list[str], meter: Meter, is_flood: bool) -> None:
    asyncio.run(_ours(port, symbols, meter, is_flood))


async def _ours(port: int, symbols: list[str], meter: Meter, is_flood: bool) -> None:
    from core.clock import SystemClock
    from core.event_bus import EventBus
    from core.events import MarketData
    from core.market_data.shared_data_manager import SharedDataManager
    from core.market_feed import MarketFeed
    from core.models.streams import Channel, Topic
    from core.supervision import Supervisor
    from exchanges.bybit_dialect import BybitDialect
    from exchanges.ws_multiplex_handler import WsMultiplexHandler

    clock = SystemClock()
    bus = EventBus(clock)

    dialect = BybitDialect(f"ws://127.0.0.1:{port}/v5/public/linear")
    handler = WsMultiplexHandler(dialect, clock=clock, rng=random.Random(1))

    class Port:
        exchange = "bybit"

        def subscribe_tickers(self, wanted: list[str]) -> None:
            handler.subscribe(Topic(Channel.TICKER, symbol) for symbol in wanted)

    def strategy(event: MarketData) -> None:
        assert event.ticker is not None
        assert event.ticker.turnover_24h is not None
        meter.note(int(event.ticker.turnover_24h))

    bus.subscribe(MarketData, strategy, part="strategy")
    feed = MarketFeed(
        Port(),  # type: ignore[arg-type]  # the rest is not asked
        data=SharedDataManager("bybit", cache_dir=Path(tempfile.mkdtemp()), clock=clock),
        bus=bus,
        supervisor=Supervisor(bus, clock),
        clock=clock,
    )
    feed.prices.add(symbols, by="the strategy")
    if is_flood:
        meter.count = lambda: handler.statistics().messages
    handler.start(feed)  # type: ignore[arg-type]  # orders and fills do not come here
    spare_the_loop()  # as the engine does
    await _for_ever()


async def _for_ever() -> None:
    await asyncio.get_running_loop().create_future()


def ours_every_tick(port: int, symbols: list[str], meter: Meter, is_flood: bool) -> None:
    """As if the listener never fell behind: nothing is overtaken, the flood waits instead."""
    from exchanges import stream_queue

    stream_queue.BEHIND_AFTER = sys.maxsize
    ours(port, symbols, meter, is_flood)


def pybit(port: int, symbols: list[str], meter: Meter, is_flood: bool) -> None:  # noqa: ARG001
    import pybit.unified_trading

    pybit.unified_trading.PUBLIC_WSS = f"ws://127.0.0.1:{port}/v5/public/{{CHANNEL_TYPE}}"
    stream = pybit.unified_trading.WebSocket(testnet=False, channel_type="linear")

    def strategy(message: dict[str, Any]) -> None:
        meter.note(int(message["data"]["turnover24h"]))

    stream.ticker_stream(symbol=symbols, callback=strategy)
    threading.Event().wait()


def ccxt_pro(port: int, symbols: list[str], meter: Meter, is_flood: bool) -> None:
    asyncio.run(_ccxt_pro(port, symbols, meter, is_flood))


async def _ccxt_pro(port: int, symbols: list[str], meter: Meter, is_flood: bool) -> None:
    import ccxt.pro

    exchange = ccxt.pro.bybit({"enableRateLimit": False})
    exchange.urls["api"] = json.loads(
        re.sub(
            r"(wss?|https?)://[^/\"]+", rf"ws://127.0.0.1:{port}", json.dumps(exchange.urls["api"])
        )
    )
    markets = [
        exchange.safe_market_structure(
            {
                "id": symbol,
                "symbol": f"{symbol[:-4]}/USDT:USDT",
                "base": symbol[:-4],
                "quote": "USDT",
                "settle": "USDT",
                "baseId": symbol[:-4],
                "quoteId": "USDT",
                "settleId": "USDT",
                "type": "swap",
                "swap": True,
                "spot": False,
                "contract": True,
                "linear": True,
                "inverse": False,
                "active": True,
            }
        )
        for symbol in symbols
    ]
    exchange.set_markets(markets)
    if is_flood:
        handled = 0
        handle = exchange.handle_ticker

        def counted(client: Any, message: Any) -> None:
            nonlocal handled
            handle(client, message)
            handled += 1
            if handled % 1000 == 1:
                meter.note(0)

        exchange.handle_ticker = counted
        meter.count = lambda: handled

    async def watch(symbol: str) -> None:
        while True:
            ticker = await exchange.watch_ticker(symbol)
            meter.note(int(ticker["info"]["turnover24h"]))

    await asyncio.gather(*(watch(market["symbol"]) for market in markets))


SIDES: dict[str, Callable[[int, list[str], Meter, bool], None]] = {
    "ours": ours,
    "ours_every_tick": ours_every_tick,
    "pybit": pybit,
    "ccxt_pro": ccxt_pro,
}


def main(words: list[str]) -> int:
    """`SIDE PORT SYMBOLS paced|flood WINDOW_S`; prints its figures as JSON."""
    side, port, count, mode, window_s = words
    meter = Meter(float(window_s))

    threading.Thread(target=lambda: print(json.dumps(meter.run()), flush=True), daemon=True).start()
    SIDES[side](int(port), symbol_names(int(count)), meter, mode == "flood")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
