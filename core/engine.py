"""The engine: accounts, feeds and bots together, commanded from outside, without a screen.

The same object runs in the engine process behind the link, and inside a test with no link at
all. It wires nothing itself: `app/wiring.py` hands it what it needs.
"""

from __future__ import annotations

import asyncio
import functools
import sqlite3
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from pathlib import Path

from core.account_desk import AccountDesk
from core.alerts.alert_desk import AlertDesk
from core.bot_registry import BotRegistry
from core.bots.bot_spec import BotSpec
from core.bots.roster import BotRoster
from core.bots.universe_book import UniverseBook
from core.chart_service import ChartService
from core.clock import Clock
from core.download_service import DownloadService
from core.event_bus import EventBus
from core.events import Error, Fill, MarketData, Order, Reject, Severity
from core.exchange_port import ExchangeError
from core.journal.trade_journal import TradeJournal
from core.ledger_watch import TransferRefused
from core.limits.api_rate_limiter import MultiExchangeRateLimiter
from core.market_feed import MarketFeed
from core.metrics import LoopGapProbe
from core.models.candles import CandleUpdate, Timeframe
from core.models.tickets import OrderPreview, OrderTicket
from core.order_ticket import TicketRefused
from core.record_feed import RecordFeed
from core.refusal import Refused as Refused  # noqa: PLC0414 (what a command of it may raise)
from core.reports.chosen_statistics import Choice, chosen_statistics
from core.reports.daily import REPORTS
from core.reports.live_statistics import DAYS_COUNTED
from core.reports.report_desk import ReportDesk
from core.reports.statistics import Statistics
from core.risk.risk_manager import ResumeRefused
from core.snapshots import (
    AccountMode,
    ClosedCandle,
    EngineState,
    FillRecord,
    Notice,
    OrderRecord,
    TrailLine,
)
from core.strategy import Strategy
from core.supervision import Supervisor
from core.trade_log import RoundTrip

START_PATIENCE_S = 10.0  # for all accounts together, once one is ready
RECALLED_ORDERS, RECALLED_FILLS = 200, 500
BY_HAND, IN_VIEW = "orders by hand", "charts in view"  # who needs a price, beside bots and accounts


class Engine:
    """Attributes: desks by account, feeds by exchange, charts by exchange, roster, its bots by id,
    records, downloads, alerts, journal, reports, probe, state, state_text."""

    def __init__(
        self,
        *,
        clock: Clock,
        bus: EventBus,
        supervisor: Supervisor,
        desks: Mapping[str, AccountDesk],
        feeds: Mapping[str, MarketFeed],
        registry: BotRegistry,
        universes: UniverseBook,
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
        self.alerts = AlertDesk(
            data_dir / "storage" / "alerts.sqlite",
            clock=clock,
            bus=bus,
            feeds=feeds,
            desks=desks,
            records=self.records,
        )
        self.journal = TradeJournal(
            data_dir / "storage" / "journal.sqlite", clock=clock, desks=desks, feeds=feeds
        )
        self.reports = ReportDesk(data_dir / REPORTS, clock=clock, desks=desks, tell=self._notice)
        self.state = EngineState.STARTING
        self.state_text = "Starting."
        self.started_s = clock.monotonic_s()
        self.first_candle_after_s: float | None = None
        self.roster = BotRoster(
            clock=clock,
            supervisor=supervisor,
            desks=desks,
            feeds=feeds,
            registry=registry,
            universes=universes,
            make_strategy=make_strategy,
            notice=self._notice,
        )
        self.bots = self.roster.bots
        for feed in feeds.values():
            feed.on_closed_candle.append(self._on_closed_candle)
        bus.subscribe(Error, self._on_error, part="records")
        for desk in desks.values():
            desk.bus.subscribe(Error, self._on_error, part="records")
            desk.bus.subscribe(Order, self._on_order, part="records")
            desk.bus.subscribe(Reject, self._on_reject, part="records")
            desk.on_booked_fill.append(functools.partial(self._on_booked_fill, desk))
            desk.on_instruments.append(self._tell_instruments)
            bus.subscribe(
                MarketData,
                functools.partial(self._on_market_data, desk),
                part=f"{desk.name}: market data",
            )

    async def start(self, specs: list[BotSpec], *, autostart: bool = False) -> None:
        """Reconcile every account and bring its bots back: those told to start, those that ran
        before, and paused those that were paused; except with real money (a person starts those).
        Returns when all are up, or when one is and the others have had their time: an exchange
        that is down, or a key that is refused, does not keep the others. Raises ExchangeError when
        every account is refused, Refused when a bot of the configuration cannot exist."""
        self.supervisor.keep_running("loop probe", self.probe.run)
        self.supervisor.keep_running("alerts", self.alerts.run)
        self.state, self.state_text = EngineState.RECONCILING, "Connecting and reconciling."
        for feed in self.feeds.values():
            self.supervisor.keep_running(f"{feed.port.exchange}: data monitor", feed.monitor)
            self.supervisor.keep_running(f"{feed.port.exchange}: candle files", feed.save_regularly)
            self.supervisor.keep_running(f"{feed.port.exchange}: candle store", feed.watch_store)
        starting = {
            desk.name: asyncio.create_task(self._start_account(desk, specs, autostart=autostart))
            for desk in self.desks.values()
        }
        try:
            await asyncio.wait(starting.values(), timeout=START_PATIENCE_S)
            while not any(map(_has_ended_well, starting.values())):
                late = [task for task in starting.values() if not task.done()]
                if not late:
                    next(iter(starting.values())).result()
                await asyncio.wait(late, return_when=asyncio.FIRST_COMPLETED)
            for task in starting.values():
                if task.done() and isinstance(task.exception(), Refused):
                    task.result()
        except BaseException:
            for task in starting.values():
                task.cancel()
            await asyncio.gather(*starting.values(), return_exceptions=True)
            raise
        for name, task in starting.items():
            if not _has_ended_well(task):
                self.supervisor.spawn(f"{name}: start", self._see_through(name, task))
        self.state, self.state_text = EngineState.RUNNING, "Running."

    async def _start_account(
        self, desk: AccountDesk, specs: list[BotSpec], *, autostart: bool
    ) -> None:
        await desk.start()
        self._recall(desk)
        self._tell_instruments()
        self.roster.bring_back(desk.name, specs, autostart=autostart)

    def _tell_instruments(self) -> None:
        for listener in self.on_instruments:
            listener()

    async def _see_through(self, name: str, starting: asyncio.Task[None]) -> None:
        """A start that takes longer, or has failed, beside those that are up."""
        try:
            await starting
        except (ExchangeError, Refused) as fault:
            self.desks[name].state_text = f"Not started: {fault}"
            self._notice("danger", "Account not started", f"{name}: {fault}")

    async def stop(self) -> None:
        """Ordered end: bots deaf, tasks ended, candles merged. Positions and their stops stay at
        the exchange."""
        self.state, self.state_text = EngineState.STOPPING, "Stopping."
        self.roster.stop_all("The engine is stopping.")
        await self.supervisor.stop()
        for desk in self.desks.values():
            await desk.port.stop()
        for feed in self.feeds.values():
            await asyncio.to_thread(feed.data.close)
        for desk in self.desks.values():
            desk.close()
        self.alerts.close()
        self.journal.close()
        self.registry.close()

    # Commands. Each does the whole thing or raises Refused.

    async def start_bot(self, bot_id: str, *, confirm_live: bool) -> str:
        return await self.roster.start(bot_id, confirm_live=confirm_live)

    def pause_bot(self, bot_id: str) -> str:
        return self.roster.pause(bot_id)

    async def stop_bot(self, bot_id: str, *, close_position: bool) -> str:
        return await self.roster.stop(bot_id, close_position=close_position)

    def add_bot(self, spec: BotSpec) -> str:
        return self.roster.add(spec)

    def remove_bot(self, bot_id: str) -> str:
        return self.roster.remove(bot_id)

    def close_position(self, account: str, symbol: str) -> str:
        desk = self._built(account)
        if not desk.close_position(symbol, "Closed by hand.", at_once=True):
            raise Refused(f"There is no position in {symbol}.")
        return f"Closing {symbol}."

    def show(self, charts: AbstractSet[tuple[str, Timeframe]]) -> None:
        """What screens look at: its bars and order books are streamed, and a price that is there
        stays, whoever else lets go of it."""
        places = {chart: self._charted_on(chart[0]) for chart in charts}
        for exchange, feed in self.feeds.items():
            shown = {chart for chart, place in places.items() if place == exchange}
            self.charts[exchange].show(shown)
            feed.books.follow({symbol for symbol, _ in shown})
            seen = {symbol for symbol, _ in charts}
            feed.prices.replace(seen & feed.tickers.keys(), by=IN_VIEW)

    def chart_service(self, symbol: str) -> ChartService:
        """Of the exchange whose bars of this symbol are shown."""
        return self.charts[self._charted_on(symbol) or next(iter(self.charts))]

    def _charted_on(self, symbol: str) -> str:
        """The first exchange that lists it, as far as an account there has read what it trades;
        "" where none does."""
        desks = (desk for desk in self.desks.values() if symbol in desk.instruments)
        return next((desk.port.exchange for desk in desks), "")

    def preview_order(self, ticket: OrderTicket) -> OrderPreview:
        try:
            return self._built(ticket.account).tickets.preview(ticket)
        except TicketRefused as refusal:
            raise Refused(str(refusal)) from None

    async def place_order(self, ticket: OrderTicket, *, confirm_live: bool) -> str:
        """An order by hand joins the one road at its gate."""
        desk = self._built(ticket.account)
        if desk.mode is AccountMode.LIVE and not confirm_live:
            raise Refused("This account trades real money: confirm the order.")
        try:
            self._feed_of(desk).prices.add([ticket.symbol], by=BY_HAND)
            await desk.prepare(ticket.symbol)
            return desk.tickets.place(ticket)
        except TicketRefused as refusal:
            raise Refused(str(refusal)) from None
        except ExchangeError as fault:
            raise Refused(fault.text) from None

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
            is_held = await desk.accept_position(symbol, stop_loss, take_profit)
        except ExchangeError as fault:
            raise Refused(f"{fault.text}.") from None
        except sqlite3.Error as fault:
            raise Refused(f"{symbol} could not be taken over on disk: {fault}.") from None
        self.roster.drop_finding(account, symbol)
        if not is_held:
            return f"{symbol} is flat at the exchange. What opens there later is a finding again."
        return f"{symbol} is taken over as the exchange shows it. Its stop is watched."

    def ignore_finding(self, account: str, symbol: str) -> str:
        try:
            is_found = self._built(account).oms.ignore_external(account, symbol)
            if not is_found and not self.roster.is_found(account, symbol):
                raise Refused(f"There is nothing unexplained in {symbol}.")
            self.roster.ignore_finding(account, symbol)
        except sqlite3.Error as fault:
            raise Refused(f"Your word on {symbol} could not be kept on disk: {fault}.") from None
        return f"{symbol} stays as it is, and its bots stay paused."

    def book_transfer(self, account: str, amount: Decimal) -> str:
        """A deposit, or a withdrawal (below zero), on the trader's word."""
        try:
            return self._built(account).ledger.book_transfer(amount)
        except TransferRefused as refusal:
            raise Refused(str(refusal)) from None
        except sqlite3.Error as fault:
            raise Refused(f"The transfer could not be booked: {fault}.") from None

    def trail(self, client_order_id: str) -> list[TrailLine]:
        """Everything that led to an order and came of it, on whichever account."""
        for desk in self.desks.values():
            lines = desk.oms.trail(client_order_id) if desk.is_built else []
            if lines:
                return lines
        raise Refused(f"There is no order {client_order_id!r} in the journal.")

    async def statistics(self, account: str, choice: Choice) -> Statistics:
        """Of a part of an account's trading, beside the loop: its record may be long."""
        desk = self._built(account)
        try:
            days = desk.capital.trading_days(DAYS_COUNTED)
        except sqlite3.Error as fault:
            raise Refused(f"The ledger cannot be read: {fault}.") from None
        trips, now_ms = list(desk.trades.round_trips), self.clock.time_ms()
        return await asyncio.to_thread(chosen_statistics, trips, days, choice, now_ms)

    def _built(self, account: str) -> AccountDesk:
        desk = self._desk(account)
        if not desk.is_built:
            raise Refused(f"{account} is not connected yet: {desk.state_text}")
        return desk

    def kill(self) -> str:
        """Every account at once: no new orders, working orders cancelled, stops stay."""
        if not any(desk.is_built for desk in self.desks.values()):
            raise Refused(f"Nothing can be traded yet, so nothing was stopped: {self.state_text}")
        for desk in self.desks.values():
            desk.trip("The trader pressed the kill switch.")
        return "Trading stopped."

    def resume(self) -> str:
        """Every account that may; one that has to wait does not keep the others."""
        refusals = []
        for desk in self.desks.values():
            try:
                desk.resume()
            except ResumeRefused as refusal:
                refusals.append(f"{desk.name}: {refusal}" if len(self.desks) > 1 else str(refusal))
        if refusals:
            raise Refused(" ".join(refusals))
        return "Trading is allowed again. Bots stay stopped until you start them."

    def _desk(self, account: str) -> AccountDesk:
        if account not in self.desks:
            raise Refused(f"There is no account {account!r}.")
        return self.desks[account]

    def _feed_of(self, desk: AccountDesk) -> MarketFeed:
        return self.feeds[desk.port.exchange]

    @staticmethod
    def _on_market_data(desk: AccountDesk, event: MarketData) -> None:
        """An account hears of its own exchange alone."""
        if event.exchange == desk.port.exchange:
            desk.bus.publish(event)

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
        bots = [spec.bot_id for spec, _ in self.registry.load() if spec.account == desk.name]
        orders = [
            order
            for bot_id in [*bots, ""]  # those by hand too
            for order in desk.oms.orders_of(bot_id, RECALLED_ORDERS)
            if order.account == desk.name
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


def _has_ended_well(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def series_of(symbol: str, timeframe: str) -> tuple[str, Timeframe]:
    """Raises Refused for a timeframe that does not exist."""
    try:
        return symbol, Timeframe(timeframe)
    except ValueError:
        raise Refused(f"There is no timeframe {timeframe!r}.") from None
