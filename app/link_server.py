"""The engine's side of the link: loopback, a token, commands in, snapshots and records out.

A screen that reads slowly gets fewer snapshots (only the newest matters) but every record; one
that does not read at all is let go. No screen can ever slow the engine.
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
SLOW_READER_BYTES = 1_000_000  # above it, a snapshot is skipped
DEAD_READER_BYTES = 64_000_000  # above it, the screen is let go


class _Screen:
    """One connection."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.is_attached = False
        self.backlog = 0
        self.charts: list[tuple[str, Timeframe]] = []
        self.pending: list[FeedItem] = []

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
        """Hand over what is written, then close."""
        for screen in list(self._screens):
            self._flush(screen)
            screen.writer.close()
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        screen = _Screen(writer)
        self._screens.add(screen)
        try:
            while True:
                request = decode_request(await read_frame(reader))
                if isinstance(request.command, Attach) or not screen.is_attached:
                    self._attach(screen, request)
                else:
                    self._spawn(self._answer(screen, request))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the screen went away
        except (LinkError, msgspec.DecodeError) as fault:
            log.info("link: a screen broke the protocol and was let go: %s", fault)
        finally:
            self._screens.discard(screen)
            writer.close()

    def _attach(self, screen: _Screen, request: Request) -> None:
        command = request.command
        if not isinstance(command, Attach) or not hmac.compare_digest(command.token, self._token):
            text = "The token is wrong; start the screen with the same data directory."
            screen.send(CommandResult(request.request_id, ok=False, text=text))
            screen.writer.close()
            return
        attached = self._handler.attached(command.backlog, screen.charts)
        screen.pending.clear()  # what it holds is in the backlog
        screen.is_attached = True
        screen.backlog = command.backlog
        screen.send(CommandResult(request.request_id, ok=True, attached=attached))

    def _greet_again(self) -> None:
        """The exchange's instruments are known now."""
        for screen in self._screens:
            if screen.is_attached:
                attached = self._handler.attached(screen.backlog, screen.charts)
                screen.pending.clear()
                screen.send(AttachedMessage(attached))

    async def _answer(self, screen: _Screen, request: Request) -> None:
        result, charts = await self._handler.handle(request)
        if charts is not None:
            screen.charts = charts
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
            if not screens:
                continue
            charts = {chart for screen in screens for chart in screen.charts}
            frame = encode_frame(SnapshotMessage(self._builder.build(charts)))
            for screen in screens:
                self._flush(screen)
                if screen.unsent_bytes < SLOW_READER_BYTES and not screen.writer.is_closing():
                    screen.writer.write(frame)
                elif screen.unsent_bytes > DEAD_READER_BYTES:
                    log.info("link: a screen does not read and was let go")
                    screen.writer.transport.abort()

    def _flush(self, screen: _Screen) -> None:
        if screen.pending:
            screen.send(FeedMessage(screen.pending))
            screen.pending = []

    def _spawn(self, work: object) -> None:
        assert asyncio.iscoroutine(work)
        task = self._engine.supervisor.spawn("link: command", work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
