"""The command line's options, one value for every program of the house."""

from __future__ import annotations

from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parent.parent

EXIT_OK = 0
EXIT_FAULT = 1  # something unforeseen happened during the run
EXIT_USAGE = 2  # bad command line, configuration or key: nothing was started
EXIT_ALREADY_RUNNING = 4
EXIT_PORT_TAKEN = 5
EXIT_DATA_DIR = 6


class StartError(Exception):
    """The program cannot start: one sentence that says what to do, and the exit code."""

    def __init__(self, text: str, exit_code: int = EXIT_USAGE) -> None:
        super().__init__(text)
        self.text = text
        self.exit_code = exit_code


class Options(msgspec.Struct, frozen=True):
    """`for_seconds` counts real seconds. `speed`, `seed` and `candles` concern the demo only."""

    data_dir: Path
    config: Path | None = None
    demo: bool = False
    for_seconds: float | None = None
    report: Path | None = None
    screenshots: Path | None = None
    autostart: bool = False
    seed: int | None = None
    speed: float | None = None
    candles: Path | None = None
    port: int = 0

    def arguments(self) -> list[str]:
        """The same options as command-line words, for a child process."""
        words = ["--data-dir", str(self.data_dir)]
        for name, value in (
            ("--config", self.config),
            ("--for", self.for_seconds),
            ("--report", self.report),
            ("--seed", self.seed),
            ("--speed", self.speed),
            ("--candles", self.candles),
        ):
            if value is not None:
                words += [name, str(value)]
        words += ["--demo"] if self.demo else []
        words += ["--autostart"] if self.autostart else []
        return words
