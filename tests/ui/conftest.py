"""Shared by the tests of the screen: candle blocks as the engine sends them, and a shown chart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import numpy as np
import pyqtgraph as pg
import pytest
from pytestqt.qtbot import QtBot

from core.snapshots import CandleBlock, LiveCandle
from ui import theme
from ui.charts.chart_view import CandleChart

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
        chart.show()
        return chart

    return make
