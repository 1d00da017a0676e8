"""One bot's tab: head, chart with toolbar, blotter; on the right position, ticket, book, risk."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QWidget

from core.commands import CommandResult
from core.models.tickets import OrderPreview, OrderTicket
from core.snapshots import EngineSnapshot
from ui import alert_desk, shortcuts, tasks
from ui.bridge import (
    CONNECTING,
    NOT_CONNECTED,
    STALE_AFTER_MS,
    WAITING_FOR_PRICE,
    Bridge,
)
from ui.chart_memory import ChartLayout
from ui.dialogs import questions
from ui.last_chart import LastChart
from ui.shared_services import BotLink
from ui.tabs import bot_panels
from ui.tabs.bot_panels import BotPanels
from ui.widgets.basic import column
from ui.widgets.blotter import Blotter
from ui.widgets.bot_header import BotHeader
from ui.widgets.chart_feed import ChartFeed
from ui.widgets.chart_panel import ChartPanel
from ui.widgets.order_book import OrderBookPanel
from ui.widgets.position_panel import PositionPanel
from ui.widgets.risk_panel import RiskPanel
from ui.widgets.ticket import OrderTicketPanel

_KEPT_BARS = 300


class BotTab(QWidget):
    """Shows the bot behind `bot`; its chart's timeframe starts as the bot's and may be changed.

    `last` are bars of an earlier run, shown as old until the engine's own are there.
    Signals: chart_painted(is_live): bars stand; is_live when they are the engine's.
    trail_wanted(client order id). alert_wanted(symbol, price): a Decimal on the tick.
    """

    chart_painted = pyqtSignal(bool)
    alert_wanted = pyqtSignal(str, object)
    trail_wanted = pyqtSignal(str)

    def __init__(self, bridge: Bridge, bot: BotLink, last: LastChart | None = None) -> None:
        super().__init__()
        self._bridge, self._bot = bridge, bot
        self._timeframe = last.block.timeframe if last else bot.latest.timeframe
        self.header = BotHeader(bridge, bot)
        self.header.ask_start, self.header.ask_stop = self._ask_start, self._ask_stop
        self._panel = ChartPanel(
            bridge.chart_memory,
            bot.bot_id,
            self._timeframe,
            bridge.data_dir / "pictures",
            bridge.chart_links,
        )
        self.chart = self._panel.chart
        self._feed = ChartFeed(
            bridge,
            self.chart,
            f"tab {bot.bot_id}",
            lambda: bridge.knows(bot.bot_id),
            bot.latest.account,
        )
        self.blotter = Blotter(bridge)
        self.position = PositionPanel(bridge, bot.latest.symbol)
        self.position.ask_close = self._ask_close_own
        self.position.move_stop = self._move_own_stop
        self.position.trail_wanted.connect(self.trail_wanted)
        self.ticket = OrderTicketPanel(bridge, bot.latest.account, bot.latest.symbol)
        self.ticket.ask_live = self._ask_live_order
        self.book = OrderBookPanel(bridge, bot.latest.symbol)
        self.book.price_chosen.connect(self.ticket.set_price)
        self._risk = RiskPanel(bridge)
        self._risk.setMinimumHeight(188)
        self._lay_out()
        self._connect()
        symbol = bot.latest.symbol
        self._feed.show_series(symbol, self._timeframe, last.block if last else None)

    def _lay_out(self) -> None:
        self.docks = BotPanels(
            self.header,
            {
                bot_panels.CHART: self._panel,
                bot_panels.BLOTTER: self.blotter,
                bot_panels.POSITION: self.position,
                bot_panels.ORDER: self.ticket,
                bot_panels.BOOK: self.book,
                bot_panels.RISK: self._risk,
            },
        )
        self.docks.caption = self._bot.latest.symbol
        self.setLayout(column(self.docks))
        self.set_narrow(False)

    def _connect(self) -> None:
        bridge = self._bridge
        self._panel.timeframe_chosen.connect(self._change_timeframe)
        self._panel.expand_wanted.connect(self.docks.show_chart_alone)
        self.chart.level_change_wanted.connect(self._change_level)
        self.chart.pending_moved.connect(self.ticket.move_line)
        self.chart.offers_orders = True
        self.chart.order_wanted.connect(self.ticket.prepare)
        self.ticket.pending_changed.connect(self.chart.trades.set_pending)
        self.chart.alert_wanted.connect(self._want_alert)
        alert_desk.take_lines(self.chart, bridge.link.send)
        self._feed.named.connect(self._name_chart)
        self._feed.loaded.connect(self._tell_painted)
        shortcuts.bind("reset_chart", self, self.chart.reset_view)
        shortcuts.bind(
            "cancel_symbol", self, lambda: self.blotter.cancel_all(self._bot.latest.symbol)
        )
        self.blotter.trail_wanted.connect(self.trail_wanted)
        bridge.snapshot_changed.connect(self._take)
        bridge.state_changed.connect(self._show_freshness)

    def set_narrow(self, narrow: bool) -> None:
        for part in (self.header, self._panel, self.blotter):
            part.set_narrow(narrow)
        self.docks.set_narrow(narrow)  # after them: a low blotter has to fit its place

    def set_right_shown(self, shown: bool) -> None:
        self.docks.show_side(shown)

    @property
    def is_right_shown(self) -> bool:
        return self.docks.is_side_shown

    @property
    def is_seen(self) -> bool:
        """In front, or with a panel in a window of its own."""
        return self.isVisible() or self.docks.has_floating

    @property
    def timeframe(self) -> str:
        """Of the chart, which may not be the bot's."""
        return self._timeframe

    def take_layout(self, timeframe: str, layout: ChartLayout | None) -> None:
        """As a workspace has kept it; "" and None: as it is."""
        if timeframe and timeframe != self._timeframe:
            self.chart.timeframe_wanted.emit(timeframe)
        elif layout is not None:
            self._feed.show_series(self._bot.latest.symbol, self._timeframe)
        if layout is not None:
            self.chart.use_layout(layout)  # bars come later, with its indicators

    def last_chart(self) -> LastChart | None:
        """What the next run may show first; None while the chart is not live."""
        bot = self._bot.latest
        instrument = self._bridge.instruments.get(bot.symbol)
        block = self.chart.newest(_KEPT_BARS) if self._feed.is_live else None
        return LastChart(bot, instrument, block) if instrument and block else None

    def go_to(self, time_ms: int) -> None:
        """The chart at a moment, ms UTC: now, or as soon as it has bars."""
        self._feed.go_to(time_ms)

    def leave(self) -> None:
        """The bot is gone: its chart is no longer watched."""
        self._feed.leave()

    def tick(self) -> None:
        """Once in a while: prices go stale while nothing comes."""
        self._feed.show_age()
        self._show_freshness()

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        if self._bridge.snapshot is not None:
            self._feed.take(self._bridge.snapshot)
            self._take(self._bridge.snapshot)
        self._feed.show_age()
        self._show_freshness()
        if self.chart.has_bars:
            self._tell_painted()

    # What the engine says

    def _take(self, snapshot: EngineSnapshot) -> None:
        if not self.is_seen:
            return
        stale = self._show_freshness()
        if self._bot.is_old:
            return  # positions are not reconciled yet: silence, not "none"
        bot = self._bot.latest
        held = self._bridge.position(bot.account, bot.symbol)
        self.position.show_position(held, snapshot.market_time_ms, stale)

    def _show_freshness(self) -> bool:
        """Switched off where the price is old or the engine away; returns whether."""
        known = self._bridge.is_attached and not self._bot.is_old
        age_ms = self._bridge.price_age_ms(self._bot.latest.symbol)
        old = age_ms is not None and age_ms > STALE_AFTER_MS
        stale = old or not known
        self.header.show_market(self._bridge.ticker(self._bot.latest.symbol), stale)
        refusal = "" if known else NOT_CONNECTED if not self._bridge.is_attached else CONNECTING
        self.header.set_allowed(refusal, WAITING_FOR_PRICE if old else "")
        self.position.set_allowed(refusal or (WAITING_FOR_PRICE if old else ""))
        return stale

    # The chart

    def _change_timeframe(self, timeframe: str) -> None:
        if timeframe != self._timeframe:
            self._timeframe = timeframe
            self._feed.show_series(self._bot.latest.symbol, timeframe)

    def _name_chart(self) -> None:
        self._panel.show_symbol(self._bot.latest.symbol)
        self.chart.trades.set_pending(self.ticket.pending)

    def _tell_painted(self) -> None:
        if self.is_seen:
            self.chart.repaint()
            self.chart_painted.emit(self._feed.is_live)

    # What the trader wants

    def _want_alert(self, price: Decimal) -> None:
        self.alert_wanted.emit(self._bot.latest.symbol, price)

    def _change_level(self, kind: str, key: str, price: Decimal) -> None:
        """A line of the chart was dragged and confirmed."""
        actions, bot = self.blotter.order_actions, self._bot.latest
        if kind == "order":
            working = self._bridge.working_orders(bot.symbol)
            order = next((o for o in working if o.client_order_id == key), None)
            if order is not None:
                tasks.spawn(actions.change_order(order, title="Price", text=f"{price:f}"))
            return
        held = self._bridge.position(bot.account, bot.symbol)
        if held is not None:
            title = "SL" if kind == "stop" else "TP"
            tasks.spawn(actions.change_position(held, title=title, text=f"{price:f}"))

    async def _ask_start(self) -> CommandResult | None:
        live = self.header.is_live
        if live:
            sheet = questions.start_live(self.window() or self, self._bridge, self._bot.latest)
            if await sheet.ask() != questions.GO:
                return None
        return await self._bot.start_bot(confirm_live=live)

    async def _ask_stop(self) -> CommandResult | None:
        bot = self._bot.latest
        held = self._bridge.position(bot.account, bot.symbol)
        answer = await questions.stop_bot(self.window() or self, bot, held).ask()
        if answer == questions.CANCELLED:
            return None
        return await self._bot.stop_bot(close_position=answer == questions.CLOSE)

    async def _ask_live_order(self, ticket: OrderTicket, preview: OrderPreview | None) -> bool:
        sheet = questions.place_live(self.window() or self, ticket, preview)
        return await sheet.ask() == questions.GO

    async def _ask_close_own(self) -> CommandResult | None:
        bot = self._bot.latest
        held = self._bridge.position(bot.account, bot.symbol)
        if held is not None:
            await self.blotter.order_actions.close(held)
        return None  # what came of it is told where it was asked

    async def _move_own_stop(self) -> CommandResult | None:
        bot = self._bot.latest
        held = self._bridge.position(bot.account, bot.symbol)
        if held is not None:
            await self.blotter.order_actions.move_stop_to_entry(held)
        return None
