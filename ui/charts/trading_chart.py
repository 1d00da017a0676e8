"""The chart a trader works on: drawings, order lines that move, indicators chosen in place.

It changes nothing by itself: what concerns orders, alerts, history and files is told by signals.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from decimal import Decimal

from PyQt6.QtCore import QPoint, QPointF, Qt, pyqtSignal
from PyQt6.QtWidgets import QMenu, QWidget

from core.indicators.catalogue import default_spec
from core.models.orders import Side
from core.snapshots import CandleBlock
from ui import formatting, zones
from ui.chart_memory import ChartLayout, SavedStudy
from ui.charts import intervals, readout
from ui.charts.candle_parts import CHART_KINDS
from ui.charts.canvas import PRICE
from ui.charts.chart_view import CandleChart
from ui.charts.drawing_tool import DrawingTool
from ui.charts.drawings import LEVELS, Anchor, DrawingSet
from ui.charts.drawings_item import DrawingsItem
from ui.charts.level_drag import LevelDrag, ProposalItem
from ui.charts.levels import Handle
from ui.charts.popups import AskBox, IndicatorList, StudyBar
from ui.charts.scales import zone_of_bars
from ui.charts.studies import MOST_STUDIES, Study, sound_studies
from ui.charts.viewport import ROOM_RIGHT
from ui.i18n import tr


class TradingChart(CandleChart):
    """Signals beside `history_wanted`:

    * `level_change_wanted(kind, key, price)`: a line was moved and confirmed; `kind` is stop,
      target (key: symbol) or order (key: client order id), `price` a Decimal on the tick.
    * `order_wanted(Side, price)`: to be prepared, where `offers_orders` says that somebody can.
    * `pending_moved(field, price)`: a line of `trades.set_pending`; field is price, stop or target.
    * `alert_wanted(price)`: a Decimal on the tick; `alert_moved(alert_id, price)`,
      `alert_unwanted(alert_id)`: one of `trades.set_alerts`. `timeframe_wanted(str)`.
    * `symbol_search_wanted(str)`: the letter that was typed.
    * `indicators_wanted()`: `specs` has an indicator that no history was asked with.
    * `date_wanted(ms UTC)`: older than the oldest bar; load, then call `go_to`.
    * `snapshot_taken(QPixmap)`, `crosshair_moved(ms UTC or None)`.
    * `layout_changed()`: `layout_now()` is another. `refused(sentence)`.
    """

    level_change_wanted = pyqtSignal(str, str, object)
    pending_moved = pyqtSignal(str, object)
    alert_wanted = pyqtSignal(object)
    order_wanted = pyqtSignal(object, object)
    alert_moved = pyqtSignal(int, object)
    alert_unwanted = pyqtSignal(int)
    timeframe_wanted = pyqtSignal(str)
    symbol_search_wanted = pyqtSignal(str)
    indicators_wanted = pyqtSignal()
    date_wanted = pyqtSignal("qint64")
    snapshot_taken = pyqtSignal(object)
    crosshair_moved = pyqtSignal(object)
    layout_changed = pyqtSignal()
    refused = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        pane = self.canvas.panes[PRICE]
        self.drawings_item = DrawingsItem(pane, self._series)
        self._proposals = ProposalItem(pane, self._series, self.trades.levels.pills)
        pane.add([self.drawings_item, self._proposals])
        self.drawing = DrawingTool(self.canvas, self.drawings_item, self._anchor)
        self.levels = LevelDrag(
            self.canvas,
            self.trades.levels,
            self._proposals,
            self.trades.describe,
            lambda point, price: self._level_at(point) == price,
        )
        self.canvas.tools = [self.levels, self.drawing]
        self.ask_box, self.indicator_list = AskBox(self), IndicatorList(self)
        self.study_bar = StudyBar(self)
        self.offers_orders = False
        self._asked = set(self.specs)  # what the columns that are here were asked with
        self._connect()

    def _connect(self) -> None:
        self.canvas.typed.connect(self._take_typed)
        self.canvas.menu_wanted.connect(lambda at, where: self.menu(at).popup(where))
        self.canvas.cursor_moved.connect(self._follow_cursor)
        self.levels.wanted.connect(self._tell_level)
        self.indicator_list.chosen.connect(self.add_study)
        self.indicator_list.removed.connect(self.remove_study)
        self.study_bar.hide_wanted.connect(self.toggle_study)
        self.study_bar.settings_wanted.connect(self.edit_study)
        self.study_bar.remove_wanted.connect(self.remove_study)

    def set_instrument(
        self, price_decimals: int, tick_size: Decimal, symbol: str, timeframe: str, base: str
    ) -> None:
        is_other = symbol != self._symbol
        super().set_instrument(price_decimals, tick_size, symbol, timeframe, base)
        self.drawings_item.decimals = self._proposals.decimals = price_decimals
        self.levels.tick = tick_size
        if is_other:
            self.levels.set_unlocked(False)

    def set_history(self, block: CandleBlock) -> None:
        super().set_history(block)
        self._asked = set(self.specs)

    def use_drawings(self, drawings: DrawingSet) -> None:
        """The set of the symbol that is shown."""
        if drawings is not self.drawings_item.drawings:
            self.drawing.use(drawings)
            drawings.changed.connect(self.drawings_item.update)
            self.drawings_item.update()

    # Layout

    def use_layout(self, layout: ChartLayout) -> None:
        """As it was kept; what no longer exists is left out."""
        if layout.studies is not None:
            saved = [Study(one.spec, one.is_hidden) for one in layout.studies]
            self.set_studies(sound_studies(saved))
            self._asked = set(self.specs)
        self._candles.kind = CHART_KINDS.get(layout.kind, "candles")
        pane = self.canvas.panes[PRICE]
        pane.set_log(layout.is_log)
        pane.is_inverted = layout.is_inverted
        self._is_percent = layout.is_percent
        self.is_magnetic = layout.is_magnetic
        self.levels.needs_alt = layout.drags_with_alt
        self.canvas.viewport_model.begin_with(layout.bars)
        self._refresh()

    def layout_now(self) -> ChartLayout:
        pane = self.canvas.panes[PRICE]
        return ChartLayout(
            studies=tuple(SavedStudy(study.spec, study.is_hidden) for study in self.studies),
            kind=self.kind,
            is_log=pane.is_log,
            is_percent=self._is_percent,
            is_inverted=pane.is_inverted,
            is_magnetic=self.is_magnetic,
            drags_with_alt=self.levels.needs_alt,
            bars=self.canvas.viewport_model.bars,
        )

    def choose_kind(self, kind: str) -> None:
        """A key of `CHART_KINDS`."""
        self.set_kind(CHART_KINDS[kind])
        self.layout_changed.emit()

    # Indicators

    def open_indicators(self) -> None:
        """The list, under the legend."""
        self.indicator_list.open_with(QPoint(12, 34), self.studies)

    def add_study(self, name: str) -> None:
        """One more, with its usual numbers."""
        if len(self.studies) >= MOST_STUDIES:
            text = tr("A chart shows {count} indicators at most. Remove one.", count=MOST_STUDIES)
            self.refused.emit(text)
            return
        self._become([*self.studies, Study(default_spec(name))])

    def remove_study(self, study: Study) -> None:
        self._become([kept for kept in self.studies if kept is not study])

    def toggle_study(self, study: Study) -> None:
        """Its lines come and go; its name stays in the legend."""
        study.is_hidden = not study.is_hidden
        self._become(self.studies)

    def edit_study(self, study: Study) -> None:
        """Its numbers, in place of its name in the legend."""
        at = self._place_of(study) or QPoint(12, 34)
        self.ask_box.ask(at, study.title, study.numbers, lambda text: self._renumber(study, text))

    def _renumber(self, study: Study, text: str) -> None:
        study.spec = study.renumbered(text)
        self._become(self.studies)

    def _become(self, studies: list[Study]) -> None:
        self.set_studies(studies)
        self._refresh()
        self.layout_changed.emit()
        asked, self._asked = self._asked, set(self.specs)
        if self._asked - asked:
            self.indicators_wanted.emit()

    def _place_of(self, study: Study) -> QPoint | None:
        for pane, legend in zip(self.canvas.panes, self._legends, strict=True):
            for named, rect in legend.study_rects():
                if named is study:
                    place: QPointF = rect.topLeft() + pane.geometry().topLeft()
                    return place.toPoint()
        return None

    def _follow_cursor(self) -> None:
        """The bar beside the indicator whose name is under the mouse."""
        cursor = self.canvas.cursor
        self.crosshair_moved.emit(None if cursor is None else self._time_at(cursor.x()))
        if cursor is None:
            if not self.study_bar.underMouse():
                self.study_bar.hide()
            return
        for pane, legend in zip(self.canvas.panes, self._legends, strict=True):
            top = pane.geometry().topLeft()
            for study, rect in legend.study_rects():
                if rect.translated(top).adjusted(0, 0, 8, 0).contains(cursor):
                    place = QPointF(rect.right() + 4, rect.center().y() - 11) + top
                    self.study_bar.show_for(study, place.toPoint())
                    return
        if not QPointF(self.study_bar.pos() - cursor.toPoint()).manhattanLength() < 24:
            self.study_bar.hide()

    def _time_at(self, x: float) -> int | None:
        if self._series.size == 0:
            return None
        return self._series.time_of_place(round(self.canvas.panes[PRICE].slot_at(x)))

    # Keys and menu

    def _act(self, action: str) -> None:
        match action:
            case "date":
                self.ask_date()
            case "snapshot":
                self.take_snapshot()
            case _:
                super()._act(action)
                self.layout_changed.emit()

    def _take_typed(self, text: str) -> None:
        if text == "/":
            self.open_indicators()
        elif text.isdigit():
            self.ask_interval(text)
        else:
            self.symbol_search_wanted.emit(text)

    def ask_interval(self, begun: str = "") -> None:
        """The box in the middle that takes `15`, `4h`, `1D`."""
        self.ask_box.ask(
            QPoint(self.width() // 2 - 130, self.height() // 3),
            tr("Interval"),
            begun,
            lambda text: self.timeframe_wanted.emit(intervals.interval(text)),
            tr("Minutes, or 4h, 1D"),
        )

    def ask_date(self) -> None:
        """The box that takes a date, and then the chart to it."""
        middle = self._time_at(self.canvas.plot_width / 2)
        begun, zone = "", self._zone
        if middle is not None:
            begun = f"{formatting.utc(zones.shifted_ms(middle, zone)):%Y-%m-%d %H:%M}"
        title = tr("Go to date ({zone})", zone=zones.abbreviation(middle or 0, zone))
        at = QPoint(self.width() // 2 - 130, self.height() // 3)
        self.ask_box.ask(at, title, begun, self._take_date)
        self.ask_box.field.selectAll()

    @property
    def _zone(self) -> tzinfo:
        return zone_of_bars(self._series.duration_ms, self.canvas.time_axis.zone)

    def _take_date(self, text: str) -> None:
        wanted_ms = intervals.moment(text, self._zone)
        if self.bars_between(wanted_ms) and not self._is_whole:
            self.date_wanted.emit(wanted_ms)
        else:
            self.go_to(wanted_ms)

    def take_snapshot(self) -> None:
        """A picture of the chart as it is."""
        self.study_bar.hide()
        self.snapshot_taken.emit(self.grab())

    def ask_alert(self) -> None:
        """The box that takes a price for an alert, and begins with the last one."""
        if self._series.size == 0:
            return
        last = self._on_tick(float(self._series.column("close")[-1]))
        at = QPoint(self.width() // 2 - 130, self.height() // 3)
        self.ask_box.ask(at, tr("Alert at price"), f"{last:f}", self._take_alert)
        self.ask_box.field.selectAll()

    def _take_alert(self, text: str) -> None:
        try:
            price = float(text.replace(",", ""))
        except ValueError:
            price = 0.0
        if not 0 < price < float("inf"):
            raise ValueError(tr("Write a price above zero."))
        self.alert_wanted.emit(self._on_tick(price))

    def menu(self, at: QPointF) -> QMenu:
        """What can be done at `at` (px of the canvas)."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        pane = self.canvas.panes[PRICE]
        if self._series.size and pane.geometry().contains(at):
            price = self._on_tick(pane.value_at(at.y() - pane.geometry().top()))
            self._add_alert(menu, at - pane.geometry().topLeft(), price)
            self._add_removal(menu, at)
            menu.addSeparator()
            self._add_orders(menu, price)
        _add(menu, tr("Go to date…") + "\tAlt+G", self.ask_date)
        _add(menu, tr("Save a picture") + "\tAlt+S", self.take_snapshot)
        _add(menu, tr("Reset the view") + "\tAlt+R", self.reset_view)
        _add(menu, tr("Begin with this many bars"), self._begin_so)
        menu.addSeparator()
        self._add_shown(menu)
        _add_choice(menu, tr("Invert the scale") + "\tAlt+I", pane.is_inverted, self._invert)
        _add_choice(menu, tr("Magnet") + "\tCtrl", self.is_magnetic, self._set_magnetic)
        menu.addSeparator()
        drawings = self.drawing.drawings
        hide = tr("Hide all drawings") + "\tCtrl+Alt+H"
        _add_choice(menu, hide, drawings.is_hidden, drawings.set_hidden)
        _add(menu, tr("Remove all drawings"), drawings.clear)
        menu.addSeparator()
        held = tr("Move order lines only with Alt")
        _add_choice(menu, held, self.levels.needs_alt, self._set_needs_alt)
        instant = tr("Send moved lines without asking")
        _add_choice(menu, instant, self.levels.is_instant, self._set_instant)
        return menu

    def _add_alert(self, menu: QMenu, point: QPointF, price: Decimal) -> None:
        """At `price`, or on the level line that is drawn at `point` (px of the pane)."""
        text, level = tr("Add an alert at {price}…"), self._level_at(point)
        if level is not None:
            price, text = level, tr("Add an alert on this line, {price}…")
        shown = formatting.price(price, self._decimals)
        _add(menu, text.format(price=shown), lambda: self.alert_wanted.emit(price))

    def _add_removal(self, menu: QMenu, at: QPointF) -> None:
        """Of the alert whose line is there."""
        line = self.levels.line_at(at)
        handle = None if line is None else line.handle
        if line is not None and handle is not None and handle.kind == "alert":
            price = formatting.price(line.price, self._decimals)
            text = tr("Remove the alert at {price}", price=price)
            _add(menu, text, lambda: self.alert_unwanted.emit(int(handle.key)))

    def _add_orders(self, menu: QMenu, price: Decimal) -> None:
        """They fill the order form: nothing is sent."""
        if self.offers_orders:
            tell, shown = self.order_wanted.emit, formatting.price(price, self._decimals)
            buy = tr("Prepare a buy at {price}", price=shown)
            sell = tr("Prepare a sell at {price}", price=shown)
            _add(menu, buy, lambda: tell(Side.BUY, price))
            _add(menu, sell, lambda: tell(Side.SELL, price))
            menu.addSeparator()

    def _add_shown(self, menu: QMenu) -> None:
        fills, orders = self.trades.marks.isVisible(), self.trades.levels.isVisible()
        show = self.trades.show
        _add_choice(menu, tr("Fills"), fills, lambda on: show(fills=on, orders=orders))
        _add_choice(
            menu, tr("Position and orders"), orders, lambda on: show(fills=fills, orders=on)
        )

    def _begin_so(self) -> None:
        model = self.canvas.viewport_model
        model.begin_with(model.width - ROOM_RIGHT)
        self.layout_changed.emit()

    def _invert(self, _is_on: bool) -> None:
        self._act("invert")

    def _set_magnetic(self, is_on: bool) -> None:
        self.is_magnetic = is_on
        self.layout_changed.emit()

    def _set_needs_alt(self, is_on: bool) -> None:
        self.levels.needs_alt = is_on
        self.layout_changed.emit()

    def _set_instant(self, is_on: bool) -> None:
        self.levels.is_instant = is_on

    # Where the mouse is

    def _on_tick(self, price: float) -> Decimal:
        return self.levels.snapped(price)

    def _level_at(self, point: QPointF) -> Decimal | None:
        """The price of the level line that is drawn at `point` (px of the pane)."""
        hit = self.drawings_item.hit(point)
        if hit is None or hit.drawing.kind not in LEVELS:
            return None
        return self._on_tick(hit.drawing.anchors[0].price)

    def _anchor(self, point: QPointF, held: Qt.KeyboardModifier) -> Anchor:
        """Time and price at `point`, on the tick; on the bar's own prices with the magnet."""
        is_ctrl = bool(held & Qt.KeyboardModifier.ControlModifier)
        if self.is_magnetic is not is_ctrl:
            pane = self.canvas.panes[PRICE]
            point = QPointF(point.x(), readout.snapped(pane, self._series, point.x(), point.y()))
        anchor = self.drawings_item.anchor(point)
        return Anchor(anchor.time_ms, max(float(self._on_tick(anchor.price)), float(self._tick)))

    def _tell_level(self, handle: Handle, price: Decimal) -> None:
        if handle.is_of_ticket:
            self.pending_moved.emit(handle.kind.removeprefix("ticket_"), price)
        elif handle.kind == "alert":
            self.alert_moved.emit(int(handle.key), price)
        else:
            self.level_change_wanted.emit(handle.kind, handle.key, price)


def _add(menu: QMenu, text: str, do: Callable[[], None]) -> None:
    action = menu.addAction(text)
    if action is not None:
        action.triggered.connect(lambda _checked: do())


def _add_choice(menu: QMenu, text: str, is_on: bool, take: Callable[[bool], None]) -> None:
    action = menu.addAction(text)
    if action is not None:
        action.setCheckable(True)
        action.setChecked(is_on)
        action.toggled.connect(take)
