"""Daily results as bars around zero."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, tzinfo

from PyQt6.QtCore import QEvent, QRectF
from PyQt6.QtGui import QMouseEvent, QPainter, QPaintEvent
from PyQt6.QtWidgets import QWidget

from ui import fonts, formatting, theme, zones
from ui.charts import primitives
from ui.charts.scales import date_label, decimals_of, round_values
from ui.i18n import tr

_AXIS_PX = 52
_TIME_PX = 26
_INSET = 12
_LABEL_PX = 24  # between two values of the axis, at least
_FEWEST = 10  # a young account's few bars are not stretched over the whole width


class BarsChart(QWidget):
    """`set_bars` takes (day start ms UTC, result), oldest first; unknown results are left out."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bars: list[tuple[int, float]] = []
        self._currency = "USDT"
        self._mouse_x: float | None = None
        self._zone: tzinfo = UTC
        self.setMouseTracking(True)
        self.setMinimumSize(120, 80)
        theme.changed.connect(self.update)

    def set_zone(self, zone: tzinfo) -> None:
        """Whose days they are."""
        self._zone = zone
        self.update()

    def set_bars(self, bars: Sequence[tuple[int, float]], currency: str = "USDT") -> None:
        self._bars = [(t, v) for t, v in bars if math.isfinite(v)]
        self._currency = currency
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is not None:
            self._mouse_x = event.position().x()
            self.update()

    def leaveEvent(self, event: QEvent | None) -> None:
        super().leaveEvent(event)
        self._mouse_x = None
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: ARG002
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.color("e1"))
        if self._bars:
            self._paint_bars(painter)
        else:
            text = tr("No finished day yet")
            x = (self.width() - primitives.text_width(text, 12)) / 2
            primitives.draw_text(painter, x, self.height() / 2, text, theme.color("t2"), px=12)
        painter.end()

    def _paint_bars(self, painter: QPainter) -> None:
        width = max(1.0, self.width() - _INSET - _AXIS_PX)
        height = max(1.0, self.height() - _TIME_PX)
        results = [value for _, value in self._bars]
        low, high = min(0.0, *results), max(0.0, *results)
        span = (high - low) or 1.0
        top, bottom = high + span * 0.1, low - span * 0.1
        per_unit = height / (top - bottom)
        ticks = round_values(bottom, top, height, _LABEL_PX)
        places = decimals_of(ticks[1] - ticks[0], 2) if len(ticks) > 1 else 0
        for value in ticks:
            y = (top - value) * per_unit
            if 8 < y < height - 6:
                hue = theme.color("line" if value == 0 else "grid")
                painter.fillRect(QRectF(_INSET, round(y), width, 1), hue)
                text = formatting.axis_money(value, places, sign=True) if value else "0"
                primitives.draw_text(
                    painter, _INSET + width + 8, y, text, theme.color("t2"), weight=fonts.REGULAR
                )
        slot = width / max(_FEWEST, len(results))
        body = max(1, int(slot * 0.8))
        zero = round(top * per_unit)
        for index, value in enumerate(results):
            end = round((top - value) * per_unit)
            hue = theme.color("up" if value >= 0 else "down")
            left = round(_INSET + index * slot)
            painter.fillRect(QRectF(left, min(zero, end), body, max(1, abs(end - zero))), hue)
        self._paint_days(painter, slot, body, height)
        self._paint_cursor(painter, slot)

    def _paint_days(self, painter: QPainter, slot: float, body: int, top: float) -> None:
        last = len(self._bars) - 1
        step = max(1, math.ceil(110 / slot))
        for index in range(last, -1, -step):
            text = tr("Today") if index == last else self._day(self._bars[index][0])
            width = primitives.text_width(text)
            x = _INSET + index * slot + body / 2 - width / 2
            x = min(max(_INSET, x), self.width() - _AXIS_PX - width)
            primitives.draw_text(
                painter, x, top + _TIME_PX / 2, text, theme.color("t2"), weight=fonts.REGULAR
            )

    def _day(self, time_ms: int) -> str:
        return date_label(zones.shifted_ms(time_ms, self._zone))

    def _paint_cursor(self, painter: QPainter, slot: float) -> None:
        if self._mouse_x is None:
            return
        index = int((self._mouse_x - _INSET) // slot)
        if not 0 <= index < len(self._bars):
            return
        time_ms, value = self._bars[index]
        money = formatting.money(value, self._currency, sign=True)
        text = f"{self._day(time_ms)} · {money}"
        width = primitives.text_width(text) + 16
        left = min(max(_INSET, self._mouse_x - width / 2), self.width() - width - _INSET)
        plate = QRectF(round(left), 4, round(width), 20)
        primitives.rounded(painter, plate, 3, theme.color("tag"), None)
        primitives.draw_text(painter, left + 8, 14, text, theme.color("#FFFFFF"))
