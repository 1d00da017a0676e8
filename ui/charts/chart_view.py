"""The live candle chart: prices with volume, indicators over and under them, trades and position
on it. What a trader does on it beyond looking is in `trading_chart`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import tzinfo
from decimal import Decimal

from PyQt6.QtCore import QRectF, QSize, pyqtSignal
from PyQt6.QtGui import QHideEvent, QResizeEvent, QShowEvent
from PyQt6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from core.models.indicators import IndicatorSpec
from core.snapshots import CandleBlock, LiveCandle
from ui import formatting, i18n, icons, theme
from ui.charts import autoscale, readout
from ui.charts.axes import GridPart
from ui.charts.candle_parts import CandlesPart, ChartKind, GapsPart, HistogramPart, VolumePart
from ui.charts.canvas import PRICE, ChartCanvas
from ui.charts.live_bar import LiveBar
from ui.charts.overlays import LastPriceItem, LegendItem, StalePill, VeilPart
from ui.charts.pane import Layer, LinePart, PanePart
from ui.charts.pane_view import StudyPane
from ui.charts.price_tags import PriceTags
from ui.charts.scales import time_ticks
from ui.charts.series import CandleSeries
from ui.charts.state_plate import StatePlate
from ui.charts.studies import Study, coloured, standard_studies
from ui.charts.trade_layer import TradeLayer

_HISTORY_MARGIN = 20  # slots left of the view when older bars are asked for
_LATEST_SIZE = 28
_WIDE_PX = 1000  # of the plot: then averages have room in the legend


class CandleChart(QWidget):
    """Fed by the bridge's values; draws only, decides nothing.

    `history_wanted(end_ms)`: the view reached the oldest bar (open time `end_ms`), older ones
    are wanted by `prepend_history`. Emitted once per oldest bar.
    """

    history_wanted = pyqtSignal("qint64")

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.canvas = ChartCanvas()
        self.studies: list[Study] = []
        self.is_magnetic = False
        self._under: list[StudyPane] = []
        self._series = CandleSeries()
        self._symbol, self._timeframe, self._base = "", "1m", ""
        self._decimals, self._tick = 2, Decimal("0.01")
        self._live = LiveBar(self, self._take)
        self._is_stale = False
        self._is_percent = False
        self._is_whole = False  # the oldest bar that exists is loaded
        self._asked_before_ms: int | None = None
        self._make_items()
        self.set_studies(standard_studies())
        self._plate = StatePlate(self)
        self._latest = QPushButton(self)
        self._latest.setFixedSize(_LATEST_SIZE, _LATEST_SIZE)
        self._latest.setIconSize(QSize(14, 14))
        self._latest.clicked.connect(self.go_to_latest)
        self._latest.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.canvas)
        self.setFocusProxy(self.canvas)
        self.canvas.view_changed.connect(self._refresh)
        self.canvas.cursor_moved.connect(self._move_cursor)
        self.canvas.action.connect(self._act)
        theme.changed.connect(self._apply_theme)
        i18n.language.changed.connect(self._apply_theme)
        self._apply_theme()

    def _make_items(self) -> None:
        series, price = self._series, self.canvas.add_pane()
        self._grid = GridPart(price, series)
        self._gaps = GapsPart(price, series, with_count=True)
        self.trades = TradeLayer(price, series, self._taken_by_others, self._refresh)
        self._volume = VolumePart(price, series)
        self._candles = CandlesPart(price, series)
        self._veil = VeilPart(price, series)
        self._layer = Layer(price, series, [])
        last_line, axis = LastPriceItem(price, series), self.canvas.price_axes[PRICE]
        self._tags = PriceTags(self, axis, last_line, series, self.trades.levels)
        self._stale_pill = StalePill(price, series)
        self._legend = LegendItem(price, series, 16)
        self.trades.levels.top_px = LegendItem.HEIGHT
        over = [last_line, self.trades.marks, self.trades.levels, self._stale_pill]
        price.add([self._layer, self._legend, *over])

    def set_studies(self, studies: Sequence[Study]) -> None:
        """Which indicators are shown, in this order; their columns come with the history."""
        price, series = self.canvas.panes[PRICE], self._series
        self.studies = coloured(list(studies))
        shares = self.canvas.shares
        while len(self.canvas.panes) > 1:
            self.canvas.remove_pane(1)
        overlays: list[PanePart] = []
        for study in self.studies:
            overlays += study.parts(price, series) if study.is_overlay else []
        back: list[PanePart] = [self._gaps, self._grid, self.trades.zones, self._volume]
        self._layer.parts = [*back, *overlays, self._candles, self._veil]
        self._under = [
            StudyPane(self.canvas.add_pane(), series, study)
            for study in self.studies
            if not study.is_overlay
        ]
        self.canvas.shares = shares
        self._grey()
        self.canvas.lay_out()

    @property
    def kind(self) -> ChartKind:
        return self._candles.kind

    @property
    def specs(self) -> tuple[IndicatorSpec, ...]:
        """What history has to bring beside the prices."""
        return tuple(dict.fromkeys(study.spec for study in self.studies))

    def set_kind(self, kind: ChartKind) -> None:
        """How the prices are drawn."""
        self._candles.kind = kind
        self._refresh()

    @property
    def _layers(self) -> list[Layer]:
        return [self._layer, *(under.layer for under in self._under)]

    @property
    def _legends(self) -> list[LegendItem]:
        return [self._legend, *(under.legend for under in self._under)]

    def _grey(self) -> None:
        for layer in self._layers:
            for part in layer.parts:
                if isinstance(part, CandlesPart | VolumePart | HistogramPart | LinePart):
                    part.is_stale = self._is_stale

    def _taken_by_others(self) -> list[QRectF]:
        """What the texts of trades leave free."""
        return [self._legend.text_rect(), self._stale_pill.boundingRect()]

    # Data

    def set_instrument(
        self, price_decimals: int, tick_size: Decimal, symbol: str, timeframe: str, base: str
    ) -> None:
        """Which series is shown; another symbol or timeframe clears the chart."""
        is_other = (symbol, timeframe) != (self._symbol, self._timeframe)
        self._decimals, self._tick, self._base = price_decimals, tick_size, base
        self._tags.decimals = price_decimals
        self._symbol, self._timeframe = symbol, timeframe
        if is_other:
            self._live.reset()
            self._series.clear(timeframe)
            self.trades.clear(symbol)
            self.canvas.reset_scales()
            self._is_percent = False
            self._after_load()
        else:
            self._refresh()

    def set_history(self, block: CandleBlock) -> None:
        """Replaces all bars and shows the newest 130; blocks of another series are ignored.

        Raises ValueError when a column is missing or cut short.
        """
        if self._is_ours(block.symbol, block.timeframe):
            self._series.load(block)
            self._live.newest = None
            self._is_whole = block.is_end_of_history
            if self._series.size:
                self._plate.clear()
            self._after_load()

    def set_decision(self, time_ms: int | None) -> None:
        """The bar that opened at `time_ms` (UTC) is the newest that was known: what came after is
        veiled, legend and price tag are of that bar. None, or another series: all is known."""
        self._series.decided_ms = time_ms
        self._refresh()

    @property
    def has_bars(self) -> bool:
        return self._series.size > 0

    def newest(self, count: int) -> CandleBlock | None:
        """The newest `count` bars as they stand on the chart; None while it is empty."""
        if self._series.size == 0:
            return None
        return self._series.block(self._symbol, self._timeframe, count)

    def prepend_history(self, block: CandleBlock) -> None:
        """Adds older bars; the view does not move. Raises ValueError as `set_history`."""
        if not self._is_ours(block.symbol, block.timeframe):
            return
        moved = self._series.prepend(block)
        self._is_whole = block.is_end_of_history or moved == 0
        self.canvas.viewport_model.shift(moved)
        self._refresh()

    def refill(self, block: CandleBlock) -> None:
        """The same bars with other indicators; the view stays. Raises as `set_history`."""
        if not self._is_ours(block.symbol, block.timeframe) or self._series.size == 0:
            return
        model, newest = self.canvas.viewport_model, self._live.newest
        before = self._series.place_of_time(int(self._series.times[-1]))
        last_ms = int(self._series.times[-1])
        self._series.load(block)
        if newest is not None and newest.open_time_ms > int(self._series.times[-1]):
            self._series.upsert(newest)
        model.shift(self._series.place_of_time(last_ms) - before)
        model.last_slot = self._series.last_slot
        self._is_whole, self._asked_before_ms = block.is_end_of_history, None
        self._refresh()

    @property
    def series(self) -> tuple[str, str]:
        """(symbol, timeframe) of what is shown."""
        return self._symbol, self._timeframe

    @property
    def oldest_ms(self) -> int:
        """Open time of the oldest bar, ms UTC; 0 while there is none."""
        return int(self._series.times[0]) if self._series.size else 0

    @property
    def bar_count(self) -> int:
        return self._series.size

    def bars_between(self, time_ms: int) -> int:
        """How many bars are missing from `time_ms` (UTC) to the oldest one here; 0: it is here."""
        return max(0, -self._series.place_of_time(time_ms)) if self._series.size else 0

    def _is_ours(self, symbol: str, timeframe: str) -> bool:
        return symbol == self._symbol and timeframe == self._timeframe

    def _after_load(self) -> None:
        self._asked_before_ms = None
        self.canvas.viewport_model.reset(self._series.last_slot)
        self.trades.read_fills()
        self._refresh()

    def update_live(self, candle: LiveCandle) -> None:
        """The forming bar; drawn at most 30 times a second. Other series are ignored."""
        if self._is_ours(candle.symbol, candle.timeframe) and self._series.size:
            self._live.offer(candle)

    def append_closed(self, candle: LiveCandle) -> None:
        """A final bar: replaces the forming one of the same open time or is added."""
        if self._is_ours(candle.symbol, candle.timeframe):
            self._live.close(candle)

    def flush(self) -> None:
        """Draws a waiting tick now; otherwise within 33 ms."""
        self._live.flush()

    def _take(self, candle: LiveCandle) -> None:
        model = self.canvas.viewport_model
        before = self._series.last_slot
        if not self._series.upsert(candle):
            return
        if before < 0:
            self._plate.clear()
            self._after_load()
            return
        is_new = self._series.last_slot > before
        is_newest = candle.open_time_ms == int(self._series.times[-1])
        if is_new:
            model.grow(self._series.last_slot)
        if not self.isVisible():
            return  # a chart on another tab costs no drawing; showEvent catches up
        if is_new or not is_newest or self._rescale():
            self._refresh()
            return
        for layer in self._layers:
            layer.invalidate_at(self._series.last_slot)
        self._tags.update()
        if self.canvas.cursor is None:
            self._update_legends()

    # States

    def set_stale(self, seconds: float | None, text: str = "") -> None:
        """Greys the prices and shows `text` in the yellow pill; None: prices are fresh.

        Without `text` the pill counts `seconds` since the last price.
        """
        if seconds is not None and not text:
            text = i18n.tr("No price for {seconds} s", seconds=int(seconds))
        self._stale_pill.set_text(text if seconds is not None else "")
        pill = self._stale_pill.boundingRect()
        self.trades.levels.top_px = pill.bottom() if pill.height() else LegendItem.HEIGHT
        if self._is_stale == (seconds is not None):
            return
        self._is_stale = self._tags.is_stale = seconds is not None
        self._grey()
        self._refresh()

    def set_market_clock(self, market_time_ms: Callable[[], int]) -> None:
        """The exchange's clock (ms UTC) for the bar's countdown."""
        self._tags.market_time_ms = market_time_ms

    def set_zone(self, zone: tzinfo) -> None:
        """Whose days and hours the time axis names; daily bars keep their own."""
        if zone != self.canvas.time_axis.zone:
            self.canvas.time_axis.zone = zone
            self._refresh()

    def set_loading(self, text: str, ratio: float | None = None) -> None:
        """Placeholders with `text` and a bar at `ratio` 0..1, after 150 ms; ended by history.

        A chart that has bars keeps them: they tell more than placeholders.
        """
        if self._series.size == 0:
            self._plate.show_loading(text, ratio)

    def set_message(self, title: str, hint: str = "") -> None:
        """Instead of bars: what is missing and what to do; ended by history."""
        self._plate.show_message(title, hint)

    # View

    def go_to(self, time_ms: int) -> None:
        """The bar of `time_ms` (UTC) in the middle, same zoom; no further than there are bars."""
        model = self.canvas.viewport_model
        model.pan(self._series.place_of_time(time_ms) - (model.left + model.right) / 2)
        self._refresh()

    def show_crosshair(self, time_ms: int | None) -> None:
        """The vertical line where another chart's mouse is; None: it has left."""
        if self.canvas.cursor is None:
            readout.clear_crosshair(self.canvas)
            if time_ms is not None and self._series.size:
                slot = self._series.place_of_time(time_ms)
                readout.show_time(self.canvas, self._series, slot)

    def go_to_latest(self) -> None:
        """Newest bar with its empty room on the right, same zoom."""
        self.canvas.viewport_model.go_to_latest()
        self._refresh()

    def reset_view(self) -> None:
        """As after `set_history`: 130 bars, auto scale, linear prices."""
        self._is_percent = False
        self.canvas.reset_scales()
        self.canvas.viewport_model.reset(self._series.last_slot)
        self._refresh()

    def _act(self, action: str) -> None:
        """What a key or a corner button stands for."""
        pane = self.canvas.panes[PRICE]
        match action:
            case "A":
                pane.is_auto = not pane.is_auto
            case "L":
                pane.set_log(not pane.is_log)
            case "%":
                self._is_percent = not self._is_percent
            case "invert":
                pane.is_inverted = not pane.is_inverted
            case "reset":
                self.reset_view()
                return
            case _:
                return
        self._refresh()

    def _rescale(self) -> bool:
        """Fits the panes that are on auto to the bars in view; True when a range changed."""
        panes = self.canvas.panes
        before = [pane.scaled for pane in panes]
        prices = [level.price for level in self.trades.levels.levels if level.is_framed]
        tick, is_smoothed = float(self._tick), self.kind == "heikin_ashi"
        if not self.trades.levels.is_held:
            autoscale.fit(panes[PRICE], self._series, prices, tick, is_smoothed=is_smoothed)
        for under in self._under:
            under.rescale(tick)
        first, last = self._series.rows(*panes[PRICE].slots)
        volume = self._series.bars(first, last, panes[PRICE].group).volume
        most = float(volume.max()) if volume.size else 0.0
        is_same = most == self._volume.most and before == [pane.scaled for pane in panes]
        self._volume.most = most
        return not is_same

    def _refresh(self) -> None:
        """The whole chart after the view, the data or the theme changed; later when hidden."""
        if not self.isVisible():
            return
        canvas, model = self.canvas, self.canvas.viewport_model
        for pane in canvas.panes:
            pane.set_slots(model.left, model.right)
        self._tags.line.moved()
        self._rescale()
        pane = canvas.panes[PRICE]
        ticks = time_ticks(
            self._series, model.left, model.right, pane.slot_px, canvas.time_axis.zone
        )
        canvas.time_axis.labels = [(pane.x_of(t.slot), t.label, t.is_major) for t in ticks]
        first, _ = self._series.rows(model.left, model.right)
        self._tags.percent_base = None  # else the first close in view
        if self._is_percent and first < self._series.size:
            self._tags.percent_base = float(self._series.column("close")[first])
        self._grid.ticks = ticks
        self._grid.values, canvas.price_axes[PRICE].labels = readout.price_labels(
            pane, self._decimals, self._tags.percent_base
        )
        for axis, under in zip(canvas.price_axes[1:], self._under, strict=True):
            under.label(axis, ticks)
        keys = {"A": pane.is_auto, "L": pane.is_log, "%": self._is_percent}
        canvas.corner.active = frozenset(key for key, is_on in keys.items() if is_on)
        self._latest.setVisible(self._series.size > 0 and not model.sees_last)
        self._latest.move(
            round(canvas.plot_width) - _LATEST_SIZE - 16,
            round(pane.geometry().bottom()) - _LATEST_SIZE - 16,
        )
        self._latest.raise_()
        self._tags.update()
        self._move_cursor()
        for layer in self._layers:
            layer.invalidate()
        canvas.repaint_all()
        self._ask_for_history()

    def _ask_for_history(self) -> None:
        if self._series.size == 0 or self._is_whole:
            return
        oldest_ms = int(self._series.times[0])
        left = self.canvas.viewport_model.left
        if left < _HISTORY_MARGIN and oldest_ms != self._asked_before_ms:
            self._asked_before_ms = oldest_ms
            self.history_wanted.emit(oldest_ms)

    # Readouts

    def _update_legends(self) -> None:
        row = self._series.known_row
        if self.canvas.cursor is not None:
            slot = self.canvas.panes[PRICE].slot_at(self.canvas.cursor.x())
            at_cursor = self._series.row_at(slot)
            row = at_cursor if at_cursor is not None else row
        is_wide = self.canvas.plot_width >= _WIDE_PX
        overlays = [study for study in self.studies if study.is_overlay and is_wide]
        parts = [readout.price_legend(self._series, row, self._decimals, overlays)]
        for under in self._under:
            parts.append(readout.study_legend(self._series, row, self._decimals, under.study))
        if self._is_stale:
            parts = [[replace(part, hue="t3") for part in pane_parts] for pane_parts in parts]
        for legend, part in zip(self._legends, parts, strict=True):
            legend.set_parts(part)

    def _move_cursor(self) -> None:
        readout.move_crosshair(
            self.canvas,
            self._series,
            self._cursor_text,
            is_magnetic=self.is_magnetic is not self.canvas.is_ctrl_held,
        )
        self._update_legends()

    def _cursor_text(self, pane: int, value: float) -> str:
        if pane == PRICE:
            return formatting.price(value, self._decimals)
        study = self._under[pane - 1].study
        return readout.study_text(self._series, study, value, self._decimals)

    def legend_texts(self) -> list[str]:
        """What the legends of the panes say now, from the top."""
        return [legend.legend.text for legend in self._legends]

    # Qt

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._plate.setGeometry(self.rect())

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self._tags.run(True)
        self._refresh()

    def hideEvent(self, event: QHideEvent | None) -> None:
        super().hideEvent(event)
        self._tags.run(False)
        for layer in self._layers:
            layer.forget_picture()

    def _apply_theme(self) -> None:
        self._latest.setIcon(icons.icon("chevrons-right", "t1", 14))
        self._latest.setToolTip(i18n.tr("Go to the newest bar"))
        self._latest.setAccessibleName(i18n.tr("Go to the newest bar"))
        self.canvas.setAccessibleName(i18n.tr("Chart"))
        self.canvas.apply_theme()
        self.trades.read_levels()  # their words may be in another language
        self._refresh()
