"""Every keyboard shortcut of the screen, in one table: bound, listed, and the trader's to change.

A part asks for its shortcut by name, so what the list shows is what the keys do. Changes are kept
as JSON beside the other settings; a file that cannot be read is put aside as `.bak`. No single
unmodified key may ever send or cancel an order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec
from PyQt6 import sip
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QKeySequence, QShortcut
from PyQt6.QtWidgets import QWidget

from core.storage.durable import write_atomic

_LOG = logging.getLogger(__name__)
_FILE = "shortcuts.json"


class Shortcut(msgspec.Struct, frozen=True):
    """`text` and `group` are English; `trades` tells that it may send or cancel something."""

    keys: str
    text: str
    group: str
    trades: bool = False


WINDOW, TRADING, TABLES, CHART = "Window", "Trading", "Tables", "Chart"

SHORTCUTS = {
    "palette": Shortcut("Ctrl+K", "Search or run", WINDOW),
    "shortcuts": Shortcut("F1", "Keyboard shortcuts", WINDOW),
    "left": Shortcut("Ctrl+B", "Bots and watchlist", WINDOW),
    "right": Shortcut("F9", "Position and order", WINDOW),
    "log": Shortcut("Ctrl+J", "The log, by level and words", WINDOW),
    "settings": Shortcut("Ctrl+,", "Settings", WINDOW),
    "hide_balances": Shortcut("Ctrl+Shift+H", "Hide balances, and show them", WINDOW),
    "full_screen": Shortcut("F11", "Full screen", WINDOW),
    "next_bot": Shortcut("Ctrl+Tab", "Next bot", WINDOW),
    "save_workspace": Shortcut("Ctrl+S", "Save the workspace", WINDOW),
    "lock_panels": Shortcut("Ctrl+Shift+L", "Lock or move panels", WINDOW),
    **{f"workspace_{n}": Shortcut(f"Ctrl+{n}", f"Workspace {n}", WINDOW) for n in range(1, 10)},
    "kill": Shortcut("Ctrl+Shift+K", "Kill switch, pressed twice", TRADING, trades=True),
    "cancel_symbol": Shortcut("Ctrl+Shift+X", "Cancel the symbol's orders", TRADING, trades=True),
    "search_table": Shortcut("Ctrl+F", "Search in the table", TABLES),
    "export_table": Shortcut("Ctrl+E", "Export the table", TABLES),
    "copy_trail": Shortcut("Ctrl+Shift+C", "Copy the trail", TABLES),
    "reset_chart": Shortcut("Alt+R", "Reset the chart", CHART),
    "expand_chart": Shortcut("Alt+Return", "Chart alone, and back", CHART),
}
# Keys that a part handles itself, because they mean something only where the focus is.
FIXED = (
    Shortcut("Space", "Start or pause the bot in front; asks when live", TRADING),
    Shortcut("Return", "Why: the trail of the row", TABLES),
    Shortcut("F2", "Change the cell in place", TABLES),
    Shortcut("Del", "Cancel or close the row; asks", TABLES),
    Shortcut("Ctrl+C", "Copy the row", TABLES),
    Shortcut("Left / Right", "One bar; with Ctrl further", CHART),
    Shortcut("Up / Down", "Zoom", CHART),
    Shortcut("0-9", "Interval", CHART),
    Shortcut("A-Z", "Search a symbol", CHART),
    Shortcut("/", "Indicators", CHART),
    Shortcut("Alt+L / P / I", "Log, percent and inverted scale", CHART),
    Shortcut("Alt+G", "Go to date", CHART),
    Shortcut("Alt+S", "Save a picture of the chart", CHART),
    Shortcut("Alt+T / H / V / C / F", "Trend, level, upright, cross and fibonacci lines", CHART),
    Shortcut("Shift+drag", "Measure", CHART),
    Shortcut("Ctrl+drag", "Copy a drawing", CHART),
    Shortcut("Ctrl+Z / Ctrl+Y", "Undo and redo a drawing", CHART),
    Shortcut("Ctrl+Alt+H", "Hide all drawings", CHART),
    Shortcut("Enter / Esc", "Confirm or discard a moved line", CHART),
)

_own: dict[str, str] = {}
_folder: Path | None = None
_bound: dict[str, list[QShortcut]] = {}


def keys_of(name: str) -> str:
    return _own.get(name, SHORTCUTS[name].keys)


def bind(
    name: str,
    parent: QWidget,
    do: Callable[[], object],
    *,
    local: bool = False,
    everywhere: bool = False,
) -> None:
    """`local`: only while the focus is inside `parent`; `everywhere`: in all our windows."""
    made = QShortcut(QKeySequence(keys_of(name)), parent)
    if local:
        made.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
    elif everywhere:
        made.setContext(Qt.ShortcutContext.ApplicationShortcut)
    made.activated.connect(do)
    living = [one for one in _bound.get(name, []) if not sip.isdeleted(one)]
    _bound[name] = [*living, made]


def load(folder: Path) -> None:
    """The trader's own keys from `folder`; nonsense in the file counts for nothing."""
    global _folder  # noqa: PLW0603 (one keyboard, one table)
    _folder = folder
    _own.clear()
    path = folder / _FILE
    try:
        wanted = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        wanted = {}
    except (OSError, msgspec.DecodeError) as error:
        _LOG.info("shortcuts were unreadable (%s), kept as %s.bak", error, _FILE)
        wanted = {}
        if path.exists():
            path.replace(path.with_name(_FILE + ".bak"))
    for name, keys in wanted.items():
        if name in SHORTCUTS and not refusal(name, keys):
            _own[name] = keys
    _rebind()


def assign(name: str, keys: str) -> str:
    """Give a shortcut other keys, at once and for good; the reason (English) if they cannot be."""
    no = refusal(name, keys)
    if not no:
        _own[name] = keys
        _save()
    return no


def reset() -> None:
    """Every shortcut as it was delivered."""
    _own.clear()
    _save()


def refusal(name: str, keys: str) -> str:
    """Why `name` cannot have `keys`, in English; "" if it can."""
    wanted = QKeySequence(keys)
    if wanted.isEmpty() or wanted.count() != 1:
        return "Press one key, with or without Ctrl, Alt or Shift"
    plain = wanted[0].keyboardModifiers() in (
        Qt.KeyboardModifier.NoModifier,
        Qt.KeyboardModifier.ShiftModifier,
    )
    if plain and SHORTCUTS[name].trades:
        return "A single key may not send or cancel an order"
    for other, entry in SHORTCUTS.items():
        if other != name and QKeySequence(keys_of(other)) == wanted:
            return f"Taken by: {entry.text}"
    for entry in FIXED:
        if QKeySequence(entry.keys) == wanted:
            return f"Taken by: {entry.text}"
    return ""


def _save() -> None:
    _rebind()
    if _folder is not None:
        write_atomic(_folder / _FILE, msgspec.json.format(msgspec.json.encode(_own)))


def _rebind() -> None:
    for name, shortcuts in _bound.items():
        for one in shortcuts:
            if not sip.isdeleted(one):
                one.setKey(QKeySequence(keys_of(name)))
