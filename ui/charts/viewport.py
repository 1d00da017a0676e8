"""What part of the series is in view, and how wheel, drag and keys change it. No Qt here.

One viewport drives the x range of all panes; each pane keeps its own y range.
"""

from __future__ import annotations

import math

DEFAULT_BARS = 130
ROOM_RIGHT = 6  # empty slots after the newest bar
_MIN_SLOTS = 8.0
_MAX_SLOTS = 200_000.0
_MOST_AT_FIRST = 900  # a chart's first history is 1000 bars
_KEEP_VISIBLE = 3  # bars that stay in view at either end of the series


class Viewport:
    """Slots `left`..`right` (edges, not centres; the bar of slot n covers n-0.5..n+0.5).
    `bars` is how many are shown at first."""

    def __init__(self) -> None:
        self.bars = DEFAULT_BARS
        self.left = 0.0
        self.right = float(DEFAULT_BARS + ROOM_RIGHT)
        self.last_slot = -1

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def sees_last(self) -> bool:
        """Whether the newest bar is in view."""
        return self.left <= self.last_slot <= self.right

    def reset(self, last_slot: int) -> None:
        """The newest `bars`."""
        self.last_slot = last_slot
        self.right = last_slot + 0.5 + ROOM_RIGHT
        self.left = self.right - self.bars - ROOM_RIGHT

    def begin_with(self, bars: float) -> None:
        """So many at first from now on, within reason; the view stays as it is."""
        if math.isfinite(bars):
            self.bars = round(min(_MOST_AT_FIRST, max(_MIN_SLOTS, bars)))

    def go_to_latest(self) -> None:
        """Same zoom, newest bar with its room on the right (a tenth at most when zoomed in)."""
        width = self.width
        self.right = self.last_slot + 0.5 + min(ROOM_RIGHT, width / 4)
        self.left = self.right - width

    def grow(self, last_slot: int) -> bool:
        """A new bar: scrolls along only when the last one was in view. True when it scrolled."""
        step = last_slot - self.last_slot
        was_visible = self.sees_last
        self.last_slot = last_slot
        if step > 0 and was_visible:
            self.left += step
            self.right += step
            return True
        return False

    def shift(self, slots: int) -> None:
        """Older bars came in front: the same bars stay in view under new slot numbers."""
        self.left += slots
        self.right += slots
        self.last_slot += slots

    def pan(self, slots: float) -> None:
        """Moves the view by `slots` (positive: to newer bars), not past the series' ends."""
        if not math.isfinite(slots):
            return
        slots = min(_MAX_SLOTS, max(-_MAX_SLOTS, slots))
        self.left += slots
        self.right += slots
        self._hold()

    def zoom(self, factor: float, anchor: float) -> None:
        """`factor` above 1 shows fewer bars; the slot `anchor` stays where it is."""
        if not (math.isfinite(factor) and factor > 0 and math.isfinite(anchor)):
            return
        most = min(_MAX_SLOTS, max(3.0 * DEFAULT_BARS, 1.5 * (self.last_slot + 1)))
        width = min(most, max(_MIN_SLOTS, self.width / factor))
        share = (anchor - self.left) / self.width
        self.left = anchor - share * width
        self.right = self.left + width
        self._hold()

    def _hold(self) -> None:
        width = self.width
        keep = min(_KEEP_VISIBLE, width / 2)
        lowest_right = -0.5 + keep
        highest_left = max(self.last_slot + 0.5 - keep, -0.5)
        if self.right < lowest_right:
            self.right = lowest_right
            self.left = self.right - width
        if self.left > highest_left:
            self.left = highest_left
            self.right = self.left + width
