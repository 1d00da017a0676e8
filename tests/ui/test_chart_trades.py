"""Fills become marks and connectors; positions and orders become levels."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from core.models.fills import Fill, FillKind
from core.models.orders import Order, OrderPurpose, OrderStatus, OrderType, Side
from core.models.positions import Position
from core.snapshots import FillRecord, PositionSnapshot
from ui.charts.levels import order_levels, position_levels
from ui.charts.trades import marks_and_connectors


def _fill(
    number: int,
    side: Side,
    quantity: str,
    purpose: str = "entry",
    pnl: str | None = None,
    *,
    order: str = "",
    symbol: str = "BTCUSDT",
) -> FillRecord:
    fill = Fill(
        f"t{number}",
        order or f"o{number}",
        "",
        "main",
        "bot",
        symbol,
        side,
        Decimal(quantity),
        Decimal(100 + number),
        Decimal(0),
        number * 1_000,
    )
    return FillRecord(fill, purpose, None if pnl is None else Decimal(pnl))


def test_a_closed_trade_has_a_connector_and_its_result_at_the_exit() -> None:
    """ux 38"""
    marks, connectors = marks_and_connectors(
        [_fill(1, Side.BUY, "2"), _fill(5, Side.SELL, "2", "stop_loss", "-8.42")], "BTCUSDT"
    )
    assert [(m.side, m.result, m.quantity) for m in marks] == [
        (Side.BUY, None, None),
        (Side.SELL, Decimal("-8.42"), None),
    ]
    (trade,) = connectors
    assert (trade.entry_ms, trade.entry_price, trade.exit_ms, trade.exit_price) == (
        1_000,
        101.0,
        5_000,
        105.0,
    )


def test_an_open_entry_shows_its_size() -> None:
    marks, connectors = marks_and_connectors([_fill(1, Side.BUY, "0.067")], "BTCUSDT")
    assert marks[0].quantity == Decimal("0.067")
    assert connectors == []


def test_partial_fills_of_one_order_are_one_mark() -> None:
    parts = [_fill(1, Side.BUY, "1", order="A"), _fill(2, Side.BUY, "3", order="A")]
    (mark,), _ = marks_and_connectors(parts, "BTCUSDT")
    assert mark.quantity == Decimal(4)
    assert mark.price == pytest.approx(101.75)


def test_results_of_a_split_exit_are_summed_and_feed_order_does_not_matter() -> None:
    fills = [
        _fill(1, Side.SELL, "2"),
        _fill(4, Side.BUY, "1", "exit", order="X"),
        _fill(5, Side.BUY, "1", "exit", "3.5", order="X"),
    ]
    marks, connectors = marks_and_connectors(fills[::-1], "BTCUSDT")
    assert [m.result for m in marks] == [None, Decimal("3.5")]
    assert len(connectors) == 1


def test_other_symbols_and_funding_are_left_out() -> None:
    funding = _fill(2, Side.BUY, "1")
    funding = msgspec.structs.replace(
        funding, fill=msgspec.structs.replace(funding.fill, kind=FillKind.FUNDING)
    )
    assert marks_and_connectors(
        [_fill(1, Side.BUY, "1", symbol="ETHUSDT"), funding], "BTCUSDT"
    ) == (
        [],
        [],
    )


def test_an_exit_whose_entry_is_unknown_still_has_its_mark() -> None:
    marks, connectors = marks_and_connectors([_fill(1, Side.SELL, "1", "exit", "2")], "BTCUSDT")
    assert len(marks) == 1
    assert connectors == []


def _position(side: Side = Side.BUY, stop: str | None = "65495.8") -> PositionSnapshot:
    position = Position(
        "main",
        "BTCUSDT",
        side,
        Decimal("0.067"),
        Decimal("65869.1"),
        0,
        unrealized_pnl=Decimal("80.76"),
        stop_loss=None if stop is None else Decimal(stop),
        take_profit=Decimal("67362.1"),
    )
    return PositionSnapshot(position, "bot", 5, Decimal("0.0183"), Decimal("3.23"), True)


def test_position_lines_say_money_percent_and_risk() -> None:
    """ux 39"""
    levels, zones = position_levels(_position(), "0.067")
    assert [(x.name, x.text, x.hue) for x in levels] == [
        ("Long 0.067", "+80.76 · +1.83 % · +3.2 R", "t1"),
        ("TP", "+100.03 · +2.27 % · 4.0 R", "up"),
        ("SL", "−25.01 · −0.57 % · −1.0 R", "down"),
    ]
    assert [(z.exit, z.hue) for z in zones] == [(67362.1, "up"), (65495.8, "down")]


def test_without_a_stop_there_is_no_risk_to_divide_by() -> None:
    levels, _ = position_levels(_position(stop=None), "0.067")
    assert [x.text for x in levels][1] == "+100.03 · +2.27 %"


def _order(purpose: OrderPurpose, price: str, status: OrderStatus, side: Side = Side.BUY) -> Order:
    return Order(
        "c",
        "e",
        "main",
        "bot",
        "BTCUSDT",
        side,
        OrderType.LIMIT,
        Decimal("0.02"),
        status,
        purpose,
        0,
        0,
        price=Decimal(price),
        filled_quantity=Decimal("0.005"),
    )


def test_working_orders_are_lines_unless_the_position_shows_them() -> None:
    """ux 38"""
    orders = [
        _order(OrderPurpose.ENTRY, "65000", OrderStatus.ACKNOWLEDGED),
        _order(OrderPurpose.STOP_LOSS, "65495.80", OrderStatus.ACKNOWLEDGED, Side.SELL),
        _order(OrderPurpose.EXTERNAL, "67362.1", OrderStatus.ACKNOWLEDGED, Side.SELL),
        _order(OrderPurpose.ENTRY, "64000", OrderStatus.CANCELLED),
    ]
    levels = order_levels(orders, "BTCUSDT", _position())
    assert [(x.price, x.name, x.text, x.style) for x in levels] == [
        (65000.0, "Buy", "0.015", "dashed")
    ]
    assert len(order_levels(orders, "BTCUSDT", None)) == 3
    assert order_levels(orders, "ETHUSDT", None) == []
