"""The order form's small parts: a field with its name inside, a switch of a few words."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import QEvent, QObject, Qt, pyqtSignal
from PyQt6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QLineEdit, QWidget

from ui import i18n, theme
from ui.widgets.basic import label
from ui.widgets.buttons import TextButton


class NumberField(QFrame):
    """Name left, number right, unit behind it, 30 px. Signals: edited(text) by the trader only;
    left() by Return or by going elsewhere; unit_clicked where the unit is a button. The reason of
    an error is its tooltip."""

    edited = pyqtSignal(str)
    left = pyqtSignal()
    unit_clicked = pyqtSignal()

    def __init__(self, name: str, *, unit_is_button: bool = False) -> None:
        super().__init__()
        self.setProperty("role", "field")
        self.setFixedHeight(30)
        self.line = QLineEdit()
        self.line.setProperty("role", "bare")
        self.line.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.line.setMaxLength(24)
        self.line.textEdited.connect(self.edited)
        self.line.editingFinished.connect(self.left)
        self.line.installEventFilter(self)
        caption = label("label", name)
        self.line.setAccessibleName(name)
        self.unit: TextButton | None = None
        self._unit_label = label("label", tone="t3")
        inside = QHBoxLayout(self)
        inside.setContentsMargins(10, 0, 10, 0)
        inside.setSpacing(6)
        inside.addWidget(caption)
        inside.addWidget(self.line, 1)
        if unit_is_button:
            self.unit = TextButton(kind="link")
            self.unit.clicked.connect(self.unit_clicked)
            i18n.set_tool_tip(self.unit, "Size in coins or in money")
            inside.addWidget(self.unit)
        else:
            inside.addWidget(self._unit_label)

    def show_unit(self, text: str) -> None:
        target = self.unit or self._unit_label
        if target.text() != text:
            target.setText(text)

    def show_text(self, text: str) -> None:
        """Not while the trader writes in it."""
        if not self.line.hasFocus():
            self.replace_text(text)

    def replace_text(self, text: str) -> None:
        """Also then: the trader chose it elsewhere, in the book or on the chart."""
        if self.line.text() != text:
            self.line.setText(text)

    def show_error(self, reason: str) -> None:
        """`reason` is English; "" is no error."""
        theme.set_property(self, "error", bool(reason))
        if (self.line.property("trToolTip") or "") != reason:
            i18n.set_tool_tip(self.line, reason)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is not None and event.type() in (QEvent.Type.FocusIn, QEvent.Type.FocusOut):
            theme.set_property(self, "focused", event.type() == QEvent.Type.FocusIn)
        return super().eventFilter(watched, event)


class Choice(QWidget):
    """A few words side by side, one of them chosen. Signal: chosen(key)."""

    chosen = pyqtSignal(str)

    def __init__(self, options: Sequence[tuple[str, str]], kinds: Sequence[str] = ()) -> None:
        """`options`: (key, English word); `kinds`: a stylesheet kind each, else `segment`."""
        super().__init__()
        self.buttons: dict[str, TextButton] = {}
        self._group = QButtonGroup(self)
        inside = QHBoxLayout(self)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(4)
        for number, (key, word) in enumerate(options):
            button = TextButton(word, kind=kinds[number] if kinds else "segment")
            button.setCheckable(True)
            button.clicked.connect(lambda _checked, k=key: self.chosen.emit(k))
            self._group.addButton(button)
            self.buttons[key] = button
            inside.addWidget(button, 1)

    def choose(self, key: str) -> None:
        self.buttons[key].setChecked(True)
