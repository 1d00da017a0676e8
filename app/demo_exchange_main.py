"""The demo exchange's process: builds market, venue and server, and says where it listens.

It runs on its own so that an engine's death (kill -9 included) never touches its books.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec

from app.demo_runtime import DEMO_ACCOUNTS, DemoExchangeRuntime, demo_key, runtime_path
from app.heap import spare_the_loop
from app.options import (
    EXIT_ALREADY_RUNNING,
    EXIT_DATA_DIR,
    EXIT_OK,
    EXIT_PORT_TAKEN,
    StartError,
)
from core.clock import ScaledClock
from core.storage.durable import write_atomic
from core.storage.instance_lock import AlreadyRunning, InstanceLock
from exchanges.simulated.generated_market import GeneratedMarket
from exchanges.simulated.market import Market
from exchanges.simulated.replayed_market import ReplayedMarket
from exchanges.simulated.store import BooksMismatch, VenueStore
from exchanges.simulated.venue import Venue
from exchanges.simulated.wire.server import DemoServer

log = logging.getLogger(__name__)

DEFAULT_SEED = 1
_START_STEP_MS = 900_000  # a new market begins with a whole 15m bar before it
_HOST = "127.0.0.1"


class DemoExchangeOptions(msgspec.Struct, frozen=True):
    """Options of the `demo-exchange` subcommand.

    `port` 0 is any free one, `for_seconds` real seconds. `seed` None: the books' own market, else
    one that begins today, or the start of the replayed files.
    """

    data_dir: Path
    port: int = 0
    seed: int | None = None
    speed: float = 1.0
    candles_dir: Path | None = None
    initial_balance: Decimal = Decimal(25_000)
    for_seconds: float | None = None


class _Keys(msgspec.Struct, frozen=True):
    """The demo account's key pair; worth nothing outside this machine's demo exchange."""

    api_key: str
    api_secret: str

    def of_all_accounts(self) -> dict[str, str]:
        return {demo_key(self.api_key, n): self.api_secret for n in range(DEMO_ACCOUNTS)}

    def __repr__(self) -> str:
        return "_Keys(...)"


def main(options: DemoExchangeOptions) -> int:
    """Run until SIGTERM, SIGINT or `for_seconds`; the exit code.

    Prints one JSON line (the runtime without the secret) on stdout once it listens, or one
    sentence on stderr when it cannot start.
    """
    lock = InstanceLock(options.data_dir / "run" / "demo_exchange.lock")
    try:
        _acquire(lock, options.data_dir)
        try:
            return asyncio.run(_run(options))
        finally:
            lock.release()
    except StartError as error:
        print(error.text, file=sys.stderr)
        return error.exit_code


def _acquire(lock: InstanceLock, data_dir: Path) -> None:
    try:
        lock.acquire()
    except AlreadyRunning as other:
        raise StartError(
            f"A demo exchange already runs on {data_dir} (process {other.pid}): "
            "use it, stop it, or choose another --data-dir.",
            EXIT_ALREADY_RUNNING,
        ) from None
    except OSError as error:
        raise _unwritable(data_dir, error) from None


def _unwritable(data_dir: Path, error: OSError) -> StartError:
    return StartError(f"Cannot write to {data_dir}: {error.strerror}.", EXIT_DATA_DIR)


def _build_market(
    options: DemoExchangeOptions, store: VenueStore, unix_ms: int
) -> tuple[Market, dict[str, str]]:
    """The market and, for a replay, the file behind each symbol."""
    if options.candles_dir is None:
        return _generated_market(options.seed, store.market_identity, unix_ms), {}
    try:
        market = ReplayedMarket(options.candles_dir, options.seed)
    except (OSError, ValueError) as error:
        raise StartError(f"Cannot replay {options.candles_dir}: {error}") from None
    for note in market.notes:
        log.info("%s", note)
    return market, market.sources


def _generated_market(seed: int | None, owner: str | None, unix_ms: int) -> GeneratedMarket:
    """The market that the books belong to, unless the seed says otherwise. A new one with a seed
    is the same every time; without a seed it begins today, as a trader expects."""
    kept = None if owner is None else GeneratedMarket.of_identity(owner)
    if kept is not None and seed in (None, kept.seed):
        return kept
    if seed is not None:
        return GeneratedMarket(seed)
    return GeneratedMarket(DEFAULT_SEED, unix_ms // _START_STEP_MS * _START_STEP_MS)


def _market_time_ms(
    market: Market, store: VenueStore, options: DemoExchangeOptions, unix_ms: int
) -> int:
    """Where market time goes on: where it stopped, but a market of today that runs at the speed
    of life has gone on meanwhile. It never goes back."""
    stopped_ms = market.start_ms if store.resume_ms is None else store.resume_ms
    if isinstance(market, GeneratedMarket) and market.is_moved and options.speed == 1:
        return max(stopped_ms, unix_ms)
    return stopped_ms


def _keys(data_dir: Path) -> _Keys:
    """The key pair of this data directory, made at the first start."""
    path = data_dir / "storage" / "demo_exchange_keys.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Keys)
    except FileNotFoundError:
        keys = _Keys(api_key=f"demo-{secrets.token_hex(8)}", api_secret=secrets.token_hex(24))
        write_atomic(path, msgspec.json.encode(keys), private=True)
        return keys


async def _run(options: DemoExchangeOptions) -> int:
    stop = asyncio.Event()
    _on_termination(asyncio.get_running_loop(), stop.set)
    try:
        keys = _keys(options.data_dir)
        store = VenueStore(options.data_dir / "storage" / "demo_exchange.sqlite")
    except OSError as error:
        raise _unwritable(options.data_dir, error) from None
    unix_anchor_ms = time.time_ns() // 1_000_000
    market, sources = _build_market(options, store, unix_anchor_ms)
    market_anchor_ms = _market_time_ms(market, store, options, unix_anchor_ms)
    clock = ScaledClock(
        market_anchor_ms=market_anchor_ms, unix_anchor_ms=unix_anchor_ms, rate=options.speed
    )
    try:
        venue = Venue(
            market=market, clock=clock, initial_balance=options.initial_balance, store=store
        )
    except BooksMismatch as error:
        raise StartError(
            f"{error} Use the same --seed or --candles, or a new --data-dir."
        ) from None
    try:
        venue.advance()  # what happened while it was off, before anybody asks
        server = DemoServer(venue, keys=keys.of_all_accounts())
        await _listen(server, options.port)
        spare_the_loop()
        runtime = DemoExchangeRuntime(
            pid=os.getpid(),
            host=_HOST,
            port=server.port,
            api_key=keys.api_key,
            api_secret=keys.api_secret,
            rate=options.speed,
            market_anchor_ms=market_anchor_ms,
            unix_anchor_ms=unix_anchor_ms,
            seed=options.seed,
            sources=sources,
        )
        path = runtime_path(options.data_dir)
        try:
            write_atomic(path, msgspec.json.encode(runtime), private=True)
            _announce(runtime)
            await _wait(stop, options.for_seconds)
        finally:
            path.unlink(missing_ok=True)
            await server.stop()
    finally:
        venue.close()
    return EXIT_OK


async def _listen(server: DemoServer, port: int) -> None:
    try:
        await server.start(host=_HOST, port=port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            text = f"Port {port} is taken by another program: choose another --port, or 0."
        else:
            text = f"Cannot listen on port {port}: {os.strerror(error.errno or 0)}."
        raise StartError(text, EXIT_PORT_TAKEN) from None


def _announce(runtime: DemoExchangeRuntime) -> None:
    public = msgspec.to_builtins(runtime)
    del public["api_secret"]
    with contextlib.suppress(BrokenPipeError):  # who started us may be gone; the file stands
        print(msgspec.json.encode(public).decode(), flush=True)


async def _wait(stop: asyncio.Event, for_seconds: float | None) -> None:
    try:
        async with asyncio.timeout(for_seconds):
            await stop.wait()
    except TimeoutError:
        log.info("stopping after %s seconds as asked", for_seconds)


def _on_termination(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        if sys.platform == "win32":  # its loop has no signal handlers of its own
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
        else:
            loop.add_signal_handler(number, stop)
