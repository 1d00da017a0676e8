"""A symbol's newest closes as a line of a few pixels, drawn once and kept until they change."""

from __future__ import annotations

import functools

import numpy as np
from PyQt6.QtCore import QPointF, Qt
from PyQt6.QtGui import QColor, QPainter, QPen, QPixmap, QPolygonF

_PAD = 1.5


@functools.lru_cache(maxsize=512)
def sparkline(closes: bytes, width: int, height: int, color: str, ratio: float) -> QPixmap:
    """`closes`: little-endian float32, oldest first; sizes in px, `color` `#RRGGBB`, `ratio` the
    screen's pixels per px. Unknown closes (NaN) are left out; less than two draw nothing."""
    image = QPixmap(max(1, round(width * ratio)), max(1, round(height * ratio)))
    image.setDevicePixelRatio(ratio)
    image.fill(Qt.GlobalColor.transparent)
    line = _points(np.frombuffer(closes, "<f4").astype(float), width, height)
    if line:
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(color), 1.2))
        painter.drawPolyline(QPolygonF(line))
        painter.end()
    return image


def _points(values: np.ndarray, width: int, height: int) -> list[QPointF]:
    x = np.linspace(_PAD, width - _PAD, num=len(values))
    known = np.isfinite(values)
    x, values = x[known], values[known]
    if len(values) < 2:
        return []
    low, span = values.min(), np.ptp(values)
    place = (values - low) / span if span > 0 else np.full(len(values), 0.5)
    y = height - _PAD - place * (height - 2 * _PAD)
    return [QPointF(*point) for point in np.column_stack((x, y)).tolist()]
