"""The net's own behaviour at the seam of the streams."""

from __future__ import annotations

import asyncio

import pytest

from exchanges.stream_connection import connect_websocket


class Deaf:
    def on_message(self, payload: bytes, is_last: bool) -> None: ...

    def on_alive(self) -> None: ...

    def on_closed(self, reason: str) -> None: ...


async def test_a_handshake_that_is_given_up_leaves_no_socket_behind():
    ended = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")  # and never an answer
        await reader.read()
        ended.set()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await connect_websocket(f"ws://127.0.0.1:{port}/", Deaf())
        async with asyncio.timeout(5):
            await ended.wait()
