"""Shared by the tests of the screen: candle blocks as the engine sends them, and a shown chart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import numpy as np
import pyqtgraph as pg
import pytest
from PyQt6.QtCore import QEvent, QPointF, Qt
from PyQt6.QtGui import QCursor, QMouseEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from core.snapshots import CandleBlock, LiveCandle
from ui import theme
from ui.charts.chart_view import CandleChart
from ui.charts.trading_chart import TradingChart

pg.setConfigOption("mouseRateLimit", -1)  # every mouse move counts, also in a fast test

TIMEFRAME_MS = 900_000
FIRST_MS = 1_763_596_800_000  # 2025-11-20 00:00 UTC


class Market:
    """Makes blocks and live candles of BTCUSDT 15m around `price`, the same every time."""

    first_ms = FIRST_MS
    timeframe_ms = TIMEFRAME_MS

    def __init__(self, price: float = 67_000.0) -> None:
        self.price = price

    def columns(self, rows: int, start: int = 0) -> dict[str, np.ndarray]:
        index = np.arange(start, start + rows)
        close = self.price * (1 + 0.01 * np.sin(index / 9.0))
        opened = self.price * (1 + 0.01 * np.sin((index - 1) / 9.0))
        macd = np.sin(index / 7.0)
        return {
            "open_time_ms": (FIRST_MS + index * TIMEFRAME_MS).astype("<i8"),
            "open": opened,
            "high": np.maximum(opened, close) * 1.001,
            "low": np.minimum(opened, close) * 0.999,
            "close": close,
            "volume": 100 + 50 * np.sin(index / 3.0),
            "ema_20": close,
            "ema_60": opened,
            "rsi_14": 50 + 20 * np.sin(index / 5.0),
            "macd_12_26_9": macd,
            "macd_signal_12_26_9": macd * 0.8,
            "macd_histogram_12_26_9": macd * 0.2,
        }

    def block(
        self, rows: int, start: int = 0, keep: np.ndarray | None = None, *, is_whole: bool = True
    ) -> CandleBlock:
        columns = self.columns(rows, start)
        if keep is not None:
            columns = {name: values[keep] for name, values in columns.items()}
        return CandleBlock(
            "BTCUSDT",
            "15m",
            len(columns["open_time_ms"]),
            {name: np.ascontiguousarray(v).tobytes() for name, v in columns.items()},
            is_whole,
        )

    def candle(self, index: int, close: float | None = None) -> LiveCandle:
        """The bar number `index`; its high and low stretch to `close`."""
        row = {name: float(v[0]) for name, v in self.columns(1, index).items()}
        price = row["close"] if close is None else close
        return LiveCandle(
            "BTCUSDT",
            "15m",
            FIRST_MS + index * TIMEFRAME_MS,
            row["open"],
            max(row["high"], price),
            min(row["low"], price),
            price,
            row["volume"],
            {name: row[name] for name in row if name[0] in "erm"},
        )


@pytest.fixture(autouse=True, scope="session")
def pointer_aside(qapp: QApplication) -> None:
    """A real screen's pointer would hover over the charts that are to be looked at."""
    screen = qapp.primaryScreen()
    assert screen is not None
    QCursor.setPos(screen.geometry().bottomRight())


@pytest.fixture
def market() -> Market:
    return Market()


@pytest.fixture
def dark_theme(qapp: object) -> Iterator[None]:
    """The default look, and back to it afterwards."""
    theme.apply(qapp, "dark", "global")  # type: ignore[arg-type]
    yield
    theme.apply(qapp, "dark", "global")  # type: ignore[arg-type]


@pytest.fixture
def make_chart(qtbot: QtBot, dark_theme: None) -> Callable[..., CandleChart]:
    """Shown charts of BTCUSDT 15m; `block` is their history."""

    def make(block: CandleBlock | None = None, width: int = 1000, height: int = 600) -> CandleChart:
        chart = CandleChart()
        qtbot.addWidget(chart)
        chart.resize(width, height)
        chart.set_instrument(1, Decimal("0.1"), "BTCUSDT", "15m", "BTC")
        if block is not None:
            chart.set_history(block)
        with qtbot.waitExposed(chart):  # a window manager takes its time
            chart.show()
        return chart

    return make


class Hand:
    """Mouse and keys on one chart; positions are px of its canvas."""

    def __init__(self, chart: CandleChart) -> None:
        self._chart = chart

    def _send(
        self, kind: QEvent.Type, at: tuple[float, float], *, held: str, pressed: bool
    ) -> None:
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        button = none if kind is QEvent.Type.MouseMove else left
        buttons = left if pressed else none
        event = QMouseEvent(kind, QPointF(*at), QPointF(*at), button, buttons, _HELD[held])
        QApplication.sendEvent(self._chart.canvas.viewport(), event)

    def move(self, x: float, y: float, held: str = "", *, pressed: bool = False) -> None:
        self._send(QEvent.Type.MouseMove, (x, y), held=held, pressed=pressed)

    def press(self, x: float, y: float, held: str = "") -> None:
        self._send(QEvent.Type.MouseButtonPress, (x, y), held=held, pressed=True)

    def release(self, x: float, y: float, held: str = "") -> None:
        self._send(QEvent.Type.MouseButtonRelease, (x, y), held=held, pressed=False)

    def click(self, x: float, y: float, held: str = "") -> None:
        self.move(x, y, held)
        self.press(x, y, held)
        self.release(x, y, held)

    def drag(self, start: tuple[float, float], end: tuple[float, float], held: str = "") -> None:
        self.press(*start, held)
        self.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, held, pressed=True)
        self.move(*end, held, pressed=True)
        self.release(*end, held)

    def leave(self) -> None:
        QApplication.sendEvent(self._chart.canvas, QEvent(QEvent.Type.Leave))

    def key(self, key: Qt.Key, held: str = "") -> None:
        QTest.keyClick(self._chart.canvas, key, _HELD[held])


_HELD = {
    "": Qt.KeyboardModifier.NoModifier,
    "shift": Qt.KeyboardModifier.ShiftModifier,
    "ctrl": Qt.KeyboardModifier.ControlModifier,
    "alt": Qt.KeyboardModifier.AltModifier,
    "ctrl alt": Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier,
}


@pytest.fixture
def trading_chart(qtbot: QtBot, dark_theme: None, market: Market) -> TradingChart:
    """A shown one with 500 bars of BTCUSDT 15m, 1000 x 600."""
    chart = TradingChart()
    qtbot.addWidget(chart)
    chart.resize(1000, 600)
    chart.set_instrument(1, Decimal("0.1"), "BTCUSDT", "15m", "BTC")
    chart.set_history(market.block(500))
    with qtbot.waitExposed(chart):
        chart.show()
    return chart


@pytest.fixture
def hand(trading_chart: TradingChart) -> Hand:
    return Hand(trading_chart)
