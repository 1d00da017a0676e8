"""Measures how long the screen's loop was ever busy with one thing: the largest gap of a timer."""

from __future__ import annotations

import time

from PyQt6.QtCore import QObject, Qt, QTimer

_TICK_MS = 10


class LoopGapProbe(QObject):
    """Attributes: start_max_ms until `start_is_over`, run_max_ms from then on."""

    def __init__(self) -> None:
        super().__init__()
        self.start_max_ms = 0.0
        self.run_max_ms = 0.0
        self._is_starting = True
        self._last_s = time.perf_counter()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)

    def start(self) -> None:
        self._last_s = time.perf_counter()
        self._timer.start(_TICK_MS)

    def start_is_over(self) -> None:
        """The first chart stands: from here a gap is one that a trader would feel."""
        self._tick()
        self._is_starting = False

    def stop(self) -> None:
        self._timer.stop()

    def _tick(self) -> None:
        now_s = time.perf_counter()
        gap_ms = (now_s - self._last_s) * 1000
        self._last_s = now_s
        if self._is_starting:
            self.start_max_ms = max(self.start_max_ms, gap_ms)
        else:
            self.run_max_ms = max(self.run_max_ms, gap_ms)
