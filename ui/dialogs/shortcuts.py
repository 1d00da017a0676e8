"""All keyboard shortcuts, and where the trader gives them other keys."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QKeySequence
from PyQt6.QtWidgets import QGridLayout, QKeySequenceEdit, QScrollArea, QWidget

from ui import shortcuts
from ui.dialogs.sheet import Sheet
from ui.i18n import tr
from ui.shortcuts import FIXED, SHORTCUTS, Shortcut
from ui.widgets.basic import label, show_value, value_label
from ui.widgets.buttons import TextButton

_WIDTH, _HEIGHT, _FIELD_WIDTH = 560, 520, 170


class ShortcutsDialog(Sheet):
    """A change counts at once; one that cannot be is refused with its reason."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, tr("Keyboard shortcuts"), width=_WIDTH)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.fields: dict[str, QKeySequenceEdit] = {}
        self.problem = label("error")
        lines = QGridLayout()
        lines.setContentsMargins(0, 0, 12, 0)
        lines.setHorizontalSpacing(12)
        lines.setVerticalSpacing(4)
        lines.setColumnStretch(0, 1)
        groups: dict[str, list[tuple[str, Shortcut]]] = {}
        for name, entry in (*SHORTCUTS.items(), *(("", fixed) for fixed in FIXED)):
            groups.setdefault(entry.group, []).append((name, entry))
        for group, entries in groups.items():
            head = label("title", group)
            head.setContentsMargins(0, 8, 0, 0)
            lines.addWidget(head, lines.rowCount(), 0)
            for name, entry in entries:
                self._add_line(lines, name, entry)
        page = QWidget()
        page.setProperty("role", "page")
        page.setLayout(lines)
        scroll = QScrollArea()
        scroll.setWidget(page)
        scroll.setWidgetResizable(True)
        scroll.setFixedHeight(_HEIGHT)
        self.content.addWidget(scroll)
        self.content.addWidget(self.problem)
        delivered = TextButton("Restore default keys")
        delivered.clicked.connect(self._reset)
        self.button_row.insertWidget(0, delivered)
        close = self.add_button("", tr("Close"), "primary", default=True)
        close.setFocus()

    def _add_line(self, lines: QGridLayout, name: str, entry: Shortcut) -> None:
        at = lines.rowCount()
        lines.addWidget(label("label", entry.text), at, 0)
        if not name:
            fixed = value_label()
            show_value(fixed, entry.keys)
            fixed.setFixedHeight(28)
            lines.addWidget(fixed, at, 1)
            return
        field = QKeySequenceEdit(QKeySequence(shortcuts.keys_of(name)))
        field.setMaximumSequenceLength(1)
        field.setFixedWidth(_FIELD_WIDTH)
        field.setAccessibleName(tr(entry.text))
        field.editingFinished.connect(lambda: self._assign(name))
        self.fields[name] = field
        lines.addWidget(field, at, 1)

    def _assign(self, name: str) -> None:
        field = self.fields[name]
        wanted = field.keySequence().toString()
        if wanted == shortcuts.keys_of(name):
            return
        refused = shortcuts.assign(name, wanted)
        self.problem.setText(f"{wanted}: {_in_words(refused)}" if refused else "")
        if refused:
            field.setKeySequence(QKeySequence(shortcuts.keys_of(name)))

    def _reset(self) -> None:
        shortcuts.reset()
        for name, field in self.fields.items():
            field.setKeySequence(QKeySequence(shortcuts.keys_of(name)))
        self.problem.setText("")


def _in_words(refused: str) -> str:
    head, found, text = refused.partition(": ")
    return f"{tr(head)}: {tr(text)}" if found else tr(refused)
