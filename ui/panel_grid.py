"""The default layout, drawn by Qt's own splitters: borders move, panels do not.

Most traders never move a panel, and the docking library costs a tab a third of a second (each time
it takes a panel into its hands, the whole of it is styled anew); so it comes when it is called for.
"""

from __future__ import annotations

from collections.abc import Mapping

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QFrame, QSplitter, QStackedWidget, QTabBar, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.panel_layouts import GUTTER, Arrangement, Cell, Stripe, shared, structure_of


class PanelGrid(QSplitter):
    """Panels by name where `arrangement` says; `elastic` takes what the window grows by.
    Signal: moved() when a border was dragged."""

    moved = pyqtSignal()

    def __init__(
        self,
        arrangement: Arrangement,
        panels: Mapping[str, QWidget],
        titles: Mapping[str, str],
        elastic: str,
    ) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._arrangement, self._panels, self._titles = arrangement, panels, titles
        self._stripes: list[QSplitter] = []
        self._cells: list[tuple[tuple[str, ...], QWidget]] = []
        self._prepare(self)
        for stripe in arrangement:
            column = QSplitter(Qt.Orientation.Vertical)
            self._prepare(column)
            for cell in stripe.cells:
                made = self._make_cell(cell)
                self._cells.append((cell.names, made))
                column.addWidget(made)
            grows = [elastic in cell.names for cell in stripe.cells]
            if not any(grows):
                grows[-1] = True
            for i, does in enumerate(grows):
                column.setStretchFactor(i, int(does))
            self.addWidget(column)
            self.setStretchFactor(len(self._stripes), int(elastic in _names(stripe)))
            self._stripes.append(column)

    def _prepare(self, splitter: QSplitter) -> None:
        splitter.setHandleWidth(GUTTER)
        splitter.setChildrenCollapsible(False)
        splitter.splitterMoved.connect(lambda _at, _i: self.moved.emit())

    def _make_cell(self, cell: Cell) -> QWidget:
        if len(cell.names) == 1:
            return self._panels[cell.names[0]]
        return _Tabs({n: (self._titles[n], self._panels[n]) for n in cell.names})

    def fill(self, arrangement: Arrangement, width: int, height: int) -> None:
        """Give the cells the sizes of an arrangement with the same structure, in px."""
        self._arrangement = arrangement
        self.setSizes(shared((stripe.width for stripe in arrangement), width))
        for column, stripe in zip(self._stripes, arrangement, strict=True):
            column.setSizes(shared((cell.height for cell in stripe.cells), height))

    def fits(self, arrangement: Arrangement) -> bool:
        """Whether `fill` can take it."""
        return structure_of(arrangement) == structure_of(self._arrangement)

    def measured(self) -> Arrangement:
        """As it is now, border by border."""
        return tuple(
            Stripe(
                width,
                tuple(Cell(h, c.names) for h, c in zip(column.sizes(), stripe.cells, strict=True)),
            )
            for width, column, stripe in zip(
                self.sizes(), self._stripes, self._arrangement, strict=True
            )
        )

    def show_but(self, hidden: set[str]) -> None:
        """Everything but these panels."""
        for names, cell in self._cells:
            cell.setVisible(not hidden.issuperset(names))
        for column, stripe in zip(self._stripes, self._arrangement, strict=True):
            column.setVisible(not hidden.issuperset(_names(stripe)))

    def release(self) -> None:
        """The panels leave, for another layout."""
        for panel in self._panels.values():
            panel.setParent(None)

    def retitle(self) -> None:
        for _, cell in self._cells:
            if isinstance(cell, _Tabs):
                cell.retitle()


def _names(stripe: Stripe) -> tuple[str, ...]:
    return tuple(name for cell in stripe.cells for name in cell.names)


class _Tabs(QFrame):
    """Panels one behind the other, with their names above."""

    def __init__(self, panels: Mapping[str, tuple[str, QWidget]]) -> None:
        super().__init__()
        self.setProperty("role", "panel")
        self._titles = [title for title, _ in panels.values()]
        self._bar, self._stack = QTabBar(), QStackedWidget()
        self._bar.setProperty("kind", "sub")
        self._bar.setExpanding(False)
        for title, panel in panels.values():
            self._bar.addTab(tr(title))
            self._stack.addWidget(panel)
        self._bar.currentChanged.connect(self._stack.setCurrentIndex)
        lines = QVBoxLayout(self)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.setSpacing(0)
        lines.addWidget(self._bar)
        lines.addWidget(self._stack, 1)

    def retitle(self) -> None:
        for i, title in enumerate(self._titles):
            self._bar.setTabText(i, tr(title))
