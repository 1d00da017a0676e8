"""The newest lines of the log, always in sight under the blotter."""

from __future__ import annotations

from PyQt6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from ui import formatting
from ui.models.log import LogLine
from ui.widgets.basic import INSET, ElidedLabel, label, rule, show_value

EVENTS = 3


class LatestEvents(QWidget):
    def __init__(self) -> None:
        super().__init__()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(INSET, 0, INSET, 3)  # three whole rows of a table above it
        outer.setSpacing(3)
        outer.addWidget(rule())
        outer.addWidget(label("caption", "Latest events"))
        lines = QGridLayout()
        lines.setContentsMargins(0, 0, 0, 0)
        lines.setHorizontalSpacing(12)
        lines.setVerticalSpacing(0)
        lines.setColumnMinimumWidth(0, 80)
        lines.setColumnMinimumWidth(1, 80)
        lines.setColumnStretch(2, 1)
        self._lines = [
            (label("label", tone="t3"), label("value"), ElidedLabel("label")) for _ in range(EVENTS)
        ]
        for i, parts in enumerate(self._lines):
            lines.setRowMinimumHeight(i, 20)
            for j, part in enumerate(parts):
                lines.addWidget(part, i, j)
        outer.addLayout(lines)

    def show_lines(self, lines: list[LogLine]) -> None:
        """The first `EVENTS` of these, newest first."""
        shown = lines[:EVENTS]
        empty = [None] * (EVENTS - len(shown))
        for (time, title, text), line in zip(self._lines, [*shown, *empty], strict=True):
            show_value(time, formatting.clock_ms(line.time_ms) if line else "")
            show_value(title, line.title if line else "", line.tone if line else "t1")
            text.show_text(line.text if line else "")
