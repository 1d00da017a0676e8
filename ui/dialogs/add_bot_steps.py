"""The steps of the wizard that adds a bot; each says what is missing in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PyQt6.QtCore import (
    QItemSelectionModel,
    QSortFilterProxyModel,
    QStringListModel,
    Qt,
    pyqtSignal,
)
from PyQt6.QtWidgets import (
    QComboBox,
    QFrame,
    QLineEdit,
    QListView,
    QRadioButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from core.parameter_form import PartForm
from core.scanning.settings import ScanSettings
from ui.bridge import Bridge
from ui.i18n import sentence, tr
from ui.models import words
from ui.models.scan_form import SCAN_FIELDS, scan_settings, scan_texts
from ui.models.value_fields import changed_values, default_texts, field_of
from ui.widgets.basic import KeyValue, clear, label, show_value
from ui.widgets.search_field import SearchField
from ui.widgets.signal_choice import SignalChoice
from ui.widgets.value_form import ValueForm

ONE, MANY = "UnifiedBot", "MultiTrader"
_NAME_LENGTH = 40


class Step(QWidget):
    """Signal: changed(). `problem()` is what is missing, in English, "" when nothing is."""

    changed = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.box = QVBoxLayout(self)
        self.box.setContentsMargins(0, 8, 0, 0)
        self.box.setSpacing(8)

    def problem(self) -> str:
        return ""

    def _add_form(self) -> QVBoxLayout:
        """Room for a form that scrolls where it is long."""
        content = QWidget()
        content.setProperty("role", "page")
        inside = QVBoxLayout(content)
        inside.setContentsMargins(0, 4, 12, 4)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(content)
        self.box.addWidget(scroll, 1)
        return inside


class KindStep(Step):
    """What the bot does, on which account."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self.one, self.many = QRadioButton(), QRadioButton()
        self.one.setText(tr("One symbol"))
        self.many.setText(tr("Many symbols"))
        self.one.setChecked(True)
        self.account = QComboBox()
        for account in bridge.snapshot.accounts if bridge.snapshot else []:
            exchange = words.exchange_name(account.exchange)
            self.account.addItem(
                f"{account.name} · {exchange} {account.mode.upper()}", account.name
            )
        for button, text in (
            (self.one, "Follows one symbol, with its chart in front of you."),
            (self.many, "Scores the most traded symbols and enters only the strongest."),
        ):
            hint = label("label")
            hint.setText(sentence(text))
            hint.setWordWrap(True)
            hint.setContentsMargins(22, 0, 0, 8)
            self.box.addWidget(button)
            self.box.addWidget(hint)
        self.box.addWidget(label("label", "Account"))
        self.box.addWidget(self.account)
        self.box.addStretch(1)
        self.one.toggled.connect(self.changed)
        self.account.currentIndexChanged.connect(self.changed)

    @property
    def kind(self) -> str:
        return ONE if self.one.isChecked() else MANY

    def problem(self) -> str:
        return "" if self.account.count() else "There is no account"


class SymbolStep(Step):
    """Which symbol; what is typed narrows the list."""

    def __init__(self, bridge: Bridge, symbol: str) -> None:
        super().__init__()
        self.search = SearchField("Symbol, for example ETH")
        self._symbols = QSortFilterProxyModel(self)
        tradable = sorted(s for s, i in bridge.instruments.items() if i.is_trading)
        self._symbols.setSourceModel(QStringListModel(tradable, self))
        self._symbols.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.list = QListView()
        self.list.setModel(self._symbols)
        self.list.setUniformItemSizes(True)
        self.list.setStyleSheet("QListView { border-radius: 4px } QListView::item { padding: 5px }")
        self.list.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.box.addWidget(self.search)
        self.box.addWidget(self.list, 1)
        self.search.textChanged.connect(self._filter)
        selection = self.list.selectionModel()
        assert selection is not None
        selection.currentChanged.connect(lambda *_: self.changed.emit())
        self.search.setText(symbol)
        self._filter()

    def symbol(self) -> str:
        """The chosen symbol, "" while none is."""
        index = self.list.currentIndex()
        return str(index.data()) if index.isValid() else ""

    def problem(self) -> str:
        return "" if self.symbol() else "Choose a symbol first"

    def _filter(self) -> None:
        self._symbols.setFilterFixedString(self.search.text().strip())
        if self._symbols.rowCount() and not self.list.currentIndex().isValid():
            selection = self.list.selectionModel()
            assert selection is not None
            selection.setCurrentIndex(
                self._symbols.index(0, 0), QItemSelectionModel.SelectionFlag.ClearAndSelect
            )
        self.changed.emit()


class UniverseStep(Step):
    """Which symbols are watched, how often, and when one is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.form = ValueForm(SCAN_FIELDS, scan_texts(ScanSettings()))
        self._add_form().addWidget(self.form)
        self.form.changed.connect(self.changed)

    def settings(self) -> ScanSettings:
        """Raises ValueError while there is a problem."""
        return scan_settings(self.form.texts())

    def problem(self) -> str:
        return "" if self.form.is_valid else "Correct what is marked first"


class PartStep(Step):
    """One of several parts with its parameters: a strategy, a sizing method."""

    def __init__(self, caption: str) -> None:
        super().__init__()
        self.choice = QComboBox()
        self._text = label("label")
        self._text.setWordWrap(True)
        self.form: ValueForm | None = None
        self._parts: dict[str, PartForm] = {}
        heading = label("label")
        heading.setText(tr(caption))
        self.box.addWidget(heading)
        self.box.addWidget(self.choice)
        self.box.addWidget(self._text)
        self._room = self._add_form()
        self.choice.currentIndexChanged.connect(self._show_part)

    def offer(self, parts: Mapping[str, PartForm]) -> None:
        """By the words that the trader reads; the first is chosen."""
        if list(parts) == list(self._parts):
            return
        self._parts = dict(parts)
        self.choice.blockSignals(True)
        self.choice.clear()
        self.choice.addItems(list(parts))
        self.choice.blockSignals(False)
        self._show_part()

    @property
    def part(self) -> PartForm | None:
        return self._parts.get(self.choice.currentText())

    def values(self) -> dict[str, Any]:
        """The parameters that are not at their default. Raises ValueError."""
        if self.part is None or self.form is None:
            return {}
        return changed_values(self.part.parameters, self.form.texts())

    def problem(self) -> str:
        if self.form is not None and not self.form.is_valid:
            return "Correct what is marked first"
        return "" if self.part is not None else "There is nothing to choose"

    def _show_part(self) -> None:
        clear(self._room)
        part = self.part
        self.form = None
        if part is not None:
            show_value(self._text, sentence(part.text))
            fields = [field_of(form) for form in part.parameters]
            self.form = ValueForm(fields, default_texts(part.parameters))
            self.form.changed.connect(self.changed)
            self._room.addWidget(self.form)
            self._room.addStretch(1)
        self.changed.emit()


class StrategyStep(PartStep):
    """When it enters and leaves, and whose candles say so."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__("Strategy")
        self.signals = SignalChoice(bridge)
        self.box.addWidget(self.signals)
        self.signals.changed.connect(self.changed)


class SizingStep(PartStep):
    """How large its positions are, and what it is called."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__("Position size")
        self.name = QLineEdit()
        self.name.setMaxLength(_NAME_LENGTH)
        self.box.addWidget(label("label", "Name"))
        self.box.addWidget(self.name)
        own = PartForm("", "As large as the account's settings say.", [])
        methods = {
            tr(words.SIZING.get(m.name, m.name)): m for m in bridge.sizing_methods
        }  # fmt: skip
        self.offer({tr("As the account"): own, **methods})

    def sizing(self) -> dict[str, Any]:
        """As the configuration writes it; {} is the account's. Raises ValueError."""
        part = self.part
        return {"method": part.name, **self.values()} if part is not None and part.name else {}


class SummaryStep(Step):
    """Everything once more before it is added."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, str] = {}
        self._room = self._add_form()

    def show_lines(self, lines: Mapping[str, str]) -> None:
        """(name, value), in the trader's language."""
        self.lines = dict(lines)
        clear(self._room)
        for name, value in lines.items():
            line = KeyValue("")
            show_value(line.name, name)
            show_value(line.value, value)
            self._room.addWidget(line)
        note = label("label")
        note.setText(tr("The bot stands still until you start it."))
        note.setWordWrap(True)
        note.setContentsMargins(0, 8, 0, 0)
        self._room.addWidget(note)
        self._room.addStretch(1)
