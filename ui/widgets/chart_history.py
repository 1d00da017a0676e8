"""History that a chart asks for after it stands: older bars, other indicators, a date.

One question at a time; an answer for a series that is no longer shown is thrown away.
"""

from __future__ import annotations

from PyQt6 import sip

from core.commands import CommandResult
from ui import tasks
from ui.charts.trading_chart import TradingChart
from ui.i18n import tr
from ui.shared_services import SharedDataManager

BARS_AT_ONCE = 1000
_MOST_AT_ONCE = 20_000  # what the engine gives in one answer
_MOST_BARS = 100_000  # 40 MB with a dozen indicators
_ROOM = 200  # bars beyond the date, so that it stands in the middle


class ChartHistory:
    """Of `chart`, from `data`."""

    def __init__(self, data: SharedDataManager, chart: TradingChart) -> None:
        self._data, self._chart = data, chart
        self._is_busy = False
        chart.history_wanted.connect(lambda end_ms: tasks.spawn(self._older(end_ms)))
        chart.indicators_wanted.connect(lambda: tasks.spawn(self._refill()))
        chart.date_wanted.connect(lambda time_ms: tasks.spawn(self._go_to(time_ms)))

    async def _older(self, end_ms: int) -> None:
        if not self._is_busy:
            await self._prepend(BARS_AT_ONCE, end_ms)

    async def _prepend(self, count: int, end_ms: int) -> bool:
        """Whether anything came."""
        self._is_busy = True
        try:
            chart, (symbol, timeframe) = self._chart, self._chart.series
            block, refusal = await self._data.candles(symbol, timeframe, count, end_ms, chart.specs)
            if sip.isdeleted(chart) or chart.series != (symbol, timeframe):
                return False
            if block is None:
                tasks.announce(CommandResult(0, False, refusal))
                return False
            before = chart.bar_count
            chart.prepend_history(block)
            return chart.bar_count > before
        finally:
            self._is_busy = False

    async def _refill(self) -> None:
        """The same bars again, with the columns of the indicators that are now wanted."""
        chart, (symbol, timeframe), specs = self._chart, self._chart.series, self._chart.specs
        count = min(max(chart.bar_count, BARS_AT_ONCE), _MOST_AT_ONCE)
        block, refusal = await self._data.candles(symbol, timeframe, count, None, specs)
        if sip.isdeleted(chart) or chart.series != (symbol, timeframe) or chart.specs != specs:
            return
        if block is None:
            tasks.announce(CommandResult(0, False, refusal))
        else:
            chart.refill(block)

    async def _go_to(self, time_ms: int) -> None:
        chart, series = self._chart, self._chart.series
        if chart.bars_between(time_ms) + chart.bar_count > _MOST_BARS:
            text = tr("That is too far back for bars of this length. Choose a longer interval.")
            tasks.announce(CommandResult(0, False, text))
            return
        while missing := chart.bars_between(time_ms):
            count = min(missing + _ROOM, _MOST_AT_ONCE)
            came = not self._is_busy and await self._prepend(count, chart.oldest_ms)
            if sip.isdeleted(chart) or chart.series != series:
                return
            if not came:
                break
        chart.go_to(time_ms)
