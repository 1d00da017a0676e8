"""The dialog that adds a bot: a symbol with search, a timeframe, a strategy, an account."""

from __future__ import annotations

from PyQt6.QtCore import QItemSelectionModel, QSortFilterProxyModel, QStringListModel, Qt
from PyQt6.QtWidgets import QComboBox, QFormLayout, QLabel, QListView, QWidget

from core.commands import CommandResult
from ui.bridge import Bridge
from ui.dialogs.sheet import Sheet
from ui.i18n import sentence, tr
from ui.models import words
from ui.widgets.basic import label
from ui.widgets.search_field import SearchField

_TIMEFRAMES = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d")
_ADD = "add"


def _form_label(text: str) -> QLabel:
    made = label("label", text)
    made.setFixedHeight(32)
    return made


class AddBotDialog(Sheet):
    """Stays open with the engine's sentence below the fields when it says no."""

    def __init__(self, parent: QWidget, bridge: Bridge, symbol: str = "") -> None:
        super().__init__(parent, tr("Add a bot"), width=460)
        self._bridge = bridge
        self.search = SearchField("Symbol, for example ETH")
        self._symbols = QSortFilterProxyModel(self)
        self._symbols.setSourceModel(
            QStringListModel(sorted(s for s, i in bridge.instruments.items() if i.is_trading), self)
        )
        self._symbols.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.list = QListView()
        self.list.setModel(self._symbols)
        self.list.setUniformItemSizes(True)
        self.list.setStyleSheet("QListView { border-radius: 4px } QListView::item { padding: 5px }")
        self.list.setFixedHeight(168)
        self.list.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.timeframe, self.strategy, self.account = QComboBox(), QComboBox(), QComboBox()
        self.timeframe.addItems(_TIMEFRAMES)
        self.timeframe.setCurrentText("15m")
        self.strategy.addItems(bridge.strategies)
        for account in bridge.snapshot.accounts if bridge.snapshot else []:
            name = (
                f"{account.name} · {words.exchange_name(account.exchange)} {account.mode.upper()}"
            )
            self.account.addItem(name, account.name)
        self.problem = label("error")
        self.problem.setWordWrap(True)
        self.problem.hide()
        self._lay_out()
        self.search.textChanged.connect(self._filter)
        self.list.doubleClicked.connect(lambda _index: self.finish_with(_ADD))
        selection = self.list.selectionModel()
        assert selection is not None
        selection.currentChanged.connect(lambda *_: self._check())
        self.search.setText(symbol)
        self._filter()
        self.search.setFocus()

    def _lay_out(self) -> None:
        self.content.addWidget(self.search)
        self.content.addWidget(self.list)
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(8)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(_form_label("Timeframe"), self.timeframe)
        form.addRow(_form_label("Strategy"), self.strategy)
        form.addRow(_form_label("Account"), self.account)
        self.content.addLayout(form)
        self.content.addWidget(self.problem)
        add = self.add_button(_ADD, tr("Add bot"), "primary", default=True)
        add.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.add_cancel(default=False)

    def symbol(self) -> str:
        """The chosen symbol, "" while none is."""
        index = self.list.currentIndex()
        return str(index.data()) if index.isValid() else ""

    async def ask_and_add(self) -> CommandResult | None:
        """Until the engine accepts, or the trader gives up (None)."""
        try:
            while await self.ask_again() == _ADD:
                result = await self._bridge.add_bot(
                    self.account.currentData(),
                    self.symbol(),
                    self.timeframe.currentText(),
                    self.strategy.currentText(),
                )
                if result.ok:
                    return result
                self.problem.setText(sentence(result.text))
                self.problem.show()
        finally:
            self.leave()
        return None

    def _filter(self) -> None:
        self._symbols.setFilterFixedString(self.search.text().strip())
        if self._symbols.rowCount() and not self.list.currentIndex().isValid():
            selection = self.list.selectionModel()
            assert selection is not None
            selection.setCurrentIndex(
                self._symbols.index(0, 0), QItemSelectionModel.SelectionFlag.ClearAndSelect
            )
        self._check()

    def _check(self) -> None:
        button = self.buttons[_ADD]
        ready = bool(self.symbol()) and self.strategy.count() > 0 and self.account.count() > 0
        button.setEnabled(ready)
        button.setToolTip("" if ready else tr("Choose a symbol first"))
