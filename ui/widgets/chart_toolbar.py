"""The chart's toolbar: what is shown left, what is done with it right."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QPoint, Qt, pyqtSignal
from PyQt6.QtWidgets import QButtonGroup, QMenu, QWidget

from core.models.candles import Timeframe
from ui import i18n
from ui.charts.drawings import KINDS
from ui.i18n import tr
from ui.widgets.basic import Divider, row
from ui.widgets.buttons import IconButton, TextButton

_OFFERED = ("1m", "5m", "15m", "1h", "4h", "1d")
_MEASURE = "measure"


def _kind_titles() -> dict[str, str]:
    return {"candles": tr("Candles"), "heikin_ashi": tr("Heikin-Ashi"), "line": tr("Line")}


class ChartToolbar(QWidget):
    """34 px. Signals: timeframe_chosen(str), kind_chosen(str), indicators_wanted(),
    tool_chosen(str), alert_wanted(), marks_shown(bool), unlock_wanted(bool), snapshot_wanted(),
    expand_wanted()."""

    timeframe_chosen = pyqtSignal(str)
    kind_chosen = pyqtSignal(str)
    indicators_wanted = pyqtSignal()
    tool_chosen = pyqtSignal(str)
    alert_wanted = pyqtSignal()
    marks_shown = pyqtSignal(bool)
    unlock_wanted = pyqtSignal(bool)
    snapshot_wanted = pyqtSignal()
    expand_wanted = pyqtSignal()

    def __init__(self, timeframe: str) -> None:
        super().__init__()
        self.setFixedHeight(34)
        self._chips: dict[str, TextButton] = {}
        self._group = QButtonGroup(self)
        self._chip_row = row(spacing=2)
        self._kind = "candles"
        self._line = line = row(spacing=2)
        line.setContentsMargins(6, 0, 10, 0)
        line.addLayout(self._chip_row)
        line.addSpacing(8)
        for name in _OFFERED:
            self._add_chip(name)
        kinds = IconButton("chart-candlestick", "How prices are drawn")
        kinds.clicked.connect(lambda: self._open_kinds(kinds))
        indicators = self._chip("Indicators", "activity", self.indicators_wanted.emit)
        draw = self._chip("Draw", "pencil", lambda: self._open_tools(draw))
        self._measure = self._chip("Measure", "ruler", lambda: self.tool_chosen.emit(_MEASURE))
        self._alert = self._chip("Alert", "bell", self.alert_wanted.emit)
        line.addSpacing(6)
        line.addWidget(Divider())
        line.addSpacing(4)
        for part in (kinds, indicators, draw, self._measure, self._alert):
            line.addWidget(part)
        line.addStretch(1)
        self._marks = TextButton("Fills and orders", kind="chip", icon="eye", color="t2")
        self._marks.setCheckable(True)
        self._marks.setChecked(True)
        self._marks.toggled.connect(self._toggle_marks)
        self.lock = TextButton("Chart trading off", kind="chip", icon="lock", color="t2")
        i18n.set_tool_tip(self.lock, "Lets order, stop and target lines be dragged")
        self.lock.clicked.connect(lambda: self.unlock_wanted.emit(not self._is_unlocked))
        self._is_unlocked = False
        camera = IconButton("camera", "Save a picture of the chart (Alt+S)")
        camera.clicked.connect(self.snapshot_wanted)
        expand = IconButton("maximize-2", "Chart alone, and back (Alt+Enter)")
        expand.clicked.connect(self.expand_wanted)
        for part in (self._marks, self.lock, camera, expand):
            line.addWidget(part)
        self.setLayout(line)
        self.show_timeframe(timeframe)

    def add_first(self, part: QWidget) -> None:
        """Before the intervals."""
        self._line.insertWidget(0, part)

    def set_narrow(self, narrow: bool) -> None:
        for part in (self._measure, self._alert, self._marks):
            part.setVisible(not narrow)

    def show_timeframe(self, timeframe: str) -> None:
        """The chip that is pressed; one is added for a timeframe that is not offered."""
        if timeframe not in self._chips:
            self._add_chip(timeframe)
        for name, chip in self._chips.items():  # Tab goes to the chosen one, arrows to the others
            is_chosen = name == timeframe
            chip.setFocusPolicy(Qt.FocusPolicy.TabFocus if is_chosen else Qt.FocusPolicy.NoFocus)
        self._chips[timeframe].setChecked(True)

    def show_kind(self, kind: str) -> None:
        self._kind = kind

    def show_unlocked(self, is_unlocked: bool) -> None:
        """Whether lines of orders can be dragged now."""
        self._is_unlocked = is_unlocked
        i18n.set_text(self.lock, "Chart trading on" if is_unlocked else "Chart trading off")
        self.lock.show_icon(*(("lock-open", "warn") if is_unlocked else ("lock", "t2")))

    def _chip(self, text: str, icon: str, do: Callable[[], None]) -> TextButton:
        made = TextButton(kind="chip", icon=icon, color="t2")
        i18n.set_text(made, text)
        made.clicked.connect(lambda _checked: do())
        return made

    def _add_chip(self, name: str) -> None:
        chip = TextButton(kind="chip")
        chip.setText({"1d": "1D", "1w": "1W"}.get(name, name))
        chip.setCheckable(True)
        chip.clicked.connect(lambda _checked: self.timeframe_chosen.emit(name))
        self._group.addButton(chip)
        self._chips[name] = chip
        shorter = Timeframe(name).duration_ms
        place = sum(Timeframe(known).duration_ms < shorter for known in self._chips)
        self._chip_row.insertWidget(place, chip)

    def _open_kinds(self, button: QWidget) -> None:
        menu = self._menu()
        for kind, title in _kind_titles().items():
            action = menu.addAction(title)
            if action is not None:
                action.setCheckable(True)
                action.setChecked(kind == self._kind)
                action.triggered.connect(
                    lambda _checked, chosen=kind: self.kind_chosen.emit(chosen)
                )
        menu.popup(button.mapToGlobal(QPoint(0, button.height() + 2)))

    def _open_tools(self, button: QWidget) -> None:
        menu = self._menu()
        tools = {name: f"{tr(kind.title)}\tAlt+{kind.key}" for name, kind in KINDS.items()}
        tools[_MEASURE] = tr("Measure") + "\t" + tr("Shift+drag")
        for name, text in tools.items():
            action = menu.addAction(text)
            if action is not None:
                action.triggered.connect(
                    lambda _checked, chosen=name: self.tool_chosen.emit(chosen)
                )
        menu.popup(button.mapToGlobal(QPoint(0, button.height() + 2)))

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        return menu

    def _toggle_marks(self, shown: bool) -> None:
        self._marks.show_icon("eye" if shown else "eye-off", "t2")
        self.marks_shown.emit(shown)
