"""Short messages bottom right: three at most, the newest on top; all are in the log too."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QEvent, QObject, QRectF, QTimer, pyqtSignal
from PyQt6.QtGui import QPainter, QPaintEvent
from PyQt6.QtWidgets import QFrame, QWidget

from ui import theme
from ui.widgets.basic import ElidedLabel, ThemedIcon, column, row
from ui.widgets.buttons import IconButton, TextButton

_WIDTH, _HEIGHT, _MOST, _EDGE = 420, 62, 3, 3
_SHOWN_MS = {"info": 4_000, "warning": 8_000}  # danger stays until it is closed
_LOOKS = {
    "info": ("circle-check", "t2"),
    "warning": ("triangle-alert", "warn"),
    "danger": ("circle-x", "danger"),
}


class Toast(QFrame):
    """Edge, icon, title, one sentence, one action. Signal: finished(), closed or out of time."""

    finished = pyqtSignal()

    def __init__(
        self, severity: str, title: str, text: str, action: tuple[str, Callable[[], None]] | None
    ) -> None:
        super().__init__()
        self.setProperty("role", "popup")
        self.setFixedSize(_WIDTH, _HEIGHT)
        icon, self._token = _LOOKS.get(severity, _LOOKS["info"])
        heading = ElidedLabel("title")
        heading.show_text(title)
        body = ElidedLabel("label")
        body.show_text(text)
        close = IconButton("x", "Close")
        close.clicked.connect(self.finished)
        line = row(spacing=10)
        line.setContentsMargins(16, 0, 8, 0)
        line.addWidget(ThemedIcon(icon, self._token, 16))
        line.addLayout(column(None, heading, body, None, spacing=2), 1)
        if action is not None:
            name, do = action
            button = TextButton(name, kind="link")
            button.clicked.connect(do)
            button.clicked.connect(self.finished)
            line.addWidget(button)
        line.addWidget(close)
        self.setLayout(line)
        shown_ms = _SHOWN_MS.get(severity)
        if shown_ms is not None:
            # a child: it dies with the toast; a bare `emit` later would reach a deleted object
            timer = QTimer(self)
            timer.setSingleShot(True)
            timer.timeout.connect(self.finished)
            timer.start(shown_ms)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.fillRect(QRectF(0, 6, _EDGE, self.height() - 12), theme.color(self._token))


class Toaster(QWidget):
    """Keeps the toasts in the lower right corner of its window, above everything else."""

    def __init__(self, window: QWidget, bottom: int) -> None:
        super().__init__(window)
        self._window, self._bottom = window, bottom
        self._toasts: list[Toast] = []
        self._stack = column(spacing=8)
        self.setLayout(self._stack)
        window.installEventFilter(self)
        self.hide()

    def show_toast(
        self,
        severity: str,
        title: str,
        text: str,
        action: tuple[str, Callable[[], None]] | None = None,
    ) -> None:
        """`title` and `text` as the trader reads them; `action` is (English name, what it does)."""
        made = Toast(severity, title, text, action)
        made.finished.connect(lambda: self._remove(made))
        self._toasts.insert(0, made)
        self._stack.insertWidget(0, made)
        for oldest in self._toasts[_MOST:]:
            self._remove(oldest)
        self._place()

    def clear(self) -> None:
        for toast in list(self._toasts):
            self._remove(toast)

    def _remove(self, toast: Toast) -> None:
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
