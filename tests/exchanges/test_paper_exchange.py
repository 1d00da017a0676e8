"""Paper trading: prices from outside, orders and books of our own, and nobody can tell."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import msgspec
import pytest

from core.clock import ManualClock
from core.exchange_port import (
    DuplicateOrder,
    RequestRejected,
    StreamKind,
    StreamState,
    Unavailable,
)
from core.models.candles import Ticker
from core.models.fills import Fill
from core.models.instruments import Instrument
from core.models.orders import (
    Order,
    OrderPurpose,
    OrderRequest,
    OrderStatus,
    OrderType,
    Side,
)
from core.models.positions import Balance, Position
from core.models.streams import Channel, Topic, TopicState
from exchanges.paper import PaperExchange

D = Decimal
BTC = Instrument(
    exchange="bybit",
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick_size=D("0.1"),
    quantity_step=D("0.001"),
    min_quantity=D("0.001"),
    max_quantity=D(100),
    min_notional=D(5),
    max_leverage=D(50),
)


class Prices:
    """A market-data port whose prices the test writes."""

    exchange = "bybit"

    def __init__(self, clock):
        self._clock = clock
        self.price = D("60000")
        self.subscribed = []
        self.is_down = False
        self.is_stopped = False

    def ticker(self):
        return Ticker(
            "bybit",
            "BTCUSDT",
            self.price,
            self._clock.time_ms(),
            mark_price=self.price,
            bid_price=self.price,
            ask_price=self.price + BTC.tick_size,
        )

    def move(self, price):
        self._clock.advance_ms(1_000)
        self.price = D(price)
        self._listener.on_ticker(self.ticker(), 1.0)

    async def start_market_data(self, listener):
        self._listener = listener

    def subscribe_tickers(self, symbols):
        self.subscribed += symbols

    async def fetch_instruments(self):
        if self.is_down:
            raise Unavailable("down")
        return [BTC]

    async def fetch_tickers(self):
        if self.is_down:
            raise Unavailable("down")
        return [self.ticker()]

    async def stop(self):
        self.is_stopped = True


class Recorder:
    def __init__(self):
        self.items = []
        self.tickers = []
        self.states = []
        self._changed = asyncio.Event()

    def on_item(self, item):
        self.items.append(item)
        self._changed.set()

    on_order = on_fill = on_position = on_balance = on_item

    def on_candle(self, update, latency_ms):
        """Not sent here."""

    def on_ticker(self, ticker, latency_ms):
        self.tickers.append(ticker)

    def on_stream_state(self, kind, state, detail):
        self.states.append((kind, state))

    def seen(self, kind):
        return [item for item in self.items if isinstance(item, kind)]

    async def until(self, condition):
        async with asyncio.timeout(5):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
def clock():
    return ManualClock(1_700_000_000_000)


@pytest.fixture
def prices(clock):
    return Prices(clock)


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
async def paper(prices, clock, recorder, tmp_path):
    port = PaperExchange(
        "paper", market_data=prices, clock=clock, store_path=tmp_path / "paper.sqlite"
    )
    await port.start_market_data(recorder)
    await port.start_trading(recorder)
    yield port
    await port.stop()


def request(number=1, **changes):
    base = OrderRequest(
        client_order_id=f"test_BTCUSDT_{number}",
        account="paper",
        bot_id="b",
        strategy="test",
        symbol="BTCUSDT",
        side=Side.BUY,
        order_type=OrderType.MARKET,
        quantity=D("0.010"),
        reference_price=D(60000),
        purpose=OrderPurpose.ENTRY,
        created_ms=1,
    )
    return msgspec.structs.replace(base, **changes)


async def test_opening_the_books_connects_the_private_side(paper, recorder):
    assert (StreamKind.PRIVATE, StreamState.CONNECTED) in recorder.states
    assert (await paper.fetch_balance()).wallet_balance == D(25_000)


async def test_an_order_fills_at_the_live_price_and_the_answer_comes_first(paper, prices, recorder):
    order_id = await paper.place_order(request())
    assert recorder.items == []
    await recorder.until(lambda: recorder.seen(Fill) and recorder.seen(Position))
    [fill] = recorder.seen(Fill)
    assert type(fill) is Fill
    assert (fill.exchange_order_id, fill.account, fill.price) == (order_id, "paper", D("60000.1"))
    assert prices.subscribed == ["BTCUSDT"]
    [position] = await paper.fetch_positions()
    assert type(position) is Position
    assert (position.account, position.quantity) == ("paper", D("0.010"))
    order = await paper.fetch_order("BTCUSDT", "test_BTCUSDT_1")
    assert type(order) is Order
    assert order.status is OrderStatus.FILLED


async def test_a_stop_loss_fires_on_a_streamed_price(paper, prices, recorder):
    await paper.place_order(request(stop_loss=D(59_000), take_profit=D(62_000)))
    purposes = {order.purpose for order in await paper.fetch_open_orders()}
    assert purposes == {OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT}
    prices.move(59_500)
    prices.move(58_990)
    await recorder.until(lambda: any(f.exchange_purpose for f in recorder.seen(Fill)))
    exit_fill = recorder.seen(Fill)[-1]
    assert exit_fill.exchange_purpose == "stop_loss"
    assert exit_fill.realized_pnl < 0
    assert await paper.fetch_positions() == []
    assert await paper.fetch_open_orders() == []
    fills = await paper.fetch_fills(0)
    balance = await paper.fetch_balance()
    assert type(balance) is Balance
    assert balance.wallet_balance == D(25_000) + sum((f.cash_flow for f in fills), D(0))
    assert recorder.tickers[-1].last_price == D(58_990)


async def test_a_limit_order_waits_for_its_price(paper, prices, recorder):
    await paper.place_order(request(order_type=OrderType.LIMIT, price=D(59_000)))
    assert len(await paper.fetch_open_orders()) == 1
    prices.move(58_999)
    await recorder.until(lambda: recorder.seen(Fill))
    assert recorder.seen(Fill)[0].price == D(59_000)


async def test_a_stop_order_triggers_in_its_direction(paper, prices, recorder):
    await paper.place_order(request(order_type=OrderType.STOP_MARKET, price=D(60_500)))
    [order] = await paper.fetch_open_orders()
    assert (order.order_type, order.trigger_price) == (OrderType.STOP_MARKET, D(60_500))
    prices.move(60_400)
    prices.move(60_501)
    await recorder.until(lambda: recorder.seen(Fill))


async def test_refusals_speak_the_ports_language(paper):
    await paper.place_order(request(1, order_type=OrderType.LIMIT, price=D(50_000)))
    with pytest.raises(DuplicateOrder):
        await paper.place_order(request(1, order_type=OrderType.LIMIT, price=D(50_000)))
    with pytest.raises(RequestRejected):
        await paper.place_order(request(2, symbol="NOSUCHUSDT"))
    with pytest.raises(RequestRejected):
        await paper.place_order(request(3, quantity=D(99)))
    with pytest.raises(RequestRejected):
        await paper.cancel_order("BTCUSDT", "nobody", "")
    await paper.set_leverage("BTCUSDT", D(3))
    await paper.set_leverage("BTCUSDT", D(3))
    await paper.cancel_order("BTCUSDT", "test_BTCUSDT_1", "")
    assert await paper.fetch_open_orders() == []
    assert await paper.fetch_order("BTCUSDT", "nobody") is None


async def test_without_a_price_nothing_is_filled(prices, clock, recorder):
    port = PaperExchange("paper", market_data=prices, clock=clock, store_path=None)
    await port.start_market_data(recorder)
    prices.is_down = True
    with pytest.raises(Unavailable):
        await port.fetch_positions()
    with pytest.raises(Unavailable):
        await port.start_trading(recorder)
    prices.is_down = False
    await port.start_trading(recorder)
    prices.is_down = True
    with pytest.raises(RequestRejected, match="No price"):
        await port.place_order(request())
    await port.stop()
    assert prices.is_stopped


async def test_the_account_can_be_read_before_its_stream_is_open(prices, clock, recorder):
    """The engine takes its first capital from the balance, before it listens."""
    port = PaperExchange("paper", market_data=prices, clock=clock, store_path=None)
    balances = await asyncio.gather(port.fetch_balance(), port.fetch_balance())
    assert {balance.wallet_balance for balance in balances} == {D(25_000)}
    assert recorder.states == []
    await port.start_trading(recorder)
    assert recorder.states == [(StreamKind.PRIVATE, StreamState.CONNECTED)]
    await port.stop()
    with pytest.raises(Unavailable, match="stopped"):
        await port.fetch_balance()


async def test_the_books_survive_a_restart(prices, clock, recorder, tmp_path):
    def build():
        return PaperExchange(
            "paper", market_data=prices, clock=clock, store_path=tmp_path / "books.sqlite"
        )

    first = build()
    await first.start_market_data(recorder)
    await first.start_trading(recorder)
    await first.place_order(request(stop_loss=D(59_000)))
    positions, balance = await first.fetch_positions(), await first.fetch_balance()
    await first.stop()

    clock.advance_ms(60_000)
    second = build()
    await second.start_market_data(recorder)
    await second.start_trading(recorder)
    assert (await second.fetch_balance()).wallet_balance == balance.wallet_balance
    assert [p.quantity for p in await second.fetch_positions()] == [p.quantity for p in positions]
    recorder.items.clear()
    prices.move(58_900)
    await recorder.until(lambda: recorder.seen(Fill))
    assert recorder.seen(Fill)[0].exchange_purpose == "stop_loss"
    await second.stop()


async def test_beside_another_account_it_lives_on_the_others_data(prices, clock, recorder):
    paper = PaperExchange(
        "second", market_data=prices, clock=clock, store_path=None, is_shared=True
    )
    await paper.start_trading(recorder)
    await paper.place_order(request(stop_loss=D(59_000)))
    clock.advance_ms(1_000)
    prices.price = D(58_000)
    paper.hear_ticker(prices.ticker())
    await recorder.until(lambda: any(fill.closed_quantity for fill in recorder.seen(Fill)))
    await paper.stop()
    assert not prices.is_stopped, "it is the other account's"


async def test_what_is_known_of_the_stream_is_passed_through(paper, prices, clock, tmp_path):
    assert paper.stream_statistics() is None  # this stream is not measured
    assert paper.topic_latencies(frozenset({"BTCUSDT"})) == []

    class Measured(Prices):
        def stream_statistics(self):
            return "figures"

        def topic_latencies(self, symbols):
            return sorted(symbols)

    class Watching(Recorder):
        told = None

        def on_topic_state(self, topic, state, text):
            self.told = (topic.symbol, state, text)

    measured, watching = Measured(clock), Watching()
    port = PaperExchange("p", market_data=measured, clock=clock, store_path=None)
    await port.start_market_data(watching)
    assert port.stream_statistics() == "figures"
    assert port.topic_latencies(frozenset({"A"})) == ["A"]
    silent = (Topic(Channel.TICKER, "BTCUSDT"), TopicState.STALE, "silent")
    measured._listener.on_topic_state(*silent)
    prices._listener.on_topic_state(*silent)  # to a listener that does not want to know
    assert watching.told == ("BTCUSDT", TopicState.STALE, "silent")
    await port.stop()
