"""A thousand reconnects on real sockets leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import random

import msgspec
import psutil
from picows import WSListener, WSMsgType, ws_create_server

from core.clock import SystemClock
from core.models.streams import Channel, Topic
from exchanges.bybit_dialect import BybitDialect
from exchanges.ws_multiplex_handler import WsMultiplexHandler

RECONNECTS = 1000
WARM_UP = 100


class NoWait(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return 0.0


class Unbounded(BybitDialect):
    limits = msgspec.structs.replace(BybitDialect.limits, connects_in_5_min=1_000_000)


class CuttingServer(WSListener):
    """Acknowledges, sends one ticker, and cuts: without a farewell every other time."""

    served = 0

    def on_ws_frame(self, transport, frame):
        if frame.msg_type is not WSMsgType.TEXT:
            return
        request = msgspec.json.decode(frame.get_payload_as_bytes())
        transport.send(
            WSMsgType.TEXT,
            msgspec.json.encode({"op": "subscribe", "success": True, "req_id": request["req_id"]}),
        )
        transport.send(
            WSMsgType.TEXT,
            b'{"topic":"tickers.BTCUSDT","type":"snapshot","data":{"lastPrice":"1"},"ts":1}',
        )
        CuttingServer.served += 1
        transport.disconnect(graceful=CuttingServer.served % 2 == 0)


class Listener:
    tickers = 0

    def on_ticker(self, ticker, latency_ms):
        self.tickers += 1

    def on_candle(self, update, latency_ms):
        raise AssertionError("no candle was asked for")

    def on_stream_state(self, kind, state, detail):
        pass


def figures():
    gc.collect()
    process = psutil.Process()
    return process.num_fds(), len(asyncio.all_tasks()), len(gc.get_objects())


async def test_a_thousand_reconnects_leave_nothing_behind():
    CuttingServer.served = 0
    server = await ws_create_server(lambda _: CuttingServer(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    handler = WsMultiplexHandler(
        Unbounded(f"ws://127.0.0.1:{port}"), clock=SystemClock(), rng=NoWait()
    )
    listener = Listener()
    handler.subscribe([Topic(Channel.TICKER, "BTCUSDT")])
    handler.start(listener)

    async def served(count):
        async with asyncio.timeout(90):
            while CuttingServer.served < count:  # noqa: ASYNC110 (counted by the server itself)
                await asyncio.sleep(0.01)

    await served(WARM_UP)
    fds, tasks, objects = figures()
    await served(WARM_UP + RECONNECTS)
    fds_after, tasks_after, objects_after = figures()
    assert fds_after <= fds + 2
    assert tasks_after <= tasks + 1
    assert objects_after - objects < RECONNECTS  # not even one object a reconnect
    assert listener.tickers >= RECONNECTS
    await handler.stop()
    server.close()
    await server.wait_closed()
    assert asyncio.all_tasks() == {asyncio.current_task()}
