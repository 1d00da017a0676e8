"""The chart's toolbar: timeframes left, what is shown right."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QButtonGroup, QWidget

from core.models.candles import Timeframe
from ui.widgets.basic import row
from ui.widgets.buttons import IconButton, TextButton

_OFFERED = ("1m", "5m", "15m", "1h", "4h", "1d")


class ChartToolbar(QWidget):
    """34 px. Signals: timeframe_chosen(str), marks_shown(bool), latest_wanted(), reset_wanted()."""

    timeframe_chosen = pyqtSignal(str)
    marks_shown = pyqtSignal(bool)
    latest_wanted = pyqtSignal()
    reset_wanted = pyqtSignal()

    def __init__(self, timeframe: str) -> None:
        super().__init__()
        self.setFixedHeight(34)
        self._chips: dict[str, TextButton] = {}
        group = QButtonGroup(self)
        line = row(spacing=2)
        line.setContentsMargins(10, 0, 10, 0)
        offered = [*_OFFERED, *([timeframe] if timeframe not in _OFFERED else [])]
        for name in sorted(offered, key=lambda tf: Timeframe(tf).duration_ms):
            chip = TextButton(kind="chip")
            chip.setText("1D" if name == "1d" else name)
            chip.setCheckable(True)
            chip.clicked.connect(lambda _checked, chosen=name: self.timeframe_chosen.emit(chosen))
            group.addButton(chip)
            line.addWidget(chip)
            if name != timeframe:  # Tab goes to the chosen one, arrows to the others
                chip.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            self._chips[name] = chip
        self._chips[timeframe].setChecked(True)
        line.addStretch(1)
        self._marks = TextButton("Fills and orders", kind="chip", icon="eye", color="t2")
        self._marks.setCheckable(True)
        self._marks.setChecked(True)
        self._marks.toggled.connect(self._toggle_marks)
        latest = IconButton("chevrons-right", "Go to the latest bar")
        latest.clicked.connect(self.latest_wanted)
        reset = IconButton("rotate-cw", "Reset the view (Alt+R)")
        reset.clicked.connect(self.reset_wanted)
        for part in (self._marks, latest, reset):
            line.addWidget(part)
        self.setLayout(line)

    def set_narrow(self, narrow: bool) -> None:
        self._marks.setVisible(not narrow)

    def _toggle_marks(self, shown: bool) -> None:
        self._marks.show_icon("eye" if shown else "eye-off", "t2")
        self.marks_shown.emit(shown)
