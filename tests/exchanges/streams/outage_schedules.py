"""Random outages of an exchange in virtual time, against the real handler, feed and store.

The connection is the seam: `OutageExchange` is a Bybit whose net and service fail by a schedule
drawn from a seed: outages of 1 s to 6 h that reset, hang or refuse; single topics that fall
silent, are refused, or forget a bar; candles sent twice (sometimes corrected), or after newer
ones; the last one an hour of refusal in some. Its own market is the truth that the store is
compared with. By hand, for as many seeds as wanted:

    PYTHONPATH=. python tests/exchanges/streams/outage_schedules.py --schedules 20000 [--from SEED]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import math
import random
import sys
import tempfile
from bisect import bisect_left
from decimal import Decimal
from pathlib import Path

import msgspec

from app.virtual_time import VirtualClock, VirtualTimeLoop
from core.event_bus import EventBus
from core.events import Error, MarketData
from core.exchange_port import StreamKind, StreamState, Unavailable
from core.market_data.shared_data_manager import SharedDataManager
from core.market_feed import MarketFeed
from core.models.candles import Candle, CandleUpdate, Ticker, Timeframe
from core.models.streams import Channel, Topic, TopicState
from core.risk.rule import RiskLimits
from core.supervision import Supervisor
from exchanges.bybit_dialect import BybitDialect
from exchanges.bybit_words import INTERVAL_OF
from exchanges.stream_connection import Receiver
from exchanges.ws_multiplex_handler import WsMultiplexHandler

START_MS = 1_700_000_000_000 // 86_400_000 * 86_400_000
LATENCY_S = 0.05
WARM_UP_S, TAIL_S = 90.0, 240.0
HISTORY_BARS = 30
TICK_S = 4.0
NOTICED_WITHIN_S = 15.0
CONNECTS, CONNECT_WINDOW_S = 60, 300.0
HOUR_S = 3600.0


class Outage:
    """From `start_s` to `end_s` of virtual time. `kind`: reset (connections break), hang (they
    stay and bring nothing), refuse (as reset, and REST answers all the same)."""

    def __init__(self, start_s: float, seconds: float, kind: str) -> None:
        self.start_s, self.end_s, self.kind = start_s, start_s + seconds, kind


class Schedule:
    """Everything that will go wrong, drawn from `seed`."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.seed = seed
        self.timeframe = rng.choice((Timeframe.M1, Timeframe.M1, Timeframe.M5))
        self.symbols = ("AAAUSDT", "BBBUSDT")
        self.outages: list[Outage] = []
        now_s = WARM_UP_S + rng.uniform(0, 300)
        for _ in range(rng.choice((1, 1, 2))):
            seconds = math.exp(rng.uniform(0.0, math.log(6 * HOUR_S)))
            if seconds > 900 and rng.random() < 0.6:
                seconds = rng.uniform(1, 900)
            kind = rng.choice(("reset", "reset", "hang", "refuse"))
            if rng.random() < 0.03:
                seconds, kind = HOUR_S, "refuse"
            self.outages.append(Outage(now_s, seconds, kind))
            now_s += seconds + rng.uniform(20, 200)
        self.ends_s = now_s + TAIL_S
        self.duplicate = rng.choice((0.0, 0.3, 1.0))
        self.corrected = rng.choice((0.0, 0.5))
        self.forgotten = rng.choice((0.0, 0.2, 0.5))
        self.reordered = rng.choice((0.0, 0.3))
        # (symbol, channel) -> moments at which that topic falls silent until subscribed anew
        self.silences = {
            (rng.choice(self.symbols), rng.choice(("kline", "tickers"))): rng.uniform(30, now_s)
            for _ in range(rng.choice((0, 1, 2)))
        }
        self.refusals = {
            (rng.choice(self.symbols), rng.choice(("kline", "tickers"))): rng.choice((1, 3))
            for _ in range(rng.choice((0, 0, 1)))
        }


class Broken(AssertionError):
    """A promise of the feed that did not hold."""


class OutageExchange:
    """The exchange: market, stream and REST. Attributes: candles (the truth, by symbol),
    attempts_s (when a connection was tried), heard_s and sent (what each topic was sent)."""

    exchange = "bybit"

    def __init__(self, schedule: Schedule, clock: VirtualClock) -> None:
        self.schedule = schedule
        self.attempts_s: list[float] = []
        self.last_sent_s: dict[str, float] = {}
        self.fetches = 0
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._rng = random.Random(schedule.seed ^ 0x5EED)
        self._candles: dict[tuple[str, int], Candle] = {}
        self._links: list[OutageConnection] = []
        self._refusals = dict(schedule.refusals)

    # ---- truth

    def candle(self, symbol: str, open_ms: int) -> Candle:
        known = self._candles.get((symbol, open_ms))
        if known is None:
            known = self._candles[symbol, open_ms] = self._make_candle(symbol, open_ms)
        return known

    def _make_candle(self, symbol: str, open_ms: int) -> Candle:
        dice = random.Random(f"{self.schedule.seed} {symbol} {open_ms}")
        low, high = sorted(dice.randrange(90_000, 110_000) for _ in range(2))
        first, last = (Decimal(dice.randint(low, high)) / 100 for _ in range(2))
        volume = Decimal(dice.randrange(1, 10**6)) / 1000
        return Candle(open_ms, first, Decimal(high) / 100, Decimal(low) / 100, last, volume)

    def truth(self, symbol: str, start_ms: int, now_ms: int) -> list[Candle]:
        """Closed bars that opened at or after `start_ms`."""
        step_ms = self.schedule.timeframe.duration_ms
        first_ms = -(-start_ms // step_ms) * step_ms
        last_ms = now_ms // step_ms * step_ms - step_ms
        return [self.candle(symbol, ms) for ms in range(first_ms, last_ms + 1, step_ms)]

    def outage(self, kinds: tuple[str, ...]) -> Outage | None:
        now_s = self._loop.time()
        for outage in self.schedule.outages:
            if outage.kind in kinds and outage.start_s <= now_s < outage.end_s:
                return outage
        return None

    # ---- the port

    async def fetch_candles(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 1000,
    ) -> list[Candle]:
        self.fetches += 1
        await asyncio.sleep(LATENCY_S)
        if self.outage(("reset", "hang")) is not None:
            raise Unavailable("the exchange cannot be reached")
        now_ms = self._clock.time_ms()
        oldest_ms = START_MS - HISTORY_BARS * timeframe.duration_ms
        bars = self.truth(symbol, max(oldest_ms, start_ms or 0), now_ms)
        if end_ms is not None:
            bars = [bar for bar in bars if bar.open_time_ms <= end_ms]
        return bars[:limit] if start_ms is not None else bars[-limit:]

    # ---- the stream

    async def connect(self, url: str, receiver: Receiver) -> OutageConnection:
        self.attempts_s.append(self._loop.time())
        await asyncio.sleep(LATENCY_S)
        if self.outage(("reset", "refuse")) is not None:
            raise ConnectionRefusedError("refused")
        if self.outage(("hang",)) is not None:
            await asyncio.sleep(HOUR_S)
        link = OutageConnection(self, receiver)
        self._links.append(link)
        return link

    async def run(self) -> None:
        """Breaks connections at the beginning of an outage, and sends the market."""
        for outage in self.schedule.outages:
            self._loop.call_at(outage.start_s, self._begin, outage)
        step_ms = self.schedule.timeframe.duration_ms
        while True:
            now_ms = self._clock.time_ms()
            remaining_s = (now_ms // step_ms * step_ms + step_ms - now_ms) / 1000
            await asyncio.sleep(min(TICK_S, remaining_s))
            if self._links:
                self._send_market(is_end_of_bar=remaining_s <= TICK_S)

    def _begin(self, outage: Outage) -> None:
        if outage.kind != "hang":
            for link in list(self._links):
                link.receiver.on_closed("reset by peer")
                link.close()

    def _send_market(self, *, is_end_of_bar: bool) -> None:
        now_ms = self._clock.time_ms()
        step_ms = self.schedule.timeframe.duration_ms
        open_ms = now_ms // step_ms * step_ms
        for symbol in self.schedule.symbols:
            self._send_ticker(symbol, now_ms)
            if is_end_of_bar:
                self._send_closed(symbol, open_ms - step_ms)
            self._send_kline(symbol, self.candle(symbol, open_ms), is_closed=False)

    def _send_closed(self, symbol: str, open_ms: int) -> None:
        """Sent, forgotten, sent late, sent twice, sent twice and corrected."""
        plan, rng = self.schedule, self._rng
        if rng.random() < plan.forgotten:
            return
        bar = self.candle(symbol, open_ms)
        if rng.random() < plan.reordered:
            delay_s, now_ms = rng.uniform(0, 2.5), self._clock.time_ms()
            self._loop.call_later(delay_s, self._send_kline, symbol, bar, now_ms)
        else:
            self._send_kline(symbol, bar)
        if rng.random() < plan.duplicate:
            if rng.random() < plan.corrected:
                self._candles[symbol, open_ms] = msgspec.structs.replace(bar, volume=bar.volume + 1)
            delay_s = rng.uniform(0, 5.0)
            self._loop.call_later(delay_s, self._send_again, symbol, open_ms)

    def _send_again(self, symbol: str, open_ms: int) -> None:
        self._send_kline(symbol, self.candle(symbol, open_ms))

    def _send_kline(
        self, symbol: str, bar: Candle, said_ms: int | None = None, *, is_closed: bool = True
    ) -> None:
        topic = f"kline.{INTERVAL_OF[self.schedule.timeframe]}.{symbol}"
        row = {
            "start": bar.open_time_ms,
            "open": str(bar.open),
            "high": str(bar.high),
            "low": str(bar.low),
            "close": str(bar.close),
            "volume": str(bar.volume),
            "confirm": is_closed,
        }
        said_ms = said_ms or self._clock.time_ms()
        self._send(topic, {"topic": topic, "data": [row], "ts": said_ms})

    def _send_ticker(self, symbol: str, now_ms: int) -> None:
        topic = f"tickers.{symbol}"
        data = {"symbol": symbol, "lastPrice": str(Decimal(now_ms % 9973) / 10 + 1)}
        self._send(topic, {"topic": topic, "type": "snapshot", "data": data, "ts": now_ms})

    def _send(self, topic: str, message: dict[str, object]) -> None:
        if self.outage(("hang",)) is None:
            payload = json.dumps(message, separators=(",", ":")).encode()
            for link in self._links:
                if topic in link.topics and not self._is_silent(link, topic):
                    self.last_sent_s[topic] = self._loop.time()
                    link.receiver.on_message(payload, True)

    def _is_silent(self, link: OutageConnection, topic: str) -> bool:
        """From its moment on, until this topic has been subscribed anew."""
        kind, *_, symbol = topic.split(".")
        silent_s = self.schedule.silences.get((symbol, kind))
        return silent_s is not None and link.topics[topic] <= silent_s <= self._loop.time()

    def answer(self, link: OutageConnection, request: dict[str, object]) -> None:
        """Called `LATENCY_S` after it was sent."""
        if link not in self._links or self.outage(("hang",)) is not None:
            return
        topics = request.get("args", [])
        assert isinstance(topics, list)
        reply = {"op": request["op"], "req_id": request.get("req_id", ""), "success": True}
        if request["op"] == "subscribe":
            refused = [topic for topic in topics if self._refuses(topic)]
            if refused:
                reply |= {"success": False, "ret_msg": f"Invalid symbol :[{refused[0]}]"}
                if len(topics) == 1:
                    self._refusals[self._key(topics[0])] -= 1
            else:
                link.topics |= dict.fromkeys(topics, self._loop.time())
        elif request["op"] == "unsubscribe":
            for topic in topics:
                link.topics.pop(topic, None)
        link.receiver.on_message(json.dumps(reply).encode(), True)

    def _refuses(self, topic: str) -> bool:
        return self._refusals.get(self._key(topic), 0) > 0

    @staticmethod
    def _key(topic: str) -> tuple[str, str]:
        kind, *_, symbol = topic.split(".")
        return symbol, kind

    def forget(self, link: OutageConnection) -> None:
        if link in self._links:
            self._links.remove(link)


class OutageConnection:
    """`topics`: since when each is subscribed."""

    def __init__(self, exchange: OutageExchange, receiver: Receiver) -> None:
        self.receiver = receiver
        self.topics: dict[str, float] = {}
        self._exchange = exchange

    def send(self, payload: bytes) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(LATENCY_S, self._exchange.answer, self, json.loads(payload))

    def ping(self) -> None:
        raise AssertionError("Bybit is pinged by text")

    def close(self) -> None:
        self._exchange.forget(self)


class Port:
    """What the feed asks of an exchange, on the real handler."""

    exchange = "bybit"

    def __init__(self, exchange: OutageExchange, handler: WsMultiplexHandler) -> None:
        self.fetch_candles = exchange.fetch_candles
        self._handler = handler

    def subscribe_candles(self, symbol: str, timeframe: Timeframe) -> None:
        self._handler.subscribe([Topic(Channel.CANDLES, symbol, timeframe)])

    def unsubscribe_candles(self, symbol: str, timeframe: Timeframe) -> None:
        self._handler.unsubscribe([Topic(Channel.CANDLES, symbol, timeframe)])

    def subscribe_tickers(self, symbols: list[str]) -> None:
        self._handler.subscribe(Topic(Channel.TICKER, symbol) for symbol in symbols)


class Witness:
    """The feed's listener's place: passes everything on, and remembers what a trader would rely
    on: since when each topic has been told stale."""

    def __init__(self, feed: MarketFeed) -> None:
        self.stale_since_s: dict[Topic, float] = {}
        self._feed = feed
        self._loop = asyncio.get_running_loop()

    def on_candle(self, update: CandleUpdate, latency_ms: float) -> None:
        self._feed.on_candle(update, latency_ms)

    def on_ticker(self, ticker: Ticker, latency_ms: float) -> None:
        self._feed.on_ticker(ticker, latency_ms)

    def on_stream_state(self, kind: StreamKind, state: StreamState, detail: str) -> None:
        self._feed.on_stream_state(kind, state, detail)

    def on_topic_state(self, topic: Topic, state: TopicState, text: str) -> None:
        if state is TopicState.LIVE:
            self.stale_since_s.pop(topic, None)
        else:
            self.stale_since_s.setdefault(topic, self._loop.time())
        self._feed.on_topic_state(topic, state, text)


class Run:
    """One schedule from beginning to end; `check` raises Broken."""

    def __init__(self, schedule: Schedule, folder: Path) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        self.schedule = schedule
        self.clock = VirtualClock(loop, market_start_ms=START_MS)
        self.exchange = OutageExchange(schedule, self.clock)
        self.bus = EventBus(self.clock)
        self.errors: list[Error] = []
        self.bus.subscribe(Error, self.errors.append, part="schedule")
        self.bus.subscribe(MarketData, self._on_market_data, part="schedule")
        self.supervisor = Supervisor(self.bus, self.clock)
        self.data = SharedDataManager("bybit", cache_dir=folder, clock=self.clock)
        self.handler = WsMultiplexHandler(
            BybitDialect("wss://exchange"),
            clock=self.clock,
            rng=random.Random(schedule.seed),
            connect=self.exchange.connect,
        )
        self.feed = MarketFeed(
            Port(self.exchange, self.handler),  # type: ignore[arg-type]  # the rest is not asked
            data=self.data,
            bus=self.bus,
            supervisor=self.supervisor,
            clock=self.clock,
        )
        self.witness = Witness(self.feed)
        self.told: dict[str, list[Candle]] = {symbol: [] for symbol in schedule.symbols}
        self.faults: list[str] = []
        self.entries = 0
        self.feed.on_closed_candle.append(self._on_closed)
        self._loop = loop
        self._max_price_age_s = RiskLimits().max_price_age_s

    def _on_closed(self, update: CandleUpdate) -> None:
        self.told[update.symbol].append(update.candle)

    def _on_market_data(self, event: MarketData) -> None:
        """A strategy that would enter on every closed bar, asked as the last gate asks."""
        if event.candle is None:
            return
        price = self.feed.prices.newest(event.symbol)
        if price is None or price.age_s > self._max_price_age_s:
            return
        self.entries += 1
        sent_s = self.exchange.last_sent_s.get(f"tickers.{event.symbol}", -math.inf)
        true_age_s = self._loop.time() - sent_s
        if true_age_s > self._max_price_age_s:
            self.faults.append(f"an entry on a price {true_age_s:.0f} s old")

    async def play(self) -> None:
        timeframe = self.schedule.timeframe
        self.feed.prices.add(self.schedule.symbols, by="the schedule")
        self.handler.start(self.witness)  # type: ignore[arg-type]  # no orders come here
        for symbol in self.schedule.symbols:
            await self.feed.follow(symbol, timeframe)
        self.supervisor.keep_running("monitor", self.feed.monitor)
        market = asyncio.ensure_future(self.exchange.run())
        watch = asyncio.ensure_future(self._watch_staleness())
        await asyncio.sleep(self.schedule.ends_s - self._loop.time())
        # until just before a bar's end, so that nothing is on its way
        step_s = timeframe.duration_ms / 1000
        await asyncio.sleep(step_s - self._loop.time() % step_s + step_s / 2)
        market.cancel()
        watch.cancel()
        await self.handler.stop()
        await self.supervisor.stop()
        await asyncio.gather(market, watch, return_exceptions=True)
        self.check()
        self.data.close()

    async def _watch_staleness(self) -> None:
        """Every two seconds: a topic of which nothing was sent for 15 s has been told stale."""
        topics = {
            f"kline.{INTERVAL_OF[self.schedule.timeframe]}.{symbol}": Topic(
                Channel.CANDLES, symbol, self.schedule.timeframe
            )
            for symbol in self.schedule.symbols
        } | {f"tickers.{s}": Topic(Channel.TICKER, s) for s in self.schedule.symbols}
        while True:
            await asyncio.sleep(2.0)
            for name, topic in topics.items():
                silent_s = self._loop.time() - self.exchange.last_sent_s.get(name, 0.0)
                is_told = topic in self.witness.stale_since_s
                if silent_s > NOTICED_WITHIN_S + LATENCY_S and not is_told:
                    self.faults.append(f"{name} silent for {silent_s:.1f} s and nobody said so")

    def check(self) -> None:
        for fault in self.faults:
            raise Broken(fault)
        now_ms = self.clock.time_ms()
        for symbol in self.schedule.symbols:
            manager = self.data.get_manager(symbol, self.schedule.timeframe)
            stored = self.data.store.read(manager.key)
            oldest_ms = START_MS - HISTORY_BARS * self.schedule.timeframe.duration_ms
            truth = self.exchange.truth(symbol, oldest_ms, now_ms)
            _same(f"{symbol} stored", [*stored], truth)
            told = [bar.open_time_ms for bar in self.told[symbol]]
            expected = [bar.open_time_ms for bar in truth if bar.open_time_ms >= START_MS]
            _same(f"{symbol} told", told, expected)
        attempts = self.exchange.attempts_s
        for first, moment in enumerate(attempts):
            count = bisect_left(attempts, moment + CONNECT_WINDOW_S) - first
            if count > CONNECTS:
                raise Broken(f"{count} connects within five minutes")
        if self.supervisor.unhandled_exceptions:
            raise Broken(f"unhandled exceptions: {self.errors}")
        if not self.entries:
            raise Broken("not one entry was allowed: the data never counted as fresh")
        figures = self.handler.statistics()
        if figures.stale or figures.refused:
            raise Broken("topics are still stale or refused at the end")


def _same(what: str, found: list[object], truth: list[object]) -> None:
    if found != truth:
        for place, (one, other) in enumerate(zip(found, truth, strict=False)):
            if one != other:
                raise Broken(f"{what}: number {place} is {one}, the exchange has {other}")
        raise Broken(f"{what}: {len(found)} bars, the exchange has {len(truth)}")


def play(schedule: Schedule, folder: Path) -> Run:
    """In a fresh folder. Raises Broken."""

    async def run() -> Run:
        played = Run(schedule, folder)
        await played.play()
        return played

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(run())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=500)
    parser.add_argument("--from", type=int, default=0, dest="first")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    broken = 0
    for seed in range(options.first, options.first + options.schedules):
        with tempfile.TemporaryDirectory() as folder:
            try:
                play(Schedule(seed), Path(folder))
            except Broken as fault:
                broken += 1
                print(f"seed {seed}: {fault}")
    print(f"{options.schedules} schedules, {broken} broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
