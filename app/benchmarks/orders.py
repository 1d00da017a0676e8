"""How long an order takes inside: from a bot's signal to the request's last byte on the socket.

The engine is the real one, wired as always, on a demo exchange in a process of its own that
streams 50 symbols ten times a second each. What lies between is the whole road: size, journal and
reservation on disk, risk, limiter, signature. The rival is pybit's `place_order` alone, called from
the same loop by a thread, as a plain program would: no size, no journal, no risk. The two take
turns, so that this machine's other work hits both alike. The disk's own answer, one raw append with
fsync, is measured in the same rounds: an order waits for it once, which no rival does.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from io import RawIOBase
from pathlib import Path
from typing import Any

import msgspec
from pybit.exceptions import InvalidRequestError
from pybit.unified_trading import HTTP

from app.benchmarks.measure import Row
from app.config import AccountConfig, Config
from app.demo_runtime import DemoExchangeRuntime, read_runtime
from app.heap import spare_the_loop
from app.options import ROOT, Options
from app.wiring import build_engine
from core.account_desk import AccountDesk
from core.engine import Engine
from core.events import OrderRequest, Signal
from core.metrics import percentile
from core.snapshots import AccountMode

ORDERS = 300
PAUSE_S = 0.1  # after each: 5 of ours a second; the limiter holds a seventh entry within one
SYMBOLS = 50
WAKE_UPS = 1000
_WARM_UP = 20
_LONGEST_S = 5.0
_START_TIMEOUT_S = 20.0
_NO_LIMITS = {
    "max_daily_loss": 1,
    "max_drawdown": 1,
    "max_orders_per_minute": 100_000,
    "max_order_multiple": 100_000,
}
_ORDER_ID = re.compile(rb'"orderLinkId": ?"([^"]+)"')


def orders() -> list[Row]:
    """Real milliseconds."""
    (ROOT / "data").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "data", prefix="bench-") as folder:
        empty = asyncio.run(_wake_ups([], WAKE_UPS))
        with _demo_exchange(Path(folder)) as demo:
            took = asyncio.run(_race(Path(folder), demo))
    rows = []
    for share in (0.5, 0.99):
        ours, at_rest = _p(took.ours, share), _p(empty, share)
        references = {
            "empty_loop_wake_up": at_rest,
            "times_empty_loop": ours / at_rest,
            "this_loop_wake_up": _p(took.wake_ups, share),
            "raw_append_fsync": _p(took.disk, share),
        }
        name = f"signal_to_socket_p{share * 100:.0f}"
        rows.append(Row(name, "ms", ours, {"pybit_alone": _p(took.rival, share)}, references))
    return rows


class _Took(msgspec.Struct):
    """Milliseconds, one for each order. `wake_ups`: how late this loop's timers were."""

    ours: list[float] = []
    rival: list[float] = []
    disk: list[float] = []
    wake_ups: list[float] = []


def _p(samples: list[float], share: float) -> float:
    found = percentile(samples, share)
    assert found is not None
    return found


async def _wake_ups(late_ms: list[float], count: float = math.inf) -> list[float]:
    """How late the timers of this loop fire, ms, added to `late_ms` and returned."""
    while len(late_ms) < count:
        due_s = time.perf_counter() + 0.002
        await asyncio.sleep(0.002)
        late_ms.append((time.perf_counter() - due_s) * 1000)
    return late_ms


@contextlib.contextmanager
def _demo_exchange(data_dir: Path) -> Iterator[DemoExchangeRuntime]:
    words = ("-m", "app", "demo-exchange", "--data-dir", str(data_dir))
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while (runtime := read_runtime(data_dir)) is None:
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError("the demo exchange did not start")
            time.sleep(0.05)
        yield runtime
    finally:
        process.terminate()
        process.wait()


async def _race(data_dir: Path, demo: DemoExchangeRuntime) -> _Took:
    account = AccountConfig(
        name="demo",
        exchange="bybit",
        mode=AccountMode.DEMO,
        sizing={"method": "fixed_percent", "ratio": "0.01"},
        risk=_NO_LIMITS,
    )
    engine = build_engine(Config([account], []), Options(data_dir=data_dir), demo)
    desk = engine.desks["demo"]
    rng = random.Random(1)
    took = _Took()
    with _SocketWatch() as watch, (data_dir / "raw").open("ab", buffering=0) as raw:
        try:
            await engine.start([])
            await _until_streaming(engine, desk)
            spare_the_loop()  # as the engine does
            wake_ups = asyncio.create_task(_wake_ups(took.wake_ups))
            signals, plain = _Signals(engine, desk), _Plain(demo)
            for number in range(-_WARM_UP, ORDERS):
                for side, samples in ((signals, took.ours), (plain, took.rival)):
                    name, began_s = side.send(number + _WARM_UP)
                    await asyncio.sleep(PAUSE_S + rng.uniform(0, 0.01))
                    sent_s = await watch.sent(name)
                    if number >= 0:
                        samples.append((sent_s - began_s) * 1000)
                took.disk.append(_append_durably(raw))
            wake_ups.cancel()
            await asyncio.gather(wake_ups, return_exceptions=True)
        finally:
            await engine.stop()
    return took


def _append_durably(file: RawIOBase) -> float:
    """One raw append of an order's size, ms."""
    began_s = time.perf_counter()
    file.write(bytes(4096))
    os.fsync(file.fileno())
    return (time.perf_counter() - began_s) * 1000


async def _until_streaming(engine: Engine, desk: AccountDesk) -> None:
    feed = engine.feeds["bybit"]
    async with asyncio.timeout(_START_TIMEOUT_S):
        while not desk.is_ready or len(feed.tickers) < SYMBOLS:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


class _Signals:
    """A bot's signals: into a position and out of it again, symbol by symbol."""

    def __init__(self, engine: Engine, desk: AccountDesk) -> None:
        self._engine, self._desk = engine, desk
        self._prices = engine.feeds["bybit"].tickers
        self._symbols = sorted(self._prices)
        self._requested = ""
        desk.bus.subscribe(OrderRequest, self._on_request, part="bench")

    def _on_request(self, request: OrderRequest) -> None:
        self._requested = request.client_order_id

    def send(self, number: int) -> tuple[str, float]:
        """The order's id, and when its signal was published."""
        symbol = self._symbols[number % len(self._symbols)]
        price = self._prices[symbol].last_price
        is_entry = number // len(self._symbols) % 2 == 0
        now_ms = self._engine.clock.time_ms()
        signal = Signal(
            bot_id="bench",
            account="demo",
            strategy="bench",
            symbol=symbol,
            direction=1 if is_entry else 0,
            candle_open_time_ms=now_ms,
            reference_price=price,
            time_ms=now_ms,
            stop_distance=price / 10,
            take_profit_distance=price / 10,
            evidence={"rsi": 50.0},
            reason="bench",
        )
        began_s = time.perf_counter()
        self._desk.bus.publish(signal)
        return self._requested, began_s


class _Plain:
    """pybit alone. The exchange does not know its key: it refuses what it has received."""

    def __init__(self, demo: DemoExchangeRuntime) -> None:
        self._http = HTTP(api_key="nobody", api_secret="nothing", max_retries=1)
        self._http.endpoint = f"http://{demo.host}:{demo.port}"
        self._asked: set[asyncio.Future[None]] = set()

    def send(self, number: int) -> tuple[str, float]:
        name = f"plain-{number}"
        order = functools.partial(
            self._place,
            category="linear",
            symbol="BTCUSDT",
            side="Buy",
            orderType="Market",
            qty="0.004",
            timeInForce="IOC",
            positionIdx=0,
            orderLinkId=name,
            reduceOnly=False,
            stopLoss="60000",
            slTriggerBy="LastPrice",
            takeProfit="80000",
            tpTriggerBy="LastPrice",
        )
        began_s = time.perf_counter()
        asked = asyncio.get_running_loop().run_in_executor(None, order)
        self._asked.add(asked)
        asked.add_done_callback(self._asked.discard)
        return name, began_s

    def _place(self, **order: object) -> None:
        with contextlib.suppress(InvalidRequestError):
            self._http.place_order(**order)


class _SocketWatch:
    """When the bytes that carry an order's id had been handed to the kernel; by order id."""

    def __init__(self) -> None:
        self._sent_s: dict[str, float] = {}
        self._methods = {name: getattr(socket.socket, name) for name in ("send", "sendall")}

    def __enter__(self) -> _SocketWatch:
        for name, method in self._methods.items():
            setattr(socket.socket, name, self._watched(method))
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._methods:
            delattr(socket.socket, name)  # what it had is inherited

    async def sent(self, name: str) -> float:
        """`perf_counter` of that moment. Raises TimeoutError: it was refused on its way."""
        async with asyncio.timeout(_LONGEST_S):
            while name not in self._sent_s:  # noqa: ASYNC110 (a thread has sent it)
                await asyncio.sleep(0.001)
        return self._sent_s.pop(name)

    def _watched(self, method: Any) -> Any:
        def send(one: socket.socket, data: Any, *flags: Any) -> Any:
            result = method(one, data, *flags)
            found = _ORDER_ID.search(data)
            if found:
                self._sent_s[found[1].decode()] = time.perf_counter()
            return result

        return send
