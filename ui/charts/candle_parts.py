"""Candles, volume, MACD histogram and the holes in the data: all as batched pixel rectangles."""

from __future__ import annotations

from bisect import bisect_left
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QColor, QPainter

from ui import formatting, i18n, theme
from ui.charts import primitives
from ui.charts.pane import Pane, PanePart
from ui.charts.primitives import RectBatch, whole
from ui.charts.scales import body_px
from ui.charts.series import GAP_SLOTS, CandleSeries, Floats

_VOLUME_SHARE = 0.13
_VOLUME_OPACITY = 0.28
_SHRINKING_OPACITY = 0.37
_STALE_OPACITY = 0.4
_HIGH_LOW_BELOW_PX = 3.0
_LINE_PX = 1.5
_COUNT_REACH_PX = 80.0  # a gap's count may be wider than the gap

ChartKind = Literal["candles", "heikin_ashi", "line"]
CHART_KINDS: dict[str, ChartKind] = {
    "candles": "candles",
    "heikin_ashi": "heikin_ashi",
    "line": "line",
}


class _BarPart(PanePart):
    """Common to all bar-shaped parts: hue by direction, grey when the prices are stale."""

    def __init__(self, pane: Pane, series: CandleSeries) -> None:
        super().__init__(pane, series)
        self.is_stale = False
        self._batch = RectBatch()

    def hue(self, *, up: bool, alpha: float = 1.0) -> QColor:
        if self.is_stale:
            return theme.color("t3", _STALE_OPACITY * alpha)
        return theme.color("up" if up else "down", alpha)

    def centres(self, slot: Floats) -> Floats:
        """The pixel column of each bar's middle."""
        return np.floor(np.clip(self.pane.x_px(slot), -100_000.0, 100_000.0))


class CandlesPart(_BarPart):
    """The prices as candles, Heikin-Ashi candles or a line of closes, by `kind`.

    Wick and body; a high-low line when the slots are narrower than 3 px.
    """

    kind: ChartKind = "candles"

    def draw(self, painter: QPainter, exposed: QRectF) -> None:
        first, last = self.exposed_rows(exposed)
        if self.kind == "line":
            self._draw_line(painter, first, last)
            return
        read = self.series.smoothed if self.kind == "heikin_ashi" else self.series.bars
        bars = read(first, last, self.pane.group)
        if bars.slot.size == 0:
            return
        x = self.centres(bars.slot)
        top, height = self._between(bars.high, bars.low)
        rises = bars.close >= bars.open
        self._fill(painter, rises, x=x, y=top, width=1, height=height)
        if self.pane.slot_px >= _HIGH_LOW_BELOW_PX:
            width = body_px(self.pane.slot_px)
            top, height = self._between(bars.open, bars.close)
            left = x - width // 2
            self._fill(painter, rises, x=left, y=top, width=width, height=height)

    def _between(self, one: Floats, other: Floats) -> tuple[Floats, Floats]:
        """(top, height) px of rectangles from one value to the other, whichever is above."""
        a, b = whole(self.pane.y_px(one)), whole(self.pane.y_px(other))
        top = np.minimum(a, b)
        return top, np.maximum(a, b) - top + 1

    def _fill(
        self,
        painter: QPainter,
        rises: NDArray[np.bool_],
        *,
        x: Floats,
        y: Floats,
        width: int,
        height: Floats,
    ) -> None:
        for up, chosen in ((True, rises), (False, ~rises)):
            self._batch.fill(
                painter,
                self.hue(up=up),
                x=x[chosen],
                y=y[chosen],
                width=width,
                height=height[chosen],
            )

    def _draw_line(self, painter: QPainter, first: int, last: int) -> None:
        slots, closes = self.series.line("close", first, last, self.pane.group)
        ink = theme.color("t3", _STALE_OPACITY) if self.is_stale else theme.color("accent")
        y = np.clip(self.pane.y_px(closes), -100_000.0, 100_000.0)
        primitives.polyline(painter, self.centres(slots) + 0.5, y, ink, _LINE_PX)


class VolumePart(_BarPart):
    """Volume at the bottom of the price pane; `most` is the largest in view."""

    most = 0.0

    def draw(self, painter: QPainter, exposed: QRectF) -> None:
        if self.most <= 0:
            return
        first, last = self.exposed_rows(exposed)
        bars = self.series.bars(first, last, self.pane.group)
        if bars.slot.size == 0:
            return
        full = self.pane.height_px * _VOLUME_SHARE
        heights = np.rint(np.minimum(bars.volume / self.most, 1.0) * full)
        width = body_px(self.pane.slot_px)
        x = self.centres(bars.slot) - width // 2
        y = self.pane.height_px - heights
        rises = bars.close >= bars.open
        for up, chosen in ((True, rises), (False, ~rises)):
            self._batch.fill(
                painter,
                self.hue(up=up, alpha=_VOLUME_OPACITY),
                x=x[chosen],
                y=y[chosen],
                width=width,
                height=heights[chosen],
            )


class HistogramPart(_BarPart):
    """MACD histogram: bright while it grows away from zero, pale while it shrinks."""

    def __init__(self, pane: Pane, series: CandleSeries, name: str) -> None:
        super().__init__(pane, series)
        self.name = name

    def draw(self, painter: QPainter, exposed: QRectF) -> None:
        first, last = self.exposed_rows(exposed)
        slots, values = self.series.line(self.name, first, last, self.pane.group)
        known = np.isfinite(values)
        slots, values = slots[known], values[known]
        if slots.size == 0:
            return
        before = np.concatenate((values[:1], values[:-1]))
        grows = np.where(values >= 0, values >= before, values <= before)
        zero = round(self.pane.y_of(0.0))
        ends = whole(self.pane.y_px(values))
        top = np.minimum(ends, zero)
        heights = np.maximum(1.0, np.abs(ends - zero))
        width = body_px(self.pane.slot_px)
        x = self.centres(slots) - width // 2
        for up in (True, False):
            for bright in (True, False):
                chosen = ((values >= 0) == up) & (grows == bright)
                alpha = 0.85 if bright else _SHRINKING_OPACITY
                self._batch.fill(
                    painter,
                    self.hue(up=up, alpha=alpha),
                    x=x[chosen],
                    y=top[chosen],
                    width=width,
                    height=heights[chosen],
                )


class GapsPart(PanePart):
    """Missing candles: hatched blocks of the pane's full height, with their count."""

    def __init__(self, pane: Pane, series: CandleSeries, *, with_count: bool) -> None:
        super().__init__(pane, series)
        self._with_count = with_count

    def draw(self, painter: QPainter, exposed: QRectF) -> None:
        left, right = self.pane.slot_at(exposed.left()), self.pane.slot_at(exposed.right())
        reach = _COUNT_REACH_PX / max(self.pane.slot_px, 1e-9)
        gaps = self.series.gaps
        start = bisect_left(gaps, left - reach - GAP_SLOTS, key=lambda gap: gap.first_slot)
        for gap in gaps[start : bisect_left(gaps, right + reach, key=lambda g: g.first_slot)]:
            x = round(self.pane.x_of(gap.first_slot - 0.5))
            width = max(1, round(self.pane.x_of(gap.first_slot + gap.width - 0.5)) - x)
            block = QRectF(x, 0, width, self.pane.height_px)
            painter.fillRect(block, theme.color("e2"))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("line2"))
            hatch = painter.brush()
            hatch.setStyle(Qt.BrushStyle.BDiagPattern)
            painter.fillRect(block, hatch)
            if self._with_count:
                self._count(painter, gap.missing, x + width / 2, width)

    def _count(self, painter: QPainter, missing: int, centre_x: float, width: float) -> None:
        text = i18n.tr("{count} missing", count=formatting.number(missing, 0))
        wide = primitives.text_width(text)
        if wide > width * 1.5:
            return
        y = self.pane.height_px / 2
        plate = QRectF(round(centre_x - wide / 2 - 6), round(y - 9), round(wide + 12), 18)
        primitives.rounded(painter, plate, 3, theme.color("e2"), None)
        primitives.draw_text(painter, plate.left() + 6, y, text, theme.color("t2"))
