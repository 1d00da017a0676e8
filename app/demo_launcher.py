"""Finds the demo exchange of a data directory, or starts it as a process of its own.

On its own, so that an engine's death never touches the exchange's books. One that an engine has
started belongs to the engines of this directory: they find it again after a crash, restart it
when it is wanted otherwise, and end it with themselves. One started by hand is only used.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from app.demo_runtime import DemoExchangeRuntime, read_runtime
from app.options import ROOT, Options, StartError
from core.storage.durable import write_atomic
from core.storage.instance_lock import AlreadyRunning, InstanceLock

START_TIMEOUT_S = 30.0
END_TIMEOUT_S = 10.0


class DemoLaunch:
    """A demo exchange that runs, or is being started: `begin` early, `runtime` when needed.

    Between the two the engine imports its libraries, and the exchange its own.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._data_dir = options.data_dir
        self._log_file = options.data_dir / "logs" / "demo_exchange.log"
        self._log_start = 0
        self._found: DemoExchangeRuntime | None = None
        self._child: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Raises StartError when one runs that cannot be used."""
        found = _find(self._data_dir)
        self._found = None if found is None else self._if_it_fits(found)
        if self._found is None:
            self._child = self._start()
            write_atomic(_marker(self._data_dir), str(self._child.pid).encode())

    def runtime(self) -> DemoExchangeRuntime:
        """Wait until it answers. Raises StartError with the child's own sentence."""
        if self._child is None:
            assert self._found is not None, "begin comes first"
            return self._found
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline_s:
            if self._child.poll() is not None:
                raise StartError(f"the demo exchange did not start: {self._last_words()}")
            runtime = read_runtime(self._data_dir)
            if runtime is not None and runtime.pid == self._child.pid and _answers(runtime):
                return runtime
            time.sleep(0.01)
        self._child.kill()
        raise StartError(
            f"the demo exchange did not start in {START_TIMEOUT_S:.0f} s; see {self._log_file}"
        )

    def stop(self) -> None:
        """End it if an engine started it, and wait: a new one may be wanted at once."""
        started_pid = _started_by_engine(self._data_dir)
        if self._child is not None:  # even where somebody has removed the directory meanwhile
            _end(self._child.pid)
        elif started_pid is not None and started_pid == _holder(self._data_dir):
            _end(started_pid)
        if started_pid is not None and started_pid != _holder(self._data_dir):
            _marker(self._data_dir).unlink(missing_ok=True)

    def _if_it_fits(self, runtime: DemoExchangeRuntime) -> DemoExchangeRuntime | None:
        """None where it was ours and wanted otherwise: it has ended."""
        options = self._options
        differs = {
            "--speed": options.speed not in (None, runtime.rate),
            "--seed": options.seed not in (None, runtime.seed),
            "--candles": options.candles is not None and not runtime.sources,
        }
        other = [name for name, is_other in differs.items() if is_other]
        if not other:
            return runtime
        if runtime.pid != _started_by_engine(self._data_dir):
            raise StartError(
                f"the demo exchange that runs on {self._data_dir} (process {runtime.pid}) was "
                f"started with another {' '.join(other)}; stop it, or leave that out"
            )
        self.stop()
        return None

    def _start(self) -> subprocess.Popen[bytes]:
        options = self._options
        words = ["--data-dir", str(self._data_dir)]
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


def _find(data_dir: Path) -> DemoExchangeRuntime | None:
    """The one that runs, once it answers; one that is just ending is waited for. Its file alone
    proves nothing: after a kill -9 the file outlives the process. Raises StartError."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while (pid := _holder(data_dir)) is not None:
        runtime = read_runtime(data_dir)
        if runtime is not None and runtime.pid == pid and _answers(runtime):
            return runtime
        if time.monotonic() > deadline_s:
            raise StartError(
                f"the demo exchange on {data_dir} (process {pid}) does not answer; end that process"
            )
        time.sleep(0.02)
    return None


def _holder(data_dir: Path) -> int | None:
    """Process id of the demo exchange that holds this directory's books."""
    lock = InstanceLock(data_dir / "run" / "demo_exchange.lock")
    try:
        lock.acquire()
    except AlreadyRunning as other:
        return other.pid
    lock.release()
    return None


def _marker(data_dir: Path) -> Path:
    return data_dir / "run" / "demo_exchange.started_by_engine"


def _started_by_engine(data_dir: Path) -> int | None:
    try:
        return int(_marker(data_dir).read_text())
    except (OSError, ValueError):
        return None


def _end(pid: int) -> None:
    import psutil  # here: the engine's first steps are light

    try:
        process = psutil.Process(pid)
        process.terminate()
        process.wait(END_TIMEOUT_S)
    except psutil.Error:
        return  # gone by itself, or hung: the next start will say so


def _answers(runtime: DemoExchangeRuntime) -> bool:
    try:
        socket.create_connection((runtime.host, runtime.port), timeout=1).close()
    except OSError:
        return False
    return True
