"""A small chart without axes: the newest candles of one symbol, whole pixels, nothing to touch."""

from __future__ import annotations

import numpy as np
from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QPainter, QPaintEvent
from PyQt6.QtWidgets import QFrame

from core.snapshots import CandleBlock
from ui import fonts, theme
from ui.i18n import tr

_PAD = 10


class MiniCandles(QFrame):
    """`show_words` empties it and says why."""

    def __init__(self, height: int) -> None:
        super().__init__()
        self.setFixedHeight(height)
        self._bars: list[tuple[float, float, float, float]] = []
        self.words = ""  # in the present language, where there are no candles
        theme.changed.connect(self.update)

    @property
    def bars(self) -> int:
        return len(self._bars)

    def show_block(self, block: CandleBlock) -> None:
        names = ("open", "high", "low", "close")
        columns = [np.frombuffer(block.columns[name], "<f8") for name in names]
        self._bars = [tuple(bar) for bar in np.column_stack(columns).tolist()]
        self.words = tr("No candles yet")
        self.update()

    def show_words(self, text: str) -> None:
        self._bars, self.words = [], text
        self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(theme.color("e0"))
        painter.setBrush(theme.color("e0"))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
        if not self._bars:
            painter.setFont(theme.font(11))
            painter.setPen(theme.color("t3"))
            metrics = fonts.metrics(11)
            text = metrics.elidedText(
                self.words, Qt.TextElideMode.ElideRight, self.width() - 2 * _PAD
            )
            x = (self.width() - metrics.horizontalAdvance(text)) / 2
            painter.drawText(round(x), fonts.baseline(self.height() / 2, 11), text)
            return
        self._paint_bars(painter)

    def _paint_bars(self, painter: QPainter) -> None:
        low = min(bar[2] for bar in self._bars)
        span = (max(bar[1] for bar in self._bars) - low) or 1.0
        room = self.height() - 2 * _PAD
        slot = (self.width() - 2 * _PAD) / len(self._bars)
        body = max(1, int(slot * 0.72) | 1)

        def y(price: float) -> int:
            return round(_PAD + room * (1 - (price - low) / span))

        for i, (opened, high, lowest, closed) in enumerate(self._bars):
            hue = theme.color("up" if closed >= opened else "down")
            middle = round(_PAD + slot * (i + 0.5))
            painter.fillRect(middle, y(high), 1, max(1, y(lowest) - y(high)), hue)
            top, bottom = y(max(opened, closed)), y(min(opened, closed))
            painter.fillRect(middle - body // 2, top, body, max(1, bottom - top), hue)
