"""A slow client must not stall the server, and what must arrive does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from exchanges.simulated.wire.session import ACK_DELAY_S, StreamSession, request_topics


class _Place:
    """A server whose only stream keeps its session for the test to push into."""

    def __init__(self) -> None:
        self.sessions: asyncio.Queue[StreamSession] = asyncio.Queue()
        self.requests: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.url = ""

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        session = StreamSession(request, "test-1")
        self.sessions.put_nowait(session)
        return await session.serve(self.requests.put_nowait)


@pytest.fixture
async def place() -> AsyncIterator[_Place]:
    place = _Place()
    application = web.Application()
    application.router.add_get("/", place.serve)
    runner = web.AppRunner(application, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    place.url = f"ws://127.0.0.1:{runner.addresses[0][1]}/"
    yield place
    await runner.cleanup()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as client:
        yield client


async def test_an_answer_waits_for_clients_that_register_after_sending(
    place: _Place, client: aiohttp.ClientSession
) -> None:
    async with client.ws_connect(place.url) as socket:
        session = await place.sessions.get()
        started_s = asyncio.get_running_loop().time()
        session.answer({"op": "subscribe", "req_id": 7})

        assert await socket.receive_json() == {"op": "subscribe", "req_id": 7}
        assert asyncio.get_running_loop().time() - started_s >= 0.02
        assert ACK_DELAY_S >= 0.02


async def test_frames_arrive_in_order_and_nonsense_is_ignored(
    place: _Place, client: aiohttp.ClientSession
) -> None:
    async with client.ws_connect(place.url) as socket:
        session = await place.sessions.get()
        await socket.send_str("not json")
        await socket.send_str("[1]")
        await socket.send_json({"op": "ping"})
        assert await place.requests.get() == {"op": "ping"}
        for number in range(100):
            session.push_message({"n": number})

        assert [(await socket.receive_json())["n"] for _ in range(100)] == list(range(100))


async def test_a_client_that_does_not_read_is_behind_and_then_cut(
    place: _Place, client: aiohttp.ClientSession
) -> None:
    async with client.ws_connect(place.url) as socket:
        session = await place.sessions.get()
        await socket.send_json({"op": "ping"})
        await place.requests.get()  # open on both sides
        assert not session.is_behind

        for _ in range(100):
            session.push(b"x" * 100)
        assert session.is_behind
        for _ in range(5_000):
            session.push(b"x" * 100)

        received = [await socket.receive()]
        while received[-1].type is aiohttp.WSMsgType.TEXT:
            received.append(await socket.receive())
        assert received[-1].type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        assert not session.is_behind


def test_topics_of_a_request_that_has_none() -> None:
    assert request_topics({"op": "subscribe"}) == []
    assert request_topics({"args": "kline.1.BTCUSDT"}) == []
    assert request_topics({"args": ["order", "wallet"]}) == ["order", "wallet"]
