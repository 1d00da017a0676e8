"""The order book: the best levels of both sides, their sums, and a price at a click.

Rows stand still while the mouse is over them, and a click counts only if the row still shows the
price that was pressed: nobody trades a price that slipped under the finger.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from PyQt6.QtCore import QEvent, QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QEnterEvent, QMouseEvent, QPainter, QPaintEvent
from PyQt6.QtWidgets import QWidget

from core.models.books import OrderBookSnapshot
from core.models.instruments import Instrument
from core.snapshots import EngineSnapshot
from ui import fonts, formatting, theme
from ui.bridge import Bridge
from ui.i18n import tr
from ui.widgets.basic import INSET, Panel, label, show_value

_ROW, _SIDE_ROWS = 16, 4
_MIDDLE = 20
_GAP = 12
_LEAST_SHARE = Decimal("0.00001")
_SIZE_RIGHT = 0.62  # of the width: where sizes end
HEIGHT = 34 + 2 * _SIDE_ROWS * _ROW + _MIDDLE + 8


class Level(NamedTuple):
    """One row. `total` is the quantity up to here, from the best price on."""

    price: Decimal
    quantity: Decimal
    total: Decimal
    is_ask: bool


def levels_of(book: OrderBookSnapshot, rows: int) -> list[Level]:
    """Top to bottom as painted: the asks from far to near, then the bids from near to far."""
    sides = []
    for levels, is_ask in ((book.asks, True), (book.bids, False)):
        total, made = Decimal(0), []
        for price, quantity in levels[:rows]:
            total += quantity
            made.append(Level(price, quantity, total, is_ask))
        sides.append(made)
    return [*reversed(sides[0]), *sides[1]]


def _spread_words(book: OrderBookSnapshot, instrument: Instrument) -> tuple[str, ...]:
    """The spread, the longest wording first; a share that rounds to nothing is none."""
    spread, best = book.asks[0].price - book.bids[0].price, book.asks[0].price
    price = f"{tr('spread')} {formatting.price(spread, instrument.price_decimals)}"
    share = spread / best if best > 0 else Decimal(0)
    if share < _LEAST_SHARE:
        return (price,)
    return f"{price} · {formatting.percent(share, 3, sign=False)}", price


class BookRows(QWidget):
    """Painted whole. Attribute: last, the newest traded price, between the sides. Signal:
    chosen(price)."""

    chosen = pyqtSignal(Decimal)

    def __init__(self) -> None:
        super().__init__()
        self.setMouseTracking(True)
        self.setFixedHeight(HEIGHT - 34)
        self._shown: OrderBookSnapshot | None = None
        self._newest: OrderBookSnapshot | None = None
        self._instrument: Instrument | None = None
        self.last: Decimal | None = None
        self._last_hue = "t1"
        self._levels: list[Level] = []
        self._is_hovered = False
        self._pressed: Decimal | None = None
        theme.changed.connect(self.update)

    @property
    def levels(self) -> list[Level]:
        return self._levels

    def show_book(self, book: OrderBookSnapshot | None, instrument: Instrument | None) -> None:
        self._newest, self._instrument = book, instrument
        if not self._is_hovered or book is None:
            self._take_newest()

    def show_last(self, price: Decimal | None) -> None:
        """The newest traded price, in the hue of its last step; under the mouse it goes on."""
        if price == self.last:
            return
        if price is not None and self.last is not None:
            self._last_hue = "up" if price > self.last else "down"
        self.last = price
        self.update()

    def _take_newest(self) -> None:
        if self._newest == self._shown and self._levels:
            return
        self._shown = self._newest
        self._levels = levels_of(self._shown, _SIDE_ROWS) if self._shown is not None else []
        self.update()

    def level_at(self, y: float) -> Level | None:
        """The row under `y` px; None in the middle line and outside."""
        asks = sum(level.is_ask for level in self._levels)
        top = (_SIDE_ROWS - asks) * _ROW
        middle = _SIDE_ROWS * _ROW
        if top <= y < middle:
            return self._levels[int((y - top) // _ROW)]
        below = y - middle - _MIDDLE
        number = asks + int(below // _ROW)
        return self._levels[number] if below >= 0 and number < len(self._levels) else None

    def _area_of(self, number: int) -> QRectF:
        asks = sum(level.is_ask for level in self._levels)
        if number < asks:
            top = (_SIDE_ROWS - asks + number) * _ROW
        else:
            top = _SIDE_ROWS * _ROW + _MIDDLE + (number - asks) * _ROW
        return QRectF(0, top, self.width(), _ROW)

    # The mouse

    def enterEvent(self, event: QEnterEvent | None) -> None:
        super().enterEvent(event)
        self._is_hovered = True

    def leaveEvent(self, event: QEvent | None) -> None:
        super().leaveEvent(event)
        self._is_hovered, self._pressed = False, None
        self._take_newest()
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        super().mouseMoveEvent(event)
        self.update()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        level = self.level_at(event.position().y()) if event is not None else None
        self._pressed = level.price if level is not None else None

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        level = self.level_at(event.position().y()) if event is not None else None
        pressed, self._pressed = self._pressed, None
        if level is not None and level.price == pressed:
            self.chosen.emit(level.price)

    # The picture

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        instrument = self._instrument
        if not self._levels or instrument is None:
            painter.setFont(theme.font(12, 400))
            painter.setPen(theme.color("t3"))
            centre = Qt.AlignmentFlag.AlignCenter
            painter.drawText(self.rect(), centre, tr("No order book yet"))
            return
        deepest = max(level.total for level in self._levels)
        pointer = self.mapFromGlobal(self.cursor().pos()).toPointF() if self._is_hovered else None
        for number, level in enumerate(self._levels):
            self._paint_row(painter, self._area_of(number), level, deepest, pointer)
        self._paint_middle(painter, instrument)

    def _paint_row(
        self,
        painter: QPainter,
        area: QRectF,
        level: Level,
        deepest: Decimal,
        pointer: QPointF | None,
    ) -> None:
        instrument = self._instrument
        assert instrument is not None
        hue = "down" if level.is_ask else "up"
        share = float(level.total / deepest) if deepest else 0.0
        depth = (area.width() - 2 * INSET) * share
        painter.fillRect(
            QRectF(area.right() - INSET - depth, area.top(), depth, area.height() - 1),
            theme.color(hue, 0.12),
        )
        if pointer is not None and area.contains(pointer):
            painter.fillRect(area, theme.color("t1", 0.06))
        baseline = fonts.baseline(area.center().y(), 12, 500)
        painter.setFont(theme.font(12, 500))
        painter.setPen(theme.color(hue))
        painter.drawText(INSET, baseline, formatting.price(level.price, instrument.price_decimals))
        painter.setPen(theme.color("t1"))
        decimals = instrument.quantity_decimals
        right = self.width() - INSET
        self._right_text(painter, right * _SIZE_RIGHT, baseline, level.quantity, decimals)
        painter.setPen(theme.color("t2"))
        self._right_text(painter, right, baseline, level.total, decimals)

    @staticmethod
    def _right_text(
        painter: QPainter, right: float, baseline: int, value: Decimal, decimals: int
    ) -> None:
        text = formatting.quantity(value, decimals)
        width = fonts.metrics(12, 500).horizontalAdvance(text)
        painter.drawText(round(right - width), baseline, text)

    def _paint_middle(self, painter: QPainter, instrument: Instrument) -> None:
        book = self._shown
        if book is None or not book.bids or not book.asks:
            return
        y = _SIDE_ROWS * _ROW + _MIDDLE / 2
        left = float(INSET)
        if self.last is not None:
            text = formatting.price(self.last, instrument.price_decimals)
            painter.setFont(theme.font(13, 600))
            painter.setPen(theme.color(self._last_hue))
            painter.drawText(INSET, fonts.baseline(y, 13, 600), text)
            left += fonts.metrics(13, 600).horizontalAdvance(text) + _GAP
        painter.setFont(theme.font(11, 400))
        painter.setPen(theme.color("t3"))
        metrics, baseline = fonts.metrics(11, 400), fonts.baseline(y, 11, 400)
        total = f"{tr('Total')} {instrument.base}"
        right = self.width() - INSET - metrics.horizontalAdvance(total)
        painter.drawText(round(right), baseline, total)
        for text in _spread_words(book, instrument):
            width = metrics.horizontalAdvance(text)
            if left + width + _GAP <= right:
                middle = (self.width() - INSET) * _SIZE_RIGHT - width
                x = min(max(left, middle), right - _GAP - width)
                painter.drawText(round(x), baseline, text)
                return


class OrderBookPanel(Panel):
    """The book of one symbol. Signal: price_chosen(price)."""

    price_chosen = pyqtSignal(Decimal)

    def __init__(self, bridge: Bridge, symbol: str) -> None:
        super().__init__("Order book")
        self._bridge, self._symbol = bridge, symbol
        self._step = label("caption")
        self.head.addWidget(self._step)
        self.head.setContentsMargins(INSET, 0, INSET, 0)
        self.rows = BookRows()
        self.rows.chosen.connect(self.price_chosen)
        self.body.addWidget(self.rows)
        self.setFixedHeight(HEIGHT)
        bridge.snapshot_changed.connect(self._take)

    def _take(self, snapshot: EngineSnapshot) -> None:
        if not self.isVisible():
            return
        book = next((b for b in snapshot.books if b.symbol == self._symbol), None)
        instrument = self._bridge.instruments.get(self._symbol)
        if self._bridge.is_price_stale(self._symbol):
            book = None
        ticker = self._bridge.ticker(self._symbol)
        self.rows.show_last(ticker.ticker.last_price if ticker is not None else None)
        self.rows.show_book(book, instrument)
        if instrument is not None:
            tick = formatting.price(instrument.tick_size, instrument.price_decimals)
            show_value(self._step, f"{tr('Step')} {tick}")
