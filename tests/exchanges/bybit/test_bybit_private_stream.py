"""The private stream on pybit's socket: authentication, items, outages."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from decimal import Decimal

import pytest

from core.exchange_port import StreamKind, StreamState
from core.models.fills import Fill
from core.models.orders import Order, OrderStatus
from exchanges.bybit_private_stream import PrivateTiming, _PybitSocket
from exchanges.credentials import Credentials

ORDER = {
    "topic": "order",
    "id": "1",
    "creationTime": 1_700_000_000_500,
    "data": [
        {
            "category": "linear",
            "symbol": "BTCUSDT",
            "orderId": "o1",
            "orderLinkId": "mine",
            "side": "Buy",
            "orderType": "Market",
            "orderStatus": "PartiallyFilled",
            "qty": "0.010",
            "cumExecQty": "0.004",
            "avgPrice": "60000.5",
            "createdTime": "1700000000000",
            "updatedTime": "1700000000400",
        }
    ],
}
EXECUTION = {
    "topic": "execution",
    "id": "2",
    "creationTime": 1_700_000_000_500,
    "data": [
        {
            "category": "linear",
            "symbol": "BTCUSDT",
            "execId": "e1",
            "orderId": "o1",
            "orderLinkId": "mine",
            "side": "Buy",
            "execQty": "0.004",
            "execPrice": "60000.5",
            "execFee": "0.1320011",
            "execTime": "1700000000400",
        }
    ],
}


async def connected(exchange, recorder, times=1):
    await exchange.start_trading(recorder)
    await recorder.until(lambda: recorder.count(StreamState.CONNECTED) >= times)


async def test_items_arrive_in_order_and_exact(exchange, bybit, recorder):
    await connected(exchange, recorder)
    await bybit.push("private", ORDER)
    await bybit.push("private", EXECUTION)
    await recorder.until(lambda: len(recorder.items) == 2)
    order, fill = recorder.items
    assert isinstance(order, Order)
    assert (order.status, order.filled_quantity) == (OrderStatus.PARTLY_FILLED, Decimal("0.004"))
    assert isinstance(fill, Fill)
    assert (fill.client_order_id, fill.fee) == ("mine", Decimal("0.1320011"))
    assert recorder.states[-1][0] is StreamKind.PRIVATE


async def test_authentication_holds_for_a_clock_that_is_seconds_slow(exchange, bybit, recorder):
    await connected(exchange, recorder)
    auth, subscribe = bybit.operations[:2]
    assert auth["op"] == "auth"
    assert auth["args"][1] - time.time() * 1000 > 8_000
    assert subscribe["args"] == ["order", "execution", "position", "wallet"]


async def test_connected_comes_only_after_the_acknowledgement(exchange, bybit, recorder):
    bybit.is_acknowledging = False
    await exchange.start_trading(recorder)
    await recorder.until(lambda: recorder.count(StreamState.DISCONNECTED) >= 1)
    assert recorder.count(StreamState.CONNECTED) == 0
    bybit.is_acknowledging = True
    await recorder.until(lambda: recorder.count(StreamState.CONNECTED) == 1)


async def test_a_refused_key_is_told_without_the_key(exchange, bybit, recorder):
    bybit.refuse_auth = "Params Error canary-key-7f3a"
    await exchange.start_trading(recorder)
    await recorder.until(lambda: recorder.count(StreamState.DISCONNECTED) >= 1)
    details = [detail for _, state, detail in recorder.states if state is StreamState.DISCONNECTED]
    assert "refused the API key" in details[0]
    assert "canary" not in details[0]


async def test_a_server_killed_and_restarted_is_found_again(exchange, bybit, recorder):
    await connected(exchange, recorder)
    await bybit.stop()
    await recorder.until(lambda: recorder.count(StreamState.DISCONNECTED) >= 3)
    await bybit.start()
    await recorder.until(lambda: recorder.count(StreamState.CONNECTED) == 2)
    await bybit.push("private", EXECUTION)
    await recorder.until(lambda: recorder.items)


async def test_an_unreadable_item_forces_a_reconnect_because_it_may_have_been_a_fill(
    exchange, bybit, recorder, fail_on_unexpected_log
):
    await connected(exchange, recorder)
    await bybit.push("private", '{"topic":"execution","data":[{"symbol":"BTCUSDT"}]}')
    await recorder.until(lambda: recorder.count(StreamState.CONNECTED) == 2)
    assert "unreadable" in fail_on_unexpected_log.pop().getMessage()


async def test_a_listener_that_fails_does_not_cost_the_next_item(
    exchange, bybit, recorder, fail_on_unexpected_log
):
    await connected(exchange, recorder)
    recorder.fault = RuntimeError("a bug above")
    await bybit.push("private", ORDER)
    await bybit.push("private", EXECUTION)
    await recorder.until(lambda: len(recorder.items) == 2)
    assert "a listener failed" in fail_on_unexpected_log.pop().getMessage()


async def test_many_reconnects_leave_no_thread_behind(exchange, bybit, recorder):
    await connected(exchange, recorder)
    before = threading.active_count()
    for _ in range(5):
        await bybit.stop()
        await bybit.start()
        times = recorder.count(StreamState.CONNECTED) + 1
        await recorder.until(lambda times=times: recorder.count(StreamState.CONNECTED) >= times)
    assert threading.active_count() <= before + 2  # at most the last socket still ending


class _CutWhileSending(_PybitSocket):
    """Its connection breaks at the moment at which the message named by `cut` is sent."""

    cut = ""

    def _break(self, message):
        if message == self.cut:
            with contextlib.suppress(OSError):
                self.ws.sock.sock.shutdown(socket.SHUT_RDWR)

    def _auth(self):
        self._break("sign-in")
        super()._auth()

    def is_connected(self):  # pybit asks right before it sends a ping
        if not super().is_connected():
            return False
        self._break("ping")
        return True


@pytest.mark.parametrize("cut", ["sign-in", "ping"])
async def test_a_connection_that_breaks_under_a_message_ends_with_its_reason(bybit, cut):
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    connection = type("Cut", (_CutWhileSending,), {"cut": cut})(
        f"ws://{bybit.url}/v5/private",
        Credentials("key", "secret"),
        PrivateTiming(0.05, 1.0, answer_timeout_s=1.0),
        on_text=lambda _text: None,
        on_pong=lambda: None,
        on_end=lambda reason: loop.call_soon_threadsafe(ended.set_result, reason),
    )
    async with asyncio.timeout(3.0):
        reason = await ended
    assert any(word in reason for word in ("lost", "reset", "Broken pipe"))
    await asyncio.to_thread(connection.exit)
