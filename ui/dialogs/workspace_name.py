"""A workspace gets a name; the sheet stays open with the reason while it cannot have it."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtWidgets import QLineEdit, QWidget

from ui.dialogs.sheet import Sheet
from ui.i18n import tr
from ui.widgets.basic import label

GO = "go"


class WorkspaceName(Sheet):
    """`do(name)` does it, or returns the reason (English) why not. Attributes: field, problem."""

    def __init__(self, parent: QWidget, title: str, do: Callable[[str], str]) -> None:
        super().__init__(parent, tr(title))
        self._do = do
        self.field = QLineEdit()
        self.field.setMaxLength(40)
        self.field.setFixedHeight(32)
        self.content.addWidget(self.field)
        self.problem = label("error")
        self.problem.setWordWrap(True)
        self.content.addWidget(self.problem)
        self.add_button(GO, tr("OK"), "primary", default=True).setEnabled(False)
        self.add_cancel(default=False)
        self.field.textChanged.connect(self._look)
        self.field.setFocus()

    def _look(self, text: str) -> None:
        self.problem.clear()
        self.buttons[GO].setEnabled(bool(text.strip()))

    def finish_with(self, name: str) -> None:
        no = self._do(self.field.text().strip()) if name == GO else ""
        if no:
            self.problem.setText(tr(no))
            self.fit()
        else:
            super().finish_with(name)
