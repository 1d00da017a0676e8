"""The screen process: how it starts, finds or starts its engine, and ends.

First the guards (PyQt6 aborts on an exception in a slot unless `sys.excepthook` is replaced), then
the window, then the engine: the trader sees the window before anything slow happens. The engine
is a process of its own in a session of its own: it goes on when this one is killed.
"""

from __future__ import annotations

from pathlib import Path

import msgspec


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


def run_screen(options: ScreenOptions) -> int:
    """Show the window until it is closed; the exit code, 0 when nothing unhandled happened."""
    raise NotImplementedError
