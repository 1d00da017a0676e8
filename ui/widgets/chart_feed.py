"""What keeps a chart up to date: its bars, the forming one, what is traded on its symbol, and how
old all of it is."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from PyQt6 import sip
from PyQt6.QtCore import QObject, pyqtSignal

from core.snapshots import CandleBlock, EngineSnapshot, FeedItem, FillRecord, LiveCandle
from ui import tasks, zones
from ui.bridge import CONNECTING, STALE_AFTER_MS, Bridge, LinkState
from ui.charts.trading_chart import TradingChart
from ui.i18n import sentence, tr
from ui.widgets.chart_history import BARS_AT_ONCE, ChartHistory

_UNKNOWN_DECIMALS, _UNKNOWN_TICK = 2, Decimal("0.01")


class ChartFeed(QObject):
    """Of `chart`; `owner` names it to the engine, which streams it from `show_series` to `leave`.
    It asks once `is_ready()`, and marks the trades of `account` alone, or of all for "".

    Attribute: is_live, whether the bars are the engine's own. Signals: named(): another series, or
    the same anew; loaded(): live bars stand.
    """

    named = pyqtSignal()
    loaded = pyqtSignal()

    def __init__(
        self,
        bridge: Bridge,
        chart: TradingChart,
        owner: str,
        is_ready: Callable[[], bool],
        account: str = "",
    ) -> None:
        super().__init__(chart)
        self.is_live = False
        self._bridge, self._chart, self._owner = bridge, chart, owner
        self._is_ready, self._account = is_ready, account
        self._symbol, self._timeframe = "", ""
        self._is_wanted = False
        self._moment_ms: int | None = None
        self._history = ChartHistory(bridge.data, chart)
        chart.set_market_clock(lambda: bridge.snapshot.market_time_ms if bridge.snapshot else 0)
        bridge.snapshot_changed.connect(self.take)
        bridge.state_changed.connect(self._take_state)
        bridge.feed_reset.connect(self._want)
        bridge.feed_items.connect(self._take_items)
        bridge.data.candle_closed.connect(self._take_closed)

    def show_series(self, symbol: str, timeframe: str, old: CandleBlock | None = None) -> None:
        """From now on this one; `old` bars stand, and say that they are, until its own come."""
        self._symbol, self._timeframe, self._moment_ms = symbol, timeframe, None
        self._name()
        if old is not None:
            self._chart.set_history(old)
        self._want()

    def go_to(self, time_ms: int) -> None:
        """The bars of a moment, ms UTC: now, or as soon as there are any."""
        self._moment_ms = time_ms
        self._go_if_wanted()

    def _go_if_wanted(self) -> None:
        if self._moment_ms is not None and self.is_live:
            wanted_ms, self._moment_ms = self._moment_ms, None
            self._chart.date_wanted.emit(wanted_ms)

    def leave(self) -> None:
        """The chart is put away."""
        if self._symbol:
            self._symbol, self.is_live, self._is_wanted = "", False, False
            tasks.spawn(self._bridge.data.unwatch(self._owner))

    def take(self, snapshot: EngineSnapshot) -> None:
        """The newest of everything; a chart that nobody sees is given its bars alone."""
        self._load_if_wanted()
        chart, bridge, symbol = self._chart, self._bridge, self._symbol
        live = bridge.live_candle(symbol, self._timeframe)
        if live is not None and self.is_live:
            chart.update_live(live)
        if not chart.isVisible():
            return
        self.show_age()
        if not self._is_ready():
            return  # positions and orders are not reconciled yet: silence, not "none"
        accounts = [a for a in snapshot.accounts if self._account in ("", a.name)]
        names = {account.name for account in accounts}
        exchanges = {account.exchange for account in accounts}
        chart.set_zone(zones.of_first(accounts))
        held = (bridge.position(name, symbol) for name in names)
        chart.trades.set_position(next((one for one in held if one is not None), None))
        working = bridge.working_orders(symbol)
        chart.trades.set_orders([order for order in working if order.account in names])
        alerts = [alert for alert in snapshot.alerts if alert.wish.exchange in exchanges]
        chart.trades.set_alerts(alerts)

    def show_age(self) -> None:
        """Grey where the price is old or the engine away."""
        chart, bridge = self._chart, self._bridge
        age_ms = bridge.price_age_ms(self._symbol)
        if bridge.link.state is LinkState.LOST:
            chart.set_stale(0, tr("Engine lost"))
        elif not self._is_ready() or (chart.has_bars and not self.is_live):
            chart.set_stale(0, tr(CONNECTING))
        elif age_ms is not None and age_ms > STALE_AFTER_MS:
            text = tr("No price for {n} s, reconnecting", n=age_ms // 1000)
            chart.set_stale(age_ms / 1000, text)
        else:
            chart.set_stale(None)

    def _want(self) -> None:
        self._is_wanted, self.is_live = bool(self._symbol), False
        self._load_if_wanted()

    def _load_if_wanted(self) -> None:
        """Before the engine is ready it cannot answer."""
        if self._is_wanted and self._is_ready():
            self._is_wanted = False
            self._name()
            tasks.spawn(self._load(self._symbol, self._timeframe))

    def _name(self) -> None:
        found = self._bridge.instruments.get(self._symbol)
        self._chart.set_instrument(
            found.price_decimals if found else _UNKNOWN_DECIMALS,
            found.tick_size if found else _UNKNOWN_TICK,
            self._symbol,
            self._timeframe,
            found.base if found else "",
        )
        self._chart.trades.set_fills(self._bridge.fills(self._symbol))
        self.named.emit()

    async def _load(self, symbol: str, timeframe: str) -> None:
        chart, data = self._chart, self._bridge.data
        chart.set_loading(tr("Loading candles"))
        await data.watch(self._owner, symbol, timeframe)
        block, refusal = await data.candles(symbol, timeframe, BARS_AT_ONCE, indicators=chart.specs)
        if sip.isdeleted(self) or (symbol, timeframe) != (self._symbol, self._timeframe):
            return  # the chart is gone, or something else was chosen meanwhile
        if block is None:
            chart.set_message(tr("No candles"), sentence(refusal))
        elif block.rows == 0:
            chart.set_message(tr("No candles yet"), tr("They come with the first closed bar."))
        else:
            chart.set_history(block)
            self.is_live = True
            if self._bridge.snapshot is not None:
                self.take(self._bridge.snapshot)
            self.loaded.emit()
            self._go_if_wanted()

    def _take_state(self, state: LinkState) -> None:
        if state is LinkState.LOST:
            self.is_live = False
        self.show_age()

    def _take_items(self, items: list[FeedItem]) -> None:
        records = (item.record for item in items)
        if any(isinstance(r, FillRecord) and r.fill.symbol == self._symbol for r in records):
            self._chart.trades.set_fills(self._bridge.fills(self._symbol))

    def _take_closed(self, candle: LiveCandle) -> None:
        if self.is_live:
            self._chart.append_closed(candle)
