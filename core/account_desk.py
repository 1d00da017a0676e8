"""Everything of one account: its port, its ledger, its risk, its orders, its bus.

One bus per account keeps accounts from ever touching each other's money; bots on the same
account share all of it. Start and crash recovery are the same code (rule 4).
"""

from __future__ import annotations

import asyncio
import itertools
import random
import sqlite3
from collections.abc import Callable, Iterable
from decimal import Decimal

import msgspec

from core.capital.shared_capital_manager import SharedCapitalManager
from core.clock import Clock
from core.event_bus import EventBus
from core.events import Error, MarketData, Severity, Signal
from core.exchange_port import (
    ExchangeError,
    ExchangePort,
    RequestRejected,
    StreamKind,
    StreamState,
)
from core.market_feed import MarketFeed
from core.models.candles import CandleUpdate, Ticker
from core.models.fills import Fill
from core.models.instruments import Instrument
from core.models.orders import Order, OrderPurpose, OrderRequest, OrderType
from core.models.positions import Balance, Position
from core.oms.client_order_id import make_client_order_id, nonce_for
from core.oms.order_management_system import OrderManagementSystem
from core.oms.reconciliation import Reconciler, ReconcileReport
from core.oms.state_manager import StateManager
from core.order_gate import OrderGate
from core.portfolio.portfolio_manager import PortfolioManager
from core.portfolio.sizing import SizingMethod
from core.risk.risk_manager import RiskLimits, RiskManager
from core.snapshots import AccountMode
from core.supervision import Supervisor
from core.trade_log import RoundTrip, TradeLog

RECONCILE_INTERVAL_S = 45.0
GUARD_INTERVAL_S = 1.0
WATCHED_SYMBOLS = 50
RETRY_FIRST_S, RETRY_MOST_S = 1.0, 30.0


class AccountDesk:
    """Attributes after `start`: instruments, capital, risk, oms, state, trades.

    `is_built` is True once those exist; `is_ready` while entries are allowed: reconciled, and the
    private stream is up.
    """

    capital: SharedCapitalManager
    risk: RiskManager
    oms: OrderManagementSystem
    gate: OrderGate
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
    ) -> None:
        """`on_external(account, symbol, text)`: something no bot explains. `on_kill(account,
        reason)`: stop its bots; the orders are this desk's own business. `correct_clock(ms)` is
        told how far the exchange's clock is ahead; None where the clock is the exchange's."""
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
        self.ledger_error: Decimal | None = None
        self.on_booked_fill: list[Callable[[Fill, RoundTrip | None], None]] = []
        self._feed = feed
        self._clock = clock
        self._supervisor = supervisor
        self._database = database
        self._rng = rng
        self._risk_limits = risk_limits
        self._sizing = sizing
        self._leverage = leverage
        self._leverage_set: set[str] = set()
        self._owner_of = owner_of
        self._on_external = on_external
        self._on_kill = on_kill
        self._correct_clock = correct_clock
        self._sequence = itertools.count(1)
        self._unprotected_since_s: dict[str, float] = {}
        self._unprotected_told: set[str] = set()  # once, not every second that it lasts
        self._reconciling = asyncio.Lock()
        self.is_built = False

    async def start(self) -> None:
        """Connect, read the exchange's truth, reconcile. Waits while the exchange cannot be
        reached. Raises RequestRejected when the exchange refuses us (a wrong key, say)."""
        delay_s = RETRY_FIRST_S
        while True:
            try:
                await self._connect()
                await self.reconcile()
                break
            except RequestRejected:
                raise
            except ExchangeError as fault:
                self.state_text = f"Waiting for {self.port.exchange}: {fault.text}"
                self._report(self.state_text, Severity.WARNING)
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, RETRY_MOST_S)
        self._supervisor.keep_running(f"{self.name}: reconciliation", self._reconcile_regularly)
        self._supervisor.keep_running(f"{self.name}: protection", self._guard_positions)

    async def _connect(self) -> None:
        """Each step once, however often the exchange has to be waited for."""
        self.state_text = f"Connecting to {self.port.exchange}."
        if not self.instruments:
            self.instruments = {i.symbol: i for i in await self.port.fetch_instruments()}
        if self._feed.port is self.port and not self._market_data_started:
            busiest = await self._busiest_symbols()
            await self.port.start_market_data(self)
            self.port.subscribe_tickers(busiest)
            self._market_data_started = True
        if not self.is_built:
            self._build(await self.port.fetch_balance())
        await self.port.start_trading(self)

    async def _busiest_symbols(self) -> list[str]:
        """What the watchlist shows: the symbols with the largest turnover."""
        tickers = [t for t in await self.port.fetch_tickers() if t.symbol in self.instruments]
        tickers.sort(key=lambda t: (-(t.turnover_24h or Decimal(0)), t.symbol))
        return [ticker.symbol for ticker in tickers[:WATCHED_SYMBOLS]]

    def _build(self, balance: Balance) -> None:
        ports = {self.name: self.port}
        self.capital = SharedCapitalManager(
            self.port.exchange,
            balance.wallet_balance,
            database=self._database,
            clock=self._clock,
            currency=balance.currency,
        )
        self.risk = RiskManager(
            bus=self.bus,
            clock=self._clock,
            capital=self.capital,
            database=self._database,
            limits=self._risk_limits,
            on_liquidate=self._liquidate,
            on_kill=self._kill,
        )
        self.oms = OrderManagementSystem(
            bus=self.bus,
            clock=self._clock,
            database=self._database,
            ports=ports,
            supervisor=self._supervisor,
            state=self.state,
            owner_of=self._owner_of,
            on_external=self._on_external,
            rng=self._rng,
        )
        self.portfolio = PortfolioManager(
            bus=self.bus,
            clock=self._clock,
            capital=self.capital,
            instruments=self.instruments,
            position_of=self.state.position,
            sizing=self._sizing,
            make_client_order_id=_signal_order_id,
        )
        self.gate = OrderGate(
            bus=self.bus, capital=self.capital, risk=self.risk, oms=self.oms, clock=self._clock
        )
        self._reconciler = Reconciler(
            oms=self.oms, state=self.state, ports=ports, clock=self._clock
        )
        self.bus.subscribe(MarketData, self._on_market_data, part=f"{self.name}: valuation")
        self.bus.subscribe(Fill, self._on_booked_fill, part=f"{self.name}: trades")
        self.gate.settle()
        self.past_fills = [(fill, self.trades.on_fill(fill)) for fill in self.oms.fills()]
        self.is_built = True

    async def reconcile(self) -> None:
        """Bring our books and the exchange's together; entries stay blocked until done."""
        async with self._reconciling:
            if self._correct_clock is not None:
                self._correct_clock(await self.port.fetch_clock_offset_ms())
            self.gate.settle()
            report = await self._reconciler.reconcile(self.name)
            for symbol, text in report.external.items():
                self._on_external(self.name, symbol, text)
            if report.is_consistent:  # else something moved meanwhile: the next one judges
                self._compare_ledger(report)
        self.is_ready = self.private_state is StreamState.CONNECTED
        self.state_text = "Reconciled." if self.is_ready else "Waiting for the private stream."

    def _compare_ledger(self, report: ReconcileReport) -> None:
        """A difference is shown, and told once; it is never booked away silently."""
        error = self.capital.synchronise(report.balance, report.positions, as_of_ms=report.as_of_ms)
        if error not in (0, self.ledger_error):
            self._report(
                f"our ledger is {error:+f} {report.balance.currency} away from "
                f"{self.port.exchange}'s wallet balance: a transfer, or a booking we do not know",
                Severity.WARNING,
            )
        self.ledger_error = error

    def close(self) -> None:
        """Close the books; nothing may arrive any more."""
        self._database.close()

    async def measure_ledger_error(self) -> Decimal:
        """Ledger minus the exchange's wallet balance, asked for now. Raises ExchangeError."""
        balance = await self.port.fetch_balance()
        return self.capital.snapshot().total - balance.wallet_balance

    async def prepare(self, symbol: str) -> None:
        """Set the leverage once before the first order, and follow the price. Raises
        ExchangeError."""
        self._feed.port.subscribe_tickers([symbol])
        if symbol not in self._leverage_set:
            await self.port.set_leverage(symbol, self._leverage)
            self._leverage_set.add(symbol)

    def valued(self, position: Position) -> Position:
        """The position at the newest mark price; the exchange's own message may be older."""
        ticker = self._feed.tickers.get(position.symbol)
        if ticker is None:
            return position
        mark = ticker.mark_price or ticker.last_price
        pnl = (mark - position.entry_price) * position.signed_quantity
        return msgspec.structs.replace(position, mark_price=mark, unrealized_pnl=pnl)

    def close_position(self, symbol: str, reason: str) -> bool:
        """Ask the one road to end the position, once; False when there is none."""
        position = self.state.position(self.name, symbol)
        if position is None or position.is_flat:
            return False
        if any(
            order.symbol == symbol and order.purpose is OrderPurpose.EXIT
            for order in self.oms.working_orders(self.name)
        ):
            return True  # it is being closed already
        bot_id = self._owner_of(self.name, symbol)
        now_ms = self._clock.time_ms()
        nonce = nonce_for(bot_id, OrderPurpose.EXIT, next(self._sequence))
        self.bus.publish(
            OrderRequest(
                client_order_id=make_client_order_id("manual", symbol, now_ms, nonce),
                account=self.name,
                bot_id=bot_id,
                strategy="manual",
                symbol=symbol,
                side=position.side.opposite,
                order_type=OrderType.MARKET,
                quantity=position.quantity,
                reference_price=self._price_of(position),
                purpose=OrderPurpose.EXIT,
                created_ms=now_ms,
                reduce_only=True,
                reason=reason,
            )
        )
        return True

    async def cancel_working_orders(self) -> str:
        """Cancel all but protective orders; a sentence with the count, for the kill band."""
        orders = [o for o in self.oms.working_orders(self.name) if not o.reduce_only]
        answers = await asyncio.gather(
            *(
                self.oms.cancel(self.name, o.symbol, o.client_order_id, o.exchange_order_id)
                for o in orders
            ),
            return_exceptions=True,
        )
        for fault in answers:
            if isinstance(fault, BaseException) and not isinstance(fault, ExchangeError):
                self._supervisor.report(f"{self.name}: kill switch", fault)
        done = sum(answer is None for answer in answers)
        exchange = self.port.exchange.capitalize()
        return f"{exchange}: {done} of {len(orders)} orders cancelled, stops still rest"

    # The exchange's word, on the loop.

    def on_candle(self, update: CandleUpdate, latency_ms: float) -> None:
        self._feed.on_candle(update, latency_ms)

    def on_ticker(self, ticker: Ticker, latency_ms: float) -> None:
        self._feed.on_ticker(ticker, latency_ms)

    def on_order(self, order: Order) -> None:
        self.oms.on_order(order)

    def on_fill(self, fill: Fill) -> None:
        self.oms.on_fill(fill)

    def on_position(self, position: Position) -> None:
        self.state.on_position(position)

    def on_balance(self, balance: Balance) -> None:
        self.state.on_balance(balance)

    def on_stream_state(self, kind: StreamKind, state: StreamState, detail: str) -> None:
        if kind is StreamKind.PUBLIC:
            self._feed.on_stream_state(kind, state, detail)
            return
        self.private_state = state
        if state is StreamState.CONNECTED and self.is_built:
            self.private_connects += 1
            self._supervisor.spawn(f"{self.name}: reconciliation", self._reconcile_or_report())
        elif state is StreamState.DISCONNECTED:
            self.is_ready = False
            self.state_text = f"Orders stream lost: {detail}"
            self._report(self.state_text, Severity.WARNING)

    # Regular work.

    async def _reconcile_regularly(self) -> None:
        while True:
            await asyncio.sleep(RECONCILE_INTERVAL_S)
            await self._reconcile_or_report()

    async def _reconcile_or_report(self) -> None:
        try:
            await self.reconcile()
        except ExchangeError as fault:
            self.is_ready = False
            self.state_text = f"Not reconciled: {fault.text}"
            self._report(self.state_text, Severity.WARNING)

    async def _guard_positions(self) -> None:
        """Rule 5: every position has its stop at the exchange; we watch that it does."""
        while True:
            await asyncio.sleep(GUARD_INTERVAL_S)
            self.risk.evaluate()
            open_symbols = set()
            for position in self.state.positions(self.name):
                if position.is_flat or not self._owner_of(self.name, position.symbol):
                    continue
                open_symbols.add(position.symbol)
                await self._guard(position)
            for symbol in set(self._unprotected_since_s) - open_symbols:
                self._forget_unprotected(symbol)

    def _forget_unprotected(self, symbol: str) -> None:
        self._unprotected_since_s.pop(symbol, None)
        self._unprotected_told.discard(symbol)

    async def _guard(self, position: Position) -> None:
        symbol = position.symbol
        if self.oms.is_protected(self.name, symbol):
            self._forget_unprotected(symbol)
            return
        now_s = self._clock.monotonic_s()
        since_s = self._unprotected_since_s.setdefault(symbol, now_s)
        if now_s - since_s < 2:  # the stop's own message may be on its way
            return
        entry = self.oms.entry_request(self.name, symbol)
        try:
            if entry is None or entry.stop_loss is None:
                raise RequestRejected("no stop is known for it")
            await self.port.set_protection(symbol, entry.stop_loss, entry.take_profit)
            self._report(f"{symbol} had no stop at the exchange; it was set again", Severity.DANGER)
            await self._reconcile_or_report()
        except RequestRejected as fault:
            self._report(
                f"{symbol} cannot be protected ({fault.text}); closing it", Severity.DANGER
            )
            self.close_position(symbol, "No stop could be set at the exchange.")
            self._unprotected_since_s[symbol] = now_s  # the next try in two seconds
        except ExchangeError as fault:
            if symbol not in self._unprotected_told:
                self._unprotected_told.add(symbol)
                self._report(f"{symbol} is not protected yet: {fault.text}", Severity.DANGER)

    def _on_market_data(self, event: MarketData) -> None:
        if event.ticker is not None:
            price = event.ticker.mark_price or event.ticker.last_price
            self.capital.on_mark_price(event.symbol, price)

    def _on_booked_fill(self, fill: Fill) -> None:
        """Tell the listeners, with the round trip that the fill ended, if it did."""
        ended = self.trades.on_fill(fill)
        for listener in self.on_booked_fill:
            listener(fill, ended)

    def _kill(self, reason: str) -> None:
        self._on_kill(self.name, reason)
        self._supervisor.spawn(f"{self.name}: kill switch", self._cancel_after_kill())

    async def _cancel_after_kill(self) -> None:
        self.risk.record_kill_answer(await self.cancel_working_orders())

    def _liquidate(self, reason: str) -> None:
        for symbol in self._open_symbols():
            self.close_position(symbol, reason)

    def _open_symbols(self) -> Iterable[str]:
        return [p.symbol for p in self.state.positions(self.name) if not p.is_flat]

    def _price_of(self, position: Position) -> Decimal:
        ticker = self._feed.tickers.get(position.symbol)
        return ticker.last_price if ticker else position.mark_price or position.entry_price

    def _report(self, text: str, severity: Severity) -> None:
        self.bus.publish(Error(self.name, text, self._clock.time_ms(), severity))


def _signal_order_id(signal: Signal, purpose: OrderPurpose) -> str:
    """A pure function of the intent: the same signal, judged twice, is the same order."""
    nonce = nonce_for(signal.bot_id, purpose, signal.candle_open_time_ms)
    return make_client_order_id(signal.strategy, signal.symbol, signal.candle_open_time_ms, nonce)
