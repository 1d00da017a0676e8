"""Files that are whole or absent: temp file, fsync, rename, fsync of the folder.

After `replace_atomic` returns, the new content survives a crash or a power cut; before it
returns, the old content does. There is no state in between.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from core.storage.disk import DISK, Disk


def write_atomic(path: Path, data: bytes, *, private: bool = False, disk: Disk = DISK) -> None:
    """Replace `path` by `data`. `private`: only this user may read it (0600). Raises OSError."""
    replace_atomic(path, lambda temporary: disk.write(temporary, data), private=private, disk=disk)


def replace_atomic(
    path: Path, write: Callable[[Path], None], *, private: bool = False, disk: Disk = DISK
) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in place durably.

    Raises whatever `write` raises, or OSError; `path` is then untouched, unless the folder alone
    could not be synced: then it holds the new content, which a power cut may take back.
    """
    make_folder(path.parent, disk)
    # One name per thread: two that write the same file must not mix their halves.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        disk.remove(temporary)  # a dead process of our id may have left it, readable by others
        disk.create(temporary, 0o600 if private else 0o644)
        write(temporary)
        disk.sync(temporary)
        disk.rename(temporary, path)
    except BaseException:
        disk.remove(temporary)
        raise
    disk.sync_folder(path.parent)


def make_folder(folder: Path, disk: Disk = DISK) -> None:
    """Create the folder and its parents so that they survive a power cut. Raises OSError."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        disk.sync_folder(path.parent)
