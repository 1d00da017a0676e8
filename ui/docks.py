"""Panels that can be moved, tabbed, closed and taken out to a window of their own.

Behind this one class stands PyQt6Ads (the Qt Advanced Docking System): Qt's own `QDockWidget` can
neither nest columns beside a chart that is a dock itself nor take a tabbed panel out as one, and it
draws a title on every panel, which the design does not have. Nobody else names the library.

A layout is its XML, readable, without compression; the default is made as the same XML from an
`Arrangement`, so there is one way in. A layout that is broken, or that knows other panels than we
have, is refused and the default stands: a layout must never be between a trader and a position.
While the trader has not moved anything himself, the default follows the size of the window.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import quoteattr

import PyQt6Ads as Ads
from PyQt6.QtCore import QByteArray, QRect, QSize, pyqtSignal
from PyQt6.QtGui import QGuiApplication, QResizeEvent
from PyQt6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from ui import i18n
from ui.i18n import tr

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_GUTTER = 4
_MOST_PX = 100_000  # of a side; more is no screen
_FLAG = Ads.CDockManager.eConfigFlag
_FEATURE = Ads.CDockWidget.DockWidgetFeature
_INSERT = Ads.CDockWidget.eInsertMode
_AREA = Ads.DockWidgetArea
_MIN_SEEN = QSize(120, 40)  # of a window's head, so that it can be taken hold of


class Cell(NamedTuple):
    """Panels one behind the other; the first is in front. `height` px, 0 takes what is left."""

    height: int
    names: tuple[str, ...]


class Stripe(NamedTuple):
    """Cells one under the other. `width` px, 0 takes what is left."""

    width: int
    cells: tuple[Cell, ...]


Arrangement = tuple[Stripe, ...]


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


class Docks(QWidget):
    """Add the panels, then `use_default`. Signal: changed() when the trader has moved something.

    Attribute: caption, what the windows of panels taken out are named after (a symbol).
    """

    changed = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        _configure()
        self.caption = ""
        self._docks: dict[str, Ads.CDockWidget] = {}
        self._titles: dict[str, str] = {}
        self._choose: Callable[[QSize], Arrangement] = lambda _size: ()
        self._default: Arrangement = ()
        self._elastic = ""
        self._is_own = self._is_busy = False
        self._is_locked = True
        self._hidden: set[str] = set()  # for room, by the window and not by the trader
        self._manager = Ads.CDockManager(self)
        # On Linux it changes a window's flags whenever ours is activated, which hides that window
        # everywhere but under X11; a window manager keeps it above its owner anyway.
        self.removeEventFilter(self._manager)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(self._manager)
        self._manager.dockAreasAdded.connect(self._take_change)
        self._manager.dockAreasRemoved.connect(self._take_change)
        i18n.language.changed.connect(self._retitle)

    def add(self, name: str, title: str, panel: QWidget, *, scrolls: bool = False) -> None:
        """`title` is English. `scrolls`: a panel that needs its height gets a scroll bar."""
        dock = Ads.CDockWidget(tr(title))
        dock.setObjectName(name)
        dock.setWidget(panel, _INSERT.ForceScrollArea if scrolls else _INSERT.ForceNoScrollArea)
        dock.setFeature(_FEATURE.CustomCloseHandling, True)
        dock.closeRequested.connect(lambda: self._close(name))
        dock.topLevelChanged.connect(lambda _floats: self._take_change())
        self._docks[name], self._titles[name] = dock, title
        self._manager.addDockWidget(_AREA.RightDockWidgetArea, dock)

    def use_default(self, choose: Callable[[QSize], Arrangement], elastic: str) -> None:
        """`choose` makes the default for a size in px; the panel `elastic` takes what a window
        grows by."""
        self._choose, self._elastic = choose, elastic
        self.restore_default()

    # The layout as a whole

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._docks)

    def title_of(self, name: str) -> str:
        """English."""
        return self._titles[name]

    def layout_now(self) -> str:
        """What `restore` takes; "" while the trader has moved nothing himself."""
        if not self._is_own:
            return ""
        hidden = list(self._hidden)
        self.show_again()
        text = self._manager.saveState().data().decode()
        self.hide_for_room(*hidden)
        return text

    def restore(self, layout: str) -> bool:
        """Put everything where `layout` says, "" is the default; False: it is not a layout of
        these panels, and the default stands."""
        if not layout:
            self.restore_default()
            return True
        hidden = list(self._hidden)
        if not is_sound(layout, self._docks) or not self._apply(layout):
            self.restore_default()
            return False
        self._is_own = True
        self.hide_for_room(*hidden)
        return True

    def restore_default(self) -> None:
        hidden = list(self._hidden)
        self._default = self._choose(self.size())
        self._apply(_xml_of(self._default, self.size()))
        self._is_own = False
        self.hide_for_room(*hidden)

    def _apply(self, layout: str) -> bool:
        with self._by_ourselves():
            self._hidden = set()
            ok = self._manager.restoreState(QByteArray(layout.encode()))
            ok = ok and all(dock.dockAreaWidget() for dock in self._docks.values())
            for window in self._manager.floatingWidgets():
                if any(not dock.isClosed() for dock in window.dockWidgets()):
                    bring_inside(window)
                    window.show()
        self._settle()
        return ok

    def set_locked(self, locked: bool) -> None:
        """Locked, panels have no heads and cannot be moved; borders between them still can."""
        self._is_locked = locked
        self._settle()

    @property
    def is_locked(self) -> bool:
        return self._is_locked

    # One panel

    def is_floating(self, name: str) -> bool:
        return self._docks[name].isInFloatingContainer()

    @property
    def has_floating(self) -> bool:
        return any(not dock.isClosed() and dock.isInFloatingContainer()
                   for dock in self._docks.values())  # fmt: skip

    def is_open(self, name: str) -> bool:
        """Docked or in its own window, also behind another tab."""
        return not self._docks[name].isClosed()

    def take_out(self, name: str) -> None:
        """To a window of its own; closing that brings it back."""
        dock = self._docks[name]
        if dock.isInFloatingContainer():
            window = dock.window()
            if window is not None:
                window.raise_()
            return
        size = dock.size()
        with self._by_ourselves():
            dock.toggleView(True)
            dock.setFeature(_FEATURE.DockWidgetFloatable, True)
            dock.setFloating()
            window = dock.window()
            if window is not None:
                window.resize(size.expandedTo(QSize(320, 200)))
                bring_inside(window)
        self._take_change()

    def put_back(self, name: str) -> None:
        """From its window, or from where it was closed, to its place in the default."""
        self._dock_at_home(name)
        self._take_change()

    def close_panel(self, name: str) -> None:
        with self._by_ourselves():
            self._docks[name].toggleView(False)
        self._take_change()

    def hide_for_room(self, *names: str) -> None:
        """Not the trader's doing: `show_again` brings back what this has hidden."""
        with self._by_ourselves():
            for name in names:
                dock = self._docks[name]
                if not dock.isClosed() and not dock.isInFloatingContainer():
                    self._hidden.add(name)
                    dock.toggleView(False)
        self._settle()

    def show_again(self, *names: str) -> None:
        """`names`, or everything that was hidden for room."""
        front = {name for name, dock in self._docks.items() if dock.isCurrentTab()}
        with self._by_ourselves():
            for name in list(self._docks):
                if name in self._hidden and (not names or name in names):
                    self._hidden.discard(name)
                    self._docks[name].toggleView(True)
            for name in front:
                self._docks[name].setAsCurrentTab()
        self._settle()

    # Inside

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        if not self._is_own and self._choose(self.size()) != self._default:
            self.restore_default()

    @contextmanager
    def _by_ourselves(self) -> Iterator[None]:
        before, self._is_busy = self._is_busy, True
        try:
            yield
        finally:
            self._is_busy = before

    def _take_change(self) -> None:
        """Something was moved: by the trader, unless we are at it."""
        if not self._is_busy and self._docks:
            self._is_own = True
            self._settle()
            self.changed.emit()

    def _close(self, name: str) -> None:
        """The cross of a window brings its panel back, that of a docked panel closes it."""
        if self.is_floating(name):
            self.put_back(name)
        else:
            self.close_panel(name)

    def _dock_at_home(self, name: str) -> None:
        dock = self._docks[name]
        if not dock.isInFloatingContainer():
            with self._by_ourselves():
                dock.toggleView(True)  # the library has kept its place
            return
        stripe, cell = _place_of(self._default, name)
        with self._by_ourselves():
            together = [n for n in self._default[stripe].cells[cell].names if n != name]
            column = [n for c in self._default[stripe].cells for n in c.names]
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
            self._give_default_sizes(column)
        self._settle()

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

    def _give_default_sizes(self, column: list[str]) -> None:
        """A panel that comes back takes its own height, from the one that stretches."""
        heights = {n: c.height for s in self._default for c in s.cells for n in c.names}
        area = next(self._docks[n].dockAreaWidget() for n in column if self._is_at_home(n))
        splitter = area.parentSplitter() if area is not None else None
        if area is None or splitter is None or len(self._manager.splitterSizes(area)) < 2:
            return
        at_home = [self._docks[n] for n in column if self._is_at_home(n)]
        wanted = [0] * splitter.count()
        found = {splitter.indexOf(dock.dockAreaWidget()): dock.objectName() for dock in at_home}
        if set(found) != set(range(splitter.count())):
            return  # the trader has nested it otherwise
        for i, name in found.items():
            wanted[i] = heights[name]
        rest = max(self._manager.height() - sum(wanted) - _GUTTER * (len(wanted) - 1), 0)
        self._manager.setSplitterSizes(area, [w or rest for w in wanted])

    def _settle(self) -> None:
        """What the library forgets with each change: heads, features, what grows, what tells."""
        for name, dock in self._docks.items():
            floats = dock.isInFloatingContainer()
            dock.setFeature(_FEATURE.DockWidgetMovable, not self._is_locked or floats)
            dock.setFeature(_FEATURE.DockWidgetFloatable, not self._is_locked or floats)
            dock.setFeature(_FEATURE.DockWidgetClosable, not self._is_locked or floats)
            title = tr(self._titles[name])
            dock.setWindowTitle(f"{title} · {self.caption}" if floats and self.caption else title)
            area = dock.dockAreaWidget()
            if area is not None:
                flag = Ads.CDockAreaWidget.eDockAreaFlag.HideSingleWidgetTitleBar
                area.setDockAreaFlag(flag, self._is_locked)
        growing = self._docks.get(self._elastic)
        for splitter in self._manager.findChildren(QSplitter):
            if splitter.property("heard") is None:
                splitter.setProperty("heard", True)
                splitter.setHandleWidth(_GUTTER)
                splitter.splitterMoved.connect(lambda _at, _i: self._take_change())
            parts = [splitter.widget(i) for i in range(splitter.count())]
            grows = [part is not None and part.isAncestorOf(growing) for part in parts]
            for i, does in enumerate(grows):
                last = i == len(parts) - 1
                splitter.setStretchFactor(i, int(does or (last and not any(grows))))

    def _retitle(self, _language: str) -> None:
        self._settle()


def bring_inside(window: QWidget) -> None:
    """A window that would stand on a screen that is gone comes to the main one."""
    place = window.frameGeometry()
    for screen in QGuiApplication.screens():
        seen = screen.availableGeometry().intersected(
            QRect(place.topLeft(), QSize(place.width(), _MIN_SEEN.height()))
        )
        if seen.width() >= min(_MIN_SEEN.width(), place.width()) and not seen.isEmpty():
            return
    main = QGuiApplication.primaryScreen()
    if main is not None:
        room = main.availableGeometry()
        window.resize(window.size().boundedTo(room.size()))
        window.move(room.center() - window.rect().center())


def is_sound(layout: str, names: Iterable[str]) -> bool:
    """Whether the library may be given it: as it writes layouts, with these panels once each.

    It trusts its input: a count that is not there ends the process.
    """
    found: list[str] = []
    try:
        root = _read(layout)
        if root.tag != "QtAdvancedDockingSystem" or root.get("Version") != "1":
            return False
        containers = list(root)
        sound = len(containers) == int(root.attrib["Containers"]) > 0
        sound = sound and [c.get("Floating") for c in containers[:1]] == ["0"]
        for container in containers:
            parts = [part for part in container if part.tag != "Geometry"]
            sound = sound and container.tag == "Container" and len(parts) == 1
            sound = sound and all(_is_sound_part(part, found) for part in parts)
    except (ValueError, KeyError):
        return False
    return sound and sorted(found) == sorted(names)


def _read(layout: str) -> Element:
    """Raises ValueError for what is not XML; a document type is not looked at."""
    from xml.etree.ElementTree import ParseError, fromstring

    if "<!" in layout:
        raise ValueError("a layout has no declarations")
    try:
        return fromstring(layout.strip())
    except ParseError as fault:
        raise ValueError(str(fault)) from fault


def _is_sound_part(part: Element, found: list[str]) -> bool:
    """A splitter or an area of panels, whose names are added to `found`."""
    if part.tag == "Area":
        names = [widget.attrib["Name"] for widget in part]
        found += names
        closed = {widget.attrib["Closed"] for widget in part}
        whole = len(names) == int(part.attrib["Tabs"]) > 0 and closed <= {"0", "1"}
        return whole and all(widget.tag == "Widget" and not len(widget) for widget in part)
    if part.tag != "Splitter" or part.get("Orientation") not in ("|", "-"):
        return False
    *inside, sizes = part
    widths = [int(size) for size in (sizes.text or "").split()]
    whole = sizes.tag == "Sizes" and len(inside) == len(widths) == int(part.attrib["Count"]) > 0
    whole = whole and all(0 <= width <= _MOST_PX for width in widths)
    return whole and all(_is_sound_part(one, found) for one in inside)


def _place_of(arrangement: Arrangement, name: str) -> tuple[int, int]:
    for s, stripe in enumerate(arrangement):
        for c, cell in enumerate(stripe.cells):
            if name in cell.names:
                return s, c
    raise KeyError(name)


def _xml_of(arrangement: Arrangement, room: QSize) -> str:
    """The default as the library writes it."""
    columns = "".join(_stripe_xml(stripe, room.height()) for stripe in arrangement)
    if len(arrangement) > 1:
        sizes = _shared([stripe.width for stripe in arrangement], room.width())
        columns = (
            f'<Splitter Orientation="|" Count="{len(arrangement)}">{columns}'
            f"<Sizes>{sizes}</Sizes></Splitter>"
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><QtAdvancedDockingSystem Version="1" '
        f'UserVersion="0" Containers="1"><Container Floating="0">{columns}'
        "</Container></QtAdvancedDockingSystem>"
    )


def _stripe_xml(stripe: Stripe, height: int) -> str:
    areas = ""
    for cell in stripe.cells:
        inside = "".join(f'<Widget Name={quoteattr(n)} Closed="0"/>' for n in cell.names)
        areas += (
            f'<Area Tabs="{len(cell.names)}" Current={quoteattr(cell.names[0])} Flags="1">'
            f"{inside}</Area>"
        )
    sizes = _shared([cell.height for cell in stripe.cells], height)
    return (
        f'<Splitter Orientation="-" Count="{len(stripe.cells)}">{areas}'
        f"<Sizes>{sizes}</Sizes></Splitter>"
    )


def _shared(wanted: list[int], room: int) -> str:
    rest = max(room - sum(wanted) - _GUTTER * (len(wanted) - 1), 100)
    return " ".join(str(size or rest) for size in wanted)
