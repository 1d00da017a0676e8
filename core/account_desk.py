"""Everything of one account: its port, its ledger, its risk, its orders, its bus.

One bus per account keeps accounts from ever touching each other's money; bots on the same
account share all of it. Start and crash recovery are the same code (rule 4).
"""

from __future__ import annotations

import asyncio
import functools
import random
import sqlite3
from collections.abc import Callable, Collection
from datetime import UTC, tzinfo
from decimal import Decimal

from core.capital.shared_capital_manager import SharedCapitalManager
from core.capital.trading_day import day_start_ms
from core.clock import Clock
from core.clock_watch import InStep, SteadyClock
from core.event_bus import EventBus
from core.events import Error, MarketData, Severity
from core.exchange_port import (
    ExchangeError,
    ExchangePort,
    RequestRejected,
    StreamKind,
    StreamState,
    TickerHearer,
)
from core.ledger_watch import LedgerWatch
from core.listing_watch import ListingWatch
from core.market_feed import MarketFeed
from core.models.books import OrderBookSnapshot
from core.models.candles import CandleUpdate, Ticker
from core.models.fills import Fill
from core.models.instruments import Instrument
from core.models.orders import Order
from core.models.positions import AcceptedPosition, Balance, Position
from core.models.streams import Topic, TopicState
from core.models.trades import PublicTrade
from core.oms.client_order_id import signal_order_id
from core.oms.order_management_system import OrderManagementSystem
from core.oms.reconciliation import Reconciler
from core.oms.state_manager import StateManager
from core.order_gate import OrderGate
from core.order_parts import OrderParts
from core.order_ticket import TicketDesk
from core.portfolio.portfolio_manager import PortfolioManager
from core.portfolio.sizing import SizingMethod
from core.position_closer import PositionCloser
from core.protection import ProtectionGuard
from core.risk.risk_manager import ResumeRefused, RiskLimits, RiskManager
from core.silence_watch import SilenceWatch
from core.snapshots import AccountMode
from core.stand_down import StandDown
from core.storage.reserved_file import reserved_beside
from core.supervision import Supervisor
from core.trade_log import RoundTrip, TradeLog
from core.valuation import valued

RECONCILE_INTERVAL_S = 45.0
BLIND_INTERVAL_S = 10.0  # while the orders stream is lost, only asking tells what was filled
WATCH_INTERVAL_S = 1.0
WATCHED_SYMBOLS = 50
WATCHLIST = "the watchlist"  # who needs the prices of the busiest symbols
RETRY_FIRST_S, RETRY_MOST_S = 1.0, 30.0
_OPENING_TRIES = 5  # somebody else may be trading on the account right now


class AccountDesk:
    """Attributes after `start`: instruments, capital, risk, oms, state, trades, guard, ledger,
    listings.

    `timezone` is where its trading days begin at midnight.
    `is_built` is True once those exist; `is_ready` while entries are allowed: reconciled, and the
    private stream is up.
    """

    capital: SharedCapitalManager
    risk: RiskManager
    oms: OrderManagementSystem
    gate: OrderGate
    tickets: TicketDesk
    guard: ProtectionGuard
    ledger: LedgerWatch
    past_fills: list[tuple[Fill, RoundTrip | None]]  # booked before this start, oldest first

    def __init__(
        self,
        *,
        mode: AccountMode,
        port: ExchangePort,
        feed: MarketFeed,
        bus: EventBus,
        clock: Clock,
        supervisor: Supervisor,
        database: sqlite3.Connection,
        rng: random.Random,
        risk_limits: RiskLimits,
        sizing: SizingMethod,
        leverage: Decimal,
        owner_of: Callable[[str, str], str],
        on_external: Callable[[str, str, str], None],
        on_kill: Callable[[str, str], None],
        correct_clock: Callable[[int], None] | None = None,
        sizing_of: Callable[[str], SizingMethod | None] = lambda _: None,
        timezone: tzinfo = UTC,
        traded: Callable[[str], Collection[str]] = lambda _: (),
    ) -> None:
        """`on_external(account, symbol, text)`: something no bot explains. `on_kill(account,
        reason)`: stop its bots; the orders are this desk's own business. `correct_clock(ms)` is
        told how far the exchange's clock is ahead; None where the clock is the exchange's.
        `sizing_of(bot_id)` is a bot's own method; trading days begin at midnight in `timezone`;
        `traded(account)` are the symbols of bots that follow one each."""
        self.name = port.account
        self.instruments: dict[str, Instrument] = {}
        self._market_data_started = False
        self.mode = mode
        self.port = port
        self.bus = bus
        self.state = StateManager(bus, clock)
        self.trades = TradeLog()
        self.is_ready = False
        self.state_text = "Starting."
        self.private_state = StreamState.DISCONNECTED
        self.private_connects = 0
        self.on_instruments: list[Callable[[], None]] = []  # the exchange's list has changed
        self.on_booked_fill: list[Callable[[Fill, RoundTrip | None], None]] = []
        self._feed = feed
        self._clock = clock
        self._supervisor = supervisor
        self._database = database
        self._rng = rng
        self._risk_limits = risk_limits
        self._sizing = sizing
        self._sizing_of = sizing_of
        self.timezone = timezone
        self._traded = traded
        self._leverage = leverage
        self._leverage_set: set[str] = set()
        self._owner_of = owner_of
        self._on_external = on_external
        self._on_kill = on_kill
        self._correct_clock = correct_clock
        self._day_clock = SteadyClock(clock)
        self._in_step = InStep(
            part=self.name,
            clock=clock,
            supervisor=supervisor,
            reconcile=self.refresh,
            on_lost=self._not_ready,
        )
        self._reconciling = asyncio.Lock()
        self._hear_ticker: Callable[[Ticker], None] | None = None
        if isinstance(port, TickerHearer) and feed.port is not port:
            self._hear_ticker = port.hear_ticker
        self.is_built = False
        self._trip_when_built = ""

    async def start(self) -> None:
        """Connect, read the exchange's truth, reconcile. Waits while the exchange cannot be
        reached. Raises RequestRejected when the exchange refuses us (a wrong key, say),
        sqlite3.Error when the books cannot be opened."""
        delay_s = RETRY_FIRST_S
        while True:
            try:
                await self._connect()
                await self.reconcile()
                break
            except (ExchangeError, sqlite3.Error) as fault:
                is_final = isinstance(fault, RequestRejected)
                if is_final or (isinstance(fault, sqlite3.Error) and not self.is_built):
                    raise
                self._not_ready(f"Waiting for {self.port.exchange}: {fault}")
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, RETRY_MOST_S)
        self._supervisor.keep_running(f"{self.name}: reconciliation", self._reconcile_regularly)
        self._supervisor.keep_running(f"{self.name}: watch", self._watch_regularly)
        self._supervisor.keep_running(f"{self.name}: protection", self.guard.run)
        self._supervisor.keep_running(f"{self.name}: listings", self.listings.run)

    async def _connect(self) -> None:
        """Each step once, however often the exchange has to be waited for."""
        self.state_text = f"Connecting to {self.port.exchange}."
        await self._set_clock()
        if not self.instruments:
            self.instruments = {i.symbol: i for i in await self.port.fetch_instruments()}
        if self._feed.port is self.port and not self._market_data_started:
            busiest = await self._busiest_symbols()
            await self.port.start_market_data(self)
            self._feed.prices.add(busiest, by=WATCHLIST)
            self._market_data_started = True
        if not self.is_built:
            balance, as_of_ms = await self._opening_balance()
            self._build(balance)
            self.oms.journal.watermark(self.name, as_of_ms)
        await self.port.start_trading(self)

    async def _opening_balance(self) -> tuple[Balance, int]:
        """What a new ledger begins with, and the market time from which on fills are booked: the
        balance must hold every fill before it, and none after."""
        for _ in range(_OPENING_TRIES):
            as_of_ms = self._clock.time_ms()
            balance = await self.port.fetch_balance()
            if not await self.port.fetch_fills(as_of_ms):
                break
        return balance, as_of_ms

    async def _set_clock(self) -> None:
        """By the exchange's, which no signed request may be far from."""
        if self._correct_clock is not None:
            self._correct_clock(await self.port.fetch_clock_offset_ms())
            self._in_step.rebase()
        self._day_clock.trust()

    async def _busiest_symbols(self) -> list[str]:
        """What the watchlist shows: the symbols with the largest turnover."""
        tickers = [t for t in await self.port.fetch_tickers() if t.symbol in self.instruments]
        tickers.sort(key=lambda t: (-(t.turnover_24h or Decimal(0)), t.symbol))
        return [ticker.symbol for ticker in tickers[:WATCHED_SYMBOLS]]

    def _build(self, balance: Balance) -> None:
        self.capital = SharedCapitalManager(
            self.port.exchange,
            balance.wallet_balance,
            database=self._database,
            clock=self._day_clock,
            currency=balance.currency,
            timezone=self.timezone,
        )
        self.ledger = LedgerWatch(
            exchange=self.port.exchange,
            capital=self.capital,
            tell=lambda text: self._report(text, Severity.WARNING),
        )
        self.risk = RiskManager(
            bus=self.bus,
            clock=self._clock,
            capital=self.capital,
            database=self._database,
            limits=self._risk_limits,
            on_liquidate=lambda reason: self._stand_down.liquidate(reason),  # noqa: PLW0108 (made later)
            on_kill=self._kill,
            market_price=self._feed.prices.witnessed,
            reserve=reserved_beside(self._database, ".halt"),
        )
        self.oms = OrderManagementSystem(
            bus=self.bus,
            clock=self._clock,
            database=self._database,
            ports={self.name: self.port},
            supervisor=self._supervisor,
            state=self.state,
            owner_of=self._owner_of,
            on_external=self._on_external,
            rng=self._rng,
            may_send=self._in_step.wait,
            reserve=reserved_beside(self._database),
            exchange=self.port.exchange,
        )
        parts = OrderParts(
            account=self.name,
            port=self.port,
            bus=self.bus,
            clock=self._clock,
            supervisor=self._supervisor,
            oms=self.oms,
            state=self.state,
            instruments=self.instruments,
            owner_of=self._owner_of,
        )
        self.portfolio = PortfolioManager(
            bus=self.bus,
            clock=self._clock,
            capital=self.capital,
            instruments=self.instruments,
            position_of=self.state.position,
            sizing=self._sizing,
            sizing_of=self._sizing_of,
            round_trips_of=self.trades.round_trips_of,
            closes=self._feed.hourly_closes,
            traded=lambda: self._traded(self.name),
            on_exit_refused=lambda order: self._closer.take_over(order),  # noqa: PLW0108 (made later)
            make_client_order_id=functools.partial(signal_order_id, self.port.exchange),
        )
        self.gate = OrderGate(
            bus=self.bus,
            capital=self.capital,
            risk=self.risk,
            oms=self.oms,
            clock=self._clock,
            why_held=self._why_held,
        )
        self._reconciler = Reconciler(
            oms=self.oms,
            state=self.state,
            ports={self.name: self.port},
            clock=self._clock,
            lot_of=parts.lot_of,
            owner_of=self._owner_of,
            on_accepted=self._on_accepted,
        )
        self.tickets = TicketDesk(
            parts,
            gate=self.gate,
            capital=self.capital,
            market_price=self._feed.prices.newest,
            leverage=self._leverage,
        )
        self.listings = ListingWatch(
            self.port,
            self.instruments,
            held=lambda: {position.symbol for position in self.state.positions(self.name)},
            followed=lambda: self._traded(self.name),
            tell=self._report,
            on_change=self._tell_instruments,
        )
        self._closer = PositionCloser(
            parts,
            ticker_of=self._feed.tickers.get,
            trade_of=self.trades.open_trades.get,
            is_blind=lambda: not self.is_ready,
        )
        self._silence = SilenceWatch(self.name, oms=self.oms, clock=self._clock)
        self._stand_down = StandDown(parts, risk=self.risk, close=self._closer.close)
        self.guard = ProtectionGuard(parts, close=self._closer.close, refresh=self.refresh)
        self.bus.subscribe(MarketData, self._on_market_data, part=f"{self.name}: valuation")
        self.bus.subscribe(Fill, self._on_booked_fill, part=f"{self.name}: trades")
        self.past_fills = self.trades.replay(self.oms.history())
        self.is_built = True
        if self._trip_when_built:
            self.risk.trip(self._trip_when_built)

    async def reconcile(self) -> None:
        """Bring our books and the exchange's together; entries stay blocked until done."""
        async with self._reconciling:
            self._in_step.look()
            await self._set_clock()
            self.gate.settle()
            report = await self._reconciler.reconcile(self.name)
            for symbol in report.external:  # the words have been told once
                self._on_external(self.name, symbol, "")
            for symbol, quantity in report.dust.items():
                self._report(f"{symbol}: {quantity:+} booked as dust", Severity.INFO)
            if report.is_consistent:  # else something moved meanwhile: the next one judges
                self.ledger.compare(report)
        self._follow_prices()
        self._stand_down.go_on()
        self._in_step.regained()
        self.is_ready = self.private_state is StreamState.CONNECTED
        self.state_text = "Reconciled." if self.is_ready else "Waiting for the private stream."
        self._closer.go_on()

    def close(self) -> None:
        """Close the books; nothing may arrive any more."""
        self._database.close()

    async def measure_ledger_error(self) -> Decimal:
        """Ledger minus the exchange's wallet balance, asked for now. Raises ExchangeError."""
        balance = await self.port.fetch_balance()
        return self.capital.snapshot().total - balance.wallet_balance

    async def prepare(self, symbol: str) -> None:
        """Set the leverage once before the first order. Raises ExchangeError."""
        if symbol not in self._leverage_set:
            await self._in_step.wait()
            await self.port.set_leverage(symbol, self._leverage)
            self._leverage_set.add(symbol)

    def valued(self, position: Position) -> Position:
        """The position at the newest mark price; the exchange's own message may be older."""
        return valued(position, self._feed.tickers.get(position.symbol))

    def day_start_ms(self) -> int:
        """Market time of the midnight at which this account's trading day began."""
        return day_start_ms(self._day_clock.time_ms(), self.timezone)

    def trip(self, reason: str) -> None:
        """Pull the kill switch; where the books are not open yet, as soon as they are."""
        if self.is_built:
            self.risk.trip(reason)
        else:
            self._trip_when_built = reason

    def resume(self) -> None:
        """The trader's explicit end of it. Raises ResumeRefused, also while the books are not open:
        in them stands whether trading is halted."""
        if not self.is_built:
            raise ResumeRefused(f"{self.name} is not connected yet: {self.state_text}")
        self.risk.resume()

    def close_position(
        self, symbol: str, reason: str, *, with_entries: bool = False, at_once: bool = False
    ) -> bool:
        """See `PositionCloser.close`: asked for until it is flat."""
        return self._closer.close(symbol, reason, with_entries=with_entries, at_once=at_once)

    async def accept_position(
        self, symbol: str, stop_loss: Decimal | None, take_profit: Decimal | None
    ) -> bool:
        """Take over a position that nothing of ours explains, as the exchange shows it now: it
        counts as known, and its stop is guarded; False where it is flat by now. Raises
        RequestRejected where no stop rests and none is given, OutcomeUnknown, another
        ExchangeError when it could not be read, sqlite3.Error."""
        await self.reconcile()
        await self.guard.adopt(symbol, stop_loss, take_profit)
        position = self.state.position(self.name, symbol)
        self._reconciler.accept_position(self.name, symbol)
        await self.refresh()
        return position is not None and not position.is_flat

    # The exchange's word, on the loop. A full disk must not keep the adapter from the next one:
    # what is not booked now is found by the next reconciliation.

    def on_candle(self, update: CandleUpdate, latency_ms: float) -> None:
        self._feed.on_candle(update, latency_ms)

    def on_ticker(self, ticker: Ticker, latency_ms: float) -> None:
        self._feed.on_ticker(ticker, latency_ms)

    def on_topic_state(self, topic: Topic, state: TopicState, text: str) -> None:
        self._feed.on_topic_state(topic, state, text)

    def on_trades(self, trades: list[PublicTrade], latency_ms: float) -> None:
        self._feed.on_trades(trades, latency_ms)

    def on_book(self, book: OrderBookSnapshot, latency_ms: float) -> None:
        self._feed.on_book(book, latency_ms)

    def on_order(self, order: Order) -> None:
        self.oms.on_order(order)

    def on_fill(self, fill: Fill) -> None:
        try:
            self.oms.on_fill(fill)
        except sqlite3.Error as fault:
            text = f"{fill.symbol}: a fill could not be written yet ({fault})"
            self._report(text, Severity.DANGER)

    def on_position(self, position: Position) -> None:
        self.state.on_position(position)
        if self.is_built:
            if not position.is_flat:
                self._feed.prices.add([position.symbol], by=f"account {self.name}")
            self.guard.observe(position.symbol)
            self._closer.look()

    def on_balance(self, balance: Balance) -> None:
        self.state.on_balance(balance)

    def on_stream_state(self, kind: StreamKind, state: StreamState, detail: str) -> None:
        if kind is StreamKind.PUBLIC:
            self._feed.on_stream_state(kind, state, detail)
            return
        self.private_state = state
        if state is StreamState.CONNECTED and self.is_built:
            self.private_connects += 1
            self._supervisor.spawn(f"{self.name}: reconciliation", self.refresh())
        elif state is StreamState.DISCONNECTED:
            self._not_ready(f"Orders stream lost: {detail}")

    # Regular work.

    async def _reconcile_regularly(self) -> None:
        read_s = self._clock.monotonic_s()
        while True:
            await asyncio.sleep(WATCH_INTERVAL_S)
            is_blind = self.private_state is not StreamState.CONNECTED
            interval_s = BLIND_INTERVAL_S if is_blind else RECONCILE_INTERVAL_S
            if self._clock.monotonic_s() - read_s >= interval_s:
                await self.refresh()
                read_s = self._clock.monotonic_s()

    async def refresh(self) -> None:
        """Read the exchange's truth now; what cannot be read is told, not raised."""
        try:
            await self.reconcile()
        except (ExchangeError, sqlite3.Error) as fault:
            self._not_ready(f"Not reconciled: {fault}")

    async def _watch_regularly(self) -> None:
        while True:
            await asyncio.sleep(WATCH_INTERVAL_S)
            self._in_step.look()
            self.risk.evaluate()
            self._follow_prices()
            self._closer.look()
            if self._silence.look() and self.private_state is StreamState.CONNECTED:
                self._supervisor.spawn(f"{self.name}: reconciliation", self.refresh())

    def _follow_prices(self) -> None:
        """Of what is held or ordered here, whoever did it and for as long as it lasts."""
        held = {position.symbol for position in self.state.positions(self.name)}
        ordered = {order.symbol for order in self.oms.working_orders(self.name)}
        self._feed.prices.replace(held | ordered, by=f"account {self.name}")

    def _tell_instruments(self) -> None:
        for listener in self.on_instruments:
            listener()

    def _not_ready(self, text: str) -> None:
        is_news = self.is_ready or text != self.state_text
        self.is_ready, self.state_text = False, text
        if is_news:
            self._report(text, Severity.WARNING)

    def _why_held(self) -> str:
        self._in_step.look()
        if not self.is_ready:
            return self.state_text
        return self._feed.data.fault or ""  # what is not on disk, no strategy has seen

    def _on_market_data(self, event: MarketData) -> None:
        if event.ticker is not None:
            if self._hear_ticker is not None:
                self._hear_ticker(event.ticker)
            price = event.ticker.mark_price or event.ticker.last_price
            self.capital.on_mark_price(event.symbol, price)

    def _on_booked_fill(self, fill: Fill) -> None:
        """Tell the listeners, with the round trip that the fill ended, if it did."""
        ended = self.trades.on_fill(fill)
        for listener in self.on_booked_fill:
            listener(fill, ended)

    def _on_accepted(self, accepted: AcceptedPosition) -> None:
        self.trades.on_accepted(accepted)
        if not accepted.is_dust:
            self.capital.take_over(accepted.symbol, accepted.bot_id)

    def _kill(self, reason: str) -> None:
        self._on_kill(self.name, reason)
        self._stand_down.begin()

    def _report(self, text: str, severity: Severity) -> None:
        self.bus.publish(Error(self.name, text, self._clock.time_ms(), severity))
