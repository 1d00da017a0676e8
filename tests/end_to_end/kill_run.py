"""Kills the engine again and again on one demo exchange, and after each restart holds what the
engine believes and has written against the exchange's books.

The exchange lives behind a proxy, so a kill may also fall between two bytes of the wire. Between
kills the bots trade fast: every bar of every symbol takes a fraction of a second.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec
from agreement import assert_candles_are_whole, believed, has_reconciled, notices
from exchange_books import Books, ExchangeBooks
from kill_points import NOWHERE, PLACES
from link_client import LinkClient
from misbehaving_proxy import ORDER_CREATE, Dice, MisbehavingProxy, Moment, proxy_thread
from program import Home, Running, wait_until

from app.demo_runtime import DemoExchangeRuntime, runtime_path
from core.models.fills import Fill
from core.models.orders import Order, OrderStatus
from core.storage.durable import write_atomic

AGREE_WITHIN_S = 30.0
HEALED_WITHIN_S = 120.0  # the longest pause before a stream connects anew is a minute
RESOLVED_WITHIN_S = 40.0  # an order that never left is proved absent after twenty
PATIENCE_S = 4.0  # until a moment that does not come is called "any time"
OVERLAP_MS = 3_600_000
SYMBOLS = (
    *("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT", "ADAUSDT", "LINKUSDT"),
    *("LTCUSDT", "AVAXUSDT", "DOTUSDT", "UNIUSDT", "ATOMUSDT"),
)
CONFIG = """
[[accounts]]
name = "demo"
exchange = "bybit"
mode = "demo"
[accounts.sizing]
method = "fixed_percent"
ratio = "0.03"
[accounts.risk]
max_daily_loss = 1
max_drawdown = 1
max_orders_per_minute = 10000
max_order_multiple = 10000
"""
# short periods and tight exits: an order nearly every bar of every symbol
BOT = """
[[bots]]
account = "demo"
symbol = "{symbol}"
autostart = true
[bots.parameters]
macd_fast = 2
macd_slow = 4
macd_signal = 2
rsi_period = 2
rsi_long_max = 100.0
rsi_short_min = 0.0
stop_atr = 0.4
take_profit_atr = 0.6
"""
_PRIVATE = "/v5/private"


class WirePoint(NamedTuple):
    """A moment that the proxy sees. `is_lost`: what was on its way dies with the engine."""

    moment: Moment
    path: str
    text: bytes = b""
    is_lost: bool = False
    is_at_start: bool = False


WIRE_POINTS: dict[str, WirePoint] = {
    "request lost on its way": WirePoint(Moment.ARRIVED, ORDER_CREATE, is_lost=True),
    "request on its way": WirePoint(Moment.ARRIVED, ORDER_CREATE),
    "accepted, not told": WirePoint(Moment.DELIVERED, ORDER_CREATE),
    "accepted and told": WirePoint(Moment.ANSWERED, ORDER_CREATE),
    "fill on its way": WirePoint(Moment.MESSAGE, _PRIVATE, b'"topic":"execution"'),
    "fill told": WirePoint(Moment.MESSAGE_TOLD, _PRIVATE, b'"topic":"execution"'),
    "position on its way": WirePoint(Moment.MESSAGE, _PRIVATE, b'"topic":"position"'),
    "positions asked": WirePoint(Moment.ARRIVED, "/v5/position/list", is_at_start=True),
    "fills answered": WirePoint(Moment.DELIVERED, "/v5/execution/list", is_at_start=True),
    "candles answered": WirePoint(Moment.DELIVERED, "/v5/market/kline", is_at_start=True),
    "leverage set": WirePoint(Moment.DELIVERED, "/v5/position/set-leverage", is_at_start=True),
}
ANY_TIME = "any time"
POINTS = (*WIRE_POINTS, *PLACES, ANY_TIME, ANY_TIME, ANY_TIME)


def points(seed: int) -> Iterator[str]:
    """For ever: each in turn, in an order of its own every round."""
    rng = random.Random(seed)
    while True:
        yield from rng.sample(POINTS, len(POINTS))


class Figures(msgspec.Struct):
    """`kills` by point; a point that did not come in time was a kill at any time. `ready_s`: from
    the start of a process until it had reconciled and heard its private stream."""

    kills: Counter[str] = msgspec.field(default_factory=Counter)
    ready_s: list[float] = []
    orders: int = 0
    fills: int = 0


class Engine(NamedTuple):
    running: Running
    point: str
    count: int


class KillRun:
    """One exchange, one data directory, many engines."""

    def __init__(self, home: Home, *, seed: int, speed: float) -> None:
        self.home, self.figures = home, Figures()
        self._rng = random.Random(seed)
        self._seed, self._speed = seed, speed
        self._stack = contextlib.ExitStack()
        self._order_ids: defaultdict[str, set[str]] = defaultdict(set)
        self._trade_ids: set[str] = set()
        self._checked_ms = 0

    def __enter__(self) -> Self:
        config = self.home.folder / "bots.toml"
        config.write_text(CONFIG + "".join(BOT.format(symbol=symbol) for symbol in SYMBOLS))
        self._words = ("engine", "--config", str(config))
        self.home.start("demo-exchange", "--seed", str(self._seed), "--speed", str(self._speed))
        self.home.wait_for_demo()
        self._runtime: DemoExchangeRuntime = self.home.demo()
        self.exchange: ExchangeBooks = self.home.books()
        self._proxy: MisbehavingProxy = self._stack.enter_context(
            proxy_thread(self._runtime.host, self._runtime.port)
        )
        behind = msgspec.structs.replace(self._runtime, port=self._proxy.port)
        path = runtime_path(self.home.data_dir)
        write_atomic(path, msgspec.json.encode(behind), private=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    # --- the run

    def run(self, points: Iterable[str]) -> None:
        """One kill at each. Raises AssertionError as soon as something is not as it should be."""
        for point in points:
            engine = self._start(point)
            if self._is_at_start(engine.point):
                self._await_death(engine)
                continue
            with self._ready(engine) as screen:
                self._check(screen)
            self._arm(engine)
            self._await_death(engine)
        self._end()

    def _is_at_start(self, point: str) -> bool:
        place = WIRE_POINTS.get(point) or PLACES.get(point)
        return place is not None and place.is_at_start

    def _start(self, point: str) -> Engine:
        count = self._rng.randint(1, 3)
        name = point if point in PLACES else NOWHERE
        when = "start" if self._is_at_start(point) else "signal"
        self._proxy.watcher = lambda moment, path, body: None
        began_s = time.monotonic()
        program = (str(Path(__file__).with_name("kill_points.py")), name, str(count), when)
        running = self.home.start(*self._words, program=program)
        engine = Engine(running, point, count)
        if self._is_at_start(point):
            self._arm(engine)
        self._began_s = began_s
        return engine

    @contextlib.contextmanager
    def _ready(self, engine: Engine) -> Iterator[LinkClient]:
        self.home.wait_for_engine(engine.running)
        with self.home.attach() as screen:
            screen.until(has_reconciled, what=f"reconciled, to be killed at {engine.point}")
            took_s = time.monotonic() - self._began_s
            self.figures.ready_s.append(took_s)
            yield screen

    def _arm(self, engine: Engine) -> None:
        if engine.point in PLACES:
            if not self._is_at_start(engine.point):
                engine.running.process.send_signal(signal.SIGUSR1)
        elif engine.point in WIRE_POINTS:
            self._proxy.watcher = self._deadly(engine)

    def _deadly(self, engine: Engine) -> Any:
        point, left = WIRE_POINTS[engine.point], engine.count

        def watch(moment: Moment, path: str, body: bytes) -> None:
            nonlocal left
            if moment is point.moment and path == point.path and point.text in body:
                left -= 1
                if left == 0:
                    os.kill(engine.running.pid, signal.SIGKILL)
                    if point.is_lost:
                        raise ConnectionResetError("it dies with its sender")

        return watch

    def _await_death(self, engine: Engine) -> None:
        process = engine.running.process
        is_any_time = engine.point == ANY_TIME
        until_s = time.monotonic() + (self._rng.uniform(0, 2) if is_any_time else PATIENCE_S)
        while process.poll() is None and time.monotonic() < until_s:
            time.sleep(0.002)
        died = process.poll() is not None
        assert not died or process.returncode == -signal.SIGKILL, engine.running.err
        engine.running.kill()
        self.figures.kills[engine.point if died else ANY_TIME] += 1

    def _end(self) -> None:
        """One more start, and everything comes to its end."""
        engine = self._start(ANY_TIME)
        with self._ready(engine) as screen:
            self._check(screen)
            self._settle(screen)
        self._stop(engine, at_least=self.figures.kills.total())

    def storm(self, dice: Dice, *, lasts_s: float) -> None:
        """The engine trades behind a proxy that throws `dice`; then all is well again, and has to
        become so here too."""
        engine = self._start(ANY_TIME)
        with self._ready(engine) as screen:
            self._proxy.plan = dice
            until_s = time.monotonic() + lasts_s
            while time.monotonic() < until_s:
                assert screen.next_snapshot().unhandled_exceptions == 0
            dice.heal()
            before = len(self.exchange.orders())
            wait_until(
                lambda: self._has_ordered_since(before, screen), "it trades again", HEALED_WITHIN_S
            )
            self._settle(screen)
        self._stop(engine, at_least=5)

    def _has_ordered_since(self, before: int, screen: LinkClient) -> bool:
        """Reads on beside it: a screen that does not read is let go."""
        screen.next_snapshot()
        return len(self.exchange.orders()) > before

    def _settle(self, screen: LinkClient) -> None:
        """All that is open comes to its end, and every last word is compared."""
        wait_until(lambda: not self._unresolved(screen), "all is resolved", RESOLVED_WITHIN_S)
        # a hole is asked for again up to a minute after its last refusal
        wait_until(
            lambda: not screen.next_snapshot().data.gaps_open, "no hole is open", HEALED_WITHIN_S
        )
        self._check(screen)

    def _stop(self, engine: Engine, *, at_least: int) -> None:
        """In order; the candles of all the runs are one series, with at least so many in it."""
        first_ms = self._runtime.market_anchor_ms
        bars = {
            symbol: self.exchange.candles(symbol, first_ms, self._market_ms()) for symbol in SYMBOLS
        }
        assert engine.running.terminate() == 0, engine.running.err
        assert_candles_are_whole(self.home.data_dir, bars, at_least=at_least)

    # --- the exchange's books against ours

    def _check(self, screen: LinkClient) -> None:
        self._agree(screen)
        self._compare_journal()
        snapshot = screen.next_snapshot()
        assert snapshot.unhandled_exceptions == 0
        assert not [n for n in notices(screen) if n.title == "External"], notices(screen)

    def _agree(self, screen: LinkClient) -> None:
        """Positions, wallet and open orders, read while trading goes on: the engine's figures lie
        between two equal readings of the exchange. An order whose fate is being asked for is not
        held against it here; it has to be resolved at the end."""
        deadline_s = time.monotonic() + AGREE_WITHIN_S
        while True:
            before = self.exchange.books()
            shown = believed(screen.next_snapshot())
            after = self.exchange.books()
            known = Books(shown.wallet, shown.positions, shown.open_order_ids - {""})
            if before == after == known:
                return
            assert time.monotonic() < deadline_s, f"exchange: {after}\nengine:   {known}"
            time.sleep(0.1)

    @staticmethod
    def _unresolved(screen: LinkClient) -> list[str]:
        return [
            order.client_order_id
            for order in screen.next_snapshot().working_orders
            if not order.exchange_order_id
        ]

    def _compare_journal(self) -> None:
        """Every order and fill that the exchange has is in the journal, once, and the other way
        round. What the journal has now, the exchange must have; what the exchange has then, the
        journal must have soon."""
        since_ms = max(0, self._checked_ms - OVERLAP_MS)
        now_ms = self._market_ms()
        written = self._fills_written(since_ms)
        trade_ids = {row["execId"] for row in self.exchange.executions(since_ms)}
        assert written <= trade_ids, f"booked, but not traded: {written - trade_ids}"
        orders = {
            row["orderId"]: row for row in self.exchange.orders(since_ms) if row["orderLinkId"]
        }
        for order_id, row in orders.items():
            self._order_ids[row["orderLinkId"]].add(order_id)
        twice = {link: ids for link, ids in self._order_ids.items() if len(ids) > 1}
        assert not twice, f"ordered twice: {twice}"
        wait_until(lambda: not self._not_written(trade_ids, orders), "the journal has it all", 10)
        self._trade_ids |= trade_ids
        self._checked_ms = now_ms
        self.figures.orders, self.figures.fills = len(self._order_ids), len(self._trade_ids)

    def _not_written(self, trade_ids: set[str], orders: dict[str, Any]) -> list[str]:
        written = self._fills_written(0)
        ours = self._orders_written()
        missing = [f"fill {trade_id}" for trade_id in trade_ids - written]
        for order_id, row in orders.items():
            order = ours.get(row["orderLinkId"])
            if order is None or order.exchange_order_id not in ("", order_id):
                missing.append(f"order {row['orderLinkId']}")
            elif row["orderStatus"] == "Filled" and (
                order.status is not OrderStatus.FILLED
                or order.filled_quantity != Decimal(row["cumExecQty"])
            ):
                missing.append(f"end of {row['orderLinkId']}")
        return missing

    def _fills_written(self, since_ms: int) -> set[str]:
        """Trade ids; the journal's own key keeps each of them single."""
        rows = self._read("SELECT fill FROM oms_fills WHERE time_ms >= ?", since_ms)
        return {msgspec.json.decode(text, type=Fill).trade_id for (text,) in rows}

    def _orders_written(self) -> dict[str, Order]:
        rows = self._read("SELECT client_order_id, state FROM oms_orders")
        return {name: msgspec.json.decode(text, type=Order) for name, text in rows}

    def _read(self, query: str, *values: object) -> list[Any]:
        file = self.home.data_dir / "storage" / "account_demo.sqlite"
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as journal:
            return journal.execute(query, values).fetchall()

    def _market_ms(self) -> int:
        runtime = self._runtime
        real_ms = time.time_ns() // 1_000_000 - runtime.unix_anchor_ms
        return runtime.market_anchor_ms + int(real_ms * runtime.rate)
