"""What stands in place of a chart that has no bars: loading, or what is missing and what to do."""

from __future__ import annotations

import math

from PyQt6.QtCore import QRectF, Qt, QTimer
from PyQt6.QtGui import QPainter, QPaintEvent
from PyQt6.QtWidgets import QWidget

from ui import fonts, icons, theme
from ui.charts import primitives
from ui.charts.axes import AXIS_WIDTH, TIME_AXIS_HEIGHT

_DELAY_MS = 150  # a load that is faster shows nothing at all
_BAR_PX = 240


class StatePlate(QWidget):
    """Covers its parent while shown; loading appears after 150 ms in the chart's own geometry."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._title = ""
        self._hint = ""
        self._ratio: float | None = None
        self._is_loading = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DELAY_MS)
        self._timer.timeout.connect(self._appear)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.hide()

    @property
    def text(self) -> str:
        """What the trader reads; empty when the plate is off."""
        return f"{self._title} {self._hint}".strip()

    def show_loading(self, text: str, ratio: float | None) -> None:
        self._title, self._hint = text, ""
        self._ratio = ratio if ratio is not None and math.isfinite(ratio) else None
        if not self._is_loading:
            self._is_loading = True
            self.hide()
            self._timer.start()
        self.update()

    def show_message(self, title: str, hint: str) -> None:
        self._timer.stop()
        self._is_loading = False
        self._title, self._hint, self._ratio = title, hint, None
        self._appear()
        self.update()

    def _appear(self) -> None:
        self.raise_()
        self.show()

    def clear(self) -> None:
        self._timer.stop()
        self._is_loading = False
        self._title = self._hint = ""
        self.hide()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: ARG002
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.color("e1"))
        if self._is_loading:
            self._paint_loading(painter)
        else:
            self._paint_message(painter)
        painter.end()

    def _paint_loading(self, painter: QPainter) -> None:
        width, height = self.width() - AXIS_WIDTH, self.height() - TIME_AXIS_HEIGHT
        ground = theme.color("e2")
        for index, x in enumerate(range(16, max(17, width - 16), 24)):
            middle = height * (0.38 + 0.12 * math.sin(index / 5) - 0.05 * math.cos(index / 2))
            tall = 24 + 18 * (1 + math.sin(index * 1.7))
            primitives.rounded(painter, QRectF(x, middle - tall / 2, 10, tall), 2, ground, None)
        for y in range(40, max(41, height - 20), 64):
            primitives.rounded(painter, QRectF(width + 10, y, 48, 8), 3, ground, None)
        self._centred(painter, self._title, height - 56.0, "t2", fonts.MEDIUM)
        track = QRectF((width - _BAR_PX) / 2, height - 36, _BAR_PX, 4)
        primitives.rounded(painter, track, 2, theme.color("track"), None)
        if self._ratio is not None:
            track.setWidth(_BAR_PX * min(1.0, max(0.0, self._ratio)))
            primitives.rounded(painter, track, 2, theme.color("accent"), None)

    def _paint_message(self, painter: QPainter) -> None:
        middle = self.height() / 2
        x = (self.width() - AXIS_WIDTH) / 2
        picture = icons.pixmap("chart-candlestick", "t3", 24)
        painter.drawPixmap(round(x - 12), round(middle - 48), picture)
        self._centred(painter, self._title, middle - 4, "t1", fonts.SEMIBOLD)
        self._centred(painter, self._hint, middle + 18, "t2", fonts.REGULAR)

    def _centred(self, painter: QPainter, text: str, y: float, hue: str, weight: int) -> None:
        x = (self.width() - AXIS_WIDTH - primitives.text_width(text, 12, weight)) / 2
        primitives.draw_text(painter, x, y, text, theme.color(hue), px=12, weight=weight)
