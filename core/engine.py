"""The engine: accounts, feeds and bots together, commanded from outside, without a screen.

The same object runs in the engine process behind the link, and inside a test with no link at
all. It wires nothing itself: `app/wiring.py` hands it what it needs.
"""

from __future__ import annotations

import asyncio
import difflib
import functools
import sqlite3
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path

from core.account_desk import AccountDesk
from core.bot_registry import BotRegistry
from core.bots.bot_spec import BotSpec
from core.bots.unified_bot import UnifiedBot
from core.chart_service import ChartService
from core.clock import Clock
from core.download_service import DownloadService
from core.event_bus import EventBus
from core.events import Error, Fill, MarketData, Order, Reject, Severity
from core.exchange_port import ExchangeError, RequestRejected
from core.ledger_watch import TransferRefused
from core.limits.api_rate_limiter import MultiExchangeRateLimiter
from core.market_data.candle_store import StoreFault
from core.market_feed import MarketFeed
from core.metrics import LoopGapProbe
from core.models.candles import CandleUpdate, Timeframe
from core.portfolio.sizing import SizingMethod
from core.portfolio.sizing_methods import make_sizing
from core.record_feed import RecordFeed
from core.snapshots import (
    AccountMode,
    BotState,
    ClosedCandle,
    EngineState,
    FillRecord,
    FindingSnapshot,
    Notice,
    OrderRecord,
    TrailLine,
)
from core.strategy import Strategy
from core.supervision import Supervisor
from core.trade_log import RoundTrip

CLOSE_TIMEOUT_S = 10.0
RETRY_FIRST_S, RETRY_MOST_S = 1.0, 60.0
RECALLED_ORDERS, RECALLED_FILLS = 200, 500


class Refused(Exception):
    """A command that cannot be done; the sentence says why."""


class Engine:
    """Attributes: desks by account, feeds by exchange, charts by exchange, bots by id, records,
    downloads, probe, state, state_text."""

    def __init__(
        self,
        *,
        clock: Clock,
        bus: EventBus,
        supervisor: Supervisor,
        desks: Mapping[str, AccountDesk],
        feeds: Mapping[str, MarketFeed],
        registry: BotRegistry,
        limiters: MultiExchangeRateLimiter,
        make_strategy: Callable[[BotSpec], Strategy],
        data_dir: Path,
    ) -> None:
        """`make_strategy` raises ValueError for an unknown name or bad parameters."""
        self.clock = clock
        self.bus = bus
        self.supervisor = supervisor
        self.desks = desks
        self.feeds = feeds
        self.registry = registry
        self.limiters = limiters
        self.data_dir = data_dir
        self.bots: dict[str, UnifiedBot] = {}
        # what was found on accounts' symbols that wait for the trader; "" once he knows of it
        self._external: dict[tuple[str, str], str] = {}
        self.records = RecordFeed(clock)
        self.on_instruments: list[Callable[[], None]] = []
        self.probe = LoopGapProbe(clock)
        self.charts = {name: ChartService(feed) for name, feed in feeds.items()}
        self.downloads = DownloadService(
            feeds=feeds,
            limiters=limiters,
            supervisor=supervisor,
            clock=clock,
            cache_dir=data_dir / "cache",
        )
        self.state = EngineState.STARTING
        self.state_text = "Starting."
        self.started_s = clock.monotonic_s()
        self.first_candle_after_s: float | None = None
        self._make_strategy = make_strategy
        for feed in feeds.values():
            feed.on_closed_candle.append(self._on_closed_candle)
        bus.subscribe(Error, self._on_error, part="records")
        for desk in desks.values():
            desk.bus.subscribe(Error, self._on_error, part="records")
            desk.bus.subscribe(Order, self._on_order, part="records")
            desk.bus.subscribe(Reject, self._on_reject, part="records")
            desk.on_booked_fill.append(functools.partial(self._on_booked_fill, desk))
            feed = self._feed_of(desk)
            feed.bus.subscribe(MarketData, desk.bus.publish, part=f"{desk.name}: market data")

    async def start(self, specs: list[BotSpec], *, autostart: bool = False) -> None:
        """Reconcile every account, then bring the bots back: those told to start, and those that
        ran before, except with real money (a person starts those). Raises ExchangeError when an
        exchange refuses us, Refused when a bot of the configuration cannot exist."""
        self.supervisor.keep_running("loop probe", self.probe.run)
        self.state, self.state_text = EngineState.RECONCILING, "Connecting and reconciling."
        for desk in self.desks.values():
            await desk.start()
            self._recall(desk)
        for listener in self.on_instruments:
            listener()
        for feed in self.feeds.values():
            self.supervisor.keep_running(f"{feed.port.exchange}: data monitor", feed.monitor)
            self.supervisor.keep_running(f"{feed.port.exchange}: candle files", feed.save_regularly)
        for spec in specs:
            self._add_bot(spec)  # refused before it is kept: a mistake in a file stays in the file
            self.registry.add(spec)
        for spec, was_running in self.registry.load():
            if spec.account not in self.desks:
                continue  # its account is no longer configured; the bot is kept for its return
            if spec.bot_id not in self.bots and not self._bring_back(spec):
                continue
            if self.desks[spec.account].mode is not AccountMode.LIVE:
                if was_running or autostart or spec.autostart:
                    self.supervisor.spawn(spec.bot_id, self._bring_up(self.bots[spec.bot_id]))
            elif was_running or autostart or spec.autostart:
                self._notice(
                    "warning",
                    "Not started",
                    "It trades real money: a person starts it.",
                    bot_id=spec.bot_id,
                )
        self.state, self.state_text = EngineState.RUNNING, "Running."

    async def stop(self) -> None:
        """Ordered end: bots deaf, tasks ended, candles merged. Positions and their stops stay at
        the exchange."""
        self.state, self.state_text = EngineState.STOPPING, "Stopping."
        for bot in self.bots.values():
            bot.stop("The engine is stopping.")
        await self.supervisor.stop()
        for desk in self.desks.values():
            await desk.port.stop()
        for feed in self.feeds.values():
            await asyncio.to_thread(feed.data.close)
        for desk in self.desks.values():
            desk.close()
        self.registry.close()

    # Commands. Each does the whole thing or raises Refused.

    async def start_bot(self, bot_id: str, *, confirm_live: bool) -> str:
        bot = self._bot(bot_id)
        desk = self.desks[bot.spec.account]
        if desk.mode is AccountMode.LIVE and not confirm_live:
            raise Refused(f"{bot_id} trades real money: it starts only after you confirm.")
        if not desk.is_ready:
            raise Refused(f"{desk.name} is not ready: {desk.state_text}")
        try:
            await bot.start()
        except (ExchangeError, StoreFault):
            raise Refused(bot.state_text) from None
        if bot.state is BotState.STOPPED:
            raise Refused(f"{bot_id} was stopped while it was starting.")
        self._external.pop((desk.name, bot.spec.symbol), None)  # the trader has seen it
        self.registry.set_running(bot_id, True)
        return f"{bot_id} is running."

    def pause_bot(self, bot_id: str) -> str:
        """It is not started by itself after a restart: who paused it has to say so."""
        bot = self._bot(bot_id)
        bot.pause()
        if bot.state is BotState.PAUSED:
            self.registry.set_running(bot_id, False)
        return bot.state_text

    async def stop_bot(self, bot_id: str, *, close_position: bool) -> str:
        """Stops first, so that no new entry can follow; then closes, and waits to see it flat."""
        bot = self._bot(bot_id)
        desk = self.desks[bot.spec.account]
        bot.stop()
        self.registry.set_running(bot_id, False)
        symbol = bot.spec.symbol
        if not close_position or not await self._flatten(desk, symbol):
            return f"{bot_id} is stopped."
        return f"{bot_id} is stopped and {symbol} is closed."

    async def _flatten(self, desk: AccountDesk, symbol: str) -> bool:
        """Close the position, also one whose entry is still on its way; False when there was
        nothing to close. Raises Refused when it takes too long."""
        was_open = False
        deadline_s = self.clock.monotonic_s() + CLOSE_TIMEOUT_S
        while True:
            is_open = self._has_position(desk, symbol)
            if not is_open and not self._orders_on_their_way(desk, symbol):
                return was_open
            if is_open and not was_open:
                was_open = desk.close_position(symbol, "The bot was stopped.")
            if self.clock.monotonic_s() > deadline_s:
                bot_id = self.owner_of(desk.name, symbol)
                raise Refused(f"{bot_id} is stopped, but {symbol} is not closed yet; see Orders.")
            await asyncio.sleep(0.05)

    def add_bot(self, spec: BotSpec) -> str:
        if spec.account not in self.desks:
            raise Refused(f"There is no account {spec.account!r}.")
        if spec.bot_id in self.bots:
            raise Refused(f"There is a bot {spec.bot_id} already.")
        self._add_bot(spec)
        self.registry.add(spec)
        return f"{spec.bot_id} is ready."

    def remove_bot(self, bot_id: str) -> str:
        bot = self._bot(bot_id)
        if bot.state not in (BotState.STOPPED, BotState.ERROR):
            raise Refused(f"{bot_id} is {bot.state}; stop it first.")
        if self._has_position(self.desks[bot.spec.account], bot.spec.symbol):
            raise Refused(f"{bot_id} still owns a position in {bot.spec.symbol}; close it first.")
        if self._orders_on_their_way(self.desks[bot.spec.account], bot.spec.symbol):
            raise Refused(f"{bot_id} cannot be removed: an order of it is on its way.")
        del self.bots[bot_id]
        self.registry.remove(bot_id)
        return f"{bot_id} was removed."

    def close_position(self, account: str, symbol: str) -> str:
        desk = self._built(account)
        if not desk.close_position(symbol, "Closed by hand."):
            raise Refused(f"There is no position in {symbol}.")
        return f"Closing {symbol}."

    async def cancel_order(
        self, account: str, symbol: str, client_order_id: str, exchange_order_id: str
    ) -> str:
        desk = self._built(account)
        try:
            await desk.oms.cancel(account, symbol, client_order_id, exchange_order_id)
        except ExchangeError as fault:
            raise Refused(fault.text) from None
        return f"Cancel of {symbol} order was accepted."

    async def amend_order(
        self, account: str, client_order_id: str, quantity: Decimal | None, price: Decimal | None
    ) -> str:
        desk = self._built(account)
        try:
            denial = await desk.gate.amend(client_order_id, quantity=quantity, price=price)
        except ExchangeError as fault:
            raise Refused(fault.text) from None
        if denial is not None:
            raise Refused(f"Denied: {denial.text}. Nothing was sent.")
        return "The change was accepted."

    async def move_stop(
        self, account: str, symbol: str, stop_loss: Decimal, take_profit: Decimal | None
    ) -> str:
        try:
            await self._built(account).guard.move(symbol, stop_loss, take_profit)
        except ExchangeError as fault:
            raise Refused(fault.text) from None
        return f"{symbol}: the stop at {stop_loss} was accepted."

    async def accept_position(
        self, account: str, symbol: str, stop_loss: Decimal | None, take_profit: Decimal | None
    ) -> str:
        """Its bots stay paused until the trader starts them."""
        desk = self._built(account)
        try:
            await desk.accept_position(symbol, stop_loss, take_profit)
        except ExchangeError as fault:
            raise Refused(f"{fault.text}.") from None
        self._external.pop((account, symbol), None)
        return f"{symbol} is taken over as the exchange shows it. Its stop is watched."

    def ignore_finding(self, account: str, symbol: str) -> str:
        is_found = self._built(account).oms.ignore_external(account, symbol)
        if not is_found and (account, symbol) not in self._external:
            raise Refused(f"There is nothing unexplained in {symbol}.")
        self._external[account, symbol] = ""
        return f"{symbol} stays as it is, and its bots stay paused."

    def book_transfer(self, account: str, amount: Decimal) -> str:
        """A deposit, or a withdrawal (below zero), on the trader's word."""
        try:
            return self._built(account).ledger.book_transfer(amount)
        except TransferRefused as refusal:
            raise Refused(str(refusal)) from None
        except sqlite3.Error as fault:
            raise Refused(f"The transfer could not be booked: {fault}.") from None

    def findings(self) -> list[FindingSnapshot]:
        """What waits for the trader's word, those that he knows of included."""
        return [
            FindingSnapshot(account, symbol, text, is_ignored=not text)
            for (account, symbol), text in self._external.items()
        ]

    def trail(self, client_order_id: str) -> list[TrailLine]:
        """Everything that led to an order and came of it, on whichever account."""
        for desk in self.desks.values():
            lines = desk.oms.trail(client_order_id) if desk.is_built else []
            if lines:
                return lines
        raise Refused(f"There is no order {client_order_id!r} in the journal.")

    def _built(self, account: str) -> AccountDesk:
        desk = self._desk(account)
        if not desk.is_built:
            raise Refused(f"{account} is not connected yet: {desk.state_text}")
        return desk

    def kill(self) -> str:
        """Every account at once: no new orders, working orders cancelled, stops stay."""
        if not all(desk.is_built for desk in self.desks.values()):
            raise Refused(f"Nothing can be traded yet, so nothing was stopped: {self.state_text}")
        for desk in self.desks.values():
            desk.risk.trip("The trader pressed the kill switch.")
        return "Trading stopped."

    def resume(self) -> str:
        for desk in self.desks.values():
            if desk.is_built:
                desk.risk.resume()
        return "Trading is allowed again. Bots stay stopped until you start them."

    def stop_bots_of(self, account: str, reason: str) -> None:
        """The kill switch of an account: its bots stop and stay stopped."""
        for bot in self.bots.values():
            if bot.spec.account == account and bot.state is not BotState.STOPPED:
                bot.stop(reason)
                self.registry.set_running(bot.spec.bot_id, False)

    def pause_external(self, account: str, symbol: str, text: str) -> None:
        """Something on `symbol` that no bot explains: its bot pauses, also one that comes up later
        or after a restart, until the trader starts it; the trader is told."""
        if text or (account, symbol) not in self._external:
            self._external[account, symbol] = text
        bot_id = self.owner_of(account, symbol)
        if bot_id:
            self.registry.set_running(bot_id, False)
        if bot_id in self.bots:
            self.bots[bot_id].pause()
        self._notice("danger", "External", text, symbol=symbol)

    def owner_of(self, account: str, symbol: str) -> str:
        """The bot that trades this symbol on this account, "" if none."""
        for bot_id, bot in self.bots.items():
            if (bot.spec.account, bot.spec.symbol) == (account, symbol):
                return bot_id
        for spec, _ in self.registry.load():
            if (spec.account, spec.symbol) == (account, symbol):
                return spec.bot_id
        return ""

    def sizing_of(self, bot_id: str) -> SizingMethod | None:
        """A bot's own sizing method, None when it uses the account's."""
        bot = self.bots.get(bot_id)
        return make_sizing(bot.spec.sizing) if bot is not None and bot.spec.sizing else None

    # Bots.

    def _bring_back(self, spec: BotSpec) -> bool:
        """One bot of our own list that cannot exist any more (a delisted symbol, say) must not
        keep the others down."""
        try:
            self._add_bot(spec)
        except Refused as refusal:
            self._notice("danger", "Bot not loaded", str(refusal), bot_id=spec.bot_id)
            return False
        return True

    def _add_bot(self, spec: BotSpec) -> None:
        desk = self.desks[spec.account]
        if spec.symbol not in desk.instruments:
            likely = difflib.get_close_matches(spec.symbol, desk.instruments, n=1)
            hint = f" Did you mean {likely[0]}?" if likely else ""
            raise Refused(f"{desk.port.exchange} has no symbol {spec.symbol}.{hint}")
        owner = self.owner_of(spec.account, spec.symbol)
        if owner not in ("", spec.bot_id):
            raise Refused(f"{owner} trades {spec.symbol} on {spec.account} already.")
        try:
            strategy = self._make_strategy(spec)
            make_sizing(spec.sizing)
        except ValueError as fault:
            raise Refused(str(fault)) from None
        self.bots[spec.bot_id] = UnifiedBot(
            spec,
            strategy=strategy,
            feed=self._feed_of(desk),
            bus=desk.bus,
            clock=self.clock,
            prepare=desk.prepare,
            may_enter=lambda: desk.is_ready,
            has_position=lambda symbol: self._has_position(desk, symbol),
        )

    async def _bring_up(self, bot: UnifiedBot) -> None:
        """Start a bot that nobody stands beside: an exchange that does not answer is asked
        again, until somebody stops the bot."""
        bot_id, delay_s = bot.spec.bot_id, RETRY_FIRST_S
        while True:
            try:
                await bot.start()
                break
            except (ExchangeError, StoreFault) as fault:
                if delay_s == RETRY_FIRST_S:
                    self._notice("danger", "Bot not running", bot.state_text, bot_id=bot_id)
                if isinstance(fault, RequestRejected):
                    return
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, RETRY_MOST_S)
            if bot.state is not BotState.ERROR or self.bots.get(bot_id) is not bot:
                return
        if bot.state is BotState.RUNNING:
            self.registry.set_running(bot_id, True)
            if (bot.spec.account, bot.spec.symbol) in self._external:
                bot.pause()

    def _bot(self, bot_id: str) -> UnifiedBot:
        if bot_id not in self.bots:
            raise Refused(f"There is no bot {bot_id!r}.")
        return self.bots[bot_id]

    def _desk(self, account: str) -> AccountDesk:
        if account not in self.desks:
            raise Refused(f"There is no account {account!r}.")
        return self.desks[account]

    def _feed_of(self, desk: AccountDesk) -> MarketFeed:
        return self.feeds[desk.port.exchange]

    @staticmethod
    def _has_position(desk: AccountDesk, symbol: str) -> bool:
        position = desk.state.position(desk.name, symbol)
        return position is not None and not position.is_flat

    @staticmethod
    def _orders_on_their_way(desk: AccountDesk, symbol: str) -> bool:
        """Orders of ours, which may yet open something; not the exchange's own stops."""
        return desk.is_built and any(
            order.symbol == symbol and order.client_order_id != ""
            for order in desk.oms.working_orders(desk.name)
        )

    # What the screen must not lose.

    def _on_closed_candle(self, update: CandleUpdate) -> None:
        feed = self.feeds[update.exchange]
        if self.first_candle_after_s is None and feed.first_candle_s is not None:
            self.first_candle_after_s = feed.first_candle_s - self.started_s
        candle = self.charts[update.exchange].closed(update)
        if candle is not None:
            self.records.add(ClosedCandle(candle))

    def _on_error(self, event: Error) -> None:
        self._notice(event.severity.value, event.part, event.text, bot_id=event.bot_id)

    def _on_order(self, order: Order) -> None:
        self.records.add(OrderRecord(order))

    def _on_booked_fill(self, desk: AccountDesk, fill: Fill, ended: RoundTrip | None) -> None:
        result = ended.net_result if ended else None
        self.records.add(FillRecord(fill, desk.oms.purpose_of(fill).value, result))
        if ended is not None:
            self._notice(
                "info",
                "Trade closed",
                f"{ended.symbol} {ended.quantity}, result {ended.net_result:+.2f}",
                symbol=ended.symbol,
                bot_id=ended.bot_id,
            )

    def _recall(self, desk: AccountDesk) -> None:
        """What earlier runs did on this account, so that a screen shows it after a restart."""
        orders = [
            order
            for spec, _ in self.registry.load()
            if spec.account == desk.name
            for order in desk.oms.orders_of(spec.bot_id, RECALLED_ORDERS)
        ]
        for order in sorted(orders, key=lambda order: order.created_ms):
            self.records.add(OrderRecord(order), order.updated_ms)
        for fill, ended in desk.past_fills[-RECALLED_FILLS:]:
            result = ended.net_result if ended else None
            purpose = desk.oms.purpose_of(fill).value
            self.records.add(FillRecord(fill, purpose, result), fill.time_ms)

    def _on_reject(self, event: Reject) -> None:
        title = "Denied" if event.is_ours else "Rejected"
        self._notice(
            "warning" if event.is_ours else "danger",
            title,
            f"{event.symbol} {event.side} {event.quantity}: {event.text}",
            symbol=event.symbol,
            bot_id=event.bot_id,
            code=event.code,
            client_order_id=event.client_order_id,
        )

    def _notice(
        self,
        severity: str,
        title: str,
        text: str,
        *,
        symbol: str = "",
        bot_id: str = "",
        code: str = "",
        client_order_id: str = "",
    ) -> None:
        toast = severity != Severity.INFO.value
        self.records.add(
            Notice(severity, title, text, symbol, bot_id, toast, code, client_order_id)
        )


def series_of(symbol: str, timeframe: str) -> tuple[str, Timeframe]:
    """Raises Refused for a timeframe that does not exist."""
    try:
        return symbol, Timeframe(timeframe)
    except ValueError:
        raise Refused(f"There is no timeframe {timeframe!r}.") from None
