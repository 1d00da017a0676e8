"""The base of every dialog: opened, never executed.

`exec()` inside a coroutine runs a nested event loop and hangs the other tasks for good; so a dialog
is opened and its answer awaited as a future.
"""

from __future__ import annotations

import asyncio

from PyQt6 import sip
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QKeySequence, QShortcut, QShowEvent
from PyQt6.QtWidgets import QDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.widgets.basic import label, show_plate
from ui.widgets.buttons import TextButton

CANCELLED = ""


class Sheet(QDialog):
    """A window-modal question. `ask` returns the chosen button's name, "" for cancel or Escape.

    Attributes: content (between title and buttons), buttons (by name).
    """

    def __init__(self, parent: QWidget, title: str, width: int = 440) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.setFixedWidth(width)
        self.buttons: dict[str, QPushButton] = {}
        self._answer = CANCELLED
        outer = QVBoxLayout(self)
        outer.setContentsMargins(24, 24, 24, 24)
        outer.setSpacing(16)
        heading = label("dialog_title")
        heading.setText(title)
        heading.setWordWrap(True)
        outer.addWidget(heading)
        self.content = QVBoxLayout()
        self.content.setSpacing(10)
        outer.addLayout(self.content)
        self.button_row = QHBoxLayout()
        self.button_row.setSpacing(8)
        self.button_row.addStretch(1)
        outer.addLayout(self.button_row)

    def add_text(self, text: str) -> QLabel:
        """A paragraph, in the trader's language already."""
        made = label("label")
        made.setText(text)
        made.setWordWrap(True)
        self.content.addWidget(made)
        return made

    def add_point(self, text: str) -> None:
        """A consequence, with a bullet."""
        line = QHBoxLayout()
        line.setSpacing(10)
        bullet = label("label")
        bullet.setText("•")
        body = label("label", tone="t1")
        body.setText(text)
        body.setWordWrap(True)
        line.addWidget(bullet, 0, Qt.AlignmentFlag.AlignTop)
        line.addWidget(body, 1)
        self.content.addLayout(line)

    def add_button(
        self, name: str, text: str, kind: str = "", default: bool = False
    ) -> QPushButton:
        """A button that ends the dialog with `name`; `text` in the trader's language."""
        made = TextButton(kind=kind)
        made.setText(text)
        made.setMinimumWidth(96)
        made.setAutoDefault(False)
        made.clicked.connect(lambda: self.finish_with(name))
        self.button_row.addWidget(made)
        self.buttons[name] = made
        if default:
            made.setDefault(True)
            made.setFocus()
        return made

    def add_cancel(self, default: bool = True) -> QPushButton:
        return self.add_button(CANCELLED, tr("Cancel"), default=default)

    def agree_by(self, keys: str) -> None:
        """The shortcut that asked also answers with the default button."""
        for made in self.buttons.values():
            if made.isDefault():
                QShortcut(QKeySequence(keys), self).activated.connect(made.click)

    def add_badge(self) -> None:
        """LIVE, left of the buttons."""
        badge = label("caption")
        badge.setAlignment(Qt.AlignmentFlag.AlignCenter)
        show_plate(badge, "LIVE", "badge", "live")
        self.button_row.insertWidget(0, badge)

    def showEvent(self, event: QShowEvent | None) -> None:
        self.fit()
        super().showEvent(event)

    def fit(self) -> None:
        """As high as its lines need; wrapped ones know that once their fonts are set."""
        for child in self.findChildren(QWidget):
            child.ensurePolished()
        layout = self.layout()
        if layout is not None:
            layout.invalidate()
            layout.activate()
            self.resize(self.width(), layout.totalHeightForWidth(self.width()))

    def finish_with(self, name: str) -> None:
        self._answer = name
        self.done(QDialog.DialogCode.Accepted if name else QDialog.DialogCode.Rejected)

    async def ask(self) -> str:
        """Ask once; the dialog is gone afterwards."""
        try:
            return await self.ask_again()
        finally:
            self.leave()

    def leave(self) -> None:
        """Free it, unless its window went away while it was asked and took it along."""
        if not sip.isdeleted(self):
            self.deleteLater()

    async def ask_again(self) -> str:
        """Open and wait; may be asked again. Cancelling the waiting task closes the dialog."""
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def settle(_code: int) -> None:
            if not done.done():
                done.set_result(self._answer)

        self._answer = CANCELLED
        self.finished.connect(settle)
        self.open()
        try:
            return await done
        finally:
            if not sip.isdeleted(self):
                self.finished.disconnect(settle)
                self.hide()
