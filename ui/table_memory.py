"""How the trader has arranged the columns of each table: JSON beside the other settings.

A file that cannot be read is put aside as `.bak`; what names a column that is gone counts for
nothing.
"""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from core.storage.durable import write_atomic

_LOG = logging.getLogger(__name__)
_FILE = "tables.json"


class ColumnChoice(msgspec.Struct, frozen=True):
    """By the columns' English titles. `order`: all of them; `widths` px; `sort`: "" for none."""

    order: tuple[str, ...] = ()
    widths: dict[str, int] = {}
    hidden: frozenset[str] = frozenset()
    sort: str = ""
    is_descending: bool = False


_kept: dict[str, ColumnChoice] = {}
_folder: Path | None = None


def load(folder: Path) -> None:
    """From now on the tables of this data directory."""
    global _folder  # noqa: PLW0603 (one screen, one file)
    _folder = folder
    _kept.clear()
    path = folder / _FILE
    try:
        _kept.update(msgspec.json.decode(path.read_bytes(), type=dict[str, ColumnChoice]))
    except FileNotFoundError:
        pass
    except (OSError, msgspec.MsgspecError) as fault:
        _LOG.info("the columns of the tables were unreadable (%s), kept as %s.bak", fault, _FILE)
        if path.exists():
            path.replace(path.with_name(_FILE + ".bak"))


def choice_of(table: str) -> ColumnChoice:
    return _kept.get(table, ColumnChoice())


def keep(table: str, choice: ColumnChoice) -> None:
    """A disk that refuses is logged; the next change tries again."""
    if choice == ColumnChoice():
        _kept.pop(table, None)
    else:
        _kept[table] = choice
    if _folder is not None:
        try:
            write_atomic(_folder / _FILE, msgspec.json.format(msgspec.json.encode(_kept)))
        except OSError as fault:
            _LOG.warning("the columns of %s could not be kept: %s", table, fault)
