"""One process per data directory: an OS lock that dies with its holder, however it dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import BinaryIO


class AlreadyRunning(Exception):
    """Another process holds the lock; `pid` is its process id, 0 when it cannot be read."""

    def __init__(self, path: Path, pid: int) -> None:
        super().__init__(f"{path} is held by process {pid}")
        self.pid = pid


_LOCKED_BYTE = 1 << 30  # past the text, so that Windows lets others read the pid


class InstanceLock:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def acquire(self) -> None:
        """Take the lock or raise AlreadyRunning at once. Raises OSError if the file cannot be
        written, or if its file system knows no locks."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600), "rb+", buffering=0)
        try:
            try:
                _lock(file)
            except (BlockingIOError, PermissionError):  # how POSIX, how Windows says "held"
                pid_text = file.read(32).decode("ascii", "replace").strip()
                pid = int(pid_text) if pid_text.isdigit() else 0
                raise AlreadyRunning(self._path, pid) from None
            file.seek(0)
            file.truncate()
            file.write(str(os.getpid()).encode())
        except BaseException:
            file.close()
            raise
        self._file = file

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO) -> None:
        file.seek(_LOCKED_BYTE)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        finally:
            file.seek(0)
else:
    import fcntl

    def _lock(file: BinaryIO) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
