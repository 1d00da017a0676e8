"""The chart's own keys, lists, menus and panes, driven by mouse and keyboard."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QImage
from PyQt6.QtTest import QTest

from core.models.indicators import STANDARD, IndicatorSpec
from core.models.orders import Side
from ui.chart_memory import ChartLayout, ChartMemory
from ui.charts import intervals
from ui.charts.canvas import PRICE
from ui.charts.trading_chart import TradingChart
from ui.charts.viewport import DEFAULT_BARS


def signals(signal) -> list:
    found: list = []
    signal.connect(lambda *value: found.append(value[0] if value else None))
    return found


@pytest.mark.parametrize(
    ("typed", "timeframe"),
    [("15", "15m"), ("60", "1h"), ("240", "4h"), ("4h", "4h"), ("1D", "1d"), ("1440", "1d"),
     ("1W", "1w"), ("1M", "1M"), ("1m", "1m")],
)  # fmt: skip
def test_an_interval_is_typed(trading_chart, hand, typed: str, timeframe: str) -> None:
    """ux 29"""
    wanted = signals(trading_chart.timeframe_wanted)
    QTest.keyClicks(trading_chart.canvas, typed[0])
    box = trading_chart.ask_box
    assert box.isVisible()
    QTest.keyClicks(box.field, typed[1:])
    QTest.keyClick(box.field, Qt.Key.Key_Return)
    assert wanted == [timeframe]
    assert not box.isVisible()


@pytest.mark.parametrize("typed", ["7", "0", "15x", "99999", "", "m"])
def test_an_interval_that_does_not_exist_is_told_in_the_box(trading_chart, typed: str) -> None:
    """ux 29"""
    wanted = signals(trading_chart.timeframe_wanted)
    trading_chart.ask_interval(typed)
    QTest.keyClick(trading_chart.ask_box.field, Qt.Key.Key_Return)
    assert trading_chart.ask_box.isVisible()
    assert trading_chart.ask_box.hint.text().startswith("There is no such interval.")
    QTest.keyClick(trading_chart.ask_box.field, Qt.Key.Key_Escape)
    assert not trading_chart.ask_box.isVisible()
    assert wanted == []


def test_letters_search_a_symbol(trading_chart) -> None:
    """ux 29"""
    searched = signals(trading_chart.symbol_search_wanted)
    QTest.keyClicks(trading_chart.canvas, "s")
    assert searched == ["s"]


def test_the_slash_opens_the_indicators_and_enter_adds_one(trading_chart) -> None:
    """ux 34"""
    wanted = signals(trading_chart.indicators_wanted)
    QTest.keyClicks(trading_chart.canvas, "/")
    listed = trading_chart.indicator_list
    assert listed.isVisible()
    QTest.keyClicks(listed.search, "average true")
    assert listed.rows.count() == 1
    QTest.keyClick(listed.search, Qt.Key.Key_Return)
    assert not listed.isVisible()
    assert trading_chart.specs == (*STANDARD, IndicatorSpec("atr", (14,)))
    assert len(trading_chart.canvas.panes) == 4
    assert wanted == [None]  # its column is not here yet


def test_panes_share_one_time_axis(trading_chart, hand) -> None:
    """ux 34"""
    trading_chart.add_study("atr")
    hand.drag((400, 100), (500, 100))
    ranges = {tuple(pane.viewRange()[0]) for pane in trading_chart.canvas.panes}
    assert len(ranges) == 1


def test_an_indicator_is_hidden_renumbered_and_removed_in_the_legend(trading_chart, hand) -> None:
    """ux 34"""
    rsi = trading_chart.studies[2]
    at = trading_chart._place_of(rsi)
    hand.move(at.x() + 5, at.y() + 8)
    bar = trading_chart.study_bar
    assert bar.isVisible()
    assert bar.study is rsi
    QTest.mouseClick(bar.eye, Qt.MouseButton.LeftButton)
    assert rsi.is_hidden
    assert trading_chart.legend_texts()[1] == "RSI 14"
    bar.show_for(rsi, QPoint(0, 0))
    QTest.mouseClick(bar.settings, Qt.MouseButton.LeftButton)
    field = trading_chart.ask_box.field
    assert field.text() == "14"
    field.setText("1")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert trading_chart.ask_box.hint.text() == "RSI: period is a whole number from 2 to 500."
    field.setText("21")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert trading_chart.specs[2] == IndicatorSpec("rsi", (21,))
    bar.show_for(rsi, QPoint(0, 0))
    QTest.mouseClick(bar.remove, Qt.MouseButton.LeftButton)
    assert [spec.name for spec in trading_chart.specs] == ["ema", "ema", "macd"]
    assert len(trading_chart.canvas.panes) == 2


def test_an_indicator_that_comes_back_is_asked_for_again(trading_chart) -> None:
    """Older bars may have come without it meanwhile."""
    wanted = signals(trading_chart.indicators_wanted)
    macd = trading_chart.studies[3]
    trading_chart.remove_study(macd)
    assert wanted == []
    trading_chart.add_study("macd")
    assert wanted == [None]


def test_a_chart_takes_no_more_indicators_than_it_can_show(trading_chart) -> None:
    refused = signals(trading_chart.refused)
    for _ in range(12):
        trading_chart.add_study("sma")
    assert len(trading_chart.studies) == 12
    assert refused[0].startswith("A chart shows 12 indicators at most.")


def test_columns_that_come_later_leave_the_view_where_it_is(trading_chart, market) -> None:
    trading_chart.add_study("atr")
    trading_chart.canvas.viewport_model.pan(-100)
    trading_chart._refresh()
    before = trading_chart.canvas.panes[PRICE].slots
    block = market.block(500)
    columns = {**block.columns, "atr_14": block.columns["ema_20"]}
    trading_chart.refill(msgspec.structs.replace(block, columns=columns))
    assert trading_chart.canvas.panes[PRICE].slots == before
    assert trading_chart._series.has("atr_14")


@pytest.mark.parametrize("kind", ["candles", "heikin_ashi", "line"])
def test_prices_are_drawn_in_three_ways_and_a_tick_moves_each(
    trading_chart, market, kind: str
) -> None:
    trading_chart.choose_kind(kind)
    assert trading_chart.layout_now().kind == kind
    before = trading_chart.grab().toImage()
    trading_chart.update_live(market.candle(499, 66_500.0))
    trading_chart.flush()
    partly = trading_chart.grab().toImage()
    assert partly != before
    trading_chart._refresh()
    assert trading_chart.canvas.price_axes[PRICE].tags[-1].text == "66,500.0"


def test_what_ticks_have_painted_piece_by_piece_is_the_whole_picture(
    trading_chart, market, qapp
) -> None:
    """Each paints what it may have changed and leaves the rest of the window as it was."""
    if qapp.platformName() != "offscreen":
        pytest.skip("of a screen that others share, other windows are read as well")

    def on_screen() -> QImage:
        window = trading_chart.window().windowHandle()
        return window.screen().grabWindow(trading_chart.winId()).toImage()

    qapp.processEvents()
    first = on_screen()
    # up and down, by a pixel and by many, to shorter and longer words, beyond the old high and low
    for price in (66_980.0, 66_981.5, 66_900.0, 67_020.3, 66_999.9, 67_350.0, 66_700.0, 9_990.5):
        trading_chart.update_live(market.candle(499, price))
        trading_chart.flush()
        qapp.processEvents()
        piecemeal = on_screen()
        trading_chart.canvas.repaint_all()
        qapp.processEvents()
        assert piecemeal == on_screen(), price
    assert piecemeal != first


def test_alt_keys_act_as_in_tradingview(trading_chart, hand) -> None:
    """ux 30"""
    pane = trading_chart.canvas.panes[PRICE]
    pictures = signals(trading_chart.snapshot_taken)
    hand.key(Qt.Key.Key_L, "alt")
    hand.key(Qt.Key.Key_P, "alt")
    hand.key(Qt.Key.Key_I, "alt")
    assert pane.is_log
    assert pane.is_inverted
    assert trading_chart.canvas.corner.active >= {"L", "%"}
    assert pane.y_of(67_500) > pane.y_of(66_500)
    assert pane.value_at(pane.y_of(67_000)) == pytest.approx(67_000)
    trading_chart.grab()
    hand.key(Qt.Key.Key_S, "alt")
    assert pictures[0].width() == trading_chart.width() * pictures[0].devicePixelRatio()
    hand.key(Qt.Key.Key_G, "alt")
    assert trading_chart.ask_box.isVisible()
    trading_chart.ask_box.close_box()
    hand.key(Qt.Key.Key_R, "alt")
    assert (pane.is_log, pane.is_inverted, pane.is_auto) == (False, False, True)
    width = trading_chart.canvas.viewport_model.width
    assert width == pytest.approx(DEFAULT_BARS + 6)


def test_a_date_that_is_here_is_shown_in_the_middle(trading_chart, hand, market) -> None:
    """ux 30"""
    trading_chart.ask_date()
    trading_chart.ask_box.field.setText("2025-11-22 12:00")
    QTest.keyClick(trading_chart.ask_box.field, Qt.Key.Key_Return)
    model = trading_chart.canvas.viewport_model
    wanted = (intervals.moment("2025-11-22 12:00") - market.first_ms) // market.timeframe_ms
    assert (model.left + model.right) / 2 == pytest.approx(wanted)


def test_a_date_before_the_oldest_bar_is_asked_for(trading_chart, market) -> None:
    trading_chart.set_history(market.block(500, is_whole=False))
    wanted = signals(trading_chart.date_wanted)
    trading_chart._take_date("2025-11-19")
    assert wanted == [intervals.moment("2025-11-19")]
    assert trading_chart.bars_between(wanted[0]) == 96


def test_a_date_that_is_none_is_told_in_the_box(trading_chart) -> None:
    trading_chart.ask_date()
    trading_chart.ask_box.field.setText("yesterday")
    QTest.keyClick(trading_chart.ask_box.field, Qt.Key.Key_Return)
    assert trading_chart.ask_box.hint.text().startswith("Write a date like")


def test_a_double_click_shows_one_pane_alone_and_again_all(trading_chart) -> None:
    """ux 11"""
    port, canvas = trading_chart.canvas.viewport(), trading_chart.canvas
    rsi = canvas.panes[1].geometry().center().toPoint()
    QTest.mouseDClick(port, Qt.MouseButton.LeftButton, pos=rsi)
    assert [pane.isVisible() for pane in canvas.panes] == [False, True, False]
    assert canvas.panes[1].height_px == pytest.approx(canvas.height() - 27)
    QTest.mouseDClick(port, Qt.MouseButton.LeftButton, pos=rsi)
    assert all(pane.isVisible() for pane in canvas.panes)


def test_ctrl_switches_the_magnet_of_the_crosshair(trading_chart, hand, market) -> None:
    """ux 25"""
    pane, columns = trading_chart.canvas.panes[PRICE], market.columns(500)
    row = round(pane.slot_at(400))
    x, y = pane.x_of(row), pane.y_of(columns["high"][row]) - 9
    hand.move(x, y, "ctrl")
    assert trading_chart.canvas.price_axes[PRICE].cursor_tag.text == f"{columns['high'][row]:,.1f}"
    hand.move(x, y)
    assert trading_chart.canvas.price_axes[PRICE].cursor_tag.text != f"{columns['high'][row]:,.1f}"


def test_the_crosshair_of_another_chart_is_shown_at_its_time(trading_chart, hand, market) -> None:
    """ux 25"""
    times = signals(trading_chart.crosshair_moved)
    hand.move(400, 150)
    assert times[-1] is not None
    hand.leave()
    assert times[-1] is None
    trading_chart.show_crosshair(market.first_ms + 450 * market.timeframe_ms)
    vertical, horizontal = trading_chart.canvas.cross
    assert vertical.isVisible()
    assert not horizontal.isVisible()
    assert vertical.pos().x() == pytest.approx(trading_chart.canvas.panes[PRICE].x_of(450), abs=1)


def test_the_menu_offers_an_alert_at_the_price_under_the_mouse(trading_chart) -> None:
    """ux 66"""
    wanted = signals(trading_chart.alert_wanted)
    pane = trading_chart.canvas.panes[PRICE]
    menu = trading_chart.menu(QPointF(400, pane.y_of(66_900)))
    alert = menu.actions()[0]
    assert alert.text().startswith("Add an alert at 66,9")
    alert.trigger()
    (price,) = wanted
    assert abs(price - Decimal(66_900)) < 5
    assert price % Decimal("0.1") == 0
    menu.close()


def test_fills_and_orders_are_hidden_apart(trading_chart) -> None:
    """ux 38"""
    menu = trading_chart.menu(QPointF(400, 100))
    (fills,) = (action for action in menu.actions() if action.text() == "Fills")
    fills.trigger()
    assert not trading_chart.trades.marks.isVisible()
    assert trading_chart.trades.levels.isVisible()
    menu.close()


def test_the_layout_comes_back_and_nonsense_in_it_is_left_out(
    qtbot, dark_theme, tmp_path, trading_chart
) -> None:
    """ux 33, 34"""
    memory = ChartMemory(tmp_path)
    trading_chart.layout_changed.connect(
        lambda: memory.keep_layout("b1", trading_chart.layout_now())
    )
    trading_chart.add_study("vwap")
    trading_chart.toggle_study(trading_chart.studies[0])
    trading_chart.choose_kind("line")
    trading_chart._act("L")
    memory.save()
    other = TradingChart()
    qtbot.addWidget(other)
    kept = ChartMemory(tmp_path).layout("b1")
    other.use_layout(kept)
    assert other.specs == trading_chart.specs
    assert other.studies[0].is_hidden
    assert other.layout_now() == kept
    other.use_layout(
        ChartLayout(kind="pie", studies=(msgspec.structs.replace(
            kept.studies[0], spec=IndicatorSpec("magic", (1,))), kept.studies[1]))
    )  # fmt: skip
    assert other.kind == "candles"
    assert len(other.studies) == 1


def test_drawings_come_back_after_a_restart_and_are_one_set_for_all_charts(
    tmp_path, trading_chart, hand
) -> None:
    """ux 33"""
    memory = ChartMemory(tmp_path)
    trading_chart.use_drawings(memory.drawings("BTCUSDT"))
    hand.move(300, 150)
    hand.key(Qt.Key.Key_H, "alt")
    assert memory.drawings("BTCUSDT") is trading_chart.drawing.drawings
    memory.save()
    again = ChartMemory(tmp_path)
    assert again.drawings("BTCUSDT").drawings == trading_chart.drawing.drawings.drawings
    assert again.drawings("BTC/USDT:USDT").drawings == ()


@pytest.mark.parametrize("content", [b"", b"{", b'{"symbol": 3}', b"\xff\xfe", b"[]"])
def test_a_broken_file_is_put_aside_and_stops_nothing(tmp_path, content: bytes) -> None:
    """ux 7"""
    for sort in ("drawings", "layouts"):
        folder = tmp_path / "charts" / sort
        folder.mkdir(parents=True)
        (folder / "X.json").write_bytes(content)
    memory = ChartMemory(tmp_path)
    assert memory.drawings("X").drawings == ()
    assert memory.layout("X") == ChartLayout()
    assert (tmp_path / "charts" / "drawings" / "X.json.bak").read_bytes() == content


def test_a_change_is_written_without_being_asked_for(qtbot, tmp_path, qapp) -> None:
    memory = ChartMemory(tmp_path)
    memory.keep_layout("b1", ChartLayout(kind="line"))
    qtbot.waitUntil(lambda: ChartMemory(tmp_path).layout("b1").kind == "line")


def test_how_many_bars_a_chart_begins_with_is_kept(trading_chart, qtbot, market) -> None:
    """ux 35"""
    model = trading_chart.canvas.viewport_model
    model.zoom(0.5, model.right)
    wide = model.width
    menu = trading_chart.menu(QPointF(400, 300))
    (keep,) = [a for a in menu.actions() if a.text() == "Begin with this many bars"]
    keep.trigger()
    menu.close()
    other = TradingChart()
    qtbot.addWidget(other)
    other.use_layout(trading_chart.layout_now())
    other.set_instrument(1, Decimal("0.1"), "BTCUSDT", "15m", "BTC")
    other.set_history(market.block(500))
    assert other.canvas.viewport_model.width == pytest.approx(wide, abs=1)


@pytest.mark.parametrize("bars", [-5, 0, 10**9])
def test_a_number_of_bars_beyond_reason_is_brought_back(trading_chart, market, bars: int) -> None:
    layout = msgspec.structs.replace(trading_chart.layout_now(), bars=bars)
    trading_chart.use_layout(layout)
    trading_chart.reset_view()
    assert 8 <= trading_chart.canvas.viewport_model.width <= 1000


def test_the_menu_prepares_orders_where_somebody_takes_them(trading_chart) -> None:
    """ux 42"""
    wanted: list[tuple[Side, Decimal]] = []
    trading_chart.order_wanted.connect(lambda *order: wanted.append(order))
    y = trading_chart.canvas.panes[PRICE].y_of(66_900)
    for offers in (False, True):
        trading_chart.offers_orders = offers
        menu = trading_chart.menu(QPointF(400, y))
        found = [a for a in menu.actions() if a.text().startswith("Prepare a")]
        assert len(found) == 2 * offers
        for action in found:
            action.trigger()
        menu.close()
    assert [side for side, _ in wanted] == [Side.BUY, Side.SELL]
    assert all(price % Decimal("0.1") == 0 for _, price in wanted)
