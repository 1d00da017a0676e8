"""Every kind of order does what its name promises."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.models.orders import Side, TimeInForce
from exchanges.simulated.values import (
    CancelReason,
    RejectReason,
    TriggerDirection,
    VenueOrderStatus,
    VenueReject,
)

BUY, SELL = Side.BUY, Side.SELL


def refusal(place, *args, **kwargs):
    with pytest.raises(VenueReject) as caught:
        place(*args, **kwargs)
    return caught.value.reason


def test_a_market_order_fills_at_the_ask_and_pays_the_taker_fee(bench):
    order = bench.market_order(BUY, "1")

    assert order.status is VenueOrderStatus.FILLED
    assert order.average_price == Decimal("1000.1")
    assert order.fee == Decimal("0.50005")


def test_a_large_market_order_walks_the_book_in_parts(bench):
    order = bench.market_order(BUY, "25")

    fills = bench.account.executions(order_id=order.order_id).items[::-1]
    assert [fill.price for fill in fills] == [Decimal(p) for p in ("1000.1", "1000.2", "1000.3")]
    assert [fill.quantity for fill in fills] == [10, 10, 5]
    assert [fill.leaves_quantity for fill in fills] == [15, 5, 0]
    assert order.filled_value == Decimal("25004.5")


def test_depth_that_was_taken_is_gone_until_the_market_trades_again(bench):
    bench.market_order(BUY, "10")
    assert bench.market_order(SELL, "1").average_price == Decimal("1000.0")
    assert bench.market_order(BUY, "1").average_price == Decimal("1000.2")
    bench.trade("1000.0")
    assert bench.market_order(BUY, "1").average_price == Decimal("1000.1")


def test_a_limit_order_below_the_market_rests_and_fills_when_the_market_comes(bench):
    order = bench.limit_order(BUY, "1", "990.0")
    assert order.status is VenueOrderStatus.NEW
    bench.trade("990.1")
    assert bench.now(order).status is VenueOrderStatus.NEW
    bench.trade("989.9")

    filled = bench.now(order)
    assert filled.status is VenueOrderStatus.FILLED
    assert filled.average_price == Decimal("990.0")
    assert filled.fee == Decimal("0.198")  # maker


def test_a_trade_at_the_limit_price_fills_no_more_than_it_traded(bench):
    order = bench.limit_order(BUY, "2", "990.0")
    bench.trade("990.0", quantity="0.5")

    assert bench.now(order).status is VenueOrderStatus.PARTLY_FILLED
    assert bench.now(order).leaves_quantity == Decimal("1.5")


def test_orders_at_one_price_fill_in_the_order_they_came(bench):
    other = bench.venue.account("other")
    first = bench.limit_order(BUY, "1", "990.0")
    second = bench.limit_order(BUY, "1", "990.0", account=other)
    bench.trade("990.0", quantity="1.2")

    assert bench.now(first).status is VenueOrderStatus.FILLED
    assert bench.now(second).filled_quantity == Decimal("0.2")


def test_a_better_price_fills_before_an_earlier_order(bench):
    other = bench.venue.account("other")
    early = bench.limit_order(BUY, "1", "989.0")
    better = bench.limit_order(BUY, "1", "990.0", account=other)
    bench.trade("990.0", quantity="1")

    assert bench.now(better).status is VenueOrderStatus.FILLED
    assert bench.now(early).filled_quantity == 0


def test_a_limit_order_through_the_book_takes_first_and_rests_the_remainder(bench):
    order = bench.limit_order(BUY, "15", "1000.1")

    assert order.status is VenueOrderStatus.PARTLY_FILLED
    assert order.filled_quantity == 10
    book = bench.venue.order_book("BTCUSDT", 5)
    assert book.bids[0] == (Decimal("1000.1"), Decimal(5))
    assert book.asks[0].price > book.bids[0].price


def test_two_accounts_trade_with_each_other(bench):
    maker = bench.venue.account("maker")
    resting = bench.limit_order(SELL, "1", "1000.1", account=maker)
    bench.trade("1000.0")
    taken = bench.market_order(BUY, "1")

    assert taken.average_price == Decimal("1000.1")
    assert bench.now(resting).status is VenueOrderStatus.FILLED
    assert bench.venue.account("maker").executions().items[0].is_maker


def test_an_account_never_trades_with_itself(bench):
    resting = bench.limit_order(BUY, "1", "999.9")
    bench.market_order(SELL, "21")  # deep enough to reach the own order

    assert bench.now(resting).cancel_reason is CancelReason.SELF_TRADE
    assert all(not fill.is_maker for fill in bench.account.executions().items)


def test_immediate_or_cancel_without_a_match_ends_unfilled(bench):
    order = bench.limit_order(BUY, "1", "990.0", time_in_force=TimeInForce.IOC)

    assert order.status is VenueOrderStatus.CANCELLED
    assert order.cancel_reason is CancelReason.IOC_REMAINDER
    assert order.filled_quantity == 0
    assert bench.account.executions().items == []


def test_immediate_or_cancel_keeps_what_it_got(bench):
    order = bench.limit_order(BUY, "12", "1000.1", time_in_force=TimeInForce.IOC)

    assert order.status is VenueOrderStatus.CANCELLED
    assert order.filled_quantity == 10
    assert bench.position() == 10


def test_fill_or_kill_takes_all_or_nothing(bench):
    killed = bench.limit_order(BUY, "12", "1000.1", time_in_force=TimeInForce.FOK)
    filled = bench.limit_order(BUY, "12", "1000.2", time_in_force=TimeInForce.FOK)

    assert killed.cancel_reason is CancelReason.FOK_NOT_FILLABLE
    assert killed.filled_quantity == 0
    assert filled.status is VenueOrderStatus.FILLED


def test_post_only_never_takes(bench):
    taking = bench.limit_order(BUY, "1", "1000.1", time_in_force=TimeInForce.POST_ONLY)
    resting = bench.limit_order(BUY, "1", "999.0", time_in_force=TimeInForce.POST_ONLY)

    assert taking.cancel_reason is CancelReason.POST_ONLY_WOULD_TAKE
    assert resting.status is VenueOrderStatus.NEW


def test_a_client_id_is_used_once_for_ever(bench):
    bench.market_order(BUY, "1", client_order_id="mine")
    reason = refusal(bench.market_order, BUY, "1", client_order_id="mine")

    assert reason is RejectReason.DUPLICATE_CLIENT_ID
    assert bench.position() == 1
    other = bench.venue.account("other")
    assert bench.market_order(BUY, "1", client_order_id="mine", account=other).filled_quantity


def test_reduce_only_is_refused_where_it_would_open(bench):
    assert refusal(bench.market_order, SELL, "1", reduce_only=True) is (
        RejectReason.REDUCE_ONLY_WOULD_INCREASE
    )
    bench.market_order(BUY, "1")
    assert refusal(bench.market_order, BUY, "1", reduce_only=True) is (
        RejectReason.REDUCE_ONLY_WOULD_INCREASE
    )


def test_reduce_only_is_cut_to_the_position(bench):
    bench.market_order(BUY, "1")
    order = bench.market_order(SELL, "3", reduce_only=True)

    assert order.status is VenueOrderStatus.FILLED
    assert order.quantity == 1
    assert bench.position() == 0


def test_resting_reduce_only_orders_end_with_the_position(bench):
    bench.market_order(BUY, "1")
    resting = bench.limit_order(SELL, "1", "1100.0", reduce_only=True)
    bench.market_order(SELL, "1")

    assert bench.now(resting).cancel_reason is CancelReason.REDUCE_ONLY


def test_a_stop_order_waits_for_its_trigger_and_then_acts_at_market(bench):
    order = bench.market_order(
        BUY, "1", trigger_price="1010.0", trigger_direction=TriggerDirection.RISING
    )
    assert order.status is VenueOrderStatus.UNTRIGGERED
    bench.trade("1009.9")
    assert bench.position() == 0
    bench.trade("1010.0")

    assert bench.now(order).status is VenueOrderStatus.FILLED
    assert bench.now(order).average_price == Decimal("1010.1")


def test_a_stop_limit_order_rests_after_its_trigger(bench):
    order = bench.limit_order(
        BUY, "1", "1005.0", trigger_price="1010.0", trigger_direction=TriggerDirection.RISING
    )
    bench.trade("1010.0")
    assert bench.now(order).status is VenueOrderStatus.NEW
    bench.trade("1004.9")
    assert bench.now(order).average_price == Decimal("1005.0")


@pytest.mark.parametrize(
    ("direction", "price", "reason"),
    [
        (TriggerDirection.RISING, "1000.0", RejectReason.TRIGGER_NOT_ABOVE_LAST),
        (TriggerDirection.FALLING, "1000.0", RejectReason.TRIGGER_NOT_BELOW_LAST),
        (TriggerDirection.NONE, "1010.0", RejectReason.BAD_PARAMETER),
    ],
)
def test_a_trigger_on_the_wrong_side_is_refused(bench, direction, price, reason):
    got = refusal(bench.market_order, BUY, "1", trigger_price=price, trigger_direction=direction)
    assert got is reason


@pytest.mark.parametrize(
    ("quantity", "price", "reason"),
    [
        ("0", "990.0", RejectReason.BAD_PARAMETER),
        ("-1", "990.0", RejectReason.BAD_PARAMETER),
        ("NaN", "990.0", RejectReason.BAD_PARAMETER),
        ("0.0005", "990.0", RejectReason.QUANTITY_TOO_SMALL),
        ("1001", "990.0", RejectReason.QUANTITY_TOO_LARGE),
        ("0.0015", "990.0", RejectReason.QUANTITY_NOT_ON_STEP),
        ("1", "990.05", RejectReason.PRICE_NOT_ON_TICK),
        ("1", "0", RejectReason.PRICE_OUT_OF_RANGE),
        ("0.005", "990.0", RejectReason.NOTIONAL_TOO_SMALL),
        ("200", "990.0", RejectReason.INSUFFICIENT_BALANCE),
    ],
)
def test_the_filters_refuse_and_change_nothing(bench, quantity, price, reason):
    before = bench.account.wallet()
    assert refusal(bench.limit_order, BUY, quantity, price) is reason
    assert bench.account.wallet() == before
    assert bench.account.open_orders() == []


def test_an_unknown_symbol_is_refused(bench):
    assert refusal(bench.market_order, BUY, "1", symbol="NOPE") is RejectReason.UNKNOWN_SYMBOL


def test_cancel_names_an_order_by_either_id_and_only_once(bench):
    order = bench.limit_order(BUY, "1", "990.0", client_order_id="c1")
    cancelled = bench.account.cancel_order("BTCUSDT", client_order_id="c1")

    assert cancelled.status is VenueOrderStatus.CANCELLED
    assert cancelled.cancel_reason is CancelReason.BY_USER
    again = refusal(bench.account.cancel_order, "BTCUSDT", order_id=order.order_id)
    assert again is RejectReason.ORDER_NOT_FOUND


def test_cancel_all_takes_conditional_orders_too_and_keeps_to_its_symbol(bench):
    bench.limit_order(BUY, "1", "990.0")
    bench.market_order(BUY, "1", trigger_price="1010.0", trigger_direction=TriggerDirection.RISING)
    kept = bench.limit_order(BUY, "1", "990.0", symbol="ETHUSDT")

    assert len(bench.account.cancel_all("BTCUSDT")) == 2
    assert [order.order_id for order in bench.account.open_orders()] == [kept.order_id]


def test_amending_the_price_into_the_book_fills(bench):
    order = bench.limit_order(BUY, "1", "990.0")
    amended = bench.account.amend_order("BTCUSDT", order_id=order.order_id, price=Decimal("1000.1"))
    assert amended.status is VenueOrderStatus.FILLED


def test_a_smaller_quantity_keeps_the_place_in_the_queue_a_larger_one_does_not(bench):
    other = bench.venue.account("other")
    order = bench.limit_order(BUY, "1", "990.0")
    behind = bench.limit_order(BUY, "1", "990.0", account=other)
    bench.account.amend_order("BTCUSDT", order_id=order.order_id, quantity=Decimal("0.5"))
    bench.trade("990.0", quantity="0.5")
    assert bench.now(order).status is VenueOrderStatus.FILLED

    other.amend_order("BTCUSDT", order_id=behind.order_id, quantity=Decimal("0.9"))
    late = bench.limit_order(BUY, "1", "990.0")
    other.amend_order("BTCUSDT", order_id=behind.order_id, quantity=Decimal("1.1"))
    bench.trade("990.0", quantity="1")
    assert bench.now(late).status is VenueOrderStatus.FILLED
    assert bench.now(behind).filled_quantity == 0


def test_an_amendment_that_changes_nothing_is_refused(bench):
    order = bench.limit_order(BUY, "1", "990.0")
    reason = refusal(
        bench.account.amend_order, "BTCUSDT", order_id=order.order_id, price=Decimal("990.0")
    )
    assert reason is RejectReason.ORDER_NOT_MODIFIED


def test_an_amendment_may_not_go_below_what_is_filled_nor_beyond_the_balance(bench):
    order = bench.limit_order(BUY, "2", "990.0")
    bench.trade("990.0", quantity="1")
    amend = bench.account.amend_order
    small = refusal(amend, "BTCUSDT", order_id=order.order_id, quantity=Decimal(1))
    large = refusal(amend, "BTCUSDT", order_id=order.order_id, quantity=Decimal(200))

    assert small is RejectReason.QUANTITY_TOO_SMALL
    assert large is RejectReason.INSUFFICIENT_BALANCE


def test_history_comes_newest_first_in_pages(bench):
    for price in ("990.0", "991.0", "992.0"):
        order = bench.limit_order(BUY, "1", price)
        bench.account.cancel_order("BTCUSDT", order_id=order.order_id)
    first = bench.account.order_history(limit=2)
    second = bench.account.order_history(limit=2, cursor=first.next_cursor)

    assert [o.price for o in first.items + second.items] == [
        Decimal("992.0"),
        Decimal("991.0"),
        Decimal("990.0"),
    ]
    assert second.next_cursor == ""
