"""Single steps of an order's state, as data."""

from decimal import Decimal

import pytest

from core.models.orders import OrderPurpose, OrderStatus, OrderType, Side
from core.oms.order_state import (
    apply_acknowledgement,
    apply_conclusion,
    order_from_request,
    request_text,
)


def changed(order, **fields):
    return type(order)(**{name: getattr(order, name) for name in order.__struct_fields__} | fields)


@pytest.fixture
def order(world):
    return order_from_request(world.request())


def test_what_may_have_left_is_not_called_an_intent_again(order):
    unknown = apply_conclusion(order, OrderStatus.UNKNOWN, time_ms=2)
    acknowledged = apply_acknowledgement(unknown, "")
    for known in (unknown, acknowledged):
        assert apply_conclusion(known, OrderStatus.INTENT, time_ms=3) == known


@pytest.mark.parametrize(
    "fields",
    [
        {"status": OrderStatus.CANCELLED},
        {"exchange_order_id": "e1", "status": OrderStatus.ACKNOWLEDGED},
        {"filled_quantity": Decimal("0.1"), "status": OrderStatus.PARTLY_FILLED},
    ],
)
def test_a_conclusion_never_overrules_the_exchange(order, fields):
    known = changed(order, **fields)
    assert apply_conclusion(known, OrderStatus.REJECTED, time_ms=9) == known


def test_an_answer_that_names_the_order_overrules_our_own_end(order):
    ended = apply_conclusion(order, OrderStatus.REJECTED, time_ms=2, code="never_arrived")
    assert apply_acknowledgement(ended, "") == ended
    alive = apply_acknowledgement(ended, "e1")
    assert (alive.status, alive.exchange_order_id) == (OrderStatus.ACKNOWLEDGED, "e1")


def test_a_fill_says_more_than_the_answer_that_comes_after_it(order):
    partly = changed(order, status=OrderStatus.PARTLY_FILLED, filled_quantity=Decimal("0.1"))
    named = apply_acknowledgement(partly, "e1")
    assert (named.status, named.exchange_order_id) == (OrderStatus.PARTLY_FILLED, "e1")


def test_the_request_in_one_line(world):
    entry = world.request(order_type=OrderType.LIMIT)
    assert request_text(entry) == (
        f"limit buy 1 BTCUSDT at 100 GTC, stop 90 as {entry.client_order_id}"
    )
    leave = world.request(Side.SELL, purpose=OrderPurpose.EXIT)
    assert request_text(leave) == (
        f"market sell 1 BTCUSDT GTC, reduce-only as {leave.client_order_id}"
    )
