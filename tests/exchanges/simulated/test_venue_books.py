"""The books balance, whatever happens."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.models.fills import FillKind
from core.models.orders import OrderType, Side, TimeInForce
from exchanges.simulated.holding import Holding
from exchanges.simulated.settlement import FUNDING_INTERVAL_MS
from exchanges.simulated.values import (
    CreateType,
    OrderChanged,
    PlaceOrder,
    PositionChanged,
    RejectReason,
    TriggerDirection,
    VenueOrderStatus,
    VenueReject,
    WalletChanged,
)

BUY, SELL = Side.BUY, Side.SELL
STARTED_WITH = Decimal(10_000)


def test_a_round_trip_realises_price_difference_less_fees(bench):
    bench.market_order(BUY, "1")
    bench.trade("1100.0")
    bench.market_order(SELL, "1")

    opening, closing = bench.account.executions().items[::-1]
    assert closing.realized_pnl == Decimal("99.9")
    assert closing.closed_entry_value == Decimal("1000.1")
    paid = opening.fee + closing.fee
    assert bench.account.wallet().wallet_balance == STARTED_WITH + Decimal("99.9") - paid


def test_margin_of_position_and_orders_is_not_available(bench):
    bench.market_order(BUY, "1")  # at 1000.1, leverage 10
    bench.limit_order(BUY, "1", "990.0")
    bench.limit_order(SELL, "1", "1100.0")  # would only close

    wallet = bench.account.wallet()
    assert wallet.position_margin == Decimal("100.01")
    assert wallet.order_margin == Decimal("99.0")
    assert wallet.unrealized_pnl == Decimal("-0.1")
    assert wallet.available_balance == wallet.equity - Decimal("199.01")


def test_leverage_sets_the_margin_and_refuses_what_is_out_of_range(bench):
    bench.account.set_leverage("BTCUSDT", Decimal(20))
    bench.market_order(BUY, "1")
    assert bench.account.wallet().position_margin == Decimal("50.005")
    for leverage, reason in [
        ("20", RejectReason.LEVERAGE_NOT_MODIFIED),
        ("51", RejectReason.LEVERAGE_OUT_OF_RANGE),
        ("0", RejectReason.LEVERAGE_OUT_OF_RANGE),
        ("-3", RejectReason.LEVERAGE_OUT_OF_RANGE),
    ]:
        with pytest.raises(VenueReject) as caught:
            bench.account.set_leverage("BTCUSDT", Decimal(leverage))
        assert caught.value.reason is reason


def test_lower_leverage_needs_the_margin_to_be_there(bench):
    bench.account.set_leverage("BTCUSDT", Decimal(50))
    bench.market_order(BUY, "40")
    with pytest.raises(VenueReject) as caught:
        bench.account.set_leverage("BTCUSDT", Decimal(2))
    assert caught.value.reason is RejectReason.INSUFFICIENT_BALANCE


def test_funding_is_paid_by_longs_every_eight_hours_of_market_time(bench):
    bench.market_order(BUY, "1")
    before = bench.account.wallet().wallet_balance
    bench.clock.advance_ms(2 * FUNDING_INTERVAL_MS)
    bench.venue.advance()

    paid = [x for x in bench.account.executions().items if x.kind is FillKind.FUNDING]
    assert [x.fee for x in paid] == [Decimal("0.1"), Decimal("0.1")]
    assert all(x.time_ms % FUNDING_INTERVAL_MS == 0 for x in paid)
    assert bench.account.wallet().wallet_balance == before - Decimal("0.2")


def test_a_short_receives_funding(bench):
    bench.market_order(SELL, "1")
    bench.clock.advance_ms(FUNDING_INTERVAL_MS)
    bench.venue.advance()
    assert bench.account.executions().items[0].fee == Decimal("-0.1")


def test_a_position_without_margin_is_liquidated_in_full(bench):
    bench.account.set_leverage("BTCUSDT", Decimal(50))
    bench.market_order(BUY, "150")
    bench.limit_order(BUY, "1", "900.0")
    (position,) = bench.account.positions()
    assert position.liquidation_price is not None
    bench.trade(str(position.liquidation_price - 1), after_ms=60_000)
    bench.clock.advance_ms(60_000)
    bench.venue.advance()

    assert bench.position() == 0
    assert bench.account.open_orders() == []
    closing = bench.account.executions().items[0]
    assert closing.create_type is CreateType.LIQUIDATION
    assert closing.closed_quantity == 150


def test_just_above_the_liquidation_price_nothing_happens(bench):
    bench.account.set_leverage("BTCUSDT", Decimal(50))
    bench.market_order(BUY, "150")
    (position,) = bench.account.positions()
    bench.trade(str(position.liquidation_price + 1), after_ms=60_000)
    bench.clock.advance_ms(60_000)
    bench.venue.advance()
    assert bench.position() == 150


def test_events_tell_the_same_as_the_answers(bench):
    order = bench.market_order(BUY, "1")

    told = [e.order for e in bench.events if isinstance(e, OrderChanged)]
    assert [o.status for o in told] == [VenueOrderStatus.NEW, VenueOrderStatus.FILLED]
    assert told[-1] == order
    positions = [e.position for e in bench.events if isinstance(e, PositionChanged)]
    assert positions[-1] == bench.account.positions()[0]
    wallets = [e.wallet for e in bench.events if isinstance(e, WalletChanged)]
    assert wallets[-1] == bench.account.wallet()


amounts = st.decimals("0.001", "50", places=3)
prices = st.decimals("0.0001", "90000", places=4)


@given(st.lists(st.tuples(st.sampled_from(Side), amounts, prices), min_size=1, max_size=30), prices)
def test_a_holding_loses_nothing_to_rounding(trades, last_price):
    holding = Holding(leverage=Decimal(1))
    cash = realized = Decimal(0)
    for side, quantity, price in trades:
        cash -= quantity * price * side.sign
        realized += holding.trade(side, quantity, price, 0).realized_pnl
        assert holding.cost >= 0
        assert bool(holding.cost) == bool(holding.quantity)
    assert holding.unrealized(last_price) + realized == cash + holding.quantity * last_price


@st.composite
def requests(draw):
    side = draw(st.sampled_from(Side))
    near = draw(st.decimals("985", "1015", places=1))
    kind = draw(st.sampled_from(["market", "limit", "reduce", "stop", *TimeInForce]))
    distance = draw(st.sampled_from([None, Decimal(3), Decimal(30)]))
    stop = None if distance is None else near - side.sign * distance
    target = None if distance is None else near + side.sign * distance
    return PlaceOrder(
        symbol="BTCUSDT",
        side=side,
        order_type=OrderType.MARKET if kind == "market" else OrderType.LIMIT,
        quantity=draw(st.decimals("0.1", "30", places=3)),
        price=None if kind == "market" else near,
        time_in_force=kind if isinstance(kind, TimeInForce) else TimeInForce.GTC,
        reduce_only=kind == "reduce",
        trigger_price=near + 5 if kind == "stop" else None,
        trigger_direction=TriggerDirection.RISING if kind == "stop" else TriggerDirection.NONE,
        stop_loss=stop,
        take_profit=target,
    )


steps = st.one_of(
    st.tuples(st.just("place"), st.integers(0, 1), requests()),
    st.tuples(st.just("trade"), st.decimals("970", "1030", places=1), amounts),
    st.tuples(st.just("cancel all"), st.integers(0, 1), st.none()),
    st.tuples(st.just("wait"), st.integers(1, 5_000_000), st.none()),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=25))
def test_whatever_is_done_the_books_stay_right(open_bench, script):
    bench = open_bench()
    accounts = [bench.account, bench.venue.account("other")]
    for name, first, second in script:
        if name == "place":
            held = accounts[first].positions("BTCUSDT")[0]
            try:
                order = accounts[first].place_order(second)
            except VenueReject:
                order = None
            if order is not None and second.reduce_only:
                now = accounts[first].positions("BTCUSDT")[0]
                assert now.signed_quantity * held.signed_quantity >= 0
        elif name == "trade":
            bench.trade(str(first), quantity=str(second))
        elif name == "cancel all":
            accounts[first].cancel_all()
        else:
            bench.clock.advance_ms(first)
            bench.venue.advance()
        for account in accounts:
            _check(account)


def _check(account):
    executions = account.executions(limit=10_000).items
    wallet = account.wallet()
    assert wallet.wallet_balance == STARTED_WITH + sum(x.cash_flow for x in executions)
    assert wallet.available_balance >= 0
    trades = [x for x in executions if x.kind is FillKind.TRADE]
    (position,) = account.positions("BTCUSDT")
    assert position.signed_quantity == sum(x.quantity * x.side.sign for x in trades)
    orders = account.open_orders()
    finals = account.order_history(limit=10_000).items
    for order in orders + finals:
        fills = [x for x in trades if x.exchange_order_id == order.order_id]
        assert order.filled_quantity == sum(x.quantity for x in fills) <= order.quantity
        assert order.filled_value == sum(x.value for x in fills)
        assert order.fee == sum(x.fee for x in fills)
        assert (order.status is VenueOrderStatus.FILLED) == (
            order.filled_quantity == order.quantity
        )
    for kind in (CreateType.STOP_LOSS, CreateType.TAKE_PROFIT):
        protection = [order for order in orders if order.create_type is kind]
        assert len(protection) <= (0 if position.is_flat else 1)
        for order in protection:
            assert order.side is position.side.opposite
            assert order.leaves_quantity == position.quantity
