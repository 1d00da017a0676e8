"""Texts on the chart: none covers another, a triangle, a pill or the legend."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import combinations, pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.models.fills import Fill
from core.models.orders import Order, OrderPurpose, OrderStatus, OrderType, Side
from core.snapshots import FillRecord
from ui.charts.axes import _spread
from ui.charts.chart_view import CandleChart
from ui.charts.primitives import Tag

ROWS = 200


def trade(market: Any, number: int, row: int, *, is_long: bool = True, pnl: str = "40.54") -> list:
    """Entry at bar `row`, exit two bars later."""

    def fill(side: Side, bar: int, purpose: str, result: str | None) -> FillRecord:
        executed = Fill(
            f"t{number}{purpose}", f"o{number}{purpose}", "", "main", "bot", "BTCUSDT", side,
            Decimal("0.037"), Decimal("67000.0"), Decimal(0),
            market.first_ms + bar * market.timeframe_ms,
        )  # fmt: skip
        return FillRecord(executed, purpose, None if result is None else Decimal(result))

    sides = (Side.BUY, Side.SELL) if is_long else (Side.SELL, Side.BUY)
    return [fill(sides[0], row, "entry", None), fill(sides[1], row + 2, "exit", pnl)]


def order_at(price: float) -> Order:
    return Order(
        "c", "e", "main", "bot", "BTCUSDT", Side.SELL, OrderType.LIMIT, Decimal("0.05"),
        OrderStatus.ACKNOWLEDGED, OrderPurpose.ENTRY, 0, 0, price=Decimal(str(round(price, 1))),
    )  # fmt: skip


def assert_all_apart(chart: CandleChart) -> None:
    texts = chart.trades.marks.texts()
    for one, other in combinations(texts, 2):
        assert not one.rect.intersects(other.rect), (one, other)
    triangles = [placed.rect for placed in chart.trades.marks._place_marks()]
    for text in texts:
        assert not any(text.rect.intersects(taken) for taken in triangles)
        assert not any(text.rect.intersects(taken) for taken in chart._taken_by_others())
        assert chart.trades.marks.boundingRect().contains(text.rect)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    trades=st.lists(st.tuples(st.integers(75, ROWS - 3), st.booleans()), max_size=25),
    width=st.sampled_from([500, 912, 1312]),
    has_orders=st.booleans(),
)
def test_no_text_covers_anything(
    make_chart: Callable[..., CandleChart],
    market: Any,
    trades: list[tuple[int, bool]],
    width: int,
    has_orders: bool,
) -> None:
    chart = make_chart(market.block(ROWS), width=width)
    fills = []
    for number, (row, is_long) in enumerate(trades):
        fills += trade(market, number, row, is_long=is_long)
    chart.trades.set_fills(fills)
    if has_orders:
        low, high = chart.canvas.panes[0].values
        chart.trades.set_orders([order_at(low + (high - low) * part) for part in (0.5, 0.52, 0.9)])
    assert_all_apart(chart)
    marks = chart.trades.marks
    assert not any(marks._covers_bars(text.rect) for text in marks.texts() if text.text[0] in "+−")
    chart.close()


def test_results_give_way_where_bars_are_mere_lines_and_what_is_open_stays(
    make_chart: Callable[..., CandleChart], market: Any
) -> None:
    chart = make_chart(market.block(2000))
    chart.trades.set_fills(
        [
            *trade(market, 1, 1900),
            *trade(market, 2, 1950, is_long=False),
            *trade(market, 3, 1990)[:1],
        ]
    )
    assert {text.text for text in chart.trades.marks.texts()} == {"+40.54", "Buy 0.037"}
    model = chart.canvas.viewport_model
    model.zoom(0.2, model.right)
    chart.canvas.view_changed.emit()
    assert chart.canvas.panes[0].slot_px < 3
    assert {text.text for text in chart.trades.marks.texts()} == {"Buy 0.037"}


def test_of_thousands_of_trades_only_those_in_view_are_placed(
    make_chart: Callable[..., CandleChart], market: Any
) -> None:
    """ux 37: a frame costs what is seen, not what has ever been traded."""
    chart = make_chart(market.block(2000))
    fills = [fill for n in range(600) for fill in trade(market, n, n * 3)]
    chart.trades.set_fills(fills)
    marks = chart.trades.marks
    drawn: list[int] = []
    connect = marks._connect
    marks._connect = lambda painter, one: drawn.append(one.entry_ms) or connect(painter, one)
    model = chart.canvas.viewport_model
    for back in (210, 700):
        model.right = 2000.0 - back
        model.left = model.right - 136
        chart.canvas.view_changed.emit()
        drawn.clear()
        chart.grab()
        placed = marks._place_marks()
        assert 0 < len(placed) < 120
        assert 0 < len(drawn) < 60
        assert len({mark.mark.time_ms for mark in placed}) > 80  # none that is in view is missing
    newest = trade(market, 9999, 5000)[:1]  # a fill that is newer than the bars here
    chart.trades.set_fills(newest)
    model.go_to_latest()
    chart.canvas.view_changed.emit()
    assert len(marks._place_marks()) == 1


def test_the_newest_result_is_written_when_there_is_room_for_one(
    make_chart: Callable[..., CandleChart], market: Any
) -> None:
    chart = make_chart(market.block(ROWS))
    fills = [f for n in range(14) for f in trade(market, n, 180 + n % 2, pnl=f"{n}.11")]
    chart.trades.set_fills(fills)
    assert "+13.11" in [text.text for text in chart.trades.marks.texts()]
    assert len(chart.trades.marks.texts()) < 14


def test_a_chart_without_bars_paints_its_fills_later(
    make_chart: Callable[..., CandleChart], market: Any
) -> None:
    chart = make_chart()
    chart.trades.set_fills(trade(market, 1, 180))
    assert not chart.grab().isNull()
    assert chart.trades.marks.texts() == []
    chart.set_history(market.block(ROWS))
    assert [text.text for text in chart.trades.marks.texts()] == ["+40.54"]


@pytest.mark.parametrize("width", [500, 912])
def test_an_entry_at_the_right_edge_stays_readable(
    make_chart: Callable[..., CandleChart], market: Any, width: int
) -> None:
    chart = make_chart(market.block(ROWS), width=width)
    chart.trades.set_fills(trade(market, 1, ROWS - 1)[:1])
    (text,) = chart.trades.marks.texts()
    assert text.text == "Buy 0.037"
    assert text.rect.right() <= chart.canvas.plot_width


def test_an_order_at_the_top_leaves_the_legend_free(
    make_chart: Callable[..., CandleChart], market: Any
) -> None:
    chart = make_chart(market.block(ROWS))
    high = chart.canvas.panes[0].values[1]
    chart.trades.set_orders([order_at(high - 1), order_at(high - 2)])
    legend = chart._legends[0].text_rect()
    first, second = chart.trades.levels.pills()
    assert first.top() >= legend.bottom()
    assert second.top() > first.bottom()


def test_pills_make_room_for_the_stale_pill(
    make_chart: Callable[..., CandleChart], market: Any
) -> None:
    chart = make_chart(market.block(ROWS))
    high = chart.canvas.panes[0].values[1]
    chart.trades.set_orders([order_at(high - 1)])
    chart.set_stale(18, "No price for 18 s, reconnecting")
    (pill,) = chart.trades.levels.pills()
    assert not pill.intersects(chart._stale_pill.boundingRect())
    chart.set_stale(None)
    assert chart.trades.levels.pills()[0].top() < pill.top()


def test_pills_at_the_bottom_stay_in_the_pane(
    make_chart: Callable[..., CandleChart], market: Any
) -> None:
    chart = make_chart(market.block(ROWS))
    low, high = chart.canvas.panes[0].values
    step = (high - low) / 1000
    chart.trades.set_orders([order_at(low + step * n) for n in range(5)])
    pills = chart.trades.levels.pills()
    assert pills[-1].bottom() <= chart.canvas.panes[0].height_px
    assert all(one.bottom() < two.top() for one, two in pairwise(pills))


@given(st.lists(st.floats(20, 400), min_size=1, max_size=8), st.floats(20, 400))
def test_axis_tags_never_cover_each_other(places: list[float], last: float) -> None:
    tags = [Tag(y, "1", "up", False) for y in places] + [Tag(last, "2", "up", True, "12:00")]
    spread = sorted(_spread(tags, 420.0), key=lambda tag: tag.y)
    assert len(spread) == len(tags)
    for above, below in pairwise(spread):
        assert below.y - above.y >= above.height - 1e-6
    assert last in [tag.y for tag in spread if tag.is_filled]


@given(st.lists(st.floats(150, 300), min_size=1, max_size=5), st.floats(150, 300))
def test_axis_tags_keep_the_order_of_their_prices(places: list[float], last: float) -> None:
    named = [Tag(y, str(y), "up", False) for y in sorted(places)]
    spread = _spread([*named, Tag(last, "last", "up", True, "12:00")], 420.0)
    shown = [tag.text for tag in sorted(spread, key=lambda tag: tag.y) if not tag.is_filled]
    assert shown == [tag.text for tag in named]
