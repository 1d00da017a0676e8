"""What the trader prefers beside look and language, for painters and models that read it as they
work: hidden balances, less motion, fewer questions, whose clock.

One value each for the whole program, as there is one theme and one language. `use` takes them from
the settings; a change is followed by `i18n.use`, which writes everything on the screen anew.
"""

from __future__ import annotations

from datetime import UTC, tzinfo

import msgspec
from PyQt6.QtCore import QObject, pyqtSignal


class Preferences(msgspec.Struct, frozen=True):
    """`asks_less`: closing and cancelling with the mouse, where no real money is in it, asks no
    question. `in_account_zone`: times of day in the first account's zone, else UTC."""

    hides_balances: bool = False
    reduces_motion: bool = False
    asks_less: bool = False
    in_account_zone: bool = False


class _Signals(QObject):
    changed = pyqtSignal()


_signals = _Signals()
changed = _signals.changed
"""Bound signal without arguments."""

_current = Preferences()
_zone: tzinfo = UTC


def current() -> Preferences:
    return _current


def use(preferences: Preferences) -> None:
    """From now on these; says so where they are others."""
    global _current  # noqa: PLW0603 - one screen, one trader
    if preferences != _current:
        _current = preferences
        changed.emit()


def set_account_zone(zone: tzinfo) -> None:
    """The first account's, as the engine tells it."""
    global _zone  # noqa: PLW0603 - as above
    if zone != _zone:
        _zone = zone
        if _current.in_account_zone:
            changed.emit()


def zone() -> tzinfo:
    """The clock that times on the screen are read by."""
    return _zone if _current.in_account_zone else UTC
