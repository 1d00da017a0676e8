"""Panels of a tab, and the one layout they stand in.

While the trader has moved nothing, that is the default, which follows the size of the window
(`ui.panel_grid`). With the first panel that is moved, closed or taken out to a window of its own
the docking library takes over (`ui.docking`), until "Restore default layout". A layout that is
broken, or that knows other panels than we have, is refused and the default stands: a layout must
never be between a trader and a position.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtGui import QResizeEvent, QShowEvent
from PyQt6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from core.commands import CommandResult
from ui import i18n, tasks
from ui.panel_grid import PanelGrid
from ui.panel_layouts import Arrangement, is_sound, xml_of

if TYPE_CHECKING:
    from ui.docking import DockSite


class Docks(QWidget):
    """Add the panels, then `use_default`. Signal: changed() when the trader has moved something.

    Attribute: caption, what the windows of panels taken out are named after (a symbol).
    """

    changed = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.caption = ""
        self._panels: dict[str, QWidget] = {}
        self._titles: dict[str, str] = {}
        self._choose: Callable[[QSize], Arrangement] = lambda _size: ()
        self._default: Arrangement = ()
        self._elastic = ""
        self._grid: PanelGrid | None = None
        self._site: DockSite | None = None
        self._is_own = False  # the trader has moved something
        self._is_locked = True
        self._waiting = ""  # a layout for when we are shown: only then are sizes what they say
        self._hidden: set[str] = set()  # for room, by the window and not by the trader
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        i18n.language.changed.connect(self._retitle)

    def add(self, name: str, title: str, panel: QWidget, *, scrolls: bool = False) -> None:
        """`title` is English. `scrolls`: a panel that needs its height gets a scroll bar."""
        self._titles[name] = title
        self._panels[name] = _Scroll(panel) if scrolls else panel

    def use_default(self, choose: Callable[[QSize], Arrangement], elastic: str) -> None:
        """`choose` makes the default for a size in px; the panel `elastic` takes what a window
        grows by."""
        self._choose, self._elastic = choose, elastic  # the panels are laid out once we are sized

    # The layout as a whole

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._panels)

    def title_of(self, name: str) -> str:
        """English."""
        return self._titles[name]

    def layout_now(self) -> str:
        """What `restore` takes; "" while the trader has moved nothing himself."""
        if self._waiting or not (self._is_own or self.has_floating):
            return self._waiting  # "" by default
        return self._whole_text()

    def restore(self, layout: str) -> bool:
        """Put everything where `layout` says, "" is the default; False: it is not a layout of
        these panels, and the default stands."""
        if not layout:
            self.restore_default()
            return True
        if not is_sound(layout, self._panels):
            self.restore_default()
            return False
        self._is_own = True
        if self.isVisible():
            self._use_site(layout)
        else:
            self._waiting = layout
        return True

    def restore_default(self) -> None:
        self._is_own = False
        self._is_locked = True
        self._waiting = ""
        self._use_grid(self._choose(self.size()))

    def fit(self) -> None:
        """The default for the present size, unless the trader has one of his own."""
        wanted = self._choose(self.size())
        if self._site is not None or (self._grid is not None and self._is_own):
            return
        if self._grid is None or not self._grid.fits(wanted):
            self._use_grid(wanted)
            return
        if wanted == self._default:
            return
        self._default = wanted
        self._grid.fill(wanted, self.width(), self.height())

    def set_locked(self, locked: bool) -> None:
        """Unlocked, panels have heads to be moved by."""
        site = self._site if locked else self._need_site()
        if site is not None:
            self._is_own = self._is_own or not locked
            self._is_locked = locked
            site.set_locked(locked)

    @property
    def is_locked(self) -> bool:
        return self._is_locked

    # One panel

    def is_floating(self, name: str) -> bool:
        return self._site is not None and self._site.is_floating(name)

    @property
    def has_floating(self) -> bool:
        return any(self.is_floating(name) and self.is_open(name) for name in self._panels)

    def is_open(self, name: str) -> bool:
        """Docked or in its own window, also behind another tab."""
        return self._site.is_open(name) if self._site is not None else name not in self._hidden

    def take_out(self, name: str) -> None:
        """To a window of its own; closing that brings it back."""
        site = self._need_site()
        if site is not None:
            site.take_out(name)
            self._hidden.discard(name)
            self.changed.emit()

    def put_back(self, name: str) -> None:
        """From its window, or from where it was closed, to its place in the default."""
        if self._site is not None:
            self._site.put_back(name)
            self._take_return()

    def close_panel(self, name: str) -> None:
        site = self._need_site()
        if site is not None:
            site.show_panel(name, False)
            self._take_move()

    def hide_for_room(self, *names: str) -> None:
        """Not the trader's doing: `show_again` brings back what this has hidden."""
        fresh = [n for n in names if self.is_open(n) and not self.is_floating(n)]
        self._hidden.update(fresh)
        if self._site is not None:
            for name in fresh:
                self._site.show_panel(name, False)
        elif self._grid is not None:
            self._grid.show_but(self._hidden)

    def show_again(self, *names: str) -> None:
        """`names`, or everything that was hidden for room."""
        back = self._hidden.intersection(names) if names else set(self._hidden)
        self._hidden -= back
        if self._site is not None:
            front = self._site.front_panels()
            for name in back:
                self._site.show_panel(name, True)
            for name in front:
                self._site.bring_to_front(name)
        elif self._grid is not None:
            self._grid.show_but(self._hidden)

    # Inside

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self.fit()

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        if self._waiting:
            layout, self._waiting = self._waiting, ""
            self._use_site(layout)

    def _use_grid(self, arrangement: Arrangement) -> None:
        self._leave()
        self._default = arrangement
        self._grid = PanelGrid(arrangement, self._panels, self._titles, self._elastic)
        self._grid.fill(arrangement, self.width(), self.height())
        self._grid.moved.connect(self._take_move)
        self._stand(self._grid)
        self._grid.show_but(self._hidden)

    def _use_site(self, layout: str) -> None:
        """`layout` is sound; should the library refuse it all the same, the default stands."""
        try:
            from ui.docking import DockSite  # only for those who move panels
        except ImportError:  # ARM but macOS: the library has no wheel there
            self.restore_default()
            tasks.announce(CommandResult(0, False, "Panels cannot be moved on this computer."))
            return
        hidden, self._hidden = tuple(self._hidden), set()
        self._leave()
        site = DockSite(self._panels, self._titles, self._default, self._elastic, self.caption)
        self._site = site
        self._stand(site)
        if not site.apply(layout):
            self._hidden = set(hidden)
            self.restore_default()
            return
        site.set_locked(self._is_locked)
        site.moved.connect(self._take_move)
        site.returned.connect(self._take_return)
        self.hide_for_room(*hidden)

    def _need_site(self) -> DockSite | None:
        """None where there is no docking library; that was told then."""
        if self._site is None:
            self.fit()
            self._use_site(self._whole_text())
        return self._site

    def _whole_text(self) -> str:
        """The layout as it is when nothing is hidden for room."""
        hidden = tuple(self._hidden)
        self.show_again()
        if self._site is not None:
            text = self._site.layout_now()
        else:
            assert self._grid is not None
            text = xml_of(self._grid.measured(), self.size())
        self.hide_for_room(*hidden)
        return text

    def _stand(self, whole: QWidget) -> None:
        box = self.layout()
        assert box is not None
        box.addWidget(whole)
        whole.show()
        box.activate()

    def _leave(self) -> None:
        """The panels are in nobody's hands."""
        for old in (self._grid, self._site):
            if old is not None:
                old.release()
                old.hide()
                old.deleteLater()
        self._grid = self._site = None

    def _take_move(self) -> None:
        self._is_own = True
        self.changed.emit()

    def _take_return(self) -> None:
        """Nothing but a window was opened and closed: the default again."""
        if not self._is_own and not self.has_floating:
            self._use_grid(self._choose(self.size()))
        self.changed.emit()

    def _retitle(self, _language: str) -> None:
        if self._site is not None:
            self._site.retitle(self.caption)
        elif self._grid is not None:
            self._grid.retitle()


class _Scroll(QScrollArea):
    """As wide as its panel needs; what has no room in height is scrolled to."""

    def __init__(self, panel: QWidget) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(panel)
        self.setWidgetResizable(True)

    def minimumSizeHint(self) -> QSize:
        inside = self.widget()
        width = inside.minimumSizeHint().width() if inside is not None else 0
        return QSize(max(width, 60), 40)
