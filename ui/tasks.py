"""Coroutines started from Qt slots: kept alive, never silent.

A refusal by the engine is shown to the trader wherever it came from; an exception goes to the event
loop's handler, which counts it, and leaves everything else running.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from PyQt6.QtCore import QObject, pyqtSignal

from core.commands import CommandResult


class _Signals(QObject):
    refused = pyqtSignal(str)
    done = pyqtSignal(str)


_signals = _Signals()
refused = _signals.refused
"""Bound signal (sentence): the engine said no, or nobody knows."""

done = _signals.done
"""Bound signal (sentence): the engine did what was asked, where nothing else on the screen says
so."""

_running: set[asyncio.Task[Any]] = set()


def spawn(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Run `work` on the screen's loop and hold it until it is done."""
    task = asyncio.get_running_loop().create_task(work)
    _running.add(task)
    task.add_done_callback(_finished)
    return task


def announce(result: CommandResult) -> bool:
    """Tell the trader when `result` is not ok; returns whether it is."""
    if not result.ok:
        refused.emit(result.text)
    return result.ok


def tell(result: CommandResult) -> bool:
    """As `announce`, and the engine's sentence where it said yes."""
    if result.ok and result.text:
        done.emit(result.text)
    return announce(result)


def _finished(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if task.cancelled():
        return
    error = task.exception()
    if error is not None:
        task.get_loop().call_exception_handler(
            {"message": "a task of the screen failed", "exception": error, "task": task}
        )
