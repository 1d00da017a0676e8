"""Who goes first when the exchange allows less than everybody wants.

The class of a request follows from what it does (`published_limits` has the usual one of each
family); who asks comes from the task that asks, because a port's questions are the same whichever
bot is behind them. Both travel with the task (`contextvars`): no port needs an argument for it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple


class Priority(enum.IntEnum):
    """Smaller goes first."""

    EXIT = 0  # cancels, closes, protective stops: what makes a position safer
    ORDER = 1
    RECONCILIATION = 2  # orders, fills, positions and balance read
    DATA = 3  # prices and candles
    DOWNLOAD = 4  # history nobody waits for


class _Asker(NamedTuple):
    """`at_least` never lets a request climb: a download's page is a download, whoever sends it."""

    owner: str = ""
    at_least: Priority = Priority.EXIT


_NOBODY = _Asker()
_asker: ContextVar[_Asker] = ContextVar("asker", default=_NOBODY)


@contextmanager
def asking_for(owner: str, at_least: Priority = Priority.EXIT) -> Iterator[None]:
    """Requests made inside, and by tasks started inside, are `owner`'s (a bot's id): within a
    class owners take turns. `at_least` lowers every one of them to that class."""
    token = _asker.set(_Asker(owner, at_least))
    try:
        yield
    finally:
        _asker.reset(token)


def current_owner() -> str:
    """ "" outside of `asking_for`."""
    return _asker.get().owner


def lowered(priority: Priority) -> Priority:
    """`priority`, or the lower one that this task's requests have to take."""
    return max(priority, _asker.get().at_least)
