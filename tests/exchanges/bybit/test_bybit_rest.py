"""Every way an answer can go wrong, over a real socket: what the port says, and that exactly one
request left."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from decimal import Decimal

import pytest
from aiohttp import web

from core.exchange_port import (
    DuplicateOrder,
    OutcomeUnknown,
    RateLimited,
    RequestRejected,
    Unavailable,
)
from core.limits.priority import Priority
from core.models.orders import OrderPurpose, OrderRequest, OrderType, Side, TimeInForce

CREATE = "/v5/order/create"
POSITIONS = "/v5/position/list"


def order(**changes: object) -> OrderRequest:
    values: dict[str, object] = {
        "client_order_id": "macd_BTCUSDT_1_1",
        "account": "main",
        "bot_id": "b",
        "strategy": "macd",
        "symbol": "BTCUSDT",
        "side": Side.BUY,
        "order_type": OrderType.MARKET,
        "quantity": Decimal("0.010"),
        "reference_price": Decimal(60000),
        "purpose": OrderPurpose.ENTRY,
        "created_ms": 1,
    }
    return OrderRequest(**(values | changes))


def reply(code: int, message: str = "no", headers: dict[str, str] | None = None):
    body = {"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}, "time": 1}
    return lambda _: web.json_response(body, headers=headers)


def accepted(_):
    body = {"retCode": 0, "retMsg": "OK", "result": {"orderId": "x"}}
    return web.json_response(body)


def html(_):
    return web.Response(text="<html>maintenance</html>", content_type="text/html")


def text(body: str):
    return lambda _: web.Response(text=body, content_type="application/json")


async def hang(_):
    await asyncio.sleep(5)


def redirect(_):
    return web.Response(status=307, headers={"Location": CREATE})


UNANSWERED = [
    reply(10000),
    reply(10016),
    reply(10019),
    reply(429),
    html,
    text("[]"),
    text("null"),
    text("{}"),
    text('{"retCode":0,"retMsg":"OK"}'),
    text('{"retCode":0,"retMsg":"OK","result":[]}'),
    lambda _: web.Response(status=500),
    lambda _: web.Response(status=502, text="bad gateway"),
    redirect,
    hang,
]


@pytest.mark.parametrize("answer", UNANSWERED)
async def test_an_order_without_a_trustworthy_answer_is_unknown_and_sent_once(
    exchange, bybit, answer
):
    bybit.answers[CREATE] = answer
    with pytest.raises(OutcomeUnknown):
        await exchange.place_order(order())
    assert bybit.count(CREATE) == 1


@pytest.mark.parametrize("answer", UNANSWERED)
async def test_a_read_without_a_trustworthy_answer_is_unavailable_never_empty(
    exchange, bybit, answer
):
    bybit.answers[POSITIONS] = answer
    with pytest.raises(Unavailable):
        await exchange.fetch_positions()


async def test_an_accepted_order_without_an_id_is_unknown(exchange, bybit):
    bybit.answers[CREATE] = {"retCode": 0, "retMsg": "OK", "result": {}}
    with pytest.raises(OutcomeUnknown):
        await exchange.place_order(order())


async def test_a_connection_that_cannot_be_made_leaves_the_order_unknown(exchange, bybit):
    await bybit.stop()
    with pytest.raises(OutcomeUnknown, match="the connection failed"):
        await exchange.place_order(order())


@pytest.mark.parametrize("code", [110072, 170141])
async def test_a_duplicate_client_id_says_the_order_is_there(exchange, bybit, code):
    bybit.answers[CREATE] = reply(code)
    with pytest.raises(DuplicateOrder):
        await exchange.place_order(order())


@pytest.mark.parametrize("code", [10001, 110007, 110017, 110094, 999999])
async def test_any_other_code_is_a_definite_no(exchange, bybit, code):
    bybit.answers[CREATE] = reply(code, "because")
    with pytest.raises(RequestRejected) as refusal:
        await exchange.place_order(order())
    assert refusal.value.code == str(code)
    assert bybit.count(CREATE) == 1


def out_of_window(ahead_ms: int):
    """Bybit's own words for a time stamp that it does not take; its clock is `ahead_ms` ahead."""

    def answer(_):
        now_ms = time.time_ns() // 1_000_000
        return reply(
            10002,
            "invalid request, please check your server timestamp or recv_window param. "
            f"req_timestamp[{now_ms}],server_timestamp[{now_ms + ahead_ms}],recv_window[5000]",
        )(_)

    return answer


async def test_a_wrong_clock_is_corrected_and_the_request_goes_once_more(exchange, bybit, limiter):
    accepted = {"retCode": 0, "retMsg": "OK", "result": {"orderId": "x"}}
    bybit.answers[CREATE] = [out_of_window(90_000), accepted]
    assert await exchange.place_order(order()) == "x"
    first, second = bybit.stamps[CREATE]
    assert second - first == pytest.approx(90_000, abs=5_000)
    assert limiter.waited == ["order_create", "order_create"]
    bybit.answers[CREATE] = accepted
    await exchange.place_order(order())
    assert bybit.stamps[CREATE][2] >= second  # the next one is right from the start


async def test_a_clock_that_stays_refused_is_a_definite_no_after_two_requests(exchange, bybit):
    bybit.answers[CREATE] = out_of_window(90_000)
    with pytest.raises(RequestRejected, match="clock is too far") as refusal:
        await exchange.place_order(order())
    assert type(refusal.value) is RequestRejected  # the outcome table goes by the exact type
    assert bybit.count(CREATE) == 2


async def test_an_order_older_than_its_market_is_not_sent_again(exchange, bybit, monkeypatch):
    monkeypatch.setattr("exchanges.bybit_rest.LONGEST_HOLD_S", 0.05)

    async def late(_):
        await asyncio.sleep(0.1)
        return out_of_window(90_000)(_)

    bybit.answers[CREATE] = late
    with pytest.raises(RequestRejected, match="clock is too far"):
        await exchange.place_order(order())
    assert bybit.count(CREATE) == 1


async def test_a_clock_refusal_that_states_no_time_is_not_repeated(exchange, bybit):
    bybit.answers[CREATE] = reply(10002)
    with pytest.raises(RequestRejected, match="clock is too far"):
        await exchange.place_order(order())
    assert bybit.count(CREATE) == 1


async def test_cancelling_what_is_not_there_is_rejected_with_the_reason(exchange, bybit):
    bybit.answers["/v5/order/cancel"] = reply(110001)
    with pytest.raises(RequestRejected, match="order not exists"):
        await exchange.cancel_order("BTCUSDT", "id", "")


async def test_a_rate_limit_states_the_wait_by_the_servers_own_clock(exchange, bybit, limiter):
    headers = {"X-Bapi-Limit-Reset-Timestamp": "5700", "Timenow": "5000"}
    bybit.answers[CREATE] = reply(10006, headers=headers)
    with pytest.raises(RateLimited) as refusal:
        await exchange.place_order(order())
    assert refusal.value.retry_after_s == pytest.approx(0.7)
    assert limiter.penalties == [("order_create", refusal.value.retry_after_s)]
    assert bybit.count(CREATE) == 1


async def test_a_reset_already_past_is_no_wait_at_all(exchange, bybit):
    past_ms = str(int(time.time() * 1000) - 90_000)
    bybit.answers[CREATE] = reply(10006, headers={"X-Bapi-Limit-Reset-Timestamp": past_ms})
    with pytest.raises(RateLimited) as refusal:
        await exchange.place_order(order())
    assert refusal.value.retry_after_s == 0


async def test_a_forbidden_address_waits_ten_minutes(exchange, bybit, limiter):
    bybit.answers[POSITIONS] = lambda _: web.Response(status=403)
    with pytest.raises(RateLimited) as refusal:
        await exchange.fetch_positions()
    assert refusal.value.retry_after_s == 600
    assert limiter.penalties == [("address", 600)]


@pytest.mark.parametrize(
    ("refusal", "penalty"),
    [
        ({"status": 403, "headers": {"Retry-After": "30"}}, ("address", 30)),
        ({"status": 418, "headers": {"Retry-After": "120"}}, ("address", 120)),
        ({"status": 429, "headers": {"Retry-After": "7"}}, ("order_create", 7)),
        ({"status": 429}, ("order_create", 1)),
    ],
)
async def test_a_refusal_by_http_status_holds_what_it_is_about(
    exchange, bybit, limiter, refusal, penalty
):
    bybit.answers[CREATE] = lambda _: web.Response(**refusal)
    with pytest.raises(OutcomeUnknown if refusal["status"] == 429 else RateLimited):
        await exchange.place_order(order())
    assert limiter.penalties == [penalty]


async def test_an_order_that_would_be_held_for_long_is_told_so_at_once(exchange, bybit, limiter):
    limiter.hold_s = 540.0
    with pytest.raises(RateLimited, match="540 s; nothing was sent") as refusal:
        await exchange.place_order(order())
    assert refusal.value.retry_after_s == 540
    assert (bybit.count(CREATE), limiter.waited) == (0, [])


async def test_a_question_that_would_be_held_for_long_is_told_so_at_once(exchange, bybit, limiter):
    limiter.hold_s = 29.0
    await exchange.fetch_positions()
    limiter.hold_s = 540.0
    with pytest.raises(RateLimited, match="540 s; nothing was sent"):
        await exchange.fetch_positions()
    assert bybit.count(POSITIONS) == 1


async def test_a_close_goes_before_an_entry(exchange, bybit, limiter):
    bybit.answers[CREATE] = accepted
    for is_exit in (False, True):
        await exchange.place_order(order(reduce_only=is_exit))
    assert limiter.priorities == [Priority.ORDER, Priority.EXIT]


async def test_a_request_counts_as_on_its_way_until_its_thread_has_the_answer(
    exchange, bybit, limiter
):
    seen = []

    def look(request):
        seen.append(limiter.turns[0].is_ended)
        return accepted(request)

    bybit.answers[CREATE] = look
    await exchange.place_order(order())
    assert [*seen, limiter.turns[0].is_ended] == [False, True]


async def test_an_order_that_our_own_limiter_holds_is_given_up_unsent(
    exchange, bybit, limiter, monkeypatch
):
    async def never(family, **_):
        await asyncio.Event().wait()

    monkeypatch.setattr("exchanges.bybit_rest.LONGEST_HOLD_S", 0.05)
    limiter.wait = never
    with pytest.raises(RateLimited, match="nothing was sent"):
        await exchange.place_order(order())
    assert bybit.count(CREATE) == 0


async def test_limit_headers_of_an_answer_reach_the_limiter(exchange, bybit, limiter):
    result = {"retCode": 0, "retMsg": "OK", "result": {"orderId": "x"}}
    bybit.answers[CREATE] = lambda _: web.json_response(
        result, headers={"X-Bapi-Limit-Status": "9"}
    )
    assert await exchange.place_order(order()) == "x"
    assert limiter.waited == ["order_create"]
    assert limiter.corrected[0]["X-Bapi-Limit-Status"] == "9"


async def test_leverage_that_is_not_modified_is_success(exchange, bybit):
    bybit.answers["/v5/position/set-leverage"] = reply(110043)
    await exchange.set_leverage("BTCUSDT", Decimal(5))
    assert bybit.sent_to("/v5/position/set-leverage") == [
        {"category": "linear", "symbol": "BTCUSDT", "buyLeverage": "5", "sellLeverage": "5"}
    ]


async def test_a_wrong_key_is_one_clear_sentence(exchange, bybit, recorder):
    bybit.answers[POSITIONS] = reply(10003, "API key is invalid.")
    with pytest.raises(RequestRejected, match="does not know this API key"):
        await exchange.start_trading(recorder)


async def test_no_secret_in_errors_logs_or_tracebacks(exchange, bybit, caplog):
    caplog.set_level(logging.DEBUG)
    leak = "error sign! origin_string[1700000000000canary-key-7f3a5000canary-secret-91bc]"
    seen = []
    for code in (10001, 10004, 10016):
        bybit.answers[CREATE] = reply(code, leak)
        try:
            await exchange.place_order(order())
        except Exception:
            seen.append(traceback.format_exc())
    everything = "".join(seen) + caplog.text + repr(exchange._rest.http.place_order)
    assert len(seen) == 3
    assert "canary" not in everything


async def test_a_market_order_carries_protection_and_plain_numbers(exchange, bybit):
    bybit.answers[CREATE] = {"retCode": 0, "retMsg": "OK", "result": {"orderId": "x"}}
    await exchange.place_order(
        order(quantity=Decimal("1E+3"), stop_loss=Decimal("59000.5"), take_profit=Decimal("62000"))
    )
    assert bybit.sent_to(CREATE) == [
        {
            "category": "linear",
            "symbol": "BTCUSDT",
            "side": "Buy",
            "orderType": "Market",
            "qty": "1000",
            "timeInForce": "IOC",
            "positionIdx": 0,
            "orderLinkId": "macd_BTCUSDT_1_1",
            "reduceOnly": False,
            "tpslMode": "Full",
            "stopLoss": "59000.5",
            "slTriggerBy": "LastPrice",
            "takeProfit": "62000",
            "tpTriggerBy": "LastPrice",
        }
    ]


async def test_limit_and_stop_orders_name_their_prices(exchange, bybit):
    bybit.answers[CREATE] = {"retCode": 0, "retMsg": "OK", "result": {"orderId": "x"}}
    await exchange.place_order(
        order(
            order_type=OrderType.LIMIT,
            price=Decimal("60000.10"),
            time_in_force=TimeInForce.POST_ONLY,
        )
    )
    await exchange.place_order(
        order(
            order_type=OrderType.STOP_MARKET,
            side=Side.SELL,
            price=Decimal("59000"),
            reduce_only=True,
        )
    )
    limit, stop = bybit.sent_to(CREATE)
    assert (limit["orderType"], limit["price"], limit["timeInForce"]) == (
        "Limit",
        "60000.10",
        "PostOnly",
    )
    assert (stop["orderType"], stop["triggerPrice"], stop["triggerDirection"]) == (
        "Market",
        "59000",
        2,
    )
    assert stop["reduceOnly"] is True


async def test_setting_one_side_of_the_protection_leaves_the_other(exchange, bybit):
    bybit.answers["/v5/position/trading-stop"] = {"retCode": 0, "retMsg": "OK", "result": {}}
    await exchange.set_protection("BTCUSDT", Decimal("59000"), None)
    await exchange.set_protection("BTCUSDT", None, None)
    assert bybit.sent_to("/v5/position/trading-stop") == [
        {
            "category": "linear",
            "symbol": "BTCUSDT",
            "positionIdx": 0,
            "tpslMode": "Full",
            "stopLoss": "59000",
            "slTriggerBy": "LastPrice",
        }
    ]
