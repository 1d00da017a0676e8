"""A quantity fits the exchange's filters and never exceeds what the method allows."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.models.instruments import Instrument
from core.portfolio.sizing import below_minimum, size

D = Decimal


def instrument(step: str = "0.001", most: str = "100", least: str = "0.001") -> Instrument:
    return Instrument(
        exchange="bybit",
        symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        tick_size=D("0.1"),
        quantity_step=D(step),
        min_quantity=D(least),
        max_quantity=D(most),
        min_notional=D(5),
        max_leverage=D(100),
    )


steps = st.sampled_from(["100", "1", "0.5", "0.1", "0.001", "0.00000001"])
amounts = st.decimals("0.00000001", "100000000", places=8)
prices = st.decimals("0.00000001", "1000000", places=8)


@given(target=amounts, price=prices, step=steps)
def test_never_above_the_target_always_on_the_step_and_not_a_step_too_small(
    target: Decimal, price: Decimal, step: str
) -> None:
    venue = instrument(step, most="1000000")
    quantity = size(target, price, venue)
    assert quantity * price <= target
    assert quantity % D(step) == 0
    assert 0 <= quantity <= venue.max_quantity
    assert (quantity + D(step)) * price > target or quantity + D(step) > venue.max_quantity


def test_binary_fractions_lose_no_lot() -> None:
    assert size(D("0.29"), D(1), instrument("0.01")) == D("0.29")
    assert size(D("0.3"), D(1), instrument("0.1")) == D("0.3")


@pytest.mark.parametrize(("target", "price"), [("0", "1"), ("-5", "1"), ("5", "0")])
def test_nothing_to_spend_is_no_quantity(target: str, price: str) -> None:
    assert size(D(target), D(price), instrument()) == 0


def test_the_minimums_are_named_with_their_numbers() -> None:
    venue = instrument(least="0.01")
    assert below_minimum(D("0.009"), D(50_000), venue) == (
        "0.009 BTC is below the exchange's minimum of 0.01 BTC"
    )
    assert below_minimum(D("0.01"), D("499.9"), venue) == (
        "5.00 USDT is below the exchange's minimum of 5 USDT"
    )
    assert below_minimum(D("0.01"), D(500), venue) == ""
