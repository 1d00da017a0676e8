"""The engine's side of the link: loopback, a token, commands in, snapshots and records out.

A screen that reads slowly gets fewer snapshots (only the newest matters) but every record; one
that does not read at all is let go. No screen, and nobody who only pretends to be one, can ever
slow the engine or change its state.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import secrets
from collections.abc import Callable
from pathlib import Path

import msgspec

from app.command_handler import CommandHandler
from core.commands import (
    Attach,
    AttachedMessage,
    CommandResult,
    FeedMessage,
    Request,
    SnapshotMessage,
    StopEngine,
)
from core.engine import Engine
from core.link_protocol import (
    LinkError,
    RuntimeFile,
    decode_request,
    encode_frame,
    read_frame,
)
from core.models.candles import Timeframe
from core.snapshot_builder import SnapshotBuilder
from core.snapshots import FeedItem
from core.storage.durable import write_atomic

log = logging.getLogger(__name__)
SNAPSHOT_INTERVAL_S = 0.1
GREETING_MOST_BYTES = 262_144  # before the token is shown, a stranger costs no more memory
COMMAND_MOST_BYTES = 1_000_000
SLOW_READER_BYTES = 1_000_000  # above it, a snapshot is skipped
DEAF_READER_S = 15.0  # skipped for so long, the screen is let go; a living one attaches anew
DEAD_READER_BYTES = 64_000_000  # above it, at once
CLOSE_TIMEOUT_S = 1.0
TOKEN_TIMEOUT_S = 10.0  # who connects and does not show the token holds a place no longer


class _Screen:
    """One connection."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.is_attached = False
        self.backlog = 0
        self.charts: list[tuple[str, Timeframe]] = []
        self.pending: list[FeedItem] = []
        self.slow_since_s: float | None = None

    @property
    def unsent_bytes(self) -> int:
        return self.writer.transport.get_write_buffer_size()

    def send(self, message: msgspec.Struct) -> None:
        if not self.writer.is_closing():
            self.writer.write(encode_frame(message))


class LinkServer:
    def __init__(self, engine: Engine, on_stop: Callable[[], None]) -> None:
        """`on_stop()` is called when a screen asks the engine to end."""
        self._engine = engine
        self._on_stop = on_stop
        self._token = secrets.token_urlsafe(32)
        self._screens: set[_Screen] = set()
        self._builder = SnapshotBuilder(engine)
        self._handler = CommandHandler(engine, self._builder)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._serving: set[asyncio.Task[None]] = set()
        engine.records.listeners.append(self._on_record)
        engine.on_instruments.append(self._greet_again)

    async def start(self, runtime_file: Path) -> None:
        """Listen on a free loopback port and say where in `runtime_file`."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        runtime = RuntimeFile(pid=os.getpid(), host=host, port=port, token=self._token)
        write_atomic(runtime_file, msgspec.json.encode(runtime), private=True)
        self._engine.supervisor.keep_running("link: snapshots", self._publish)

    async def stop(self) -> None:
        """Hand over what is written, then close; a screen that takes nothing more is cut off."""
        if self._server is not None:
            self._server.close()
        for screen in list(self._screens):
            self._flush(screen)
            screen.writer.close()
        if self._serving:
            await asyncio.wait(self._serving, timeout=CLOSE_TIMEOUT_S)
        for screen in list(self._screens):
            screen.writer.transport.abort()
        if self._serving:
            await asyncio.wait(self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        screen = _Screen(writer)
        self._screens.add(screen)
        try:
            async with asyncio.timeout(TOKEN_TIMEOUT_S):
                self._attach(screen, decode_request(await read_frame(reader, GREETING_MOST_BYTES)))
            while screen.is_attached:
                request = decode_request(await read_frame(reader, COMMAND_MOST_BYTES))
                if isinstance(request.command, Attach):
                    self._attach(screen, request)
                else:
                    self._spawn(self._answer(screen, request))
        except (asyncio.IncompleteReadError, OSError):
            pass  # the screen went away, or never said who it is
        except (LinkError, ValueError, RecursionError) as fault:
            # ValueError: msgspec's own errors, and text that is no UTF-8; the last: deep nesting
            log.info("link: a screen broke the protocol and was let go: %s", fault)
        finally:
            self._screens.discard(screen)
            writer.close()

    def _attach(self, screen: _Screen, request: Request) -> None:
        command = request.command
        if not isinstance(command, Attach) or not self._is_token(command.token):
            screen.is_attached = False
            text = "The token is wrong; start the screen with the same data directory."
            screen.send(CommandResult(request.request_id, ok=False, text=text))
            screen.writer.close()
            return
        attached = self._handler.attached(command.backlog, screen.charts)
        screen.pending.clear()  # what it holds is in the backlog
        screen.is_attached = True
        screen.backlog = command.backlog
        screen.send(CommandResult(request.request_id, ok=True, attached=attached))

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self._token.encode())  # str: ASCII only

    def _greet_again(self) -> None:
        """The exchange's instruments are known now."""
        for screen in self._screens:
            if screen.is_attached:
                attached = self._handler.attached(screen.backlog, screen.charts)
                screen.pending.clear()
                screen.send(AttachedMessage(attached))

    async def _answer(self, screen: _Screen, request: Request) -> None:
        charts = None
        try:
            result, charts = await self._handler.handle(request)
        except Exception as fault:  # noqa: BLE001 (the boundary: counted, shown, and answered)
            self._engine.supervisor.report("link: command", fault)
            text = f"That failed: {type(fault).__name__}: {fault}"
            result = CommandResult(request.request_id, ok=False, text=text)
        if charts is not None:
            screen.charts = charts
            self._show()  # now: their bars are streamed before their history is read
        screen.send(result)
        if isinstance(request.command, StopEngine):
            self._on_stop()

    def _on_record(self, item: FeedItem) -> None:
        for screen in self._screens:
            if screen.is_attached:
                screen.pending.append(item)

    async def _publish(self) -> None:
        while True:
            await asyncio.sleep(SNAPSHOT_INTERVAL_S)
            screens = [screen for screen in self._screens if screen.is_attached]
            charts = self._show()
            if not screens:
                continue
            frame = encode_frame(SnapshotMessage(self._builder.build(charts)))
            now_s = self._engine.clock.monotonic_s()
            for screen in screens:
                self._flush(screen)
                if screen.writer.is_closing():
                    continue
                if screen.unsent_bytes < SLOW_READER_BYTES:
                    screen.slow_since_s = None
                    screen.writer.write(frame)
                    continue
                if screen.slow_since_s is None:
                    screen.slow_since_s = now_s
                slow_s = now_s - screen.slow_since_s
                if slow_s > DEAF_READER_S or screen.unsent_bytes > DEAD_READER_BYTES:
                    log.info("link: a screen does not read and was let go")
                    screen.writer.transport.abort()

    def _show(self) -> set[tuple[str, Timeframe]]:
        """Tell the engine what all screens look at together, and return it."""
        attached = (screen for screen in self._screens if screen.is_attached)
        charts = {chart for screen in attached for chart in screen.charts}
        self._engine.show(charts)
        return charts

    def _flush(self, screen: _Screen) -> None:
        if screen.pending:
            screen.send(FeedMessage(screen.pending))
            screen.pending = []

    def _spawn(self, work: object) -> None:
        assert asyncio.iscoroutine(work)
        task = self._engine.supervisor.spawn("link: command", work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
