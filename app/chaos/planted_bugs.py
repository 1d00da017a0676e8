"""Bugs on purpose, each switched on alone: the harness has to find them, or it proves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

BUGS: dict[str, tuple[str, Callable[[ExitStack], None]]] = {}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """With that bug in the engine; "" is none."""
    with ExitStack() as undo:
        if name:
            BUGS[name][1](undo)
        yield
