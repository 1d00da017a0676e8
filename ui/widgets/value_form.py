"""A form of typed values: name and explanation left, entry and unit right, the reason of a refusal
under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QCheckBox, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from core.parameter_form import ParameterKind
from ui import theme
from ui.i18n import sentence, tr
from ui.models.value_fields import ValueField
from ui.widgets.basic import column, label

_ENTRY_WIDE, _UNIT_WIDE, _TEXT_WIDE = 116, 84, 208


class ValueLine(QWidget):
    """One field. Signal: edited()."""

    edited = pyqtSignal()

    def __init__(self, field: ValueField, text: str) -> None:
        super().__init__()
        self.field = field
        name = label("value")
        name.setText(sentence(tr(field.title)))
        hint = label("caption")
        hint.setText(sentence(tr(field.hint)))
        hint.setWordWrap(True)
        self.error = label("error")
        self.error.hide()
        self.entry, self.flag = QLineEdit(text), QCheckBox()
        self.entry.setAccessibleName(field.title)
        self.entry.setFixedSize(_TEXT_WIDE if field.form is None else _ENTRY_WIDE, 28)
        if field.form is not None and field.form.kind is not ParameterKind.TEXT:
            self.entry.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.entry.textChanged.connect(self._check)
        self.flag.setChecked(text == "True")
        self.flag.toggled.connect(self.edited)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(8)
        line.addLayout(column(name, hint, self.error, spacing=1), 1)
        line.addWidget(self.flag if self._is_flag else self.entry)
        if field.form is not None:
            unit = label("label", tone="t3")
            unit.setText(tr(field.unit) if field.unit else "")
            unit.setFixedWidth(_UNIT_WIDE)
            line.addWidget(unit)
        self._check()

    @property
    def _is_flag(self) -> bool:
        return self.field.form is not None and self.field.form.kind is ParameterKind.FLAG

    @property
    def text(self) -> str:
        return str(self.flag.isChecked()) if self._is_flag else self.entry.text().strip()

    @property
    def problem(self) -> str:
        return self.field.problem(self.text)

    def _check(self) -> None:
        problem = self.problem
        theme.set_property(self.entry, "error", bool(problem))
        self.error.setText(problem)
        self.error.setVisible(bool(problem))
        self.edited.emit()


class ValueForm(QWidget):
    """Signal: changed(). Attribute: lines, by name."""

    changed = pyqtSignal()

    def __init__(self, fields: Sequence[ValueField], texts: Mapping[str, str]) -> None:
        super().__init__()
        self.lines = {field.name: ValueLine(field, texts[field.name]) for field in fields}
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(8)
        for line in self.lines.values():
            line.edited.connect(self.changed)
            outer.addWidget(line)

    @property
    def is_valid(self) -> bool:
        return not any(line.problem for line in self.lines.values())

    def texts(self) -> dict[str, str]:
        return {name: line.text for name, line in self.lines.items()}
