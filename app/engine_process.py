"""Starts the engine as a process of its own that outlives the screen.

Its own session (or detached, on Windows): closing the terminal or killing the screen does not reach
it. What it says on its way down goes to a file, so that the screen can show the sentence.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from pathlib import Path

import msgspec

from app.options import EXIT_ALREADY_RUNNING, ROOT, Options
from core.link_protocol import RuntimeFile

_POLL_S = 0.1
_LISTENS_WITHIN_S = 0.5  # on loopback the answer is there at once, either way


class EngineProcess:
    """The engine that this screen has started, if it has."""

    def __init__(self, options: Options) -> None:
        """`options` are handed on whole."""
        self._runtime_file = options.data_dir / "run" / "engine.json"
        self._arguments = options.arguments()
        self._errors = options.data_dir / "logs" / "engine.err"
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs, or where another engine was running already."""
        code = None if self._child is None else self._child.poll()
        return None if code == EXIT_ALREADY_RUNNING else code

    @property
    def pid(self) -> int | None:
        return None if self._child is None else self._child.pid

    def is_found(self) -> bool:
        """Whether an engine listens where the runtime file of this data directory says."""
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            found = msgspec.json.decode(self._runtime_file.read_bytes(), type=RuntimeFile)
            address = (found.host, found.port)
            with socket.create_connection(address, timeout=_LISTENS_WITHIN_S):
                return True
        return False

    def start(self) -> None:
        """Raises OSError when the process cannot be made."""
        command = [sys.executable, "-m", "app", "engine", *self._arguments]
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS
        with self._errors.open("wb") as errors:
            self._child = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=sys.platform != "win32",
                creationflags=flags,
            )

    def terminate(self) -> None:
        """Ask the process that was started to end, where the link cannot carry the wish."""
        if self._child is not None and self.is_running:
            self._child.terminate()

    def last_words(self) -> str:
        """The sentence it ended with, without the program's name."""
        lines = _text_of(self._errors).strip().splitlines()
        sentence = lines[-1].removeprefix("TwinStar Quantum: ") if lines else ""
        return sentence or f"The engine ended with code {self.exit_code}."

    async def wait_for_end(self, timeout_s: float) -> bool:
        """Whether the engine of this data directory has ended; ours or one found running.

        One that was found removes its runtime file last of all.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                if self.is_running:
                    await self.until_ended()
                while self._runtime_file.exists() and self.exit_code is None:  # noqa: ASYNC110
                    await asyncio.sleep(_POLL_S)
                return True
        return False

    async def until_ended(self) -> None:
        """Return when the process that was started has ended; never where none was."""
        # polled: qasync has no child watcher, and a thread in wait() would hold up our own end
        while self.exit_code is None:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
