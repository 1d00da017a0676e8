"""Rule 5: every position has its stop at the exchange, and the seconds without one are counted."""

import asyncio
from decimal import Decimal

import pytest

from core.exchange_port import OutcomeUnknown, RequestRejected, Unavailable
from core.models.orders import OrderPurpose, OrderType, Side
from core.oms.intent_journal import KeptStop
from core.protection import ProtectionGuard

SYMBOL = "BTCUSDT"


class Guarded:
    """A guard over the scripted exchange; time moves in its own steps of half a second."""

    def __init__(self, world) -> None:
        self.world = world
        self.closed: list[str] = []
        self.guard = ProtectionGuard(
            world.parts(),
            close=lambda symbol, _reason: self.closed.append(symbol),
            refresh=self.refresh,
        )

    async def refresh(self) -> None:
        self.world.show_positions()

    async def seconds(self, count: float) -> None:
        for _ in range(int(count * 2)):
            self.world.clock.advance_ms(500)
            self.guard.look()
            for _ in range(6):
                await asyncio.sleep(0)

    @property
    def proof(self):
        [proof] = self.guard.snapshot()
        return proof


async def bought(world, *, stop="90", take_profit=None, quantity="1"):
    request = world.request(quantity=quantity)
    world.oms.submit(request)
    await world.idle(20)
    world.deliver()
    if stop:
        world.exchange.stops[SYMBOL] = (Decimal(stop), take_profit)
    world.show_positions()
    return request


async def test_a_resting_stop_is_counted_as_protection(world):
    guarded = Guarded(world)
    await bought(world)
    await guarded.seconds(10)
    proof = guarded.proof
    assert (proof.is_protected, proof.stop_price, proof.stop_quantity) == (True, 90, 1)
    assert (proof.protected_s, proof.unprotected_s) == (9.5, 0)
    assert proof.bot_id == "bot-1"
    assert proof.text == "Stop at 90 for the whole position."


async def test_a_lost_stop_is_set_again_at_once_and_its_absence_counted(world):
    guarded = Guarded(world)
    await bought(world)
    await guarded.seconds(5)
    del world.exchange.stops[SYMBOL]
    world.show_positions()
    await guarded.seconds(5)
    assert world.exchange.stops[SYMBOL] == (90, None)
    proof = guarded.proof
    assert proof.is_protected
    assert proof.times_replaced == 1
    assert proof.unprotected_s == proof.unprotected_longest_s <= 2
    assert guarded.closed == []
    assert any("had no stop at the exchange; it was set again" in e.text for e in world.alarms())


@pytest.mark.parametrize("answer", [OutcomeUnknown("timed out"), Unavailable("gone"), "ignored"])
async def test_what_cannot_be_placed_within_three_seconds_is_closed(world, answer):
    guarded = Guarded(world)
    world.exchange.stop_script.extend([answer] * 20)
    await bought(world, stop="")
    # one that was accepted has three seconds more to show
    await guarded.seconds(4 if isinstance(answer, Exception) else 5.5)
    assert set(guarded.closed) == {SYMBOL}
    assert not guarded.proof.is_protected
    assert "being closed" in guarded.proof.text


async def test_a_definite_no_closes_without_waiting(world):
    guarded = Guarded(world)
    world.exchange.stop_script.append(RequestRejected("the price has passed it"))
    await bought(world, stop="")
    await guarded.seconds(2)
    assert set(guarded.closed) == {SYMBOL}
    assert any("the price has passed it" in error.text for error in world.alarms())


async def test_a_stop_is_tried_on_while_the_close_does_not_get_through(world):
    """A suspended market takes no exit; the stop it takes again must not wait for one."""
    guarded = Guarded(world)
    world.exchange.stop_script.append(RequestRejected("the market is suspended"))
    await bought(world, stop="")
    await guarded.seconds(8)
    assert SYMBOL not in world.exchange.stops
    assert "being closed" in guarded.proof.text
    await guarded.seconds(8)
    assert world.exchange.stops[SYMBOL] == (90, None)
    assert guarded.proof.is_protected


async def test_an_exchange_that_hangs_does_not_put_the_close_off(world):
    guarded = Guarded(world)
    await bought(world, stop="")
    answered = asyncio.Event()

    async def hang(*_):
        await answered.wait()

    world.exchange.set_protection = hang
    await guarded.seconds(4)
    assert set(guarded.closed) == {SYMBOL}
    answered.set()


async def test_a_stop_that_covers_a_part_only_is_no_protection(world):
    guarded = Guarded(world)
    await bought(world, stop="")
    world.exchange.place_by_hand(
        SYMBOL,
        Side.SELL,
        Decimal("0.4"),
        order_type=OrderType.STOP_MARKET,
        trigger_price=Decimal(90),
        reduce_only=True,
        purpose=OrderPurpose.STOP_LOSS,
    )
    world.deliver()
    guarded.guard.look()
    proof = guarded.proof
    assert not proof.is_protected
    assert proof.text == "The stop covers 0.4 of 1."


async def test_a_lost_take_profit_is_put_back_and_never_a_reason_to_close(world):
    guarded = Guarded(world)
    await bought(world)
    world.oms.journal.keep_stop("demo", SYMBOL, kept(world, take_profit=Decimal(120)))
    world.exchange.stop_script.append(Unavailable("gone"))
    await guarded.seconds(35)
    assert world.exchange.stops[SYMBOL] == (90, 120)
    world.show_positions()
    await guarded.seconds(40)
    assert guarded.closed == []
    assert guarded.proof.take_profit_price == 120


def kept(world, stop="90", take_profit=None):
    return KeptStop(world.clock.time_ms(), Decimal(stop), take_profit)


# --- moving ---------------------------------------------------------------------------------


async def test_a_moved_stop_is_remembered_over_a_restart(world):
    guarded = Guarded(world)
    await bought(world)
    world.clock.advance_ms(1)
    await guarded.guard.move(SYMBOL, Decimal(95))
    assert world.exchange.stops[SYMBOL] == (95, None)
    await world.restart()
    del world.exchange.stops[SYMBOL]
    world.show_positions()
    guarded = Guarded(world)
    await guarded.seconds(3)
    assert world.exchange.stops[SYMBOL] == (95, None)


@pytest.mark.parametrize("first", ["the trader's", "the guard's"])
async def test_a_stop_that_was_lost_while_it_was_moved_ends_where_it_was_moved_to(world, first):
    """The exchange is slow to answer: the guard sets the old one again in between."""
    guarded = Guarded(world)
    await bought(world)
    land = world.exchange.set_protection
    answers = [asyncio.Event(), asyncio.Event()]
    waiting = list(answers)

    async def land_and_answer_late(symbol, stop_loss, take_profit):
        await land(symbol, stop_loss, take_profit)
        if waiting:
            await waiting.pop(0).wait()

    world.exchange.set_protection = land_and_answer_late
    moving = asyncio.create_task(guarded.guard.move(SYMBOL, Decimal(95)))
    await world.idle(5)
    del world.exchange.stops[SYMBOL]
    world.show_positions()
    await guarded.seconds(2)
    assert world.exchange.stops[SYMBOL] == (90, None)
    for answer in answers if first == "the trader's" else reversed(answers):
        answer.set()
        await world.idle(20)
    await moving
    await world.idle(20)
    assert world.exchange.stops[SYMBOL] == (95, None)


async def test_a_refused_move_leaves_the_old_stop(world):
    guarded = Guarded(world)
    await bought(world)
    world.exchange.stop_script.append(RequestRejected("no"))
    with pytest.raises(RequestRejected):
        await guarded.guard.move(SYMBOL, Decimal(95))
    assert world.exchange.stops[SYMBOL] == (90, None)
    assert world.oms.journal.kept_stop("demo", SYMBOL) is None


@pytest.mark.parametrize(("side", "stop"), [(Side.BUY, "101"), (Side.SELL, "99")])
async def test_a_stop_on_the_wrong_side_is_refused(world, side, stop):
    guarded = Guarded(world)
    world.oms.submit(world.request(side=side))
    await world.idle(20)
    world.deliver()
    world.show_positions()
    with pytest.raises(RequestRejected, match="wrong side"):
        await guarded.guard.move(SYMBOL, Decimal(stop))
    with pytest.raises(RequestRejected, match="there is no position in ETHUSDT"):
        await guarded.guard.move("ETHUSDT", Decimal(stop))


# --- whose position it is -------------------------------------------------------------------


async def test_a_position_that_nothing_explains_is_told_once_and_left_alone(world):
    guarded = Guarded(world)
    by_hand = world.exchange.place_by_hand(SYMBOL, Side.BUY, Decimal(1))
    world.exchange.fill(by_hand, Decimal(1))
    world.show_positions()
    await guarded.seconds(20)
    assert guarded.closed == []
    assert [e.text for e in world.alarms() if "no order of ours explains" in e.text] != []
    assert SYMBOL not in world.exchange.stops


async def test_the_stop_of_a_former_position_is_not_set_on_the_next_one(world):
    guarded = Guarded(world)
    await bought(world)
    world.oms.submit(world.request(Side.SELL, purpose=OrderPurpose.EXIT))
    await world.idle(20)
    by_hand = world.exchange.place_by_hand(SYMBOL, Side.BUY, Decimal(1))
    world.exchange.fill(by_hand, Decimal(1))
    world.deliver()
    del world.exchange.stops[SYMBOL]
    world.show_positions()
    await guarded.seconds(10)
    assert SYMBOL not in world.exchange.stops
    assert guarded.closed == []


async def test_a_position_on_the_other_side_is_not_the_entrys(world):
    guarded = Guarded(world)
    await bought(world)
    by_hand = world.exchange.place_by_hand(SYMBOL, Side.SELL, Decimal(3))
    world.exchange.fill(by_hand, Decimal(3))
    world.deliver()
    del world.exchange.stops[SYMBOL]
    world.show_positions()
    await guarded.seconds(10)
    assert SYMBOL not in world.exchange.stops


async def test_an_accepted_position_is_watched_by_the_stop_it_was_accepted_with(world):
    guarded = Guarded(world)
    by_hand = world.exchange.place_by_hand(SYMBOL, Side.BUY, Decimal(1))
    world.exchange.fill(by_hand, Decimal(1))
    world.show_positions()
    with pytest.raises(RequestRejected, match="give one with it"):
        await guarded.guard.adopt(SYMBOL, None, None)
    await guarded.guard.adopt(SYMBOL, Decimal(80), Decimal(130))
    assert world.exchange.stops[SYMBOL] == (80, 130)
    del world.exchange.stops[SYMBOL]
    world.show_positions()
    await guarded.seconds(4)
    assert world.exchange.stops[SYMBOL] == (80, 130)


async def test_an_accepted_position_keeps_the_stop_that_rests(world):
    guarded = Guarded(world)
    by_hand = world.exchange.place_by_hand(SYMBOL, Side.BUY, Decimal(1))
    world.exchange.fill(by_hand, Decimal(1))
    world.exchange.stops[SYMBOL] = (Decimal(85), None)
    world.show_positions()
    await guarded.guard.adopt(SYMBOL, None, None)
    assert world.oms.journal.kept_stop("demo", SYMBOL).stop_loss == 85
    await guarded.guard.adopt("ETHUSDT", None, None)  # flat: nothing to watch


async def test_less_than_a_lot_needs_no_stop(world):
    guarded = Guarded(world)
    await bought(world, stop="", quantity="0.0004")
    await guarded.seconds(10)
    assert guarded.closed == []
    assert guarded.guard.snapshot() == []


# --- what outlives a position ---------------------------------------------------------------


def left_over(world, symbol=SYMBOL):
    return world.exchange.place_by_hand(
        symbol,
        Side.SELL,
        Decimal(1),
        trigger_price=Decimal(90),
        reduce_only=True,
        purpose=OrderPurpose.STOP_LOSS,
    )


async def test_a_stop_that_outlives_its_position_is_gone_within_five_seconds(world):
    guarded = Guarded(world)
    order = left_over(world)
    world.deliver()
    await guarded.seconds(5)
    assert world.exchange._order("", order.exchange_order_id).status.is_terminal


async def test_a_stop_beside_a_working_entry_is_left_for_it(world):
    guarded = Guarded(world)
    world.oms.submit(world.request(order_type=OrderType.LIMIT))
    await world.idle(20)
    order = left_over(world)
    world.deliver()
    await guarded.seconds(10)
    assert not world.exchange._order("", order.exchange_order_id).status.is_terminal


@pytest.mark.parametrize("answer", [RequestRejected("it is gone"), OutcomeUnknown("timed out")])
async def test_a_left_over_stop_is_cancelled_again_until_it_is_gone(world, answer):
    guarded = Guarded(world)
    order = left_over(world)
    world.deliver()
    world.exchange.cancel_script.extend([answer] * 5)
    await guarded.seconds(40)
    assert world.exchange._order("", order.exchange_order_id).status.is_terminal


async def test_the_guard_looks_by_itself(world):
    guarded = Guarded(world)
    await bought(world)
    task = asyncio.create_task(guarded.guard.run())
    await asyncio.sleep(0)
    assert guarded.proof.is_protected
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_position_that_has_ended_is_no_longer_counted(world):
    guarded = Guarded(world)
    await bought(world, stop="")
    guarded.guard.look()
    assert guarded.proof.text == "No stop rests at the exchange."
    world.oms.submit(world.request(Side.SELL, purpose=OrderPurpose.EXIT))
    await world.idle(20)
    world.deliver()
    world.show_positions()
    await guarded.seconds(1)
    assert guarded.guard.snapshot() == []
    await bought(world)
    await guarded.seconds(1)
    assert guarded.proof.unprotected_s == 0


async def test_left_over_stops_of_two_symbols_are_each_cancelled(world):
    guarded = Guarded(world)
    orders = [left_over(world), left_over(world, symbol="ETHUSDT")]
    world.deliver()
    await guarded.seconds(5)
    for order in orders:
        assert world.exchange._order("", order.exchange_order_id).status.is_terminal


async def test_left_over_stops_that_go_by_themselves_are_forgotten(world):
    guarded = Guarded(world)
    order = left_over(world)
    world.deliver()
    await guarded.seconds(1)
    world.exchange.end(order, world.exchange._order("", order.exchange_order_id).status.CANCELLED)
    world.deliver()
    await guarded.seconds(6)
    assert guarded.guard._flat_since_s == {}
