"""Stop loss and take profit of a position: one of each at most, gone with the position."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.models.orders import OrderPurpose, OrderType, Side
from exchanges.simulated.values import (
    CancelReason,
    CreateType,
    RejectReason,
    StopType,
    VenueOrderStatus,
    VenueReject,
)

BUY, SELL = Side.BUY, Side.SELL


def protection(bench):
    return {
        order.create_type: order for order in bench.account.open_orders() if order.is_protection
    }


def test_prices_on_an_order_become_resting_orders_when_it_fills(bench):
    bench.limit_order(BUY, "2", "990.0", stop_loss="980.0", take_profit="1020.0")
    assert protection(bench) == {}
    bench.trade("990.0", quantity="0.5")

    resting = protection(bench)
    assert set(resting) == {CreateType.STOP_LOSS, CreateType.TAKE_PROFIT}
    stop = resting[CreateType.STOP_LOSS]
    assert (stop.side, stop.trigger_price, stop.quantity) == (SELL, 980, Decimal("0.5"))
    assert stop.reduce_only
    assert stop.client_order_id == ""
    (position,) = bench.account.positions()
    assert (position.stop_loss, position.take_profit) == (980, 1020)


def test_protection_grows_with_the_position(bench):
    bench.limit_order(BUY, "2", "990.0", stop_loss="980.0")
    bench.trade("990.0", quantity="0.5")
    bench.trade("990.0", quantity="1.5")

    (stop,) = protection(bench).values()
    assert stop.quantity == 2


def test_protection_shrinks_with_the_position_and_ends_with_it(bench):
    bench.market_order(BUY, "2", stop_loss="980.0", take_profit="1020.0")
    bench.market_order(SELL, "0.5")
    assert {order.quantity for order in protection(bench).values()} == {Decimal("1.5")}
    bench.market_order(SELL, "1.5")

    assert protection(bench) == {}
    ended = bench.account.order_history().items
    reasons = {o.cancel_reason for o in ended if o.is_protection}
    assert reasons == {CancelReason.POSITION_CLOSED}


@pytest.mark.parametrize(
    ("side", "hit", "kind"),
    [
        (BUY, "980.0", CreateType.STOP_LOSS),
        (BUY, "1020.0", CreateType.TAKE_PROFIT),
        (SELL, "1020.0", CreateType.STOP_LOSS),
        (SELL, "980.0", CreateType.TAKE_PROFIT),
    ],
)
def test_the_last_price_sets_it_off_and_the_other_one_ends(bench, side, hit, kind):
    stop, target = ("980.0", "1020.0") if side is BUY else ("1020.0", "980.0")
    bench.market_order(side, "1", stop_loss=stop, take_profit=target)
    bench.trade(hit)

    assert bench.position() == 0
    assert bench.account.open_orders() == []
    fill = bench.account.executions().items[0]
    assert fill.create_type is kind
    assert fill.exchange_purpose == kind.value
    assert fill.closed_quantity == 1
    assert fill.client_order_id == ""
    core_order = bench.account.order(order_id=fill.exchange_order_id).to_order("demo")
    assert core_order.purpose is OrderPurpose(kind.value)
    assert core_order.order_type is OrderType.STOP_MARKET


def test_a_stop_larger_than_the_book_goes_on_with_every_trade_until_flat(bench):
    bench.account.set_leverage("BTCUSDT", Decimal(50))
    bench.market_order(BUY, "400", stop_loss="999.0")
    for _ in range(40):
        bench.trade("998.0")

    assert bench.position() == 0
    assert bench.account.open_orders() == []
    (stop,) = [o for o in bench.account.order_history().items if o.is_protection]
    assert stop.status is VenueOrderStatus.FILLED
    assert stop.filled_quantity == 400


def test_protection_of_a_position_is_set_replaced_and_removed(bench):
    bench.market_order(BUY, "1")
    bench.account.set_protection("BTCUSDT", stop_loss=Decimal("980.0"))
    first = protection(bench)[CreateType.STOP_LOSS]
    bench.account.set_protection(
        "BTCUSDT", stop_loss=Decimal("985.0"), take_profit=Decimal("1020.0")
    )
    resting = protection(bench)
    assert resting[CreateType.STOP_LOSS].order_id == first.order_id
    assert resting[CreateType.STOP_LOSS].trigger_price == 985
    assert resting[CreateType.STOP_LOSS].stop_type is StopType.STOP_LOSS
    bench.account.set_protection("BTCUSDT", stop_loss=Decimal(0))
    assert set(protection(bench)) == {CreateType.TAKE_PROFIT}


@pytest.mark.parametrize(
    ("prices", "reason"),
    [
        ({"stop_loss": "1000.0"}, RejectReason.STOP_LOSS_WRONG_SIDE),
        ({"take_profit": "1000.0"}, RejectReason.TAKE_PROFIT_WRONG_SIDE),
        ({"stop_loss": "980.05"}, RejectReason.PRICE_NOT_ON_TICK),
        ({"stop_loss": "980.0"}, RejectReason.PROTECTION_NOT_MODIFIED),
        ({"take_profit": "0"}, RejectReason.PROTECTION_NOT_MODIFIED),
    ],
)
def test_wrong_protection_is_refused(bench, prices, reason):
    bench.market_order(BUY, "1", stop_loss="980.0")
    with pytest.raises(VenueReject) as caught:
        bench.account.set_protection(
            "BTCUSDT", **{name: Decimal(price) for name, price in prices.items()}
        )
    assert caught.value.reason is reason


def test_a_flat_symbol_cannot_be_protected(bench):
    with pytest.raises(VenueReject) as caught:
        bench.account.set_protection("BTCUSDT", stop_loss=Decimal("980.0"))
    assert caught.value.reason is RejectReason.NO_POSITION


@pytest.mark.parametrize(("stop", "target"), [("1000.0", None), (None, "999.0")])
def test_an_order_with_protection_on_the_wrong_side_is_refused(bench, stop, target):
    prices = {"stop_loss": stop, "take_profit": target}
    with pytest.raises(VenueReject):
        bench.limit_order(BUY, "1", "1000.0", **{k: v for k, v in prices.items() if v})


def test_a_turned_position_has_the_new_orders_protection_only(bench):
    bench.market_order(BUY, "1", stop_loss="980.0", take_profit="1020.0")
    bench.market_order(SELL, "3", stop_loss="1030.0")

    assert bench.position() == -2
    (stop,) = protection(bench).values()
    assert (stop.side, stop.trigger_price, stop.quantity) == (BUY, 1030, 2)


def test_a_protection_order_can_be_cancelled_and_its_price_amended_by_id(bench):
    bench.market_order(BUY, "1", stop_loss="980.0")
    (stop,) = protection(bench).values()
    bench.account.amend_order("BTCUSDT", order_id=stop.order_id, trigger_price=Decimal("985.0"))
    assert bench.account.positions()[0].stop_loss == 985
    with pytest.raises(VenueReject):
        bench.account.amend_order("BTCUSDT", order_id=stop.order_id, quantity=Decimal(2))
    bench.account.cancel_order("BTCUSDT", order_id=stop.order_id)
    assert bench.account.positions()[0].stop_loss is None
