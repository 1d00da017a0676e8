"""Whether the screen that ran here before ended by itself or was ended.

A lock file that its process no longer holds is the mark of a crash: an orderly end removes it, and
a second window beside a living one finds it held.
"""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import QLockFile


class CrashMark:
    """Attribute: was_crash. Keep it for as long as the window lives."""

    def __init__(self, folder: Path) -> None:
        """`folder` is made if it is not there; where nothing can be written nothing is known."""
        path = folder / "screen.lock"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            was_there = path.exists()
        except OSError:
            was_there = False
        self._lock = QLockFile(str(path))
        self._lock.setStaleLockTime(0)  # only a dead process makes it stale
        self.was_crash = self._lock.tryLock(0) and was_there

    def remove(self) -> None:
        """This one ends in order."""
        self._lock.unlock()
