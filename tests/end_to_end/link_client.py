"""A screen's side of the link with nothing in it but the link: what a test sees of an engine.

Blocking on purpose: a test asks, waits for the answer, and asks the exchange the same question.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from core.commands import (
    Attach,
    AttachedMessage,
    Command,
    CommandResult,
    FeedMessage,
    Request,
    ServerMessage,
    SnapshotMessage,
)
from core.link_protocol import RuntimeFile, decode_server_message, encode_frame
from core.snapshots import Attached, EngineSnapshot, FeedItem

TIMEOUT_S = 30.0


class LinkClosed(Exception):
    """The engine has closed this connection."""


class LinkClient:
    """Attributes: attached (the newest greeting), snapshot (the newest), feed (every item of the
    ordered list that came after the greeting)."""

    attached: Attached

    def __init__(self, runtime: RuntimeFile, *, receive_buffer_bytes: int | None = None) -> None:
        """Connect; says nothing yet."""
        self.runtime = runtime
        self.snapshot: EngineSnapshot | None = None
        self.feed: list[FeedItem] = []
        self._ids = itertools.count(1)
        self._results: dict[int, CommandResult] = {}
        self._unread = bytearray()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect((runtime.host, runtime.port))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.close()

    def attach(self, token: str | None = None) -> CommandResult:
        """Show the token (the right one by default) and keep the greeting."""
        answer = self.call(Attach(self.runtime.token if token is None else token))
        if answer.attached is not None:
            self._greet(answer.attached)
        return answer

    def send(self, command: Command) -> int:
        """The request's id; the answer is for `answer_to`."""
        request_id = next(self._ids)
        self.socket.sendall(encode_frame(Request(request_id, command)))
        return request_id

    def call(self, command: Command, timeout_s: float = TIMEOUT_S) -> CommandResult:
        return self.answer_to(self.send(command), timeout_s)

    def answer_to(self, request_id: int, timeout_s: float = TIMEOUT_S) -> CommandResult:
        self._read_until(lambda: request_id in self._results, timeout_s, f"answer {request_id}")
        return self._results.pop(request_id)

    def next_snapshot(self, timeout_s: float = TIMEOUT_S) -> EngineSnapshot:
        """One that was composed after this call: two later than the newest one known here."""
        self._drain()
        before = self.snapshot.seq if self.snapshot else -1
        return self.until(lambda snapshot: snapshot.seq >= before + 2, timeout_s)

    def until(
        self, is_so: Callable[[EngineSnapshot], bool], timeout_s: float = TIMEOUT_S, what: str = ""
    ) -> EngineSnapshot:
        """The first snapshot of which `is_so` holds."""

        def holds() -> bool:
            return self.snapshot is not None and is_so(self.snapshot)

        self._read_until(holds, timeout_s, what or "the snapshot")
        assert self.snapshot is not None
        return self.snapshot

    def _greet(self, attached: Attached) -> None:
        self.attached = attached
        self.snapshot = attached.snapshot
        self.feed = []

    def _read_until(self, is_there: Callable[[], bool], timeout_s: float, what: str) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not is_there():
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise AssertionError(f"{what} did not come in {timeout_s} s; {self._summary()}")
            self.socket.settimeout(left_s)
            with contextlib.suppress(TimeoutError):
                self._receive()

    def _drain(self) -> None:
        """Take what has arrived already."""
        self.socket.settimeout(0.0)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._receive()

    def _receive(self) -> None:
        received = self.socket.recv(1 << 20)
        if not received:
            raise LinkClosed
        self._unread += received
        while len(self._unread) >= 4:
            (length,) = struct.unpack_from("<I", self._unread)
            if len(self._unread) < 4 + length:
                return
            body = bytes(self._unread[4 : 4 + length])
            del self._unread[: 4 + length]
            self._take(decode_server_message(body))

    def _take(self, message: ServerMessage) -> None:
        match message:
            case CommandResult():
                self._results[message.request_id] = message
            case SnapshotMessage():
                self.snapshot = message.snapshot
            case FeedMessage():
                self.feed += message.items
            case AttachedMessage():
                self._greet(message.attached)

    def _summary(self) -> str:
        snapshot = self.snapshot
        if snapshot is None:
            return "no snapshot yet"
        bots = [f"{bot.bot_id} {bot.state}: {bot.state_text}" for bot in snapshot.bots]
        connections = [f"{c.public}/{c.private} {c.detail}" for c in snapshot.connections]
        return f"{snapshot.state}: {snapshot.state_text} {bots} {connections}"
