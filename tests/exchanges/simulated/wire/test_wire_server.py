"""The server as clients meet it: envelopes, codes, windows, streams, all over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from core.clock import ManualClock
from exchanges.simulated.venue import Venue
from exchanges.simulated.wire.rate_windows import RateLimits
from exchanges.simulated.wire.rest import real_time_ms
from exchanges.simulated.wire.server import DemoServer
from exchanges.simulated.wire.signatures import sign

SECRETS = {"key": "secret", "other": "hidden"}


class Caller:
    """Signs and sends like a careful client; keeps the last headers."""

    def __init__(self, server: DemoServer, client: aiohttp.ClientSession) -> None:
        self._server = server
        self._client = client
        self.headers: dict[str, str] = {}
        self.status = 0

    def _signature(self, key: str, payload: str) -> dict[str, str]:
        now = str(real_time_ms())
        return {
            "X-BAPI-API-KEY": key,
            "X-BAPI-TIMESTAMP": now,
            "X-BAPI-RECV-WINDOW": "5000",
            "X-BAPI-SIGN": sign(SECRETS[key], f"{now}{key}5000{payload}".encode()),
        }

    async def get(self, path: str, key: str = "key", **params: Any) -> dict[str, Any]:
        query = urlencode(params)
        url = f"{self._server.rest_url}{path}?{query}"
        async with self._client.get(url, headers=self._signature(key, query)) as response:
            return await self._read(response)

    async def post(self, path: str, key: str = "key", **params: Any) -> dict[str, Any]:
        body = json.dumps(params)
        url = self._server.rest_url + path
        headers = self._signature(key, body)
        async with self._client.post(url, data=body.encode(), headers=headers) as response:
            return await self._read(response)

    async def _read(self, response: aiohttp.ClientResponse) -> dict[str, Any]:
        self.headers, self.status = dict(response.headers), response.status
        text = await response.text()
        answer: dict[str, Any] = json.loads(text) if text.startswith("{") else {"text": text}
        return answer

    async def place(self, link_id: str, key: str = "key", **changes: Any) -> dict[str, Any]:
        order = {
            "category": "linear",
            "symbol": "BTCUSDT",
            "side": "Buy",
            "orderType": "Market",
            "qty": "0.010",
            "orderLinkId": link_id,
        }
        return await self.post("/v5/order/create", key, **(order | changes))


@pytest.fixture
def caller(server: DemoServer, client: aiohttp.ClientSession) -> Caller:
    return Caller(server, client)


async def test_an_answer_is_an_envelope_in_real_time(caller: Caller) -> None:
    answer = await caller.get("/v5/market/time")
    assert (answer["retCode"], answer["retMsg"], answer["retExtInfo"]) == (0, "OK", {})
    assert abs(answer["time"] - real_time_ms()) < 5_000
    assert abs(int(answer["result"]["timeSecond"]) * 1000 - real_time_ms()) < 5_000


async def test_an_unknown_path_is_404(caller: Caller) -> None:
    await caller.get("/v5/no/such")
    assert caller.status == 404


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"symbol": "NOSUCHUSDT"}, 10001),
        ({"category": "spot"}, 10001),
        ({"side": "Hold"}, 10001),
        ({"qty": "many"}, 10001),
        ({"qty": "NaN"}, 10001),
        ({"qty": "-1"}, 10001),
        ({"qty": ""}, 10001),
        ({"qty": "0.0005"}, 10001),
        ({"qty": "90"}, 110007),
        ({"orderType": "Limit"}, 10001),
        ({"orderType": "Limit", "price": "100.05"}, 10001),
        ({"positionIdx": 1}, 10001),
        ({"orderLinkId": "x" * 37}, 10001),
        ({"orderLinkId": "no spaces"}, 10001),
        ({"reduceOnly": True}, 110017),
        ({"triggerPrice": "100"}, 10001),
        ({"triggerPrice": "100", "triggerDirection": 1}, 110092),
        ({"triggerPrice": "1000000", "triggerDirection": 2}, 110093),
        ({"reduceOnly": True, "stopLoss": "100"}, 10001),
    ],
)
async def test_an_order_that_cannot_be_is_refused_in_bybits_code(
    caller: Caller, changes: dict[str, Any], code: int
) -> None:
    answer = await caller.place("mine", **changes)
    assert (answer["retCode"], answer["result"]) == (code, {}), answer["retMsg"]
    assert answer["retMsg"]
    assert caller.status == 200


async def test_private_requests_carry_the_limit_headers(caller: Caller) -> None:
    await caller.get("/v5/order/realtime", category="linear", symbol="BTCUSDT")
    assert caller.headers["X-Bapi-Limit"] == "50"
    assert caller.headers["X-Bapi-Limit-Status"] == "49"
    assert abs(int(caller.headers["X-Bapi-Limit-Reset-Timestamp"]) - real_time_ms()) < 5_000


async def test_the_eleventh_order_of_a_second_is_10006_with_a_reset_in_the_future(
    caller: Caller,
) -> None:
    answers = [await caller.place(f"n-{number}", side="Hold") for number in range(11)]
    assert [answer["retCode"] for answer in answers[:10]] == [10001] * 10
    assert answers[10]["retCode"] == 10006
    assert int(caller.headers["X-Bapi-Limit-Reset-Timestamp"]) > answers[10]["time"]


class TestTightAddressWindow:
    @pytest.fixture
    def limits(self) -> RateLimits:
        return RateLimits(requests_per_address=3)

    async def test_an_address_above_its_window_gets_403(self, caller: Caller) -> None:
        for _ in range(3):
            await caller.get("/v5/market/time")
            assert caller.status == 200
        assert await caller.get("/v5/market/time") == {"text": "access too frequent"}
        assert caller.status == 403


async def test_a_body_that_is_no_json_is_a_parameter_error(
    server: DemoServer, client: aiohttp.ClientSession
) -> None:
    now = str(real_time_ms())
    headers = {
        "X-BAPI-API-KEY": "key",
        "X-BAPI-TIMESTAMP": now,
        "X-BAPI-SIGN": sign("secret", f"{now}key5000[1".encode()),
    }
    url = f"{server.rest_url}/v5/order/create"
    async with client.post(url, data=b"[1", headers=headers) as response:
        assert (await response.json())["retCode"] == 10001


async def test_a_batch_says_of_each_order_how_it_went(caller: Caller) -> None:
    order = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Market", "qty": "0.010"}
    answer = await caller.post(
        "/v5/order/create-batch",
        category="linear",
        request=[order | {"orderLinkId": "a"}, order | {"orderLinkId": "a"}],
    )
    assert answer["retCode"] == 0
    assert [row["code"] for row in answer["retExtInfo"]["list"]] == [0, 110072]
    assert [bool(row["orderId"]) for row in answer["result"]["list"]] == [True, False]


async def test_open_orders_come_in_pages_newest_first(caller: Caller, clock: ManualClock) -> None:
    for number in range(5):
        await caller.place(f"n-{number}", orderType="Limit", price="50000.0", qty="0.001")
        clock.advance_ms(1_000)
    seen: list[str] = []
    cursor = ""
    while True:
        answer = await caller.get(
            "/v5/order/realtime", category="linear", settleCoin="USDT", limit=2, cursor=cursor
        )
        seen += [order["orderLinkId"] for order in answer["result"]["list"]]
        cursor = answer["result"]["nextPageCursor"]
        if not cursor:
            break
    assert seen == ["n-4", "n-3", "n-2", "n-1", "n-0"]


async def test_each_key_has_an_account_of_its_own(caller: Caller) -> None:
    assert (await caller.place("same", "key"))["retCode"] == 0
    assert (await caller.place("same", "other"))["retCode"] == 0
    for key in ("key", "other"):
        answer = await caller.get("/v5/position/list", key, category="linear", settleCoin="USDT")
        assert [row["size"] for row in answer["result"]["list"]] == ["0.010"]


async def test_the_wallet_is_the_deposit_plus_every_listed_result(
    caller: Caller, clock: ManualClock
) -> None:
    for number in range(6):
        side = "Sell" if number % 3 == 2 else "Buy"
        assert (await caller.place(f"n-{number}", side=side, qty="0.013"))["retCode"] == 0
        clock.advance_ms(6 * 3_600_000)  # over a funding time and more

    wallet = await caller.get("/v5/account/wallet-balance", accountType="UNIFIED")
    listed = await caller.get("/v5/execution/list", category="linear", limit=100)
    logged = await caller.get("/v5/account/transaction-log", currency="USDT", limit=50)

    rows = listed["result"]["list"]
    assert {row["execType"] for row in rows} == {"Trade", "Funding"}
    earned = {row["tradeId"]: Decimal(row["cashFlow"]) for row in logged["result"]["list"]}
    results = sum(earned[row["execId"]] - Decimal(row["execFee"]) for row in rows)
    balance = Decimal(wallet["result"]["list"][0]["coin"][0]["walletBalance"])
    assert balance == 25_000 + results


async def test_cancel_all_by_filter_leaves_the_other_kind(caller: Caller) -> None:
    await caller.place("in", stopLoss="10000.0")
    await caller.place("low", orderType="Limit", price="20000.0")
    answer = await caller.post(
        "/v5/order/cancel-all", category="linear", symbol="BTCUSDT", orderFilter="Order"
    )
    assert [row["orderLinkId"] for row in answer["result"]["list"]] == ["low"]
    left = await caller.get("/v5/order/realtime", category="linear", symbol="BTCUSDT")
    assert [order["stopOrderType"] for order in left["result"]["list"]] == ["StopLoss"]


async def test_executions_outside_seven_days_must_be_asked_for_in_parts(caller: Caller) -> None:
    answer = await caller.get(
        "/v5/execution/list", category="linear", startTime=1, endTime=8 * 86_400_000
    )
    assert answer["retCode"] == 10001


@pytest.mark.parametrize("path", ["/v5/execution/list", "/v5/order/realtime"])
async def test_a_cursor_that_was_never_given_out_is_a_parameter_error(
    caller: Caller, path: str
) -> None:
    answer = await caller.get(path, category="linear", settleCoin="USDT", cursor="nonsense")
    assert answer["retCode"] == 10001


async def open_stream(client: aiohttp.ClientSession, url: str) -> aiohttp.ClientWebSocketResponse:
    return await client.ws_connect(url, heartbeat=None)


async def receive_until(socket: aiohttp.ClientWebSocketResponse, **wanted: Any) -> dict[str, Any]:
    """The next message that holds `wanted`."""
    while True:
        message: dict[str, Any] = await socket.receive_json(timeout=5)
        if all(message.get(name) == value for name, value in wanted.items()):
            return message


@pytest.mark.parametrize("req_id", ["a-uuid", 17])
async def test_a_subscription_is_acknowledged_with_its_id_before_data(
    server: DemoServer, client: aiohttp.ClientSession, req_id: object
) -> None:
    async with await open_stream(client, server.ws_public_url) as socket:
        await socket.send_json({"op": "subscribe", "req_id": req_id, "args": ["tickers.BTCUSDT"]})
        ack = await socket.receive_json(timeout=5)
        assert (ack["success"], ack["req_id"], ack["op"]) == (True, req_id, "subscribe")
        data = await socket.receive_json(timeout=5)
        assert (data["topic"], data["type"]) == ("tickers.BTCUSDT", "snapshot")


async def test_an_unknown_topic_is_refused_and_nothing_follows(
    server: DemoServer, client: aiohttp.ClientSession
) -> None:
    async with await open_stream(client, server.ws_public_url) as socket:
        await socket.send_json({"op": "subscribe", "args": ["tickers.NOSUCH"]})
        ack = await socket.receive_json(timeout=5)
        assert (ack["success"], ack["ret_msg"]) == (
            False,
            "error:handler not found,topic:tickers.NOSUCH",
        )


async def test_one_market_reaches_every_follower_and_stops_for_who_leaves(
    server: DemoServer, client: aiohttp.ClientSession, clock: ManualClock
) -> None:
    topics = ["kline.1.BTCUSDT", "publicTrade.BTCUSDT"]
    async with (
        await open_stream(client, server.ws_public_url) as first,
        await open_stream(client, server.ws_public_url) as second,
    ):
        for socket in (first, second):
            await socket.send_json({"op": "subscribe", "args": topics})
            await receive_until(socket, op="subscribe")
        clock.advance_ms(61_000)
        for socket in (first, second):
            bar = await receive_until(socket, topic="kline.1.BTCUSDT")
            while not bar["data"][0]["confirm"]:
                bar = await receive_until(socket, topic="kline.1.BTCUSDT")
            trades = await receive_until(socket, topic="publicTrade.BTCUSDT")
            assert len(trades["data"]) > 10
        await first.send_json({"op": "unsubscribe", "args": topics, "req_id": "u"})
        await receive_until(first, op="unsubscribe", req_id="u")
        clock.advance_ms(60_000)
        await receive_until(second, topic="publicTrade.BTCUSDT")
        with pytest.raises(TimeoutError):
            await first.receive(timeout=0.15)


@pytest.mark.parametrize(
    ("stream", "answer"),
    [
        ("ws_public_url", {"success": True, "ret_msg": "pong", "op": "ping", "req_id": 3}),
        ("ws_private_url", {"op": "pong", "req_id": 3}),
        ("ws_trade_url", {"retCode": 0, "retMsg": "OK", "op": "pong"}),
    ],
)
async def test_a_ping_is_answered_in_the_streams_own_form(
    server: DemoServer, client: aiohttp.ClientSession, stream: str, answer: dict[str, Any]
) -> None:
    async with await open_stream(client, getattr(server, stream)) as socket:
        await socket.send_json({"op": "ping", "req_id": 3})
        pong = await socket.receive_json(timeout=5)
        assert {name: pong[name] for name in answer} == answer


def sign_in(key: str = "key", secret: str = "secret") -> dict[str, Any]:
    expires = real_time_ms() + 1_000
    return {"op": "auth", "args": [key, expires, sign(secret, f"GET/realtime{expires}".encode())]}


async def test_the_private_stream_needs_a_sign_in(
    server: DemoServer, client: aiohttp.ClientSession
) -> None:
    async with await open_stream(client, server.ws_private_url) as socket:
        await socket.send_json({"op": "subscribe", "args": ["order"]})
        assert (await socket.receive_json(timeout=5))["success"] is False
        await socket.send_json(sign_in(secret="wrong"))
        assert (await socket.receive_json(timeout=5))["success"] is False
        await socket.send_json(sign_in())
        ack = await socket.receive_json(timeout=5)
        assert (ack["success"], ack["op"]) == (True, "auth")


async def test_the_private_stream_tells_the_whole_story_of_ones_own_orders_only(
    server: DemoServer, client: aiohttp.ClientSession, caller: Caller
) -> None:
    async with await open_stream(client, server.ws_private_url) as socket:
        await socket.send_json(sign_in())
        topics = ["order", "execution", "position", "wallet"]
        await socket.send_json({"op": "subscribe", "args": topics, "req_id": "s"})
        await receive_until(socket, op="subscribe", req_id="s")
        await caller.place("theirs", "other")
        await caller.place("mine", stopLoss="10000.0")

        messages = []
        with contextlib.suppress(TimeoutError):
            while True:
                messages.append(await socket.receive_json(timeout=0.3))

    rows = {topic: [m["data"][0] for m in messages if m["topic"] == topic] for topic in topics}
    assert {row["orderLinkId"] for row in rows["order"]} == {"mine", ""}
    assert [row["orderLinkId"] for row in rows["execution"]] == ["mine"]
    assert rows["order"][-1]["stopOrderType"] == "StopLoss"
    assert rows["position"][-1]["size"] == "0.010"
    assert rows["position"][-1]["stopLoss"] == "10000.0"
    assert rows["wallet"][-1]["coin"][0]["coin"] == "USDT"


async def test_the_trade_stream_takes_and_refuses_orders_like_rest(
    server: DemoServer, client: aiohttp.ClientSession
) -> None:
    order = {
        "category": "linear",
        "symbol": "BTCUSDT",
        "side": "Buy",
        "orderType": "Market",
        "qty": "0.010",
        "orderLinkId": "ws",
    }

    def request(req_id: str, op: str = "order.create", **header: Any) -> dict[str, Any]:
        stamp = {"X-BAPI-TIMESTAMP": real_time_ms()} | header
        return {"reqId": req_id, "header": stamp, "op": op, "args": [order]}

    async with await open_stream(client, server.ws_trade_url) as socket:
        await socket.send_json(request("before"))
        assert (await receive_until(socket, reqId="before"))["retCode"] == 10003
        await socket.send_json(sign_in())
        assert (await receive_until(socket, op="auth"))["retCode"] == 0
        await socket.send_json(request("1"))
        taken = await receive_until(socket, reqId="1")
        assert (taken["retCode"], taken["data"]["orderLinkId"]) == (0, "ws")
        assert taken["header"]["X-Bapi-Limit-Status"] == "9"
        await socket.send_json(request("2"))
        assert (await receive_until(socket, reqId="2"))["retCode"] == 110072
        await socket.send_json(request("3", **{"X-BAPI-TIMESTAMP": real_time_ms() - 60_000}))
        assert (await receive_until(socket, reqId="3"))["retCode"] == 10002
        await socket.send_json(request("4", op="order.dance"))
        assert (await receive_until(socket, reqId="4"))["retCode"] == 10404


async def test_stopping_says_good_bye_to_every_stream(
    server: DemoServer, client: aiohttp.ClientSession
) -> None:
    async with await open_stream(client, server.ws_public_url) as socket:
        await socket.send_json({"op": "ping"})
        await socket.receive_json(timeout=5)
        stopping = asyncio.create_task(server.stop())
        message = await socket.receive(timeout=5)
        await stopping
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)


async def test_a_fault_inside_an_endpoint_is_10016_and_the_server_goes_on(
    caller: Caller,
    venue: Venue,
    monkeypatch: pytest.MonkeyPatch,
    fail_on_unexpected_log: list[logging.LogRecord],
) -> None:
    monkeypatch.setattr(venue, "ticker", lambda symbol: 1 / 0)
    broken = await caller.get("/v5/market/tickers", category="linear")
    monkeypatch.undo()
    whole = await caller.get("/v5/market/tickers", category="linear")

    assert (broken["retCode"], whole["retCode"]) == (10016, 0)
    assert [record.getMessage() for record in fail_on_unexpected_log] == [
        "GET /v5/market/tickers failed"
    ]
    fail_on_unexpected_log.clear()


async def test_of_a_batch_the_orders_above_the_window_are_refused_one_by_one(
    caller: Caller,
) -> None:
    order = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Market", "qty": "0.001"}
    answer = await caller.post(
        "/v5/order/create-batch",
        category="linear",
        request=[order | {"orderLinkId": f"b-{number}"} for number in range(12)],
    )
    assert answer["retCode"] == 0
    codes = [row["code"] for row in answer["retExtInfo"]["list"]]
    assert codes == [0] * 10 + [10006] * 2
    assert answer["result"]["list"][11]["orderLinkId"] == "b-11"
    assert answer["result"]["list"][11]["orderId"] == ""
    assert caller.headers["X-Bapi-Limit-Status"] == "0"


class TestFewStreams:
    @pytest.fixture
    def limits(self) -> RateLimits:
        return RateLimits(streams_per_address=1)

    async def test_an_address_that_opens_too_many_streams_gets_403(
        self, server: DemoServer, client: aiohttp.ClientSession
    ) -> None:
        async with client.ws_connect(server.ws_public_url):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await client.ws_connect(server.ws_private_url)
        assert refused.value.status == 403
