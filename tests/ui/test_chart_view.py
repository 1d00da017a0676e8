"""The live chart as a trader uses it: mouse, keys, ticks, states, pixels."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QImage, QMouseEvent, QPainter, QWheelEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from core.models.fills import Fill
from core.models.orders import Side
from core.models.positions import Position
from core.snapshots import CandleBlock, FillRecord, PositionSnapshot
from ui import theme
from ui.charts.axes import AXIS_WIDTH
from ui.charts.bars_chart import BarsChart
from ui.charts.canvas import PRICE
from ui.charts.chart_view import CandleChart
from ui.charts.equity_chart import EquityChart
from ui.charts.pane import PaneItem
from ui.stylesheet import mix

# Said by Qt's offscreen platform for every window; nothing of ours.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support propagateSizeHints")
ROOT = Path(__file__).resolve().parents[2]
MakeChart = Callable[..., CandleChart]
RSI, MACD = 1, 2  # of the standard chart


def _wheel(chart: CandleChart, x: float, y: float, notches: int) -> None:
    position = QPointF(x, y)
    event = QWheelEvent(
        position,
        QPointF(chart.canvas.mapToGlobal(QPoint(int(x), int(y)))),
        QPoint(0, 0),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(chart.canvas.viewport(), event)


def _drag(chart: CandleChart, start: tuple[int, int], end: tuple[int, int]) -> None:
    port = chart.canvas.viewport()
    QTest.mousePress(port, Qt.MouseButton.LeftButton, pos=QPoint(*start))
    QTest.mouseMove(port, QPoint(*end))
    QTest.mouseRelease(port, Qt.MouseButton.LeftButton, pos=QPoint(*end))


def _move(chart: CandleChart, x: int, y: int) -> None:
    position = QPointF(x, y)
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        position,
        position,
        Qt.MouseButton.NoButton,
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(chart.canvas.viewport(), event)


def _image(chart: CandleChart) -> QImage:
    return chart.grab().toImage()


def _bytes(image: QImage) -> np.ndarray:
    """Blue, green, red and padding of every pixel."""
    converted = image.convertToFormat(QImage.Format.Format_RGB32)
    bits = converted.constBits()
    assert bits is not None
    return np.frombuffer(bits.asarray(converted.sizeInBytes()), np.uint8).copy()  # its memory ends


def _count(image: QImage, code: str) -> int:
    pixels = _bytes(image).view("<u4") & 0xFFFFFF
    return int(np.count_nonzero(pixels == int(code[1:], 16)))


def test_the_wheel_zooms_around_the_cursor(make_chart: MakeChart, market) -> None:
    """ux 19"""
    chart = make_chart(market.block(500))
    view, pane = chart.canvas.viewport_model, chart.canvas.panes[PRICE]
    width, under = view.width, pane.slot_at(400)
    _wheel(chart, 400, 200, 2)
    assert view.width < width
    assert pane.slot_at(400) == pytest.approx(under, abs=0.01)


def test_a_drag_pans_all_panes_together(make_chart: MakeChart, market) -> None:
    """ux 20, 34"""
    chart = make_chart(market.block(500))
    width = chart.canvas.viewport_model.width
    before = chart.canvas.panes[PRICE].slots
    _drag(chart, (400, 200), (500, 210))
    moved = chart.canvas.panes[PRICE].slots
    assert moved[0] < before[0]
    assert chart.canvas.viewport_model.width == pytest.approx(width)
    assert chart.canvas.panes[RSI].slots == chart.canvas.panes[MACD].slots == moved
    ranges = [pane.viewRange()[0] for pane in chart.canvas.panes]
    assert ranges[0] == ranges[1] == ranges[2]


def test_the_scale_follows_the_visible_bars_with_room_for_legend_and_volume(
    make_chart: MakeChart, market
) -> None:
    """ux 22"""
    chart = make_chart(market.block(500))
    _drag(chart, (300, 200), (800, 200))
    pane = chart.canvas.panes[PRICE]
    first, last = (int(edge) + 1 for edge in pane.slots)
    columns = market.columns(500)
    assert pane.y_of(columns["high"][first:last].max()) >= 51.9
    lowest = pane.y_of(columns["low"][first:last].min())
    assert lowest <= pane.height_px * 0.851


def test_dragging_the_price_axis_switches_auto_off_and_a_double_click_on(
    make_chart: MakeChart, market
) -> None:
    """ux 21, 22"""
    chart = make_chart(market.block(500))
    axis_x = chart.width() - AXIS_WIDTH // 2
    pane = chart.canvas.panes[PRICE]
    low, high = pane.values
    _drag(chart, (axis_x, 200), (axis_x, 260))
    assert not pane.is_auto
    assert "A" not in chart.canvas.corner.active
    assert pane.values[1] - pane.values[0] > high - low
    QTest.mouseDClick(chart.canvas.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(axis_x, 200))
    assert pane.is_auto
    assert pane.values == pytest.approx((low, high))


def test_dragging_the_time_axis_zooms_time_and_a_double_click_resets_it(
    make_chart: MakeChart, market
) -> None:
    """ux 21"""
    chart = make_chart(market.block(500))
    view, y = chart.canvas.viewport_model, chart.canvas.height() - 10
    width, right = view.width, view.right
    _drag(chart, (400, y), (500, y))
    assert view.width < width
    assert view.right == pytest.approx(right)
    _drag(chart, (400, y), (200, y))
    assert view.width > width
    QTest.mouseDClick(chart.canvas.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(400, y))
    assert (view.width, view.right) == (width, right)


def test_corner_keys_switch_auto_log_and_percent(make_chart: MakeChart, market) -> None:
    """ux 22, 30"""
    chart = make_chart(market.block(500))
    y = chart.height() - 13
    left = chart.width() - AXIS_WIDTH
    for x in (left + 14, left + 36, left + 58):
        QTest.mouseClick(chart.canvas.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(x, y))
    assert chart.canvas.corner.active == {"L", "%"}
    assert chart.canvas.price_axes[PRICE].labels[0].text.endswith(" %")
    QTest.keyClick(chart.canvas, Qt.Key.Key_R, Qt.KeyboardModifier.AltModifier)
    assert chart.canvas.corner.active == {"A"}


def test_keys_move_and_zoom(make_chart: MakeChart, market) -> None:
    """ux 26"""
    chart = make_chart(market.block(500))
    view = chart.canvas.viewport_model
    left = view.left
    QTest.keyClick(chart.canvas, Qt.Key.Key_Left)
    assert view.left == left - 1
    QTest.keyClick(chart.canvas, Qt.Key.Key_Left, Qt.KeyboardModifier.ControlModifier)
    assert view.left == left - 11
    width = view.width
    QTest.keyClick(chart.canvas, Qt.Key.Key_Up)
    assert view.width < width


def test_the_crosshair_names_price_and_time_on_the_axes(make_chart: MakeChart, market) -> None:
    """ux 23"""
    chart = make_chart(market.block(500))
    pane = chart.canvas.panes[PRICE]
    _move(chart, 400, 150)
    tag = chart.canvas.price_axes[PRICE].cursor_tag
    assert tag is not None
    assert float(tag.text.replace(",", "")) == pytest.approx(pane.value_at(150), abs=0.1)
    assert chart.canvas.time_axis.cursor_label is not None
    x, label = chart.canvas.time_axis.cursor_label
    slot = round(pane.slot_at(400))
    assert abs(x - pane.x_of(slot)) <= 1
    assert label.startswith("Nov ")
    assert all(line.isVisible() for line in chart.canvas.cross)


def test_the_legend_reads_the_bar_under_the_cursor_then_the_last(
    make_chart: MakeChart, market
) -> None:
    """ux 24"""
    chart = make_chart(market.block(500), width=1400)
    columns = market.columns(500)
    pane = chart.canvas.panes[PRICE]
    _move(chart, 400, 150)
    row = round(pane.slot_at(400))
    assert f"C {columns['close'][row]:,.1f}" in chart.legend_texts()[PRICE]
    QApplication.sendEvent(chart.canvas, QEvent(QEvent.Type.Leave))
    text = chart.legend_texts()[PRICE]
    assert f"C {columns['close'][-1]:,.1f}" in text
    assert f"EMA 20 {columns['ema_20'][-1]:,.1f}" in text
    assert chart.legend_texts()[RSI] == f"RSI 14 {columns['rsi_14'][-1]:.1f}"


def test_ticks_are_drawn_together_and_move_the_last_price(make_chart: MakeChart, market) -> None:
    """ux 35"""
    chart = make_chart(market.block(500))
    for close in (66_900.0, 66_950.0, 67_010.5):
        chart.update_live(market.candle(499, close))
    before = chart.canvas.price_axes[PRICE].tags[-1].text
    chart.flush()
    assert chart.canvas.price_axes[PRICE].tags[-1].text == "67,010.5" != before


def test_a_waiting_tick_is_drawn_without_being_asked_for(
    make_chart: MakeChart, market, qtbot: QtBot
) -> None:
    chart = make_chart(market.block(500))
    chart.update_live(market.candle(499, 67_010.5))
    qtbot.waitUntil(lambda: chart.canvas.price_axes[PRICE].tags[-1].text == "67,010.5")


def test_a_tick_repaints_the_same_picture_as_a_full_paint(make_chart: MakeChart, market) -> None:
    chart = make_chart(market.block(500))
    _image(chart)
    chart.update_live(market.candle(499, 66_990.0))
    chart.flush()
    partly = _bytes(_image(chart)).astype(int)
    chart.hide()
    chart.show()
    difference = np.abs(partly - _bytes(_image(chart)))
    assert difference.max() <= 8  # smoothed lines are clipped at the strip's edge


def test_a_new_bar_scrolls_only_when_the_last_was_in_view(make_chart: MakeChart, market) -> None:
    """ux 27"""
    chart = make_chart(market.block(500))
    view = chart.canvas.viewport_model
    left = view.left
    chart.append_closed(market.candle(500))
    assert view.left == left + 1
    view.pan(-200)
    left = view.left
    chart.append_closed(market.candle(501))
    assert view.left == left


def test_a_bar_that_closes_before_its_next_tick_keeps_both(make_chart: MakeChart, market) -> None:
    chart = make_chart(market.block(500))
    chart.update_live(market.candle(500, 66_000.0))
    chart.append_closed(market.candle(500, 66_123.4))
    chart.update_live(market.candle(501, 66_200.0))
    chart.flush()
    close = chart._series.column("close")
    assert close[-2:].tolist() == [66_123.4, 66_200.0]


def test_a_snapshot_older_than_the_close_changes_nothing(make_chart: MakeChart, market) -> None:
    chart = make_chart(market.block(500))
    chart.append_closed(market.candle(500, 66_123.4))
    chart.update_live(market.candle(500, 66_000.0))
    chart.flush()
    assert chart._series.column("close")[-1] == 66_123.4


def test_a_hidden_chart_keeps_its_bars_and_catches_up_when_shown(
    make_chart: MakeChart, market
) -> None:
    """ux 12"""
    chart = make_chart(market.block(500))
    chart.hide()
    chart.append_closed(market.candle(500, 66_123.4))
    chart.show()
    assert chart.canvas.price_axes[PRICE].tags[-1].text == "66,123.4"
    assert chart.canvas.viewport_model.sees_last


def test_go_to_latest_shows_when_scrolled_away(make_chart: MakeChart, market) -> None:
    """ux 28"""
    chart = make_chart(market.block(800))
    assert not chart._latest.isVisible()
    _drag(chart, (100, 200), (880, 200))
    _drag(chart, (100, 200), (880, 200))
    assert chart._latest.isVisible()
    QTest.mouseClick(chart._latest, Qt.MouseButton.LeftButton)
    assert chart.canvas.viewport_model.sees_last
    assert not chart._latest.isVisible()


def test_reaching_the_oldest_bar_asks_for_older_ones_once(
    make_chart: MakeChart, market, qtbot: QtBot
) -> None:
    """ux 36"""
    chart = make_chart(market.block(300, start=300, is_whole=False))
    asked: list[int] = []
    chart.history_wanted.connect(asked.append)
    for _ in range(3):
        _drag(chart, (100, 200), (880, 200))
    oldest = market.first_ms + 300 * market.timeframe_ms
    assert asked == [oldest]
    x = chart.canvas.plot_width - 10
    slot_time = chart._series.time_of_slot(round(chart.canvas.panes[PRICE].slot_at(x)))
    chart.prepend_history(market.block(300))
    assert chart._series.size == 600
    same = chart._series.time_of_slot(round(chart.canvas.panes[PRICE].slot_at(x)))
    assert same == slot_time
    for _ in range(6):
        _drag(chart, (100, 200), (880, 200))
    assert asked == [oldest]


def test_other_series_are_ignored(make_chart: MakeChart, market) -> None:
    chart = make_chart(market.block(100))
    chart.append_closed(msgspec.structs.replace(market.candle(100), symbol="ETHUSDT"))
    chart.set_history(msgspec.structs.replace(market.block(5), timeframe="1h"))
    assert chart._series.size == 100
    chart.set_instrument(2, Decimal("0.01"), "ETHUSDT", "15m", "ETH")
    assert chart._series.size == 0


def _position(entry: str, market) -> PositionSnapshot:
    position = Position(
        "main",
        "BTCUSDT",
        Side.BUY,
        Decimal("0.067"),
        Decimal(entry),
        0,
        unrealized_pnl=Decimal("80.76"),
        stop_loss=Decimal(entry) - 300,
        take_profit=Decimal(entry) + 600,
    )
    opened_ms = market.first_ms + 450 * market.timeframe_ms
    return PositionSnapshot(position, "b", opened_ms, Decimal("0.01"), Decimal("1.5"), True)


def test_position_levels_have_axis_tags_and_are_kept_in_view(make_chart: MakeChart, market) -> None:
    """ux 39"""
    chart = make_chart(market.block(500))
    chart.trades.set_position(_position("67000", market))
    tags = {tag.text: tag for tag in chart.canvas.price_axes[PRICE].tags}
    assert {"67,000.0", "67,600.0", "66,700.0"} <= set(tags)
    height = chart.canvas.panes[PRICE].height_px
    assert all(0 < tag.y < height for tag in tags.values())
    chart.trades.set_position(None)
    assert len(chart.canvas.price_axes[PRICE].tags) == 1


def test_a_far_stop_does_not_flatten_the_candles(make_chart: MakeChart, market) -> None:
    chart = make_chart(market.block(500))
    before = chart.canvas.panes[PRICE].values
    chart.trades.set_position(_position("30000", market))
    assert chart.canvas.panes[PRICE].values == before


def test_fills_are_drawn_and_can_be_hidden(make_chart: MakeChart, market) -> None:
    """ux 38"""
    chart = make_chart(market.block(500))
    bare = _count(_image(chart), theme.current().up)
    fill = Fill(
        "t", "o", "c", "main", "b", "BTCUSDT", Side.BUY, Decimal(1), Decimal(67_000), Decimal(0),
        market.first_ms + 450 * market.timeframe_ms + 1,
    )  # fmt: skip
    chart.trades.set_fills([FillRecord(fill, "entry")])
    assert _count(_image(chart), theme.current().up) > bare + 40
    chart.trades.show(fills=False, orders=False)
    assert _count(_image(chart), theme.current().up) == bare


def test_stale_prices_lose_their_colours_and_say_so(make_chart: MakeChart, market) -> None:
    """ux 69"""
    chart = make_chart(market.block(500))
    fresh = _image(chart)
    assert _count(fresh, theme.current().up) > 100
    assert _count(fresh, theme.current().warnf) == 0
    chart.set_stale(18, "No price for 18 s, reconnecting (3)")
    stale = _image(chart)
    assert _count(stale, theme.current().up) == 0
    assert _count(stale, theme.current().warnf) > 100
    chart.set_stale(None)
    assert _image(chart) == fresh


def test_the_countdown_runs_on_the_market_s_clock(make_chart: MakeChart, market) -> None:
    chart = make_chart(market.block(500))
    last_open_ms = market.first_ms + 499 * market.timeframe_ms
    chart.set_market_clock(lambda: last_open_ms + 127_000)
    chart.flush()
    chart._tags.update_tags()
    assert chart.canvas.price_axes[PRICE].tags[-1].detail == "12:53"


def test_a_theme_switch_repaints_at_once(make_chart: MakeChart, market, qapp: QApplication) -> None:
    """ux 70, 71"""
    chart = make_chart(market.block(500))
    theme.apply(qapp, "light", "korea")
    image = _image(chart)
    assert _count(image, "#D0342C") > 100
    assert _count(image, "#FFFFFF") > image.width() * image.height() // 3


def test_empty_and_loading_say_what_is_missing(make_chart: MakeChart, market) -> None:
    chart = make_chart()
    chart.set_message("No candles yet", "Start a bot.")
    assert chart._plate.isVisible()
    assert chart._plate.text == "No candles yet Start a bot."
    _image(chart)
    chart.set_loading("Loading 35,000 candles", 0.5)
    assert not chart._plate.isVisible()  # nothing for 150 ms
    chart.set_history(market.block(10))
    assert not chart._plate.isVisible()
    assert chart._plate.text == ""


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_very_short_histories_are_drawn(make_chart: MakeChart, market, rows: int) -> None:
    chart = make_chart(market.block(rows))
    _move(chart, 400, 150)
    _wheel(chart, 400, 200, 3)
    _drag(chart, (100, 200), (880, 200))
    _image(chart)
    chart.append_closed(market.candle(rows))
    assert chart._series.size == rows + 1


def test_flat_tiny_and_broken_numbers_are_drawn(make_chart: MakeChart, market) -> None:
    """ux 37"""
    columns = market.columns(200)
    for name in ("open", "high", "low", "close"):
        columns[name] = np.full(200, 1e-6)
    for name in ("ema_20", "rsi_14", "macd_12_26_9", "macd_histogram_12_26_9"):
        columns[name] = np.full(200, np.nan)
    columns["ema_60"] = np.full(200, np.inf)
    block = CandleBlock(
        "BTCUSDT",
        "15m",
        200,
        {n: np.ascontiguousarray(v).tobytes() for n, v in columns.items()},
        True,
    )
    chart = make_chart()
    chart.set_instrument(9, Decimal("1e-9"), "BTCUSDT", "15m", "BTC")
    chart.set_history(block)
    assert _count(_image(chart), theme.current().up) > 100
    assert chart.canvas.price_axes[PRICE].tags[-1].text == "0.0₅1000"
    assert chart.legend_texts()[RSI] == "RSI 14 —"
    chart._act("L")
    _image(chart)


def test_what_a_decision_did_not_know_is_veiled_and_the_legend_is_of_its_bar(
    make_chart: MakeChart, market
) -> None:
    chart = make_chart(market.block(200))
    decided = market.columns(1, 187)
    chart.set_decision(int(decided["open_time_ms"][0]))
    pane = chart.canvas.panes[PRICE]
    line_x = round(pane.x_of(187.5))
    image, colours = _image(chart), (theme.current().up, theme.current().down)
    height = round(pane.height_px)
    before = image.copy(0, 40, line_x, height - 40)
    after = image.copy(line_x + 1, 40, round(pane.width_px) - line_x - 1, height - 40)
    assert all(_count(before, colour) > 100 for colour in colours)
    assert all(_count(after, colour) < 100 for colour in colours)  # the dotted line of the price
    faded = [mix(colour, theme.current().e1, 0.65) for colour in colours]
    assert any(_count(after, colour) > 100 for colour in faded)
    assert _count(image.copy(line_x, 40, 1, height - 40), theme.current().accent) > 100
    assert f"C {decided['close'][0]:,.1f}" in chart.legend_texts()[0]
    chart.set_decision(None)
    assert f"C {market.columns(1, 199)['close'][0]:,.1f}" in chart.legend_texts()[0]


def test_candles_stand_on_whole_pixels(make_chart: MakeChart, market) -> None:
    """No blended edge: every candle pixel has exactly the up or the down colour."""
    block = market.block(60)
    plain = {
        k: v
        for k, v in block.columns.items()
        if k in ("open_time_ms", "open", "high", "low", "close")
    }
    volume = np.zeros(60).tobytes()
    chart = make_chart(msgspec.structs.replace(block, columns={**plain, "volume": volume}))
    area = _image(chart).copy(300, 60, 500, 250).convertToFormat(QImage.Format.Format_RGB32)
    colors = {area.pixelColor(x, y).name() for x in range(500) for y in range(250)}
    t = theme.current()
    allowed = {t.e1, t.grid, t.up, t.down}
    assert colors <= {code.lower() for code in allowed}


def test_a_gap_is_hatched(make_chart: MakeChart, market) -> None:
    """ux 36"""
    keep = np.ones(500, bool)
    keep[460:470] = False
    chart = make_chart(market.block(500, keep=keep))
    assert _count(_image(chart), theme.current().e2) > 1_000


def test_real_candles_are_drawn_at_every_zoom(make_chart: MakeChart, real_candles: Path) -> None:
    import pyarrow.parquet as pq

    path = sorted(real_candles.glob("*BTCUSDT_15m.parquet"))[0]
    table = pq.read_table(path)
    names = {"open_time_ms": ("open_time_ms", "open_time", "timestamp", "time")}
    time_name = next(n for n in names["open_time_ms"] if n in table.column_names)
    times = table[time_name].to_pylist()
    if not isinstance(times[0], int):
        times = [int(t.timestamp() * 1000) for t in times]
    columns = {"open_time_ms": np.array(times, "<i8").tobytes()}
    for name in ("open", "high", "low", "close", "volume"):
        columns[name] = np.array([float(v) for v in table[name].to_pylist()]).tobytes()
    block = CandleBlock("BTCUSDT", "15m", len(times), columns, True)
    chart = make_chart(block)
    for _ in range(30):
        _wheel(chart, 800, 200, -3)
        _image(chart)
    assert chart.canvas.panes[PRICE].group > 1
    for _ in range(40):
        _wheel(chart, 300, 200, 3)
    assert _count(_image(chart), theme.current().up) > 100


def test_a_tick_on_twenty_thousand_candles_draws_a_strip_and_not_the_rest(
    make_chart: MakeChart, market
) -> None:
    """ux 37: what keeps a frame short; how short is measured by `bench screen`."""
    chart = make_chart(market.block(20_000), width=1312, height=680)
    _image(chart)
    drawn: list[tuple[float, int]] = []
    candles = chart._candles
    draw = candles.draw

    def watched(painter: QPainter, exposed: QRectF) -> None:
        first, last = candles.exposed_rows(exposed)
        drawn.append((exposed.width(), last - first))
        draw(painter, exposed)

    candles.draw = watched
    for index in range(5):
        chart.update_live(market.candle(19_999, 67_000 + index))
        chart.flush()
        _image(chart)
    assert len(drawn) == 5
    assert all(width < 120 and rows <= 6 for width, rows in drawn)


def test_the_screen_imports_no_engine_library() -> None:
    code = (
        "import sys, ui.charts.chart_view, ui.charts.equity_chart, ui.charts.bars_chart;"
        "heavy = {'pandas', 'ccxt', 'pybit', 'talib', 'pyarrow', 'scipy', 'numba', 'OpenGL'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("values", [[], [1.0], [5.0, 5.0], [1.0, float("nan"), 3.0], [-2.0, 1.0]])
def test_capital_charts_draw_any_curve(qtbot: QtBot, dark_theme: None, values: list[float]) -> None:
    points = [(1_763_596_800_000 + i * 86_400_000, v) for i, v in enumerate(values)]
    equity, bars = EquityChart(), BarsChart()
    for widget in (equity, bars):
        qtbot.addWidget(widget)
        widget.resize(600, 300)
    equity.set_curve(points)
    bars.set_bars(points)
    for days in (None, 1, 30):
        equity.set_range(days)
        assert not equity.grab().isNull()
    assert not bars.grab().isNull()


def test_the_equity_range_keeps_the_drawdown_from_the_older_peak(
    qtbot: QtBot, dark_theme: None
) -> None:
    chart = EquityChart()
    qtbot.addWidget(chart)
    day_ms = 86_400_000
    chart.set_curve([(0, 100.0), (10 * day_ms, 80.0), (11 * day_ms, 90.0)])
    chart.set_range(2)
    assert chart.peak == (11 * day_ms, 90.0)
    assert chart._drawdown.tolist() == pytest.approx([-0.2, -0.1])


def test_what_reaches_over_its_pane_is_cut_off_there(make_chart: MakeChart, market) -> None:
    class Spilling(PaneItem):
        z = 60.0

        def draw(self, painter: QPainter) -> None:
            painter.fillRect(self._rect.adjusted(-500, -500, 500, 500), QColor("#FF00FF"))

    chart = make_chart(market.block(300))
    pane = chart.canvas.panes[RSI]
    item = Spilling(pane, chart.series)
    pane.add([item])
    item.resize(pane.rect())
    image = chart.canvas.grab().toImage()
    inside = pane.sceneBoundingRect().toRect()
    painted = [
        (x, y)
        for x in range(0, image.width(), 7)
        for y in range(image.height())
        if image.pixelColor(x, y) == QColor("#FF00FF")
    ]
    assert painted
    assert all(inside.contains(x, y) for x, y in painted)
