"""The engine process: no Qt, no screen needed; runs until told to stop.

Order of things: the data directory is ours alone, the configuration is sound, the exchange is
there, the books are reconciled; only then do bots start. The end is the same in reverse.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from decimal import Decimal
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import msgspec
import psutil

from app.config import Config, default_config, load_config
from app.demo_launcher import ensure_demo_exchange, stop_demo_exchange
from app.link_server import LinkServer
from app.options import (
    EXIT_ALREADY_RUNNING,
    EXIT_DATA_DIR,
    EXIT_FAULT,
    EXIT_OK,
    Options,
    StartError,
)
from app.wiring import build_engine
from core.engine import Engine, Refused
from core.exchange_port import ExchangeError
from core.metrics import percentile
from core.storage.durable import write_atomic
from core.storage.instance_lock import AlreadyRunning, InstanceLock

log = logging.getLogger(__name__)
SETTLE_TIMEOUT_S = 5.0
SWITCH_INTERVAL_S = 0.0005  # a thread that merges candles must not hold the loop for 5 ms
LOG_BYTES, LOG_FILES = 5_000_000, 5


def main(options: Options) -> int:
    """Run the engine; the exit code. Refusals are one sentence on standard error."""
    try:
        config = load_config(options.config) if options.config else default_config()
        check_demo(config, options)
        prepare_data_dir(options.data_dir, config.world)
        lock = InstanceLock(options.data_dir / "run" / "engine.lock")
        try:
            lock.acquire()
        except AlreadyRunning as other:
            raise StartError(
                f"an engine (process {other.pid}) runs on {options.data_dir} already; "
                "stop it first or choose another --data-dir",
                EXIT_ALREADY_RUNNING,
            ) from None
        _log_to_file(options.data_dir / "logs" / "engine.log")
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        try:
            return asyncio.run(_run(config, options))
        finally:
            (options.data_dir / "run" / "engine.json").unlink(missing_ok=True)
            lock.release()
    except StartError as fault:
        print(f"TwinStar Quantum: {fault.text}", file=sys.stderr)
        return fault.exit_code


def check_demo(config: Config, options: Options) -> None:
    """Options of the demo fit only a demo world. Raises StartError."""
    if config.world == "demo":
        return
    given = {
        "--demo": options.demo,
        "--seed": options.seed is not None,
        "--speed": options.speed is not None,
        "--candles": options.candles is not None,
    }
    wrong = [name for name, is_given in given.items() if is_given]
    if wrong:
        raise StartError(
            f"{' '.join(wrong)} belongs to the demo, but {options.config} names real accounts; "
            "leave out one of the two"
        )


def prepare_data_dir(data_dir: Path, world: str) -> None:
    """Make the folders; refuse a directory that is not ours to write or is of the other world
    (demo money never stands beside real money). Raises StartError."""
    stamp = data_dir / "storage" / "world.txt"
    try:
        for name in ("run", "logs", "cache", "storage"):
            (data_dir / name).mkdir(parents=True, exist_ok=True)
        probe = data_dir / "run" / f".probe-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
        if not stamp.exists():
            write_atomic(stamp, world.encode())
        found = stamp.read_text(encoding="utf-8")
    except OSError as fault:
        raise StartError(
            f"the data directory {data_dir} cannot be written ({fault.strerror}); "
            "choose another with --data-dir",
            EXIT_DATA_DIR,
        ) from None
    if found != world:
        raise StartError(
            f"the data directory {data_dir} holds a {found} world, this is a {world} one; "
            "choose another with --data-dir",
            EXIT_DATA_DIR,
        )


async def _run(config: Config, options: Options) -> int:
    demo = None
    if config.world == "demo":
        demo = await asyncio.to_thread(ensure_demo_exchange, options)
    engine = build_engine(config, options, demo)
    built_after_s = time.time() - psutil.Process().create_time()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: _on_stray_exception(engine, context))
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(name, stopping.set)
    link = LinkServer(engine, on_stop=stopping.set)
    await link.start(options.data_dir / "run" / "engine.json")
    started = loop.create_task(engine.start(config.bots, autostart=options.autostart))
    try:
        await _until_started(started, stopping)
        if started.done() and not stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), options.for_seconds)
    except Refused as refusal:
        raise StartError(str(refusal)) from None
    except ExchangeError as fault:
        raise StartError(f"{config.accounts[0].exchange}: {fault.text}") from None
    finally:
        started.cancel()
        await _end(engine, link, options, built_after_s)
        if demo is not None:
            stop_demo_exchange(options.data_dir)
    return EXIT_FAULT if engine.supervisor.unhandled_exceptions else EXIT_OK


async def _until_started(started: asyncio.Task[None], stopping: asyncio.Event) -> None:
    """Whichever comes first; a failed start raises its reason."""
    stop = asyncio.ensure_future(stopping.wait())
    await asyncio.wait({started, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if started.done():
        started.result()


async def _end(engine: Engine, link: LinkServer, options: Options, built_after_s: float) -> None:
    for bot in engine.bots.values():
        bot.stop("The engine is stopping.")
    ledger_error = await _settled_ledger_error(engine)
    report = _report(engine, ledger_error, built_after_s)
    await engine.stop()
    await link.stop()
    if options.report is not None:
        write_atomic(options.report, msgspec.json.format(msgspec.json.encode(report)))


async def _settled_ledger_error(engine: Engine) -> Decimal | None:
    """Our ledger minus the exchange's books, once the orders under way have been answered."""
    desks = [desk for desk in engine.desks.values() if desk.is_built]
    if not desks:
        return None
    error = Decimal(0)
    deadline_s = engine.clock.monotonic_s() + SETTLE_TIMEOUT_S
    while True:
        try:
            error = sum([await desk.measure_ledger_error() for desk in desks], Decimal(0))
        except ExchangeError as fault:
            log.info("the exchange's books could not be read at the end: %s", fault.text)
            return None
        if error == 0 or engine.clock.monotonic_s() > deadline_s:
            return error
        await asyncio.sleep(0.1)


def _report(engine: Engine, ledger_error: Decimal | None, built_after_s: float) -> dict[str, Any]:
    """What `--report` writes; a screen adds its own figures. `first_candle_s` counts from the
    start of this process to the first closed candle."""
    first_s = engine.first_candle_after_s
    latencies = [ms for feed in engine.feeds.values() for ms in feed.latencies_ms]
    trips = [trip for desk in engine.desks.values() for trip in desk.trades.round_trips]
    return {
        "candles_closed": sum(feed.candles_closed for feed in engine.feeds.values()),
        "round_trips": len(trips),
        "unhandled_exceptions": engine.supervisor.unhandled_exceptions,
        "qt_warnings": None,
        "ledger_error": None if ledger_error is None else float(ledger_error),
        "feed_latency_ms": {
            "p50": percentile(latencies, 0.5),
            "p99": percentile(latencies, 0.99),
        },
        "loop_gap_ms": {"engine_max": round(engine.probe.gap_max_ms, 1), "screen_max": None},
        "first_candle_s": None if first_s is None else round(built_after_s + first_s, 3),
        "rss_mb": {
            "engine": round(psutil.Process().memory_info().rss / 1024**2, 1),
            "screen": None,
        },
        "reconnects": sum(feed.reconnects for feed in engine.feeds.values()),
        "net_result": str(sum((trip.net_result for trip in trips), Decimal(0))),
    }


def _on_stray_exception(engine: Engine, context: dict[str, Any]) -> None:
    """A task or callback that nobody awaited: counted and shown, never silent."""
    fault = context.get("exception")
    if fault is None:
        log.warning("event loop: %s", context.get("message"))
    else:
        engine.supervisor.report("event loop", fault)


def _log_to_file(path: Path) -> None:
    handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
