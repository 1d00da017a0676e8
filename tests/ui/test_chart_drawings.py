"""Drawing tools as a trader uses them: mouse and keys on a shown chart."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PyQt6.QtCore import QPointF, Qt

from core.models.alerts import AlertWish, PriceAlert
from ui.charts.drawings import KINDS, Anchor, Drawing, DrawingSet, is_sound
from ui.charts.trading_chart import TradingChart

TOOLS = [(Qt.Key(ord(kind.key)), name) for name, kind in KINDS.items()]


def kinds(chart: TradingChart) -> list[str]:
    return [drawing.kind for drawing in chart.drawing.drawings.drawings]


def px(chart: TradingChart, anchor: Anchor) -> QPointF:
    return chart.drawings_item.point(anchor)


@pytest.mark.parametrize(("key", "kind"), TOOLS)
def test_alt_and_a_letter_takes_a_tool_and_clicks_place_it(
    trading_chart, hand, key: Qt.Key, kind: str
) -> None:
    """ux 31"""
    hand.key(key, "alt")
    hand.click(300, 150)
    hand.click(500, 250)
    (drawing,) = trading_chart.drawing.drawings.drawings
    assert drawing.kind == kind
    assert len(drawing.anchors) == KINDS[kind].points
    start = px(trading_chart, drawing.anchors[0])
    assert start.x() == pytest.approx(300, abs=5)
    assert start.y() == pytest.approx(150, abs=1)


def test_a_line_of_one_point_is_placed_at_the_mouse_at_once(trading_chart, hand) -> None:
    """ux 31"""
    hand.move(300, 150)
    hand.key(Qt.Key.Key_H, "alt")
    (drawing,) = trading_chart.drawing.drawings.drawings
    assert px(trading_chart, drawing.anchors[0]).y() == pytest.approx(150, abs=1)


def test_a_drag_draws_a_trend_line_as_two_clicks_do(trading_chart, hand) -> None:
    hand.key(Qt.Key.Key_T, "alt")
    hand.drag((300, 150), (500, 250))
    (drawing,) = trading_chart.drawing.drawings.drawings
    end = px(trading_chart, drawing.anchors[1])
    assert (end.x(), end.y()) == (pytest.approx(500, abs=5), pytest.approx(250, abs=1))


def test_escape_lets_go_of_what_is_not_finished(trading_chart, hand) -> None:
    """ux 31"""
    hand.key(Qt.Key.Key_T, "alt")
    hand.click(300, 150)
    hand.key(Qt.Key.Key_Escape)
    hand.move(500, 250)
    hand.click(500, 250)
    assert kinds(trading_chart) == []
    assert trading_chart.drawings_item.pending is None


def test_shift_keeps_a_line_level_upright_or_diagonal(trading_chart, hand) -> None:
    """ux 31"""
    for end, same in (((500, 160), "price"), ((310, 250), "time_ms")):
        hand.key(Qt.Key.Key_T, "alt")
        hand.click(300, 150)
        hand.click(*end, held="shift")
        drawing = trading_chart.drawing.drawings.drawings[-1]
        first, second = (getattr(anchor, same) for anchor in drawing.anchors)
        assert first == second
    hand.key(Qt.Key.Key_T, "alt")
    hand.click(300, 100)
    hand.click(400, 190, held="shift")
    start, end = (px(trading_chart, a) for a in trading_chart.drawing.drawings.drawings[-1].anchors)
    assert end.y() - start.y() == pytest.approx(end.x() - start.x(), abs=6)


def test_a_line_is_moved_whole_and_by_its_ends(trading_chart, hand) -> None:
    hand.key(Qt.Key.Key_T, "alt")
    hand.drag((300, 150), (500, 250))
    hand.drag((400, 200), (440, 180))  # its middle
    start, end = (px(trading_chart, a) for a in trading_chart.drawing.drawings.drawings[0].anchors)
    assert (start.x(), start.y()) == (pytest.approx(340, abs=6), pytest.approx(130, abs=2))
    hand.drag((end.x(), end.y()), (700, 300))
    (drawing,) = trading_chart.drawing.drawings.drawings
    assert px(trading_chart, drawing.anchors[0]) == start
    assert px(trading_chart, drawing.anchors[1]).x() == pytest.approx(700, abs=6)


def test_ctrl_drags_a_copy_and_a_click_with_ctrl_makes_none(trading_chart, hand) -> None:
    """ux 31"""
    hand.move(300, 150)
    hand.key(Qt.Key.Key_H, "alt")
    original = trading_chart.drawing.drawings.drawings[0]
    hand.click(500, 150, "ctrl")
    assert kinds(trading_chart) == ["horizontal"]
    hand.drag((500, 150), (500, 220), "ctrl")
    assert kinds(trading_chart) == ["horizontal", "horizontal"]
    kept, copy = trading_chart.drawing.drawings.drawings
    assert kept == original
    assert px(trading_chart, copy.anchors[0]).y() == pytest.approx(220, abs=2)


def test_delete_undo_and_redo(trading_chart, hand) -> None:
    """ux 31"""
    hand.move(300, 150)
    hand.key(Qt.Key.Key_H, "alt")
    hand.key(Qt.Key.Key_Delete)
    assert kinds(trading_chart) == []
    hand.key(Qt.Key.Key_Z, "ctrl")
    assert kinds(trading_chart) == ["horizontal"]
    hand.key(Qt.Key.Key_Y, "ctrl")
    assert kinds(trading_chart) == []


def test_all_drawings_are_hidden_and_shown_again(trading_chart, hand) -> None:
    """ux 31"""
    hand.move(300, 150)
    hand.key(Qt.Key.Key_H, "alt")
    with_line = trading_chart.grab().toImage()
    hand.key(Qt.Key.Key_Escape)
    hand.key(Qt.Key.Key_H, "ctrl alt")
    assert trading_chart.drawings_item.shown() == []
    assert trading_chart.grab().toImage() != with_line
    hand.key(Qt.Key.Key_H, "ctrl alt")
    assert len(trading_chart.drawings_item.shown()) == 1


def test_shift_and_a_drag_measure_change_percent_bars_and_time(trading_chart, hand) -> None:
    """ux 32"""
    pane = trading_chart.canvas.panes[0]
    hand.drag((300, 200), (400, 120), "shift")
    start, end = trading_chart.drawings_item.measured
    bars = round(pane.slot_at(400)) - round(pane.slot_at(300))
    change = end.price - start.price
    text = trading_chart.drawings_item.measure_text()
    minutes = bars * 15
    hours = f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
    assert text == (f"+{change:,.1f} (+{100 * change / start.price:.2f} %) · {bars} bars · {hours}")
    assert kinds(trading_chart) == []
    hand.click(700, 300)
    assert trading_chart.drawings_item.measured is None


def test_the_measuring_tool_takes_two_clicks(trading_chart, hand) -> None:
    """ux 32"""
    trading_chart.drawing.arm("measure")
    hand.click(300, 200)
    hand.move(420, 260)
    hand.click(420, 260)
    assert trading_chart.drawings_item.measured is not None
    assert trading_chart.drawing.armed == ""


def test_the_magnet_takes_a_price_of_the_bar(trading_chart, hand, market) -> None:
    """ux 25"""
    trading_chart.is_magnetic = True
    pane, columns = trading_chart.canvas.panes[0], market.columns(500)
    row = round(pane.slot_at(400))
    x, y = pane.x_of(row), pane.y_of(columns["high"][row]) - 12
    hand.key(Qt.Key.Key_T, "alt")
    hand.click(x, y)
    anchor = trading_chart.drawings_item.pending.anchors[0]
    assert anchor.price == pytest.approx(columns["high"][row], abs=0.06)


def test_a_drawing_stays_at_its_time_and_price(trading_chart, hand, market) -> None:
    """ux 33: a new bar, older history and another timeframe move the view, not the line."""
    hand.key(Qt.Key.Key_T, "alt")
    hand.drag((300, 150), (500, 250))
    (before,) = trading_chart.drawing.drawings.drawings
    trading_chart.append_closed(market.candle(500))
    item, pane = trading_chart.drawings_item, trading_chart.canvas.panes[0]
    slot = trading_chart._series.slot_of_time(before.anchors[0].time_ms)
    assert item.point(before.anchors[0]).x() == pytest.approx(pane.x_of(slot), abs=1)
    trading_chart.set_instrument(1, trading_chart._tick, "BTCUSDT", "1h", "BTC")
    assert trading_chart.drawing.drawings.drawings == (before,)


def test_a_drag_beside_drawings_still_pans(trading_chart, hand) -> None:
    """ux 20"""
    before = trading_chart.canvas.panes[0].slots
    hand.drag((400, 200), (500, 210))
    assert trading_chart.canvas.panes[0].slots[0] < before[0]


def test_a_price_never_falls_to_zero(trading_chart, hand) -> None:
    pane = trading_chart.canvas.panes[0]
    pane.is_auto = False
    pane.set_values(-100.0, 50.0)
    hand.key(Qt.Key.Key_H, "alt")
    hand.click(300, pane.height_px - 5)
    assert trading_chart.drawing.drawings.drawings[0].anchors[0].price == 0.1


@given(st.lists(st.sampled_from(["add", "remove", "undo", "redo", "clear"]), max_size=40))
def test_undo_and_redo_are_exact(actions: list[str]) -> None:
    drawings = DrawingSet()
    states = [drawings.drawings]
    for action in actions:
        if action == "add":
            drawings.add("horizontal", (Anchor(0, 1.0 + len(drawings.drawings)),))
        elif action == "remove" and drawings.drawings:
            drawings.remove(drawings.drawings[0].drawing_id)
        elif action == "clear":
            drawings.clear()
        elif action in ("undo", "redo"):
            before = drawings.drawings
            (drawings.undo if action == "undo" else drawings.redo)()
            undone = drawings.drawings
            (drawings.redo if action == "undo" else drawings.undo)()
            assert before in (undone, drawings.drawings)
            continue
        states.append(drawings.drawings)
    for _ in range(len(actions) + 1):
        drawings.undo()
    assert drawings.drawings == ()


@pytest.mark.parametrize(
    "drawing",
    [
        Drawing(1, "spiral", (Anchor(0, 1.0),)),
        Drawing(1, "trend", (Anchor(0, 1.0),)),
        Drawing(1, "horizontal", (Anchor(0, float("nan")),)),
        Drawing(1, "horizontal", (Anchor(0, -1.0),)),
    ],
)
def test_what_cannot_be_drawn_is_not(drawing: Drawing) -> None:
    assert not is_sound(drawing)


def test_a_level_line_says_where_it_went_and_what_stands_at_no_price_is_silent() -> None:
    """ux 66: also when it goes back."""
    drawings, moved = DrawingSet(), []
    drawings.level_moved.connect(lambda *prices: moved.append(prices))
    level = drawings.add("horizontal", (Anchor(1, 100.0),))
    trend = drawings.add("trend", (Anchor(1, 50.0), Anchor(2, 60.0)))
    drawings.replace(Drawing(trend.drawing_id, "trend", (Anchor(1, 55.0), Anchor(2, 60.0))))
    drawings.replace(Drawing(level.drawing_id, "horizontal", (Anchor(9, 100.0),)))
    assert moved == []
    drawings.replace(Drawing(level.drawing_id, "horizontal", (Anchor(9, 110.0),)))
    drawings.undo()
    drawings.redo()
    drawings.remove(level.drawing_id)
    assert moved == [(100.0, 110.0), (110.0, 100.0), (100.0, 110.0)]


def test_the_menu_of_a_level_line_offers_an_alert_at_its_price(trading_chart, hand) -> None:
    """ux 66"""
    hand.move(300, 150)
    hand.key(Qt.Key.Key_H, "alt")
    (line,) = trading_chart.drawing.drawings.drawings
    menu = trading_chart.menu(QPointF(500, 153))
    alert = menu.actions()[0]
    assert alert.text().startswith("Add an alert on this line, ")
    wanted: list[Decimal] = []
    trading_chart.alert_wanted.connect(wanted.append)
    alert.trigger()
    menu.close()
    assert wanted == [Decimal(repr(line.anchors[0].price))]


def test_a_drag_on_an_alert_that_stands_on_a_line_moves_the_line(trading_chart, hand) -> None:
    """ux 66"""
    hand.move(300, 150)
    hand.key(Qt.Key.Key_H, "alt")
    (line,) = trading_chart.drawing.drawings.drawings
    wish = AlertWish(symbol="BTCUSDT", price=Decimal(repr(line.anchors[0].price)))
    trading_chart.trades.set_alerts(
        [PriceAlert(alert_id=1, wish=wish, waits_for_rise=True, created_ms=0)]
    )
    moved: list[int] = []
    trading_chart.alert_moved.connect(lambda number, _price: moved.append(number))
    hand.drag((500, 150), (500, 200))
    (after,) = trading_chart.drawing.drawings.drawings
    assert px(trading_chart, after.anchors[0]).y() == pytest.approx(200, abs=2)
    assert moved == []
