"""One WebSocket client: what it follows, and a bounded queue between the market and its socket.

A client that reads slowly must never stall the server or grow its memory. While it is behind,
newest-wins data (prices, books, a forming bar) is skipped for it; what must arrive (closed
bars, trades, orders, fills) waits; and when even that piles up, the connection is cut, as a
client that reconnects and asks again is better off than one that is shown the past.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

log = logging.getLogger(__name__)

SILENCE_CUT_S = 600.0  # Bybit cuts a connection after ten minutes without a word from the client
ACK_DELAY_S = 0.03  # pybit registers a request only after sending it: a faster answer is lost
_BEHIND_FRAMES = 64
_MOST_FRAMES = 4_096

encode = msgspec.json.encode


class StreamSession:
    """Queue and reader of one connection.

    Attributes: `topics` that it follows; `api_key` once authenticated, "" before.
    """

    def __init__(self, request: web.Request, connection_id: str) -> None:
        self.connection_id = connection_id
        self.topics: set[str] = set()
        self.api_key = ""
        self._request = request
        self._socket = web.WebSocketResponse(
            receive_timeout=SILENCE_CUT_S, compress=False, max_msg_size=1 << 20
        )
        self._waiting: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._open = False

    @property
    def is_behind(self) -> bool:
        """Newest-wins data would only add to what this client has not read yet."""
        return len(self._waiting) >= _BEHIND_FRAMES

    def push(self, frame: bytes) -> None:
        """Queue one text frame (encoded JSON). Cuts the connection when too many wait."""
        if not self._open:
            return
        if len(self._waiting) >= _MOST_FRAMES:
            log.info("stream %s cut: %d frames unread", self.connection_id, _MOST_FRAMES)
            self._abort()
            return
        self._waiting.append(frame)
        self._wake.set()

    def push_message(self, message: dict[str, Any]) -> None:
        """Encode one message for this client alone, and queue it."""
        self.push(encode(message))

    def later(self, action: Callable[[], None]) -> None:
        """Run `action` after the answer delay, in the order asked, unless closed by then."""

        def run() -> None:
            if self._open:
                action()

        asyncio.get_running_loop().call_later(ACK_DELAY_S, run)

    def answer(self, message: dict[str, Any]) -> None:
        """Send an answer to a request after the answer delay."""
        self.later(lambda: self.push_message(message))

    async def serve(self, on_request: Callable[[dict[str, Any]], None]) -> web.WebSocketResponse:
        """Read requests until the client leaves; a request that is no JSON object is ignored."""
        await self._socket.prepare(self._request)
        self._open = True
        writer = asyncio.create_task(self._write(), name=f"writer {self.connection_id}")
        try:
            async for message in self._socket:
                if message.type is not WSMsgType.TEXT:
                    continue
                request = _parse(message.data)
                if request is not None:
                    on_request(request)
        except TimeoutError:
            log.info("stream %s cut: silent for %.0f s", self.connection_id, SILENCE_CUT_S)
        finally:
            self._open = False
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return self._socket

    async def close(self) -> None:
        """Say good-bye (1001, going away); does not wait for a client that has stopped reading."""
        if not self._open:
            return
        self._open = False
        try:
            await asyncio.wait_for(self._socket.close(code=1001), timeout=0.5)
        except TimeoutError:
            self._abort()

    async def _write(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    await self._socket.send_frame(self._waiting.popleft(), WSMsgType.TEXT)
        except ConnectionError:
            self._open = False  # the reader ends by itself

    def _abort(self) -> None:
        self._open = False
        self._waiting.clear()
        if self._request.transport is not None:
            self._request.transport.abort()


def request_topics(request: dict[str, Any]) -> list[str]:
    """The `args` of a subscribe or unsubscribe request."""
    args = request.get("args")
    return [str(topic) for topic in args] if isinstance(args, list) else []


def _parse(text: str) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        return None
