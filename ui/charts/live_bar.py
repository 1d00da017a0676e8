"""The forming bar on its way to the chart: the newest tick at most 30 times a second, every closed
bar always."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QObject, QTimer

from core.snapshots import LiveCandle

_FRAME_MS = 33


class LiveBar(QObject):
    """`take(candle)` draws. Attribute: newest, the last value that was offered."""

    def __init__(self, parent: QObject, take: Callable[[LiveCandle], None]) -> None:
        super().__init__(parent)
        self.newest: LiveCandle | None = None
        self._take = take
        self._waiting: LiveCandle | None = None
        self._closed_ms = -1  # open time of the newest bar known to be final
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_FRAME_MS)
        self._timer.timeout.connect(self.flush)

    def reset(self) -> None:
        """Another series."""
        self.newest = self._waiting = None
        self._closed_ms = -1

    def offer(self, candle: LiveCandle) -> None:
        """Ignored are a repeated value and a bar that has already closed: a snapshot may be older
        than the ordered feed."""
        if candle == self.newest or candle.open_time_ms <= self._closed_ms:
            return
        self.newest = candle
        if self._waiting is not None and candle.open_time_ms > self._waiting.open_time_ms:
            self.flush()
        self._waiting = candle
        if not self._timer.isActive():
            self._timer.start()

    def close(self, candle: LiveCandle) -> None:
        """It is final."""
        if self._waiting is not None and self._waiting.open_time_ms <= candle.open_time_ms:
            self._waiting = None
        self._closed_ms = max(self._closed_ms, candle.open_time_ms)
        self._take(candle)

    def flush(self) -> None:
        """Draws what waits now; otherwise within 33 ms."""
        self._timer.stop()
        candle, self._waiting = self._waiting, None
        if candle is not None:
            self._take(candle)
