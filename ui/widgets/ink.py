"""Text painted by hand: one line, centred on its capitals, never beyond its room."""

from __future__ import annotations

from typing import NamedTuple

from PyQt6.QtCore import QPointF, Qt
from PyQt6.QtGui import QPainter

from ui import fonts, theme


class Ink(NamedTuple):
    """`tone` names a colour token."""

    tone: str = "t1"
    weight: int = 400
    px: int = 12


def draw_left(
    painter: QPainter, text: str, at: tuple[float, float], ink: Ink, right: float
) -> float:
    """Paint as much as fits from `at` up to `right`; returns where it ends."""
    x, y = at
    if x >= right or not text:
        return x
    metrics = fonts.metrics(ink.px, ink.weight)
    fitted = metrics.elidedText(text, Qt.TextElideMode.ElideRight, right - x)
    _draw(painter, fitted, x, y, ink)
    return x + metrics.horizontalAdvance(fitted)


def draw_right(painter: QPainter, text: str, at: tuple[float, float], ink: Ink) -> float:
    """Paint it ending at `at`; returns where it begins."""
    x, y = at
    left = x - fonts.metrics(ink.px, ink.weight).horizontalAdvance(text)
    _draw(painter, text, left, y, ink)
    return left


def _draw(painter: QPainter, text: str, x: float, y: float, ink: Ink) -> None:
    painter.setFont(theme.font(ink.px, ink.weight))
    painter.setPen(theme.color(ink.tone))
    painter.drawText(QPointF(x, fonts.baseline(y, ink.px, ink.weight)), text)
