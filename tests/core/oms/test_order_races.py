"""Whatever the order in which words and fills arrive, the end is the exchange's, once."""

import sqlite3
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_exchange import ACCOUNT, ScriptedExchange

from core.clock import ManualClock
from core.event_bus import EventBus
from core.events import Fill, Order
from core.models.orders import OrderPurpose, OrderRequest, OrderStatus, OrderType, Side
from core.oms.intent_journal import IntentJournal
from core.oms.order_registry import OrderRegistry

REQUEST = OrderRequest(
    client_order_id="a_BTCUSDT_00000000_00000000",
    account=ACCOUNT,
    bot_id="bot-1",
    strategy="a",
    symbol="BTCUSDT",
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    quantity=Decimal(1),
    reference_price=Decimal(100),
    purpose=OrderPurpose.ENTRY,
    created_ms=1_700_000_000_000,
    price=Decimal(100),
)


class Desk:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.exchange = ScriptedExchange(self.clock)
        bus = EventBus(self.clock)
        self.orders: list[Order] = []
        self.fills: list[Fill] = []
        bus.subscribe(Order, self.orders.append, part="test")
        bus.subscribe(Fill, self.fills.append, part="test")
        self.registry = OrderRegistry(
            bus=bus,
            clock=self.clock,
            journal=IntentJournal(sqlite3.connect(":memory:", isolation_level=None)),
            accounts=[ACCOUNT],
            owner_of=lambda *_: "bot-1",
            on_external=lambda *_: None,
            on_late=lambda _: None,
        )
        self.registry.open(REQUEST)
        self.registry.conclude(REQUEST.client_order_id, OrderStatus.SENT)

    def hear(self, message: Order | Fill) -> None:
        if isinstance(message, Fill):
            self.registry.book(message)
        else:
            self.registry.hear(message)


def live_through(desk: Desk, shares: list[int], cancel_after: int | None) -> list[Order | Fill]:
    """The exchange's messages for one order: partial fills, a cancel somewhere between."""
    desk.exchange._admit(REQUEST)
    order = desk.exchange.order(REQUEST.client_order_id)
    for position, share in enumerate(shares):
        if position == cancel_after:
            desk.exchange.end(order, OrderStatus.CANCELLED)
        desk.exchange.fill(order, Decimal(share) / 100, price=Decimal(100 + share))
    if cancel_after is not None and cancel_after >= len(shares):
        desk.exchange.end(order, OrderStatus.CANCELLED)
    return list(desk.exchange.outbox)


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[int], int | None]:
    shares = draw(st.lists(st.integers(1, 25), max_size=4))
    if draw(st.booleans()):
        shares.append(100 - sum(shares))
    return shares, draw(st.none() | st.integers(0, len(shares)))


@settings(max_examples=300, deadline=None)
@given(lives(), st.randoms(use_true_random=False))
def test_any_interleaving_ends_as_the_exchange_ends(life, rng):
    desk = Desk()
    messages = live_through(desk, *life)
    arrivals = messages + rng.choices(messages, k=len(messages))  # some twice, some three times
    rng.shuffle(arrivals)
    for message in arrivals:
        desk.hear(message)

    theirs = desk.exchange.order(REQUEST.client_order_id)
    ours = desk.registry.order(REQUEST.client_order_id)
    assert ours is not None
    assert (ours.status, ours.filled_quantity) == (theirs.status, theirs.filled_quantity)
    assert ours.average_price == theirs.average_price
    assert ours.fee == theirs.fee
    assert ours.exchange_order_id == theirs.exchange_order_id
    assert (ours.bot_id, ours.purpose) == ("bot-1", OrderPurpose.ENTRY)


@settings(max_examples=200, deadline=None)
@given(lives(), st.randoms(use_true_random=False))
def test_each_trade_is_published_once_and_nothing_moves_back(life, rng):
    desk = Desk()
    arrivals = live_through(desk, *life) * 2
    rng.shuffle(arrivals)
    for message in arrivals:
        desk.hear(message)

    assert sorted(fill.trade_id for fill in desk.fills) == sorted(
        fill.trade_id for fill in desk.exchange.books.fills
    )
    for before, after in zip(desk.orders, desk.orders[1:], strict=False):
        assert after.filled_quantity >= before.filled_quantity
        if before.status.is_terminal:
            assert after.status in (before.status, OrderStatus.FILLED)


@settings(max_examples=100, deadline=None)
@given(lives(), st.randoms(use_true_random=False))
def test_a_lossy_stream_and_one_look_by_rest_are_enough(life, rng):
    desk = Desk()
    messages = live_through(desk, *life)
    heard = [message for message in messages if rng.random() < 0.5]
    rng.shuffle(heard)
    for message in heard:
        desk.hear(message)
    for fill in desk.exchange.books.fills:
        desk.registry.book(fill)
    desk.registry.hear(desk.exchange.order(REQUEST.client_order_id))

    theirs = desk.exchange.order(REQUEST.client_order_id)
    ours = desk.registry.order(REQUEST.client_order_id)
    assert ours is not None
    assert (ours.status, ours.filled_quantity) == (theirs.status, theirs.filled_quantity)


def test_a_filled_order_is_not_revived_by_an_old_word():
    desk = Desk()
    messages = live_through(desk, [100], None)
    for message in reversed(messages):
        desk.hear(message)
    assert desk.orders[-1].status is OrderStatus.FILLED


def test_a_late_fill_after_the_cancel_is_booked():
    desk = Desk()
    for message in live_through(desk, [40, 20], 1):
        desk.hear(message)
    ours = desk.registry.order(REQUEST.client_order_id)
    assert ours is not None
    assert ours.status is OrderStatus.CANCELLED
    assert ours.filled_quantity == Decimal("0.6")


def test_a_fill_overrules_our_conclusion_that_the_order_never_arrived():
    desk = Desk()
    desk.registry.conclude(REQUEST.client_order_id, OrderStatus.REJECTED, "not placed")
    for message in live_through(desk, [30], None):
        if isinstance(message, Fill):
            desk.hear(message)
    ours = desk.registry.order(REQUEST.client_order_id)
    assert ours is not None
    assert ours.status is OrderStatus.PARTLY_FILLED
    assert ours.exchange_order_id == desk.fills[0].exchange_order_id


def test_a_second_order_under_our_id_is_an_alarm_not_a_merge():
    desk = Desk()
    for message in live_through(desk, [30], None):
        desk.hear(message)
    theirs = desk.exchange.order(REQUEST.client_order_id)
    desk.hear(msgspec.structs.replace(theirs, exchange_order_id="e999"))
    ours = desk.registry.order(REQUEST.client_order_id)
    assert ours is not None
    assert ours.exchange_order_id == theirs.exchange_order_id
    assert [o.exchange_order_id for o in desk.registry.working()][-1] == "e999"


def test_a_fill_of_a_second_order_under_our_id_is_not_ours():
    desk = Desk()
    for message in live_through(desk, [30], None):
        desk.hear(message)
    fill = msgspec.structs.replace(desk.fills[0], trade_id="t999", exchange_order_id="e999")
    assert desk.registry.purpose_of(desk.fills[0]) is OrderPurpose.ENTRY
    desk.hear(fill)
    ours = desk.registry.order(REQUEST.client_order_id)
    assert ours is not None
    assert ours.filled_quantity == Decimal("0.3")
    assert desk.fills[-1].bot_id == ""


def test_ended_orders_of_others_are_forgotten_in_the_end():
    desk = Desk()
    for _ in range(1003):
        order = desk.exchange.place_by_hand("ETHUSDT", Side.BUY, Decimal(1))
        desk.hear(msgspec.structs.replace(order, status=OrderStatus.CANCELLED))
    assert len(desk.registry._foreign) == 1000


def test_a_conclusion_on_an_order_that_never_was_is_a_fault():
    with pytest.raises(KeyError, match="not in the journal"):
        Desk().registry.conclude("nobody", OrderStatus.SENT)
