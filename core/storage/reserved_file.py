"""Room on disk taken beforehand, for the few records that must be durable on a full disk.

An exit has to be written down before it is sent, and has to leave when the disk is full: both
hold because its page was allocated when there was room. Records are written over existing blocks,
each with length and checksum; a torn one ends the list. File systems that never overwrite in
place (btrfs, ZFS) may refuse even this when they are full: then `append` raises like any write.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import zlib
from pathlib import Path

from core.storage.durable import make_folder, write_atomic

_HEADER = struct.Struct("<II")  # length, checksum


def reserved_beside(database: sqlite3.Connection, suffix: str = ".exits") -> ReservedFile | None:
    """A reserved file of a database, next to it; None for one in memory. Raises OSError."""
    [*_, file_name] = database.execute("PRAGMA database_list").fetchone()
    return ReservedFile(Path(file_name).with_suffix(suffix)) if file_name else None


class ReservedFile:
    """Holds records until `clear`. One writer."""

    def __init__(self, path: Path, size_bytes: int = 65_536) -> None:
        """Allocates the file unless it stands. Raises OSError (no room even now)."""
        self._path = path
        if not path.exists():
            make_folder(path.parent)
            write_atomic(path, bytes(size_bytes), private=True)
        self._size_bytes = path.stat().st_size
        self._end = sum(_HEADER.size + len(record) for record in self.records())

    def append(self, record: bytes) -> None:
        """Durable when it returns. Raises OSError when it cannot be written or does not fit."""
        entry = _HEADER.pack(len(record), zlib.crc32(record)) + record
        end = self._end + len(entry)
        if end > self._size_bytes:
            raise OSError(f"the {self._size_bytes} bytes reserved in {self._path.name} are used up")
        self._write(self._end, entry + bytes(min(_HEADER.size, self._size_bytes - end)))
        self._end = end

    def records(self) -> list[bytes]:
        """What was appended since the last `clear`, oldest first. Raises OSError."""
        content = self._path.read_bytes()
        found: list[bytes] = []
        position = 0
        while position + _HEADER.size <= len(content):
            length, checksum = _HEADER.unpack_from(content, position)
            position += _HEADER.size
            record = content[position : position + length]
            if length == 0 or len(record) < length or zlib.crc32(record) != checksum:
                break
            found.append(record)
            position += length
        return found

    def clear(self) -> None:
        """Forget every record; the room stays. Raises OSError."""
        if self._end:
            self._write(0, bytes(self._end))
            self._end = 0

    def _write(self, position: int, data: bytes) -> None:
        with self._path.open("rb+") as file:
            file.seek(position)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
