"""The look, switched live: one token table feeds the palette, the stylesheet and every painter.

Widgets styled by the stylesheet follow by themselves; painters (chart, delegates) read
`theme.current()` while they paint and repaint on `theme.changed`.

Object properties that the stylesheet knows (set with `setProperty`, then `theme.repolish`):

* `QPushButton[kind]`: none = default (e2) · `primary` · `buy` · `sell` · `danger` (outline) ·
  `danger_filled` · `live` (yellow, "Start LIVE") · `ghost` (no ground, t2) · `chip` (timeframe,
  range; checkable: plate when checked) · `link` (accent text) · `on_danger` (white on dfill).
  `palette` (a button like a field) · `segment` (one of a few words, checkable) ·
  `side_buy` `side_sell` (the ticket's side).
  `[form="submit"]` is 36 px high; the rest 28.
* `QToolButton[kind]`: `icon` (28 x 28, no ground) · none = as ghost.
* `QLabel[role]`: `caption` 11 t3 · `label` 12 t2 · `value` 12/500 t1 · `title` 13/600 ·
  `dialog_title` 15/600 · `figure` 18/600 · `symbol` 18/600 · `price` 20/600 · `big` 24/600 ·
  `quote` 10 t3 · `error` 11 danger. With `[tone]`: `up` `down` `warn` `danger` `accent` `t1`
  `t2` `t3` `sand` `stale` changes only the colour.
* `QLabel[badge]`: `demo` `paper` `live` · `QLabel[pill]`: `up` `down` `warn` (tinted plate).
* `QFrame[role]`: `panel` (e1, radius 6) · `bar` (app bar, status bar: e0) · `head` (hairline
  below) · `rule` (1 px line) · `popup` (e3, border) · `kill_band` · `live_line` · `inset` (e0).
* `QFrame[row="selectable"]` with `[selected=true]`: sel plate, hover e2.
* `QTabBar` (documents: e1 plate) and `QTabBar[kind="sub"]` (2 px accent underline).
* `QTableView`/`QListView`/`QTreeView`: e1, no lines, heads 26 px, t3 11 px.
* `QProgressBar[tone]`: 4 px bar: none t3 · `accent` · `warn` · `danger`.
* `QFrame[role="field"]` with `[focused]`, `[error]`: a field whose `QLineEdit[role="bare"]` has
  its name and unit beside it · `QComboBox[role="small"]`: in a line of text.
* `QLineEdit`/`QComboBox`/`QSpinBox[error=true]`: danger border.
"""

from __future__ import annotations

import functools

import msgspec
from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtGui import QColor, QFont, QPalette
from PyQt6.QtWidgets import QApplication, QStyleFactory, QWidget

from ui import fonts, stylesheet
from ui.tokens import SCHEME_NAMES, THEME_NAMES, SchemeName, ThemeName, Tokens, tokens


class Theme(Tokens, frozen=True, kw_only=True):
    """All tokens plus which theme and scheme they are."""

    name: ThemeName
    scheme: SchemeName


class _Signals(QObject):
    changed = pyqtSignal()


_signals = _Signals()
changed = _signals.changed
"""Bound signal without arguments, emitted after palette and stylesheet are in place."""


def _make(name: ThemeName, scheme: SchemeName) -> Theme:
    return Theme(**msgspec.structs.asdict(tokens(name, scheme)), name=name, scheme=scheme)


_current = _make("dark", "global")


def current() -> Theme:
    """The theme in force; dark and global until `apply` says otherwise."""
    return _current


def apply(app: QApplication, name: str = "dark", scheme: str = "global") -> Theme:
    """Sets style, palette, font and stylesheet; then emits `changed`.

    A name this version does not know (an old settings file) falls back to dark and global.
    """
    global _current  # noqa: PLW0603 - one theme per process, as there is one QApplication
    _current = _make(
        next((known for known in THEME_NAMES if known == name), "dark"),
        next((known for known in SCHEME_NAMES if known == scheme), "global"),
    )
    fonts.load()
    app.setStyle(QStyleFactory.create("Fusion"))
    app.setFont(fonts.font(12))
    app.setPalette(_palette(_current))
    app.setStyleSheet(stylesheet.build(_current))
    changed.emit()
    return _current


@functools.lru_cache(maxsize=1024)
def _qcolor(code: str, alpha: float) -> QColor:
    made = QColor(code)
    made.setAlphaF(made.alphaF() * alpha)
    return made


def color(token: str, alpha: float = 1.0) -> QColor:
    """The token (or `#RRGGBB`) as a shared QColor with `alpha` 0..1; do not change it."""
    return _qcolor(token if token.startswith("#") else str(getattr(_current, token)), alpha)


def font(px: int, weight: int = fonts.REGULAR) -> QFont:
    """Pretendard with tabular digits, `px` pixels, `weight` 400, 500 or 600; no hinting."""
    return fonts.font(px, weight)


def repolish(widget: QWidget) -> None:
    """Makes the stylesheet look at `widget` again after one of its properties changed."""
    style = widget.style()
    if style is not None:
        style.unpolish(widget)
        style.polish(widget)
    widget.update()


def set_property(widget: QWidget, name: str, value: object) -> None:
    """Sets a stylesheet property and repolishes only when it really changed."""
    if widget.property(name) != value:
        widget.setProperty(name, value)
        repolish(widget)


def _palette(t: Theme) -> QPalette:
    role = QPalette.ColorRole
    made = QPalette()
    for key, code in (
        (role.Window, t.e0),
        (role.WindowText, t.t1),
        (role.Base, t.e1),
        (role.AlternateBase, t.e2),
        (role.Text, t.t1),
        (role.PlaceholderText, t.t3),
        (role.Button, t.e2),
        (role.ButtonText, t.t1),
        (role.BrightText, t.danger),
        (role.Highlight, t.afill),
        (role.HighlightedText, "#FFFFFF"),
        (role.ToolTipBase, t.e3),
        (role.ToolTipText, t.t1),
        (role.Link, t.accent),
        (role.LinkVisited, t.accent),
        (role.Light, t.line2),
        (role.Midlight, t.line),
        (role.Mid, t.line),
        (role.Dark, t.e0),
        (role.Shadow, t.e0),
        (role.Accent, t.accent),
    ):
        made.setColor(key, QColor(code))
    disabled = QPalette.ColorGroup.Disabled
    for key in (role.WindowText, role.Text, role.ButtonText):
        made.setColor(disabled, key, _qcolor(t.t1, 0.4))
    return made
