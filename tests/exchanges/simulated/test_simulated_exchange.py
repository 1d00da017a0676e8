"""The venue behind the port, in process: the same words, and the same ways to fail."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import msgspec
import pytest

from core.clock import ManualClock
from core.exchange_port import (
    DuplicateOrder,
    OutcomeUnknown,
    RequestRejected,
    StreamKind,
    StreamState,
    Unavailable,
)
from core.models.candles import Candle, CandleUpdate, Ticker, Timeframe
from core.models.fills import Fill
from core.models.orders import Order, OrderPurpose, OrderRequest, OrderStatus, OrderType, Side
from core.models.positions import Balance, Position
from exchanges.simulated.generated_market import GeneratedMarket
from exchanges.simulated.simulated_exchange import SimulatedExchange
from exchanges.simulated.venue import Venue

D = Decimal
M15 = Timeframe.M15
INTERVAL_S = 0.001


class Heard:
    def __init__(self):
        self.items = []
        self.states = []
        self._news = asyncio.Event()

    def note(self, item):
        self.items.append(item)
        self._news.set()

    on_order = on_fill = on_position = on_balance = note

    def on_candle(self, update, latency_ms):
        self.note(update)

    def on_ticker(self, ticker, latency_ms):
        self.note(ticker)

    def on_stream_state(self, kind, state, detail):
        self.states.append((kind, state))

    def of(self, kind):
        return [item for item in self.items if isinstance(item, kind)]

    async def until(self, condition):
        async with asyncio.timeout(5):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def next_round(self):
        """A whole message round after now."""
        seen = len(self.of(Ticker))
        await self.until(lambda: len(self.of(Ticker)) > seen + 1)


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture(scope="module")
def market():
    return GeneratedMarket(3)


@pytest.fixture
def clock(market):
    return ManualClock(market.start_ms + 5_000)


@pytest.fixture
def venue(market, clock):
    return Venue(market=market, clock=clock)


@pytest.fixture
async def port(venue, heard):
    port = SimulatedExchange("me", venue=venue, stream_interval_s=INTERVAL_S)
    await port.start_market_data(heard)
    await port.start_trading(heard)
    port.subscribe_tickers(["BTCUSDT"])
    yield port
    await port.stop()


def request(number=1, **changes):
    base = OrderRequest(
        client_order_id=f"test_BTCUSDT_{number}",
        account="me",
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


def candles(heard, *, is_closed):
    return [update.candle for update in heard.of(CandleUpdate) if update.is_closed is is_closed]


async def test_both_streams_say_when_they_are_connected(port, heard):
    assert heard.states == [
        (StreamKind.PUBLIC, StreamState.CONNECTING),
        (StreamKind.PUBLIC, StreamState.CONNECTED),
        (StreamKind.PRIVATE, StreamState.CONNECTING),
        (StreamKind.PRIVATE, StreamState.CONNECTED),
    ]
    await port.start_market_data(heard)
    await port.start_trading(heard)
    assert len(heard.states) == 4


async def test_the_account_can_be_read_before_its_stream_is_open(venue):
    port = SimulatedExchange("me", venue=venue)
    assert (await port.fetch_balance()).wallet_balance == D(25_000)


async def test_tickers_of_the_subscribed_symbols_come_as_time_goes_on(port, heard, venue, clock):
    await heard.next_round()
    assert {ticker.symbol for ticker in heard.of(Ticker)} == {"BTCUSDT"}
    clock.advance_ms(600_000)
    await heard.next_round()
    newest = heard.of(Ticker)[-1]
    assert type(newest) is Ticker
    assert newest.last_price == venue.ticker("BTCUSDT").last_price


async def test_each_closed_bar_comes_once_and_in_order(port, heard, venue, clock):
    port.subscribe_candles("BTCUSDT", M15)
    for step_ms in (300_000, 900_000, 4_000_000, 1_000, 899_000):
        clock.advance_ms(step_ms)
        await heard.next_round()
    now_ms = clock.time_ms()
    first_ms = M15.floor_ms(venue.market.start_ms)
    shown = venue.candles("BTCUSDT", M15, start_ms=first_ms, limit=100)
    assert candles(heard, is_closed=True) == shown[:-1]
    forming = candles(heard, is_closed=False)
    assert forming[-1] == shown[-1]
    assert len(forming) == len({msgspec.json.encode(bar) for bar in forming}), "only what is new"
    assert heard.of(CandleUpdate)[-1].exchange_time_ms == now_ms


async def test_what_is_unsubscribed_or_unknown_is_not_sent(port, heard, clock):
    port.subscribe_candles("BTCUSDT", M15)
    port.subscribe_candles("NOSUCHUSDT", M15)
    port.subscribe_tickers(["NOSUCHUSDT"])
    port.unsubscribe_candles("BTCUSDT", M15)
    clock.advance_ms(900_000)
    await heard.next_round()
    assert heard.of(CandleUpdate) == []


async def test_an_order_its_fills_and_its_stops_come_by_the_stream(port, heard, venue):
    price = venue.ticker("BTCUSDT").last_price
    stop = venue.instruments["BTCUSDT"].round_price(price * D("0.95"))
    order_id = await port.place_order(request(stop_loss=stop))
    await heard.until(lambda: heard.of(Balance))
    [fill] = heard.of(Fill)
    assert type(fill) is Fill
    assert (fill.exchange_order_id, fill.account) == (order_id, "me")
    assert heard.of(Position)[-1].stop_loss == stop
    purposes = {order.purpose for order in heard.of(Order)}
    assert purposes == {OrderPurpose.ENTRY, OrderPurpose.STOP_LOSS}
    assert await port.fetch_fills(0) == [fill]
    found = await port.fetch_order("BTCUSDT", "test_BTCUSDT_1")
    assert found.status is OrderStatus.FILLED
    assert [p.quantity for p in await port.fetch_positions()] == [D("0.010")]
    with pytest.raises(DuplicateOrder):
        await port.place_order(request(stop_loss=stop))


async def test_accounts_do_not_hear_each_other(port, heard, venue):
    stranger = SimulatedExchange("stranger", venue=venue, stream_interval_s=INTERVAL_S)
    other = Heard()
    await stranger.start_trading(other)
    await port.place_order(request())
    await heard.until(lambda: heard.of(Balance))
    assert other.items == []
    assert await stranger.fetch_positions() == []
    await stranger.stop()


async def test_a_stop_order_fires_while_nobody_asks(port, heard, venue, clock):
    price = venue.ticker("BTCUSDT").last_price
    near = venue.instruments["BTCUSDT"].round_price(price * D("0.9995"))
    far = venue.instruments["BTCUSDT"].round_price(price * D("1.0005"))
    await port.place_order(request(stop_loss=near, take_profit=far))
    await heard.until(lambda: heard.of(Fill))
    while not any(fill.exchange_purpose for fill in heard.of(Fill)):
        clock.advance_ms(60_000)
        await heard.next_round()
    assert await port.fetch_positions() == []


async def test_history_has_closed_bars_only_newest_or_from_a_start(port, venue, clock):
    clock.advance_ms(7_000_000)
    newest_ms = M15.floor_ms(clock.time_ms()) - M15.duration_ms
    newest = await port.fetch_candles("BTCUSDT", M15, limit=1000)
    assert len(newest) == 1000
    assert newest[-1].open_time_ms == newest_ms
    assert all(type(candle) is Candle for candle in newest)
    start_ms = newest[0].open_time_ms
    oldest = await port.fetch_candles("BTCUSDT", M15, start_ms=start_ms, limit=10)
    assert oldest == newest[:10]
    until = await port.fetch_candles("BTCUSDT", M15, end_ms=newest[50].open_time_ms, limit=3)
    assert until == newest[48:51]
    window = await port.fetch_candles(
        "BTCUSDT", M15, start_ms=newest[7].open_time_ms, end_ms=newest[9].open_time_ms
    )
    assert window == newest[7:10]
    tail = await port.fetch_candles("BTCUSDT", M15, start_ms=newest[-2].open_time_ms)
    assert tail == newest[-2:]
    assert await port.fetch_candles("BTCUSDT", M15, start_ms=clock.time_ms()) == []
    with pytest.raises(RequestRejected, match=r"no symbol BTCUSTD\. Did you mean BTCUSDT\?"):
        await port.fetch_candles("BTCUSTD", M15)


async def test_every_symbol_has_a_ticker_and_an_instrument(port, venue):
    tickers = await port.fetch_tickers()
    assert {ticker.symbol for ticker in tickers} == venue.instruments.keys()
    assert {item.symbol for item in await port.fetch_instruments()} == venue.instruments.keys()
    assert await port.fetch_clock_offset_ms() == 0


async def test_what_a_lost_stream_missed_never_comes(port, heard, venue, clock):
    port.subscribe_candles("BTCUSDT", M15)
    for kind in StreamKind:
        port.lose_stream(kind, "reset")
    clock.advance_ms(3_600_000)
    await port.place_order(request())
    await asyncio.sleep(5 * INTERVAL_S)
    before = len(heard.items)
    for kind in StreamKind:
        port.restore_stream(kind)
    assert heard.states[-4:] == [
        (StreamKind.PUBLIC, StreamState.DISCONNECTED),
        (StreamKind.PRIVATE, StreamState.DISCONNECTED),
        (StreamKind.PUBLIC, StreamState.CONNECTED),
        (StreamKind.PRIVATE, StreamState.CONNECTED),
    ]
    clock.advance_ms(900_000)
    await heard.next_round()
    assert heard.of(Fill) == []
    [bar] = candles(heard, is_closed=True)
    assert bar.open_time_ms == M15.floor_ms(clock.time_ms()) - M15.duration_ms
    assert len(heard.items) > before


async def test_an_unreachable_exchange_leaves_the_caller_without_an_answer(port, venue):
    port.is_reachable = False
    for question in (
        port.fetch_instruments(),
        port.fetch_balance(),
        port.fetch_positions(),
        port.fetch_candles("BTCUSDT", M15),
    ):
        with pytest.raises(Unavailable):
            await question
    with pytest.raises(OutcomeUnknown):
        await port.place_order(request())
    port.is_reachable = True
    assert await port.fetch_order("BTCUSDT", "test_BTCUSDT_1") is None


async def test_a_request_whose_answer_is_lost_has_happened_all_the_same(venue):
    port = SimulatedExchange("me", venue=venue, latency_s=0.02)
    placing = asyncio.create_task(port.place_order(request()))
    refusing = asyncio.create_task(port.place_order(request(2, quantity=D(1000))))
    await asyncio.sleep(0.03)
    port.is_reachable = False
    for answer in (placing, refusing):
        with pytest.raises(OutcomeUnknown):
            await answer
    port.is_reachable = True
    found = await port.fetch_order("BTCUSDT", "test_BTCUSDT_1")
    assert found.status is OrderStatus.FILLED
    assert await port.fetch_order("BTCUSDT", "test_BTCUSDT_2") is None


async def test_a_listeners_fault_keeps_nothing_from_the_others(
    port, heard, clock, fail_on_unexpected_log
):
    port.subscribe_candles("BTCUSDT", M15)
    healthy = heard.on_candle

    def fail_once(update, latency_ms):
        heard.on_candle = healthy
        raise OSError("disk full")

    heard.on_candle = fail_once
    clock.advance_ms(1_800_000)
    await heard.next_round()
    assert len(candles(heard, is_closed=True)) == 1  # the second of the two
    assert [r.getMessage() for r in fail_on_unexpected_log] == ["a listener failed on CandleUpdate"]
    fail_on_unexpected_log.clear()


async def test_after_stop_nothing_is_told_and_the_venue_lives_on(port, heard, venue, clock):
    await port.place_order(request())
    await heard.until(lambda: heard.of(Balance))
    await port.stop()
    before = len(heard.items)
    clock.advance_ms(900_000)
    venue.account("me").cancel_all()
    venue.advance()
    await asyncio.sleep(3 * INTERVAL_S)
    assert len(heard.items) == before
    with pytest.raises(Unavailable):
        await port.fetch_positions()
    with pytest.raises(RequestRejected, match="not open"):
        await port.place_order(request(2))
    assert venue.account("me").positions()
