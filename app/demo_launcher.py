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

from app.demo_runtime import DemoExchangeRuntime, read_runtime
from app.options import ROOT, Options, StartError
from core.storage.durable import write_atomic

START_TIMEOUT_S = 30.0


class DemoLaunch:
    """A demo exchange that runs, or is being started: `begin` early, `runtime` when needed.

    Between the two the engine imports its libraries, and the exchange its own.
    """

    def __init__(self, options: Options) -> None:
        self._data_dir = options.data_dir
        self._log_file = options.data_dir / "logs" / "demo_exchange.log"
        self._log_start = 0
        self._child: subprocess.Popen[bytes] | None = None
        runtime = read_runtime(options.data_dir)
        if runtime is None or not _answers(runtime):
            self._child = self._start(options)

    def runtime(self) -> DemoExchangeRuntime:
        """Wait until it answers. Raises StartError with the child's own sentence."""
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline_s:
            runtime = read_runtime(self._data_dir)
            if self._child is None and runtime is not None:
                return runtime
            if self._child is not None:
                if self._child.poll() is not None:
                    raise StartError(f"the demo exchange did not start: {self._last_words()}")
                if runtime is not None and runtime.pid == self._child.pid and _answers(runtime):
                    write_atomic(_marker(self._data_dir), str(self._child.pid).encode())
                    return runtime
            time.sleep(0.01)
        if self._child is not None:
            self._child.kill()
        raise StartError(
            f"the demo exchange did not start in {START_TIMEOUT_S:.0f} s; see {self._log_file}"
        )

    def _start(self, options: Options) -> subprocess.Popen[bytes]:
        words = ["--data-dir", str(options.data_dir)]
        for name, value in (
            ("--seed", options.seed),
            ("--speed", options.speed),
            ("--candles", options.candles),
        ):
            words += [name, str(value)] if value is not None else []
        with self._log_file.open("ab") as log:
            self._log_start = log.tell()
            return subprocess.Popen(
                [sys.executable, "-m", "app", "demo-exchange", *words],
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _last_words(self) -> str:
        said = self._log_file.read_bytes()[self._log_start :].decode(errors="replace")
        lines = said.strip().splitlines()
        return lines[-1] if lines else "it ended without a word"


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
