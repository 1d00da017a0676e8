"""The screen process: how it starts, finds or starts its engine, and ends.

First the guards: PyQt6 aborts on an exception in a slot unless `sys.excepthook` is replaced. Then
the window and, where an earlier run kept it, its last chart: what the trader sees comes before
anything slow. Without such a chart only an engine can bring one, so it is started before the
window and imports on another core while that is built; otherwise it would only be in the way
(measured on two cores: the kept chart stands 0.2 s later). The engine is a process of its own in a
session of its own and goes on when this one is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import qasync
from PyQt6.QtWidgets import QApplication

from app.account_keeper import AccountKeeper
from app.crash_guard import CrashGuard
from app.engine_process import EngineProcess
from app.heap import spare_the_loop
from app.loop_gap import LoopGapProbe
from app.notify.channel_keeper import ChannelKeeper
from app.options import EXIT_DATA_DIR, EXIT_FAULT, EXIT_OK, Options
from app.precedence import step_back
from app.process_age import process_age_s
from core.commands import CommandResult
from core.storage.durable import write_atomic
from ui import i18n, last_chart, tasks, theme
from ui.bridge import Bridge
from ui.day_picture import DayPictures
from ui.last_chart import LastChart
from ui.main_window import MainWindow
from ui.settings import ScreenSettings
from ui.tab_stack import load_chart_part

_LOG = logging.getLogger(__name__)
_LAST_CHART_S = 1.0  # an engine is not kept waiting longer for the last run's chart
_ENGINE_FOUND_S = 1.0  # how long an engine that listens is given to let us in
_ENGINE_END_S = 60.0
_KEEP_CHART_FIRST_S, _KEEP_CHART_EVERY_S = 5.0, 60.0


class ScreenOptions(msgspec.Struct, frozen=True):
    """What the command line says about the screen and about the engine that it may start.

    `for_seconds` counts from the window's showing: then screenshots are taken into the folder
    `screenshots`, the engine is stopped and the process ends. `report` is a JSON file: the
    engine writes its figures there when it ends, the screen adds its own. `speed` is the demo
    market's speed-up. `theme`, `colours` and `language` override the saved settings.
    """

    data_dir: Path
    config: Path | None = None
    demo: bool = False
    for_seconds: float | None = None
    screenshots: Path | None = None
    report: Path | None = None
    autostart: bool = False
    seed: int | None = None
    speed: float | None = None
    candles: Path | None = None
    theme: str | None = None
    colours: str | None = None
    language: str | None = None

    def for_engine(self) -> Options:
        """The engine's options: it runs until it is told to stop."""
        return Options(
            data_dir=self.data_dir,
            config=self.config,
            demo=self.demo,
            report=self.report,
            autostart=self.autostart,
            seed=self.seed,
            speed=self.speed,
            candles=self.candles,
        )


def run_screen(options: ScreenOptions) -> int:
    """Show the window until it is closed, then end the process: with 0 when nothing unhandled
    happened. Returns only where there could not be a window."""
    guard = CrashGuard()
    guard.install()
    step_back()
    try:
        _log_to_file(options.data_dir / "logs" / "screen.log")
    except OSError as fault:
        print(
            f"TwinStar Quantum: the data directory {options.data_dir} cannot be written "
            f"({fault.strerror}); choose another with --data-dir",
            file=sys.stderr,
        )
        return EXIT_DATA_DIR
    settings = ScreenSettings(options.data_dir)
    last = last_chart.recall(options.data_dir)
    engine = EngineProcess(options.for_engine())
    if last is None and not engine.is_found():
        with contextlib.suppress(OSError):  # tried again, and told, once there is a window
            _start_engine(engine, settings)
    os.environ.setdefault("QT_SCALE_FACTOR", f"{settings.scale_percent / 100:g}")
    app = QApplication(sys.argv[:1])
    app.setApplicationName("TwinStar Quantum")
    app.setQuitOnLastWindowClosed(False)  # the coroutine below decides when it is over
    theme.apply(app, options.theme or settings.theme, options.colours or settings.colours)
    i18n.use(options.language or settings.language)
    loop = qasync.QEventLoop(app)
    asyncio.set_event_loop(loop)
    guard.watch_loop(loop)
    with loop:
        screen = _Screen(options, settings, guard, engine, last)
        return _leave(loop.run_until_complete(screen.run()))


class _Screen:
    """One run of the screen."""

    def __init__(
        self,
        options: ScreenOptions,
        settings: ScreenSettings,
        guard: CrashGuard,
        engine: EngineProcess,
        last: LastChart | None,
    ) -> None:
        self._options, self._guard = options, guard
        self._settings, self._engine = settings, engine
        self._bridge = Bridge(options.data_dir)
        self._window = MainWindow(self._bridge, settings, self._restart_engine, last)
        self._window.accounts = AccountKeeper(options.config, options.data_dir)
        self._window.alert_centre.keeper = ChannelKeeper(options.data_dir)
        self._day_pictures = DayPictures(self._bridge)
        self._has_painted = asyncio.Event()
        if last is None:
            self._has_painted.set()
        self._probe = LoopGapProbe()
        self._over = asyncio.Event()
        self._stop_engine = False
        self._window_s: float | None = None
        self._chart_s: float | None = None
        self._live_chart_s: float | None = None
        self._window.closing.connect(self._on_closing)
        self._window.chart_painted.connect(self._on_chart)

    async def run(self) -> int:
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: self._over.set())
        self._window.show()
        self._window.repaint()
        self._window_s = process_age_s()
        self._probe.start()
        self._bridge.link.start()
        ending = asyncio.create_task(self._over.wait())
        others = [
            asyncio.create_task(work)
            for work in (self._see_to_engine(), _load_charts(), self._keep_chart_regularly())
        ]
        problem = ""
        await asyncio.wait({ending}, timeout=self._options.for_seconds)
        self._probe.stop()
        await self._keep_chart()
        if self._options.for_seconds is not None and not self._over.is_set():
            problem = await self._end_timed_run()
        elif self._stop_engine:
            await self._tell_engine_to_end()
        for task in (ending, *others):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._bridge.link.close()
        self._window.mark_end()
        self._window.hide()
        if problem:
            print(f"TwinStar Quantum: {problem}", file=sys.stderr)
        return self._exit_code(problem)

    def _on_closing(self, stop_engine: bool) -> None:
        self._stop_engine = stop_engine or self._is_engine_unmet
        self._over.set()

    @property
    def _is_engine_unmet(self) -> bool:
        """We have started it and it has not answered yet: nobody would know that it runs."""
        return self._engine.is_running and self._bridge.link.engine_pid is None

    def _on_chart(self, is_live: bool) -> None:
        if self._chart_s is None:
            self._chart_s = process_age_s()
            self._has_painted.set()
        if is_live and self._live_chart_s is None:
            self._live_chart_s = process_age_s()
            spare_the_loop()
            self._probe.start_is_over()
            if self._options.for_seconds is None:  # else nobody is there to be shown around
                self._window.offer_tour()

    # The chart for the next start

    async def _keep_chart_regularly(self) -> None:
        wait_s = _KEEP_CHART_FIRST_S
        while True:
            await asyncio.sleep(wait_s)
            await self._keep_chart()
            wait_s = _KEEP_CHART_EVERY_S

    async def _keep_chart(self) -> None:
        last = self._window.last_chart()
        if last is not None:
            with contextlib.suppress(OSError):  # a full disk has louder witnesses than this
                await asyncio.to_thread(last_chart.keep, self._options.data_dir, last)

    # The engine

    async def _see_to_engine(self) -> None:
        """Attach to the engine that runs or was started, or start one; say if that cannot be."""
        if self._engine.pid is not None:
            await self._attach_or_tell()
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_CHART_S):
                await self._has_painted.wait()
        if await asyncio.to_thread(self._engine.is_found):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ENGINE_FOUND_S):
                    await self._bridge.link.until_attached()
        if not self._bridge.is_attached:
            refusal = await self._restart_engine()
            if refusal is not None:
                tasks.announce(refusal)

    async def _restart_engine(self) -> CommandResult | None:
        """Until the new engine is attached or has given up."""
        if not self._engine.is_running:
            try:
                _start_engine(self._engine, self._settings)
            except OSError as fault:
                return CommandResult(0, False, f"The engine could not be started: {fault}")
        await self._attach_or_tell()
        return None

    async def _attach_or_tell(self) -> None:
        waits = {
            asyncio.ensure_future(self._bridge.link.until_attached()),
            asyncio.ensure_future(self._engine.until_ended()),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in waits:
                waiting.cancel()
        if not self._bridge.is_attached:
            self._tell_start_problem()

    def _tell_start_problem(self) -> None:
        words = self._engine.last_words()
        _LOG.warning("the engine could not be started: %s", words)  # told in the window, at the end
        self._window.show_start_problem(words)
        if self._options.for_seconds is not None:
            self._over.set()  # nobody is there to read the window

    # The end

    async def _end_timed_run(self) -> str:
        """Pictures, the end of our engine, the report; the first thing that went wrong."""
        problem = ""
        if self._options.screenshots is not None:
            from app.screenshots import take

            try:
                await take(self._window, self._options.screenshots)
            except OSError as fault:
                problem = f"screenshots: {fault}"
        if self._window.is_engine_ours or self._is_engine_unmet:
            problem = problem or await self._end_engine()
        if self._options.report is not None:
            self._add_to_report(self._options.report)
        return problem

    async def _end_engine(self) -> str:
        problem = await self._tell_engine_to_end()
        if not problem and not await self._engine.wait_for_end(_ENGINE_END_S):
            return f"the engine did not end within {_ENGINE_END_S:.0f} s"
        return problem

    async def _tell_engine_to_end(self) -> str:
        stopped = await self._bridge.stop_engine()
        if stopped.ok:
            return ""
        if not self._engine.is_running:
            return stopped.text
        self._engine.terminate()
        return ""

    def _add_to_report(self, path: Path) -> None:
        """The engine's figures with the screen's own beside them."""
        import psutil

        process = psutil.Process()
        report: dict[str, Any] = {}
        with contextlib.suppress(OSError, msgspec.DecodeError):
            report = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        handled = report.get("unhandled_exceptions") or 0
        report["unhandled_exceptions"] = handled + self._guard.unhandled_exceptions
        report["qt_warnings"] = self._guard.qt_warnings
        gaps = report.setdefault("loop_gap_ms", {})
        gaps["screen_max"] = round(self._probe.run_max_ms, 1)
        gaps["screen_start_max"] = round(self._probe.start_max_ms, 1)
        memory = process.memory_info().rss / 1024**2
        report.setdefault("rss_mb", {})["screen"] = round(memory, 1)
        for name, age_s in (
            ("window_s", self._window_s),
            ("chart_s", self._chart_s),
            ("live_chart_s", self._live_chart_s),
        ):
            report[name] = None if age_s is None else round(age_s, 3)
        write_atomic(path, msgspec.json.format(msgspec.json.encode(report)))

    def _exit_code(self, problem: str) -> int:
        never_met = self._bridge.link.engine_pid is None
        refusal = self._engine.exit_code
        if never_met and refusal and self._options.for_seconds is not None:
            print(f"TwinStar Quantum: {self._engine.last_words()}", file=sys.stderr)
            return refusal
        if problem or self._guard.unhandled_exceptions or self._guard.qt_warnings:
            return EXIT_FAULT
        return EXIT_OK


def _start_engine(engine: EngineProcess, settings: ScreenSettings) -> None:
    """Start it and remember that a screen did, also for the screen after a crash of this one.
    Raises OSError."""
    engine.start()
    settings.engine_pid = engine.pid
    settings.save()


def _leave(code: int) -> NoReturn:
    """All is saved and told; Qt is not taken down. Python ends what it holds in an order that Qt
    does not bear: one screen in some hundreds crashed at its very end, exit code and all."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # a window without a console has none
            stream.flush()
    os._exit(code)


async def _load_charts() -> None:
    """Import what charts need behind the first paint, while the engine is being found or started;
    in parts, between which the window answers."""
    await asyncio.sleep(0.02)
    for _ in iter(load_chart_part, False):
        await asyncio.sleep(0)


def _log_to_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(path, maxBytes=5_000_000, backupCount=3, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    errors = logging.StreamHandler()
    errors.setLevel(logging.ERROR)
    logging.basicConfig(level=logging.INFO, handlers=[handler, errors])
