"""Hooks that turn every unhandled exception and Qt warning into a counted log line.

Installed before anything else in the screen: PyQt6 calls `qFatal` on an exception in a slot unless
`sys.excepthook` has been replaced, and a trader's window must not vanish for a wrong label.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from types import TracebackType
from typing import Any

from PyQt6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

_LOG = logging.getLogger("twinstar.crash_guard")
_QT_LOG = logging.getLogger("twinstar.qt")
_QT_HARMLESS = (QtMsgType.QtDebugMsg, QtMsgType.QtInfoMsg)
_OFFSCREEN_NOISE = "This plugin does not support propagateSizeHints()"


class CrashGuard:
    """Counts what nobody handled. Attributes: unhandled_exceptions, qt_warnings."""

    def __init__(self) -> None:
        self.unhandled_exceptions = 0
        self.qt_warnings = 0

    def install(self) -> None:
        """Take over the process-wide hooks; call once, before the QApplication exists."""
        sys.excepthook = self.on_exception
        sys.unraisablehook = self._on_unraisable
        threading.excepthook = self._on_thread_exception
        qInstallMessageHandler(self._on_qt_message)

    def watch_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Count what tasks of this loop leave behind."""
        loop.set_exception_handler(self._on_loop_exception)

    def on_exception(
        self,
        kind: type[BaseException],
        error: BaseException,
        trace: TracebackType | None,
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        self.unhandled_exceptions += 1
        _LOG.error("unhandled exception", exc_info=(kind, error, trace))

    def _on_unraisable(self, unraisable: Any) -> None:
        self.unhandled_exceptions += 1
        error = unraisable.exc_value
        _LOG.error("exception in %r", unraisable.object, exc_info=error)

    def _on_thread_exception(self, args: threading.ExceptHookArgs) -> None:
        error = args.exc_value or args.exc_type()
        self.on_exception(args.exc_type, error, args.exc_traceback)

    def _on_loop_exception(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.unhandled_exceptions += 1
        _LOG.error(
            "unhandled in the event loop: %s",
            context.get("message"),
            exc_info=context.get("exception"),
        )

    def _on_qt_message(
        self, kind: QtMsgType, context: QMessageLogContext, message: str | None
    ) -> None:
        if kind in _QT_HARMLESS or message == _OFFSCREEN_NOISE:
            # the offscreen platform says that of every window with a minimum size
            _QT_LOG.debug("%s", message)
            return
        self.qt_warnings += 1
        _QT_LOG.warning("%s (%s)", message, context.category)
