"""The unmodified adapter on real sockets, with a misbehaving proxy between it and the demo
exchange: whatever the network does, the port's contract holds and the next request works."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from decimal import Decimal

import pytest
from misbehaving_proxy import HttpFault, MisbehavingProxy, Moment, Script, StreamFault

from core.clock import ManualClock
from core.exchange_port import (
    DuplicateOrder,
    ExchangeError,
    OutcomeUnknown,
    RateLimited,
    StreamKind,
    StreamState,
    Unavailable,
)
from core.models.candles import Timeframe
from core.models.fills import Fill
from core.models.orders import OrderPurpose, OrderRequest, OrderStatus, OrderType, Side
from exchanges.bybit_exchange import BybitExchange
from exchanges.bybit_private_stream import PrivateTiming
from exchanges.credentials import Credentials
from exchanges.simulated.generated_market import GeneratedMarket
from exchanges.simulated.venue import Venue
from exchanges.simulated.wire.server import DemoServer
from exchanges.stream_connection import StreamTiming

TIMEOUT_S = 0.25
HOUR_MS = 3_600_000
SILENCE_S = 0.5
WIRE = Credentials("demo-key", "demo-secret")
PRIVATE, PUBLIC = "/v5/private", "/v5/public/linear"

# what `place_order` says, and whether the exchange has the order in the end
OUTCOMES: dict[HttpFault, tuple[type[ExchangeError] | None, bool]] = {
    HttpFault.REFUSED: (OutcomeUnknown, False),
    HttpFault.HALF_OPEN: (OutcomeUnknown, False),
    HttpFault.MAINTENANCE: (OutcomeUnknown, False),
    HttpFault.TOO_MANY: (OutcomeUnknown, False),
    HttpFault.FORBIDDEN: (RateLimited, False),
    HttpFault.UNAVAILABLE: (OutcomeUnknown, False),
    HttpFault.RATE_LIMITED: (RateLimited, False),
    HttpFault.LOST_ACK: (OutcomeUnknown, True),
    HttpFault.SWALLOWED: (OutcomeUnknown, True),
    HttpFault.DELAYED: (OutcomeUnknown, True),
    HttpFault.DRIPPED: (None, True),
    HttpFault.HTML_ACK: (OutcomeUnknown, True),
    HttpFault.GARBAGE_ACK: (OutcomeUnknown, True),
    HttpFault.TRUNCATED_JSON: (OutcomeUnknown, True),
    HttpFault.CUT_BODY: (OutcomeUnknown, True),
    HttpFault.BAD_GATEWAY: (OutcomeUnknown, True),
    HttpFault.REPEATED: (DuplicateOrder, True),
    HttpFault.LATE: (OutcomeUnknown, True),
}
HARMLESS = {HttpFault.REPEATED, HttpFault.DRIPPED}  # to a question
# of a connection that goes on as if nothing had been
UNNOTICED = {
    StreamFault.LOST,
    StreamFault.DUPLICATED,
    StreamFault.REORDERED,
    StreamFault.DELAYED,
    StreamFault.DRIPPED,
}


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
async def proxy(venue):
    server = DemoServer(venue, keys={WIRE.api_key: WIRE.api_secret})
    await server.start()
    proxy = MisbehavingProxy("127.0.0.1", server.port)
    await proxy.start()
    yield proxy
    await proxy.stop()
    await server.stop()


@pytest.fixture
async def port(proxy, clock, limiter, jitter):
    host = f"127.0.0.1:{proxy.port}"
    port = BybitExchange(
        "demo",
        credentials=WIRE,
        clock=clock,
        limiter=limiter,
        rng=jitter,
        rest_url=f"http://{host}",
        ws_public_url=f"ws://{host}{PUBLIC}",
        ws_private_url=f"ws://{host}{PRIVATE}",
        request_timeout_s=TIMEOUT_S,
        stream_timing=StreamTiming(ping_interval_s=0.6, answer_timeout_s=0.3),
        private_timing=PrivateTiming(0.2, SILENCE_S, answer_timeout_s=0.3),
    )
    yield port
    await port.stop()


def request(number, venue, **changes):
    words = {
        "client_order_id": f"test_BTCUSDT_{number}",
        "account": "demo",
        "bot_id": "b",
        "strategy": "test",
        "symbol": "BTCUSDT",
        "side": Side.BUY,
        "order_type": OrderType.MARKET,
        "quantity": Decimal("0.010"),
        "reference_price": venue.ticker("BTCUSDT").last_price,
        "purpose": OrderPurpose.ENTRY,
        "created_ms": 1,
    }
    return OrderRequest(**words | changes)


def held(venue):
    positions = venue.account(WIRE.api_key).positions()
    return sum((position.quantity for position in positions), Decimal(0))


def fills(recorder):
    return [item for item in recorder.items if isinstance(item, Fill)]


async def answered(question):
    """The answer once the network is well: a busy machine may stand still for longer than the
    time-out, and then the question may be asked again."""
    for _ in range(3):
        with contextlib.suppress(Unavailable):
            return await question()
    return await question()


def threads_named(name):
    return sum(thread.name == name for thread in threading.enumerate())


async def until(condition, seconds=3.0):
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (the exchange has no event for it)
            await asyncio.sleep(0.01)


def test_every_fault_of_a_request_is_tried():
    assert OUTCOMES.keys() == set(HttpFault)


@pytest.mark.parametrize("fault", HttpFault)
async def test_an_order_is_answered_for_what_is_known_of_it_and_stands_once(
    port, proxy, venue, fault
):
    expected, lands = OUTCOMES[fault]
    proxy.plan = Script(faults=[fault])
    if expected is None:
        await port.place_order(request(1, venue))
    else:
        with pytest.raises(ExchangeError) as caught:
            await port.place_order(request(1, venue))
        assert type(caught.value) is expected
    if lands:
        await until(lambda: held(venue) != 0)

    found = await answered(lambda: port.fetch_order("BTCUSDT", "test_BTCUSDT_1"))
    assert (found is not None) is lands
    if found is not None:
        assert (found.status, found.filled_quantity) == (OrderStatus.FILLED, Decimal("0.010"))
    await port.place_order(request(2, venue))
    assert held(venue) == (Decimal("0.020") if lands else Decimal("0.010"))


async def test_a_limit_says_when_it_ends(port, proxy, venue):
    proxy.plan = Script(faults=[HttpFault.RATE_LIMITED, HttpFault.FORBIDDEN])
    with pytest.raises(RateLimited) as soon:
        await port.place_order(request(1, venue))
    with pytest.raises(RateLimited) as late:
        await port.place_order(request(1, venue))
    assert 0 < soon.value.retry_after_s <= 0.4
    assert late.value.retry_after_s == 600


async def test_an_answer_that_drips_without_end_is_given_up(port, proxy, venue):
    dripped_out = asyncio.Event()
    proxy.delay_s = 3 * TIMEOUT_S
    proxy.plan = Script(faults=[HttpFault.DRIPPED])
    proxy.watcher = lambda moment, *_: dripped_out.set() if moment is Moment.ANSWERED else None
    with pytest.raises(OutcomeUnknown, match="no answer in time"):
        await port.place_order(request(1, venue))
    assert held(venue) == Decimal("0.010")
    await dripped_out.wait()


@pytest.mark.parametrize("fault", sorted(set(HttpFault) - HARMLESS))
async def test_a_question_is_never_answered_with_nothing_there(port, proxy, venue, fault):
    await port.place_order(request(1, venue))
    questions = {
        "/v5/position/list": port.fetch_positions,
        "/v5/account/wallet-balance": port.fetch_balance,
        "/v5/execution/list": lambda: port.fetch_fills(venue.time_ms() - HOUR_MS),
        "/v5/order/realtime": lambda: port.fetch_order("BTCUSDT", "test_BTCUSDT_1"),
        "/v5/market/kline": lambda: port.fetch_candles("BTCUSDT", Timeframe.M15, limit=5),
    }
    answers = {path: await answered(question) for path, question in questions.items()}
    for path, question in questions.items():
        proxy.plan = Script(path=path, faults=[fault])
        with pytest.raises((Unavailable, RateLimited)):
            await question()
        assert await answered(question) == answers[path]


@pytest.mark.parametrize("fault", sorted(HARMLESS))
async def test_a_question_may_be_delivered_twice_or_slowly(port, proxy, venue, fault):
    await port.place_order(request(1, venue))
    proxy.plan = Script(path="/v5/position/list", faults=[fault])
    [position] = await answered(port.fetch_positions)
    assert position.quantity == Decimal("0.010")


# ---- the private stream


async def connected(recorder, times=1):
    await recorder.until(lambda: recorder.count(StreamState.CONNECTED) >= times)


@pytest.fixture
async def trading(port, recorder):
    """The port on its private stream, and who listens."""
    await port.start_trading(recorder)
    await connected(recorder)
    return port, recorder


@pytest.fixture
async def streaming(port, recorder, clock):
    """The same on the public stream; one bar has closed."""
    port.subscribe_candles("BTCUSDT", Timeframe.M1)
    await port.start_market_data(recorder)
    await connected(recorder)
    await closes_a_bar(clock, recorder)
    return port, recorder


def script(path, text, *faults):
    return Script(path=path, text=text, stream_faults=list(faults))


@pytest.mark.parametrize("fault", sorted(set(StreamFault) - UNNOTICED))
async def test_a_broken_private_stream_is_made_anew_and_nothing_is_lost(
    trading, proxy, venue, fault, fail_on_unexpected_log
):
    port, recorder = trading
    proxy.plan = script(PRIVATE, b'"topic":"execution"', fault)
    await port.place_order(request(1, venue))
    await connected(recorder, times=2)
    # what the stream did not bring, the question that follows a reconnect does
    found = await answered(lambda: port.fetch_fills(venue.time_ms() - HOUR_MS))
    assert [fill.client_order_id for fill in found] == ["test_BTCUSDT_1"]
    await port.place_order(request(2, venue))
    await recorder.until(lambda: "test_BTCUSDT_2" in [f.client_order_id for f in fills(recorder)])
    unreadable = [r for r in fail_on_unexpected_log if "unreadable" in r.getMessage()]
    assert bool(unreadable) is (fault not in (StreamFault.CUT, StreamFault.STALLED))
    fail_on_unexpected_log[:] = []


@pytest.mark.parametrize("fault", sorted(UNNOTICED - {StreamFault.LOST}))
async def test_fills_arrive_whatever_happens_on_their_way(trading, proxy, venue, fault):
    port, recorder = trading
    proxy.plan = script(PRIVATE, b'"topic":"execution"', fault)
    await port.place_order(request(1, venue))
    await port.place_order(request(2, venue))
    await recorder.until(lambda: {f.client_order_id[-1] for f in fills(recorder)} == {"1", "2"})
    assert len({fill.trade_id for fill in fills(recorder)}) == 2  # the same one twice is one
    assert recorder.count(StreamState.CONNECTED) == 1


async def test_a_fill_that_the_stream_never_brought_is_found_by_asking(trading, proxy, venue):
    port, recorder = trading
    proxy.plan = script(PRIVATE, b'"topic":"execution"', StreamFault.LOST)
    await port.place_order(request(1, venue))
    await port.place_order(request(2, venue))
    await recorder.until(lambda: fills(recorder))
    assert [fill.client_order_id for fill in fills(recorder)] == ["test_BTCUSDT_2"]
    assert len(await answered(lambda: port.fetch_fills(venue.time_ms() - HOUR_MS))) == 2


def test_a_silent_private_stream_is_given_up_within_fifteen_seconds():
    timing = PrivateTiming()
    assert timing.silence_s <= 15
    assert 2 * timing.ping_interval_s < timing.silence_s  # one pong may be lost


NOT_DELIVERED = sorted(fault for fault, (_, lands) in OUTCOMES.items() if not lands)


@pytest.mark.parametrize("fault", NOT_DELIVERED)
async def test_a_refused_handshake_is_repeated(port, proxy, venue, recorder, fault):
    proxy.plan = Script(path=PRIVATE, faults=[fault, fault])
    await port.start_trading(recorder)
    await connected(recorder)
    assert recorder.count(StreamState.DISCONNECTED) == 2
    await until(lambda: threads_named("bybit-private") == 1)  # none hangs in a handshake
    await port.place_order(request(1, venue))
    await recorder.until(lambda: fills(recorder))


# ---- the public stream


async def closes_a_bar(clock, recorder):
    count = len(closed(recorder))
    clock.advance_ms(60_000)
    await recorder.until(lambda: len(closed(recorder)) > count)


def closed(recorder):
    return [update.candle for update in recorder.candles if update.is_closed]


@pytest.mark.parametrize("fault", [StreamFault.CUT, StreamFault.STALLED])
async def test_a_broken_public_stream_is_made_anew(streaming, proxy, clock, fault):
    port, recorder = streaming
    proxy.plan = script(PUBLIC, b'"topic":"kline', fault)
    clock.advance_ms(60_000)
    await connected(recorder, times=2)
    assert recorder.states[-1][0] is StreamKind.PUBLIC
    await closes_a_bar(clock, recorder)
    # the bar that fell into the gap is what the feed asks for when it hears of the reconnect
    [first, last] = [closed(recorder)[0], closed(recorder)[-1]]
    between = await port.fetch_candles("BTCUSDT", Timeframe.M1, start_ms=first.open_time_ms)
    assert [bar.open_time_ms for bar in between] == list(
        range(first.open_time_ms, last.open_time_ms + 1, 60_000)
    )


@pytest.mark.parametrize("fault", [StreamFault.NOISE, StreamFault.TRUNCATED, StreamFault.HTML])
async def test_noise_on_the_public_stream_costs_one_message_at_most(
    streaming, proxy, clock, fault, fail_on_unexpected_log
):
    _, recorder = streaming
    proxy.plan = script(PUBLIC, b'"topic":"kline', fault)
    clock.advance_ms(60_000)
    await recorder.until(
        lambda: any("unreadable" in r.getMessage() for r in fail_on_unexpected_log)
    )
    await closes_a_bar(clock, recorder)
    assert recorder.count(StreamState.DISCONNECTED) == 0
    fail_on_unexpected_log[:] = []


@pytest.mark.parametrize("fault", NOT_DELIVERED)
async def test_a_refused_public_handshake_is_repeated(port, proxy, recorder, clock, fault):
    port.subscribe_candles("BTCUSDT", Timeframe.M1)
    proxy.plan = Script(path=PUBLIC, faults=[fault, fault])
    await port.start_market_data(recorder)
    await connected(recorder)
    assert recorder.count(StreamState.DISCONNECTED) == 2
    await closes_a_bar(clock, recorder)
