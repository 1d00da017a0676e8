"""Start, reconnect and crash recovery: one code, and the exchange's books are the measure."""

import random
from decimal import Decimal

import msgspec
import pytest

from core.events import Fill, Order
from core.exchange_port import DuplicateOrder, Unavailable
from core.models.fills import FillKind
from core.models.orders import OrderPurpose, OrderStatus, OrderType, Side


async def enter(world, quantity="1", **terms):
    request = world.request(quantity=quantity, **terms)
    world.oms.submit(request)
    await world.idle()
    return request


async def test_a_fresh_account_is_clean(world):
    report = await world.reconciler.reconcile("demo")
    assert report.is_clean
    assert (report.positions, report.open_orders, report.fills_booked) == ([], [], 0)
    assert report.balance.wallet_balance == 25000


async def test_what_the_stream_lost_is_booked_once(world):
    await world.reconciler.reconcile("demo")
    request = await enter(world)
    world.exchange.outbox.clear()
    first = await world.reconciler.reconcile("demo")
    again = await world.reconciler.reconcile("demo")
    assert (first.fills_booked, again.fills_booked) == (1, 0)
    assert first.is_clean
    assert again.is_clean
    assert world.oms.order(request.client_order_id).status is OrderStatus.FILLED
    assert len(world.of(Fill)) == 1
    assert world.state.position("demo", "BTCUSDT").quantity == 1


async def test_an_older_fill_lost_before_a_newer_one_was_heard_is_still_found(world):
    await world.reconciler.reconcile("demo")
    await enter(world)
    world.exchange.outbox.clear()  # lost in an outage of ten minutes
    world.clock.advance_ms(600_000)
    await enter(world)
    world.deliver()
    assert len(world.of(Fill)) == 1
    report = await world.reconciler.reconcile("demo")
    assert report.fills_booked == 1
    assert report.is_clean


async def test_an_exchange_that_cannot_be_read_is_never_flat(world):
    await enter(world)
    world.deliver()
    await world.reconciler.reconcile("demo")
    world.exchange.is_readable = False
    with pytest.raises(Unavailable):
        await world.reconciler.reconcile("demo")
    assert not world.state.position("demo", "BTCUSDT").is_flat


async def test_twenty_restarts_without_a_market_change_nothing(world):
    await enter(world)
    await enter(world, order_type=OrderType.LIMIT)
    world.deliver()
    await world.reconciler.reconcile("demo")
    before = (world.oms.working_orders(), world.oms.fills(), world.oms.orders_of("bot-1"))
    for _ in range(20):
        await world.restart()
        world.events.clear()
        report = await world.reconciler.reconcile("demo")
        assert report.is_clean
        assert report.fills_booked == 0
        assert world.events == []
    assert before == (world.oms.working_orders(), world.oms.fills(), world.oms.orders_of("bot-1"))
    assert len(world.exchange.books.requests) == 2


async def test_a_stop_that_fired_while_we_were_down_closes_the_books(world):
    await enter(world)
    world.deliver()
    await world.reconciler.reconcile("demo")
    await world.stop()
    world.clock.advance_ms(3_600_000)
    stop = world.exchange.place_by_hand(
        "BTCUSDT", Side.SELL, Decimal(1), purpose=OrderPurpose.STOP_LOSS, reduce_only=True
    )
    world.exchange.fill(stop, Decimal(1), price=Decimal(95), exchange_purpose="stop_loss")
    world.exchange.outbox.clear()
    world.clock.advance_ms(3_600_000)
    world._start()
    report = await world.reconciler.reconcile("demo")
    assert report.is_clean
    fill = world.of(Fill)[-1]
    assert (world.oms.purpose_of(fill), fill.bot_id) == (OrderPurpose.STOP_LOSS, "bot-1")
    assert world.external == []


async def test_fourteen_resting_orders_are_ours_again_after_a_restart(world):
    requests = [await enter(world, order_type=OrderType.LIMIT) for _ in range(14)]
    world.exchange.outbox.clear()
    await world.restart()
    await world.reconciler.reconcile("demo")
    working = {order.client_order_id: order.bot_id for order in world.oms.working_orders()}
    assert working == {request.client_order_id: "bot-1" for request in requests}


async def test_an_order_that_ended_unseen_is_asked_for_by_name(world):
    request = await enter(world, order_type=OrderType.LIMIT)
    world.deliver()
    world.exchange.end(world.exchange.order(request.client_order_id), OrderStatus.CANCELLED)
    world.exchange.outbox.clear()
    await world.reconciler.reconcile("demo")
    assert world.oms.order(request.client_order_id).status is OrderStatus.CANCELLED


async def test_not_listed_and_not_found_is_not_cancelled(world):
    request = await enter(world, order_type=OrderType.LIMIT)
    world.deliver()
    world.exchange.books.orders.clear()  # its index was wiped by a restart of its own
    report = await world.reconciler.reconcile("demo")
    assert world.oms.order(request.client_order_id).status is OrderStatus.ACKNOWLEDGED
    assert report.is_clean


async def test_an_open_intent_is_reported_and_its_symbol_not_called_external(world):
    world.exchange.script.append("late")
    request = world.request(order_type=OrderType.LIMIT)
    world.oms.submit(request)
    await world.idle(2)
    await world.restart()
    report = await world.reconciler.reconcile("demo")
    assert [order.client_order_id for order in report.unresolved] == [request.client_order_id]
    assert report.external == {}
    world.exchange.admit_late()
    await world.idle()
    assert world.oms.order(request.client_order_id).status is OrderStatus.ACKNOWLEDGED


async def test_a_position_that_may_be_an_open_intent_is_not_external_yet(world):
    await world.reconciler.reconcile("demo")
    world.exchange.script.append("lost_ack")
    world.exchange.index_lag_s = 1e9
    fetch_fills = world.exchange.fetch_fills

    async def no_fills_listed_yet(start_ms):
        return []

    world.exchange.fetch_fills = no_fills_listed_yet
    request = world.request()
    world.oms.submit(request)
    await world.idle(2)
    world.exchange.outbox.clear()
    report = await world.reconciler.reconcile("demo")
    assert [order.client_order_id for order in report.unresolved] == [request.client_order_id]
    assert report.external == {}
    assert world.external == []
    world.exchange.fetch_fills = fetch_fills
    assert (await world.reconciler.reconcile("demo")).is_clean


async def test_an_order_that_the_exchange_has_acknowledged_is_never_called_absent(world):
    request = world.request(order_type=OrderType.LIMIT)
    world.exchange._admit(request)
    world.exchange.outbox.clear()
    world.exchange.index_lag_s = 1e9

    async def nothing_listed():
        return []

    world.exchange.fetch_open_orders = nothing_listed
    world.exchange.script.append(DuplicateOrder("duplicate", "110072"))
    world.oms.submit(request)
    await world.idle(3)
    await world.restart()
    await world.reconciler.reconcile("demo")
    started_s = world.clock.monotonic_s()
    while world.clock.monotonic_s() - started_s < 120:
        await world.idle(1)
    assert world.oms.order(request.client_order_id).status is OrderStatus.ACKNOWLEDGED


async def test_somebody_elses_order_is_external_and_told_once(world):
    world.exchange.place_by_hand("ETHUSDT", Side.BUY, Decimal(3))
    world.exchange.outbox.clear()
    for _ in range(3):
        report = await world.reconciler.reconcile("demo")
        assert list(report.external) == ["ETHUSDT"]
    ((account, symbol, text),) = world.external
    assert (account, symbol) == ("demo", "ETHUSDT")
    assert "placed outside this program" in text


async def test_somebody_elses_order_that_is_gone_is_no_longer_working(world):
    order = world.exchange.place_by_hand("ETHUSDT", Side.BUY, Decimal(3))
    world.deliver()
    world.exchange.end(order, OrderStatus.CANCELLED)
    world.exchange.outbox.clear()
    world.clock.advance_ms(1000)
    report = await world.reconciler.reconcile("demo")
    assert report.is_clean
    assert world.oms.working_orders() == []
    world.oms.on_order(order)  # a late repeat does not revive it
    assert world.oms.working_orders() == []


async def test_a_manual_close_is_external_and_the_exchange_is_right(world):
    await world.reconciler.reconcile("demo")
    await enter(world)
    world.deliver()
    theirs = world.exchange.place_by_hand("BTCUSDT", Side.SELL, Decimal(1))
    world.exchange.fill(theirs, Decimal(1))
    world.exchange.outbox.clear()
    report = await world.reconciler.reconcile("demo")
    assert report.external == {}  # explained by its fill, which was told
    assert "traded outside this program" in world.external[-1][2]
    assert world.state.positions("demo") == []
    fill = world.of(Fill)[-1]
    assert (world.oms.purpose_of(fill), fill.bot_id) == (OrderPurpose.EXTERNAL, "")


async def test_a_position_from_before_our_time_is_external_until_taken_over(world):
    theirs = world.exchange.place_by_hand("BTCUSDT", Side.BUY, Decimal(2))
    world.exchange.fill(theirs, Decimal(2))
    world.exchange.outbox.clear()
    world.clock.advance_ms(5_000)
    for _ in range(2):
        report = await world.reconciler.reconcile("demo")
        assert report.external == {
            "BTCUSDT": "BTCUSDT: the exchange shows a position of +2, "
            "the fills that we know make +0"
        }
    assert len(world.external) == 1
    assert world.of(Fill) == []  # history before our first look is not ours to book
    assert world.state.position("demo", "BTCUSDT").quantity == 2
    world.reconciler.accept_position("demo", "BTCUSDT")
    assert (await world.reconciler.reconcile("demo")).is_clean


async def test_a_fill_between_two_of_our_reads_is_no_difference(world):
    await world.reconciler.reconcile("demo")
    request = await enter(world, order_type=OrderType.LIMIT)
    world.deliver()
    fetch_balance = world.exchange.fetch_balance

    async def fill_meanwhile():
        world.exchange.fetch_balance = fetch_balance
        world.exchange.fill(world.exchange.order(request.client_order_id), Decimal(1))
        return await fetch_balance()

    world.exchange.fetch_balance = fill_meanwhile
    report = await world.reconciler.reconcile("demo")
    assert report.is_clean
    assert report.fills_booked == 1
    assert [position.quantity for position in report.positions] == [1]


async def test_a_list_of_positions_that_lags_is_not_flat(world):
    await world.reconciler.reconcile("demo")
    await enter(world)
    world.deliver()
    await world.reconciler.reconcile("demo")
    seen = []
    fetch_positions = world.exchange.fetch_positions

    async def nothing_yet():
        world.exchange.fetch_positions = fetch_positions
        return []

    world.exchange.fetch_positions = nothing_yet
    world.oms.on_fill = lambda _fill: seen.append(world.state.positions("demo"))
    report = await world.reconciler.reconcile("demo")
    assert report.is_clean
    assert all(positions for positions in seen)
    assert len(world.state.positions("demo")) == 1


async def test_a_reading_during_which_a_fill_was_booked_is_read_again(world):
    await world.reconciler.reconcile("demo")
    await enter(world)
    world.exchange.outbox.clear()
    report = await world.reconciler.reconcile("demo")
    assert report.is_consistent
    assert report.balance.wallet_balance == 25000 - world.of(Fill)[0].fee


async def test_funding_is_booked_once_and_moves_no_position(world):
    await enter(world)
    world.deliver()
    trade = world.exchange.books.fills[0]
    world.exchange.books.fills.append(
        msgspec.structs.replace(
            trade,
            trade_id="funding-1",
            exchange_order_id="",
            client_order_id="",
            fee=Decimal("0.7"),
            kind=FillKind.FUNDING,
        )
    )
    await world.reconciler.reconcile("demo")
    await world.reconciler.reconcile("demo")
    funding = [fill for fill in world.of(Fill) if fill.kind is FillKind.FUNDING]
    assert [fill.bot_id for fill in funding] == ["bot-1"]
    assert world.oms.journal.net_quantity("demo", "BTCUSDT") == 1
    assert world.external == []


STEPS = ["ack", "ack", "lost_ack", "lost_request", "late"]


async def test_random_faults_and_restarts_end_as_the_exchange_ends(make_world):
    """The checker reads the exchange's books only: no duplicate, no orphan, no fill twice."""
    for seed in range(40):
        world = make_world(seed)
        rng = random.Random(seed)
        await world.reconciler.reconcile("demo")
        for _ in range(8):
            world.exchange.index_lag_s = rng.choice([0.0, 0.0, 3.0])
            world.exchange.script.append(rng.choice(STEPS))
            kind = rng.choice([OrderType.MARKET, OrderType.LIMIT])
            request = world.request(
                rng.choice(list(Side)), rng.choice(["0.5", "1"]), order_type=kind
            )
            world.oms.submit(request)
            await world.idle(rng.randrange(6))
            world.exchange.admit_late()
            for order in await world.exchange.fetch_open_orders():
                if rng.random() < 0.5:
                    world.exchange.fill(order, order.quantity - order.filled_quantity)
            waiting = list(world.exchange.outbox)
            world.exchange.outbox.clear()
            rng.shuffle(waiting)
            for message in waiting:
                for _ in range(rng.choice([0, 1, 1, 2])):
                    world.hear(message)
            if rng.random() < 0.3:
                await world.restart()
                await world.reconciler.reconcile("demo")
        await world.idle(400)
        report = await world.reconciler.reconcile("demo")
        published = world.of(Fill)

        books = world.exchange.books
        assert len(books.requests) == len(set(books.requests)), seed
        assert sorted(f.trade_id for f in published) == sorted(f.trade_id for f in books.fills)
        assert report.is_clean, (seed, report)
        for theirs in books.orders:
            ours = world.oms.order(theirs.client_order_id)
            assert (ours.status, ours.filled_quantity, ours.fee) == (
                theirs.status,
                theirs.filled_quantity,
                theirs.fee,
            ), seed
        placed = {order.client_order_id for order in books.orders}
        for ours in world.oms.orders_of("bot-1"):
            if ours.client_order_id not in placed:
                assert ours.reject_code == "never_arrived", seed
        await world.stop()


async def test_events_carry_only_what_changed(world):
    await enter(world, order_type=OrderType.LIMIT)
    world.deliver()
    await world.reconciler.reconcile("demo")
    before = len(world.of(Order))
    await world.reconciler.reconcile("demo")
    assert len(world.of(Order)) == before


# --- positions that nothing explains --------------------------------------------------------


async def held(world, quantity="2"):
    world.oms.submit(world.request(quantity=quantity))
    await world.idle()
    world.deliver()
    await world.reconciler.reconcile("demo")


async def test_an_empty_list_of_positions_is_never_flat(world):
    """What a faulty answer looks like: only a fill, the stream or the trader ends a position."""
    await held(world)
    answer = world.exchange.fetch_positions

    async def nothing():
        return []

    world.exchange.fetch_positions = nothing
    report = await world.reconciler.reconcile("demo")
    assert world.state.position("demo", "BTCUSDT").quantity == 2
    assert [position.quantity for position in report.positions] == [2]
    assert "shows no position, the fills that we know make +2" in report.external["BTCUSDT"]
    world.exchange.fetch_positions = answer
    assert (await world.reconciler.reconcile("demo")).is_clean


async def test_a_position_that_is_gone_without_a_fill_is_gone_by_the_traders_word(world):
    """A settlement or a transfer leaves no execution."""
    await held(world)

    async def nothing():
        return []

    world.exchange.fetch_positions = nothing
    await world.reconciler.reconcile("demo")
    world.reconciler.accept_position("demo", "BTCUSDT")
    assert world.state.position("demo", "BTCUSDT").is_flat
    assert (await world.reconciler.reconcile("demo")).is_clean


async def test_less_than_a_lot_is_booked_as_dust(world):
    lots = {"BTCUSDT": Decimal("0.001")}
    world.reconciler._lot_of = lots.__getitem__
    await held(world)
    world.book_net("2.0009")
    report = await world.reconciler.reconcile("demo")
    assert report.dust == {"BTCUSDT": Decimal("-0.0009")}
    [dust] = world.accepted
    assert (dust.symbol, dust.quantity, dust.is_dust) == ("BTCUSDT", 2, True)
    assert report.is_clean
    world.book_net("2.001")
    report = await world.reconciler.reconcile("demo")
    assert report.dust == {}
    assert set(report.external) == {"BTCUSDT"}


async def test_what_the_trader_ignores_is_not_told_again_not_even_after_a_restart(world):
    await world.reconciler.reconcile("demo")
    by_hand = world.exchange.place_by_hand("BTCUSDT", Side.BUY, Decimal(3))
    world.deliver()
    await world.reconciler.reconcile("demo")
    [(_, _, told)] = world.external
    assert told
    assert world.oms.ignore_external("demo", "BTCUSDT")
    assert not world.oms.ignore_external("demo", "ETHUSDT")
    await world.restart()
    world.external.clear()
    report = await world.reconciler.reconcile("demo")
    assert world.external == [("demo", "BTCUSDT", "")]  # paused without a word
    assert set(report.external) == {"BTCUSDT"}
    world.exchange.fill(by_hand, Decimal(3))
    world.deliver()
    assert world.external[-1][2], "what changes is news"


async def test_a_finding_that_comes_back_is_news_again(world):
    await held(world)
    for _ in range(2):
        world.book_net("1")
        await world.reconciler.reconcile("demo")
        world.reconciler.accept_position("demo", "BTCUSDT")
        await world.reconciler.reconcile("demo")
    assert len(world.external) == 2


async def test_a_finding_that_explains_itself_and_comes_back_is_news_again(world):
    await held(world)
    for _ in range(2):
        world.book_net("1")
        await world.reconciler.reconcile("demo")
        world.book_net("2")
        await world.reconciler.reconcile("demo")
    assert len(world.external) == 2


async def test_what_a_former_run_left_working_is_shown_at_once(world):
    request = world.request(order_type=OrderType.LIMIT)
    world.oms.submit(request)
    await world.idle()
    world.deliver()
    await world.restart()
    assert [o.client_order_id for o in world.state.open_orders("demo")] == [request.client_order_id]


async def test_an_order_that_one_answer_left_out_is_shown_again_by_the_next(world):
    """A page of the list was missing: absence is no proof."""
    await world.reconciler.reconcile("demo")
    by_hand = world.exchange.place_by_hand("BTCUSDT", Side.BUY, Decimal(1))
    world.deliver()
    world.clock.advance_ms(1_000)
    answer = world.exchange.fetch_open_orders

    async def nothing():
        return []

    world.exchange.fetch_open_orders = nothing
    await world.reconciler.reconcile("demo")
    assert world.state.open_orders("demo") == []
    world.exchange.fetch_open_orders = answer
    await world.reconciler.reconcile("demo")
    [shown] = world.state.open_orders("demo")
    assert shown.exchange_order_id == by_hand.exchange_order_id


async def test_what_was_accepted_stands_in_the_history_behind_the_fills_it_follows(world):
    await held(world)
    world.owners["BTCUSDT"] = "bot-2"
    world.exchange.books.fills.clear()  # the exchange no longer shows how it came about
    world.book_net("1")
    await world.reconciler.reconcile("demo")
    world.reconciler.accept_position("demo", "BTCUSDT")
    await world.restart()
    world.oms.submit(world.request(Side.SELL, "1", purpose=OrderPurpose.EXIT))
    await world.idle()
    world.deliver()
    kinds = [type(event).__name__ for event in world.oms.history()]
    assert kinds == ["Fill", "AcceptedPosition", "AcceptedPosition", "Fill"]
    accepted = world.oms.history()[2]
    assert (accepted.bot_id, accepted.is_dust) == ("bot-2", False)


async def test_a_position_that_moves_while_it_is_read_is_no_finding(world):
    """Found behind a network in which each question takes seconds: every reading showed another
    position than the fills that had come meanwhile, and the bot was paused for it."""
    await world.reconciler.reconcile("demo")
    read, trades = world.exchange.fetch_positions, iter(["1", "2", "4", "8"])

    async def fetch_positions():
        shown = await read()
        await enter(world, next(trades))
        world.deliver()
        return shown

    world.exchange.fetch_positions = fetch_positions
    report = await world.reconciler.reconcile("demo")
    assert (report.external, world.external) == ({}, [])


async def test_a_position_is_not_flat_while_all_that_made_it_is_untold(world):
    """The stream has brought the position alone: neither the fill nor the end of its order."""
    request = world.request()
    world.oms.submit(request)
    await world.idle(20)
    world.exchange.outbox.clear()
    world.show_positions()
    world.clock.advance_ms(5_000)
    world.exchange.is_blank = True
    await world.reconciler.reconcile("demo")
    [position] = world.state.positions("demo")
    assert position.quantity == request.quantity
    world.exchange.is_blank = False
    await world.reconciler.reconcile("demo")
    assert world.oms.order(request.client_order_id).status is OrderStatus.FILLED
    assert world.oms.is_position_clear("demo", request.symbol)
