"""The settings menu: theme, market colours, language; each takes effect while it is open."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PyQt6.QtGui import QAction, QActionGroup
from PyQt6.QtWidgets import QApplication, QMenu, QWidget, QWidgetAction

from ui import i18n, theme
from ui.i18n import tr
from ui.settings import ScreenSettings
from ui.widgets.basic import label

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


class SettingsMenu(QMenu):
    """Made anew each time it opens; `restore_window` puts the window back to its default.
    `entries` are other ways from here: an English word and what it does."""

    def __init__(
        self,
        parent: QWidget,
        settings: ScreenSettings,
        restore_window: Callable[[], None],
        entries: Sequence[tuple[str, Callable[[], object]]] = (),
    ) -> None:
        super().__init__(parent)
        self.aboutToHide.connect(self.deleteLater)
        self._settings = settings
        self._add_choices(tr("Theme"), THEMES, theme.current().name, self._choose_theme)
        self._add_choices(
            tr("Market colours"), SCHEMES, theme.current().scheme, self._choose_scheme
        )
        self._add_choices(tr("Language"), i18n.LANGUAGES, i18n.language.name, self._choose_language)
        self.addSeparator()
        restore = QAction(tr("Restore default window"), self)
        restore.triggered.connect(restore_window)
        self.addAction(restore)
        for text, do in entries:
            self._add_entry(text, do)

    def _add_entry(self, text: str, do: Callable[[], object]) -> None:
        action = QAction(tr(text), self)
        action.triggered.connect(lambda _checked: do())
        self.addAction(action)

    def _add_choices(
        self, title: str, choices: dict[str, str], current: str, choose: Callable[[str], None]
    ) -> None:
        heading = QWidgetAction(self)
        caption = label("caption")
        caption.setText(title)
        caption.setContentsMargins(12, 6, 12, 2)
        heading.setDefaultWidget(caption)
        heading.setEnabled(False)
        self.addAction(heading)
        group = QActionGroup(self)
        for name, text in choices.items():
            action = QAction(tr(text), self)
            action.setCheckable(True)
            action.setChecked(name == current)
            action.triggered.connect(lambda _checked, chosen=name: choose(chosen))
            group.addAction(action)
            self.addAction(action)

    def _choose_theme(self, name: str) -> None:
        self._settings.theme = name
        apply_look(name, theme.current().scheme)

    def _choose_scheme(self, name: str) -> None:
        self._settings.colours = name
        apply_look(theme.current().name, name)

    def _choose_language(self, name: str) -> None:
        self._settings.language = name
        i18n.use(name)
