"""The engine process: no Qt, no screen needed; runs until told to stop.

Light on purpose: it makes sure of the data directory and sets the demo exchange going before
anything heavy is imported, so that both processes start side by side.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import sqlite3
import sys
import threading
from logging.handlers import RotatingFileHandler
from pathlib import Path

from app.demo_launcher import DemoLaunch
from app.options import EXIT_ALREADY_RUNNING, EXIT_DATA_DIR, Options, StartError
from app.precedence import step_forward
from core.storage.durable import write_atomic
from core.storage.instance_lock import AlreadyRunning, InstanceLock

SWITCH_INTERVAL_S = 0.0005  # a thread that merges candles must not hold the loop for 5 ms
LOG_BYTES, LOG_FILES = 5_000_000, 5


def main(options: Options) -> int:
    """Run the engine; the exit code. Refusals are one sentence on standard error."""
    try:
        return _main(options)
    except StartError as fault:
        print(f"TwinStar Quantum: {fault.text}", file=sys.stderr)
        return fault.exit_code


def _main(options: Options) -> int:
    step_forward()
    config = None
    if options.config is not None:
        from app.config import load_config

        config = load_config(options.config)
        check_demo(config.world, options)
    world = "demo" if config is None else config.world
    prepare_data_dir(options.data_dir, world)
    if options.report is not None:
        check_report(options.report)
    lock = _take(options.data_dir)
    stopping = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):  # until the event loop listens to them
        # a flag, no exception: one raised in the midst of an import may be swallowed there
        signal.signal(name, lambda *_: stopping.set())
    demo = DemoLaunch(options) if world == "demo" else None
    try:
        _log_to_file(options.data_dir / "logs" / "engine.log")
        if demo is not None:
            demo.begin()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        from app.engine_run import run

        return asyncio.run(run(config, options, demo, stopping))
    except sqlite3.DatabaseError as fault:
        raise StartError(
            f"the data directory {options.data_dir} cannot be used ({fault}); choose another with "
            "--data-dir, or restore its storage/ from a backup",
            EXIT_DATA_DIR,
        ) from None
    finally:
        (options.data_dir / "run" / "engine.json").unlink(missing_ok=True)
        if demo is not None:
            demo.stop()
        lock.release()


def _take(data_dir: Path) -> InstanceLock:
    """This data directory is ours alone. Raises StartError."""
    lock = InstanceLock(data_dir / "run" / "engine.lock")
    try:
        lock.acquire()
    except AlreadyRunning as other:
        raise StartError(
            f"an engine (process {other.pid}) runs on {data_dir} already; "
            "stop it first or choose another --data-dir",
            EXIT_ALREADY_RUNNING,
        ) from None
    return lock


def check_demo(world: str, options: Options) -> None:
    """Options of the demo fit only a demo world. Raises StartError."""
    if world == "demo":
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


def check_report(path: Path) -> None:
    """The run's figures must have a place before the run. Raises StartError."""
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.parent.mkdir(parents=True, exist_ok=True)
        _probe(path.parent)
    except OSError as fault:
        raise StartError(f"the report {path} cannot be written ({fault.strerror})") from None


def prepare_data_dir(data_dir: Path, world: str) -> None:
    """Make the folders; refuse a directory that is not ours to write or is of the other world
    (demo money never stands beside real money). Raises StartError."""
    stamp = data_dir / "storage" / "world.txt"
    try:
        for name in ("run", "logs", "cache", "storage"):
            (data_dir / name).mkdir(parents=True, exist_ok=True)
        _probe(data_dir / "run")
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


def _probe(folder: Path) -> None:
    """Raises OSError where no file can be made."""
    probe = folder / f".probe-{os.getpid()}"
    probe.write_bytes(b"")
    probe.unlink()


def _log_to_file(path: Path) -> None:
    handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
