"""Small boxes over the chart: a field that is asked one thing, the list of indicators, and the
buttons of an indicator in the legend. Children of the chart, not dialogs: the market goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PyQt6.QtCore import QEvent, QObject, QPoint, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from core.indicators.catalogue import INDICATORS
from ui.charts.studies import Study
from ui.i18n import sentence, tr
from ui.widgets.basic import label
from ui.widgets.buttons import IconButton
from ui.widgets.search_field import SearchField

_LIST_WIDTH, _ROW_HEIGHT, _MOST_ROWS = 360, 30, 12
_BOX_WIDTH = 260
_SMALL = "min-width: 22px; max-width: 22px; min-height: 20px; max-height: 20px;"


class _Box(QFrame):
    """Closes with Esc and when the focus goes elsewhere; gives the keys back to the chart."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "popup")
        self.hide()

    def open_at(self, at: QPoint) -> None:
        """With its top left corner at `at` (px of the chart), moved inside it."""
        parent = self.parentWidget()
        self.adjustSize()
        if parent is not None:
            most = QPoint(parent.width() - self.width() - 4, parent.height() - self.height() - 4)
            at = QPoint(max(4, min(at.x(), most.x())), max(4, min(at.y(), most.y())))
        self.move(at)
        self.show()
        self.raise_()

    def close_box(self) -> None:
        self.hide()
        parent = self.parentWidget()
        if parent is not None:
            parent.setFocus(Qt.FocusReason.OtherFocusReason)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is not None and event.key() == Qt.Key.Key_Escape:
            self.close_box()
            return
        if event is not None:
            event.accept()  # what is typed here never reaches the chart


class AskBox(_Box):
    """One field. Enter takes what is written when `understand` can read it (it raises ValueError
    with a sentence when not); the sentence stands under the field meanwhile."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setFixedWidth(_BOX_WIDTH)
        self.title, self.hint = label("caption"), label("caption")
        self.hint.setWordWrap(True)
        self.field = QLineEdit()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 10)
        layout.setSpacing(6)
        for part in (self.title, self.field, self.hint):
            layout.addWidget(part)
        self._understand: Callable[[str], None] = lambda _text: None
        self.field.returnPressed.connect(self._take)
        self.field.textEdited.connect(lambda _text: self._say(""))
        self.field.installEventFilter(self)

    def ask(
        self, at: QPoint, title: str, text: str, understand: Callable[[str], None], hint: str = ""
    ) -> None:
        """`title` and `hint` in the trader's language; the field begins with `text`."""
        self._understand = understand
        self.title.setText(title)
        self.field.setText(text)
        self._say(hint)
        self.open_at(at)
        self.field.setFocus()
        self.field.end(False)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if (
            watched is self.field
            and event is not None
            and event.type() == QEvent.Type.FocusOut
            and self.isVisible()
        ):
            self.hide()
        return super().eventFilter(watched, event)

    def _take(self) -> None:
        try:
            self._understand(self.field.text())
        except ValueError as fault:
            self._say(sentence(str(fault)))
        else:
            self.close_box()

    def _say(self, text: str) -> None:
        self.hint.setText(text)
        self.hint.setVisible(bool(text))
        self.adjustSize()


class IndicatorList(_Box):
    """Every indicator there is, and those on the chart. Signals: chosen(name), removed(Study)."""

    chosen = pyqtSignal(str)
    removed = pyqtSignal(object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setFixedWidth(_LIST_WIDTH)
        self.search = SearchField("Search indicators")
        self.rows = QListWidget()
        self.rows.setUniformItemSizes(True)
        self.rows.setStyleSheet(
            "QListView { background: transparent; } QListView::item { padding: 0 8px; }"
        )
        self.rows.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.rows.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._studies: Sequence[Study] = ()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(6)
        layout.addWidget(self.search)
        layout.addWidget(self.rows)
        self.search.textChanged.connect(lambda _text: self._fill())
        self.search.returnPressed.connect(lambda: self._take(self.rows.currentItem()))
        self.rows.itemClicked.connect(self._take)
        self.search.installEventFilter(self)

    def open_with(self, at: QPoint, studies: Sequence[Study]) -> None:
        self._studies = studies
        self.search.clear()
        self._fill()
        self.open_at(at)
        self.search.setFocus()

    def _fill(self) -> None:
        words = self.search.text().casefold().split()
        self.rows.clear()
        for name, kind in INDICATORS.items():
            self._add(f"{kind.title}  ·  {tr(kind.meaning)}", name, words)
        for study in self._studies:
            self._add(tr("Remove {indicator}", indicator=study.title), study, words)
        shown = min(max(1, self.rows.count()), _MOST_ROWS)
        self.rows.setFixedHeight(shown * _ROW_HEIGHT + 4)
        self.rows.setCurrentRow(0)
        self.adjustSize()

    def _add(self, text: str, value: object, words: list[str]) -> None:
        if all(word in text.casefold() for word in words):
            item = QListWidgetItem(text)
            item.setData(Qt.ItemDataRole.UserRole, value)
            item.setSizeHint(QSize(0, _ROW_HEIGHT))
            self.rows.addItem(item)

    def _take(self, item: QListWidgetItem | None) -> None:
        if item is None:
            return
        value = item.data(Qt.ItemDataRole.UserRole)
        self.close_box()
        if isinstance(value, Study):
            self.removed.emit(value)
        else:
            self.chosen.emit(value)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if watched is self.search and event is not None:
            if event.type() == QEvent.Type.FocusOut and self.isVisible():
                self.hide()
            if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
                step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()), 0)
                if step:
                    row = self.rows.currentRow() + step
                    self.rows.setCurrentRow(max(0, min(row, self.rows.count() - 1)))
                    return True
        return super().eventFilter(watched, event)


class StudyBar(QFrame):
    """Hide, settings and remove beside an indicator's name. Signals: hide_wanted(Study),
    settings_wanted(Study), remove_wanted(Study)."""

    hide_wanted = pyqtSignal(object)
    settings_wanted = pyqtSignal(object)
    remove_wanted = pyqtSignal(object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "popup")
        self.study: Study | None = None
        self.eye = IconButton("eye", "Show or hide")
        self.settings = IconButton("settings-2", "Settings")
        self.remove = IconButton("x", "Remove")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(1, 1, 1, 1)
        layout.setSpacing(0)
        for button, tell in (
            (self.eye, self.hide_wanted.emit),
            (self.settings, self.settings_wanted.emit),
            (self.remove, self.remove_wanted.emit),
        ):
            button.setStyleSheet(_SMALL)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.clicked.connect(lambda _checked, told=tell: self._tell(told))
            layout.addWidget(button)
        self.hide()

    def show_for(self, study: Study, at: QPoint) -> None:
        """At `at` (px of the chart)."""
        self.study = study
        self.eye.show_icon("eye-off" if study.is_hidden else "eye")
        self.settings.setVisible(bool(study.spec.parameters))
        self.adjustSize()
        self.move(at)
        self.show()
        self.raise_()

    def _tell(self, tell: Callable[[Study], None]) -> None:
        self.hide()
        if self.study is not None:
            tell(self.study)
