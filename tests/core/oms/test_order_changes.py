"""Amend and replace: sent once, unknown outcomes asked for, never two orders working."""

from decimal import Decimal

import msgspec
import pytest

from core.exchange_port import OutcomeUnknown, RateLimited, RequestRejected, Unavailable
from core.models.orders import OrderPurpose, OrderStatus, OrderType, Side
from core.oms.client_order_id import make_client_order_id


async def working(world, quantity="10"):
    request = world.request(quantity=quantity, order_type=OrderType.LIMIT)
    world.oms.submit(request)
    await world.idle()
    world.deliver()
    return request


def terms(world, request):
    order = world.oms.order(request.client_order_id)
    return order.quantity, order.price


async def test_new_terms_are_journalled_before_the_request_and_come_back_by_the_stream(world):
    request = await working(world)
    await world.oms.amend(request.client_order_id, quantity=Decimal(6), price=Decimal(99))
    world.deliver()
    assert terms(world, request) == (6, 99)
    steps = [line.step for line in world.oms.trail(request.client_order_id)]
    assert steps.index("amend") < len(steps) - 1 - steps[::-1].index("answer")
    await world.restart()
    assert terms(world, request) == (6, 99)


@pytest.mark.parametrize("step", ["lost_ack", "lost_request"])
async def test_an_unknown_amendment_is_asked_for_never_repeated(world, step):
    request = await working(world)
    world.exchange.amend_script.append(step)
    if step == "lost_ack":
        await world.oms.amend(request.client_order_id, quantity=Decimal(6))
        assert terms(world, request) == (6, 100)
    else:
        with pytest.raises(RequestRejected, match="was not changed: the exchange shows 10 at 100"):
            await world.oms.amend(request.client_order_id, quantity=Decimal(6))
        assert terms(world, request) == (10, 100)


async def test_an_amendment_nobody_can_tell_of_stays_unknown(world):
    request = await working(world)
    world.exchange.amend_script.append("lost_ack")
    world.exchange.is_readable = False
    with pytest.raises(OutcomeUnknown, match="nobody knows whether"):
        await world.oms.amend(request.client_order_id, quantity=Decimal(6))
    world.exchange.is_readable = True
    await world.reconciler.reconcile("demo")
    assert terms(world, request) == (6, 100)


async def test_a_fill_that_is_faster_than_the_amendment_is_said_and_booked(world):
    request = await working(world)
    order = world.exchange.order(request.client_order_id)
    world.exchange.fill(order, Decimal(10))  # and we have not heard
    with pytest.raises(RequestRejected, match="too late to replace"):
        await world.oms.amend(request.client_order_id, quantity=Decimal(6))
    assert world.oms.order(request.client_order_id).status is OrderStatus.FILLED


async def test_an_order_that_ends_while_its_amendment_is_unknown(world):
    request = await working(world)
    world.exchange.amend_script.append("lost_request")
    world.exchange.fill(world.exchange.order(request.client_order_id), Decimal(10))
    with pytest.raises(RequestRejected, match="it is filled"):
        await world.oms.amend(request.client_order_id, quantity=Decimal(6))


async def test_a_rate_limit_is_waited_for(world):
    request = await working(world)
    before_s = world.clock.monotonic_s()
    world.exchange.amend_script.append(RateLimited("slow down", retry_after_s=7.0))
    await world.oms.amend(request.client_order_id, price=Decimal(98))
    assert world.clock.monotonic_s() >= before_s + 7
    world.exchange.amend_script.extend([RateLimited("slow down")] * 5)
    with pytest.raises(RateLimited):
        await world.oms.amend(request.client_order_id, price=Decimal(97))


async def test_what_cannot_be_changed_says_why(world):
    with pytest.raises(RequestRejected, match="is not ours to change"):
        await world.oms.amend("nobody", quantity=Decimal(1))
    request = await working(world)
    world.exchange.fill(world.exchange.order(request.client_order_id), Decimal(4))
    world.deliver()
    with pytest.raises(RequestRejected, match="4 of it is filled already"):
        await world.oms.amend(request.client_order_id, quantity=Decimal(3))
    world.exchange.fill(world.exchange.order(request.client_order_id), Decimal(6))
    world.deliver()
    with pytest.raises(RequestRejected, match="it is filled"):
        await world.oms.amend(request.client_order_id, quantity=Decimal(12))


async def test_terms_that_it_has_already_cost_no_request(world):
    request = await working(world)
    world.exchange.amend_script.append(RequestRejected("not modified"))
    await world.oms.amend(request.client_order_id, quantity=Decimal(10))
    assert len(world.exchange.amend_script) == 1


class WithoutAmend:
    """A port whose exchange can only cancel."""

    def __init__(self, exchange):
        self._exchange = exchange

    def __getattr__(self, name):
        if name == "amend_order":
            raise AttributeError(name)
        return getattr(self._exchange, name)


async def test_an_exchange_that_cannot_amend_says_what_to_do(world):
    request = await working(world)
    world.oms._ports["demo"] = WithoutAmend(world.exchange)
    with pytest.raises(RequestRejected, match="cancel it and place another"):
        await world.oms.amend(request.client_order_id, quantity=Decimal(6))


async def test_two_amendments_of_one_order_do_not_cross(world):
    request = await working(world)
    world.oms._changes._being_amended.add(request.client_order_id)
    with pytest.raises(RequestRejected, match="another change of it is on its way"):
        await world.oms.amend(request.client_order_id, quantity=Decimal(6))


# --- replace --------------------------------------------------------------------------------


async def test_a_replacement_is_cut_to_what_the_old_order_left(world):
    request = await working(world)
    world.exchange.fill(world.exchange.order(request.client_order_id), Decimal(4))
    # the fill is not heard of yet: it is asked for before anything replaces the order
    wanted = msgspec.structs.replace(world.request(quantity="10", order_type=OrderType.LIMIT))
    replacement = await world.oms.replace(request.client_order_id, wanted)
    assert replacement.quantity == 6
    assert world.oms.order(request.client_order_id).status is OrderStatus.CANCELLED
    assert world.exchange.books.requests == [request.client_order_id]


async def test_a_filled_order_is_not_replaced(world):
    request = await working(world)
    world.exchange.fill(world.exchange.order(request.client_order_id), Decimal(10))
    with pytest.raises(RequestRejected, match="cannot be cancelled: it is filled"):
        await world.oms.replace(request.client_order_id, world.request())
    with pytest.raises(RequestRejected, match="cannot be replaced: it is filled"):
        await world.oms.replace(request.client_order_id, world.request())
    with pytest.raises(RequestRejected, match="is not ours to replace"):
        await world.oms.replace("nobody", world.request())


async def test_nothing_replaces_an_order_whose_end_is_not_known(world):
    request = await working(world)
    world.exchange.cancel_script.extend([OutcomeUnknown("timed out")] * 5)
    world.exchange.is_readable = False
    with pytest.raises(OutcomeUnknown):
        await world.oms.replace(request.client_order_id, world.request())
    assert not world.oms.order(request.client_order_id).status.is_terminal


async def test_an_accepted_cancel_whose_end_nobody_shows_holds_the_replacement_back(world):
    request = await working(world)
    port = world.exchange
    accepted = port.cancel_order

    async def accept_and_go_dark(*terms):
        await accepted(*terms)
        port.is_readable = False

    port.cancel_order = accept_and_go_dark
    with pytest.raises(OutcomeUnknown, match="nothing replaces it"):
        await world.oms.replace(request.client_order_id, world.request())


async def test_a_cancel_that_nobody_answered_is_sent_again_after_the_outage(world):
    """Fault A8: it is neither forgotten nor taken for done."""
    request = await working(world)
    world.exchange.cancel_script.extend([OutcomeUnknown("timed out")] * 5)
    world.exchange.is_readable = False
    with pytest.raises(OutcomeUnknown):
        await world.oms.cancel("demo", request.symbol, request.client_order_id, "")
    assert world.oms.order(request.client_order_id).status is OrderStatus.ACKNOWLEDGED
    world.exchange.is_readable = True
    await world.reconciler.reconcile("demo")
    await world.idle()
    world.deliver()
    assert world.oms.order(request.client_order_id).status is OrderStatus.CANCELLED


# --- late -----------------------------------------------------------------------------------


@pytest.mark.parametrize("order_type", [OrderType.LIMIT, OrderType.MARKET])
async def test_an_order_that_arrives_after_its_absence_was_proved_is_ours_and_ended(
    world, order_type
):
    """Never treated as somebody else's; what is left of it is cancelled, what filled is booked."""
    world.exchange.script.append("late")
    request = world.request(quantity="10", order_type=order_type)
    world.oms.submit(request)
    await world.idle(80)
    assert world.oms.order(request.client_order_id).reject_code == "never_arrived"
    world.exchange.admit_late()
    world.deliver()
    await world.idle()
    world.deliver()
    order = world.oms.order(request.client_order_id)
    filled = order_type is OrderType.MARKET
    assert order.status is (OrderStatus.FILLED if filled else OrderStatus.CANCELLED)
    assert order.bot_id == request.bot_id
    assert world.external == []
    assert any("taken for not placed" in error.text for error in world.alarms())


@pytest.mark.parametrize("exchange", ["bybit", "okx", "bingx"])
async def test_an_order_of_ours_without_its_journal_is_external_and_named(world, exchange):
    """A lost disk: the shape says it was ours, nobody can say why it exists."""
    world.exchange_name = exchange
    await world.restart()
    stranger = make_client_order_id("macd_rsi", "BTCUSDT", world.clock.time_ms(), "1", exchange)
    world.exchange.place_by_hand("BTCUSDT", Side.BUY, Decimal(1), client_order_id=stranger)
    report = await world.reconciler.reconcile("demo")
    assert set(report.external) == {"BTCUSDT"}
    [(_, _, text)] = world.external
    assert "has the shape of our ids but is not in this journal" in text
    [order] = world.oms.working_orders("demo")
    assert order.purpose is OrderPurpose.EXTERNAL


async def test_an_unreadable_exchange_during_a_late_cancel_is_an_alarm(world):
    world.exchange.script.append("late")
    request = world.request(order_type=OrderType.LIMIT)
    world.oms.submit(request)
    await world.idle(80)
    world.exchange.cancel_script.extend([Unavailable("gone")] * 5)
    world.exchange.admit_late()
    world.exchange.is_readable = False
    world.deliver()
    await world.idle(80)
    assert any("is not confirmed" in error.text for error in world.alarms())
