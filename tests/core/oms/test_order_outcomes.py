"""What becomes of a request: accepted, rejected, already there, unknown, held back."""

import asyncio
from decimal import Decimal

import msgspec
import pytest
from scripted_exchange import ACCOUNT

from core.events import Error, Fill, Order, Reject
from core.exchange_port import (
    DuplicateOrder,
    OutcomeUnknown,
    RateLimited,
    RequestRejected,
)
from core.models.orders import OrderPurpose, OrderStatus, OrderType, Side
from core.oms.absence_proof import NEEDED_ANSWERS
from core.oms.order_management_system import ABSENCE_PROOF_S


def statuses(world, client_order_id):
    return [o.status.value for o in world.of(Order) if o.client_order_id == client_order_id]


async def test_an_accepted_order_fills_and_is_journalled_before_it_is_sent(world):
    request = world.request()
    on_disk_at_arrival = []
    world.exchange.on_accepted = lambda: on_disk_at_arrival.append(
        (
            world.oms.journal.order(request.client_order_id).status,
            world.oms.journal.request(request.client_order_id),
        )
    )
    world.oms.submit(request)
    await world.idle()
    world.deliver()
    assert on_disk_at_arrival == [(OrderStatus.SENT, request)]
    assert statuses(world, request.client_order_id) == [
        "intent",
        "sent",
        "acknowledged",
        "filled",
    ]
    (fill,) = world.of(Fill)
    assert (fill.bot_id, world.oms.purpose_of(fill).value) == ("bot-1", "entry")
    assert world.oms.working_orders() == []
    assert world.oms.last_latency_ms is not None


async def test_one_intent_is_submitted_once(world):
    request = world.request()
    world.oms.submit(request)
    with pytest.raises(ValueError, match="was submitted before"):
        world.oms.submit(request)
    await world.idle()
    assert world.exchange.books.requests == [request.client_order_id]


async def test_an_account_without_an_exchange_is_a_sentence(world):
    import msgspec

    request = msgspec.structs.replace(world.request(), account="nowhere")
    with pytest.raises(ValueError, match="no exchange is connected for account 'nowhere'"):
        world.oms.submit(request)


async def test_a_definite_no_is_rejected_and_told_once(world):
    request = world.request()
    world.exchange.script.append(RequestRejected("insufficient balance", "110007"))
    world.oms.submit(request)
    await world.idle()
    assert world.oms.order(request.client_order_id).status is OrderStatus.REJECTED
    (reject,) = world.of(Reject)
    assert (reject.is_ours, reject.code, reject.text) == (False, "110007", "insufficient balance")
    assert world.exchange.books.requests == [request.client_order_id]


async def test_a_lost_acknowledgement_is_unknown_then_adopted(world):
    request = world.request()
    world.exchange.script.append("lost_ack")
    world.exchange.index_lag_s = 8.0
    world.oms.submit(request)
    await world.idle()
    world.exchange.outbox.clear()  # the stream lost it too
    await world.idle()
    order = world.oms.order(request.client_order_id)
    assert "unknown" in statuses(world, request.client_order_id)
    assert order.status is OrderStatus.FILLED
    assert (
        order.exchange_order_id == world.exchange.order(request.client_order_id).exchange_order_id
    )
    assert len(world.of(Fill)) == 1  # fetched, since the stream did not bring it
    assert world.exchange.books.requests == [request.client_order_id]
    assert any("nobody knows yet" in error.text for error in world.of(Error))


async def test_not_found_right_after_the_request_ends_nothing(world):
    request = world.request(order_type=OrderType.LIMIT)
    world.exchange.script.append("lost_ack")
    world.exchange.index_lag_s = 1e9
    world.oms.submit(request)
    sent_s = world.clock.monotonic_s()
    while world.clock.monotonic_s() - sent_s < 15:
        await world.idle(1)
        assert not world.oms.order(request.client_order_id).status.is_terminal
    assert len(world.exchange.asked) > 3


async def test_absence_is_proved_by_time_query_and_fills(world):
    request = world.request()
    world.exchange.script.append("lost_request")
    world.oms.submit(request)
    await world.idle()
    order = world.oms.order(request.client_order_id)
    assert (order.status, order.reject_code) == (OrderStatus.REJECTED, "never_arrived")
    (reject,) = world.of(Reject)
    assert reject.text.startswith("not placed")
    assert not reject.is_ours
    assert world.exchange.books.requests == [request.client_order_id]


async def test_a_fill_disproves_absence_while_the_order_index_is_blind(world):
    request = world.request()
    world.exchange.script.append("lost_ack")
    world.exchange.index_lag_s = 1e9
    world.oms.submit(request)
    await world.idle()
    assert world.oms.order(request.client_order_id).status is OrderStatus.FILLED
    assert len(world.of(Fill)) == 1


async def test_an_exchange_that_does_not_know_what_it_has_proves_no_absence(world):
    """A node that lost its data: reads with nothing in them, minutes after the last request."""
    world.oms.submit(world.request(order_type=OrderType.LIMIT))
    await world.idle()
    world.clock.advance_ms(60_000)
    request = world.request(order_type=OrderType.LIMIT)
    world.exchange.script.append("lost_ack")
    world.exchange.is_blank = True
    world.oms.submit(request)
    sent_s = world.clock.monotonic_s()
    while world.clock.monotonic_s() - sent_s < 600:
        await world.idle(1)
    assert world.oms.order(request.client_order_id).status is OrderStatus.UNKNOWN
    world.exchange.is_blank = False
    await world.idle()
    assert world.oms.order(request.client_order_id).status is OrderStatus.ACKNOWLEDGED


async def test_what_an_exchange_may_have_forgotten_is_no_witness(world):
    withdrawn = world.request(order_type=OrderType.LIMIT)
    world.oms.submit(withdrawn)
    await world.idle()
    now_ms = world.clock.time_ms()
    assert world.oms.journal.last_received(ACCOUNT, 0, now_ms + 1) is not None  # it works
    placed = world.oms.order(withdrawn.client_order_id)
    world.exchange.end(placed, OrderStatus.CANCELLED)
    world.deliver()
    assert world.oms.order(withdrawn.client_order_id).status is OrderStatus.CANCELLED
    assert world.oms.journal.last_received(ACCOUNT, 0, now_ms + 1) is None
    filled = world.request()
    world.oms.submit(filled)
    await world.idle()
    world.deliver()
    known = world.oms.journal.last_received(ACCOUNT, 0, now_ms + 1)
    assert known.client_order_id == filled.client_order_id
    assert world.oms.journal.last_received(ACCOUNT, now_ms + 1, now_ms + 2) is None
    assert world.oms.journal.last_received(ACCOUNT, 0, now_ms) is None


async def test_one_not_found_is_no_proof_where_nothing_is_known_to_be_there(world):
    request = world.request(order_type=OrderType.LIMIT)
    world.exchange.script.append("lost_ack")
    world.exchange.is_blank = True
    world.oms.submit(request)
    sent_s = world.clock.monotonic_s()
    while world.clock.monotonic_s() - sent_s < ABSENCE_PROOF_S:
        await world.idle(1)
    asked = len(world.exchange.asked)
    while len(world.exchange.asked) < asked + NEEDED_ANSWERS - 1:
        await world.idle(1)
    assert world.oms.order(request.client_order_id).status is OrderStatus.UNKNOWN
    world.exchange.is_blank = False
    await world.idle()
    assert world.oms.order(request.client_order_id).status is OrderStatus.ACKNOWLEDGED


async def test_transport_errors_never_count_as_absence(world):
    request = world.request()
    world.exchange.script.append("lost_request")
    world.exchange.is_readable = False
    world.oms.submit(request)
    sent_s = world.clock.monotonic_s()
    while world.clock.monotonic_s() - sent_s < 7200:  # two hours of outage
        await world.idle(1)
    assert world.oms.order(request.client_order_id).status is OrderStatus.UNKNOWN
    world.exchange.is_readable = True
    await world.idle()
    assert world.oms.order(request.client_order_id).reject_code == "never_arrived"


async def test_a_request_admitted_late_is_found_within_the_proof_time(world):
    request = world.request(order_type=OrderType.LIMIT)
    world.exchange.script.append("late")
    world.oms.submit(request)
    sent_s = world.clock.monotonic_s()
    while world.clock.monotonic_s() - sent_s < 5:
        await world.idle(1)
    world.exchange.admit_late()
    await world.idle()
    assert world.oms.order(request.client_order_id).status is OrderStatus.ACKNOWLEDGED


async def test_a_duplicate_id_is_adopted_not_failed(world):
    request = world.request(order_type=OrderType.LIMIT)
    world.exchange._admit(request)
    world.exchange.outbox.clear()
    world.exchange.index_lag_s = 60.0  # longer than the proof of absence: it must not matter
    world.exchange.script.append(DuplicateOrder("duplicate", "110072"))
    world.oms.submit(request)
    await world.idle()
    order = world.oms.order(request.client_order_id)
    assert order.status is OrderStatus.ACKNOWLEDGED
    assert order.exchange_order_id
    assert world.of(Reject) == []


async def test_a_rate_limit_is_a_definite_no_so_the_same_intent_goes_again(world):
    request = world.request()
    world.exchange.script.extend([RateLimited("too many", "10006", 2.0)] * 2)
    world.oms.submit(request)
    await world.idle()
    assert world.exchange.books.requests == [request.client_order_id] * 3
    assert len(world.exchange.books.orders) == 1


@pytest.mark.parametrize(("wait_s", "tries"), [(2.0, 5), (600.0, 1)])
async def test_a_limiter_that_does_not_let_up_ends_in_a_rejection(world, wait_s, tries):
    request = world.request()
    world.exchange.script.extend([RateLimited("too many", "10006", wait_s)] * 9)
    world.oms.submit(request)
    await world.idle()
    assert len(world.exchange.books.requests) == tries
    assert world.oms.order(request.client_order_id).status is OrderStatus.REJECTED


async def test_whatever_breaks_in_an_adapter_is_unknown_and_shown(world, fail_on_unexpected_log):
    request = world.request(order_type=OrderType.LIMIT)
    world.exchange.script.append(ZeroDivisionError("oops"))
    world.oms.submit(request)
    await world.idle(3)
    assert world.oms.order(request.client_order_id).status is OrderStatus.UNKNOWN
    assert world.supervisor.unhandled_exceptions == 1
    (line,) = fail_on_unexpected_log
    assert "failed" in line.getMessage()
    fail_on_unexpected_log.clear()


async def test_cancel_of_a_partly_filled_order_keeps_the_fill(world):
    request = world.request(order_type=OrderType.LIMIT)
    world.oms.submit(request)
    await world.idle()
    theirs = world.exchange.order(request.client_order_id)
    world.exchange.fill(theirs, Decimal("0.25"))
    world.deliver()
    await world.oms.cancel("demo", "BTCUSDT", request.client_order_id, theirs.exchange_order_id)
    assert not world.oms.order(request.client_order_id).status.is_terminal  # an ack is no end
    world.deliver()
    order = world.oms.order(request.client_order_id)
    assert (order.status, order.filled_quantity) == (OrderStatus.CANCELLED, Decimal("0.25"))


async def test_cancelling_what_has_filled_says_so_and_books_it(world):
    request = world.request(order_type=OrderType.LIMIT)
    world.oms.submit(request)
    await world.idle()
    theirs = world.exchange.order(request.client_order_id)
    world.exchange.fill(theirs, Decimal(1))
    world.exchange.outbox.clear()
    with pytest.raises(RequestRejected, match="it is filled"):
        await world.oms.cancel("demo", "BTCUSDT", request.client_order_id, "")
    assert world.oms.order(request.client_order_id).status is OrderStatus.FILLED
    assert len(world.of(Fill)) == 1


async def test_an_unknown_cancel_is_asked_about_until_it_is_known(world):
    request = world.request(order_type=OrderType.LIMIT)
    world.oms.submit(request)
    await world.idle()
    world.exchange.cancel_script.extend([OutcomeUnknown("timed out"), "lost_ack"])
    await world.oms.cancel("demo", "BTCUSDT", request.client_order_id, "")
    assert world.oms.order(request.client_order_id).status is OrderStatus.CANCELLED


async def test_a_cancel_nobody_answers_is_not_taken_for_done(world):
    request = world.request(order_type=OrderType.LIMIT)
    world.oms.submit(request)
    await world.idle()
    world.exchange.cancel_script.extend([OutcomeUnknown("timed out")] * 9)
    world.exchange.is_readable = False
    with pytest.raises(OutcomeUnknown, match="not confirmed after 5 tries"):
        await world.oms.cancel("demo", "BTCUSDT", request.client_order_id, "")
    assert world.oms.order(request.client_order_id).status is OrderStatus.ACKNOWLEDGED


async def test_a_cancel_during_a_rate_limit_stops_the_order_from_ever_leaving(world):
    request = world.request()
    world.exchange.script.extend([RateLimited("too many", "10006", 2.0)] * 2)
    world.oms.submit(request)
    await asyncio.sleep(0)  # the first try is being held back
    await world.oms.cancel("demo", "BTCUSDT", request.client_order_id, "")
    await world.idle()
    assert world.oms.order(request.client_order_id).status is OrderStatus.CANCELLED
    assert world.exchange.books.orders == []


async def test_a_cancel_of_an_unknown_order_is_done_when_the_order_is_found(world):
    request = world.request(order_type=OrderType.LIMIT)
    world.exchange.script.append("late")
    world.oms.submit(request)
    await world.idle(3)
    await world.oms.cancel("demo", "BTCUSDT", request.client_order_id, "")
    world.exchange.admit_late()
    await world.idle()
    world.deliver()
    assert world.exchange.order(request.client_order_id).status is OrderStatus.CANCELLED
    assert world.oms.order(request.client_order_id).status is OrderStatus.CANCELLED


async def test_a_cancelled_order_of_somebody_else_needs_no_client_id(world):
    theirs = world.exchange.place_by_hand("BTCUSDT", world.request().side, Decimal(1))
    world.deliver()
    await world.oms.cancel("demo", "BTCUSDT", "", theirs.exchange_order_id)
    with pytest.raises(RequestRejected, match="not exists"):
        await world.oms.cancel("demo", "BTCUSDT", "", theirs.exchange_order_id)


async def test_a_no_to_cancelling_an_order_that_nobody_knows_is_final(world):
    """One question proves it: it took five tries and 5.7 s."""
    asked = count_calls(world.exchange, "fetch_order")
    before_s = world.clock.monotonic_s()
    with pytest.raises(RequestRejected, match="not exists"):
        await world.oms.cancel("demo", "BTCUSDT", "theirs-or-a-typing-error", "")
    assert asked == [("BTCUSDT", "theirs-or-a-typing-error")]
    assert world.clock.monotonic_s() == before_s


async def test_a_no_to_cancelling_what_has_ended_is_final_though_the_exchange_forgot_it(world):
    request = world.request(order_type=OrderType.LIMIT)
    world.oms.submit(request)
    await world.idle()
    theirs = world.exchange.order(request.client_order_id)
    await world.oms.cancel("demo", "BTCUSDT", request.client_order_id, theirs.exchange_order_id)
    world.deliver()
    world.exchange.books.orders.clear()
    asked = count_calls(world.exchange, "fetch_order")
    with pytest.raises(RequestRejected, match="not exists"):
        await world.oms.cancel("demo", "BTCUSDT", request.client_order_id, "")
    assert len(asked) == 1


def count_calls(exchange, name):
    """The arguments of every call of a method from now on."""
    calls, method = [], getattr(exchange, name)

    async def counted(*arguments):
        calls.append(arguments)
        return await method(*arguments)

    setattr(exchange, name, counted)
    return calls


async def test_a_symbol_is_being_entered_until_every_fill_of_the_entry_is_booked(world):
    def entering() -> str:
        return world.oms.entering("demo", "BTCUSDT")

    assert entering() == ""
    world.exchange.script.append(RequestRejected("no", "10001"))
    world.oms.submit(world.request())
    await world.idle()
    assert entering() == ""  # it came to nothing
    entry = world.request(order_type=OrderType.LIMIT)
    world.oms.submit(entry)
    await world.idle()
    assert entering() == "bot-1"
    theirs = world.exchange.order(entry.client_order_id)
    world.exchange.fill(theirs, Decimal(1))
    fills = [m for m in world.exchange.outbox if isinstance(m, Fill)]
    world.oms.on_order(world.exchange.order(entry.client_order_id))
    assert world.oms.order(entry.client_order_id).status is OrderStatus.FILLED
    assert entering() == "bot-1"  # filled, as it says; the fill itself is still on its way
    world.oms.on_fill(fills[0])
    assert entering() == ""


async def test_the_trail_tells_the_whole_story(world):
    request = world.request()
    world.oms.submit(request)
    await world.idle()
    world.deliver()
    trail = world.oms.journal.trail(request.client_order_id)
    steps = [line.step for line in trail]
    assert steps[:4] == ["intent", "request", "sent", "answer"]
    assert set(steps[4:]) == {"exchange", "fill"}
    assert trail[0].text == "RSI above 50"


async def test_history_outlives_the_working_list(world):
    first, second = world.request(), world.request()
    for request in (first, second):
        world.oms.submit(request)
        await world.idle(20)
        world.clock.advance_ms(1000)
    world.deliver()
    assert {o.client_order_id for o in world.oms.orders_of("bot-1")} == {
        first.client_order_id,
        second.client_order_id,
    }
    assert world.oms.entry_request("demo", "BTCUSDT").stop_loss == Decimal(90)
    assert world.oms.entry_request("demo", "ETHUSDT") is None
    assert len(world.oms.fills()) == 2


@pytest.mark.parametrize("heard", [Order, Fill])
async def test_a_stream_that_is_faster_than_the_answer_is_believed(world, heard):
    request = world.request()

    def hear_some():
        for message in list(world.exchange.outbox):
            if isinstance(message, heard):
                world.hear(message)

    world.exchange.on_accepted = hear_some
    world.oms.submit(request)
    await world.idle()
    order = world.oms.order(request.client_order_id)
    assert order.status is OrderStatus.FILLED
    assert order.exchange_order_id
    world.deliver()
    assert len(world.of(Fill)) == 1


async def test_a_rejection_that_contradicts_the_stream_changes_nothing(world):
    request = world.request(order_type=OrderType.LIMIT)
    world.exchange._admit(request)
    place_order = world.exchange.place_order

    async def heard_first(sent):
        world.deliver()
        return await place_order(sent)

    world.exchange.place_order = heard_first
    world.exchange.script.append(RequestRejected("no", "10001"))
    world.oms.submit(request)
    await world.idle()
    assert world.oms.order(request.client_order_id).status is OrderStatus.ACKNOWLEDGED
    assert world.of(Reject) == []


async def test_a_cancel_waits_as_long_as_the_limiter_says(world):
    request = world.request(order_type=OrderType.LIMIT)
    world.oms.submit(request)
    await world.idle()
    world.exchange.cancel_script.append(RateLimited("too many", "10006", 3.0))
    before_s = world.clock.monotonic_s()
    await world.oms.cancel("demo", "BTCUSDT", request.client_order_id, "")
    assert world.clock.monotonic_s() - before_s == 3.0
    assert world.exchange.order(request.client_order_id).status is OrderStatus.CANCELLED


async def test_a_withdrawn_order_that_cannot_be_cancelled_is_an_alarm(world):
    request = world.request(order_type=OrderType.LIMIT)
    world.exchange.cancel_script.extend([OutcomeUnknown("timed out")] * 9)
    world.exchange.script.append("slow")
    world.oms.submit(request)
    await world.idle(2)
    await world.oms.cancel("demo", "BTCUSDT", request.client_order_id, "")  # still on its way
    await world.idle()
    assert any("is not confirmed" in error.text for error in world.of(Error))


async def test_a_withdrawn_order_that_filled_first_is_no_alarm(world):
    request = world.request()
    world.exchange.script.append("slow")
    world.oms.submit(request)
    await world.idle(2)
    await world.oms.cancel("demo", "BTCUSDT", request.client_order_id, "")
    await world.idle()
    assert world.oms.order(request.client_order_id).status is OrderStatus.FILLED
    assert world.of(Error) == []


async def test_a_position_needs_a_stop_that_rests(world):
    world.oms.submit(world.request())
    await world.idle()
    world.deliver()
    world.state.on_position(world.exchange.position("BTCUSDT"))
    assert not world.oms.is_protected("demo", "BTCUSDT")
    stop = world.exchange.place_by_hand(
        "BTCUSDT",
        Side.SELL,
        Decimal(1),
        purpose=OrderPurpose.STOP_LOSS,
        reduce_only=True,
        trigger_price=Decimal(95),
    )
    world.deliver()
    assert world.oms.is_protected("demo", "BTCUSDT")
    assert [(o.purpose, o.bot_id) for o in world.oms.working_orders()] == [
        (OrderPurpose.STOP_LOSS, "bot-1")
    ]
    world.exchange.end(stop, OrderStatus.CANCELLED)
    world.deliver()
    assert not world.oms.is_protected("demo", "BTCUSDT")


async def test_an_entry_that_never_filled_does_not_explain_the_position(world):
    filled = world.request()
    world.oms.submit(filled)
    await world.idle()
    world.deliver()
    world.clock.advance_ms(1)
    world.oms.submit(world.request(order_type=OrderType.LIMIT))
    await world.idle()
    world.deliver()
    assert world.oms.entry_request("demo", "BTCUSDT") == filled
    assert world.oms.entry_request("demo", "ETHUSDT") is None


async def test_an_order_on_its_way_is_not_asked_for_by_the_reconciliation(world):
    world.exchange.script.append("slow")
    world.oms.submit(world.request())
    await world.oms.resolve_unknown("demo")
    assert world.exchange.asked == []


async def test_a_time_out_that_the_stream_has_overtaken_is_no_news(world):
    request = world.request(order_type=OrderType.LIMIT)
    place = world.exchange.place_order

    async def accept_tell_and_time_out(wish):
        await place(wish)
        world.deliver()
        raise OutcomeUnknown("timed out")

    world.exchange.place_order = accept_tell_and_time_out
    world.oms.submit(request)
    await world.idle()
    assert world.oms.order(request.client_order_id).status is OrderStatus.ACKNOWLEDGED
    assert world.alarms() == []


async def test_a_request_waits_until_it_may_leave(world):
    waited = []

    async def may_send():
        waited.append(len(world.exchange.books.requests))

    world.oms._may_send = may_send
    world.oms.submit(world.request())
    await world.idle()
    assert waited == [0]


async def test_the_purpose_of_a_fill_that_is_not_booked_is_its_orders(world):
    world.exchange.fills_at_once = False
    request = world.request()
    world.oms.submit(request)
    await world.idle()
    fill = world.exchange.fill(world.exchange.order(request.client_order_id), Decimal(1))
    assert world.oms.purpose_of(fill) is OrderPurpose.ENTRY
    nobodys = msgspec.structs.replace(fill, client_order_id="", exchange_order_id="")
    assert world.oms.purpose_of(nobodys) is OrderPurpose.EXTERNAL
