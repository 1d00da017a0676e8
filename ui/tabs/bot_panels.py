"""How the panels of a bot's tab stand by default, and which make room in a small window.

Head and chart are one panel: whoever takes the chart to another screen takes Pause and Stop along.
"""

from __future__ import annotations

from PyQt6.QtCore import QSize
from PyQt6.QtWidgets import QWidget

from ui.docks import Docks
from ui.panel_layouts import Arrangement, Cell, Stripe
from ui.widgets.basic import GUTTER, column

CHART, BLOTTER, POSITION, ORDER, BOOK, RISK = (
    "chart", "blotter", "position", "order", "book", "risk"
)  # fmt: skip
_TITLES = {
    CHART: "Chart",
    BLOTTER: "Positions and orders",
    POSITION: "Position",
    ORDER: "Order",
    BOOK: "Order book",
    RISK: "Risk limits",
}
SIDE = (POSITION, ORDER, BOOK, RISK)
_RIGHT_WIDE, _RIGHT_NARROW = 324, 280
_BLOTTER_WIDE, _BLOTTER_NARROW = 224, 124
_POSITION, _ORDER, _BOOK, _RISK, _TABS = 200, 412, 192, 188, 34


class BotPanels(Docks):
    """`panels` by the names above, all of them; `header` stands over the chart."""

    def __init__(self, header: QWidget, panels: dict[str, QWidget]) -> None:
        super().__init__()
        self._header = header
        self._is_narrow = self._is_alone = False
        chart = QWidget()
        lines = column(header, spacing=GUTTER)
        lines.addWidget(panels[CHART], 1)
        chart.setLayout(lines)
        panels[BLOTTER].setMinimumHeight(_BLOTTER_NARROW)  # its pages would like more
        for name, title in _TITLES.items():
            inside = chart if name == CHART else panels[name]
            self.add(name, title, inside, scrolls=name in SIDE)
        self.use_default(self._arrange, CHART)

    def set_narrow(self, narrow: bool) -> None:
        if narrow != self._is_narrow:
            self._is_narrow = narrow
            self.fit()

    @property
    def is_side_shown(self) -> bool:
        """Whether anything of the right column is there, in the tab."""
        return any(self.is_open(name) and not self.is_floating(name) for name in SIDE)

    def show_side(self, shown: bool) -> None:
        """The right column; panels that the trader has closed himself stay closed, unless that
        are all of them."""
        if self._is_alone:
            return
        if not shown:
            self.hide_for_room(*SIDE)
            return
        self.show_again(*SIDE)
        if not any(self.is_open(name) for name in SIDE):
            for name in SIDE:
                self.put_back(name)

    def show_chart_alone(self) -> None:
        """And with the next call everything again."""
        self._is_alone = not self._is_alone
        self._header.setVisible(not self._is_alone)
        if self._is_alone:
            self.hide_for_room(BLOTTER, *SIDE)
        else:
            self.show_again()

    def _arrange(self, room: QSize) -> Arrangement:
        low = _BLOTTER_NARROW if self._is_narrow else _BLOTTER_WIDE
        right = _RIGHT_NARROW if self._is_narrow else _RIGHT_WIDE
        return (
            Stripe(0, (Cell(0, (CHART,)), Cell(low, (BLOTTER,)))),
            Stripe(right, _side(room.height())),
        )


def _side(height: int) -> tuple[Cell, ...]:
    """The right column: what has no room of its own goes behind its neighbour."""
    position, order = Cell(_POSITION, (POSITION,)), Cell(_ORDER, (ORDER,))
    if height >= _POSITION + _ORDER + _BOOK + _RISK + 3 * GUTTER:
        return (position, order, Cell(_BOOK, (BOOK,)), Cell(0, (RISK,)))
    if height >= _POSITION + _ORDER + _TABS + _BOOK + 2 * GUTTER:
        return (position, order, Cell(0, (BOOK, RISK)))
    return (position, Cell(0, (ORDER, BOOK, RISK)))
