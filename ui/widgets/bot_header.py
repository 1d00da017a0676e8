"""The head of a bot's tab: symbol, price, what the market did, the bot's state and its controls."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QHBoxLayout, QWidget

from core.commands import CommandResult
from core.snapshots import AccountMode, BotSnapshot, BotState, TickerRow
from ui import formatting
from ui.bot_actions import BotActions
from ui.bridge import Bridge
from ui.i18n import sentence, tr
from ui.models import words
from ui.plain import tip
from ui.shared_services import BotLink
from ui.widgets.basic import (
    INSET,
    ChangeLabel,
    Divider,
    ElidedLabel,
    Panel,
    Stat,
    StateDot,
    column,
    label,
    row,
    show_value,
    value_label,
)
from ui.widgets.buttons import ActionButton, IconButton

_AFTER_DIVIDER = 14
_STARTABLE = (BotState.STOPPED, BotState.PAUSED, BotState.ERROR)
_STOPPABLE = (BotState.RUNNING, BotState.PAUSED, BotState.STARTING)


class BotHeader(Panel):
    """60 px. `ask_start` and `ask_stop` are coroutines given by the tab: they return the engine's
    answer, or None when the trader changed their mind.
    """

    stat_names: ClassVar[tuple[str, ...]] = (
        "24h high", "24h low", "Volume", "Funding", "Spread", "RSI 14", "ATR 14"
    )  # fmt: skip
    narrow_stats: ClassVar[tuple[str, ...]] = ("24h high", "24h low", "Volume")

    def __init__(self, bridge: Bridge, bot: BotLink) -> None:
        super().__init__()
        self.setFixedHeight(60)
        self._bridge, self._bot = bridge, bot
        self._symbol, self._market = label("symbol"), label("caption")
        self._price, self._change = label("price"), ChangeLabel("value")
        self._divider = Divider(28)
        self._stats = {name: Stat(name) for name in self.stat_names}
        self._is_narrow = False
        self._name, self._prices, self._states = QWidget(), QWidget(), QWidget()
        self._dot, self._state = StateDot(), value_label("title")
        self._since = ElidedLabel("caption")
        self._since.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.start = ActionButton(
            "Start", self._start, kind="primary", icon="play", color="#FFFFFF"
        )
        self.start.set_hint("Enters on its signals again and manages the position it has")
        self.pause = ActionButton("Pause", self._pause, icon="pause")
        self.pause.set_hint(
            "No new entries. An open position stays, with its stop, and is managed on"
        )
        self.stop = ActionButton("Stop…", self._stop, icon="square")
        self.stop.set_hint(
            "Entries end. Asks whether an open position stays with its stop or is closed now"
        )
        self._more = IconButton("settings-2", "More about this bot")
        self._more.clicked.connect(self._open_menu)
        self.ask_start = self._start_now
        self.ask_stop = self._stop_now
        self._lay_out()
        bot.changed.connect(self.show_bot)
        self.show_bot(bot.latest)

    def _lay_out(self) -> None:
        line = QHBoxLayout()
        line.setContentsMargins(INSET + 4, 0, 8, 0)
        line.setSpacing(0)
        name, price, state = self._name, self._prices, self._states
        lines = column(None, self._symbol, self._market, None, spacing=3)
        lines.setContentsMargins(0, 0, 12, 0)
        name.setLayout(lines)
        name.setMinimumWidth(132)
        price.setLayout(column(None, self._price, self._change, None, spacing=2))
        price.setMinimumWidth(132)
        line.addWidget(name)
        line.addWidget(price)
        line.addWidget(self._divider)
        line.addSpacing(_AFTER_DIVIDER)
        for stat in self._stats.values():
            stat.setMinimumWidth(78)
            line.addWidget(stat)
        head = row(None, self._dot, self._state, spacing=6)
        lines = column(spacing=2)
        lines.addStretch(1)
        lines.addLayout(head)
        lines.addWidget(self._since)
        lines.addStretch(1)
        state.setLayout(lines)
        state.setMinimumWidth(96)
        line.addWidget(state, 1)
        line.addSpacing(16)
        for button in (self.start, self.pause, self.stop):
            button.setMinimumWidth(84)
            line.addWidget(button)
            line.addSpacing(8)
        line.addWidget(self._more)
        self.body.addLayout(line, 1)

    def set_narrow(self, narrow: bool) -> None:
        self._is_narrow = narrow
        for stat in self._stats.values():
            stat.setMinimumWidth(66 if narrow else 78)
        self._fit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """As many figures as have room beside what never gives way, the last ones go first."""
        buttons = [b for b in (self.start, self.pause, self.stop) if not b.isHidden()]
        state = max(
            self._state.sizeHint().width() + 14,
            self._since.fontMetrics().horizontalAdvance(self._since.whole_text),
        )
        used = INSET + 4 + 8 + 16 + 8 + 1 + _AFTER_DIVIDER + self._more.sizeHint().width() + state
        used += sum(max(w.minimumWidth(), w.sizeHint().width())
                    for w in (self._name, self._prices) if not w.isHidden())  # fmt: skip
        used += sum(max(b.minimumWidth(), b.sizeHint().width()) + 8 for b in buttons)
        room = self.width() - used
        for name, stat in self._stats.items():
            room -= max(stat.minimumWidth(), stat.sizeHint().width())
            fits = room >= 0 and (not self._is_narrow or name in self.narrow_stats)
            if stat.isHidden() == fits:
                stat.setVisible(fits)

    def show_market(self, ticker: TickerRow | None, stale: bool) -> None:
        """Newest price; grey when stale."""
        bot = self._bot.latest
        instrument = self._bridge.instruments.get(bot.symbol)
        decimals = instrument.price_decimals if instrument else 2
        market = ticker.ticker if ticker else None
        ratio = market.change_24h_ratio if market else None
        tone = "stale" if stale else words.tone_of(ratio)
        last = market.last_price if market else None
        show_value(self._price, formatting.price(last, decimals), tone)
        direction = 0 if ratio is None else int(ratio.compare(Decimal(0)))
        self._change.show_change(self._change_text(last, ratio, decimals), direction, tone)
        shown = {
            "24h high": formatting.price(market.high_24h if market else None, decimals),
            "24h low": formatting.price(market.low_24h if market else None, decimals),
            "Volume": formatting.compact(market.turnover_24h if market else None),
            "Funding": formatting.percent(market.funding_rate if market else None, 4),
            "Spread": self._spread(ticker, decimals),
            "RSI 14": formatting.number(self._indicator("rsi"), 1),
            "ATR 14": formatting.price(self._indicator("atr"), decimals),
        }
        for name, text in shown.items():
            show_value(self._stats[name].value, text, "stale" if stale else "t1")
        self._fit()

    def _indicator(self, name: str) -> float | None:
        """On the forming bar where the chart shows the bot's timeframe, else at the last close."""
        bot = self._bot.latest
        live = self._bridge.live_candle(bot.symbol, bot.timeframe)
        values = bot.indicators if live is None else live.indicators
        return values.get(f"{name}_14", bot.indicators.get(name))

    @staticmethod
    def _change_text(last: Decimal | None, ratio: Decimal | None, decimals: int) -> str:
        if last is None or ratio is None or ratio <= -1:
            return formatting.UNKNOWN
        change = last - last / (1 + ratio)
        return f"{formatting.signed(change, decimals)}   {formatting.percent(ratio)}"

    @staticmethod
    def _spread(ticker: TickerRow | None, decimals: int) -> str:
        market = ticker.ticker if ticker else None
        if market is None or market.ask_price is None or market.bid_price is None:
            return formatting.UNKNOWN
        return formatting.price(market.ask_price - market.bid_price, decimals)

    def show_bot(self, bot: BotSnapshot) -> None:
        show_value(self._symbol, bot.title)
        account = self._bridge.account(bot.account)
        known = account or self._bridge.instruments.get(bot.symbol)
        exchange = words.exchange_name(known.exchange) if known else bot.account
        show_value(self._market, self._market_text(bot, exchange))
        if self._bot.is_old:
            self._show_waiting()
            return
        self._dot.show_state(bot.state.value)
        failed = bot.state is BotState.ERROR
        show_value(self._state, tr(words.BOT_STATES[bot.state]), "danger" if failed else "t1")
        self._since.show_text(self._since_text(bot))
        self._since.setToolTip(tip(sentence(bot.state_text)))
        self.start.setVisible(bot.state in _STARTABLE)
        self.pause.setVisible(bot.state is BotState.RUNNING)
        self.stop.setVisible(bot.state in _STOPPABLE)
        self._fit()

    def _market_text(self, bot: BotSnapshot, exchange: str) -> str:
        text = f"{exchange} {tr('perpetual')} · {bot.timeframe}"
        if not bot.signal_exchange:
            return text
        return f"{text} · {tr('by {exchange}', exchange=words.exchange_name(bot.signal_exchange))}"

    def _show_waiting(self) -> None:
        """Nobody has said yet what the bot does."""
        self._dot.show_state("unknown")
        show_value(self._state, tr("Connecting"), "t2")
        self._since.show_text("")
        for button in (self.start, self.pause, self.stop):
            button.hide()
        self._fit()

    def _since_text(self, bot: BotSnapshot) -> str:
        if bot.state in (BotState.ERROR, BotState.STARTING, BotState.STOPPING):
            return sentence(bot.state_text)
        trades = (
            tr("1 trade today")
            if bot.trades_today == 1
            else tr("{n} trades today", n=bot.trades_today)
        )
        if bot.since_ms is None:
            return trades
        return tr("since {time}", time=f"{formatting.moment(bot.since_ms):%H:%M}") + f" · {trades}"

    def set_allowed(self, refusal: str, fresh_refusal: str) -> None:
        """`refusal` switches everything off, `fresh_refusal` what needs a fresh price."""
        self.start.set_allowed(refusal or fresh_refusal)
        self.pause.set_allowed(refusal)
        self.stop.set_allowed(refusal)
        self._more.setEnabled(not refusal)

    def start_or_pause(self) -> None:
        """As a click on whichever of the two is there; a live start asks first."""
        for button in (self.pause, self.start):
            if button.isVisible():
                button.click()
                return

    @property
    def is_live(self) -> bool:
        account = self._bridge.account(self._bot.latest.account)
        return account is not None and account.mode is AccountMode.LIVE

    async def _start(self) -> CommandResult | None:
        return await self.ask_start()

    async def _stop(self) -> CommandResult | None:
        return await self.ask_stop()

    async def _pause(self) -> CommandResult | None:
        return await self._bot.pause_bot()

    async def _start_now(self) -> CommandResult | None:
        return await self._bot.start_bot()

    async def _stop_now(self) -> CommandResult | None:
        return await self._bot.stop_bot(close_position=False)

    def _open_menu(self) -> None:
        menu = BotActions(self._bridge, lambda: self.window() or self).menu(self._bot, self)
        menu.popup(self._more.mapToGlobal(self._more.rect().bottomLeft()))
