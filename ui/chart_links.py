"""Groups of charts that look at the same thing: one symbol, one moment under the mouse.

A group has a number and a colour; a chart of none stands alone. A chart in a group follows its
symbol, unless it is a bot's: that one leads, for a bot does not change what it trades.
"""

from __future__ import annotations

from PyQt6.QtCore import QObject, pyqtSignal

ALONE = ""
HUES = {ALONE: "t3", "1": "accent", "2": "sand", "3": "t1"}
"""The theme's token of each group; the number is written beside it."""


class ChartLinks(QObject):
    """Signals: symbol_chosen(group, symbol) when it is another than before; pointed(group, ms UTC
    or None, the chart that says it)."""

    symbol_chosen = pyqtSignal(str, str)
    pointed = pyqtSignal(str, object, object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._symbols: dict[str, str] = {}

    def symbol_of(self, group: str) -> str:
        """What the group looks at; "" before anybody has said."""
        return self._symbols.get(group, "")

    def choose(self, group: str, symbol: str) -> None:
        if group != ALONE and self._symbols.get(group) != symbol:
            self._symbols[group] = symbol
            self.symbol_chosen.emit(group, symbol)

    def point(self, group: str, time_ms: int | None, source: object) -> None:
        """The mouse of `source` is at that moment; None: it has left."""
        if group != ALONE:
            self.pointed.emit(group, time_ms, source)
