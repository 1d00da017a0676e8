"""The real program in processes of its own, on one data directory that is ended with the test."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import psutil
from exchange_books import ExchangeBooks
from link_client import LinkClient

from app.demo_runtime import DemoExchangeRuntime, read_runtime
from core.link_protocol import RuntimeFile

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ("-m", "app")
START_TIMEOUT_S = 60.0  # two seconds on an idle machine
END_TIMEOUT_S = 60.0


class Finished(NamedTuple):
    code: int
    out: str
    err: str
    took_s: float

    @property
    def sentence(self) -> str:
        """What stands on standard error, which has to be exactly one line."""
        assert self.err.count("\n") == 1, self.err
        assert self.err.endswith("\n")
        return self.err.strip()


def wait_until(is_so: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline_s, f"not within {timeout_s} s: {what}"
        time.sleep(0.02)


class Running:
    """One process of the program."""

    def __init__(self, data_dir: Path, process: subprocess.Popen[bytes], err_file: Path) -> None:
        self.data_dir, self.process, self._err_file = data_dir, process, err_file

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def err(self) -> str:
        return self._err_file.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """As the kernel does when memory runs out: no word, no clean-up."""
        self.process.kill()
        self.process.wait(timeout=END_TIMEOUT_S)

    def terminate(self) -> int:
        """Ask for an ordered end; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self, timeout_s: float = END_TIMEOUT_S) -> int:
        return self.process.wait(timeout=timeout_s)


class Home:
    """A data directory and everything that runs on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self._started: list[Running] = []

    def run(self, *words: str, timeout_s: float = 120.0, **variables: str) -> Finished:
        """Run `python -m app WORDS` on this directory to its end."""
        began_s = time.monotonic()
        done = subprocess.run(
            self._command(words),
            cwd=ROOT,
            env=_environment(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr, time.monotonic() - began_s)

    def start(self, *words: str, program: tuple[str, ...] = PROGRAM, **variables: str) -> Running:
        """Start `python -m app WORDS`, or another `program`, and return at once."""
        self.folder.mkdir(parents=True, exist_ok=True)
        err_file = self.folder / f"stderr-{len(self._started)}.txt"
        with err_file.open("wb") as err:
            process = subprocess.Popen(
                self._command(words, program),
                cwd=ROOT,
                env=_environment(variables),
                stdin=subprocess.DEVNULL,
                stdout=err,
                stderr=err,
            )
        running = Running(self.data_dir, process, err_file)
        self._started.append(running)
        return running

    def start_engine(self, *words: str, **variables: str) -> Running:
        """Start an engine; it listens when this returns."""
        engine = self.start("engine", *words, **variables)
        self.wait_for_engine(engine)
        return engine

    def wait_for_engine(self, starter: Running) -> RuntimeFile:
        """Until an engine says where it listens; `starter` is it or has started it."""

        def listens() -> bool:
            assert starter.process.poll() is None, f"ended: {starter.err}"
            runtime = self.runtime()
            return runtime is not None and psutil.pid_exists(runtime.pid)

        wait_until(listens, "the engine listens", START_TIMEOUT_S)
        runtime = self.runtime()
        assert runtime is not None
        return runtime

    def runtime(self) -> RuntimeFile | None:
        try:
            content = (self.data_dir / "run" / "engine.json").read_bytes()
        except FileNotFoundError:
            return None
        return msgspec.json.decode(content, type=RuntimeFile)

    def attach(self) -> LinkClient:
        """A screen of ours on the engine that runs here."""
        runtime = self.runtime()
        assert runtime is not None
        client = LinkClient(runtime)
        answer = client.attach()
        assert answer.ok, answer.text
        return client

    def wait_for_demo(self) -> None:
        """Until a demo exchange started here says where it listens."""
        wait_until(lambda: read_runtime(self.data_dir) is not None, "the demo exchange listens")

    def demo(self) -> DemoExchangeRuntime:
        runtime = read_runtime(self.data_dir)
        assert runtime is not None, "the demo exchange does not run"
        return runtime

    def books(self) -> ExchangeBooks:
        runtime = self.demo()
        return ExchangeBooks(f"{runtime.host}:{runtime.port}", runtime.api_key, runtime.api_secret)

    def end_everything(self) -> None:
        """Nothing of this directory outlives the test: what was started here, and what that
        has started in turn (known by its command line)."""
        for running in self._started:
            if running.process.poll() is None:
                running.kill()
        for process in psutil.process_iter(["cmdline"]):
            if str(self.data_dir) in (process.info["cmdline"] or []):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()

    def _command(self, words: tuple[str, ...], program: tuple[str, ...] = PROGRAM) -> list[str]:
        place = ("--data-dir", str(self.data_dir)) if "--data-dir" not in words else ()
        return [sys.executable, *program, *words, *place]


def _environment(variables: dict[str, str]) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "QT_QPA_PLATFORM": "offscreen"} | variables
