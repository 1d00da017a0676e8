"""What polling tells a listener: each closed bar once and in order, what changed of an account, and
every broken question."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from app.virtual_time import VirtualClock, VirtualTimeLoop
from core.exchange_port import RateLimited, StreamKind, StreamState, Unavailable
from core.models.candles import Candle, Ticker, Timeframe
from core.models.fills import Fill
from core.models.orders import Order, OrderPurpose, OrderStatus, OrderType, Side
from core.models.positions import Balance, Position
from exchanges.polled_streams import PolledAccount, PolledMarket

D = Decimal
M1 = Timeframe.M1
START_MS = 1_700_000_040_000  # the beginning of a minute


def virtual(story: Callable[[VirtualClock], object]) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        await story(VirtualClock(loop, market_start_ms=START_MS))  # type: ignore[misc]

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(run())


class Listener:
    def __init__(self) -> None:
        self.closed: list[tuple[str, int]] = []
        self.forming = 0
        self.tickers: list[Ticker] = []
        self.states: list[tuple[StreamKind, StreamState]] = []
        self.orders: list[Order] = []
        self.fills: list[Fill] = []
        self.positions: list[Position] = []
        self.balances: list[Balance] = []

    def on_candle(self, update, latency_ms):
        assert 0 <= latency_ms <= 11_000, "no longer than the time between two questions"
        if update.is_closed:
            self.closed.append((update.symbol, update.candle.open_time_ms))
        else:
            self.forming += 1

    def on_ticker(self, ticker, latency_ms):
        self.tickers.append(ticker)

    def on_order(self, order):
        self.orders.append(order)

    def on_fill(self, fill):
        self.fills.append(fill)

    def on_position(self, position):
        self.positions.append(position)

    def on_balance(self, balance):
        self.balances.append(balance)

    def on_stream_state(self, kind, state, detail):
        assert detail
        self.states.append((kind, state))


class Market:
    """Bars exist as their time comes; one that has just ended appears `late_ms` later."""

    exchange = "binance"

    def __init__(self, clock: VirtualClock, late_ms: int = 0) -> None:
        self.clock = clock
        self.late_ms = late_ms
        self.fault: Exception | None = None
        self.questions = 0

    async def fetch_tickers(self) -> list[Ticker]:
        if self.fault:
            raise self.fault
        now_ms = self.clock.time_ms()
        return [Ticker("binance", symbol, D(5), now_ms) for symbol in ("BTCUSDT", "ETHUSDT")]

    async def fetch_newest_candles(self, symbol, timeframe, count) -> list[Candle]:
        self.questions += 1
        if self.fault:
            raise self.fault
        newest_ms = timeframe.floor_ms(self.clock.time_ms() - self.late_ms)
        steps = range(count - 1, -1, -1)
        opens = [newest_ms - step * timeframe.duration_ms for step in steps]
        return [Candle(open_ms, D(1), D(2), D(1), D(2), D(3)) for open_ms in opens]


def test_each_closed_bar_is_told_once_in_order_soon_after_its_end() -> None:
    async def story(clock: VirtualClock) -> None:
        listener, market = Listener(), Market(clock, late_ms=2_500)
        polled = PolledMarket(market, clock=clock, tickers_poll_s=3.0)
        for symbol in ("BTCUSDT", "ETHUSDT"):
            polled.subscribe_candles(symbol, M1)
        polled.subscribe_tickers(["BTCUSDT"])
        polled.start(listener)
        await asyncio.sleep(600.0 + 10)
        await polled.stop()
        for symbol in ("BTCUSDT", "ETHUSDT"):
            bars = [open_ms for name, open_ms in listener.closed if name == symbol]
            assert bars == [START_MS + n * 60_000 for n in range(-3, 10)]
        assert listener.forming > 50
        assert {ticker.symbol for ticker in listener.tickers} == {"BTCUSDT"}
        assert len(listener.tickers) == pytest.approx(610 / 3, rel=0.35)
        assert market.questions < 2 * 610 / 5, "not asked more often than it may change"
        assert listener.states == [
            (StreamKind.PUBLIC, StreamState.CONNECTING),
            (StreamKind.PUBLIC, StreamState.CONNECTED),
        ]

    virtual(story)


def test_an_outage_is_told_once_and_its_end_too() -> None:
    async def story(clock: VirtualClock) -> None:
        listener, market = Listener(), Market(clock)
        polled = PolledMarket(market, clock=clock, tickers_poll_s=3.0)
        polled.start(listener)
        await asyncio.sleep(10)
        market.fault = Unavailable("Binance could not be read: the connection failed.")
        await asyncio.sleep(300)
        market.fault = None
        await asyncio.sleep(10)
        await polled.stop()
        assert [state for _, state in listener.states] == [
            StreamState.CONNECTING,
            StreamState.CONNECTED,
            StreamState.DISCONNECTED,
            StreamState.CONNECTED,
        ]

    virtual(story)


def test_a_stated_wait_is_kept() -> None:
    async def story(clock: VirtualClock) -> None:
        listener, market = Listener(), Market(clock)
        market.fault = RateLimited("Binance's request limit is reached.", retry_after_s=90)
        polled = PolledMarket(market, clock=clock, tickers_poll_s=3.0)
        polled.subscribe_candles("BTCUSDT", M1)
        polled.start(listener)
        await asyncio.sleep(89)
        assert market.questions == 1
        await polled.stop()

    virtual(story)


def test_a_series_that_is_no_longer_wanted_is_not_asked_for() -> None:
    async def story(clock: VirtualClock) -> None:
        listener, market = Listener(), Market(clock)
        polled = PolledMarket(market, clock=clock, tickers_poll_s=3.0)
        polled.subscribe_candles("BTCUSDT", M1)
        polled.start(listener)
        await asyncio.sleep(65)
        polled.unsubscribe_candles("BTCUSDT", M1)
        asked = market.questions
        await asyncio.sleep(120)
        assert market.questions == asked
        await polled.stop()

    virtual(story)


def working(status: OrderStatus = OrderStatus.ACKNOWLEDGED, filled: int = 0) -> Order:
    return Order(
        client_order_id="c1",
        exchange_order_id="77",
        account="main",
        bot_id="",
        symbol="BTCUSDT",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity=D(2),
        status=status,
        purpose=OrderPurpose.ENTRY,
        created_ms=1,
        updated_ms=1,
        filled_quantity=D(filled),
    )


class Account:
    account = "main"

    def __init__(self) -> None:
        self.open: list[Order] = []
        self.ended: Order | None = None
        self.fills: list[Fill] = []
        self.positions: list[Position] = []
        self.balance = Balance("main", "USDT", D(100), D(100), D(100), 0)
        self.asked_fills_from: list[int] = []

    async def fetch_open_orders(self):
        return self.open

    async def fetch_order(self, symbol, client_order_id):
        return self.ended

    async def fetch_positions_beside(self, orders):
        assert orders == self.open
        return self.positions

    async def fetch_balance(self):
        return self.balance

    async def fetch_fills(self, start_ms):
        self.asked_fills_from.append(start_ms)
        return self.fills


def test_an_account_is_told_by_what_differs() -> None:
    async def story(clock: VirtualClock) -> None:
        listener, account = Listener(), Account()
        polled = PolledAccount(account, clock=clock, poll_s=3.0)
        polled.start(listener)
        account.open = [working()]
        await asyncio.sleep(10)
        assert listener.orders == [working()], "told once, however often it is seen"
        fill = Fill("t1", "77", "c1", "main", "", "BTCUSDT", Side.BUY, D(2), D(5), D(0), START_MS)
        position = Position("main", "BTCUSDT", Side.BUY, D(2), D(5), START_MS)
        account.open, account.ended = [], working(OrderStatus.FILLED, 2)
        account.fills, account.positions = [fill], [position]
        account.balance = msgspec.structs.replace(account.balance, wallet_balance=D(99))
        await asyncio.sleep(10)
        assert listener.orders[1:] == [working(OrderStatus.FILLED, 2)]
        assert (listener.fills, listener.positions) == ([fill], [position])
        assert [balance.wallet_balance for balance in listener.balances] == [D(100), D(99)]
        account.positions = []
        await asyncio.sleep(10)
        assert [(p.symbol, p.quantity) for p in listener.positions[1:]] == [("BTCUSDT", D(0))]
        assert listener.fills == [fill]
        await polled.stop()

    virtual(story)


def test_fills_are_asked_for_with_an_overlap_and_told_once() -> None:
    async def story(clock: VirtualClock) -> None:
        listener, account = Listener(), Account()
        polled = PolledAccount(account, clock=clock, poll_s=3.0)
        polled.start(listener)
        for number in range(5):
            await asyncio.sleep(60)
            account.fills = [
                *account.fills,
                Fill(
                    f"t{number}", "77", "c1", "main", "", "BTCUSDT", Side.BUY, D(1), D(5), D(0),
                    clock.time_ms() - 5_000,
                ),
            ]  # fmt: skip
        await asyncio.sleep(10)
        await polled.stop()
        assert [fill.trade_id for fill in listener.fills] == [f"t{number}" for number in range(5)]
        assert account.asked_fills_from == sorted(account.asked_fills_from)
        assert account.asked_fills_from[-1] == listener.fills[-1].time_ms - 60_000

    virtual(story)
