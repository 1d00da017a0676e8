"""One WebSocket connection: the seam between the streams and the net.

Everything above it works on `Connection` and `Receiver`; the real one is picows, and a test's own
lets outages, silence and refusals happen in virtual time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import msgspec
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect


class StreamTiming(msgspec.Struct, frozen=True):
    """`ping_interval_s`: how often the connection is asked for a sign of life.
    `answer_timeout_s`: longest wait for a handshake, an acknowledgement, or for anything at all
    after a ping; then the connection is given up."""

    ping_interval_s: float = 20.0
    answer_timeout_s: float = 10.0


class Receiver(Protocol):
    """Gets what a connection brings; called on the loop, must return fast."""

    def on_message(self, payload: bytes, is_last: bool) -> None:
        """`is_last`: nothing more has been read from the socket so far."""

    def on_alive(self) -> None:
        """A frame without a message (a pong)."""

    def on_closed(self, reason: str) -> None:
        """Once, and nothing after it."""


class Connection(Protocol):
    def send(self, payload: bytes) -> None:
        """A text frame; without effect on a connection that has ended."""

    def ping(self) -> None:
        """A ping frame."""

    def close(self) -> None:
        """At once, without a farewell."""


Connect = Callable[[str, Receiver], Coroutine[Any, Any, Connection]]


async def connect_websocket(url: str, receiver: Receiver) -> Connection:
    """Raises OSError, TimeoutError (cancelled by the caller), or ConnectionError with the words
    of whatever else spoilt the handshake."""
    connection = _PicowsConnection(receiver)
    try:
        await ws_connect(
            lambda: connection,
            url,
            disconnect_on_exception=False,
            max_redirects=0,
            websocket_handshake_timeout=None,  # the caller's own time-out covers it
        )
    except WSError as fault:
        raise ConnectionError(str(fault)) from fault
    except asyncio.CancelledError as cancelled:
        connection.close()
        _close_half_open(cancelled)
        raise
    return connection


def _close_half_open(cancelled: BaseException) -> None:
    """picows leaves its socket open when it is cancelled in the handshake, and hands it to nobody:
    only the frame that was waiting still knows it."""
    trace = cancelled.__traceback__
    while trace is not None:
        protocol = trace.tb_frame.f_locals.get("ws_protocol")
        if protocol is not None:
            protocol.transport.disconnect(graceful=False)
        trace = trace.tb_next


class _PicowsConnection(WSListener):
    def __init__(self, receiver: Receiver) -> None:
        self._receive = receiver.on_message
        self._receiver = receiver
        self._transport: WSTransport | None = None
        self._fragments: list[bytes] = []
        self._reason = "the connection was closed"

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002
        self._receiver.on_closed(self._reason)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if (kind is WSMsgType.TEXT or kind is WSMsgType.BINARY) and frame.fin:
            self._receive(frame.get_payload_as_bytes(), frame.last_in_buffer)
        elif kind is WSMsgType.PING or kind is WSMsgType.PONG:
            self._receiver.on_alive()
        elif kind is WSMsgType.CLOSE:
            self._reason = f"the exchange closed the connection ({frame.get_close_reason()})"
            transport.disconnect()
        else:
            self._fragments.append(frame.get_payload_as_bytes())
            if frame.fin:
                payload = b"".join(self._fragments)
                self._fragments.clear()
                self._receive(payload, frame.last_in_buffer)

    def send(self, payload: bytes) -> None:
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.send(WSMsgType.TEXT, payload)

    def ping(self) -> None:
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.send_ping()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.disconnect(graceful=False)
