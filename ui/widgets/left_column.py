"""Bots and watchlist: a column beside a chart, a drawer over it where the window is narrow; either
may be taken out to a window of its own."""

from __future__ import annotations

from PyQt6.QtCore import QSize
from PyQt6.QtWidgets import QBoxLayout, QWidget

from ui.docks import Docks
from ui.panel_layouts import Arrangement, Cell, Stripe
from ui.widgets.basic import GUTTER, column
from ui.widgets.bots_list import BotsList
from ui.widgets.watchlist import Watchlist

_WIDTH, _BOTS_HEIGHT = 268, 260


class LeftColumn(QWidget):
    """Lives in `body`, whose `line` it stands first in while it is a column. Attribute: docks."""

    def __init__(
        self, body: QWidget, line: QBoxLayout, bots: BotsList, watchlist: Watchlist
    ) -> None:
        super().__init__(body)
        self._body, self._line = body, line
        self.setFixedWidth(_WIDTH)
        self.setAutoFillBackground(True)
        self.docks = Docks()
        self.docks.add("bots", "Bots", bots)
        self.docks.add("watchlist", "Watchlist", watchlist)
        self.docks.use_default(_arrange, "watchlist")
        self.setLayout(column(self.docks))
        line.insertWidget(0, self)

    def place(self, *, narrow: bool, on_page: bool) -> None:
        """Pages beside the bots have no column, and no drawer either."""
        is_column = self._line.indexOf(self) >= 0
        if not narrow:
            if not is_column:
                self._line.insertWidget(0, self)
            self.setVisible(not on_page)
            return
        if is_column:
            self._line.removeWidget(self)
            self.hide()
        self.setGeometry(GUTTER, 0, _WIDTH, self._body.height() - GUTTER)
        self.raise_()
        if on_page:
            self.hide()


def _arrange(_room: QSize) -> Arrangement:
    return (Stripe(0, (Cell(_BOTS_HEIGHT, ("bots",)), Cell(0, ("watchlist",)))),)
