"""The steps that durable writes are made of, behind one seam.

A power cut may undo any step that was not synced, and a kill may fall between any two: tests put
another disk in this place, which records the steps, refuses one, or ends the process at one.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


class Disk:
    """The real one. Every step raises OSError."""

    def create(self, path: Path, mode: int) -> None:
        """A new empty file. Raises FileExistsError."""
        path.touch(mode=mode, exist_ok=False)

    def write(self, path: Path, data: bytes) -> None:
        """The whole content; not yet durable."""
        path.write_bytes(data)

    def sync(self, path: Path) -> None:
        """The content is durable on return (its name is not)."""
        with path.open("rb+") as file:
            os.fsync(file.fileno())

    def rename(self, path: Path, target: Path) -> None:
        """Take the place of `target` in one step; not yet durable."""
        path.replace(target)

    def remove(self, path: Path) -> None:
        """No error when there is no such file."""
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """Names made, changed and removed in `folder` are durable on return. Windows has no such
        call: NTFS journals."""
        if sys.platform == "win32":
            return
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def reach(self, point: str) -> None:
        """A named moment between two steps of a protocol, for tests that stop there."""


DISK = Disk()
