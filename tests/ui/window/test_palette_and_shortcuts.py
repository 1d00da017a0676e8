"""The command palette, and the one table of keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QAction, QKeySequence, QShortcut
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication

from ui import shortcuts, theme
from ui.dialogs.palette import Palette
from ui.dialogs.shortcuts import ShortcutsDialog
from ui.main_window import MainWindow
from ui.palette_entries import Entry, matching


@pytest.fixture(autouse=True)
def delivered(tmp_path: Path) -> Iterator[None]:
    shortcuts.load(tmp_path)
    yield
    shortcuts.load(tmp_path / "nowhere")


@pytest.fixture
async def open_window(make_window, until):
    async def opened() -> MainWindow:
        window = make_window()
        await until(lambda: window._tabs)
        return window

    return opened


async def palette_of(window: MainWindow, until) -> Palette:
    window.open_palette()
    await until(lambda: window.findChildren(Palette))
    return window.findChildren(Palette)[0]


async def test_the_palette_opens_a_page_by_a_few_letters(open_window, until) -> None:
    window = await open_window()
    palette = await palette_of(window, until)
    QTest.keyClicks(palette.field, "capi")
    QTest.keyClick(palette.field, Qt.Key.Key_Return)
    await until(lambda: window._current == "Capital")
    await until(lambda: not window.findChildren(Palette))


async def test_the_palette_switches_the_theme_and_arrows_move_in_it(open_window, until) -> None:
    window = await open_window()
    palette = await palette_of(window, until)
    QTest.keyClick(palette.field, Qt.Key.Key_Down)
    assert palette.list.currentRow() == 1
    QTest.keyClicks(palette.field, "theme light")
    QTest.keyClick(palette.field, Qt.Key.Key_Return)
    await until(lambda: theme.current().name == "light")
    assert window.settings.theme == "light"


async def test_the_palette_says_when_nothing_fits(open_window, until) -> None:
    palette = await palette_of(await open_window(), until)
    QTest.keyClicks(palette.field, "xyzzy")
    assert palette.list.count() == 0
    QTest.keyClick(palette.field, Qt.Key.Key_Return)
    assert palette.isVisible()
    palette.reject()


def test_names_that_begin_with_the_letters_come_first() -> None:
    def names(typed: str) -> list[str]:
        return [entry.text for entry in matching(entries, typed)]

    entries = [Entry(text, "Symbol", lambda: None) for text in ("1000BTT", "BTCUSDT", "ETHBTC")]
    assert names("btc") == ["BTCUSDT", "ETHBTC"]
    assert names("") == ["1000BTT", "BTCUSDT", "ETHBTC"]
    assert names("sym eth") == ["ETHBTC"]


async def test_ux_79_every_key_is_in_the_table_and_no_two_are_the_same(open_window, until) -> None:
    window = await open_window()
    window.show_page("Trail")
    QApplication.processEvents()
    known = {QKeySequence(shortcuts.keys_of(n)).toString() for n in shortcuts.SHORTCUTS}
    known |= {QKeySequence(entry.keys).toString() for entry in shortcuts.FIXED}
    used = {s.key().toString() for s in window.findChildren(QShortcut)}
    used |= {a.shortcut().toString() for a in window.findChildren(QAction) if a.shortcut()}
    assert used - known - {""} == set()
    listed = [shortcuts.keys_of(name) for name in shortcuts.SHORTCUTS]
    listed += [entry.keys for entry in shortcuts.FIXED]
    assert [keys for keys, count in Counter(listed).items() if count > 1] == []


async def test_ux_79_new_keys_count_at_once_and_after_a_restart(open_window, tmp_path) -> None:
    window = await open_window()
    assert shortcuts.assign("left", "Ctrl+L") == ""
    keys = {s.key().toString() for s in window.findChildren(QShortcut)}
    assert "Ctrl+L" in keys
    assert "Ctrl+B" not in keys
    shortcuts.load(tmp_path)
    assert shortcuts.keys_of("left") == "Ctrl+L"
    shortcuts.reset()
    assert shortcuts.keys_of("left") == "Ctrl+B"


@pytest.mark.parametrize(
    ("name", "keys", "reason"),
    [
        ("left", "Ctrl+K", "Taken by: Search or run"),
        ("left", "Space", "Taken by: Start or pause"),
        ("cancel_symbol", "X", "A single key may not send or cancel an order"),
        ("kill", "Shift+K", "A single key may not send or cancel an order"),
        ("left", "", "Press one key"),
    ],
)
def test_keys_that_would_be_a_trap_are_refused(qapp, name: str, keys: str, reason: str) -> None:
    before = shortcuts.keys_of(name)
    assert shortcuts.assign(name, keys).startswith(reason)
    assert shortcuts.keys_of(name) == before


@pytest.mark.parametrize(
    "content", [b"\xff{", b'{"left": 5}', b'{"kill": "K", "nobody": "Ctrl+Y"}']
)
def test_a_broken_file_of_keys_never_counts(qapp, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "shortcuts.json").write_bytes(content)
    shortcuts.load(tmp_path)
    assert shortcuts.keys_of("left") == "Ctrl+B"
    assert shortcuts.keys_of("kill") == "Ctrl+Shift+K"


async def test_the_dialog_lists_all_and_refuses_with_the_reason(open_window, until) -> None:
    window = await open_window()
    window.open_shortcuts()
    await until(lambda: window.findChildren(ShortcutsDialog))
    dialog = window.findChildren(ShortcutsDialog)[0]
    assert set(dialog.fields) == set(shortcuts.SHORTCUTS)
    field = dialog.fields["left"]
    field.setKeySequence(QKeySequence("Ctrl+K"))
    field.editingFinished.emit()
    assert dialog.problem.text() == "Ctrl+K: Taken by: Search or run"
    assert field.keySequence().toString() == "Ctrl+B"
    dialog.finish_with("")
