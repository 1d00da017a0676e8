"""Panels in the hands of the docking library: moved, tabbed, closed, in windows of their own.

PyQt6Ads (the Qt Advanced Docking System), and not Qt's `QDockWidget`: that one can neither nest
columns beside a chart that is a dock itself nor take one of several tabs out, and it draws a head
on every panel, which the design does not have. `ui.docks` alone imports this, when it is needed.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import PyQt6Ads as Ads
from PyQt6.QtCore import QByteArray, QSize, pyqtSignal
from PyQt6.QtWidgets import QScrollArea, QSplitter, QVBoxLayout, QWidget

from ui import icons
from ui.i18n import tr
from ui.panel_layouts import GUTTER, Arrangement, bring_inside, is_sound, place_of, shared

_FLAG = Ads.CDockManager.eConfigFlag
_FEATURE = Ads.CDockWidget.DockWidgetFeature
_AREA = Ads.DockWidgetArea
_BARE = Ads.CDockWidget.eInsertMode.ForceNoScrollArea
_LEAST = QSize(320, 200)  # of a panel's own window


@functools.cache
def _configure() -> None:
    """Once, before the first manager; our stylesheet draws everything."""
    for flag in (
        _FLAG.OpaqueSplitterResize,
        _FLAG.DockAreaHasUndockButton,
        _FLAG.DockAreaHasCloseButton,
        _FLAG.DockAreaHideDisabledButtons,
        _FLAG.DockAreaCloseButtonClosesTab,
        _FLAG.DoubleClickUndocksWidget,
        _FLAG.FloatingContainerHasWidgetTitle,
        _FLAG.DisableStylesheet,
    ):
        Ads.CDockManager.setConfigFlag(flag, True)
    for flag in (
        _FLAG.XmlCompressionEnabled,
        _FLAG.ActiveTabHasCloseButton,
        _FLAG.DockAreaHasTabsMenuButton,
        _FLAG.FloatingContainerHasWidgetIcon,
    ):
        Ads.CDockManager.setConfigFlag(flag, False)
    look = Ads.CDockManager.iconProvider()
    for which, name in (
        (Ads.eIcon.DockAreaUndockIcon, "maximize-2"),
        (Ads.eIcon.DockAreaCloseIcon, "x"),
        (Ads.eIcon.TabCloseIcon, "x"),
    ):
        look.registerCustomIcon(which, icons.icon(name, "t3"))


class DockSite(QWidget):
    """`panels` and their English `titles` by name; `home` is where a panel returns to, `elastic`
    what takes the room a window grows by; windows of panels are named after `caption`.

    Signals: moved() when the trader has moved something; returned() when a panel came back.
    """

    moved = pyqtSignal()
    returned = pyqtSignal()

    def __init__(
        self,
        panels: Mapping[str, QWidget],
        titles: Mapping[str, str],
        home: Arrangement,
        elastic: str,
        caption: str,
    ) -> None:
        super().__init__()
        _configure()
        self._panels, self._titles = panels, titles
        self._home, self._elastic, self._caption = home, elastic, caption
        self._is_busy, self._is_locked = False, True
        self._docks: dict[str, Ads.CDockWidget] = {}
        self._manager = Ads.CDockManager(self)
        # On Linux it changes a window's flags whenever ours is activated, which hides that window
        # everywhere but under X11; a window manager keeps it above its owner anyway.
        self.removeEventFilter(self._manager)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(self._manager)
        with self._by_ourselves():
            for name in panels:
                self._docks[name] = self._make_dock(name)
        self._manager.dockAreasAdded.connect(self._take_change)
        self._manager.dockAreasRemoved.connect(self._take_change)

    def _make_dock(self, name: str) -> Ads.CDockWidget:
        """With an empty widget as yet: a panel that is moved about is styled anew each time."""
        dock = Ads.CDockWidget(tr(self._titles[name]))
        dock.setObjectName(name)
        dock.setWidget(QWidget(), _BARE)
        dock.setFeature(_FEATURE.CustomCloseHandling, True)
        dock.closeRequested.connect(lambda: self._close(name))
        dock.topLevelChanged.connect(lambda _floats: self._take_change())
        self._manager.addDockWidget(_AREA.RightDockWidgetArea, dock)
        return dock

    # The whole

    def apply(self, layout: str) -> bool:
        """Once, at the beginning. False: it is not a layout of these panels."""
        if not is_sound(layout, self._docks):
            return False
        lines = self.layout()
        if lines is not None:
            lines.activate()  # sizes are px of what there is
        with self._by_ourselves():
            ok = self._manager.restoreState(QByteArray(layout.encode()))
            ok = ok and all(dock.dockAreaWidget() for dock in self._docks.values())
            if not ok:
                return False
            for name, dock in self._docks.items():
                empty = dock.takeWidget()
                if empty is not None:
                    empty.deleteLater()
                dock.setWidget(self._panels[name], _BARE)
                self._panels[name].show()
            for window in self._manager.floatingWidgets():
                if any(not dock.isClosed() for dock in window.dockWidgets()):
                    bring_inside(window)
                    window.show()
        self._settle()
        return True

    def layout_now(self) -> str:
        text: str = self._manager.saveState().data().decode()
        return text

    def release(self) -> None:
        """The panels leave, for another layout; nothing of this one stays on any screen."""
        self._is_busy = True
        for dock in self._docks.values():
            dock.takeWidget()
        for window in self._manager.floatingWidgets():
            window.hide()

    def set_locked(self, locked: bool) -> None:
        """Locked, panels have no heads and cannot be moved; borders between them still can."""
        self._is_locked = locked
        self._settle()

    def retitle(self, caption: str) -> None:
        self._caption = caption
        self._settle()

    # One panel

    def is_floating(self, name: str) -> bool:
        return self._docks[name].isInFloatingContainer()

    def is_open(self, name: str) -> bool:
        return not self._docks[name].isClosed()

    def take_out(self, name: str) -> None:
        dock = self._docks[name]
        window = dock.window()
        if dock.isInFloatingContainer() and window is not None:
            window.raise_()
            return
        size = _size_alone(self._panels[name])
        front = [one for one in self.front_panels() if one != name]
        with self._by_ourselves():
            dock.toggleView(True)
            dock.setFeature(_FEATURE.DockWidgetFloatable, True)
            dock.setFloating()
            for one in front:
                self.bring_to_front(one)
            window = dock.window()
            if window is not None:
                window.resize(size.expandedTo(_LEAST))
                bring_inside(window)
        self._settle()

    def put_back(self, name: str) -> None:
        dock = self._docks[name]
        with self._by_ourselves():
            if dock.isInFloatingContainer():
                self._dock_at_home(name)
            else:
                dock.toggleView(True)  # the library has kept its place
        self._settle()

    def show_panel(self, name: str, shown: bool) -> None:
        """Not a change of the trader's."""
        with self._by_ourselves():
            self._docks[name].toggleView(shown)
        self._settle()

    def front_panels(self) -> list[str]:
        return [name for name, dock in self._docks.items() if dock.isCurrentTab()]

    def bring_to_front(self, name: str) -> None:
        self._docks[name].setAsCurrentTab()

    # Inside

    @contextmanager
    def _by_ourselves(self) -> Iterator[None]:
        before, self._is_busy = self._is_busy, True
        try:
            yield
        finally:
            self._is_busy = before

    def _take_change(self) -> None:
        """Something was moved: by the trader, unless we are at it."""
        if not self._is_busy:
            self._settle()
            self.moved.emit()

    def _close(self, name: str) -> None:
        """The cross of a window brings its panel back, that of a docked panel closes it."""
        if self.is_floating(name):
            self.put_back(name)
            self.returned.emit()
        else:
            self.show_panel(name, False)
            self.moved.emit()

    def _dock_at_home(self, name: str) -> None:
        stripe, cell = place_of(self._home, name)
        dock = self._docks[name]
        together = [n for n in self._home[stripe].cells[cell].names if n != name]
        column = [n for c in self._home[stripe].cells for n in c.names]
        place = column.index(name)
        above = [n for n in reversed(column[:place]) if self._is_at_home(n)]
        below = [n for n in column[place + 1 :] if self._is_at_home(n)]
        if friend := next((n for n in together if self._is_at_home(n)), None):
            self._manager.addDockWidgetTabToArea(dock, self._docks[friend].dockAreaWidget())
        elif above:
            self._dock_beside(dock, above[0], _AREA.BottomDockWidgetArea)
        elif below:
            self._dock_beside(dock, below[0], _AREA.TopDockWidgetArea)
        else:
            side = _AREA.LeftDockWidgetArea if stripe == 0 else _AREA.RightDockWidgetArea
            self._manager.addDockWidget(side, dock)
        dock.toggleView(True)
        self._give_home_sizes(column)

    def _dock_beside(self, dock: Ads.CDockWidget, name: str, side: Ads.DockWidgetArea) -> None:
        """The columns keep their widths, which the library forgets for a column of one."""
        area = self._docks[name].dockAreaWidget()
        splitter = area.parentSplitter() if area is not None else None
        sizes = splitter.sizes() if splitter is not None else []
        self._manager.addDockWidget(side, dock, area)
        if splitter is not None and splitter.count() == len(sizes):
            splitter.setSizes(sizes)

    def _is_at_home(self, name: str) -> bool:
        dock = self._docks[name]
        return not dock.isClosed() and not dock.isInFloatingContainer()

    def _give_home_sizes(self, column: list[str]) -> None:
        """A panel that comes back takes its own height, from the one that stretches."""
        heights = {n: c.height for s in self._home for c in s.cells for n in c.names}
        at_home = [self._docks[n] for n in column if self._is_at_home(n)]
        area = at_home[0].dockAreaWidget()
        splitter = area.parentSplitter() if area is not None else None
        if area is None or splitter is None or splitter.count() < 2:
            return
        found = {splitter.indexOf(dock.dockAreaWidget()): dock.objectName() for dock in at_home}
        if set(found) != set(range(splitter.count())):
            return  # the trader has nested it otherwise
        wanted = [heights[found[i]] for i in range(splitter.count())]
        self._manager.setSplitterSizes(area, shared(wanted, self._manager.height()))

    def _settle(self) -> None:
        """What the library forgets with each change: heads, features, what grows, what tells."""
        for name, dock in self._docks.items():
            floats = dock.isInFloatingContainer()
            for feature in (
                _FEATURE.DockWidgetMovable,
                _FEATURE.DockWidgetFloatable,
                _FEATURE.DockWidgetClosable,
            ):
                dock.setFeature(feature, not self._is_locked or floats)
            title = tr(self._titles[name])
            named = f"{title} · {self._caption}" if floats and self._caption else title
            if dock.windowTitle() != named:
                dock.setWindowTitle(named)
            area = dock.dockAreaWidget()
            if area is not None:
                flag = Ads.CDockAreaWidget.eDockAreaFlag.HideSingleWidgetTitleBar
                area.setDockAreaFlag(flag, self._is_locked)
        growing = self._docks.get(self._elastic)
        for splitter in self._manager.findChildren(QSplitter):
            if splitter.property("heard") is None:
                splitter.setProperty("heard", True)
                splitter.setHandleWidth(GUTTER)
                splitter.splitterMoved.connect(lambda _at, _i: self._take_change())
            parts = [splitter.widget(i) for i in range(splitter.count())]
            grows = [part is not None and part.isAncestorOf(growing) for part in parts]
            for i, does in enumerate(grows):
                last = i == len(parts) - 1
                splitter.setStretchFactor(i, int(does or (last and not any(grows))))


def _size_alone(panel: QWidget) -> QSize:
    """As large as it stands; one that scrolls is no higher than what is in it."""
    size = panel.size()
    inside = panel.widget() if isinstance(panel, QScrollArea) else None
    if inside is not None:
        needs = max(inside.minimumHeight(), inside.sizeHint().height())
        size.setHeight(min(size.height(), needs))
    return size
