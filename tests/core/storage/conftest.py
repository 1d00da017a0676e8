"""A disk that remembers what a power cut could do to it."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.storage.disk import Disk

Files = dict[str, bytes]
_SECTOR = 512


class PowerCutDisk(Disk):
    """The real disk, and beside it the legal states after a power cut at any step.

    Content that was not synced may be there, missing, cut off at a sector, or hold zeros where
    data should be. Names that were made, changed or removed since their folder was last synced
    may each have made it or not. `on_cut` is called after each step and at each named point.
    """

    def __init__(self, on_cut: Callable[[str], None] = lambda step: None) -> None:
        self.on_cut = on_cut
        self._synced: dict[int, bytes] = {}  # by file, as a number: contents that are durable
        self._written: dict[int, bytes] = {}  # and those that are not yet
        self._durable_names: dict[str, int] = {}
        self._names: dict[str, int] = {}
        self._pending: list[tuple[str, int | None]] = []  # name, file or None: not durable yet

    def create(self, path: Path, mode: int) -> None:
        super().create(path, mode)
        number = len(self._written) + len(self._synced) + 1
        self._written[number] = b""
        self._name(path, number)
        self.on_cut(f"create {path.name}")

    def write(self, path: Path, data: bytes) -> None:
        super().write(path, data)
        self._written[self._names[path.name]] = data
        self.on_cut(f"write {path.name}")

    def sync(self, path: Path) -> None:
        super().sync(path)
        number = self._names[path.name]
        self._synced[number] = self._written.pop(number)
        self.on_cut(f"sync {path.name}")

    def rename(self, path: Path, target: Path) -> None:
        super().rename(path, target)
        number = self._names[path.name]
        self._name(target, number)
        self._name(path, None)
        self.on_cut(f"rename {target.name}")

    def remove(self, path: Path) -> None:
        super().remove(path)
        if path.name in self._names:
            self._name(path, None)
            self.on_cut(f"remove {path.name}")

    def sync_folder(self, folder: Path) -> None:
        super().sync_folder(folder)
        self._durable_names = dict(self._names)
        self._pending.clear()
        self.on_cut("sync folder")

    def reach(self, point: str) -> None:
        self.on_cut(point)

    def _name(self, path: Path, number: int | None) -> None:
        self._pending.append((path.name, number))
        if number is None:
            del self._names[path.name]
        else:
            self._names[path.name] = number

    def states(self) -> Iterator[Files]:
        """Every folder that the machine may find when the power is back, each once."""
        seen = set()
        for chosen in itertools.product((False, True), repeat=len(self._pending)):
            names = dict(self._durable_names)
            for (name, number), is_there in zip(self._pending, chosen, strict=True):
                if is_there and number is None:
                    names.pop(name, None)
                elif is_there and number is not None:
                    names[name] = number
            contents = [self._contents(number) for number in names.values()]
            for state in itertools.product(*contents):
                files = dict(zip(names, state, strict=True))
                identity = frozenset(files.items())
                if identity not in seen:
                    seen.add(identity)
                    yield files

    def _contents(self, number: int) -> list[bytes]:
        if number in self._synced:
            return [self._synced[number]]
        data = self._written[number]
        half = len(data) // 2 // _SECTOR * _SECTOR
        torn = [data[:length] for length in range(0, len(data), _SECTOR)]
        return [data, *torn, bytes(len(data)), data[:half] + bytes(len(data) - half)]


@pytest.fixture
def memory_disk() -> Iterator[Path]:
    """A folder where syncing costs nothing, for what does not depend on the real disk."""
    shared_memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared_memory if shared_memory.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture
def power_cut_disk() -> PowerCutDisk:
    return PowerCutDisk()
