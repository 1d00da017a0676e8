"""The live candle chart: price with volume, RSI and MACD panes, trades and position on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QWidget

from core.models.orders import Order
from core.snapshots import CandleBlock, FillRecord, LiveCandle, PositionSnapshot


class CandleChart(QWidget):
    """Fed by the bridge's values; draws only, decides nothing.

    `history_wanted(end_ms)`: the view reached the oldest bar (open time `end_ms`), older ones
    are wanted by `prepend_history`. Emitted once per oldest bar.
    """

    history_wanted = pyqtSignal(int)

    def set_instrument(
        self, price_decimals: int, tick_size: Decimal, symbol: str, timeframe: str, base: str
    ) -> None:
        """Which series is shown; another symbol or timeframe clears the chart."""

    def set_history(self, block: CandleBlock) -> None:
        """Replaces all bars; the view shows the newest 130."""

    def prepend_history(self, block: CandleBlock) -> None:
        """Adds older bars; the view does not move."""

    def update_live(self, candle: LiveCandle) -> None:
        """The forming bar; drawn at most 30 times a second. Other series are ignored."""

    def append_closed(self, candle: LiveCandle) -> None:
        """A final bar: replaces the forming one of the same open time or is added."""

    def set_fills(self, fills: Sequence[FillRecord]) -> None:
        """All fills to mark (any order); those of other symbols are ignored."""

    def set_position(self, position: PositionSnapshot | None) -> None:
        """Entry, stop and target lines; None or a flat or foreign position removes them."""

    def set_working_orders(self, orders: Sequence[Order]) -> None:
        """Lines of working orders; terminal ones and other symbols are ignored."""

    def set_stale(self, seconds: float | None, text: str = "") -> None:
        """Greys the prices and shows `text` in the yellow pill; None: prices are fresh."""

    def set_market_clock(self, market_time_ms: Callable[[], int]) -> None:
        """The exchange's clock (ms UTC) for the bar's countdown."""

    def set_loading(self, text: str, ratio: float | None = None) -> None:
        """Placeholders with `text` and a bar at `ratio` 0..1, after 150 ms; ended by history."""

    def set_message(self, title: str, hint: str = "") -> None:
        """Instead of bars: what is missing and what to do; ended by history."""

    def go_to_latest(self) -> None:
        """Newest bar with its empty room on the right, auto scale on."""

    def reset_view(self) -> None:
        """As after `set_history`: 130 bars, auto scale, linear prices."""

    def set_marks_visible(self, visible: bool) -> None:
        """Shows or hides fills and working orders (the toolbar's eye)."""

    def flush(self) -> None:
        """Draws a waiting tick now; otherwise within 33 ms."""
