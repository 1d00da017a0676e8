"""Buttons that follow theme and language, and one that cannot be pressed twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from PyQt6 import sip
from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QIcon, QPainter, QPixmap
from PyQt6.QtWidgets import QPushButton, QToolButton

from core.commands import CommandResult
from ui import i18n, icons, tasks, theme
from ui.i18n import tr

_ICON_GAP = 5


def _with_gap(icon: QIcon) -> QIcon:
    """`icon` with room to the text on its right, which Qt's style leaves too small."""
    made = QIcon()
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Disabled):
        source = icon.pixmap(QSize(14, 14), mode)
        ratio = source.devicePixelRatio()
        wide = QPixmap(round((14 + _ICON_GAP) * ratio), round(14 * ratio))
        wide.setDevicePixelRatio(ratio)
        wide.fill(Qt.GlobalColor.transparent)
        painter = QPainter(wide)
        painter.drawPixmap(0, 0, source)
        painter.end()
        made.addPixmap(wide, mode)
    return made


class TextButton(QPushButton):
    """A button of one of the stylesheet's kinds; takes the focus by keyboard only."""

    def __init__(self, text: str = "", kind: str = "", icon: str = "", color: str = "t1") -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        if kind:
            self.setProperty("kind", kind)
        if text:
            i18n.set_text(self, text)
        self._look = (icon, color)
        if icon:
            self._tint()
            theme.changed.connect(self._tint)

    def show_icon(self, icon: str, color: str) -> None:
        if (icon, color) != self._look:
            self._look = (icon, color)
            self._tint()

    def _tint(self) -> None:
        self.setIcon(_with_gap(icons.icon(*self._look)))
        self.setIconSize(QSize(14 + _ICON_GAP, 14))


class IconButton(QToolButton):
    """28 px square; the tooltip is its name."""

    def __init__(self, icon: str, tool_tip: str, color: str = "t2") -> None:
        super().__init__()
        self.setProperty("kind", "icon")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        i18n.set_tool_tip(self, tool_tip)
        self.setAccessibleName(tool_tip)
        self._look = (icon, color)
        self._tint()
        theme.changed.connect(self._tint)

    def show_icon(self, icon: str, color: str = "t2") -> None:
        if (icon, color) != self._look:
            self._look = (icon, color)
            self._tint()

    def _tint(self) -> None:
        icon, color = self._look
        self.setIcon(icons.icon(icon, color, 16))
        self.setIconSize(QSize(16, 16))


class ActionButton(TextButton):
    """Asks the engine once per click: `busy_text` at the same width until the answer is there.

    `action` may return None where the trader changed their mind. A refusal is announced.
    `set_hint` gives the tooltip while it is on; `set_allowed(reason)` switches it off with the
    reason in its place.
    """

    busy_text = "Sending…"

    def __init__(
        self,
        text: str,
        action: Callable[[], Awaitable[CommandResult | None]],
        kind: str = "",
        icon: str = "",
        color: str = "t1",
    ) -> None:
        super().__init__(text, kind, icon, color)
        self._action = action
        self._hint = ""
        self._busy = False
        self._refusal = ""
        self._kept_width = (self.minimumWidth(), self.maximumWidth())
        self.clicked.connect(self._start)

    @property
    def is_busy(self) -> bool:
        return self._busy

    def set_hint(self, text: str) -> None:
        """What a press does, in English."""
        self._hint = text
        i18n.set_tool_tip(self, self._refusal or text)

    def set_allowed(self, refusal: str = "") -> None:
        """`refusal` is the English reason why it is off; empty: it is on."""
        if refusal != self._refusal:
            self._refusal = refusal
            i18n.set_tool_tip(self, refusal or self._hint)
        self.setEnabled(not self._busy and not self._refusal)

    def _start(self) -> None:
        if not self._busy:
            self._set_busy(True)
            tasks.spawn(self._run())

    async def _run(self) -> None:
        try:
            result = await self._action()
            if result is not None:
                tasks.announce(result)
        finally:
            if not sip.isdeleted(self):  # the answer may remove the very panel that asked
                self._set_busy(False)

    def _set_busy(self, busy: bool) -> None:
        self._busy = busy
        if busy:
            self._kept_width = (self.minimumWidth(), self.maximumWidth())
            self.setFixedWidth(self.width())
            self.setText(tr(self.busy_text))
        else:
            self.setMinimumWidth(self._kept_width[0])
            self.setMaximumWidth(self._kept_width[1])
            i18n.set_text(self, self.property("trText"))
        self.setEnabled(not busy and not self._refusal)
