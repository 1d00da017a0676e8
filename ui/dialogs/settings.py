"""The settings, from the table in `ui.setting_rows`; each takes effect while the dialog is open."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QWidget

from ui import i18n
from ui.dialogs.sheet import Sheet
from ui.i18n import tr
from ui.setting_rows import ROWS, SettingRow
from ui.settings import ScreenSettings
from ui.widgets.basic import column, label, row, rule
from ui.widgets.buttons import TextButton

_CHOICE_WIDTH = 260
_WAYS_A_LINE = 3


class SettingsDialog(Sheet):
    """`ways` are other places where something is set: an English word and what opens it.
    Attribute: controls (by the row's name)."""

    def __init__(
        self,
        parent: QWidget,
        settings: ScreenSettings,
        ways: Sequence[tuple[str, Callable[[], object]]] = (),
    ) -> None:
        super().__init__(parent, tr("Settings"), width=620)
        self._settings = settings
        self.controls: dict[str, QComboBox | QCheckBox] = {}
        group = ""
        for entry in ROWS:
            if entry.group != group:
                if group:
                    self.content.addWidget(rule())
                group = entry.group
                self.content.addWidget(label("title", group))
            self.content.addLayout(self._line(entry))
        if ways:
            self.content.addWidget(rule())
            buttons = [self._way(*way) for way in ways]
            for first in range(0, len(buttons), _WAYS_A_LINE):
                line = buttons[first : first + _WAYS_A_LINE]
                self.content.addLayout(row(*line, None, spacing=16))
        close = self.add_button("", tr("Close"), default=True)
        i18n.set_text(close, "Close")
        i18n.language.changed.connect(self._retranslate)

    def _line(self, entry: SettingRow) -> QHBoxLayout:
        words = column(label("label", entry.title, tone="t1"), spacing=2)
        if entry.hint:
            words.addWidget(label("caption", entry.hint))
        control = self._switch(entry) if entry.is_switch else self._choice(entry)
        control.setAccessibleName(tr(entry.title))
        self.controls[entry.name] = control
        line = row(spacing=16)
        line.addLayout(words, 1)
        line.addWidget(control, 0, Qt.AlignmentFlag.AlignRight)
        return line

    def _switch(self, entry: SettingRow) -> QCheckBox:
        box = QCheckBox()
        box.setChecked(entry.read(self._settings) == "on")
        box.toggled.connect(lambda on: entry.choose(self._settings, "on" if on else "off"))
        return box

    def _choice(self, entry: SettingRow) -> QComboBox:
        box = QComboBox()
        box.setFixedWidth(_CHOICE_WIDTH)
        for name, word in entry.choices.items():
            box.addItem(tr(word), name)
        box.setCurrentIndex(box.findData(entry.read(self._settings)))
        box.activated.connect(lambda i: entry.choose(self._settings, box.itemData(i)))
        return box

    def _way(self, text: str, do: Callable[[], object]) -> TextButton:
        """Elsewhere: this closes first."""
        button = TextButton(text, kind="link")

        def go() -> None:
            self.finish_with("")
            do()

        button.clicked.connect(lambda _on: go())
        return button

    def _retranslate(self, _language: str) -> None:
        for entry in ROWS:
            box = self.controls[entry.name]
            if isinstance(box, QComboBox):
                for i, word in enumerate(entry.choices.values()):
                    box.setItemText(i, tr(word))
        self.setWindowTitle(tr("Settings"))
        for heading in self.findChildren(QLabel):
            if heading.property("role") == "dialog_title":
                heading.setText(tr("Settings"))
        self.fit()
