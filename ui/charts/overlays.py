"""What lies over the bars: levels, trades, last price, crosshair, legend, stale pill."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from PyQt6.QtCore import QLineF, QPointF, QRectF, Qt
from PyQt6.QtGui import QPainter, QPen

from core.models.orders import Side
from ui import fonts, formatting, icons, theme
from ui.charts import primitives
from ui.charts.axes import SceneItem
from ui.charts.levels import Level, Zone
from ui.charts.pane import Pane, PaneItem, PanePart
from ui.charts.primitives import PILL_HEIGHT
from ui.charts.series import CandleSeries
from ui.charts.trades import Connector, Mark
from ui.i18n import tr

INSET = 12
_BEFORE_ENTRY = 0.3
_ZONE_OPACITY = 0.06
_MARK_PX = 12
_MARK_GAP_PX = 5
_MARK_STACK_PX = 15


def _x_of_time(pane: Pane, series: CandleSeries, time_ms: int | None) -> float | None:
    """Centre px of the bar that contains `time_ms`; None when it is not on the chart."""
    slot = None if time_ms is None else series.slot_of_time(time_ms)
    return None if slot is None else float(int(pane.x_of(slot)))


def _entry_x(pane: Pane, series: CandleSeries, from_ms: int | None) -> float:
    """Where full strength begins; the left edge when the entry is older than the chart."""
    x = _x_of_time(pane, series, from_ms)
    return 0.0 if x is None else min(max(x, 0.0), pane.width_px)


class ZonesPart(PanePart):
    """Profit and loss tints, from the entry bar to the right edge."""

    def __init__(self, pane: Pane, series: CandleSeries) -> None:
        super().__init__(pane, series)
        self.zones: list[Zone] = []
        self.is_visible = True

    def draw(self, painter: QPainter, exposed: QRectF) -> None:
        for zone in self.zones if self.is_visible else []:
            left = _entry_x(self.pane, self.series, zone.from_ms)
            ends = sorted((round(self.pane.y_of(zone.entry)), round(self.pane.y_of(zone.exit))))
            area = QRectF(left, ends[0], self.pane.width_px - left, ends[1] - ends[0])
            painter.fillRect(area & exposed, theme.color(zone.hue, _ZONE_OPACITY))


class LevelsItem(PaneItem):
    """Lines first, pills over them; pills that would touch are moved apart."""

    z = 30.0

    def __init__(self, pane: Pane, series: CandleSeries) -> None:
        super().__init__(pane, series)
        self.levels: list[Level] = []

    def draw(self, painter: QPainter) -> None:
        height, width = self._rect.height(), self._rect.width()
        shown = [(self.pane.y_of(level.price), level) for level in self.levels]
        shown = [(y, level) for y, level in shown if 0 <= y <= height]
        for y, level in shown:
            split = _entry_x(self.pane, self.series, level.from_ms)
            row = round(y)
            pale, full = theme.color(level.hue, _BEFORE_ENTRY), theme.color(level.hue)
            primitives.hline(painter, pale, left=0, right=split, y=row, style=level.style)
            primitives.hline(painter, full, left=split, right=width, y=row, style=level.style)
        bottom = -1e9
        for y, level in sorted(shown, key=lambda pair: pair[0]):
            centre = max(y, bottom + PILL_HEIGHT / 2 + 2)
            primitives.draw_pill(
                painter,
                INSET,
                centre,
                name=level.name,
                text=level.text,
                hue=level.hue,
                text_hue=level.text_hue,
            )
            bottom = centre + PILL_HEIGHT / 2


class MarksItem(PaneItem):
    """Fills as triangles beyond the wick, and closed trades as dashed connectors."""

    z = 25.0

    def __init__(self, pane: Pane, series: CandleSeries) -> None:
        super().__init__(pane, series)
        self.marks: list[Mark] = []
        self.connectors: list[Connector] = []

    def draw(self, painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setPen(primitives.line_pen(theme.color("t2", 0.7), "fine"))
        for trade in self.connectors:
            start = _x_of_time(self.pane, self.series, trade.entry_ms)
            end = _x_of_time(self.pane, self.series, trade.exit_ms)
            if start is None or end is None or end < 0 or start > self._rect.width():
                continue
            painter.drawLine(
                QPointF(start, self.pane.y_of(trade.entry_price)),
                QPointF(end, self.pane.y_of(trade.exit_price)),
            )
        stacked: dict[tuple[int, Side], int] = {}
        for mark in self.marks:
            slot = self.series.slot_of_time(mark.time_ms)
            row = None if slot is None else self.series.row_at(slot)
            if slot is None or row is None:
                continue
            x = float(int(self.pane.x_of(slot))) + 0.5
            if not -80 < x < self._rect.width() + 80:
                continue
            level = stacked.get((slot, mark.side), 0)
            stacked[(slot, mark.side)] = level + 1
            self._mark(painter, mark, row, x, level)

    def _mark(self, painter: QPainter, mark: Mark, row: int, x: float, level: int) -> None:
        is_buy = mark.side is Side.BUY
        wick = float(self.series.column("low" if is_buy else "high")[row])
        away = _MARK_GAP_PX + level * _MARK_STACK_PX
        tip = self.pane.y_of(wick) + (away if is_buy else -away)
        hue = "up" if is_buy else "down"
        path = primitives.triangle(x, tip, points_up=is_buy, size=_MARK_PX)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.strokePath(path, QPen(theme.color("e1"), 4))  # 2 px are outside the triangle
        painter.fillPath(path, theme.color(hue))
        if mark.result is not None:
            text = formatting.signed(mark.result)
            tone = "up" if mark.result > 0 else "down" if mark.result < 0 else "t2"
            width = primitives.text_width(text)
            y = tip + (_MARK_PX + 8 if is_buy else -_MARK_PX - 6)
            primitives.draw_text(painter, x - width / 2, y, text, theme.color(tone))
        elif mark.quantity is not None:
            side = tr("Buy") if is_buy else tr("Sell")
            text = f"{side} {_size(mark.quantity)}"
            y = tip + (_MARK_PX * 0.45 if is_buy else -_MARK_PX * 0.45)
            primitives.draw_text(painter, x + 10, y, text, theme.color(hue))


def _size(quantity: Decimal) -> str:
    return formatting.quantity(quantity)


class LastPriceItem(PaneItem):
    """The dotted line at the newest price: one pixel high, so a tick repaints little."""

    z = 18.0

    def __init__(self, pane: Pane, series: CandleSeries) -> None:
        super().__init__(pane, series)
        self._price: float | None = None
        self._hue = "t3"

    def set_price(self, price: float | None, hue: str) -> None:
        if (price, hue) != (self._price, self._hue):
            self.prepareGeometryChange()
            self._price, self._hue = price, hue

    def boundingRect(self) -> QRectF:
        if self._price is None:
            return QRectF(0, 0, 0, 0)
        return QRectF(0, round(self.pane.y_of(self._price)) - 1, self._rect.width(), 3)

    def moved(self) -> None:
        self.prepareGeometryChange()

    def draw(self, painter: QPainter) -> None:
        if self._price is not None:
            y = round(self.pane.y_of(self._price))
            primitives.hline(
                painter,
                theme.color(self._hue),
                left=0,
                right=self._rect.width(),
                y=y,
                style="dotted",
            )


class CrosshairLine(SceneItem):
    """One dashed line of the crosshair, horizontal or vertical by its shape."""

    def draw(self, painter: QPainter) -> None:
        painter.setPen(primitives.line_pen(theme.color("t3", 0.6), "fine"))
        if self._rect.width() > self._rect.height():
            painter.drawLine(QLineF(0, 0.5, self._rect.width(), 0.5))
        else:
            painter.drawLine(QLineF(0.5, 0, 0.5, self._rect.height()))


@dataclass(frozen=True, slots=True)
class LegendPart:
    """`label value`, the value in `hue`; `gap` px to the next part."""

    label: str
    value: str
    hue: str
    gap: int = 12


@dataclass(slots=True)
class Legend:
    parts: list[LegendPart] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What is written, for tests and for screen readers."""
        return " ".join(f"{p.label} {p.value}".strip() for p in self.parts)


class LegendItem(PaneItem):
    """Values of the bar under the cursor, top left of its pane."""

    z = 40.0
    _HEIGHT = 32.0

    def __init__(self, pane: Pane, series: CandleSeries, centre_y: float) -> None:
        super().__init__(pane, series)
        self.legend = Legend()
        self._centre_y = centre_y

    def set_parts(self, parts: list[LegendPart]) -> None:
        if parts != self.legend.parts:
            self.legend = Legend(parts)
            self.update()

    def boundingRect(self) -> QRectF:
        return QRectF(0, 0, self._rect.width(), min(self._HEIGHT, self._rect.height()))

    def draw(self, painter: QPainter) -> None:
        x = float(INSET)
        caption = theme.color("t3")
        for part in self.legend.parts:
            width = primitives.text_width(part.label + part.value, weight=fonts.MEDIUM)
            if x + width > self._rect.width():
                return
            if part.label:
                x += 4 + primitives.draw_text(
                    painter, x, self._centre_y, part.label, caption, weight=fonts.REGULAR
                )
            ink = theme.color(part.hue)
            x += primitives.draw_text(painter, x, self._centre_y, part.value, ink) + part.gap


class StalePill(PaneItem):
    """The yellow pill: how long there has been no price."""

    z = 50.0

    def __init__(self, pane: Pane, series: CandleSeries) -> None:
        super().__init__(pane, series)
        self._text = ""

    def set_text(self, text: str) -> None:
        if text != self._text:
            self.prepareGeometryChange()
            self._text = text

    def boundingRect(self) -> QRectF:
        if not self._text:
            return QRectF(0, 0, 0, 0)
        width = primitives.text_width(self._text, 12, fonts.SEMIBOLD)
        return QRectF(INSET, 32, round(width) + 46, 28)

    def draw(self, painter: QPainter) -> None:
        if not self._text:
            return
        plate = self.boundingRect()
        primitives.rounded(painter, plate, 4, theme.color("e2"), theme.color("warnf"))
        centre = plate.center().y()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, True)
        painter.drawPixmap(
            QPointF(plate.left() + 12, centre - 7), icons.pixmap("triangle-alert", "warn", 14)
        )
        ink = theme.color("warn")
        primitives.draw_text(
            painter, plate.left() + 34, centre, self._text, ink, px=12, weight=fonts.SEMIBOLD
        )
        painter.setPen(Qt.PenStyle.NoPen)
