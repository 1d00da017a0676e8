"""`python run.py doctor`: looks at everything the workstation leans on and says what to do.

Each check is one line: a word (ok, note, fault), what was found, and the remedy where there is
one. The exit code is 0 unless something would keep the program from trading.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import keyring
import keyring.backends.fail
import msgspec
import requests

from app.bootstrap import Obstacle, check_machine, check_qt_libraries
from app.config import AccountConfig, Config, default_config, load_config
from app.demo_runtime import read_runtime
from app.keys import read_key
from app.options import EXIT_FAULT, EXIT_OK, Options, StartError
from core.clock import SystemClock
from core.exchange_port import ExchangeError
from core.limits.api_rate_limiter import APIRateLimiter
from core.snapshots import AccountMode
from core.storage.instance_lock import AlreadyRunning, InstanceLock
from exchanges.exchange_manager import (
    AccountSpec,
    ExchangeManager,
    is_unverified,
    live_refusal,
)

KEYRING_TIMEOUT_S = 5.0
HTTP_TIMEOUT_S = 5.0
CLOCK_WARN_MS = 500
BYBIT_URL = "https://api.bybit.com"
LIBRARIES = ("PyQt6", "pyqtgraph", "qasync", "ccxt", "pybit", "picows", "pyarrow", "TA-Lib")


class Finding(msgspec.Struct, frozen=True):
    word: str  # ok, note, fault
    subject: str
    text: str


def main(options: Options) -> int:
    """Print every finding; the exit code."""
    worst = EXIT_OK
    for finding in examine(options):
        print(f"{finding.word:5}  {finding.subject:12}  {finding.text}")
        if finding.word == "fault":
            worst = EXIT_FAULT
    print(
        "Everything that trading needs is there." if worst == EXIT_OK else "See the faults above."
    )
    return worst


def examine(options: Options) -> Iterator[Finding]:
    """Every check in turn; a check that breaks is a fault of its own, the others go on."""
    config = default_config()
    if options.config is not None:
        try:
            config = load_config(options.config)
            yield Finding("ok", "config", f"{options.config} is sound")
        except StartError as fault:
            yield Finding("fault", "config", fault.text)
    checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("python", _python),
        ("libraries", _libraries),
        ("screen", _screen),
        ("data", lambda: _data_dir(options.data_dir, config.world)),
        ("keyring", lambda: _keyring(config)),
        ("key", lambda: _keys(config, options.data_dir)),
        ("exchange", lambda: _exchanges(config, options.data_dir)),
    ]
    for subject, check in checks:
        try:
            yield from check()
        except Exception as fault:  # noqa: BLE001 (a broken check is a finding, not the end)
            yield Finding("fault", subject, f"{type(fault).__name__}: {fault}")


def _python() -> Iterator[Finding]:
    version = sys.version.split()[0]
    try:
        check_machine()
        yield Finding("ok", "python", f"Python {version} on {sys.platform}")
    except Obstacle as obstacle:
        yield Finding("fault", "python", f"Python {version}: {obstacle}")


def _libraries() -> Iterator[Finding]:
    found = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
    yield Finding("ok", "libraries", ", ".join(found))


def _screen() -> Iterator[Finding]:
    try:
        check_qt_libraries(needs_display=True)
        yield Finding("ok", "screen", os.environ.get("QT_QPA_PLATFORM") or "a display is there")
    except Obstacle as obstacle:
        yield Finding("note", "screen", str(obstacle))


def _data_dir(data_dir: Path, world: str) -> Iterator[Finding]:
    existing = data_dir
    while not existing.exists():
        existing = existing.parent
    try:  # a look at permissions says nothing to the superuser, nor on a read-only disk
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as fault:
        text = f"{existing} cannot be written ({fault.strerror}); choose another --data-dir"
        yield Finding("fault", "data", text)
        return
    usage = shutil.disk_usage(existing)
    free_gb, used = usage.free / 1024**3, usage.used / usage.total
    word = "fault" if free_gb < 0.5 else "note" if used > 0.8 else "ok"
    remedy = "; free some space" if word != "ok" else ""
    yield Finding(word, "disk", f"{free_gb:.1f} GB free at {data_dir}, {used:.0%} used{remedy}")
    if not data_dir.exists():
        return
    stamp = data_dir / "storage" / "world.txt"
    if stamp.exists() and (found := stamp.read_text(encoding="utf-8")) != world:
        text = f"{data_dir} holds a {found} world, this is a {world} one; choose another --data-dir"
        yield Finding("fault", "data", text)
    lock = InstanceLock(data_dir / "run" / "engine.lock")
    try:
        lock.acquire()
        lock.release()
        yield Finding("ok", "engine", "none runs on this data directory")
    except AlreadyRunning as other:
        yield Finding("ok", "engine", f"process {other.pid} runs on this data directory")


def _keyring(config: Config) -> Iterator[Finding]:
    def backend_name() -> str:
        backend = keyring.get_keyring()
        usable = not isinstance(backend, keyring.backends.fail.Keyring)
        return type(backend).__module__ if usable else ""

    answer = _in_time(backend_name)
    if answer:
        yield Finding("ok", "keyring", f"the system's key ring answers ({answer})")
        return
    needed = any((account.key or "").startswith("keyring:") for account in config.accounts)
    what = "does not answer" if answer is None else "is not there"
    text = f"the system's key ring {what}; keep keys as vault:NAME or env:NAME instead"
    yield Finding("fault" if needed else "note", "keyring", text)


def _keys(config: Config, data_dir: Path) -> Iterator[Finding]:
    """Every key that the accounts refer to can be read; what it is, is not said."""

    def problem(reference: str) -> str:
        try:
            read_key(reference, data_dir / "storage" / "vault.json")
        except StartError as fault:
            return fault.text
        return ""

    for reference in dict.fromkeys(account.key for account in config.accounts if account.key):
        text = _in_time(lambda reference=reference: problem(reference))  # type: ignore[misc]
        if text is None:
            yield Finding("fault", "key", f"{reference}: the key ring does not answer")
        else:
            yield Finding("fault" if text else "ok", "key", text or f"{reference} can be read")


def _in_time(ask: Callable[[], str]) -> str | None:
    """The answer, None where none came in time: a locked key ring can hang for ever."""
    answer: list[str] = []
    thread = threading.Thread(target=lambda: answer.append(ask()), daemon=True)
    thread.start()
    thread.join(KEYRING_TIMEOUT_S)
    return answer[0] if answer else None


def _exchanges(config: Config, data_dir: Path) -> Iterator[Finding]:
    for account in config.accounts:
        if account.mode is AccountMode.DEMO:
            runtime = read_runtime(data_dir) if data_dir.is_dir() else None
            if runtime is None:
                yield Finding("ok", "exchange", "the demo exchange starts with the workstation")
                continue
            url = f"http://{runtime.host}:{runtime.port}"
        else:
            if is_unverified(account.exchange):
                yield from _reach_by_adapter(account)
                continue
            url = account.rest_url or BYBIT_URL
        yield from _reach(account.exchange, account.mode, url)


def _reach_by_adapter(account: AccountConfig) -> Iterator[Finding]:
    """Of an exchange that ccxt speaks to."""
    exchange = account.exchange
    yield Finding("note", "exchange", f"{exchange}: {live_refusal(exchange)}")
    try:
        offset_ms = asyncio.run(_clock_offset_ms(account))
    except ExchangeError as fault:
        word = "fault" if account.mode is AccountMode.LIVE else "note"
        yield Finding(word, "exchange", f"{exchange} does not answer: {fault.text}")
        return
    yield Finding("ok", "exchange", f"{exchange} answers")
    yield _clock_finding(exchange, offset_ms)


async def _clock_offset_ms(account: AccountConfig) -> int:
    clock, manager = SystemClock(), ExchangeManager(random.Random())
    port = manager.add(
        AccountSpec(
            name=account.name,
            exchange=account.exchange,
            mode=AccountMode.PAPER,
            clock=clock,
            limiter=APIRateLimiter(account.exchange, clock).for_account(account.name),
            rest_url=account.rest_url or "",
        )
    )
    try:
        return await port.fetch_clock_offset_ms()
    finally:
        await manager.stop()


def _reach(exchange: str, mode: AccountMode, url: str) -> Iterator[Finding]:
    asked_s = time.time()
    try:
        reply = requests.get(f"{url}/v5/market/time", timeout=HTTP_TIMEOUT_S)
        server_ms = int(reply.json()["time"])
    except (requests.RequestException, ValueError, KeyError, TypeError) as fault:
        word = "fault" if mode is AccountMode.LIVE else "note"
        text = f"{exchange} at {url} does not answer ({type(fault).__name__}); check the network"
        yield Finding(word, "exchange", text)
        return
    took_ms = (time.time() - asked_s) * 1000
    yield Finding("ok", "exchange", f"{exchange} at {url} answers in {took_ms:.0f} ms")
    yield _clock_finding(exchange, server_ms - (asked_s * 1000 + took_ms / 2))


def _clock_finding(exchange: str, offset_ms: float) -> Finding:
    if abs(offset_ms) > CLOCK_WARN_MS:
        text = f"this clock is {-offset_ms:+.0f} ms off {exchange}'s; let the system set its time"
        return Finding("note", "clock", text)
    return Finding("ok", "clock", f"{offset_ms:+.0f} ms from {exchange}'s")
