"""The steps of a trail: time left, icon on a rail, what happened with its figures, and right a bar
where in the whole the time went."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QPointF, QRectF, Qt
from PyQt6.QtGui import QHelpEvent, QPainter, QPaintEvent
from PyQt6.QtWidgets import QToolTip, QWidget

from ui import fonts, formatting, icons, theme
from ui.i18n import tr
from ui.models.trail import Trail, TrailStep, lasting
from ui.plain import tip
from ui.widgets.ink import Ink, draw_left, draw_right

_ROW, _HEAD = 72, 28
_TIME_RIGHT, _RAIL, _TEXT = 120, 148, 182
_BARS_WIDE, _BARS_NARROW, _BARS_GAP = 216, 140, 24
_TICKS = 2


class TrailSteps(QWidget):
    """As high as its steps need; put it into a scroll area."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "page")
        self._trail: Trail | None = None
        self._bars = _BARS_WIDE
        theme.changed.connect(self.update)

    def set_narrow(self, narrow: bool) -> None:
        self._bars = _BARS_NARROW if narrow else _BARS_WIDE
        self.update()

    def show_trail(self, trail: Trail | None) -> None:
        self._trail = trail
        rows = len(trail.steps) if trail is not None else 0
        self.setFixedHeight(_HEAD + rows * _ROW + 8)
        words = "; ".join(f"{s.title}: {s.words}" for s in trail.steps) if trail else ""
        self.setAccessibleDescription(words)
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        trail = self._trail
        if trail is None or event is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_rail(painter, len(trail.steps))
        self._paint_scale(painter, trail)
        for i, step in enumerate(trail.steps):
            top = _HEAD + i * _ROW
            if top + _ROW >= event.rect().top() and top <= event.rect().bottom():
                self._paint_step(painter, trail, step, top)

    def event(self, event: QEvent | None) -> bool:
        if isinstance(event, QHelpEvent) and self._trail is not None:
            row = (event.pos().y() - _HEAD) // _ROW
            if 0 <= row < len(self._trail.steps):
                step = self._trail.steps[row]
                QToolTip.showText(event.globalPos(), tip(step.whole or step.title), self)
                return True
        return super().event(event)

    def _paint_rail(self, painter: QPainter, rows: int) -> None:
        if rows > 1:
            painter.setPen(theme.color("line2"))
            first, last = _HEAD + _ROW / 2, _HEAD + (rows - 0.5) * _ROW
            painter.drawLine(QPointF(_RAIL, first), QPointF(_RAIL, last))

    def _bars_left(self) -> float:
        return self.width() - self._bars - _BARS_GAP

    def _paint_scale(self, painter: QPainter, trail: Trail) -> None:
        left, bottom = self._bars_left(), float(self.height() - 8)
        for i in range(_TICKS + 1):
            x = left + self._bars * i / _TICKS
            painter.setPen(theme.color("grid"))
            painter.drawLine(QPointF(x, _HEAD - 6), QPointF(x, bottom))
            text = "0" if i == 0 else lasting(trail.total_ms * i / _TICKS)
            half = fonts.metrics(11).horizontalAdvance(text) / 2
            end = x if i == _TICKS else x + half
            draw_right(painter, text, (end, 10), Ink("t2", 400, 11))

    def _paint_step(self, painter: QPainter, trail: Trail, step: TrailStep, top: int) -> None:
        middle = top + _ROW / 2
        self._paint_time(painter, step, middle)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("e2"))
        painter.drawEllipse(QPointF(_RAIL, middle), 14, 14)
        tone = step.tone if step.tone != "t1" else "t2"
        painter.drawPixmap(QPointF(_RAIL - 7, middle - 7), icons.pixmap(step.icon, tone, 14))
        right = self._bars_left() - 16
        upper, lower = middle - 12, middle + 11
        x = draw_left(painter, step.title, (_TEXT, upper), Ink(step.tone, 600, 13), right)
        draw_left(painter, step.words, (x + 10, upper), Ink("t2"), right)
        x = float(_TEXT)
        for name, value in step.facts:
            x = draw_left(painter, name, (x, lower), Ink("t3"), right) + 6
            x = draw_left(painter, value, (x, lower), Ink("t1", 500), right) + 18
        self._paint_bar(painter, trail, step, middle)

    @staticmethod
    def _paint_time(painter: QPainter, step: TrailStep, middle: float) -> None:
        took = "" if step.took_ms is None else tr("took {time}", time=lasting(step.took_ms))
        draw_right(painter, formatting.clock_ms(step.time_ms), (_TIME_RIGHT, middle - 10), Ink())
        draw_right(painter, took, (_TIME_RIGHT, middle + 10), Ink("t3"))

    def _paint_bar(self, painter: QPainter, trail: Trail, step: TrailStep, middle: float) -> None:
        start_ms = _since_start_ms(trail, step)
        if trail.total_ms <= 0 or start_ms >= trail.total_ms:
            return
        left = self._bars_left()
        x = left + self._bars * start_ms / trail.total_ms
        took_ms = min(step.took_ms or 0.0, trail.total_ms - start_ms)
        width = max(2.0, self._bars * took_ms / trail.total_ms)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("accent" if width > 3 else "t2"))
        painter.drawRoundedRect(QRectF(x, middle - 4, width, 8), 2, 2)


def _since_start_ms(trail: Trail, step: TrailStep) -> float:
    """Real milliseconds from the first step to this one."""
    passed = 0.0
    for other in trail.steps:
        if other is step:
            break
        passed += other.took_ms or 0.0
    return passed
