"""A close is seen through: one exit at a time, until the position is flat (faults A15, A17)."""

import asyncio
import sqlite3
from decimal import Decimal

import msgspec
import pytest

from core.exchange_port import RequestRejected
from core.models.fills import Fill
from core.models.orders import Order, OrderPurpose, OrderRequest, OrderStatus, Side
from core.position_closer import COMING_S, PositionCloser
from core.trade_log import TradeLog

SYMBOL = "BTCUSDT"


class Closing:
    """A closer whose requests go straight to the order management system."""

    def __init__(self, world) -> None:
        self.world = world
        world.bus.subscribe(OrderRequest, self.submit, part="test gate")
        self.asked: list[OrderRequest] = []
        self.is_blind = False
        trades = TradeLog()
        trades.replay(world.oms.history())
        world.bus.subscribe(Fill, trades.on_fill, part="test trades")
        self.closer = PositionCloser(
            world.parts(),
            ticker_of=lambda _symbol: None,
            trade_of=trades.open_trades.get,
            is_blind=lambda: self.is_blind,
        )

    def submit(self, request: OrderRequest) -> None:
        self.asked.append(request)
        self.world.oms.accept(request)
        self.world.oms.submit(request)

    async def seconds(self, count: int) -> None:
        for _ in range(count):
            self.world.clock.advance_ms(1000)
            for _ in range(30):
                await asyncio.sleep(0)
            if not self.is_blind:
                self.world.deliver()
                self.world.show_positions()
            self.closer.look()

    def see_again(self) -> None:
        """The books are read."""
        self.world.deliver()
        self.world.show_positions()
        self.is_blind = False
        self.closer.go_on()


async def held(world, quantity="2"):
    world.oms.submit(world.request(quantity=quantity))
    await world.idle(20)
    world.deliver()
    world.show_positions()


def count_reduce_only(world):
    """An exchange on which resting reduce-only orders hold the size, as Binance does."""
    place = world.exchange.place_order

    async def refuse_while_held(request):
        resting = await world.exchange.fetch_open_orders()
        if request.reduce_only and any(order.reduce_only for order in resting):
            raise RequestRejected("the reduce-only quantity is used up", "-4118")
        return await place(request)

    world.exchange.place_order = refuse_while_held


async def test_one_close_is_one_exit(world):
    closing = Closing(world)
    await held(world)
    assert closing.closer.close(SYMBOL, "by hand")
    assert closing.closer.close(SYMBOL, "by hand again")
    await closing.seconds(5)
    assert [(r.quantity, r.reduce_only, r.reason) for r in closing.asked] == [(2, True, "by hand")]
    assert world.exchange.position(SYMBOL).is_flat
    assert not closing.closer.close(SYMBOL, "nothing left")
    assert not closing.closer.close("ETHUSDT", "never held")


async def test_an_exit_that_found_no_counterpart_goes_again(world):
    closing = Closing(world)
    await held(world)
    world.exchange.fills_at_once = False
    closing.closer.close(SYMBOL, "by hand")
    await closing.seconds(1)
    world.exchange.end(
        world.exchange.order(closing.asked[0].client_order_id), OrderStatus.CANCELLED
    )
    world.exchange.fills_at_once = True
    await closing.seconds(5)
    assert len(closing.asked) == 2
    assert world.exchange.position(SYMBOL).is_flat


async def test_a_size_that_resting_orders_hold_is_freed_first(world):
    """Take profits make way at the second try, the stop at the third, with an alarm."""
    closing = Closing(world)
    await held(world)
    resting = [
        world.exchange.place_by_hand(
            SYMBOL,
            Side.SELL,
            Decimal(2),
            reduce_only=True,
            trigger_price=Decimal(price),
            purpose=purpose,
        )
        for price, purpose in ((120, OrderPurpose.TAKE_PROFIT), (90, OrderPurpose.STOP_LOSS))
    ]
    world.deliver()
    count_reduce_only(world)
    closing.closer.close(SYMBOL, "kill switch")
    await closing.seconds(3)
    states = [world.exchange._order("", o.exchange_order_id).status for o in resting]
    assert states == [OrderStatus.CANCELLED, OrderStatus.ACKNOWLEDGED]
    await closing.seconds(6)
    assert world.exchange.position(SYMBOL).is_flat  # within 10 s
    assert any("is not closed after 2 tries" in error.text for error in world.alarms())
    assert any("its stop made way" in error.text for error in world.alarms())


async def test_a_stop_that_was_not_the_cause_makes_way_once(world):
    """A suspended market refuses every exit: the stop that the guard sets again is left alone."""
    closing = Closing(world)
    await held(world)

    def rest_a_stop():
        stop = world.exchange.place_by_hand(
            SYMBOL,
            Side.SELL,
            Decimal(2),
            reduce_only=True,
            trigger_price=Decimal(90),
            purpose=OrderPurpose.STOP_LOSS,
        )
        world.deliver()
        return stop.exchange_order_id

    def status(stop):
        return world.exchange._order("", stop).status

    first = rest_a_stop()
    world.exchange.script.extend([RequestRejected("the market is suspended", "10029")] * 9)
    closing.closer.close(SYMBOL, "by hand")
    await closing.seconds(8)
    assert status(first) is OrderStatus.CANCELLED
    second = rest_a_stop()
    await closing.seconds(60)
    assert len(closing.asked) > 4
    assert status(second) is OrderStatus.ACKNOWLEDGED


async def test_a_bots_exit_that_was_refused_is_seen_through(world):
    """A strategy speaks once a candle, and its exit met a take profit that holds the size."""
    closing = Closing(world)
    await held(world)
    take_profit = world.exchange.place_by_hand(
        SYMBOL,
        Side.SELL,
        Decimal(2),
        reduce_only=True,
        trigger_price=Decimal(120),
        purpose=OrderPurpose.TAKE_PROFIT,
    )
    world.deliver()
    count_reduce_only(world)
    closing.submit(world.request(side=Side.SELL, quantity="2", purpose=OrderPurpose.EXIT))
    await closing.seconds(1)
    [refused] = [o for o in world.of(Order) if o.status is OrderStatus.REJECTED]
    closing.closer.take_over(refused)
    closing.closer.take_over(refused)  # told twice
    await closing.seconds(4)
    assert world.exchange.position(SYMBOL).is_flat
    assert world.exchange._order("", take_profit.exchange_order_id).status is OrderStatus.CANCELLED
    assert len(closing.asked) == 2
    closing.closer.take_over(refused)  # it is flat: nothing is left to do
    await closing.seconds(2)
    assert len(closing.asked) == 2


async def test_an_order_that_cannot_be_moved_out_of_the_way_is_told(world):
    closing = Closing(world)
    await held(world)
    world.exchange.place_by_hand(
        SYMBOL, Side.SELL, Decimal(2), reduce_only=True, purpose=OrderPurpose.TAKE_PROFIT
    )
    world.deliver()
    world.exchange.script.append(RequestRejected("no"))
    world.exchange.cancel_script.append(RequestRejected("not yours"))
    closing.closer.close(SYMBOL, "by hand")
    await closing.seconds(5)
    assert world.exchange.position(SYMBOL).is_flat
    assert any("not yours" in error.text for error in world.alarms())


async def test_an_exit_that_never_arrived_goes_again_without_touching_the_stop(world):
    closing = Closing(world)
    await held(world)
    world.exchange.place_by_hand(
        SYMBOL,
        Side.SELL,
        Decimal(2),
        reduce_only=True,
        trigger_price=Decimal(90),
        purpose=OrderPurpose.STOP_LOSS,
    )
    world.deliver()
    world.exchange.script.append("lost_request")
    closing.closer.close(SYMBOL, "by hand")
    for _ in range(40):
        await closing.seconds(1)
    assert world.exchange.position(SYMBOL).is_flat
    [stop] = await world.exchange.fetch_open_orders()
    assert stop.purpose is OrderPurpose.STOP_LOSS


async def test_an_exit_unknown_for_longer_than_it_could_arrive_does_not_hold_the_close_up(world):
    closing = Closing(world)
    await held(world)
    world.exchange.script.append("lost_request")
    world.exchange.is_readable = False  # nobody can say what became of it
    closing.closer.close(SYMBOL, "kill switch")
    await closing.seconds(9)
    assert len(closing.asked) == 2
    assert world.exchange.position(SYMBOL).is_flat


async def test_more_than_one_order_may_hold_is_closed_in_parts(world):
    closing = Closing(world)
    await held(world, quantity="120")
    closing.closer.close(SYMBOL, "by hand")
    await closing.seconds(12)
    assert [request.quantity for request in closing.asked] == [50, 50, 20]
    assert world.exchange.position(SYMBOL).is_flat


async def test_less_than_a_lot_cannot_be_closed(world):
    closing = Closing(world)
    await held(world, quantity="0.0005")
    assert not closing.closer.close(SYMBOL, "by hand")


async def test_a_symbol_that_is_gone_from_the_list_can_still_be_closed(world):
    closing = Closing(world)
    closing.closer._parts = msgspec.structs.replace(world.parts(), instruments={})
    await held(world)
    assert closing.closer.close(SYMBOL, "delisted")
    await closing.seconds(3)
    assert world.exchange.position(SYMBOL).is_flat


async def test_an_exit_of_the_bot_is_not_doubled(world):
    closing = Closing(world)
    await held(world)
    world.exchange.fills_at_once = False
    closing.submit(world.request(Side.SELL, "2", purpose=OrderPurpose.EXIT))
    await closing.seconds(1)
    assert closing.closer.close(SYMBOL, "by hand")
    await closing.seconds(5)
    assert len(closing.asked) == 1


async def test_a_position_that_lags_behind_its_exit_is_not_closed_twice(world):
    closing = Closing(world)
    await held(world)
    world.exchange.fills_at_once = False
    closing.closer.close(SYMBOL, "by hand")
    await closing.seconds(4)
    world.exchange.fill(world.exchange.order(closing.asked[0].client_order_id), Decimal(2))
    world.deliver()  # the order's end; the position's own message is late
    closing.closer.look()
    world.clock.advance_ms(900)
    closing.closer.look()
    world.show_positions()
    await closing.seconds(5)
    assert len(closing.asked) == 1


async def test_a_position_that_ends_while_way_is_made_needs_no_exit(world):
    closing = Closing(world)
    await held(world)
    stop = world.exchange.place_by_hand(
        SYMBOL, Side.SELL, Decimal(2), reduce_only=True, purpose=OrderPurpose.TAKE_PROFIT
    )
    world.deliver()
    world.exchange.script.append(RequestRejected("held by a take profit"))
    cancel = world.exchange.cancel_order

    async def too_late(*terms):
        world.exchange.fill(stop, Decimal(2))
        world.deliver()
        world.show_positions()
        await cancel(*terms)

    world.exchange.cancel_order = too_late
    closing.closer.close(SYMBOL, "by hand")
    await closing.seconds(6)
    assert len(closing.asked) == 1
    assert world.exchange.position(SYMBOL).is_flat


async def after_a_crash(world, *, asked: str = "by hand") -> Closing:
    """A run that was asked to close what it held, and ended before anything came of it; the next
    one has read the positions."""
    first = Closing(world)
    await held(world)
    world.bus.unsubscribe(OrderRequest, first.submit)  # nothing leaves any more
    assert first.closer.close(SYMBOL, asked)
    await world.restart()
    return Closing(world)


async def test_a_close_asked_before_a_crash_goes_on_after_it(world):
    closing = await after_a_crash(world)
    closing.closer.look()  # the positions are not known yet: that is no reason to forget
    assert closing.asked == []
    world.show_positions()
    closing.closer.go_on()
    await closing.seconds(5)
    assert [(r.quantity, r.reason) for r in closing.asked][-1:] == [(2, "by hand")]
    assert world.exchange.position(SYMBOL).is_flat
    assert world.oms.journal.kept_closes("demo") == []


async def test_a_close_that_ended_flat_is_not_asked_of_a_later_position(world):
    """Its end could not be written: a full disk, and then a crash."""
    closing = Closing(world)
    await held(world)
    world.oms.journal.forget_close = full_disk
    closing.closer.close(SYMBOL, "by hand")
    await closing.seconds(5)
    assert world.exchange.position(SYMBOL).is_flat
    assert len(world.oms.journal.kept_closes("demo")) == 1
    await world.restart()
    world.clock.advance_ms(1000)
    await held(world)
    later = Closing(world)
    later.closer.go_on()
    await later.seconds(5)
    assert later.asked == []
    assert not world.exchange.position(SYMBOL).is_flat
    assert world.oms.journal.kept_closes("demo") == []


async def test_a_close_that_ended_flat_is_forgotten_as_soon_as_the_disk_lets(world):
    closing = Closing(world)
    await held(world)
    forget = world.oms.journal.forget_close
    world.oms.journal.forget_close = full_disk
    closing.closer.close(SYMBOL, "by hand")
    await closing.seconds(5)
    world.oms.journal.forget_close = forget
    closing.closer.go_on()  # what has ended is not taken up again
    await closing.seconds(1)
    assert len(closing.asked) == 1
    assert world.oms.journal.kept_closes("demo") == []


async def test_a_full_disk_holds_no_close_back(world):
    closing = Closing(world)
    await held(world)
    world.oms.journal.keep_close = full_disk
    closing.closer.close(SYMBOL, "by hand")
    await closing.seconds(5)
    assert world.exchange.position(SYMBOL).is_flat
    assert "BTCUSDT: that it is closed could not be written (disk full)" in [
        alarm.text for alarm in world.alarms()
    ]


def full_disk(*_):
    raise sqlite3.OperationalError("disk full")


async def test_a_close_with_entries_takes_what_an_entry_on_its_way_opens(world):
    closing = Closing(world)
    world.exchange.script.append("lost_ack")
    world.oms.submit(world.request(quantity="2"))
    await asyncio.sleep(0)
    assert not closing.closer.close(SYMBOL, "nothing is held yet")
    assert closing.closer.close(SYMBOL, "stopped", with_entries=True)
    for _ in range(30):
        await closing.seconds(1)
    assert world.exchange.position(SYMBOL).is_flat
    assert [(r.quantity, r.reduce_only) for r in closing.asked] == [(2, True)]


async def test_a_close_asked_for_again_by_the_trader_does_not_wait_for_its_next_try(world):
    closing = Closing(world)
    await held(world)
    world.exchange.script.extend([RequestRejected("no funds")] * 5)
    closing.closer.close(SYMBOL, "the bot's exit")
    await closing.seconds(20)
    assert len(closing.asked) == 5  # the next one is 16 s away
    await closing.seconds(2)
    closing.closer.close(SYMBOL, "the day's loss")  # no trader: it goes on as it did
    await closing.seconds(2)
    assert len(closing.asked) == 5
    closing.closer.close(SYMBOL, "by hand", at_once=True)
    await closing.seconds(2)
    assert len(closing.asked) == 6
    assert world.exchange.position(SYMBOL).is_flat


async def test_a_close_under_way_takes_entries_too_once_that_is_asked(world):
    closing = Closing(world)
    await held(world)
    world.exchange.script.append(RequestRejected("no funds"))
    closing.closer.close(SYMBOL, "the bot's exit")
    await world.idle(20)
    world.oms.submit(world.request(Side.SELL, quantity="2", purpose=OrderPurpose.EXIT))
    await world.idle(20)
    world.exchange.fills_at_once = False
    entry = world.request(quantity="3")
    world.oms.submit(entry)
    await world.idle(20)
    assert closing.closer.close(SYMBOL, "stopped", with_entries=True)
    await closing.seconds(3)
    assert world.exchange.position(SYMBOL).is_flat
    world.exchange.fills_at_once = True
    world.exchange.fill(world.exchange.order(entry.client_order_id), Decimal(3))
    await closing.seconds(5)
    assert world.exchange.position(SYMBOL).is_flat
    assert closing.asked[-1].quantity == 3


async def test_a_close_with_entries_ends_when_nothing_comes(world):
    closing = Closing(world)
    world.exchange.script.append(RequestRejected("no funds"))
    world.oms.submit(world.request(quantity="2"))
    assert closing.closer.close(SYMBOL, "stopped", with_entries=True)
    await closing.seconds(3)
    assert not closing.closer.close(SYMBOL, "nothing came", with_entries=True)
    await held(world)  # the trader goes on
    await closing.seconds(5)
    assert not world.exchange.position(SYMBOL).is_flat
    assert closing.asked == []


async def test_a_close_with_entries_does_not_wait_for_ever(world):
    closing = Closing(world)
    world.exchange.script.append("lost_request")
    world.exchange.is_readable = False
    world.oms.submit(world.request(quantity="2"))
    await world.idle(20)
    assert closing.closer.close(SYMBOL, "stopped", with_entries=True)
    for _ in range(int(COMING_S) + 1):
        await closing.seconds(1)
    assert not closing.closer.close(SYMBOL, "nothing is held")
    world.exchange.is_readable = True
    await closing.seconds(60)
    await held(world)  # the trader goes on
    await closing.seconds(5)
    assert closing.asked == []


def trade_by_hand(world, quantity="2"):
    """Somebody else's, at the exchange; its messages wait."""
    order = world.exchange.place_by_hand(SYMBOL, Side.BUY, Decimal(quantity))
    world.exchange.fill(order, Decimal(quantity))


async def test_what_was_open_unseen_is_closed_once_the_books_are_read(world):
    """Whoever opened it, and however long nothing could be seen."""
    closing = Closing(world)
    closing.is_blind = True
    trade_by_hand(world)
    await closing.seconds(1)
    assert closing.closer.close(SYMBOL, "stopped", with_entries=True)
    await closing.seconds(int(COMING_S) + 10)
    assert closing.asked == []
    closing.see_again()
    await closing.seconds(5)
    assert world.exchange.position(SYMBOL).is_flat
    assert world.oms.journal.kept_closes("demo") == []


@pytest.mark.parametrize("set_by_s", [0, 3600])
async def test_what_a_stranger_opens_after_the_close_is_not_closed(world, set_by_s):
    """By a clock that was wrong when it was asked, too."""
    closing = Closing(world)
    closing.is_blind = True
    world.clock._time_ms += set_by_s * 1000
    assert closing.closer.close(SYMBOL, "stopped", with_entries=True)
    world.clock._time_ms -= set_by_s * 1000
    await closing.seconds(1)
    trade_by_hand(world)
    await closing.seconds(5)
    world.show_positions()  # before anything tells whose it is
    closing.closer.look()
    closing.see_again()
    await closing.seconds(5)
    assert closing.asked == []
    assert not world.exchange.position(SYMBOL).is_flat
    assert world.oms.journal.kept_closes("demo") == []


@pytest.mark.parametrize("is_crashing", [False, True])
async def test_an_entry_unheard_of_for_long_is_closed_once_the_books_are_read(world, is_crashing):
    closing = Closing(world)
    world.exchange.script.append("lost_ack")
    world.exchange.is_readable = False
    world.oms.submit(world.request(quantity="2"))
    await world.idle(20)
    assert closing.closer.close(SYMBOL, "stopped", with_entries=True)
    closing.is_blind = True
    await closing.seconds(int(COMING_S) + 10)
    if is_crashing:
        await world.restart()
        closing = Closing(world)
    world.exchange.is_readable = True
    closing.see_again()
    await closing.seconds(5)
    assert world.exchange.position(SYMBOL).is_flat
    assert [request.quantity for request in closing.asked] == [2]


async def test_an_entry_of_ours_is_closed_before_the_books_are_read(world):
    """Its fill is heard of, its account is not reconciled yet."""
    closing = Closing(world)
    closing.is_blind = True
    world.oms.submit(world.request(quantity="2"))
    await world.idle(20)
    assert closing.closer.close(SYMBOL, "stopped", with_entries=True)
    world.deliver()
    world.show_positions()
    await closing.seconds(2)
    assert world.exchange.position(SYMBOL).is_flat


async def test_an_entry_whose_fate_the_books_do_not_tell_is_waited_for(world):
    closing = Closing(world)
    world.exchange.script.append("late")
    world.exchange.is_readable = False
    world.oms.submit(world.request(quantity="2"))
    await world.idle(20)
    assert closing.closer.close(SYMBOL, "stopped", with_entries=True)
    closing.is_blind = True
    await closing.seconds(int(COMING_S) + 10)
    closing.see_again()
    world.exchange.admit_late()
    await closing.seconds(5)
    assert world.exchange.position(SYMBOL).is_flat
    assert [request.quantity for request in closing.asked] == [2]


async def test_an_entry_that_a_wrong_clock_has_dated_after_the_close_is_closed(world):
    closing = Closing(world)
    world.exchange.script.append("lost_ack")
    world.exchange.is_readable = False
    world.clock._time_ms += 3_600_000
    world.oms.submit(world.request(quantity="2"))
    world.clock._time_ms -= 3_600_000
    await world.idle(20)
    assert closing.closer.close(SYMBOL, "stopped", with_entries=True)
    closing.is_blind = True
    await closing.seconds(5)
    closing.see_again()
    await closing.seconds(5)
    assert world.exchange.position(SYMBOL).is_flat


async def test_what_a_stranger_opens_between_the_close_and_a_restart_is_not_closed(world):
    """The first reading after the restart was older than his."""
    closing = Closing(world)
    closing.is_blind = True
    assert closing.closer.close(SYMBOL, "stopped", with_entries=True)
    await closing.seconds(1)
    await world.restart()
    trade_by_hand(world)
    world.clock.advance_ms(1000)
    closing = Closing(world)
    closing.is_blind = True
    closing.closer.go_on()
    await closing.seconds(2)
    closing.see_again()
    await closing.seconds(5)
    assert closing.asked == []
    assert not world.exchange.position(SYMBOL).is_flat


async def test_an_exit_made_by_a_clock_that_was_wrong_holds_nobody_up(world):
    closing = Closing(world)
    await held(world)
    world.exchange.script.append("lost_request")
    world.exchange.is_readable = False
    world.clock._time_ms += 3_600_000
    closing.closer.close(SYMBOL, "by hand")
    world.clock._time_ms -= 3_600_000
    await closing.seconds(9)
    assert len(closing.asked) == 2
    assert world.exchange.position(SYMBOL).is_flat


async def test_a_refusal_counts_once_however_long_it_takes_to_make_way(world):
    closing = Closing(world)
    await held(world)
    for price, purpose in ((120, OrderPurpose.TAKE_PROFIT), (90, OrderPurpose.STOP_LOSS)):
        world.exchange.place_by_hand(
            SYMBOL,
            Side.SELL,
            Decimal(2),
            reduce_only=True,
            trigger_price=Decimal(price),
            purpose=purpose,
        )
    world.deliver()
    world.exchange.script.append(RequestRejected("the reduce-only quantity is used up"))
    released = asyncio.Event()
    cancel = world.exchange.cancel_order

    async def slow_cancel(*names):
        await released.wait()
        await cancel(*names)

    world.exchange.cancel_order = slow_cancel
    closing.closer.close(SYMBOL, "by hand")
    await closing.seconds(10)
    assert len(closing.asked) == 1
    released.set()
    await closing.seconds(3)
    assert world.exchange.position(SYMBOL).is_flat
    assert not any("its stop made way" in error.text for error in world.alarms())
