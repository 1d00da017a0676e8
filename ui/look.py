"""Themes and market colours by name, and how they are put on."""

from __future__ import annotations

from PyQt6.QtWidgets import QApplication

from ui import theme

THEMES = {"dark": "Dark", "light": "Light"}
SCHEMES = {
    "global": "Green up, red down",
    "korea": "Red up, blue down (Korea)",
    "china": "Red up, green down (China, Japan)",
    "colour_blind": "Blue up, orange down (colour-blind)",
}


def apply_look(name: str, scheme: str) -> None:
    """Theme and market colours of the whole program."""
    app = QApplication.instance()
    if isinstance(app, QApplication):
        theme.apply(app, name, scheme)
