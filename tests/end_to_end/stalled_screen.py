"""The real screen, its thread held for 300 ms every two seconds, and the frames in between.

    python tests/end_to_end/stalled_screen.py FIGURES.json STALL_MS [OPTIONS OF THE SCREEN]

Started by `stalled_run`. Every two seconds it also turns to the next tab, as a trader does, so
that every chart lives. Only the probe of the loop is replaced: the rest is the program.
"""

from __future__ import annotations

import json
import sys
import time
from array import array
from pathlib import Path

import numpy as np
import psutil
from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QApplication

from app import screen_main
from app.cli import main
from app.loop_gap import LoopGapProbe
from ui.main_window import MainWindow

FRAME_MS = 16  # of a screen of 60 Hz
STALL_EVERY_MS = 2_000


class StallingProbe(LoopGapProbe):
    """A timer that wants to fire every frame; how late it came, but for the stalls themselves."""

    file: Path
    stall_ms: int

    def start(self) -> None:
        super().start()
        self._gaps_ms = array("f")  # its own growth is not to be taken for the screen's
        self._memory: list[tuple[float, float]] = []
        self._began_s = self._last_frame_s = time.perf_counter()
        self._is_after_stall = False
        self._frames = QTimer(self)
        self._frames.setInterval(FRAME_MS)
        self._frames.timeout.connect(self._frame)
        self._stalls = QTimer(self)
        self._stalls.setInterval(STALL_EVERY_MS)
        self._stalls.timeout.connect(self._stall)

    def start_is_over(self) -> None:
        super().start_is_over()
        self._frames.start()
        self._stalls.start()

    def stop(self) -> None:
        super().stop()
        self._frames.stop()
        self._stalls.stop()
        figures = {
            "frames": len(self._gaps_ms),
            "frame_ms": {
                "p50": round(float(np.percentile(self._gaps_ms, 50)), 1),
                "p95": round(float(np.percentile(self._gaps_ms, 95)), 1),
                "max": round(max(self._gaps_ms), 1),
            },
            "rss_mb": self._memory,
        }
        self.file.write_text(json.dumps(figures), encoding="utf-8")

    def _frame(self) -> None:
        now_s = time.perf_counter()
        if not self._is_after_stall:
            self._gaps_ms.append((now_s - self._last_frame_s) * 1000)
        self._is_after_stall = False
        self._last_frame_s = now_s

    def _stall(self) -> None:
        now_s = time.perf_counter()
        rss_mb = psutil.Process().memory_info().rss / 1024**2
        self._memory.append((round(now_s - self._began_s, 1), round(rss_mb, 2)))
        _show(len(self._memory))
        if self.stall_ms:
            time.sleep(self.stall_ms / 1000)
            self._is_after_stall = True


def _show(turn: int) -> None:
    for window in QApplication.topLevelWidgets():
        if isinstance(window, MainWindow) and (bots := list(window.bridge.bots)):
            window.show_bot(bots[turn % len(bots)])


if __name__ == "__main__":
    StallingProbe.file = Path(sys.argv[1])
    StallingProbe.stall_ms = int(sys.argv[2])
    screen_main.LoopGapProbe = StallingProbe  # type: ignore[misc]
    sys.exit(main(sys.argv[3:]))
