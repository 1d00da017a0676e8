"""A minute with the living demo: six cards that point at the window, once, and again when asked.

Nothing is covered and nothing waits: the market moves on, every button works, and the kill switch
most of all. A card stands beside what it speaks of, a ring around that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from PyQt6 import sip
from PyQt6.QtCore import QEvent, QObject, QPoint, QRect, Qt, pyqtSignal
from PyQt6.QtGui import QKeySequence, QPainter, QPaintEvent, QPen, QShortcut
from PyQt6.QtWidgets import QFrame, QVBoxLayout, QWidget

from ui import i18n, theme
from ui.i18n import tr
from ui.widgets.basic import label, row, show_value
from ui.widgets.buttons import TextButton

_WIDTH, _GAP, _RING = 380, 14, 4


class Stop(NamedTuple):
    """`find` gives what the card points at, None where it is not to be seen."""

    title: str
    text: str
    find: Callable[[], QWidget | None]


STOPS = {
    "badge": (
        "Nothing here is real yet",
        "DEMO: invented prices and money. PAPER: real prices, invented money. LIVE: your money, "
        "by your key. The word stands here always.",
    ),
    "chart": (
        "The chart",
        "Candles come as the engine gets them, with orders, fills and stops on them. The right "
        "mouse button sets an alert at a price.",
    ),
    "start": (
        "Start the bot",
        "It trades one symbol by one strategy: it sizes, checks and sends by itself, and puts a "
        "stop at the exchange. It trades on when you close the window, if you say so.",
    ),
    "blotter": (
        "What it did, and why",
        "Positions, orders and fills. Return on a row shows every step that led to it.",
    ),
    "kill": (
        "The kill switch",
        "One click stops all bots and cancels their orders. Stops at the exchange stay. Trading "
        "goes on only when you say so.",
    ),
    "settings": (
        "Going live",
        "Settings, Add an account: first paper, with real prices, then a key that may trade and "
        "not withdraw. Each bot then asks before it trades real money.",
    ),
}


def window_stops(app_bar: QWidget, tab: QWidget | None) -> list[Stop]:
    """Of the main window with a bot's tab in front; what is not there has its card in the middle.
    The parts are found by their attributes' names: `badge`, `kill`, `settings` of the bar,
    `chart`, `header.start`, `blotter` of the tab."""
    header = getattr(tab, "header", None)
    found: dict[str, Callable[[], QWidget | None]] = {
        "badge": lambda: getattr(app_bar, "badge", None),
        "chart": lambda: getattr(tab, "chart", None),
        "start": lambda: _shown(getattr(header, "start", None)) or header,
        "blotter": lambda: getattr(tab, "blotter", None),
        "kill": lambda: getattr(app_bar, "kill", None),
        "settings": lambda: getattr(app_bar, "settings", None),
    }
    return [Stop(title, text, found[name]) for name, (title, text) in STOPS.items()]


def _shown(button: QWidget | None) -> QWidget | None:
    """Start gives way to Pause while the bot runs."""
    return button if button is not None and button.isVisible() else None


class Tour(QObject):
    """`stops` in order. Signal: ended(), by its last button, Skip or Escape."""

    ended = pyqtSignal()

    def __init__(self, window: QWidget, stops: list[Stop]) -> None:
        super().__init__(window)
        self._window, self._stops, self._number = window, stops, 0
        self.ring = _Ring(window)
        self.card = _Card(window)
        self.card.next.clicked.connect(lambda: self._go(1))
        self.card.back.clicked.connect(lambda: self._go(-1))
        self.card.skip.clicked.connect(self.end)
        self._escape = QShortcut(QKeySequence("Esc"), self.card)
        self._escape.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self._escape.activated.connect(self.end)
        window.installEventFilter(self)
        self._show()

    @property
    def number(self) -> int:
        """Of the stop that is shown, from 0."""
        return self._number

    def end(self) -> None:
        if sip.isdeleted(self.card) or self.card.isHidden():
            return
        self._window.removeEventFilter(self)
        self.card.hide()
        self.ring.hide()
        self.ended.emit()
        for part in (self.card, self.ring, self):
            part.deleteLater()

    def _go(self, step: int) -> None:
        if self._number + step == len(self._stops):
            self.end()
            return
        self._number = max(0, self._number + step)
        self._show()

    def _show(self) -> None:
        stop = self._stops[self._number]
        self.card.show_stop(stop, self._number, len(self._stops))
        self.card.show()
        self._place()
        self.card.next.setFocus()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is not None and event.type() is QEvent.Type.Resize:
            self._place()
        return super().eventFilter(watched, event)

    def _place(self) -> None:
        target = self._stops[self._number].find()
        self.card.fit()
        room = self._window.rect().adjusted(_GAP, _GAP, -_GAP, -_GAP)
        if target is None or not target.isVisible():
            self.ring.hide()
            spot = QRect(room.center(), room.center())
        else:
            corner = target.mapTo(self._window, QPoint(0, 0))
            spot = QRect(corner, target.size())
            self.ring.setGeometry(spot.adjusted(-_RING, -_RING, _RING, _RING))
            self.ring.show()
            self.ring.raise_()
        self.card.move(_beside(spot, self.card.rect(), room))
        self.card.raise_()


def _beside(spot: QRect, card: QRect, room: QRect) -> QPoint:
    """Below `spot` if there is room, else above it, else inside; never outside of the window."""
    x = min(max(spot.center().x() - card.width() // 2, room.left()), room.right() - card.width())
    below, above = spot.bottom() + _GAP, spot.top() - _GAP - card.height()
    if below + card.height() <= room.bottom():
        return QPoint(x, below)
    if above >= room.top():
        return QPoint(x, above)
    return QPoint(x, max(room.top(), spot.center().y() - card.height() // 2))


class _Card(QFrame):
    """Title, two or three sentences, and where one is in the tour."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.setProperty("role", "popup")
        self.setFixedWidth(_WIDTH)
        self.title = label("dialog_title")
        self.text = label("label", tone="t1")
        self.text.setWordWrap(True)
        self.where = label("caption", tone="t3")
        self.skip = TextButton("Skip", kind="link")
        self.back = TextButton("Back")
        self.next = TextButton("Next", kind="primary")
        inside = QVBoxLayout(self)
        inside.setContentsMargins(16, 14, 16, 14)
        inside.setSpacing(10)
        inside.addWidget(self.title)
        inside.addWidget(self.text)
        inside.addLayout(row(self.where, None, self.skip, self.back, self.next))

    def show_stop(self, stop: Stop, number: int, count: int) -> None:
        i18n.set_text(self.title, stop.title)
        i18n.set_text(self.text, stop.text)
        show_value(self.where, tr("{n} of {count}", n=number + 1, count=count))
        last = number + 1 == count
        i18n.set_text(self.next, "Done" if last else "Next")
        self.skip.setVisible(not last)
        self.back.setVisible(number > 0)

    def fit(self) -> None:
        layout = self.layout()
        assert layout is not None
        for child in self.findChildren(QWidget):
            child.ensurePolished()
        layout.activate()
        self.resize(_WIDTH, layout.totalHeightForWidth(_WIDTH))


class _Ring(QWidget):
    """Around what the card speaks of; clicks go through it."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.color("accent"), 2))
        painter.drawRoundedRect(self.rect().adjusted(1, 1, -1, -1), 6, 6)
