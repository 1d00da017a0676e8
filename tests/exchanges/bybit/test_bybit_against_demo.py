"""The adapter against the demo exchange over real sockets: a trader's day, and outages."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from core.clock import ManualClock
from core.exchange_port import DuplicateOrder, RequestRejected, StreamState
from core.models.candles import Timeframe
from core.models.fills import Fill
from core.models.orders import (
    Order,
    OrderPurpose,
    OrderRequest,
    OrderStatus,
    OrderType,
    Side,
)
from core.models.positions import Balance, Position
from exchanges.bybit_exchange import BybitExchange
from exchanges.credentials import Credentials
from exchanges.simulated.generated_market import GeneratedMarket
from exchanges.simulated.venue import Venue
from exchanges.simulated.wire.server import DemoServer

D = Decimal


@pytest.fixture(scope="module")
def market():
    return GeneratedMarket(seed=5)


@pytest.fixture
def clock(market):
    return ManualClock(market.start_ms)


@pytest.fixture
def venue(market, clock):
    venue = Venue(market=market, clock=clock)
    yield venue
    venue.close()


@pytest.fixture
async def server(venue):
    server = DemoServer(venue, keys={"demo-key": "demo-secret"})
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def connect(server, clock, limiter, jitter):
    def build(secret="demo-secret", key="demo-key"):
        return BybitExchange(
            "demo",
            credentials=Credentials(key, secret),
            clock=clock,
            limiter=limiter,
            rng=jitter,
            rest_url=server.rest_url,
            ws_public_url=server.ws_public_url,
            ws_private_url=server.ws_private_url,
        )

    return build


@pytest.fixture
async def demo(connect):
    port = connect()
    yield port
    await port.stop()


def request(number, venue, **changes):
    base = OrderRequest(
        client_order_id=f"test_BTCUSDT_{number}",
        account="demo",
        bot_id="b",
        strategy="test",
        symbol="BTCUSDT",
        side=Side.BUY,
        order_type=OrderType.MARKET,
        quantity=D("0.010"),
        reference_price=venue.ticker("BTCUSDT").last_price,
        purpose=OrderPurpose.ENTRY,
        created_ms=1,
    )
    return msgspec.structs.replace(base, **changes)


def seen(recorder, kind):
    return [item for item in recorder.items if isinstance(item, kind)]


async def test_a_round_trip_with_protection(demo, venue, recorder, clock):
    await demo.start_trading(recorder)
    await recorder.until(lambda: recorder.count(StreamState.CONNECTED) == 1)
    await demo.set_leverage("BTCUSDT", D(5))
    await demo.set_leverage("BTCUSDT", D(5))  # "not modified" is success
    price = venue.instruments["BTCUSDT"].round_price(venue.ticker("BTCUSDT").last_price)
    stop_loss, take_profit = price - 2000, price + 2000
    before = await demo.fetch_balance()

    order_id = await demo.place_order(
        request(1, venue, stop_loss=stop_loss, take_profit=take_profit)
    )
    await recorder.until(lambda: seen(recorder, Fill) and seen(recorder, Position))
    fill = seen(recorder, Fill)[0]
    assert (fill.exchange_order_id, fill.client_order_id) == (order_id, "test_BTCUSDT_1")
    assert fill.fee > 0

    [position] = await demo.fetch_positions()
    assert (position.side, position.quantity, position.leverage) == (Side.BUY, D("0.010"), D(5))
    assert (position.stop_loss, position.take_profit) == (stop_loss, take_profit)
    resting = {order.purpose: order for order in await demo.fetch_open_orders()}
    assert resting.keys() == {OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT}
    assert resting[OrderPurpose.STOP_LOSS].trigger_price == stop_loss
    assert resting[OrderPurpose.STOP_LOSS].client_order_id == ""

    await demo.set_protection("BTCUSDT", stop_loss + 500, None)
    [position] = await demo.fetch_positions()
    assert (position.stop_loss, position.take_profit) == (stop_loss + 500, take_profit)

    found = await demo.fetch_order("BTCUSDT", "test_BTCUSDT_1")
    assert found is not None
    assert (found.status, found.filled_quantity) == (OrderStatus.FILLED, D("0.010"))

    clock.advance_ms(60_000)
    await demo.place_order(
        request(2, venue, side=Side.SELL, reduce_only=True, purpose=OrderPurpose.EXIT)
    )
    await recorder.until(lambda: any(p.is_flat for p in seen(recorder, Position)))
    assert await demo.fetch_positions() == []
    assert await demo.fetch_open_orders() == []

    fills = await demo.fetch_fills(clock.time_ms() - 3_600_000)
    after = await demo.fetch_balance()
    assert sum((f.cash_flow for f in fills), D(0)) == after.wallet_balance - before.wallet_balance
    assert fills[-1].closed_quantity == D("0.010")
    streamed = {f.trade_id: f for f in seen(recorder, Fill)}
    assert streamed == {f.trade_id: f for f in fills}
    assert seen(recorder, Balance)


async def test_a_stop_loss_that_fires_says_so(demo, venue, market, recorder, clock):
    await demo.start_trading(recorder)
    await recorder.until(lambda: recorder.count(StreamState.CONNECTED) == 1)
    price = venue.instruments["BTCUSDT"].round_price(venue.ticker("BTCUSDT").last_price)
    await demo.place_order(request(1, venue, stop_loss=price - 50, take_profit=price + 50))
    for _ in range(120):
        clock.advance_ms(300_000)
        venue.advance()
        if not venue.account("demo-key").positions():
            break
    await recorder.until(lambda: any(f.exchange_purpose for f in seen(recorder, Fill)))
    fired = next(f for f in seen(recorder, Fill) if f.exchange_purpose)
    assert fired.exchange_purpose in ("stop_loss", "take_profit")
    assert fired.client_order_id == ""
    assert fired.realized_pnl != 0
    assert await demo.fetch_positions() == []


async def test_a_limit_order_rests_and_is_cancelled_once(demo, venue, recorder):
    await demo.start_trading(recorder)
    await recorder.until(lambda: recorder.count(StreamState.CONNECTED) == 1)
    price = venue.instruments["BTCUSDT"].round_price(venue.ticker("BTCUSDT").last_price * D("0.9"))
    limit = request(1, venue, order_type=OrderType.LIMIT, price=price)
    await demo.place_order(limit)
    [order] = await demo.fetch_open_orders()
    assert (order.price, order.status) == (price, OrderStatus.ACKNOWLEDGED)
    with pytest.raises(DuplicateOrder):
        await demo.place_order(limit)
    await demo.cancel_order("BTCUSDT", order.client_order_id, "")
    with pytest.raises(RequestRejected, match="order not exists"):
        await demo.cancel_order("BTCUSDT", "", order.exchange_order_id)
    await recorder.until(
        lambda: any(o.status is OrderStatus.CANCELLED for o in seen(recorder, Order))
    )
    assert await demo.fetch_open_orders() == []


async def test_refusals_are_definite_and_readable(demo, venue):
    too_much = request(1, venue, quantity=D(100))
    with pytest.raises(RequestRejected):
        await demo.place_order(too_much)
    with pytest.raises(RequestRejected):
        await demo.place_order(request(2, venue, symbol="NOSUCHUSDT"))
    with pytest.raises(RequestRejected):
        await demo.fetch_candles("NOSUCHUSDT", Timeframe.M15)
    assert await demo.fetch_order("BTCUSDT", "test_BTCUSDT_1") is None


@pytest.mark.parametrize(
    ("key", "secret", "words"),
    [("demo-key", "wrong", "refused the signature"), ("who", "x", "does not know this API key")],
)
async def test_wrong_keys_are_told_apart(connect, recorder, key, secret, words):
    port = connect(secret, key)
    try:
        with pytest.raises(RequestRejected, match=words):
            await port.start_trading(recorder)
    finally:
        await port.stop()


async def test_market_data_of_the_demo(demo, market, venue, clock, recorder):
    instruments = {item.symbol: item for item in await demo.fetch_instruments()}
    expected = {
        name: msgspec.structs.replace(item, exchange="bybit")
        for name, item in venue.instruments.items()
    }
    assert instruments.keys() == expected.keys()
    assert instruments["BTCUSDT"].tick_size == expected["BTCUSDT"].tick_size
    assert instruments["BTCUSDT"].listed_ms == 1_585_526_400_000
    assert {t.symbol for t in await demo.fetch_tickers()} == instruments.keys()
    assert abs(await demo.fetch_clock_offset_ms()) < 1_000

    candles = await demo.fetch_candles("BTCUSDT", Timeframe.M15, limit=1200)
    assert candles == market.candles(
        "BTCUSDT",
        Timeframe.M15,
        now_ms=clock.time_ms(),
        end_ms=candles[-1].open_time_ms,
        limit=1200,
    )
    assert Timeframe.M15.next_open_ms(candles[-1].open_time_ms) <= clock.time_ms()


async def test_every_closed_candle_streams_once_across_a_restart(
    demo, server, venue, clock, recorder
):
    demo.subscribe_candles("BTCUSDT", Timeframe.M1)
    demo.subscribe_tickers(["BTCUSDT", "ETHUSDT"])
    await demo.start_market_data(recorder)
    await recorder.until(lambda: recorder.count(StreamState.CONNECTED) == 1)

    def closed():
        return [u.candle for u in recorder.candles if u.is_closed]

    for _ in range(5):
        clock.advance_ms(60_000)
        count = len(closed()) + 1
        await recorder.until(lambda count=count: len(closed()) >= count)
    await server.stop()
    await recorder.until(lambda: recorder.count(StreamState.DISCONNECTED) >= 1)
    await server.start(port=server.port)
    await recorder.until(lambda: recorder.count(StreamState.CONNECTED) == 2)
    clock.advance_ms(60_000)
    await recorder.until(lambda: len(closed()) == 6)
    opens = [candle.open_time_ms for candle in closed()]
    assert opens == sorted(set(opens))
    fetched = await demo.fetch_candles("BTCUSDT", Timeframe.M1, start_ms=opens[0], limit=6)
    assert fetched == closed()
    assert {ticker.symbol for ticker in recorder.tickers} == {"BTCUSDT", "ETHUSDT"}


async def test_a_machine_whose_clock_is_wrong_trades_all_the_same(connect):
    """The exchange checks the corrected time stamp and the signature made with it."""
    port = connect()
    port._rest.http.clock_offset_ms = -90_000  # as if this machine were a minute and a half slow
    balance = await port.fetch_balance()
    assert balance.wallet_balance > 0
    assert abs(port._rest.http.clock_offset_ms) < 5_000
    await port.stop()
