"""Words of the screen in the trader's language, switched while the program runs.

English is the source text and the key; `resources/translations/<language>.json` holds the rest.
Static texts are bound to their widget by `set_text` and friends: the English original stays on the
widget as a dynamic property, so one walk over the widgets translates everything again, and
nothing has to be kept alive for it. Sentences that come from the engine are English with numbers
inside; `sentence` finds them by template.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import msgspec
from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QWidget,
)

from ui.plain import tip

LANGUAGES = {"en": "English", "ko": "한국어"}
_FOLDER = Path(__file__).resolve().parent.parent / "resources" / "translations"


class _Catalogue(msgspec.Struct, frozen=True):
    """`texts`: English -> translation; `sentences`: the same with `{name}` placeholders."""

    texts: dict[str, str] = {}
    sentences: dict[str, str] = {}


class _Language(QObject):
    """Announces a switch after every bound text has been renewed."""

    changed = pyqtSignal(str)

    def __init__(self) -> None:
        super().__init__()
        self.name = "en"
        self.catalogue = _Catalogue()


language = _Language()


def use(name: str) -> None:
    """Switch to `name` ("en", "ko"). Raises KeyError for a language that we do not have."""
    if name not in LANGUAGES:
        raise KeyError(f"no translation for {name!r}; there are {', '.join(LANGUAGES)}")
    path = _FOLDER / f"{name}.json"
    language.catalogue = (
        _Catalogue() if name == "en" else msgspec.json.decode(path.read_bytes(), type=_Catalogue)
    )
    language.name = name
    _templates.cache_clear()
    for widget in QApplication.allWidgets():
        _renew(widget)
    language.changed.emit(name)


def tr(text: str, **values: Any) -> str:
    """`text` in the present language, `{name}` placeholders filled from `values`."""
    translated = language.catalogue.texts.get(text, text)
    return translated.format(**values) if values else translated


@functools.cache
def _templates() -> list[tuple[re.Pattern[str], str]]:
    found = []
    for template, translated in language.catalogue.sentences.items():
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+?)", re.escape(template))
        found.append((re.compile(pattern), translated))
    return found


@functools.lru_cache(maxsize=512)
def _sentence(_language: str, text: str) -> str:
    exact = language.catalogue.texts.get(text)
    if exact is not None:
        return exact
    for pattern, translated in _templates():
        match = pattern.fullmatch(text)
        if match is not None:
            parts = match.groupdict()  # a reason inside a sentence may be a sentence itself
            return translated.format(**{k: _sentence(_language, v) for k, v in parts.items()})
    return text


def title(text: str) -> str:
    """An engine's word for one of its parts ("risk") as a heading in the present language."""
    return sentence(text[:1].upper() + text[1:])


def sentence(text: str) -> str:
    """An engine's English sentence in the present language; itself where no template fits."""
    return text if language.name == "en" else _sentence(language.name, text)


def set_text(widget: QLabel | QAbstractButton, text: str) -> None:
    """Bind the English `text` to a label or button."""
    widget.setProperty("trText", text)
    widget.setText(tr(text))


def set_tool_tip(widget: QWidget, text: str) -> None:
    """Bind the English `text` to a widget's tooltip; also its accessible description."""
    widget.setProperty("trToolTip", text)
    widget.setToolTip(tip(tr(text)))
    widget.setAccessibleDescription(tr(text))


def set_placeholder(field: QLineEdit | QPlainTextEdit, text: str) -> None:
    """Bind the English `text` to an empty field."""
    field.setProperty("trPlaceholder", text)
    field.setPlaceholderText(tr(text))


def _renew(widget: QWidget) -> None:
    text = widget.property("trText")
    if text is not None and isinstance(widget, QLabel | QAbstractButton):
        widget.setText(tr(text))
    tool_tip = widget.property("trToolTip")
    if tool_tip is not None:
        widget.setToolTip(tip(tr(tool_tip)))
        widget.setAccessibleDescription(tr(tool_tip))
    placeholder = widget.property("trPlaceholder")
    if placeholder is not None and isinstance(widget, QLineEdit | QPlainTextEdit):
        widget.setPlaceholderText(tr(placeholder))
    widget.update()
