"""What the command palette offers: pages, bots, symbols, looks and actions of the window."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from ui import i18n, shortcuts, theme
from ui.i18n import tr
from ui.look import SCHEMES, THEMES, apply_look
from ui.tabs import PAGES

if TYPE_CHECKING:
    from ui.main_window import MainWindow


class Entry(msgspec.Struct, frozen=True):
    """`text` and `hint` in the trader's language; `keys` as a key sequence."""

    text: str
    hint: str
    do: Callable[[], object]
    keys: str = ""


def entries_of(window: MainWindow) -> list[Entry]:
    """In the order in which they are offered while nothing is typed."""
    return [
        *_bots(window), *_pages(window), *_actions(window), *_layouts(window), *_looks(window),
        *_symbols(window),
    ]  # fmt: skip


def _bots(window: MainWindow) -> list[Entry]:
    return [
        Entry(link.latest.title, tr("Bot"), partial(window.show_bot, bot_id))
        for bot_id, link in window.bridge.bots.items()
    ]


def _pages(window: MainWindow) -> list[Entry]:
    return [
        Entry(tr(page.title), tr("Page"), partial(window.show_page, page.title)) for page in PAGES
    ]


def _actions(window: MainWindow) -> list[Entry]:
    named = {
        "left": window.toggle_left,
        "right": window.toggle_right,
        "full_screen": window.toggle_full_screen,
        "shortcuts": window.open_shortcuts,
        "settings": window.open_settings,
        "log": window.open_log,
        "hide_balances": window.toggle_balances,
    }
    offered = [
        Entry(tr(shortcuts.SHORTCUTS[name].text), tr("Window"), do, shortcuts.keys_of(name))
        for name, do in named.items()
    ]
    if window.accounts is not None:
        offered.append(Entry(tr("Add an account…"), tr("Account"), window.add_account))
    return [
        Entry(tr("Add a bot"), tr("Bot"), window.add_bot),
        Entry(tr("Alerts"), tr("Window"), window.alert_centre.open_list),
        *offered,
        Entry(tr("Show the tour"), tr("Window"), window.start_tour),
    ]


def _layouts(window: MainWindow) -> list[Entry]:
    desk = window.workspaces
    named = {"save_workspace": desk.save_and_tell, "lock_panels": desk.toggle_lock}
    offered = [
        Entry(tr(shortcuts.SHORTCUTS[name].text), tr("Layout"), do, shortcuts.keys_of(name))
        for name, do in named.items()
    ]
    docks = desk.docks
    if docks is not None:
        offered += [
            Entry(f"{tr(docks.title_of(name))}: {tr('To its own window')}", tr("Layout"),
                  partial(docks.take_out, name))
            for name in docks.names
        ]  # fmt: skip
    return [
        *(
            Entry(desk.title(name), tr("Workspace"), partial(desk.switch, name))
            for name in desk.files.names()
            if name != desk.name
        ),
        *offered,
        Entry(tr("Tab to its own window"), tr("Layout"), desk.take_out_tab),
        Entry(tr("Restore default layout"), tr("Layout"), desk.restore_default),
    ]


def _looks(window: MainWindow) -> list[Entry]:
    def look(name: str, scheme: str) -> None:
        window.settings.theme, window.settings.colours = name, scheme
        apply_look(name, scheme)

    def speak(language: str) -> None:
        window.settings.language = language
        i18n.use(language)

    scheme, name = theme.current().scheme, theme.current().name
    return [
        *(Entry(tr(text), tr("Theme"), partial(look, n, scheme)) for n, text in THEMES.items()),
        *(
            Entry(tr(text), tr("Market colours"), partial(look, name, s))
            for s, text in SCHEMES.items()
        ),
        *(Entry(text, tr("Language"), partial(speak, c)) for c, text in i18n.LANGUAGES.items()),
    ]


def _symbols(window: MainWindow) -> list[Entry]:
    """Those with a price: its bot if there is one, else the wizard for one."""
    snapshot = window.bridge.snapshot
    rows = snapshot.tickers if snapshot is not None else []
    return [
        Entry(row.ticker.symbol, tr("Symbol"), partial(window.open_symbol, row.ticker.symbol))
        for row in rows
    ]


def matching(entries: list[Entry], typed: str) -> list[Entry]:
    """Those that hold every typed word; names that begin with it come first."""
    words = typed.casefold().split()
    if not words:
        return entries

    def place(entry: Entry) -> tuple[int, int] | None:
        text = f"{entry.text} {entry.hint}".casefold()
        if not all(word in text for word in words):
            return None
        return (text.find(words[0]), len(entry.text))

    placed = [(found, entry) for entry in entries if (found := place(entry)) is not None]
    return [entry for _, entry in sorted(placed, key=lambda pair: pair[0])]
