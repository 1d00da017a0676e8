"""The newest known price as line and tag, with the time left to its bar's close, and beside it the
tags of position, orders and alerts."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QObject, QTimer

from ui import formatting
from ui.charts.axes import PriceAxis
from ui.charts.overlays import LastPriceItem, LevelsItem
from ui.charts.primitives import Tag
from ui.charts.series import CandleSeries

_COUNTDOWN_MS = 500


class PriceTags(QObject):
    """Attributes: line (the item to draw), decimals, is_stale, percent_base (what 0 % is, None:
    prices are written), market_time_ms (the exchange's clock, ms UTC)."""

    def __init__(
        self,
        parent: QObject,
        axis: PriceAxis,
        line: LastPriceItem,
        series: CandleSeries,
        levels: LevelsItem,
    ) -> None:
        super().__init__(parent)
        self.line = line
        self.decimals = 2
        self.is_stale = False
        self.percent_base: float | None = None
        self.market_time_ms: Callable[[], int] | None = None
        self._axis, self._series, self._levels = axis, series, levels
        self._timer = QTimer(self)
        self._timer.setInterval(_COUNTDOWN_MS)
        self._timer.timeout.connect(self.update_tags)

    def run(self, is_running: bool) -> None:
        """Whether the countdown counts: while the chart is seen."""
        if is_running:
            self._timer.start()
        else:
            self._timer.stop()

    def update(self) -> None:
        """After a tick, or when the pane shows other prices."""
        if self._series.size == 0:
            self.line.set_price(None, "t3")
        else:
            self.line.set_price(
                float(self._series.column("close")[self._series.known_row]), self._hue
            )
        self.update_tags()

    def update_tags(self) -> None:
        pane, tags = self.line.pane, []
        if self._levels.isVisible():
            tags = [
                Tag(pane.y_of(level.price), self._text(level.price), level.hue, False)
                for level in self._levels.levels
            ]
        if self._series.size:
            close = float(self._series.column("close")[self._series.known_row])
            hue = self._hue
            fill = "tag" if hue == "t3" else f"{hue}_fill"
            tags.append(Tag(pane.y_of(close), self._text(close), fill, True, self._countdown()))
        self._axis.set_tags(tags)

    @property
    def _hue(self) -> str:
        if self.is_stale:
            return "t3"
        opened, closed = (
            self._series.column(name)[self._series.known_row] for name in ("open", "close")
        )
        return "up" if closed >= opened else "down"

    def _countdown(self) -> str:
        if self.market_time_ms is None or self.is_stale:
            return ""
        closes_ms = int(self._series.times[-1]) + self._series.duration_ms
        left_ms = closes_ms - self.market_time_ms()
        return formatting.countdown(min(left_ms, self._series.duration_ms))

    def _text(self, value: float) -> str:
        if self.percent_base:
            return formatting.percent(value / self.percent_base - 1)
        return formatting.price(value, self.decimals)
