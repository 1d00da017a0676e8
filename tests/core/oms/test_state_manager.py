from decimal import Decimal

import msgspec
import pytest

from core.clock import ManualClock
from core.event_bus import EventBus
from core.models.orders import Order, OrderPurpose, OrderStatus, OrderType, Side
from core.models.positions import Balance, Position
from core.oms.state_manager import StateManager

LONG = Position("demo", "BTCUSDT", Side.BUY, Decimal(2), Decimal(100), 1000)
STOP = Order(
    client_order_id="",
    exchange_order_id="e1",
    account="demo",
    bot_id="bot-1",
    symbol="BTCUSDT",
    side=Side.SELL,
    order_type=OrderType.STOP_MARKET,
    quantity=Decimal(2),
    status=OrderStatus.ACKNOWLEDGED,
    purpose=OrderPurpose.STOP_LOSS,
    created_ms=1000,
    updated_ms=1000,
    trigger_price=Decimal(95),
    reduce_only=True,
)


@pytest.fixture
def state() -> StateManager:
    clock = ManualClock(5000)
    return StateManager(EventBus(clock), clock)


def changed(value, **fields):
    return msgspec.structs.replace(value, **fields)


def test_an_older_message_changes_nothing(state):
    state.on_position(LONG)
    state.on_position(changed(LONG, quantity=Decimal(9), updated_ms=999))
    assert state.position("demo", "BTCUSDT") == LONG
    state.on_balance(Balance("demo", "USDT", Decimal(5), Decimal(5), Decimal(5), 1000))
    state.on_balance(Balance("demo", "USDT", Decimal(7), Decimal(7), Decimal(7), 999))
    balance = state.balance("demo")
    assert balance is not None
    assert balance.wallet_balance == 5
    assert state.balance_age_ms("demo") == 4000


def test_a_position_missing_from_the_answer_is_flat(state):
    state.on_position(LONG)
    state.replace_positions("demo", [], as_of_ms=2000)
    position = state.position("demo", "BTCUSDT")
    assert position is not None
    assert position.is_flat
    assert state.positions() == []


def test_a_stale_answer_does_not_overwrite_what_the_stream_said_since(state):
    state.on_position(changed(LONG, updated_ms=2500))
    state.replace_positions("demo", [], as_of_ms=2000)
    state.replace_positions("demo", [changed(LONG, quantity=Decimal(1))], as_of_ms=2000)
    assert [p.quantity for p in state.positions("demo")] == [Decimal(2)]


def test_a_stop_that_went_while_the_answer_was_on_its_way_stays_gone(state):
    """Taking a stop away does not change a position's own date."""
    guarded = changed(LONG, stop_loss=Decimal(95))
    state.on_position(guarded)
    state.on_position(LONG)  # heard at 5000, the test's time
    state.replace_positions("demo", [guarded], as_of_ms=4990)
    assert not state.is_protected("demo", "BTCUSDT")
    state.replace_positions("demo", [guarded], as_of_ms=5001)
    assert state.is_protected("demo", "BTCUSDT")


def test_a_position_that_one_answer_left_out_is_back_with_the_next(state):
    """Nothing has happened to it, so its own time is that of the first answer."""
    state.replace_positions("demo", [LONG], as_of_ms=1500)
    state.replace_positions("demo", [], as_of_ms=2000)
    state.replace_positions("demo", [LONG], as_of_ms=3000)
    assert state.positions("demo") == [LONG]


def test_what_the_stream_has_told_flat_stays_flat(state):
    state.on_position(LONG)
    state.replace_positions("demo", [], as_of_ms=2000)
    state.on_position(changed(LONG, quantity=Decimal(0), updated_ms=2100))
    state.replace_positions("demo", [LONG], as_of_ms=3000)
    assert state.positions("demo") == []


def test_another_account_is_left_alone(state):
    state.on_position(LONG)
    state.replace_positions("live", [], as_of_ms=9000)
    assert state.positions("demo") == [LONG]
    assert state.positions("live") == []


def test_open_orders_follow_the_bus():
    clock = ManualClock()
    bus = EventBus(clock)
    state = StateManager(bus, clock)
    bus.publish(STOP)
    assert state.open_orders("demo") == [STOP]
    bus.publish(changed(STOP, status=OrderStatus.CANCELLED))
    assert state.open_orders() == []


@pytest.mark.parametrize(
    ("terms", "is_protected"),
    [
        ({}, True),
        ({"quantity": Decimal(0)}, True),  # "the whole position", as some exchanges write it
        ({"quantity": Decimal("1.9")}, False),
        ({"filled_quantity": Decimal("0.5")}, False),
        ({"side": Side.BUY}, False),
        ({"reduce_only": False}, False),
        ({"trigger_price": None}, False),
        ({"symbol": "ETHUSDT"}, False),
        ({"purpose": OrderPurpose.TAKE_PROFIT, "trigger_price": Decimal(95)}, False),
        ({"purpose": OrderPurpose.EXIT}, True),  # judged by its trigger: on the losing side
        ({"purpose": OrderPurpose.EXIT, "trigger_price": Decimal(105)}, False),
    ],
)
def test_a_long_is_protected_by_a_large_enough_stop_below(state, terms, is_protected):
    state.on_position(LONG)
    state.on_order(changed(STOP, **terms))
    assert state.is_protected("demo", "BTCUSDT") is is_protected


def test_a_short_is_protected_by_a_stop_above(state):
    state.on_position(changed(LONG, side=Side.SELL))
    assert not state.is_protected("demo", "BTCUSDT")
    state.on_order(
        changed(STOP, side=Side.BUY, trigger_price=Decimal(105), purpose=OrderPurpose.EXIT)
    )
    assert state.is_protected("demo", "BTCUSDT")


def test_a_stop_named_by_the_position_protects_and_flat_needs_none(state):
    state.on_position(changed(LONG, stop_loss=Decimal(90)))
    assert state.is_protected("demo", "BTCUSDT")
    assert state.is_protected("demo", "ETHUSDT")


def test_a_symbol_that_was_never_held_has_neither_stop_nor_end(state):
    state.flatten("demo", "ETHUSDT")
    assert state.position("demo", "ETHUSDT") is None
    assert state.protection("demo", "ETHUSDT").stop_price is None


def test_resting_orders_tell_stop_and_take_profit_apart(state):
    state.on_position(LONG)
    state.on_order(STOP)
    state.on_order(
        changed(STOP, exchange_order_id="e2", trigger_price=Decimal(120),
                purpose=OrderPurpose.TAKE_PROFIT)
    )  # fmt: skip
    found = state.protection("demo", "BTCUSDT")
    assert (found.stop_price, found.stop_quantity, found.take_profit_price) == (95, 2, 120)


def test_a_resting_limit_order_takes_a_profit_and_stops_nothing(state):
    state.on_position(LONG)
    limit = changed(
        STOP, order_type=OrderType.LIMIT, price=Decimal(110), trigger_price=None,
        purpose=OrderPurpose.EXIT,
    )  # fmt: skip
    state.on_order(limit)
    found = state.protection("demo", "BTCUSDT")
    assert (found.stop_price, found.take_profit_price) == (None, 110)
    market = changed(limit, exchange_order_id="e3", order_type=OrderType.MARKET, price=None)
    state.on_order(market)
    assert not state.is_protected("demo", "BTCUSDT")
