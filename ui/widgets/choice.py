"""A choice from a few: a combo box with the house's chevron."""

from __future__ import annotations

from PyQt6.QtGui import QPainter, QPaintEvent
from PyQt6.QtWidgets import QComboBox

from ui import icons


class Choice(QComboBox):
    """The stylesheet leaves the arrow out; it is painted here so that it follows the theme."""

    def paintEvent(self, event: QPaintEvent | None) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.drawPixmap(
            self.width() - 24, (self.height() - 14) // 2, icons.pixmap("chevron-down", "t3")
        )
