"""Finds the demo exchange of a data directory, or starts it as a process of its own.

On its own, so that an engine's death never touches the exchange's books.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from app.demo_exchange_main import DemoExchangeRuntime, read_runtime
from app.options import ROOT, Options, StartError
from core.storage.durable import write_atomic

START_TIMEOUT_S = 30.0


def ensure_demo_exchange(options: Options) -> DemoExchangeRuntime:
    """The running one, else a new one. Raises StartError with the child's own sentence."""
    runtime = read_runtime(options.data_dir)
    if runtime is not None and _answers(runtime):
        return runtime
    words = ["--data-dir", str(options.data_dir)]
    for name, value in (
        ("--seed", options.seed),
        ("--speed", options.speed),
        ("--candles", options.candles),
    ):
        words += [name, str(value)] if value is not None else []
    log_file = options.data_dir / "logs" / "demo_exchange.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log:
        start = log.tell()
        child = subprocess.Popen(
            [sys.executable, "-m", "app", "demo-exchange", *words],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        if child.poll() is not None:
            said = log_file.read_bytes()[start:].decode(errors="replace").strip().splitlines()
            reason = said[-1] if said else f"it ended with code {child.returncode}"
            raise StartError(f"the demo exchange did not start: {reason}")
        runtime = read_runtime(options.data_dir)
        if runtime is not None and runtime.pid == child.pid and _answers(runtime):
            write_atomic(_marker(options.data_dir), str(child.pid).encode())
            return runtime
        time.sleep(0.02)
    child.kill()
    raise StartError(f"the demo exchange did not start in {START_TIMEOUT_S:.0f} s; see {log_file}")


def stop_demo_exchange(data_dir: Path) -> None:
    """End it if an engine started it; one started by hand goes on."""
    runtime = read_runtime(data_dir)
    try:
        started_pid = int(_marker(data_dir).read_text())
    except (OSError, ValueError):
        return
    if runtime is None or runtime.pid != started_pid:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(started_pid, signal.SIGTERM)
    _marker(data_dir).unlink(missing_ok=True)


def _marker(data_dir: Path) -> Path:
    return data_dir / "run" / "demo_exchange.started_by_engine"


def _answers(runtime: DemoExchangeRuntime) -> bool:
    try:
        socket.create_connection((runtime.host, runtime.port), timeout=1).close()
    except OSError:
        return False
    return True
