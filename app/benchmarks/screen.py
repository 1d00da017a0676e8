"""What a frame of the chart costs: a live tick, a pan, eight charts at once; and the first window.

Rivals in the same run, in turn: the candlestick item of pyqtgraph's examples (one QPicture of all
candles, made anew at every change), finplot, and for the window the design's stack. All charts are
the same size, show the newest 130 of the same candles and are painted offscreen; ours has volume,
indicators and two more panes on top. finplot is a tool of this benchmark alone: where it is not
installed, its rows are left out.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np

from app.benchmarks.measure import Row, interleaved
from app.benchmarks.startup import first_window
from core.snapshots import CandleBlock, LiveCandle

CANDLES = 20_000
_SHOWN = 130
_SIZE = (1312, 680)
_STEP_MS = 900_000
_FIRST_MS = 1_600_000_200_000
_ROUNDS = 15
_BURST = 6  # frames one after the other, as they come
_PAN_SLOTS = 7
_CHARTS = 8
_FRAMES_A_S = 30
_Do = Callable[[], None]


def screen() -> list[Row]:
    """Milliseconds a frame, and the share of one core of eight charts."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PyQt6.QtWidgets import QApplication

    app = QApplication.instance() or QApplication(sys.argv[:1])
    from ui import theme

    assert isinstance(app, QApplication)
    theme.apply(app)

    def settle() -> None:
        app.sendPostedEvents()
        app.processEvents()

    ours, example = _Ours(CANDLES, is_plain=True), _Example(CANDLES)
    standard = _Ours(CANDLES)
    finplot = _Finplot(CANDLES) if importlib.util.find_spec("finplot") else None
    settle()
    sides = {"ours": ours.tick, "standard": standard.tick, "pyqtgraph_example": example.tick}
    pans = {"ours": ours.pan, "standard": standard.pan, "pyqtgraph_example": example.pan}
    if finplot is not None:
        sides["finplot"], pans["finplot"] = finplot.tick, finplot.pan
    ticks, pan = _frames(sides, settle), _frames(pans, settle)
    rows = [_row("tick_example", ticks, "pyqtgraph_example")]
    if finplot is not None:
        rows += [_row("tick_finplot", ticks, "finplot"), _row("pan_finplot", pan, "finplot")]
    rows.append(_row("pan_example", pan, "pyqtgraph_example"))
    for chart in (ours, standard):
        chart.close()
    example.close()
    if finplot is not None:
        finplot.close()
    return [*rows, *_flatness(settle), _eight_charts(settle), first_window()]


def _row(name: str, found: dict[str, float], rival: str) -> Row:
    references = {"with_four_indicators": found["standard"]}
    return Row(name, "ms", found["ours"], {rival: found[rival]}, references)


def _frames(sides: dict[str, _Do], settle: _Do) -> dict[str, float]:
    """Median ms from the change to the painted frame, of the screen's thread: all of it is work,
    and what else runs on the machine does not count."""

    def timed(do: _Do) -> Callable[[], float]:
        def burst() -> float:
            settle()  # what another side has left to do is not ours
            start = time.thread_time()
            for _ in range(_BURST):
                do()
                settle()
            return (time.thread_time() - start) * 1000 / _BURST

        return burst

    return interleaved(_ROUNDS, {name: timed(do) for name, do in sides.items()})


def _flatness(settle: _Do) -> list[Row]:
    """10,000 and 200,000 candles: the newest 130 in view, and all of them in view."""
    small, large = _Ours(10_000), _Ours(200_000)
    rows = []
    for name, in_view in (("", False), ("_all_in_view", True)):
        if in_view:
            small.show_all()
            large.show_all()
        for what in ("tick", "pan"):
            sides = {"ours": getattr(large, what), "small": getattr(small, what)}
            found = _frames(sides, settle)
            references = {"of_10000": found["small"]}
            rows.append(Row(f"{what}_200000{name}", "ms", found["ours"], {}, references))
    small.close()
    large.close()
    return rows


def _eight_charts(settle: _Do) -> Row:
    """CPU time of ticks on eight shown charts, as a share of one core at 30 frames a second."""
    charts = [_Ours(CANDLES, (640, 360)) for _ in range(_CHARTS)]
    settle()
    shares = []
    for _ in range(_ROUNDS * _BURST):
        start = time.process_time()
        for chart in charts:
            chart.tick()
        settle()
        shares.append((time.process_time() - start) * _FRAMES_A_S)
    for chart in charts:
        chart.close()
    return Row("eight_charts_30_fps", "core", statistics.median(shares), {})


def _walk(count: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    close = 67_000 * np.exp(np.cumsum(rng.normal(0, 0.001, count)))
    opened = np.concatenate((close[:1], close[:-1]))
    return {
        "open": opened,
        "high": np.maximum(opened, close) * 1.0008,
        "low": np.minimum(opened, close) * 0.9992,
        "close": close,
        "volume": rng.random(count) * 200,
    }


class _Ours:
    """The program's own chart."""

    def __init__(
        self, count: int, size: tuple[int, int] = _SIZE, *, is_plain: bool = False
    ) -> None:
        """`is_plain`: without indicators, as the rivals are."""
        from ui.charts.trading_chart import TradingChart

        self._count, self._number, self._forward = count, 0, True
        self._columns = _walk(count)
        columns = {name: values.astype("<f8") for name, values in self._columns.items()}
        close = columns["close"]
        names = ("ema_20", "ema_60", "rsi_14")
        columns |= dict(zip(names, (close, close * 1.001, 50 + 20 * np.sin(close)), strict=True))
        for name in ("macd", "macd_signal", "macd_histogram"):
            columns[f"{name}_12_26_9"] = np.sin(close / 9)
        raw = {name: values.tobytes() for name, values in columns.items()}
        times = _FIRST_MS + np.arange(count, dtype="<i8") * _STEP_MS
        raw["open_time_ms"] = times.tobytes()
        self._indicators = {name: float(columns[name][-1]) for name in columns if name[0] in "erm"}
        self.chart = TradingChart()
        if is_plain:
            self.chart.set_studies([])
        self.chart.resize(*size)
        self.chart.set_instrument(1, Decimal("0.1"), "BTCUSDT", "15m", "BTC")
        self.chart.set_history(CandleBlock("BTCUSDT", "15m", count, raw, is_end_of_history=True))
        self.chart.show()

    def tick(self) -> None:
        self._number += 1
        last = {name: float(values[-1]) for name, values in self._columns.items()}
        close = last["close"] * (1 + 1e-5 * (self._number % 7 - 3))
        high, low = max(last["high"], close), min(last["low"], close)
        open_time_ms = _FIRST_MS + (self._count - 1) * _STEP_MS
        candle = LiveCandle(
            "BTCUSDT", "15m", open_time_ms, last["open"], high, low, close, last["volume"],
            self._indicators,
        )  # fmt: skip
        self.chart.update_live(candle)
        self.chart.flush()

    def pan(self) -> None:
        canvas = self.chart.canvas
        self._forward = not self._forward
        canvas.viewport_model.pan(_PAN_SLOTS if self._forward else -_PAN_SLOTS)
        canvas.view_changed.emit()

    def show_all(self) -> None:
        canvas = self.chart.canvas
        canvas.viewport_model.zoom(1e-9, float(self._count - 1))
        canvas.view_changed.emit()

    def close(self) -> None:
        self.chart.close()
        self.chart.deleteLater()


class _Example:
    """One graphics item that plays a picture of all candles, as pyqtgraph's example does."""

    def __init__(self, count: int) -> None:
        import pyqtgraph as pg
        from PyQt6.QtCore import QPointF, QRectF
        from PyQt6.QtGui import QPainter, QPicture

        self._columns, self._number, self._forward = _walk(count), 0, True
        columns = self._columns

        class Item(pg.GraphicsObject):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.make()

            def make(self) -> None:
                self.picture = QPicture()
                painter = QPainter(self.picture)
                painter.setPen(pg.mkPen("w"))
                up, down = pg.mkBrush("g"), pg.mkBrush("r")
                rows = zip(*(columns[n] for n in ("open", "close", "low", "high")), strict=True)
                for x, (opened, close, low, high) in enumerate(rows):
                    painter.drawLine(QPointF(x, low), QPointF(x, high))
                    painter.setBrush(down if opened > close else up)
                    painter.drawRect(QRectF(x - 0.33, opened, 0.66, close - opened))
                painter.end()

            def paint(self, painter: QPainter, *_: object) -> None:
                painter.drawPicture(0, 0, self.picture)

            def boundingRect(self) -> QRectF:  # noqa: N802 (Qt's name)
                return QRectF(self.picture.boundingRect())

        self._plot = pg.PlotWidget()
        self._plot.resize(*_SIZE)
        self._item = Item()
        self._plot.addItem(self._item)
        self._plot.setXRange(count - _SHOWN, count + 6, padding=0)
        shown = columns["close"][-_SHOWN:]
        self._plot.setYRange(float(shown.min()), float(shown.max()))
        self._plot.show()

    def tick(self) -> None:
        self._number += 1
        self._columns["close"][-1] *= 1 + 1e-5 * (self._number % 7 - 3)
        self._item.make()
        self._item.informViewBoundsChanged()
        self._item.update()

    def pan(self) -> None:
        self._forward = not self._forward
        step = _PAN_SLOTS if self._forward else -_PAN_SLOTS
        self._plot.getViewBox().translateBy(x=step)

    def close(self) -> None:
        self._plot.close()


class _Finplot:
    """finplot with candles alone."""

    def __init__(self, count: int) -> None:
        import finplot  # type: ignore[import-untyped]
        import pandas as pd

        columns = _walk(count)
        times = pd.to_datetime(_FIRST_MS + np.arange(count) * _STEP_MS, unit="ms")
        names = ("open", "close", "high", "low")
        self._frame = pd.DataFrame({name: columns[name] for name in names}, index=times)
        self._number, self._forward = 0, True
        self._close = float(columns["close"][-1])
        self._axis: Any = finplot.create_plot("", init_zoom_periods=_SHOWN, maximize=False)
        self._candles = finplot.candlestick_ochl(self._frame, ax=self._axis)
        self._window = self._axis.vb.win
        finplot.show(qt_exec=False)
        self._window.resize(*_SIZE)
        self._window.show()

    def tick(self) -> None:
        self._number += 1
        self._close *= 1 + 1e-5 * (self._number % 7 - 3)
        self._frame.iat[len(self._frame) - 1, 1] = self._close
        self._candles.update_data(self._frame)

    def pan(self) -> None:
        self._forward = not self._forward
        self._axis.vb.pan_x(steps=_PAN_SLOTS if self._forward else -_PAN_SLOTS)

    def close(self) -> None:
        self._window.close()
