"""Files that are whole or absent: temp file, fsync, rename, fsync of the folder.

After `replace_atomic` returns, the new content survives a crash or a power cut; before it
returns, the old content does. There is no state in between.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path


def write_atomic(path: Path, data: bytes, *, private: bool = False) -> None:
    """Replace `path` by `data`. `private`: only this user may read it (0600). Raises OSError."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(data)

    replace_atomic(path, write, private=private)


def replace_atomic(path: Path, write: Callable[[Path], None], *, private: bool = False) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in place durably.

    Raises whatever `write` raises, or OSError; `path` is then untouched.
    """
    make_folder(path.parent)
    # One name per thread: two that write the same file must not mix their halves.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        temporary.unlink(missing_ok=True)  # a dead process of our id may have left it, readable
        temporary.touch(mode=0o600 if private else 0o644, exist_ok=False)
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
    sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Create the folder and its parents so that they survive a power cut. Raises OSError."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames and deletions in `folder` durable. Windows has no such call: NTFS journals."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
