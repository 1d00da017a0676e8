"""What lies over the bars: levels, last price, crosshair, legend, stale pill."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from PyQt6.QtCore import QLineF, QPointF, QRectF, Qt
from PyQt6.QtGui import QPainter

from ui import fonts, icons, theme
from ui.charts import primitives
from ui.charts.axes import SceneItem
from ui.charts.levels import Level, Zone
from ui.charts.pane import Pane, PaneItem, PanePart
from ui.charts.primitives import PILL_HEIGHT
from ui.charts.series import CandleSeries
from ui.charts.studies import Study

INSET = 12
_BEFORE_ENTRY = 0.3
_ZONE_OPACITY = 0.06
_UNKNOWN_OPACITY = 0.35
_PILL_GAP_PX = 2
GRAB_PX = 5.0


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


class VeilPart(PanePart):
    """What came after a decision, at 35 %: it was not known then. Behind the bar that decided
    stands a dashed line."""

    def draw(self, painter: QPainter, exposed: QRectF) -> None:
        decided_ms = self.series.decided_ms
        slot = None if decided_ms is None else self.series.slot_of_time(decided_ms)
        if slot is None:
            return
        left, height = round(self.pane.x_of(slot + 0.5)), self.pane.height_px
        after = QRectF(left, 0, self.pane.width_px - left, height)
        painter.fillRect(after & exposed, theme.color("e1", 1 - _UNKNOWN_OPACITY))
        painter.setPen(primitives.line_pen(theme.color("accent"), "fine"))
        painter.drawLine(QLineF(left + 0.5, 0, left + 0.5, height))


class LevelsItem(PaneItem):
    """Lines first, pills over them. Pills that would touch each other, or what stands above
    `top_px`, are moved apart. `is_held`: the mouse has one of them, so the scale stands still."""

    z = 30.0

    def __init__(self, pane: Pane, series: CandleSeries) -> None:
        super().__init__(pane, series)
        self.levels: list[Level] = []
        self.top_px = 0.0
        self.is_held = False

    def draw(self, painter: QPainter) -> None:
        width = self._rect.width()
        shown = self._shown()
        for y, level in shown:
            split = _entry_x(self.pane, self.series, level.from_ms)
            row = round(y)
            pale, full = theme.color(level.hue, _BEFORE_ENTRY), theme.color(level.hue)
            primitives.hline(painter, pale, left=0, right=split, y=row, style=level.style)
            primitives.hline(painter, full, left=split, right=width, y=row, style=level.style)
        for centre, (_, level) in zip(self._centres(shown), shown, strict=True):
            primitives.draw_pill(
                painter,
                INSET,
                centre,
                name=level.name,
                text=level.text,
                hue=level.hue,
                text_hue=level.text_hue,
            )

    def pills(self) -> list[QRectF]:
        """Where the pills are."""
        shown = self._shown()
        return [
            QRectF(
                INSET,
                round(centre) - PILL_HEIGHT / 2,
                primitives.pill_width(level.name, level.text),
                PILL_HEIGHT,
            )
            for centre, (_, level) in zip(self._centres(shown), shown, strict=True)
        ]

    def handle_at(self, y: float) -> Level | None:
        """The line that can be dragged within a few px of `y`; None when none is there."""
        near = [
            (abs(level_y - y), level)
            for level_y, level in self._shown()
            if level.handle is not None and abs(level_y - y) <= GRAB_PX
        ]
        return min(near, key=lambda pair: pair[0])[1] if near else None

    def _shown(self) -> list[tuple[float, Level]]:
        """(y, level) of what is in view, from the top."""
        placed = [(self.pane.y_of(level.price), level) for level in self.levels]
        inside = [pair for pair in placed if 0 <= pair[0] <= self._rect.height()]
        return sorted(inside, key=lambda pair: pair[0])

    def _centres(self, shown: list[tuple[float, Level]]) -> list[float]:
        """Centres of the pills: down from the top until they are apart, then up from the bottom
        where that went too far."""
        step = PILL_HEIGHT + _PILL_GAP_PX
        least, centres = self.top_px + step / 2, []
        for y, _ in shown:
            centres.append(max(y, least))
            least = centres[-1] + step
        most = self._rect.height() - step / 2
        for index in reversed(range(len(centres))):
            centres[index] = min(centres[index], most)
            most = centres[index] - step
        return centres


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
    """`label value`, the value in `hue`; `gap` px to the next part. `study` is whose it is."""

    label: str
    value: str
    hue: str
    gap: int = 12
    study: Study | None = None


@dataclass(slots=True)
class Legend:
    parts: list[LegendPart] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What is written, for tests and for screen readers."""
        return " ".join(f"{p.label} {p.value}".strip() for p in self.parts)


def _part_width(part: LegendPart) -> float:
    width = primitives.text_width(part.value)
    if part.label:
        width += primitives.text_width(part.label, weight=fonts.REGULAR) + 4
    return width


class LegendItem(PaneItem):
    """Values of the bar under the cursor, top left of its pane; readable over whatever crosses."""

    z = 40.0
    HEIGHT = 32.0

    def __init__(self, pane: Pane, series: CandleSeries, centre_y: float) -> None:
        super().__init__(pane, series)
        self.legend = Legend()
        self._centre_y = centre_y

    def set_parts(self, parts: list[LegendPart]) -> None:
        former = self.legend.parts
        if parts != former:
            before = self.text_rect()
            self.legend = Legend(parts)
            self.update(before.united(self.text_rect()).adjusted(self._same_px(former), 0, 0, 0))

    def _same_px(self, former: list[LegendPart]) -> float:
        """What stands as it stood, from the left: a tick changes the close and what follows."""
        same = itertools.takewhile(
            lambda pair: pair[0] == pair[1], zip(former, self.legend.parts, strict=False)
        )
        return sum(_part_width(part) + part.gap for part, _ in same)

    def boundingRect(self) -> QRectF:
        return QRectF(0, 0, self._rect.width(), min(self.HEIGHT, self._rect.height()))

    def text_rect(self) -> QRectF:
        """What the text takes, with a little room."""
        width = sum(_part_width(part) + part.gap for part in self.legend.parts)
        right = min(INSET + width, self._rect.width())
        return QRectF(INSET - 4, self._centre_y - 9, max(0.0, right - INSET), 18)

    def study_rects(self) -> list[tuple[Study, QRectF]]:
        """Where each indicator is written, px of the pane."""
        found: dict[int, tuple[Study, QRectF]] = {}
        x = float(INSET)
        for part in self.legend.parts:
            width = _part_width(part)
            if part.study is not None and x + width <= self._rect.width():
                here = QRectF(x, self._centre_y - 9, width, 18)
                known = found.get(id(part.study))
                rect = here if known is None else known[1].united(here)
                found[id(part.study)] = (part.study, rect)
            x += width + part.gap
        return list(found.values())

    def draw(self, painter: QPainter) -> None:
        if not self.legend.parts:
            return
        primitives.rounded(painter, self.text_rect(), 3, theme.color("e1", 0.8), None)
        right = float(INSET)
        caption = theme.color("t3")
        for part in self.legend.parts:
            x = right
            if x + primitives.text_width(part.label + part.value) > self._rect.width():
                return
            width = _part_width(part)
            right = x + width + part.gap
            if not self.pane.is_exposed(QRectF(x, 0, width, self.HEIGHT)):
                continue
            if part.label:
                x += 4 + primitives.draw_text(
                    painter, x, self._centre_y, part.label, caption, weight=fonts.REGULAR
                )
            primitives.draw_text(painter, x, self._centre_y, part.value, theme.color(part.hue))


class StalePill(PaneItem):
    """The yellow pill: how long there has been no price."""

    z = 50.0

    def __init__(self, pane: Pane, series: CandleSeries) -> None:
        super().__init__(pane, series)
        self._text = ""

    @property
    def text(self) -> str:
        return self._text

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
