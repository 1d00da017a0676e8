"""The engine before the screen, where both want the same core.

A screen wakes up some hundred times a second, and the kernel likes to give it the core at once:
the engine then stands still in the midst of a message. On Linux a batch process waits for the end
of what is running (sched(7)); nobody sees a frame that comes a millisecond later. Children inherit
that, and unlike niceness it may be taken back without privileges. Elsewhere nothing is changed.
"""

from __future__ import annotations

import contextlib
import os
import sys


def step_back() -> None:
    """The screen's: interrupt nobody from now on."""
    if sys.platform == "linux":
        _exchange_policy(os.SCHED_OTHER, os.SCHED_BATCH)


def step_forward() -> None:
    """The engine's: as any process again, also where a screen has started it."""
    if sys.platform == "linux":
        _exchange_policy(os.SCHED_BATCH, os.SCHED_OTHER)


def _exchange_policy(former: int, new: int) -> None:
    """What the trader has chosen for the program otherwise stays."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a container may forbid it: then it is as it was
            if os.sched_getscheduler(0) == former:
                os.sched_setscheduler(0, new, os.sched_param(0))
