"""The strip above the ranking: how far the scan is, every symbol's score, how long scans take."""

from __future__ import annotations

import statistics
from collections import deque
from itertools import pairwise

from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from core.scanning.snapshots import ScanSnapshot, SymbolState
from core.snapshots import EngineSnapshot
from ui import formatting, theme
from ui.i18n import tr
from ui.widgets.basic import (
    INSET,
    ElidedLabel,
    Panel,
    column,
    label,
    row,
    show_value,
    value_label,
)

KEPT_SCANS = 48
_TIMES_WIDE = 236
_LATE = (SymbolState.STALE, SymbolState.LOADING)


class _Bars(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(22)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @staticmethod
    def _slots(width: int, count: int) -> list[tuple[int, int]]:
        """Left edge and width of each bar, whole pixels, a gap of 2 between them."""
        edges = [round(width * i / count) for i in range(count + 1)]
        return [(a, max(1, b - a - (2 if b - a > 3 else 0))) for a, b in pairwise(edges)]


class ScoreBars(_Bars):
    """One bar a symbol, highest first: its score of 100; a dashed line at the entry score; a
    symbol whose data is late has a yellow frame instead."""

    def __init__(self) -> None:
        super().__init__()
        self._bars: list[tuple[float | None, bool]] = []
        self._threshold = 0.0

    def show_scores(self, bars: list[tuple[float | None, bool]], threshold: float) -> None:
        """`bars`: (score 0..100 or None, is late), in the order shown."""
        if (bars, threshold) != (self._bars, self._threshold):
            self._bars, self._threshold = bars, threshold
            self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        if not self._bars:
            return
        painter = QPainter(self)
        height = self.height()
        slots = self._slots(self.width(), len(self._bars))
        for (left, width), (score, is_late) in zip(slots, self._bars, strict=True):
            painter.fillRect(QRectF(left, 0, width, height), theme.color("e2"))
            if is_late:
                painter.setPen(theme.color("warnf"))
                painter.drawRect(QRectF(left, 0, width - 1, height - 1))
            elif score:
                tall = max(2.0, round(height * score / 100))
                token = "accent" if score >= self._threshold else "t3"
                painter.fillRect(QRectF(left, height - tall, width, tall), theme.color(token))
        y = round(height * (1 - self._threshold / 100)) + 0.5
        painter.setPen(QPen(theme.color("t2"), 1, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(0, y), QPointF(self.width(), y))


class TimeBars(_Bars):
    """How long the newest scans took, the newest on the right; one twice the median is yellow."""

    def __init__(self) -> None:
        super().__init__()
        self._times: list[float] = []

    def show_times(self, times_ms: list[float]) -> None:
        if times_ms != self._times:
            self._times = times_ms
            self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        if not self._times:
            return
        painter = QPainter(self)
        most, usual = max(self._times), statistics.median(self._times)
        slots = self._slots(self.width(), KEPT_SCANS)[-len(self._times) :]
        for (left, width), took in zip(slots, self._times, strict=True):
            tall = max(2.0, round(self.height() * took / most)) if most else 2.0
            is_last = took is self._times[-1] and left == slots[-1][0]
            slow = took > 2 * usual and took > 100
            token = "warnf" if slow else "accent" if is_last else "t3"
            painter.fillRect(QRectF(left, self.height() - tall, width, tall), theme.color(token))


class ScanStrip(Panel):
    """92 px."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(92)
        self._number = -1
        self._times_ms: deque[float] = deque(maxlen=KEPT_SCANS)
        self.title, self.progress = label("title"), ElidedLabel("label")
        self.universe = ElidedLabel("caption")
        self.next = value_label()
        self._median, self._slowest = label("caption"), value_label("caption")
        self._scores, self._bars = ScoreBars(), TimeBars()
        self._times = QWidget()
        self._lay_out()

    def _lay_out(self) -> None:
        left = column(spacing=0)
        head = row(self.title, spacing=10)
        head.addWidget(self.progress, 1)
        left.addLayout(head)
        left.addSpacing(8)
        left.addWidget(self._scores)
        left.addSpacing(8)
        left.addWidget(self.universe)
        right = column(spacing=0)
        right.setContentsMargins(24, 0, 0, 0)
        right.addLayout(row(label("label", "Scan time"), None, self.next))
        right.addSpacing(8)
        right.addWidget(self._bars)
        right.addSpacing(8)
        right.addLayout(row(self._median, None, self._slowest))
        self._times.setLayout(right)
        line = QHBoxLayout()
        line.setContentsMargins(INSET, 10, INSET, 10)
        line.setSpacing(0)
        line.addLayout(left, 1)
        line.addWidget(self._times)
        self.body.addLayout(line, 1)
        self.set_narrow(False)

    def set_narrow(self, narrow: bool) -> None:
        self._times.setFixedWidth(216 if narrow else _TIMES_WIDE)

    def take(self, scan: ScanSnapshot, snapshot: EngineSnapshot, runs: bool) -> None:
        """The newest scan; `runs`: whether another one will come."""
        if scan.scan_number != self._number:
            self._number = scan.scan_number
            if scan.took_ms is not None:
                self._times_ms.append(scan.took_ms)
        show_value(self.title, tr("Scan {n}", n=f"{scan.scan_number:,}"))
        self.progress.show_text(self._progress(scan))
        ranked = sorted(scan.rows, key=lambda r: (r.rank is None, r.rank or 0))
        bars = [(r.score, r.state in _LATE) for r in ranked]
        self._scores.show_scores(bars, scan.settings.signal_threshold)
        self._scores.setToolTip(
            tr(
                "Score of every symbol, highest first. The dashed line is the entry score {n}.",
                n=formatting.number(scan.settings.signal_threshold, 0),
            )
        )
        self.universe.show_text(_universe(scan))
        self._show_times(scan, snapshot, runs)

    def _progress(self, scan: ScanSnapshot) -> str:
        """How far it is; or how the last one went."""
        if scan.is_scanning and scan.scanned < scan.scan_total:
            return tr("Scanning {n} of {total}", n=scan.scanned, total=scan.scan_total)
        if scan.last_scan_ms is None:
            return tr("No scan yet")
        scored = sum(r.score is not None for r in scan.rows)
        late = sum(r.state in _LATE for r in scan.rows)
        asked = min(scan.polled_symbols, scan.scan_total)
        parts = [
            tr(
                "{n} of {total} scored in {time}",
                n=scored,
                total=scan.scan_total,
                time=took_text(scan.took_ms),
            ),
            tr("{cached} streamed, {asked} requested", cached=scan.scan_total - asked, asked=asked),
            tr("{fresh} fresh, {late} late", fresh=len(scan.rows) - late, late=late),
        ]
        return " · ".join(parts)

    def _show_times(self, scan: ScanSnapshot, snapshot: EngineSnapshot, runs: bool) -> None:
        times = list(self._times_ms)
        self._bars.show_times(times)
        median = statistics.median(times) if times else None
        slowest = max(times) if times else None
        show_value(self._median, tr("median {time}", time=took_text(median)))
        show_value(self._slowest, tr("slowest {time}", time=took_text(slowest)))
        if scan.next_scan_ms is None or not runs:
            show_value(self.next, formatting.UNKNOWN, "t3")
            return
        left_ms = scan.next_scan_ms - snapshot.market_time_ms
        text = tr("next in {time}", time=formatting.duration(left_ms)) if left_ms > 0 else tr("now")
        show_value(self.next, text, "t1")


def took_text(took_ms: float | None) -> str:
    """How long a scan took: `0.48 s`, `3.1 ms`."""
    if took_ms is None:
        return formatting.UNKNOWN
    if took_ms < 100:
        return f"{took_ms:.1f} ms"
    return tr("{n} s", n=f"{took_ms / 1000:.2f}")


def _universe(scan: ScanSnapshot) -> str:
    """What the filters of the universe kept out."""
    names = {
        "turnover": tr("volume"),
        "listing": tr("too young"),
        "spread": tr("spread"),
        "blocklist": tr("blocked"),
        "taken": tr("not free"),
        "rank": tr("rank"),
    }
    kept_out = [f"{names.get(key, key)} {n}" for key, n in scan.left_out.items() if n]
    watched = tr("{n} symbols watched", n=len(scan.rows))
    if not kept_out:
        return watched
    return f"{watched} · {tr('left out')}: {', '.join(kept_out)}"
