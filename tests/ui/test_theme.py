"""Tokens, stylesheet, fonts and icons."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from ui import fonts, icons, stylesheet, theme
from ui.tokens import SCHEME_NAMES, THEME_NAMES, SchemeName, ThemeName, tokens


def _luminance(code: str) -> float:
    color = QColor(code)
    parts = (color.redF(), color.greenF(), color.blueF())
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", THEME_NAMES)
@pytest.mark.parametrize("scheme", SCHEME_NAMES)
def test_text_and_buttons_are_readable(name: ThemeName, scheme: SchemeName) -> None:
    t = tokens(name, scheme)
    for fill in (t.up_fill, t.down_fill, t.afill, t.dfill, t.tag):
        assert _contrast(fill, "#FFFFFF") >= 4.5, fill
    for ink in (t.t1, t.t2, t.t3, t.up, t.down, t.accent, t.warn, t.danger):
        assert _contrast(ink, t.e1) >= 4.5, ink
    assert _contrast(t.on_warn, t.warnf) >= 4.5


def test_korea_is_red_up_and_blue_down() -> None:
    assert tokens("dark", "korea").up == "#F0574F"
    assert tokens("dark", "korea").down == "#4C8DF6"


def test_applying_a_theme_changes_the_palette_and_says_so(
    qapp: QApplication, qtbot: QtBot, dark_theme: None
) -> None:
    with qtbot.waitSignal(theme.changed):
        made = theme.apply(qapp, "light", "korea")
    assert (made.name, made.scheme) == ("light", "korea")
    assert theme.current() is made
    assert qapp.palette().window().color() == QColor("#E9ECF0")
    assert theme.color("up") == QColor("#D0342C")


def test_an_unknown_name_in_old_settings_falls_back(qapp: QApplication, dark_theme: None) -> None:
    made = theme.apply(qapp, "sepia", "mars")
    assert (made.name, made.scheme) == ("dark", "global")


def test_the_stylesheet_has_no_hole(dark_theme: None) -> None:
    for name in THEME_NAMES:
        sheet = stylesheet.build(tokens(name, "global"))
        assert sheet.count("{") == sheet.count("}")
        assert not re.search(r"(color|background): *;|None|#\s", sheet)


def test_digits_are_equally_wide_and_not_hinted(dark_theme: None) -> None:
    assert fonts.load()
    metrics = fonts.metrics(12, fonts.MEDIUM)
    assert len({round(metrics.horizontalAdvance(d), 3) for d in "0123456789"}) == 1
    assert theme.font(18, 600).pixelSize() == 18


def test_capitals_are_centred_on_their_height(dark_theme: None) -> None:
    cap = fonts.metrics(12).capHeight()
    assert fonts.baseline(50, 12) == round(50 + cap / 2)


def test_every_icon_draws_in_the_token_s_colour(dark_theme: None) -> None:
    folder = Path(icons.__file__).resolve().parent.parent / "resources" / "icons"
    names = sorted(path.stem for path in folder.glob("*.svg"))
    assert names
    for name in names:
        image = icons.pixmap(name, "accent", 24).toImage()
        inked = [
            image.pixelColor(x, y)
            for x in range(image.width())
            for y in range(image.height())
            if image.pixelColor(x, y).alpha() > 128
        ]
        assert inked, name
        wanted = theme.color("accent").getRgb()[:3]
        assert inked[0].getRgb()[:3] == pytest.approx(wanted, abs=4), name


def test_an_unknown_icon_is_an_error_not_an_empty_button(dark_theme: None) -> None:
    with pytest.raises(FileNotFoundError):
        icons.pixmap("no-such-icon")


def test_a_property_change_restyles_the_widget(qtbot: QtBot, dark_theme: None) -> None:
    from PyQt6.QtWidgets import QLabel

    label = QLabel("x")
    qtbot.addWidget(label)
    theme.set_property(label, "tone", "danger")
    assert label.palette().windowText().color() == theme.color("danger")
