"""A scan of fifty symbols beside the usual way: pandas symbol by symbol, requests one by one.

Both sides score the same candles by the same pattern and must agree on the ranking. Streamed: a
bar of every symbol has just been stored; measured is from there to ranked signals. Polled: the
bar has to be asked for first, of a server in a process of its own that answers in 100 ms. Cold: a
whole engine is made anew on the data of the last one, up to its MultiTrader's first ranked scan.
"""

from __future__ import annotations

import asyncio
import functools
import json
import multiprocessing
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd

from app.benchmarks.measure import Row, interleaved
from app.config import AccountConfig
from app.wiring import assemble_engine
from core.bots.bot_spec import BotSpec
from core.clock import ManualClock, ScaledClock, SystemClock
from core.event_bus import EventBus
from core.limits.api_rate_limiter import MultiExchangeRateLimiter
from core.market_data.shared_data_manager import SharedDataManager
from core.market_feed import MarketFeed
from core.models.candles import Candle, Ticker, Timeframe
from core.scanning.scan import Scan, Scored
from core.scanning.settings import ScanSettings
from core.scanning.snapshots import ScanSnapshot
from core.snapshots import AccountMode
from core.supervision import Supervisor
from exchanges.bybit_exchange import BybitExchange
from exchanges.simulated.generated_market import GeneratedMarket
from exchanges.simulated.simulated_exchange import SimulatedExchange
from exchanges.simulated.venue import Venue
from strategies.rsi_pattern import RsiPattern, RsiPatternParameters

SYMBOLS = [f"S{number:02}USDT" for number in range(50)]
STEP_MS = Timeframe.M15.duration_ms
FIRST_MS = 1_767_571_200_000
ROUND_TRIP_S = 0.1
STORED_BARS = 1000
THRESHOLD = 70.0


def scan() -> list[Row]:
    """Milliseconds. `ranked_and_agreed`: how many signals both sides have found, the same ones."""
    with (
        tempfile.TemporaryDirectory() as folder,
        _slow_server() as url,
        asyncio.Runner() as runner,
    ):
        bench = _Bench(Path(folder), url, runner)
        rows = [bench.streamed(), bench.polled()]
        runner.run(bench.close())
        return [*rows, runner.run(_cold_restart(Path(folder) / "cold"))]


class _Bench:
    """One exchange's candles, at the newest bar that has closed; `advance` closes another."""

    def __init__(self, folder: Path, url: str, runner: asyncio.Runner) -> None:
        self.run = runner.run
        self.number = STORED_BARS  # of the next bar to close
        self.clock = ManualClock(FIRST_MS + STORED_BARS * STEP_MS)
        bus = EventBus(self.clock)
        self.port = BybitExchange(
            "bench",
            credentials=None,
            clock=self.clock,
            limiter=MultiExchangeRateLimiter(SystemClock()).limiter("bybit").for_account("bench"),
            rng=random.Random(1),
            rest_url=url,
        )
        self.data = SharedDataManager("bybit", cache_dir=folder / "scan", clock=self.clock)
        for symbol in SYMBOLS:
            manager = self.data.get_manager(symbol)
            for number in range(STORED_BARS):
                manager.append_candle(_candle(symbol, number), save=False)
        self.data.batch_save_parquet()
        self.feed = MarketFeed(
            self.port,
            data=self.data,
            bus=bus,
            supervisor=Supervisor(bus, self.clock),
            clock=self.clock,
        )
        followed = self.feed.follow_many(SYMBOLS, Timeframe.M15, by="bench", bars=STORED_BARS)
        assert all(self.run(followed).values())
        self.strategy = RsiPattern()
        self.scan = Scan(self.strategy, Timeframe.M15)
        self.ours: list[Scored] = []
        self.theirs: list[tuple[str, float, int]] = []
        self.agreed = 0

    def streamed(self) -> Row:
        def ours() -> float:
            self.advance()
            self.data.append_candle_batch(
                {symbol: _candle(symbol, self.number - 1) for symbol in SYMBOLS}
            )
            started_s = time.perf_counter()
            self.ours = self.rank()
            return (time.perf_counter() - started_s) * 1000

        def design() -> float:
            frames = {symbol: self.data.get_manager(symbol).df_entry_full for symbol in SYMBOLS}
            started_s = time.perf_counter()
            self.theirs = pandas_ranking(frames, RsiPatternParameters())
            took_ms = (time.perf_counter() - started_s) * 1000
            self.compare()
            return took_ms

        found = interleaved(20, {"ours": ours, "pandas_per_symbol": design})
        return self.row("scan_streamed", found)

    def polled(self) -> Row:
        async def poll() -> None:
            faults = await self.feed.poll(SYMBOLS, Timeframe.M15)
            assert not faults, faults
            while any(self.newest_ms(symbol) < self.last_ms for symbol in SYMBOLS):  # noqa: ASYNC110
                await asyncio.sleep(0)  # until they are stored

        async def one_by_one() -> None:
            for symbol in SYMBOLS:
                await self.port.fetch_candles(symbol, Timeframe.M15, start_ms=self.last_ms)

        def ours() -> float:
            self.advance()
            started_s = time.perf_counter()
            self.run(poll())
            self.ours = self.rank()
            return (time.perf_counter() - started_s) * 1000

        def design() -> float:
            frames = {symbol: self.data.get_manager(symbol).df_entry_full for symbol in SYMBOLS}
            started_s = time.perf_counter()
            self.run(one_by_one())
            self.theirs = pandas_ranking(frames, RsiPatternParameters())
            took_ms = (time.perf_counter() - started_s) * 1000
            self.compare()
            return took_ms

        return self.row("scan_polled", interleaved(4, {"ours": ours, "one_by_one": design}))

    @property
    def last_ms(self) -> int:
        return FIRST_MS + (self.number - 1) * STEP_MS

    def newest_ms(self, symbol: str) -> int:
        newest = self.data.get_manager(symbol).newest
        return -1 if newest is None else newest.open_time_ms

    def advance(self) -> None:
        self.number += 1
        self.clock.advance_ms(STEP_MS)

    def rank(self) -> list[Scored]:
        managers = {symbol: self.data.get_manager(symbol) for symbol in SYMBOLS}
        ranked = self.scan.run(
            managers, now_ms=self.clock.time_ms(), turnover_of=lambda _: Decimal(0)
        )
        return [scored for scored in ranked if scored.score >= THRESHOLD and scored.is_fresh]

    def compare(self) -> None:
        """A rival that finds something else would be no rival."""
        mine = [(scored.symbol, round(scored.score, 6), scored.direction) for scored in self.ours]
        assert mine == self.theirs, f"{mine} is not {self.theirs}"
        self.agreed += len(mine)

    def row(self, name: str, found: dict[str, float]) -> Row:
        ours = found.pop("ours")
        return Row(name, "ms", ours, found, {"ranked_and_agreed": float(self.agreed)})

    async def close(self) -> None:
        await self.port.stop()
        self.data.close()


# --- the usual way -------------------------------------------------------------------------------


def pandas_ranking(
    frames: dict[str, pd.DataFrame], parameters: RsiPatternParameters
) -> list[tuple[str, float, int]]:
    """Symbol, score, direction of every signal, strongest first."""
    found = []
    for symbol, frame in frames.items():
        score, direction = pandas_score(frame.tail(100), parameters)
        if score >= THRESHOLD:
            found.append((symbol, round(score, 6), direction))
    return sorted(found, key=lambda signal: (-signal[1], signal[0]))


def pandas_score(frame: pd.DataFrame, p: RsiPatternParameters) -> tuple[float, int]:
    """The RSI pattern, as one writes it with pandas for one symbol."""
    change = frame["close"].diff()
    rsi = 100 - 100 / (
        1
        + _wilder(change.clip(lower=0), p.rsi_period) / _wilder(-change.clip(upper=0), p.rsi_period)
    )
    long = _pandas_side(rsi, frame["low"], p.oversold, p)
    short = _pandas_side(100 - rsi, -frame["high"], 100 - p.overbought, p)
    return (long, 1) if long >= short else (short, -1)


def _wilder(moves: pd.Series, period: int) -> pd.Series:
    """Begins with the plain mean, as TA-Lib does."""
    begun = moves.iloc[period:].copy()
    begun.iloc[0] = moves.iloc[1 : period + 1].mean()
    return begun.ewm(alpha=1 / period, adjust=False).mean()


def _pandas_side(
    rsi: pd.Series, lows: pd.Series, oversold: float, p: RsiPatternParameters
) -> float:
    lowest, newest = rsi.tail(p.recent_bars).min(), rsi.iloc[-1]
    if lowest > oversold or newest <= rsi.iloc[-2] or newest >= 50:
        return 0.0
    earlier = slice(-p.recent_bars - p.earlier_bars, -p.recent_bars)
    has_diverged = (
        lows.tail(p.recent_bars).min() < lows.iloc[earlier].min()
        and lowest > rsi.iloc[earlier].min()
    )
    depth, firmness = min((oversold - lowest) / 15, 1), min((newest - lowest) / 10, 1)
    return float(40 + 25 * depth + 25 * firmness + 10 * has_diverged)


# --- a cold restart ------------------------------------------------------------------------------


class _CountingExchange(SimulatedExchange):
    """Counts what a bot may ask of the market."""

    requests = 0

    async def fetch_candles(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 1000,
    ) -> list[Candle]:
        self.requests += 1
        return await super().fetch_candles(
            symbol, timeframe, start_ms=start_ms, end_ms=end_ms, limit=limit
        )

    async def fetch_tickers(self) -> list[Ticker]:
        self.requests += 1
        return await super().fetch_tickers()


async def _cold_restart(folder: Path) -> Row:
    """From `start` of the bot to its first scan with every symbol scored; the first start of all,
    which has to ask for everything, is the reference."""
    market = GeneratedMarket(1)
    clock = ScaledClock(
        market_anchor_ms=market.start_ms + 60_000,
        unix_anchor_ms=time.time_ns() // 1_000_000,
        rate=1.0,
    )
    venue = Venue(market=market, clock=clock)
    spec = BotSpec(
        bot_id="multi",
        kind="MultiTrader",
        account="bench",
        symbol="",
        timeframe=Timeframe.M15,
        strategy=RsiPattern.name,
        scan=ScanSettings(),
    )
    took_ms, requests = [], []
    for _ in range(4):
        port = _CountingExchange("bench", venue=venue)
        engine = assemble_engine(
            [AccountConfig("bench", port.exchange, AccountMode.DEMO)],
            data_dir=folder,
            clock=clock,
            rng=random.Random(1),
            limiters=MultiExchangeRateLimiter(clock),
            open_port=lambda _, port=port: port,  # type: ignore[misc]
        )
        await engine.start([spec], autostart=False)
        bot = engine.bots["multi"]
        before, started_s = port.requests, time.perf_counter()
        await bot.start()
        while not _all_scored(bot.scan_snapshot()):  # noqa: ASYNC110 (it is what is measured)
            await asyncio.sleep(0.001)
        took_ms.append((time.perf_counter() - started_s) * 1000)
        requests.append(port.requests - before)
        await engine.stop()
    venue.close()
    assert not any(requests[1:]), f"a restart asked {requests[1:]} times"
    references = {
        "very_first_ms": took_ms[0],
        "very_first_requests": float(requests[0]),
        "restart_requests": float(max(requests[1:])),
    }
    return Row("cold_restart", "ms", statistics.median(took_ms[1:]), {}, references)


def _all_scored(snapshot: ScanSnapshot | None) -> bool:
    return (
        snapshot is not None
        and len(snapshot.rows) == len(SYMBOLS)
        and all(row.rank is not None for row in snapshot.rows)
    )


# --- the market and the slow server --------------------------------------------------------------


@functools.cache
def _prices(symbol: str) -> list[tuple[str, ...]]:
    """Open, high, low, close, volume of every bar: a random walk that is the same everywhere."""
    rng = np.random.default_rng(int(symbol[1:3]))
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.004, STORED_BARS + 200)))
    opens = np.concatenate([[100.0], close[:-1]])
    reach = rng.random((2, len(close))) * 0.002
    columns = (
        opens,
        np.maximum(opens, close) * (1 + reach[0]),
        np.minimum(opens, close) * (1 - reach[1]),
        close,
        rng.random(len(close)) * 1000,
    )
    return [tuple(f"{value:.6f}" for value in bar) for bar in zip(*columns, strict=True)]


def _candle(symbol: str, number: int) -> Candle:
    return Candle(FIRST_MS + number * STEP_MS, *map(Decimal, _prices(symbol)[number]))


@contextmanager
def _slow_server() -> Iterator[str]:
    """Bybit's kline endpoint on loopback, a round trip away; in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ports: multiprocessing.Queue[int] = context.Queue()
    process = context.Process(target=_serve, args=(ports,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ports.get(timeout=30)}"
    finally:
        process.terminate()
        process.join()


def _serve(ports: multiprocessing.Queue[int]) -> None:
    async def serve() -> None:
        server = await asyncio.start_server(_answer, "127.0.0.1", 0, backlog=200)
        ports.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    for symbol in SYMBOLS:
        _prices(symbol)
    asyncio.run(serve())


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            asked = parse_qs(urlsplit(head.split(b" ", 2)[1].decode()).query)
            symbol, start_ms = asked["symbol"][0], int(asked["start"][0])
            end_ms = int(asked["end"][0])
            first = max(0, -(-(start_ms - FIRST_MS) // STEP_MS))
            rows = [
                [str(FIRST_MS + number * STEP_MS), *_prices(symbol)[number], "0"]
                for number in range(first, (end_ms - FIRST_MS) // STEP_MS + 1)
            ]
            result = {"category": "linear", "symbol": symbol, "list": rows[::-1]}
            body = json.dumps({"retCode": 0, "retMsg": "OK", "result": result, "time": 0}).encode()
            await asyncio.sleep(ROUND_TRIP_S)
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
            )
            await writer.drain()
    writer.close()
