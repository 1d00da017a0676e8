"""A bot's tab in a window of its own, on another screen perhaps; closing it brings the tab back.

The way to stop everything is in the same place as in the main window, top right.
"""

from __future__ import annotations

from typing import Any

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QCloseEvent, QKeyEvent, QResizeEvent
from PyQt6.QtWidgets import QFrame, QVBoxLayout, QWidget

from core.snapshots import AccountMode
from ui.bridge import Bridge
from ui.widgets.app_bar import KillButton
from ui.widgets.basic import GUTTER, label, row, show_plate, show_value

_NARROW_WIDTH, _NARROW_HEIGHT, _NO_SIDE_WIDTH = 1290, 860, 910  # the main window's, less a column


def fit(tab: Any, *, narrow: bool, has_side: bool) -> None:
    """What has room in a tab or page. Its right column comes and goes when the room for it does:
    in between, it is as the trader has put it."""
    if hasattr(tab, "set_narrow"):
        tab.set_narrow(narrow)
    if hasattr(tab, "set_right_shown") and tab.property("hasSide") != has_side:
        tab.setProperty("hasSide", has_side)
        tab.set_right_shown(has_side)


class TabWindow(QWidget):
    """Holds `tab`, which has `set_narrow`, `set_right_shown` and a `header`. Signal: closed()."""

    closed = pyqtSignal()

    def __init__(self, owner: QWidget, bridge: Bridge, tab: QWidget) -> None:
        super().__init__(owner, Qt.WindowType.Window)
        self.setProperty("role", "window")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setMinimumSize(640, 420)
        self._tab = tab
        self._title, self._badge = label("title"), label("caption")
        self._badge.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._badge.hide()
        self.kill = KillButton(bridge)
        self._live_line = QFrame()
        self._live_line.setProperty("role", "live_line")
        self._live_line.hide()
        bar = row(self._title, None, self._badge, 8, self.kill, spacing=4)
        bar.setContentsMargins(12, 0, 8, 0)
        top = QFrame()
        top.setProperty("role", "bar")
        top.setFixedHeight(44)
        top.setLayout(bar)
        inside = QVBoxLayout()
        inside.setContentsMargins(GUTTER, 0, GUTTER, GUTTER)
        inside.addWidget(tab)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(self._live_line)
        outer.addWidget(top)
        outer.addLayout(inside, 1)
        tab.show()
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setFocus()  # and not the kill switch

    def show_title(self, name: str, whole: str, mode: AccountMode | None) -> None:
        """`name` in the bar, `whole` for the desktop: account, mode, symbol."""
        show_value(self._title, name)
        if self.windowTitle() != whole:
            self.setWindowTitle(whole)
        self._live_line.setVisible(mode is AccountMode.LIVE)
        self._badge.setVisible(mode is not None)
        if mode is not None:
            show_plate(self._badge, mode.value.upper(), "badge", mode.value)

    def release(self) -> QWidget:
        """The tab, which is nobody's then."""
        self._tab.setParent(None)
        return self._tab

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        narrow = self.width() < _NARROW_WIDTH or self.height() < _NARROW_HEIGHT
        fit(self._tab, narrow=narrow, has_side=self.width() >= _NO_SIDE_WIDTH)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Space, as in the main window."""
        if event is not None and event.key() == Qt.Key.Key_Space:
            if not event.isAutoRepeat():
                self._tab.header.start_or_pause()  # type: ignore[attr-defined]
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent | None) -> None:
        if event is not None:
            event.accept()
        self.closed.emit()
