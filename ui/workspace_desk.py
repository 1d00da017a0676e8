"""What the trader does with workspaces: switch, save, name them; lock, arrange and restore panels.

The file is read when the first tab is made: the window stands before any layout is looked at.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from PyQt6.QtCore import QByteArray, QObject, QPoint, Qt, QTimer
from PyQt6.QtWidgets import QMenu

from core.commands import CommandResult
from ui import shortcuts, tasks
from ui.docks import Docks
from ui.i18n import tr
from ui.plain import caption
from ui.workspaces import FIRST, TabLayout, Workspace, WorkspaceFiles

if TYPE_CHECKING:
    from ui.main_window import MainWindow

_KEYS = 9  # Ctrl+1 to Ctrl+9
_SAVE_AFTER_MS = 1500  # of the last change: a crash takes no more along


class WorkspaceDesk(QObject):
    """Belongs to `window`. Attributes: files, name (the workspace in use)."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window, self._stack = window, window.tab_stack
        self.files = WorkspaceFiles(window.settings.folder / "workspaces")
        kept = window.settings.workspace
        self.name = kept if kept in self.files.names() else FIRST
        self._read: Workspace | None = None
        self._is_begun = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.save)
        self._stack.tab_made.connect(self._dress)
        self._stack.windows_changed.connect(self._save_soon)
        window.left.docks.changed.connect(self._save_soon)
        shortcuts.bind("save_workspace", window, self.save_and_tell)
        shortcuts.bind("lock_panels", window, self.toggle_lock)
        for number in range(1, _KEYS + 1):
            shortcuts.bind(f"workspace_{number}", window, partial(self.switch_to_number, number))

    # Reading and writing

    @property
    def _kept(self) -> Workspace:
        if self._read is None:
            self._read, problem = self.files.load(self.name)
            self._tell_problem(problem)
        return self._read

    def capture(self) -> Workspace:
        """The screen as it is now; tabs that were not opened stay as they were kept."""
        tabs = {i: kept for i, kept in self._kept.tabs.items() if i in self._window.bridge.bots}
        for bot_id, tab in self._stack.tabs.items():
            own = self._stack.windows.get(bot_id)
            place = own.saveGeometry().toHex().data().decode() if own is not None else ""
            tabs[bot_id] = layout_of(tab, place)
        return Workspace(self._stack.current, self._window.left.docks.layout_now(), tabs)

    def _save_soon(self) -> None:
        self._timer.start(_SAVE_AFTER_MS)

    def save(self) -> bool:
        """Keep the screen under its name; False and told where the disk refuses."""
        self._timer.stop()
        try:
            self._read = self.capture()
            self.files.save(self.name, self._read)
        except OSError as fault:
            tasks.announce(CommandResult(0, False, f"The workspace could not be kept: {fault}"))
            return False
        self._window.settings.workspace = self.name
        return True

    def save_and_tell(self) -> None:
        """Ctrl+S."""
        if self.save():
            text = tr("Workspace {name} is saved.", name=self.title(self.name))
            tasks.tell(CommandResult(0, True, text))

    @staticmethod
    def title(name: str) -> str:
        return tr("Main") if name == FIRST else name

    def _dress(self, bot_id: str, tab: Any) -> None:
        """A tab that is made stands as this workspace has kept it."""
        kept = self._kept.tabs.get(bot_id)
        if kept is not None:
            self._put_on(tab, kept, with_chart=False)
        docks = docks_of(tab)
        if docks is not None:
            docks.changed.connect(self._save_soon)
        if not self._is_begun:
            self._is_begun = True
            self._begin()

    def _begin(self) -> None:
        """With the first tab of a run: what stands beside it."""
        self._put_left()
        for bot_id, kept in self._kept.tabs.items():
            if kept.window and bot_id in self._window.bridge.bots:
                place = QByteArray.fromHex(kept.window.encode())
                tasks.spawn(_later(partial(self._stack.take_out, bot_id, place)))

    def _put_left(self) -> None:
        if not self._window.left.docks.restore(self._kept.left):
            self._tell_problem(self.files.keep_aside(self.name))

    def _put_on(self, tab: Any, kept: TabLayout, *, with_chart: bool) -> None:
        docks = docks_of(tab)
        if docks is None:
            return
        if not docks.restore(kept.panels):
            self._tell_problem(self.files.keep_aside(self.name))
        if hasattr(tab, "take_layout"):
            tab.take_layout(kept.timeframe, kept.chart if with_chart else None)

    def _tell_problem(self, problem: str) -> None:
        if problem:
            tasks.announce(CommandResult(0, False, problem))

    # Which one

    def switch(self, name: str) -> None:
        """Save this one and bring the other."""
        if name != self.name and name in self.files.names() and self.save():
            self._use(name)

    def switch_to_number(self, number: int) -> None:
        """Ctrl+1 to Ctrl+9."""
        names = self.files.names()
        if number <= len(names):
            self.switch(names[number - 1])

    def create(self, name: str) -> str:
        """A new one with the default layout; the reason (English) if it cannot be."""
        return self._create(name, Workspace())

    def duplicate(self, name: str) -> str:
        """A new one that looks as this; as `create`."""
        return self._create(name, self.capture())

    def _create(self, name: str, workspace: Workspace) -> str:
        no = self.files.refusal(name)
        if no or not self.save():
            return no
        try:
            self.files.save(name.strip(), workspace)
        except OSError as fault:
            return f"The workspace could not be kept: {fault}"
        self._use(name.strip())
        return ""

    def rename(self, name: str) -> str:
        """This one; the first keeps its name. As `create`."""
        no = self.files.refusal(name)
        if no or self.name == FIRST or not self.save():
            return no
        try:
            self.files.rename(self.name, name.strip())
        except OSError as fault:
            return f"The workspace could not be kept: {fault}"
        self.name = self._window.settings.workspace = name.strip()
        return ""

    def delete(self) -> None:
        """This one, and back to the first, which stays."""
        if self.name != FIRST:
            gone = self.name
            self._use(FIRST)
            self.files.delete(gone)

    def _use(self, name: str) -> None:
        self.name = self._window.settings.workspace = name
        self._read = None
        kept = self._kept
        self._put_left()
        for bot_id, tab in list(self._stack.tabs.items()):
            wanted = kept.tabs.get(bot_id, TabLayout())
            if not wanted.window:
                self._stack.bring_back(bot_id)
            self._put_on(tab, wanted, with_chart=True)
        for bot_id, wanted in kept.tabs.items():
            if wanted.window and bot_id in self._window.bridge.bots:
                self._stack.take_out(bot_id, QByteArray.fromHex(wanted.window.encode()))
        if kept.front in self._window.bridge.bots:
            self._window.show_bot(kept.front)
        elif kept.front in self._stack.pages:
            self._window.show_page(kept.front)

    # Panels of the tab in front

    @property
    def docks(self) -> Docks | None:
        """Those of the tab in front."""
        return docks_of(self._stack.tabs.get(self._stack.current))

    def toggle_lock(self) -> None:
        """Panels get heads to be moved by, or lose them."""
        docks = self.docks
        if docks is not None:
            docks.set_locked(not docks.is_locked)
            self._window.left.docks.set_locked(docks.is_locked)

    def restore_default(self) -> None:
        """Every panel of the tab in front, and the left column, as delivered."""
        for docks in (self.docks, self._window.left.docks):
            if docks is not None:
                docks.restore_default()
        self._stack.bring_back(self._stack.current)

    def take_out_tab(self) -> None:
        """The tab in front to a window of its own, or back."""
        name = self._stack.current
        if name in self._stack.windows:
            self._stack.bring_back(name)
        else:
            self._stack.take_out(name)

    # The menu

    def open_menu(self, where: QPoint) -> None:
        menu = self.make_menu()
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(where)

    def make_menu(self) -> QMenu:
        menu = QMenu(self._window)
        for number, name in enumerate(self.files.names(), 1):
            keys = f"\t{shortcuts.keys_of(f'workspace_{number}')}" if number <= _KEYS else ""
            _add(
                menu,
                caption(self.title(name)) + keys,
                partial(self.switch, name),
                name == self.name,
            )
        menu.addSeparator()
        keys = shortcuts.keys_of("save_workspace")
        _add(menu, f"{tr('Save the workspace')}\t{keys}", self.save_and_tell)
        _add(menu, tr("New workspace…"), partial(self._ask, "New workspace", self.create))
        _add(menu, tr("Duplicate…"), partial(self._ask, "Duplicate the workspace", self.duplicate))
        if self.name != FIRST:
            _add(menu, tr("Rename…"), partial(self._ask, "Rename the workspace", self.rename))
            _add(menu, tr("Delete…"), self._ask_delete)
        docks = self.docks
        if docks is not None:
            menu.addSeparator()
            keys = shortcuts.keys_of("lock_panels")
            _add(menu, f"{tr('Lock panels')}\t{keys}", self.toggle_lock, docks.is_locked)
            for whole in (docks, self._window.left.docks):
                for name in whole.names:
                    self._add_panel(menu, whole, name)
        if self._stack.current in self._stack.tabs:
            menu.addSeparator()
            self._add_window(menu, self._stack.current)
        menu.addSeparator()
        _add(menu, tr("Restore default layout"), self.restore_default)
        return menu

    def open_tab_menu(self, bot_id: str, where: QPoint) -> None:
        """Of a tab in the bar."""
        menu = QMenu(self._window)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._add_window(menu, bot_id)
        menu.popup(where)

    def _add_window(self, menu: QMenu, bot_id: str) -> None:
        if bot_id in self._stack.windows:
            _add(menu, tr("Bring the tab back"), partial(self._stack.bring_back, bot_id))
        else:
            _add(menu, tr("Tab to its own window"), partial(self._stack.take_out, bot_id))

    @staticmethod
    def _add_panel(menu: QMenu, docks: Docks, name: str) -> None:
        inside = menu.addMenu(tr(docks.title_of(name)))
        if inside is None:
            return
        shown = docks.is_open(name)
        hide = partial(docks.close_panel if shown else docks.put_back, name)
        _add(inside, tr("Show"), hide, shown)
        if docks.is_floating(name):
            _add(inside, tr("Bring back"), partial(docks.put_back, name))
        else:
            _add(inside, tr("To its own window"), partial(docks.take_out, name))

    def _ask(self, title: str, do: Any) -> None:
        from ui.dialogs.workspace_name import WorkspaceName  # rare

        tasks.spawn(WorkspaceName(self._window, title, do).ask())

    def _ask_delete(self) -> None:
        from ui.dialogs import questions

        async def ask() -> None:
            sheet = questions.delete_workspace(self._window, self.title(self.name))
            if await sheet.ask() == questions.GO:
                self.delete()

        tasks.spawn(ask())


def docks_of(tab: Any) -> Docks | None:
    """None for a tab whose panels do not move."""
    return getattr(tab, "docks", None)


def layout_of(tab: Any, window: str = "") -> TabLayout:
    docks = docks_of(tab)
    if docks is None:
        return TabLayout(window=window)
    if not hasattr(tab, "take_layout"):  # a tab without a chart
        return TabLayout(docks.layout_now(), window=window)
    return TabLayout(docks.layout_now(), tab.timeframe, tab.chart.layout_now(), window)


def _add(menu: QMenu, text: str, do: Any, checked: bool | None = None) -> None:
    action = menu.addAction(text)
    if action is not None:
        if checked is not None:
            action.setCheckable(True)
            action.setChecked(checked)
        action.triggered.connect(lambda _on: do())


async def _later(do: Any) -> None:
    """In the next turn of the loop."""
    do()
