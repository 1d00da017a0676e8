"""A scanning bot's tab: head, scan strip, ranking, signals; on the right the strongest symbol, the
open position, risk and requests."""

from __future__ import annotations

from typing import Any

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtWidgets import QScrollArea, QWidget

from core.commands import CommandResult
from core.snapshots import BotState, EngineSnapshot
from ui.bot_actions import BotActions
from ui.bridge import CONNECTING, NOT_CONNECTED, Bridge
from ui.docks import Docks
from ui.order_actions import OrderActions
from ui.panel_layouts import Arrangement, Cell, Stripe
from ui.shared_services import BotLink
from ui.widgets.basic import GUTTER, column
from ui.widgets.buttons import TextButton
from ui.widgets.position_panel import PositionPanel
from ui.widgets.ranking import Ranking
from ui.widgets.request_limits import RequestLimitsPanel
from ui.widgets.risk_panel import RiskPanel
from ui.widgets.scan_header import ScanHeader
from ui.widgets.scan_strip import ScanStrip
from ui.widgets.signals import HEIGHT_NARROW as SIGNALS_LOW
from ui.widgets.signals import HEIGHT_WIDE as SIGNALS_HIGH
from ui.widgets.signals import SignalsPanel
from ui.widgets.strongest import StrongestPanel

_RIGHT_WIDE, _RIGHT_NARROW = 388, 300
_SCAN, _SIGNALS, _SIDE = "scan", "signals", "side"
_RUNS = (BotState.RUNNING, BotState.PAUSED)


class MultiTab(QWidget):
    """Signals: chart_painted(is_live) once the first scan stands; trail_wanted(client order id);
    symbol_wanted(symbol): its chart; signal_came() when a scan has found a new one."""

    chart_painted = pyqtSignal(bool)
    trail_wanted = pyqtSignal(str)
    symbol_wanted = pyqtSignal(str)
    signal_came = pyqtSignal()

    def __init__(self, bridge: Bridge, bot: BotLink) -> None:
        super().__init__()
        self._bridge, self._bot = bridge, bot
        self._chosen = ""
        self._position_symbol = ""
        self._has_told_painted = False
        self._known_signals: frozenset[tuple[str, int]] | None = None
        self._actions = BotActions(bridge, lambda: self.window() or self)
        self._orders = OrderActions(bridge, lambda: self.window() or self)
        self.header = ScanHeader(bridge, bot)
        self.strip = ScanStrip()
        self.ranking = Ranking(bridge)
        self.signals = SignalsPanel(bridge)
        self.strongest = StrongestPanel(bridge)
        self.position = PositionPanel(bridge, "")
        self._other = TextButton(kind="link")
        self._risk = RiskPanel(bridge)
        self._risk.setMinimumHeight(196)
        self.limits = RequestLimitsPanel(bridge)
        self._right = QScrollArea()
        self._is_narrow = False
        self.docks = Docks()
        self._lay_out()
        self._connect()
        if bridge.snapshot is not None:
            self._show(bridge.snapshot)

    def _lay_out(self) -> None:
        centre = column(self.header, self.strip, self.ranking, spacing=GUTTER)
        centre.setStretch(2, 1)
        self.position.head.insertWidget(1, self._other)
        side = column(self.strongest, self.position, self._risk, spacing=GUTTER)
        side.addWidget(self.limits, 1)
        content = QWidget()
        content.setProperty("role", "page")
        content.setLayout(side)
        self._right.setWidget(content)
        self._right.setWidgetResizable(True)
        self._right.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scan = QWidget()
        scan.setLayout(centre)
        self.docks.caption = self._bot.latest.title
        self.docks.add(_SCAN, "Ranking", scan)
        self.docks.add(_SIGNALS, "Signals", self.signals)
        self.docks.add(_SIDE, "Strongest symbol", self._right)
        self.docks.use_default(self._arrange, _SCAN)
        self.setLayout(column(self.docks))
        self.set_narrow(False)

    def _arrange(self, _room: QSize) -> Arrangement:
        right = _RIGHT_NARROW if self._is_narrow else _RIGHT_WIDE
        low = SIGNALS_LOW if self._is_narrow else SIGNALS_HIGH
        return (
            Stripe(0, (Cell(0, (_SCAN,)), Cell(low, (_SIGNALS,)))),
            Stripe(right, (Cell(0, (_SIDE,)),)),
        )

    def _connect(self) -> None:
        self.header.ask_start, self.header.ask_stop = self._ask_start, self._ask_stop
        self.ranking.selected.connect(self._choose)
        self.ranking.chosen.connect(self.symbol_wanted)
        self.signals.chosen.connect(self.symbol_wanted)
        self.signals.trail_wanted.connect(self.trail_wanted)
        self.strongest.released.connect(self._release)
        self.strongest.chart_wanted.connect(self.symbol_wanted)
        self.strongest.ask_block = self._ask_block
        self.position.ask_close = self._ask_close
        self.position.move_stop = self._move_stop
        self.position.trail_wanted.connect(self.trail_wanted)
        self._other.clicked.connect(self._show_other_position)
        self._bridge.snapshot_changed.connect(self._take)
        self._bridge.state_changed.connect(lambda _state: self._show_freshness())

    # What the window asks of every bot's tab

    def set_narrow(self, narrow: bool) -> None:
        self._is_narrow = narrow
        for part in (self.header, self.strip, self.signals, self.strongest):
            part.set_narrow(narrow)
        self.docks.fit()

    def set_right_shown(self, shown: bool) -> None:
        if shown:
            self.docks.show_again(_SIDE)
            if not self.docks.is_open(_SIDE):
                self.docks.put_back(_SIDE)
        else:
            self.docks.hide_for_room(_SIDE)

    @property
    def is_right_shown(self) -> bool:
        return self.docks.is_open(_SIDE)

    @property
    def is_seen(self) -> bool:
        """In front, or with a panel in a window of its own."""
        return self.isVisible() or self.docks.has_floating

    def last_chart(self) -> None:
        """The next run has nothing of a ranking to show first: it would be old at once."""

    def leave(self) -> None:
        """The bot is gone; nothing was watched for it."""

    def tick(self) -> None:
        self._show_freshness()

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        if self._bridge.snapshot is not None:
            self._show(self._bridge.snapshot)

    # What the engine says

    def _take(self, snapshot: EngineSnapshot) -> None:
        self._tell_signals()
        if self.is_seen:
            self._show(snapshot)

    def _show(self, snapshot: EngineSnapshot) -> None:
        self._show_freshness()
        bot = self._bot.latest
        if bot.scan is None or self._bot.is_old:
            return
        self.strip.take(bot.scan, snapshot, runs=bot.state in _RUNS)
        self.ranking.take(bot.scan, snapshot)
        self.signals.take(bot, snapshot)
        self.strongest.take(bot, snapshot, self._chosen)
        self._show_position(snapshot)
        if self.isVisible() and not self._has_told_painted:
            self._has_told_painted = True
            self.chart_painted.emit(True)

    def _tell_signals(self) -> None:
        """A signal is new once for each candle; those of before this window are not."""
        scan = self._bot.latest.scan
        if scan is None or self._bot.is_old:
            return
        found = frozenset((s.symbol, s.candle_open_time_ms) for s in scan.pending)
        if self._known_signals is not None and found - self._known_signals:
            self.signal_came.emit()
        self._known_signals = found

    def _show_position(self, snapshot: EngineSnapshot) -> None:
        held = self._actions.positions(self._bot.latest)
        symbols = [one.position.symbol for one in held]
        if self._position_symbol not in symbols:
            self._position_symbol = symbols[0] if symbols else ""
        self._other.setVisible(bool(symbols))
        if not symbols:
            self.position.show_position(None, snapshot.market_time_ms)
            return
        place = symbols.index(self._position_symbol)
        self.position.set_symbol(self._position_symbol)
        of = f" {place + 1}/{len(symbols)}" if len(symbols) > 1 else ""
        self._other.setText(self._position_symbol + of)
        stale = self._bridge.is_price_stale(self._position_symbol)
        self.position.show_position(held[place], snapshot.market_time_ms, stale)

    def _show_other_position(self) -> None:
        """The next one; with a single one, its chart."""
        snapshot = self._bridge.snapshot
        symbols = [h.position.symbol for h in self._actions.positions(self._bot.latest)]
        if len(symbols) < 2 or snapshot is None:
            self.symbol_wanted.emit(self._position_symbol)
            return
        place = symbols.index(self._position_symbol) if self._position_symbol in symbols else -1
        self._position_symbol = symbols[(place + 1) % len(symbols)]
        self._show_position(snapshot)

    def _show_freshness(self) -> None:
        known = self._bridge.is_attached and not self._bot.is_old
        refusal = "" if known else NOT_CONNECTED if not self._bridge.is_attached else CONNECTING
        self.header.set_allowed(refusal, "")
        obstacle = self._bridge.obstacle(self._position_symbol) if self._position_symbol else ""
        self.position.set_allowed(refusal or obstacle)
        self.strongest.block.set_allowed(refusal)

    # What the trader wants

    def _choose(self, symbol: str) -> None:
        self._chosen = symbol
        if self._bridge.snapshot is not None and self._bot.latest.scan is not None:
            self.strongest.take(self._bot.latest, self._bridge.snapshot, symbol)

    def _release(self) -> None:
        self.ranking.table.clearSelection()
        self._choose("")

    async def _ask_start(self) -> CommandResult | None:
        return await self._actions.start(self._bot)

    async def _ask_stop(self) -> CommandResult | None:
        return await self._actions.stop(self._bot)

    async def _ask_close(self) -> CommandResult | None:
        held = self._bridge.position(self._bot.latest.account, self._position_symbol)
        if held is not None:
            await self._orders.close(held)
        return None  # what came of it is told where it was asked

    async def _move_stop(self) -> CommandResult | None:
        held = self._bridge.position(self._bot.latest.account, self._position_symbol)
        if held is not None:
            await self._orders.move_stop_to_entry(held)
        return None

    async def _ask_block(self, symbol: str) -> CommandResult | None:
        return await self._actions.block_symbol(self._bot, symbol)
