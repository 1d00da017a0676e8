"""The order form's own rules: what it refuses, rounds, converts and proposes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.models.instruments import Instrument
from core.models.orders import OrderType, Side, TimeInForce
from core.models.tickets import OrderTicket
from ui.models.ticket_form import PRICE, SIZE, STOP, TicketForm, number

BTC = Instrument(
    exchange="bybit",
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.1"),
    quantity_step=Decimal("0.001"),
    min_quantity=Decimal("0.001"),
    max_quantity=Decimal(100),
    min_notional=Decimal(5),
    max_leverage=Decimal(100),
)
MARKET = Decimal("67074.5")


def ticket(form: TicketForm) -> OrderTicket | None:
    return form.ticket(BTC, MARKET, ticket_id="1", account="demo", created_ms=1)


@pytest.mark.parametrize("text", ["-1", "0", "abc", "nan", "inf", "1e", "--2", "", "9e99"])
def test_what_is_no_number_above_zero_is_none(text):
    assert number(text) is None


def test_wrong_fields_are_named_and_make_no_ticket():
    form = TicketForm(price="-5", size="x", stop_loss="y")
    assert set(form.errors()) == {PRICE, SIZE, STOP}
    assert ticket(form) is None


def test_an_empty_form_is_no_error_but_no_order_either():
    assert TicketForm().errors() == {}
    assert ticket(TicketForm()) is None


@given(
    price=st.decimals(Decimal(1), Decimal(200_000), places=6),
    size=st.decimals(Decimal("0.001"), Decimal(50), places=8),
)
def test_price_and_size_land_on_the_grid_and_size_never_grows(price, size):
    made = ticket(TicketForm(price=f"{price:f}", size=f"{size:f}", has_bracket=False))
    assert made is not None
    assert made.price is not None
    assert made.price % BTC.tick_size == 0
    assert abs(made.price - price) <= BTC.tick_size / 2
    assert made.quantity % BTC.quantity_step == 0
    assert size - BTC.quantity_step < made.quantity <= size


@given(size=st.decimals(Decimal("0.001"), Decimal(50), places=3))
def test_the_other_unit_is_the_same_order(size):
    form = TicketForm(order_type=OrderType.MARKET, size=f"{size:f}")
    form.convert_size(BTC, MARKET)
    assert form.in_quote
    made = ticket(form)
    assert made is not None
    assert made.quantity == size


def test_a_share_of_the_money_is_that_share_and_fits_under_it():
    form = TicketForm(price="66950")
    form.size = form.size_of(Decimal("0.25"), Decimal(12_038), BTC, MARKET)
    made = ticket(form)
    assert made is not None
    assert made.quantity * Decimal(66_950) <= Decimal(12_038) / 4
    assert form.size == "0.044"


def test_exits_follow_the_price_until_the_trader_writes_them():
    form = TicketForm(price="66950")
    form.propose_exits(BTC, MARKET)
    assert (form.stop_loss, form.take_profit) == ("66280.5", "68289.0")
    form.stop_loss, form.is_own = "66000", {STOP}
    form.side = Side.SELL
    form.propose_exits(BTC, MARKET)
    assert (form.stop_loss, form.take_profit) == ("66000", "65611.0")


def test_reward_to_risk_is_the_two_distances():
    form = TicketForm(price="66950", stop_loss="66650", take_profit="67700")
    assert form.reward_to_risk(BTC, MARKET) == Decimal("2.5")


def test_post_only_and_time_in_force_belong_to_resting_orders_alone():
    form = TicketForm(price="66950", size="0.01", post_only=True)
    form.time_in_force = TimeInForce.IOC
    assert ticket(form).time_in_force is TimeInForce.POST_ONLY
    form.post_only = False
    assert ticket(form).time_in_force is TimeInForce.IOC
    form.order_type = OrderType.MARKET
    assert ticket(form).time_in_force is TimeInForce.GTC


def test_reduce_only_carries_no_bracket():
    form = TicketForm(price="66950", size="0.01", stop_loss="66000", reduce_only=True)
    made = ticket(form)
    assert made.reduce_only
    assert made.stop_loss is None
