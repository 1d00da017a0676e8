"""A field that filters as you type."""

from __future__ import annotations

from PyQt6.QtWidgets import QLineEdit

from ui import i18n, icons, theme


class SearchField(QLineEdit):
    """Search icon, placeholder, a button that clears."""

    def __init__(self, placeholder: str) -> None:
        super().__init__()
        i18n.set_placeholder(self, placeholder)
        self._icon = self.addAction(
            icons.icon("search", "t3"), QLineEdit.ActionPosition.LeadingPosition
        )
        self.setClearButtonEnabled(True)
        theme.changed.connect(self._tint)

    def _tint(self) -> None:
        if self._icon is not None:
            self._icon.setIcon(icons.icon("search", "t3"))
