"""What the port asks and how it puts the pages together, over a real socket."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from core.exchange_port import RequestRejected, StreamState, Unavailable
from core.models.candles import Timeframe
from core.models.fills import FillKind
from core.models.orders import OrderPurpose, OrderStatus, Side
from exchanges.bybit_fills import BybitFills
from exchanges.bybit_rest import BybitRest
from exchanges.credentials import Credentials

KLINE = "/v5/market/kline"
LOG = "/v5/account/transaction-log"
MINUTE_MS = 60_000


def answer(rows, cursor=""):
    return {
        "retCode": 0,
        "retMsg": "OK",
        "result": {"category": "linear", "list": rows, "nextPageCursor": cursor},
        "time": 1,
    }


def serve_klines(first_ms, last_ms, interval_ms=MINUTE_MS):
    """Bybit's way: newest first, the last row may be the forming bar."""

    def serve(query):
        end = min(int(query.get("end", last_ms)), last_ms)
        start = max(int(query.get("start", first_ms)), first_ms)
        newest = end - end % interval_ms
        opens = range(newest, start - 1, -interval_ms)[: int(query["limit"])]
        return answer([[str(t), "1.5", "2", "1", "1.75", "10", "15"] for t in opens])

    return serve


@pytest.fixture
def minute_now(clock):
    return clock.time_ms() - clock.time_ms() % MINUTE_MS


async def test_the_forming_bar_is_never_returned(exchange, bybit, clock, minute_now):
    bybit.answers[KLINE] = serve_klines(0, clock.time_ms())
    candles = await exchange.fetch_candles("BTCUSDT", Timeframe.M1, limit=3)
    assert [c.open_time_ms for c in candles] == [
        minute_now - 3 * MINUTE_MS,
        minute_now - 2 * MINUTE_MS,
        minute_now - MINUTE_MS,
    ]
    assert candles[0].close == Decimal("1.75")
    clock.advance_ms(MINUTE_MS)
    candles = await exchange.fetch_candles("BTCUSDT", Timeframe.M1, limit=1)
    assert candles[0].open_time_ms == minute_now


async def test_the_newest_candles_are_paged_backwards(exchange, bybit, clock, minute_now):
    bybit.answers[KLINE] = serve_klines(0, clock.time_ms())
    candles = await exchange.fetch_candles("BTCUSDT", Timeframe.M1, limit=2500)
    opens = [c.open_time_ms for c in candles]
    assert opens == list(range(minute_now - 2500 * MINUTE_MS, minute_now, MINUTE_MS))
    assert bybit.count(KLINE) == 3


async def test_the_newest_candles_stop_at_a_given_end(exchange, bybit, clock, minute_now):
    bybit.answers[KLINE] = serve_klines(0, clock.time_ms())
    end_ms = minute_now - 10 * MINUTE_MS
    candles = await exchange.fetch_candles("BTCUSDT", Timeframe.M1, end_ms=end_ms, limit=2)
    assert [c.open_time_ms for c in candles] == [end_ms - MINUTE_MS, end_ms]


async def test_a_young_symbol_gives_what_it_has(exchange, bybit, clock, minute_now):
    bybit.answers[KLINE] = serve_klines(minute_now - 5 * MINUTE_MS, clock.time_ms())
    assert len(await exchange.fetch_candles("NEWUSDT", Timeframe.M1, limit=1000)) == 5


async def test_candles_from_a_start_are_paged_forwards(exchange, bybit, clock, minute_now):
    bybit.answers[KLINE] = serve_klines(0, clock.time_ms())
    start_ms = minute_now - 2200 * MINUTE_MS
    candles = await exchange.fetch_candles("BTCUSDT", Timeframe.M1, start_ms=start_ms, limit=5000)
    assert [c.open_time_ms for c in candles] == list(range(start_ms, minute_now, MINUTE_MS))
    few = await exchange.fetch_candles("BTCUSDT", Timeframe.M1, start_ms=start_ms, limit=2)
    assert [c.open_time_ms for c in few] == [start_ms, start_ms + MINUTE_MS]


async def test_a_candle_that_cannot_be_read_is_unavailable(exchange, bybit):
    bybit.answers[KLINE] = answer([["1", "2", "3"]])
    with pytest.raises(Unavailable):
        await exchange.fetch_candles("BTCUSDT", Timeframe.M1)


async def test_every_page_of_positions_is_read_and_flat_rows_are_left_out(exchange, bybit):
    row = {"symbol": "BTCUSDT", "side": "Buy", "size": "0.01", "avgPrice": "60000.5"}
    flat = {"symbol": "ETHUSDT", "side": "", "size": "0"}
    bybit.answers["/v5/position/list"] = [
        answer([row, flat], "next"),
        answer([row | {"symbol": "SOLUSDT", "side": "Sell"}], "last"),
        answer([], "last"),
    ]
    positions = await exchange.fetch_positions()
    assert [(p.symbol, p.side) for p in positions] == [
        ("BTCUSDT", Side.BUY),
        ("SOLUSDT", Side.SELL),
    ]
    assert [q.get("cursor") for q in bybit.sent_to("/v5/position/list")] == [None, "next", "last"]


async def test_a_position_row_that_cannot_be_read_spoils_the_whole_answer(exchange, bybit):
    row = {"symbol": "BTCUSDT", "side": "Buy", "size": "0.01", "avgPrice": "60000"}
    bybit.answers["/v5/position/list"] = answer([row, row | {"size": "many"}])
    with pytest.raises(Unavailable, match="cannot be read"):
        await exchange.fetch_positions()


ORDER_ROW = {
    "symbol": "BTCUSDT",
    "orderId": "o1",
    "orderLinkId": "mine",
    "side": "Buy",
    "orderType": "Market",
    "orderStatus": "Filled",
    "qty": "0.010",
    "cumExecQty": "0.010",
    "avgPrice": "60000.5",
    "createdTime": "1",
    "updatedTime": "2",
}


async def test_an_order_is_looked_for_among_open_ones_then_in_history(exchange, bybit):
    bybit.answers["/v5/order/history"] = answer([ORDER_ROW])
    order = await exchange.fetch_order("BTCUSDT", "mine")
    assert order is not None
    assert (order.status, order.average_price) == (OrderStatus.FILLED, Decimal("60000.5"))
    assert [path for path, _ in bybit.requests] == ["/v5/order/realtime", "/v5/order/history"]


async def test_an_order_found_nowhere_is_none(exchange, bybit):
    assert await exchange.fetch_order("BTCUSDT", "mine") is None


async def test_orders_of_the_exchange_are_known_by_their_purpose(exchange, bybit):
    stop = ORDER_ROW | {
        "orderLinkId": "",
        "orderStatus": "Untriggered",
        "stopOrderType": "StopLoss",
        "triggerPrice": "59000",
        "reduceOnly": True,
    }
    bybit.answers["/v5/order/realtime"] = answer([stop, ORDER_ROW])
    [order] = await exchange.fetch_open_orders()
    assert order.purpose is OrderPurpose.STOP_LOSS
    assert order.trigger_price == Decimal(59000)
    assert order.client_order_id == ""


async def test_fills_of_many_weeks_come_oldest_first_and_once(exchange, bybit, clock):
    day_ms = 86_400_000
    start_ms = clock.time_ms() - 10 * day_ms

    def execution(number, at_ms, **more):
        return {
            "symbol": "BTCUSDT",
            "execId": f"e{number}",
            "orderId": "o",
            "side": "Sell",
            "execQty": "0.01",
            "execPrice": "60000",
            "execFee": "0.33",
            "execTime": str(at_ms),
        } | more

    old = [execution(2, start_ms + 2), execution(1, start_ms + 1)]
    funding = execution(4, start_ms + 8 * day_ms + 5, execType="Funding", execFee="-0.1")
    closing = execution(3, start_ms + 8 * day_ms, closedSize="0.01")
    bybit.answers["/v5/execution/list"] = [
        answer(old, "more"),
        answer([old[1]], ""),
        answer([funding, closing]),
    ]
    bybit.answers[LOG] = [answer([]), answer([logged(3, "12.5")])]
    fills = await exchange.fetch_fills(start_ms)
    assert [f.trade_id for f in fills] == ["e1", "e2", "e3", "e4"]
    assert fills[2].realized_pnl == Decimal("12.5")
    assert fills[3].kind is FillKind.FUNDING
    assert fills[3].cash_flow == Decimal("0.1")
    queries = bybit.sent_to("/v5/execution/list")
    assert int(queries[0]["endTime"]) - int(queries[0]["startTime"]) < 7 * day_ms
    assert int(queries[2]["startTime"]) == int(queries[0]["endTime"]) + 1


def logged(number, earned, **more):
    """A row of the transaction log."""
    return {"tradeId": f"e{number}", "type": "TRADE", "cashFlow": earned} | more


CLOSING = {
    "symbol": "BTCUSDT",
    "execId": "e1",
    "orderId": "o",
    "side": "Sell",
    "execQty": "0.01",
    "execPrice": "60000",
    "execFee": "0.33",
    "execTime": "1699999990000",
    "closedSize": "0.01",
}


async def test_a_result_in_two_rows_of_the_log_is_their_sum(exchange, bybit, clock):
    bybit.answers["/v5/execution/list"] = answer([CLOSING])
    bybit.answers[LOG] = answer([logged(1, "12.5"), logged(1, "-2.25"), logged(7, "99")])
    [fill] = await exchange.fetch_fills(clock.time_ms() - 60_000)
    assert fill.realized_pnl == Decimal("10.25")
    [query] = bybit.sent_to(LOG)
    assert (query["accountType"], query["category"], query["currency"]) == (
        "UNIFIED",
        "linear",
        "USDT",
    )


async def test_the_log_is_asked_only_when_something_traded(exchange, bybit, clock):
    funding = CLOSING | {"execType": "Funding", "closedSize": ""}
    bybit.answers["/v5/execution/list"] = answer([funding])
    assert len(await exchange.fetch_fills(clock.time_ms() - 60_000)) == 1
    assert bybit.count(LOG) == 0


async def test_an_opening_trade_needs_no_row_of_the_log(exchange, bybit, clock):
    bybit.answers["/v5/execution/list"] = answer([CLOSING | {"closedSize": "0"}])
    [fill] = await exchange.fetch_fills(clock.time_ms() - 60_000)
    assert fill.realized_pnl == 0
    assert bybit.count(LOG) == 1


class Pauses(list):
    async def sleep(self, seconds):
        self.append(seconds)


@pytest.fixture
async def patient_fills(bybit, limiter):
    """Fills read without really waiting, and the pauses that were asked for."""
    rest = BybitRest(f"http://{bybit.url}", Credentials("key", "secret"), limiter)
    pauses = Pauses()
    yield BybitFills(rest, "main", sleep=pauses.sleep), pauses
    rest.stop()


async def test_a_log_that_comes_late_is_waited_for(patient_fills, bybit):
    fills, pauses = patient_fills
    bybit.answers["/v5/execution/list"] = answer([CLOSING])
    bybit.answers[LOG] = [answer([]), answer([logged(1, "12.5")])]
    [fill] = await fills.between(1699999990000, 1699999999000)
    assert (fill.realized_pnl, len(pauses)) == (Decimal("12.5"), 1)


async def test_a_result_that_the_log_never_tells_is_not_guessed(patient_fills, bybit):
    fills, pauses = patient_fills
    bybit.answers["/v5/execution/list"] = answer([CLOSING])
    with pytest.raises(Unavailable, match="what trade e1 of BTCUSDT earned"):
        await fills.between(1699999990000, 1699999999000)
    assert len(pauses) == 2


async def test_a_wallet_without_the_coin_is_not_an_empty_wallet(exchange, bybit):
    bybit.answers["/v5/account/wallet-balance"] = answer([{"coin": []}])
    with pytest.raises(Unavailable):
        await exchange.fetch_balance()


async def test_the_clock_offset_is_measured_from_the_middle_of_the_round_trip(exchange, bybit):
    def server_time(_):
        ahead_ns = time.time_ns() + 5_000_000_000
        return {"retCode": 0, "retMsg": "OK", "result": {"timeNano": str(ahead_ns)}}

    bybit.answers["/v5/market/time"] = server_time
    assert await exchange.fetch_clock_offset_ms() == pytest.approx(5000, abs=200)


async def test_hedge_mode_is_refused_before_the_stream_opens(exchange, bybit, recorder):
    hedged = [
        {"symbol": "BTCUSDT", "side": "", "size": "0", "positionIdx": 1},
        {"symbol": "BTCUSDT", "side": "", "size": "0", "positionIdx": 2},
    ]
    bybit.answers["/v5/position/list"] = [answer([]), answer(hedged)]
    with pytest.raises(RequestRejected, match="hedge mode"):
        await exchange.start_trading(recorder)
    assert recorder.count(StreamState.CONNECTING) == 0
