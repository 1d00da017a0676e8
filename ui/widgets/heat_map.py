"""The days of half a year as a calendar: a column each week, the deeper the hue the larger the
result."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from PyQt6.QtCore import QEvent, QPointF, QRectF
from PyQt6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent
from PyQt6.QtWidgets import QWidget

from core.snapshots import CapitalSnapshot
from ui import fonts, formatting, theme
from ui.bridge import Bridge
from ui.charts import primitives
from ui.i18n import tr
from ui.widgets.basic import INSET, Panel

_MOST_WEEKS = 53
_NAMES_PX = 34  # weekdays, left
_MONTHS_PX = 16  # months, above
_GAP = 3
_LARGEST_CELL = 18
_STEPS = (0.30, 0.50, 0.72, 1.0)  # opacity by the quarter of the largest result


class HeatMap(QWidget):
    """`set_days` takes (2026-11-20, result), oldest first. A day on which nothing ran is empty."""

    def __init__(self) -> None:
        super().__init__()
        self._results: dict[date, float] = {}
        self._currency = "USDT"
        self._cells: list[tuple[QRectF, date]] = []
        self._mouse: QPointF | None = None
        self.setMouseTracking(True)
        self.setMinimumSize(240, 118)
        theme.changed.connect(self.update)

    def set_days(self, days: Sequence[tuple[str, float]], currency: str = "USDT") -> None:
        results = {date.fromisoformat(name): result for name, result in days}
        if (results, currency) != (self._results, self._currency):
            self._results, self._currency = results, currency
            self.update()

    def day_at(self, point: QPointF) -> date | None:
        return next((day for cell, day in self._cells if cell.contains(point)), None)

    def cell_of(self, day: date) -> QRectF | None:
        """Where the day was painted last, None when it was not."""
        return next((cell for cell, shown in self._cells if shown == day), None)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is not None:
            self._mouse = event.position()
            self.update()

    def leaveEvent(self, event: QEvent | None) -> None:
        super().leaveEvent(event)
        self._mouse = None
        self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.color("e1"))
        self._cells = []
        if self._results:
            self._paint_weeks(painter)
            self._paint_cursor(painter)
        else:
            text = tr("No trading day yet")
            x = (self.width() - primitives.text_width(text, 12)) / 2
            primitives.draw_text(painter, x, self.height() / 2, text, theme.color("t2"), px=12)
        painter.end()

    def _paint_weeks(self, painter: QPainter) -> None:
        cell = min(_LARGEST_CELL, (self.height() - _MONTHS_PX) // 7 - _GAP)
        pitch = cell + _GAP
        left = INSET + _NAMES_PX
        weeks = max(1, min(_MOST_WEEKS, (self.width() - left - INSET) // pitch))
        today = max(self._results)
        monday = today - timedelta(days=today.weekday(), weeks=weeks - 1)
        largest = max(map(abs, self._results.values())) or 1.0
        for weekday, name in enumerate((tr("Mon"), "", tr("Wed"), "", tr("Fri"), "", "")):
            y = _MONTHS_PX + weekday * pitch + cell / 2
            primitives.draw_text(painter, INSET, y, name, theme.color("t3"), weight=fonts.REGULAR)
        named_to = 0.0
        for week in range(weeks):
            x = left + week * pitch
            first = monday + timedelta(weeks=week)
            begins = next((d for d in _week(first) if d.day == 1), None)
            if begins is not None and x >= named_to:
                text = _month(begins)
                width = primitives.draw_text(
                    painter, x, _MONTHS_PX / 2, text, theme.color("t3"), weight=fonts.REGULAR
                )
                named_to = x + width + 6
            for weekday, day in enumerate(_week(first)):
                if day > today:
                    break
                place = QRectF(x, _MONTHS_PX + weekday * pitch, cell, cell)
                self._cells.append((place, day))
                hue = _hue(self._results.get(day), largest)
                primitives.rounded(
                    painter, place, 3, hue, theme.color("t2") if day == today else None
                )

    def _paint_cursor(self, painter: QPainter) -> None:
        day = None if self._mouse is None else self.day_at(self._mouse)
        place = None if day is None else self.cell_of(day)
        if day is None or place is None:
            return
        result = self._results.get(day)
        words = (
            tr("nothing ran") if result is None
            else formatting.money(result, self._currency, sign=True)
        )  # fmt: skip
        text = f"{day.isoformat()} · {words}"
        width = primitives.text_width(text) + 16
        left = min(max(INSET, place.center().x() - width / 2), self.width() - width - INSET)
        top = place.top() - 24 if place.top() > 24 else place.bottom() + 4
        plate = QRectF(round(left), round(top), round(width), 20)
        primitives.rounded(painter, plate, 3, theme.color("tag"), None)
        primitives.draw_text(painter, left + 8, top + 10, text, theme.color("#FFFFFF"))


class HeatMapPanel(Panel):
    def __init__(self, bridge: Bridge) -> None:
        super().__init__("Result by day")
        self.map = HeatMap()
        self.head.setContentsMargins(INSET, 0, INSET, 0)
        self.body.addWidget(self.map, 1)
        self.body.setContentsMargins(0, 0, 0, 8)
        bridge.capital.changed.connect(self.show_capital)

    def show_capital(self, capital: CapitalSnapshot) -> None:
        if capital.statistics is not None:
            self.map.set_days(capital.statistics.calendar, capital.currency)


def _week(monday: date) -> list[date]:
    return [monday + timedelta(days=i) for i in range(7)]


def _hue(result: float | None, largest: float) -> QColor:
    if result is None:
        return theme.color("e2")
    if result == 0:
        return theme.color("track")
    step = min(len(_STEPS) - 1, int(abs(result) / largest * len(_STEPS)))
    return theme.color("up" if result > 0 else "down", _STEPS[step])


def _month(day: date) -> str:
    names = (
        tr("Jan"), tr("Feb"), tr("Mar"), tr("Apr"), tr("May"), tr("Jun"),
        tr("Jul"), tr("Aug"), tr("Sep"), tr("Oct"), tr("Nov"), tr("Dec"),
    )  # fmt: skip
    return names[day.month - 1]
