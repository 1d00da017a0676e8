"""What the kill switch does to orders and positions, and how it goes on."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.capital.shared_capital_manager import SharedCapitalManager
from core.exchange_port import OutcomeUnknown
from core.models.orders import OrderPurpose, OrderStatus, OrderType, Side
from core.risk.risk_manager import RiskLimits, RiskManager
from core.stand_down import StandDown
from core.storage.database import open_database

SYMBOL = "BTCUSDT"


@pytest.fixture
def desk(world, tmp_path):
    """The world with a risk manager whose kill switch stands down."""
    database = open_database(tmp_path / "risk.db")
    world.closes = []
    world.risk = RiskManager(
        bus=world.bus,
        clock=world.clock,
        capital=SharedCapitalManager(
            "bybit", Decimal(10_000), database=database, clock=world.clock
        ),
        database=database,
        limits=RiskLimits(),
        on_liquidate=lambda reason: world.stand_down.liquidate(reason),  # noqa: PLW0108 (made later)
        on_kill=lambda _: world.stand_down.begin(),
    )

    def close(symbol, reason):
        world.closes.append((symbol, reason))
        return not world.exchange.position(symbol).is_flat

    world.stand_down = StandDown(world.parts(), risk=world.risk, close=close)
    return world


async def resting(world, count: int) -> list[str]:
    requests = [world.request(order_type=OrderType.LIMIT) for _ in range(count)]
    for request in requests:
        world.oms.submit(request)
    await world.idle(20)
    world.deliver()
    return [request.client_order_id for request in requests]


def answers(world) -> list[str]:
    return world.risk.snapshot().kill_switch_answers


def working(world) -> list[str]:
    orders = world.exchange.books.orders
    return [order.client_order_id for order in orders if not order.status.is_terminal]


async def test_entries_are_cancelled_stops_rest_and_the_count_is_noted(desk):
    await resting(desk, 3)
    desk.exchange.place_by_hand(
        SYMBOL, Side.SELL, Decimal(1), reduce_only=True, purpose=OrderPurpose.STOP_LOSS
    )
    by_hand = desk.exchange.place_by_hand(SYMBOL, Side.BUY, Decimal(1))
    desk.deliver()
    desk.risk.trip("by hand")
    await desk.idle()
    assert answers(desk) == ["Bybit: 4 of 4 orders cancelled, stops still rest"]
    assert [o.purpose for o in desk.exchange.books.orders if not o.status.is_terminal] == [
        OrderPurpose.STOP_LOSS
    ]
    ended = [
        o for o in desk.exchange.books.orders if o.exchange_order_id == by_hand.exchange_order_id
    ]
    assert ended[0].status is OrderStatus.CANCELLED


async def test_what_was_not_cancelled_is_counted_and_cancelled_after_the_next_reconciliation(desk):
    await resting(desk, 2)
    desk.exchange.cancel_script.extend([OutcomeUnknown("timed out")] * 10)
    desk.exchange.is_readable = False
    desk.risk.trip("by hand")
    desk.stand_down.go_on()  # it is at it already
    await desk.idle()
    assert answers(desk) == ["Bybit: 0 of 2 orders cancelled, stops still rest"]
    desk.exchange.is_readable = True
    desk.stand_down.go_on()
    await desk.idle()
    assert working(desk) == []


async def test_while_trading_is_allowed_nothing_is_cancelled(desk):
    await resting(desk, 1)
    desk.stand_down.go_on()
    await desk.idle()
    assert len(working(desk)) == 1


async def test_what_the_trader_places_by_hand_after_the_kill_is_his_own_business(desk):
    desk.risk.trip("by hand")
    await desk.idle()
    desk.exchange.place_by_hand(SYMBOL, Side.BUY, Decimal(1))
    desk.deliver()
    desk.stand_down.go_on()
    await desk.idle()
    assert len(working(desk)) == 1


async def test_a_fault_of_our_own_in_one_cancel_is_reported_and_keeps_no_other(
    desk, fail_on_unexpected_log
):
    await resting(desk, 2)
    desk.exchange.cancel_script.append(ZeroDivisionError("broken adapter"))
    desk.risk.trip("by hand")
    await desk.idle()
    assert answers(desk) == ["Bybit: 1 of 2 orders cancelled, stops still rest"]
    assert desk.supervisor.unhandled_exceptions == 1
    fail_on_unexpected_log.clear()


async def test_a_liquidation_names_what_is_still_open(desk):
    desk.oms.submit(desk.request(quantity="2"))
    await desk.idle(20)
    desk.deliver()
    desk.show_positions()
    assert desk.stand_down.liquidate("drawdown") == [SYMBOL]
    assert desk.closes == [(SYMBOL, "drawdown")]
    desk.oms.submit(desk.request(Side.SELL, "2", purpose=OrderPurpose.EXIT))
    await desk.idle(20)
    desk.deliver()
    assert desk.stand_down.liquidate("drawdown") == []  # the close knows that it is flat
    desk.show_positions()
    assert desk.stand_down.liquidate("drawdown") == []
    assert len(desk.closes) == 2
