"""Rules in which venues differ: client ids, reduce-only capacity, position mode."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from core.clock import ManualClock
from core.exchange_port import RequestRejected
from core.models.orders import OrderType, Side
from exchanges.simulated.generated_market import GeneratedMarket
from exchanges.simulated.simulated_exchange import SimulatedExchange
from exchanges.simulated.values import PlaceOrder, RejectReason, VenueReject
from exchanges.simulated.venue import Venue
from exchanges.simulated.venue_profile import ClientIds, VenueProfile

MARKET = GeneratedMarket(3)


def venue(**profile) -> Venue:
    clock = ManualClock(MARKET.start_ms + 3_600_000)
    return Venue(market=MARKET, clock=clock, profile=VenueProfile(**profile))


def order(side: Side = Side.BUY, **more) -> PlaceOrder:
    fields = {"quantity": Decimal("0.1"), "client_order_id": "same"} | more
    return PlaceOrder(symbol="BTCUSDT", side=side, order_type=OrderType.MARKET, **fields)


def test_an_id_is_taken_for_ever_where_it_has_to_be_unique():
    account = venue().account("a")
    account.place_order(order())
    with pytest.raises(VenueReject) as refusal:
        account.place_order(order())
    assert refusal.value.reason is RejectReason.DUPLICATE_CLIENT_ID


def test_an_id_is_taken_again_once_its_order_is_final_where_only_open_ones_count():
    account = venue(client_ids=ClientIds.OPEN).account("a")
    first = account.place_order(order())
    second = account.place_order(order())
    assert first.order_id != second.order_id
    found = account.order(client_order_id="same")
    assert found is not None
    assert found.order_id == second.order_id
    resting = PlaceOrder(
        symbol="BTCUSDT",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity=Decimal("0.1"),
        price=Decimal(50_000),
        client_order_id="rests",
    )
    account.place_order(resting)
    with pytest.raises(VenueReject, match="exists already"):
        account.place_order(resting)


def test_nobody_looks_at_ids_where_they_are_never_unique():
    account = venue(client_ids=ClientIds.NEVER).account("a")
    resting = PlaceOrder(
        symbol="BTCUSDT",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity=Decimal("0.1"),
        price=Decimal(50_000),
        client_order_id="rests",
    )
    assert account.place_order(resting).order_id != account.place_order(resting).order_id


def test_a_take_profit_reserves_the_position_where_capacity_is_counted():
    account = venue(counts_reduce_only=True).account("a")
    account.place_order(order(stop_loss=Decimal(10_000), take_profit=Decimal(900_000)))
    close = order(Side.SELL, reduce_only=True, client_order_id="close")
    with pytest.raises(VenueReject) as refusal:
        account.place_order(close)
    assert refusal.value.reason is RejectReason.REDUCE_ONLY_TAKEN
    account.set_protection("BTCUSDT", take_profit=Decimal(0))
    account.place_order(close)
    assert account.positions() == []


def test_an_account_in_hedge_mode_is_refused_at_start():
    exchange = SimulatedExchange("a", venue=venue(is_hedge_mode=True))
    with pytest.raises(RequestRejected, match="one-way mode"):
        asyncio.run(exchange.start_trading(None))
