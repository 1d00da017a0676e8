"""The engine's run: from a sound configuration to an ordered end.

Order of things: the exchange is there, the books are reconciled; only then do bots start. The end
is the same in reverse. Imports everything heavy; `engine_main` comes first and is light.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
import time
from decimal import Decimal
from typing import Any

import msgspec
import psutil

from app.config import Config, default_config
from app.demo_launcher import DemoLaunch
from app.heap import spare_the_loop
from app.link_server import LinkServer
from app.notify.channels import read_addresses
from app.notify.notifier import Notifier, Service
from app.options import (
    EXIT_FAULT,
    EXIT_OK,
    Options,
    StartError,
)
from app.wiring import build_engine
from core.engine import Engine, Refused
from core.events import Error, Severity
from core.exchange_port import ExchangeError
from core.metrics import percentile
from core.storage.durable import write_atomic
from exchanges.exchange_manager import is_unverified

log = logging.getLogger(__name__)
SETTLE_TIMEOUT_S = 5.0


async def run(
    config: Config | None,
    options: Options,
    launch: DemoLaunch | None,
    stop_was_asked: threading.Event,
) -> int:
    """The exit code. `config` None is the default one, `launch` None the real world;
    `stop_was_asked` is set when a signal came before this loop listened to them. Raises
    StartError when the engine cannot start."""
    config = config or default_config()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(name, stopping.set)
    demo = None if launch is None else await asyncio.to_thread(launch.runtime)
    if stopping.is_set() or stop_was_asked.is_set():
        return EXIT_OK
    engine = build_engine(config, options, demo)
    _send_messages(engine, options)
    engine.supervisor.keep_running("daily reports", engine.reports.run)
    built_after_s = time.time() - psutil.Process().create_time()
    loop.set_exception_handler(lambda _loop, context: _on_stray_exception(engine, context))
    link = LinkServer(engine, on_stop=stopping.set)
    await link.start(options.data_dir / "run" / "engine.json")
    for exchange in sorted({account.exchange for account in config.accounts}):
        if is_unverified(exchange):
            _say_unverified(engine, exchange)
    started = loop.create_task(engine.start(config.bots, autostart=options.autostart))
    try:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_until_stopped(started, stopping), options.for_seconds)
        if started.done():
            started.result()  # a start that failed raises its reason
        elif not stopping.is_set():
            waited_for = "; ".join(desk.state_text for desk in engine.desks.values())
            raise StartError(f"nothing was traded in {options.for_seconds:g} s: {waited_for}")
    except Refused as refusal:
        raise StartError(str(refusal)) from None
    except ExchangeError as fault:
        raise StartError(f"{config.accounts[0].exchange}: {fault.text}") from None
    finally:
        started.cancel()
        await asyncio.gather(started, return_exceptions=True)  # its fault was told above
        await _end(engine, link, options, built_after_s)
    return EXIT_FAULT if engine.supervisor.unhandled_exceptions else EXIT_OK


def _send_messages(engine: Engine, options: Options) -> None:
    """From the outbox to the trader's channels, as long as the engine runs."""
    vault = options.data_dir / "storage" / "vault.json"
    notifier = Notifier(
        engine.alerts.outbox,
        read_addresses=lambda: read_addresses(vault),
        make_service=_load_apprise,
    )
    engine.alerts.sender = notifier
    engine.supervisor.keep_running("messages", notifier.run)


def _load_apprise() -> Service:
    from app.notify.apprise_sender import AppriseSender  # only where there is a channel

    return AppriseSender()


def _say_unverified(engine: Engine, exchange: str) -> None:
    text = f"The adapter of {exchange} has never met the real exchange; trust it on paper only."
    log.info("%s", text)
    engine.bus.publish(
        Error(part=exchange, text=text, time_ms=engine.clock.time_ms(), severity=Severity.WARNING)
    )


async def _until_stopped(started: asyncio.Task[None], stopping: asyncio.Event) -> None:
    """Or until the start has failed."""
    stop = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({started, stop}, return_when=asyncio.FIRST_COMPLETED)
        spare_the_loop()
        if not started.done() or started.exception() is None:
            await stop
    finally:
        stop.cancel()


async def _end(engine: Engine, link: LinkServer, options: Options, built_after_s: float) -> None:
    for bot in engine.bots.values():
        bot.stop("The engine is stopping.")
    try:
        ledger_error = await _settled_ledger_error(engine)
        report = _report(engine, ledger_error, built_after_s)
    finally:
        await engine.stop()
        await link.stop()
    if options.report is not None:
        write_atomic(options.report, msgspec.json.format(msgspec.json.encode(report)))


async def _settled_ledger_error(engine: Engine) -> Decimal | None:
    """Our ledger minus the exchange's books, once the orders under way have been answered."""
    desks = [desk for desk in engine.desks.values() if desk.is_built]
    if not desks:
        return None
    deadline_s = engine.clock.monotonic_s() + SETTLE_TIMEOUT_S
    while True:
        unanswered = any(desk.oms.unresolved(desk.name) for desk in desks)
        try:
            error = sum([await desk.measure_ledger_error() for desk in desks], Decimal(0))
        except ExchangeError as fault:
            log.info("the exchange's books could not be read at the end: %s", fault.text)
            return None
        if (error == 0 and not unanswered) or engine.clock.monotonic_s() > deadline_s:
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
