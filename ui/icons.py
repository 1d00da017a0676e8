"""Lucide icons, coloured and thinned to the design's stroke at load.

The SVGs are kept as published; colour (a token name) and stroke 1.75 are set in the text before
it is rendered, at the screen's pixel ratio, once per theme.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from PyQt6.QtCore import QByteArray, QRectF, Qt
from PyQt6.QtGui import QColor, QGuiApplication, QIcon, QPainter, QPixmap
from PyQt6.QtSvg import QSvgRenderer

from ui import theme

_ICON_DIR = Path(__file__).resolve().parent.parent / "resources" / "icons"
_STROKE = re.compile(r'stroke-width="[^"]*"')
_DISABLED_OPACITY = 0.4


@functools.cache
def _svg(name: str) -> str:
    text = (_ICON_DIR / f"{name}.svg").read_text(encoding="utf-8")
    return _STROKE.sub('stroke-width="1.75"', text)


@functools.lru_cache(maxsize=512)
def _render(name: str, color: str, size: int, ratio: float, opacity: float) -> QPixmap:
    image = QPixmap(round(size * ratio), round(size * ratio))
    image.setDevicePixelRatio(ratio)
    image.fill(Qt.GlobalColor.transparent)
    svg = _svg(name).replace("currentColor", color)
    painter = QPainter(image)
    painter.setOpacity(opacity)
    QSvgRenderer(QByteArray(svg.encode())).render(painter, QRectF(0, 0, size, size))
    painter.end()
    return image


def _color(token: str) -> str:
    return token if token.startswith("#") else str(getattr(theme.current(), token))


def _ratio() -> float:
    screen = QGuiApplication.primaryScreen()
    return screen.devicePixelRatio() if screen is not None else 1.0


def pixmap(name: str, color: str = "t2", size: int = 14) -> QPixmap:
    """`name` is a file in resources/icons, `color` a token name or `#RRGGBB`, `size` in px.

    Raises FileNotFoundError for an unknown name, AttributeError for an unknown token.
    """
    return _render(name, QColor(_color(color)).name(), size, _ratio(), 1.0)


def icon(name: str, color: str = "t2", size: int = 14) -> QIcon:
    """As `pixmap`, with the 40 % disabled picture. Ask again on `theme.changed`."""
    hue = QColor(_color(color)).name()
    made = QIcon(_render(name, hue, size, _ratio(), 1.0))
    made.addPixmap(_render(name, hue, size, _ratio(), _DISABLED_OPACITY), QIcon.Mode.Disabled)
    return made
