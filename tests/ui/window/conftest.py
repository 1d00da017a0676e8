"""A hand-written engine at the seam: a real link server on loopback, played by the test.

It speaks `core/link_protocol` over a real socket; only what stands behind it is made by hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from PyQt6.QtCore import QEvent, Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication
from sample_engine import (
    NOW_MS,
    QUARTER_MS,
    candle_block,
    rich_snapshot,
    sample_backlog,
    sample_instruments,
    sample_records,
)
from scan_samples import sample_sizing, sample_strategies

from core.commands import (
    Attach,
    AttachedMessage,
    Command,
    CommandResult,
    FeedMessage,
    GetCandles,
    ServerMessage,
    SnapshotMessage,
)
from core.link_protocol import RuntimeFile, decode_request, encode_frame, read_frame
from core.snapshots import (
    PROTOCOL_VERSION,
    Attached,
    ClosedCandle,
    EngineSnapshot,
    FeedItem,
    FillRecord,
    LiveCandle,
    Record,
)
from ui import i18n, theme
from ui.bridge import Bridge, LinkState
from ui.dialogs.sheet import Sheet
from ui.last_chart import LastChart
from ui.main_window import MainWindow
from ui.settings import ScreenSettings

TOKEN = "let-me-in"
ENGINE_PID = 4242


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A window is hidden with the last line of its test: its timers would else go on in the Qt
    events that pytest-qt handles after it, where no asyncio loop runs any more."""
    try:
        return (yield)
    finally:
        for window in QApplication.topLevelWidgets():
            if isinstance(window, MainWindow):
                window.hide()


class LinkServer:
    """The engine's side of the link. Attributes: snapshot, backlog, commands (as they came).

    `answers` maps a command's type to a function that gives (ok, text), `results` to one that
    gives the whole answer; others are accepted.
    """

    def __init__(self, data_dir: Path) -> None:
        self.snapshot = rich_snapshot()
        self.backlog: list[FeedItem] = sample_backlog()
        self.commands: list[Command] = []
        self.answers: dict[type, Callable[[Command], tuple[bool, str]]] = {}
        self.results: dict[type, Callable[[Command], CommandResult]] = {}
        self.silent_on: set[type] = set()
        self.attach_count = 0
        self._runtime_path = data_dir / "run" / "engine.json"
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self._runtime_path.parent.mkdir(parents=True, exist_ok=True)
        self._runtime_path.write_bytes(
            msgspec.json.encode(RuntimeFile(ENGINE_PID, "127.0.0.1", port, TOKEN))
        )

    async def stop(self) -> None:
        """As a killed engine: every connection breaks, the runtime file stays."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    def publish(self, snapshot: EngineSnapshot) -> None:
        self.snapshot = snapshot
        self._send_all(SnapshotMessage(snapshot))

    def feed(self, record: Record, time_ms: int = NOW_MS, skip: int = 0) -> None:
        """Next entry of the ordered list; `skip` entries are lost on the way."""
        last = self.backlog[-1].seq if self.backlog else 0
        item = FeedItem(last + 1 + skip, time_ms, record)
        self.backlog.append(item)
        self._send_all(FeedMessage([item]))

    def greet_again(self) -> None:
        self._send_all(AttachedMessage(self._greeting()))

    def _greeting(self) -> Attached:
        last_seq = self.backlog[-1].seq if self.backlog else 0
        return Attached(
            PROTOCOL_VERSION, ENGINE_PID, "data", sample_instruments(), sample_strategies(),
            self.backlog, last_seq, self.snapshot, sample_sizing(),
        )  # fmt: skip

    def _send_all(self, message: ServerMessage) -> None:
        for writer in self._writers:
            writer.write(encode_frame(message))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                request = decode_request(await read_frame(reader))
                result = self._answer(request.request_id, request.command)
                if result is not None:
                    writer.write(encode_frame(result))
        except (EOFError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def _answer(self, request_id: int, command: Command) -> CommandResult | None:
        if type(command) in self.silent_on:
            return None
        if isinstance(command, Attach):
            if command.token != TOKEN:
                return CommandResult(request_id, False, "wrong token")
            self.attach_count += 1
            return CommandResult(request_id, True, attached=self._greeting())
        self.commands.append(command)
        if isinstance(command, GetCandles) and GetCandles not in self.answers:
            block = candle_block(command.symbol, command.timeframe, command.count, command.end_ms)
            return CommandResult(request_id, True, block=block)
        if type(command) in self.results:
            whole = self.results[type(command)](command)
            return msgspec.structs.replace(whole, request_id=request_id)
        ok, text = self.answers.get(type(command), lambda _command: (True, ""))(command)
        return CommandResult(request_id, ok, text)


@pytest.fixture
async def link_server(tmp_path: Path) -> AsyncIterator[LinkServer]:
    server = LinkServer(tmp_path)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def bridge(
    link_server: LinkServer, tmp_path: Path, qapp: QApplication
) -> AsyncIterator[Bridge]:
    """A bridge that is attached to `link_server`."""
    made = Bridge(tmp_path)
    made.link.start()
    async with asyncio.timeout(5):
        await made.link.until_attached()
    yield made
    await made.link.close()


@pytest.fixture
def still_bridge(tmp_path: Path, qapp: QApplication) -> Iterator[Bridge]:
    """A bridge without a link, filled by hand: for panels that only show."""
    made = Bridge(tmp_path)
    made.link.state = LinkState.ATTACHED
    made.take_attached(
        Attached(PROTOCOL_VERSION, ENGINE_PID, "data", sample_instruments(), sample_strategies(),
                 sample_backlog(), sample_backlog()[-1].seq, rich_snapshot(), sample_sizing())
    )  # fmt: skip
    made.take_snapshot(rich_snapshot())
    yield made
    made.deleteLater()


@pytest.fixture
def until(qapp: QApplication) -> Callable[[Callable[[], object]], Awaitable[None]]:
    """Waits for a condition while Qt's events are handled; the loop is asyncio's own."""

    async def wait(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                qapp.processEvents()
                await asyncio.sleep(0.002)

    return wait


@pytest.fixture
def calm(qapp: QApplication) -> Callable[[], Awaitable[None]]:
    """Long enough for what must not happen to have happened: every event and answer is handled."""

    async def wait() -> None:
        for _ in range(15):
            qapp.processEvents()
            await asyncio.sleep(0.002)

    return wait


class Trader:
    """Answers questions, and remembers what the engine was asked."""

    def __init__(
        self, server: LinkServer, until: Callable[[Callable[[], object]], Awaitable[None]]
    ) -> None:
        self._server, self._until = server, until

    def sent(self, kind: type) -> list[Command]:
        return [command for command in self._server.commands if isinstance(command, kind)]

    async def sent_nothing(self, *kinds: type) -> bool:
        """After long enough for what must not happen to have happened."""
        for _ in range(15):
            QApplication.processEvents()
            await asyncio.sleep(0.002)
        return not any(self.sent(kind) for kind in kinds)

    @property
    def sheet(self) -> Sheet | None:
        """The question that is open."""
        sheets = (w for w in QApplication.topLevelWidgets() if isinstance(w, Sheet))
        return next((sheet for sheet in sheets if sheet.isVisible()), None)

    async def asked(self) -> Sheet:
        await self._until(lambda: self.sheet is not None)
        assert self.sheet is not None
        return self.sheet

    async def answer(self, name: str) -> None:
        """Press the question's button `name` ("" is Cancel)."""
        QTest.mouseClick((await self.asked()).buttons[name], Qt.MouseButton.LeftButton)
        await self._until(lambda: self.sheet is None)

    async def press(self, key: Qt.Key) -> None:
        """Press a key in the question."""
        QTest.keyClick(await self.asked(), key)
        await self._until(lambda: self.sheet is None)


@pytest.fixture
def trader(
    link_server: LinkServer, until: Callable[[Callable[[], object]], Awaitable[None]]
) -> Trader:
    return Trader(link_server, until)


@pytest.fixture
def make_window(
    bridge: Bridge, tmp_path: Path, qapp: QApplication
) -> Iterator[Callable[..., MainWindow]]:
    """The real window on an attached bridge, its engine started by a screen; nothing of it
    outlives the test. An argument is the chart of an earlier run."""
    made: list[MainWindow] = []

    async def no_engine() -> None:
        return None

    def make(last: LastChart | None = None) -> MainWindow:
        theme.apply(qapp, "dark", "global")
        i18n.use("en")
        settings = ScreenSettings(tmp_path)
        settings.engine_pid = ENGINE_PID
        window = MainWindow(bridge, settings, no_engine, last)
        window.resize(1600, 940)
        window.show()
        made.append(window)
        return window

    yield make
    for window in made:
        window.hide()
        window.deleteLater()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    i18n.use("en")


@pytest.fixture
def closed_candle() -> ClosedCandle:
    opened = NOW_MS // QUARTER_MS * QUARTER_MS
    return ClosedCandle(LiveCandle("BTCUSDT", "15m", opened, 1.0, 2.0, 0.5, 1.5, 10.0))


@pytest.fixture
def make_snapshot() -> Callable[[int], EngineSnapshot]:
    return rich_snapshot


@pytest.fixture
def fill_record() -> FillRecord:
    record = sample_records()[2][1]
    assert isinstance(record, FillRecord)
    return record
