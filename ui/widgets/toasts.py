"""Short messages bottom right: three at most, the newest on top; all are in the log too."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from PyQt6.QtCore import QEvent, QObject, QRectF, QTimer, pyqtSignal
from PyQt6.QtGui import QPainter, QPaintEvent
from PyQt6.QtWidgets import QFrame, QWidget

from ui import theme
from ui.i18n import tr
from ui.widgets.basic import ElidedLabel, ThemedIcon, column, row
from ui.widgets.buttons import IconButton, TextButton

_WIDTH, _HEIGHT, _MOST, _EDGE = 420, 62, 3, 3
_FLOOD_MOST, _FLOOD_S = 6, 5.0  # new toasts in so many seconds; the rest is counted
_SHOWN_MS = {"info": 4_000, "warning": 8_000}  # danger stays until it is closed
_LOOKS = {
    "info": ("circle-check", "t2"),
    "warning": ("triangle-alert", "warn"),
    "danger": ("circle-x", "danger"),
}

Action = tuple[str, Callable[[], None]]


class Toast(QFrame):
    """Edge, icon, title, one sentence, one action. Signal: finished(), closed or out of time."""

    finished = pyqtSignal()

    def __init__(self, severity: str, words: tuple[str, str], action: Action | None) -> None:
        super().__init__()
        self.setProperty("role", "popup")
        self.setFixedSize(_WIDTH, _HEIGHT)
        self.severity, self.words = severity, words
        self._times = 1
        icon, self._token = _LOOKS.get(severity, _LOOKS["info"])
        self._heading, self._body = ElidedLabel("title"), ElidedLabel("label")
        self._show_words()
        close = IconButton("x", "Close")
        close.clicked.connect(self.finished)
        line = row(spacing=10)
        line.setContentsMargins(16, 0, 8, 0)
        line.addWidget(ThemedIcon(icon, self._token, 16))
        line.addLayout(column(None, self._heading, self._body, None, spacing=2), 1)
        if action is not None:
            name, do = action
            button = TextButton(name, kind="link")
            button.clicked.connect(do)
            button.clicked.connect(self.finished)
            line.addWidget(button)
        line.addWidget(close)
        self.setLayout(line)
        # a child: it dies with the toast; a bare `emit` later would reach a deleted object
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.finished)
        self._start()

    def repeat(self) -> None:
        """The same again: counted, and its time begins anew."""
        self._times += 1
        self._show_words()
        self._start()

    def retell(self, words: tuple[str, str]) -> None:
        """Other words in the same place."""
        self.words = words
        self._show_words()
        self._start()

    def _show_words(self) -> None:
        title, text = self.words
        self._heading.show_text(f"{title} × {self._times}" if self._times > 1 else title)
        self._body.show_text(text)

    def _start(self) -> None:
        shown_ms = _SHOWN_MS.get(self.severity)
        if shown_ms is not None:
            self._timer.start(shown_ms)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.fillRect(QRectF(0, 6, _EDGE, self.height() - 12), theme.color(self._token))


class Toaster(QWidget):
    """Keeps the toasts in the lower right corner of its window, above everything else.

    A flood stays readable: the same words are counted in their toast, an information never pushes
    a danger away, and what comes faster than anyone can read becomes one toast that counts it.
    """

    def __init__(
        self, window: QWidget, bottom: int, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(window)
        self._window, self._bottom, self._now_s = window, bottom, now_s
        self._toasts: list[Toast] = []
        self._shown_s: deque[float] = deque()
        self._flood: Toast | None = None
        self._held_back = 0
        self._stack = column(spacing=8)
        self.setLayout(self._stack)
        window.installEventFilter(self)
        self.hide()

    def show_toast(
        self, severity: str, title: str, text: str, action: Action | None = None
    ) -> None:
        """`title` and `text` as the trader reads them; `action` is (English name, what it does)."""
        same = next(
            (t for t in self._toasts if (t.severity, t.words) == (severity, (title, text))), None
        )
        if same is not None:
            same.repeat()
            return
        now_s = self._now_s()
        while self._shown_s and now_s - self._shown_s[0] > _FLOOD_S:
            self._shown_s.popleft()
        if len(self._shown_s) >= _FLOOD_MOST:
            self._count_held_back()
            return
        self._shown_s.append(now_s)
        self._add(Toast(severity, (title, text), action))

    def clear(self) -> None:
        for toast in list(self._toasts):
            self._remove(toast)

    def _add(self, made: Toast) -> None:
        made.finished.connect(lambda: self._remove(made))
        self._toasts.insert(0, made)
        self._stack.insertWidget(0, made)
        while len(self._toasts) > _MOST:
            self._remove(self._least())
        self._place()

    def _least(self) -> Toast:
        """What has to make room: the oldest of the least severe ones."""
        order = list(_LOOKS)
        return min(
            reversed(self._toasts),
            key=lambda t: order.index(t.severity) if t.severity in order else 0,
        )

    def _count_held_back(self) -> None:
        self._held_back += 1
        words = (tr("{n} more messages", n=self._held_back), tr("All of them are in the log."))
        if self._flood is not None:
            self._flood.retell(words)
            return
        self._flood = Toast("warning", words, None)
        self._add(self._flood)

    def _remove(self, toast: Toast) -> None:
        if toast is self._flood:
            self._flood, self._held_back = None, 0
        if toast in self._toasts:
            self._toasts.remove(toast)
            self._stack.removeWidget(toast)
            toast.hide()
            toast.deleteLater()
            self._place()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is not None and event.type() is QEvent.Type.Resize:
            self._place()
        return super().eventFilter(watched, event)

    def _place(self) -> None:
        count = len(self._toasts)
        self.setVisible(count > 0)
        if count:
            height = count * _HEIGHT + (count - 1) * 8
            self.setGeometry(
                self._window.width() - _WIDTH - 12,
                self._window.height() - self._bottom - height,
                _WIDTH,
                height,
            )
            self.raise_()
