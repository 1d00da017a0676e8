"""What was traded and what is watched, on the prices: fills, position, orders, alerts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from PyQt6.QtCore import QRectF

from core.models.alerts import PriceAlert
from core.models.orders import Order
from core.snapshots import FillRecord, PositionSnapshot
from ui import formatting
from ui.charts import levels, trades
from ui.charts.levels import Handle
from ui.charts.marks import MarksItem
from ui.charts.overlays import LevelsItem, ZonesPart
from ui.charts.pane import Pane
from ui.charts.series import CandleSeries
from ui.models.ticket_form import Pending


class TradeLayer:
    """Attributes: marks, levels, zones (the drawn parts), position, orders (as they were given).

    `obstacles` are the rectangles beside the pills that texts leave free; `redraw` draws the whole
    chart again.
    """

    def __init__(
        self,
        pane: Pane,
        series: CandleSeries,
        obstacles: Callable[[], list[QRectF]],
        redraw: Callable[[], None],
    ) -> None:
        self.levels = LevelsItem(pane, series)
        self.marks = MarksItem(pane, series, self._taken)
        self.zones = ZonesPart(pane, series)
        self.position: PositionSnapshot | None = None
        self.orders: list[Order] = []
        self.pending: Pending | None = None
        self.alerts: list[PriceAlert] = []
        self._symbol = ""
        self._fills: list[FillRecord] = []
        self._series = series
        self._obstacles, self._redraw = obstacles, redraw

    def clear(self, symbol: str) -> None:
        """Another symbol: nothing of the former one is shown."""
        self._symbol = symbol
        self._fills, self.orders, self.position, self.pending = [], [], None, None
        self.alerts = []
        self.read_fills()
        self.read_levels()

    def set_fills(self, fills: Sequence[FillRecord]) -> None:
        """All fills to mark (any order); those of other symbols are ignored."""
        self._fills = list(fills)
        self.read_fills()
        self.marks.update()

    def set_position(self, position: PositionSnapshot | None) -> None:
        """Entry, stop and target lines; None or a flat or foreign position removes them."""
        if position is not None and (
            position.position.is_flat or position.position.symbol != self._symbol
        ):
            position = None
        if position != self.position:
            self.position = position
            self.read_levels()

    def set_orders(self, orders: Sequence[Order]) -> None:
        """Lines of working orders; terminal ones and other symbols are ignored."""
        if list(orders) != self.orders:
            self.orders = list(orders)
            self.read_levels()

    def set_pending(self, pending: Pending | None) -> None:
        """What the order ticket says, as lines that can be dragged; None: nothing is prepared."""
        if pending != self.pending:
            self.pending = pending
            self.read_levels()

    def set_alerts(self, alerts: Sequence[PriceAlert]) -> None:
        """Lines of those that wait; other symbols are ignored."""
        if list(alerts) != self.alerts:
            self.alerts = list(alerts)
            self.read_levels()

    def show(self, *, fills: bool, orders: bool) -> None:
        """Which of them are drawn; `orders` are position, stops, working orders and alerts."""
        self.marks.setVisible(fills)
        self.levels.setVisible(orders)
        self.zones.is_visible = orders
        self._redraw()

    def describe(self, handle: Handle, price: Decimal) -> str:
        """What would come of a line at `price`: money, % and R of an exit; what an order is worth
        and how far it is, as an alert, from the last price."""
        last = float(self._series.column("close")[-1]) if self._series.size else None
        if handle.kind == "alert":
            return formatting.percent(float(price) / last - 1) if last else ""
        if handle.kind != "order":
            return levels.exit_text(self.position, price) if self.position is not None else ""
        order = next((o for o in self.orders if o.client_order_id == handle.key), None)
        return levels.order_text(order, price, last) if order is not None else ""

    def read_fills(self) -> None:
        self.marks.set_trades(*trades.marks_and_connectors(self._fills, self._symbol))

    def read_levels(self) -> None:
        """Also after a change of language: their words are in it."""
        shown: list[levels.Level] = []
        zones: list[levels.Zone] = []
        if self.position is not None:
            quantity = formatting.size(self.position.position.quantity)
            shown, zones = levels.position_levels(self.position, quantity)
        shown += levels.order_levels(self.orders, self._symbol, self.position)
        shown += levels.alert_levels(self.alerts, self._symbol)
        shown += levels.pending_levels(self.pending) if self.pending is not None else []
        has_moved = [x.price for x in shown] != [x.price for x in self.levels.levels]
        self.levels.levels = shown
        if has_moved or zones != self.zones.zones:
            self.zones.zones = zones
            self._redraw()
        else:  # only money and % in the pills
            self.levels.update()

    def _taken(self) -> list[QRectF]:
        return self._obstacles() + (self.levels.pills() if self.levels.isVisible() else [])
