"""What the window opens: dialogs, the log, the tour. None of it is imported before it
is wanted: the window stands first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PyQt6.QtWidgets import QMainWindow

from core.snapshots import AccountMode
from ui import preferences, setting_rows, tasks
from ui.alert_centre import AlertCentre
from ui.announcer import Announcer
from ui.bridge import Bridge
from ui.settings import ScreenSettings
from ui.tab_stack import TabStack
from ui.widgets.app_bar import AppBar

if TYPE_CHECKING:
    from ui.dialogs.add_bot import AddBotDialog
    from ui.dialogs.key_wizard import Keeper
    from ui.dialogs.tour import Tour
    from ui.widgets.log_panel import LogWindow
    from ui.workspace_desk import WorkspaceDesk


class WindowOpenings(QMainWindow):
    """The window's half that opens things; `MainWindow` arranges. Attribute: accounts, who adds
    some, if anybody does."""

    bridge: Bridge
    settings: ScreenSettings
    tab_stack: TabStack
    app_bar: AppBar
    workspaces: WorkspaceDesk
    alert_centre: AlertCentre
    announcer: Announcer
    accounts: Keeper | None = None
    _tour: Tour | None = None
    _log: LogWindow | None = None

    def add_bot(self, symbol: str = "") -> None:
        if not self.bridge.is_attached:
            self.announcer.tell_refusal("The engine is not connected. Nothing was sent.")
            return
        from ui.dialogs.add_bot import AddBotDialog  # not for the first paint

        dialog = AddBotDialog(self, self.bridge, symbol)
        tasks.spawn(self._add_bot(dialog))

    async def _add_bot(self, dialog: AddBotDialog) -> None:
        before = set(self.bridge.bots)
        if await dialog.ask_and_add() is not None:
            self._show_when_there(before)

    def _show_when_there(self, before: set[str]) -> None:
        """The new bot comes with a snapshot: then its tab opens."""

        def look() -> None:
            new = [bot_id for bot_id in self.bridge.bots if bot_id not in before]
            if new:
                self.bridge.snapshot_changed.disconnect(look)
                self.tab_stack.show_bot(new[0])

        self.bridge.snapshot_changed.connect(look)

    def open_shortcuts(self) -> None:
        from ui.dialogs.shortcuts import ShortcutsDialog  # not for the first paint

        ShortcutsDialog(self).open()

    def open_settings(self) -> None:
        """Ctrl+,: the dialog, and from it to what is set elsewhere."""
        from ui.dialogs.settings import SettingsDialog  # not for the first paint

        ways: list[tuple[str, Callable[[], object]]] = [
            ("Alerts and sounds", self.alert_centre.open_list),
            ("Keyboard shortcuts", self.open_shortcuts),
            ("Restore default window", self.restore_window),
            ("Show the tour", self.start_tour),
        ]
        if self.accounts is not None:
            ways.insert(0, ("Add an account…", self.add_account))
        tasks.spawn(SettingsDialog(self, self.settings, ways).ask())

    def open_log(self) -> None:
        """Ctrl+J: everything that was said, by level and words."""
        from ui.widgets.log_panel import LogWindow  # rare

        if self._log is None:
            self._log = LogWindow(self, self.bridge)
        self._log.show()
        self._log.raise_()
        self._log.activateWindow()

    def toggle_balances(self) -> None:
        """Ctrl+Shift+H: every amount and size as dots, or as it is."""
        hidden = not preferences.current().hides_balances
        setting_rows.prefer(self.settings, "hides_balances", on=hidden)

    def _open_layouts(self) -> None:
        button = self.app_bar.layouts
        self.workspaces.open_menu(button.mapToGlobal(button.rect().bottomLeft()))

    def offer_tour(self) -> None:
        """At the first start of the demo; never again by itself."""
        if self.bridge.mode() is AccountMode.DEMO and not self.settings.is_on(
            "tour/seen", default=False
        ):
            self.start_tour()

    def start_tour(self) -> None:
        """Six cards that point at the parts of this window."""
        from ui.dialogs.tour import Tour, window_stops  # once in a life, not for the first paint

        self.settings.set_on("tour/seen", True)
        last = self.tab_stack.last_bot
        if last:
            self.tab_stack.show_bot(last)
        tab = self.tab_stack.tabs.get(last)
        if self._tour is None:
            self._tour = Tour(self, window_stops(self.app_bar, tab))
            self._tour.ended.connect(self._forget_tour)

    def _forget_tour(self) -> None:
        self._tour = None

    def add_account(self) -> None:
        """The wizard for paper accounts and for keys."""
        from ui.dialogs.key_wizard import KeyWizard  # rare, and not for the first paint

        if self.accounts is not None:
            tasks.spawn(KeyWizard(self, self.accounts).ask())

    def restore_window(self) -> None:
        """To its default size and state."""
        raise NotImplementedError
