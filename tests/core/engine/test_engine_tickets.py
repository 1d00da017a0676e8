"""Orders by hand: what the form promises, and what becomes of it on the one road."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import msgspec
import pytest

from app.command_handler import CommandHandler
from core.commands import Command, CommandResult, PlaceOrder, PreviewOrder, Request
from core.models.orders import OrderStatus, OrderType, Side
from core.models.tickets import OrderPreview, OrderTicket
from core.snapshot_builder import SnapshotBuilder
from core.snapshots import AccountMode, OrderRecord

ACCOUNT, ETH = "demo", "ETHUSDT"


async def ask(world, command: Command) -> CommandResult:
    handler = CommandHandler(world.engine, SnapshotBuilder(world.engine))
    result, _ = await handler.handle(Request(1, command))
    return result


async def preview(world, ticket: OrderTicket) -> OrderPreview:
    result = await ask(world, PreviewOrder(ticket))
    assert result.preview is not None, result.text
    return result.preview


@pytest.fixture
async def ticket(world) -> OrderTicket:
    """A market order for half an ether with a stop 2 % below."""
    await world.start([], autostart=False)
    world.feed.prices.add([ETH], by="a test")
    await asyncio.sleep(3)
    price = world.feed.tickers[ETH].last_price
    return OrderTicket(
        ticket_id="1",
        created_ms=world.clock.time_ms(),
        account=ACCOUNT,
        symbol=ETH,
        side=Side.BUY,
        order_type=OrderType.MARKET,
        quantity=Decimal("0.5"),
        stop_loss=(price * Decimal("0.98")).quantize(Decimal("0.01")),
        take_profit=(price * Decimal("1.04")).quantize(Decimal("0.01")),
    )


async def test_a_market_order_by_hand_is_filled_protected_and_nobodys_bot(world, ticket):
    result = await ask(world, PlaceOrder(ticket))
    assert result.ok, result.text
    await world.settled()
    assert world.held() == {ETH: Decimal("0.5")}
    [position] = world.account.positions()
    assert None not in (position.stop_loss, position.take_profit)
    [order] = world.desk.oms.orders_of("")
    assert (order.status, order.bot_id) == (OrderStatus.FILLED, "")
    await world.audit()


async def test_the_same_ticket_twice_is_one_order(world, ticket):
    await ask(world, PlaceOrder(ticket))
    await world.settled()
    await ask(world, PlaceOrder(ticket))
    await world.settled()
    assert len(world.entries()) == 1
    assert [text for text in world.notices("order gate") if "sent once" in text]


async def test_the_preview_is_what_the_order_costs(world, ticket):
    seen = await preview(world, ticket)
    price = world.feed.tickers[ETH].last_price
    assert seen.refusal == ""
    assert seen.value == Decimal("0.5") * price
    assert seen.fee == seen.value * Decimal("0.00055")
    assert seen.risk == Decimal("0.5") * (price - ticket.stop_loss)
    assert seen.reward_to_risk is not None
    assert abs(seen.reward_to_risk - 2) < Decimal("0.05")
    free = world.desk.capital.get_available_capital()
    assert seen.available == free
    await ask(world, PlaceOrder(ticket))
    taken = free - world.desk.capital.get_available_capital()
    assert abs(taken - seen.value - seen.fee) < Decimal("0.01") * seen.value


async def test_a_preview_leaves_no_trace(world, ticket):
    before = world.desk.risk.snapshot(), world.desk.capital.snapshot()
    for _ in range(30):  # more than the orders of a minute
        assert (await preview(world, ticket)).refusal == ""
    assert (world.desk.risk.snapshot(), world.desk.capital.snapshot()) == before
    assert world.desk.oms.orders_of("") == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"stop_loss": None}, "no_stop"),
        ({"quantity": Decimal(5)}, "largest_position"),
        ({"quantity": Decimal(500)}, "capital_cap"),
    ],
)
async def test_what_the_preview_refuses_the_gate_refuses(world, ticket, changes, code):
    refused = msgspec.structs.replace(ticket, **changes)
    seen = await preview(world, refused)
    assert seen.refusal_code == code
    result = await ask(world, PlaceOrder(refused))
    assert not result.ok
    assert result.text == f"Denied: {seen.refusal}. Nothing was sent."
    assert world.held() == {}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"symbol": "NOPEUSDT"}, "NOPEUSDT"),
        ({"order_type": OrderType.LIMIT}, "A limit order needs a price above zero."),
        ({"quantity": Decimal("0.001")}, "minimum"),
        ({"stop_loss": Decimal(10**6)}, "The stop loss of this order has to be below"),
        ({"take_profit": Decimal(1)}, "The take profit of this order has to be above"),
        ({"account": "nobody"}, "nobody"),
    ],
)
async def test_a_form_that_is_no_order_is_refused_in_a_sentence(world, ticket, changes, sentence):
    for command in (PreviewOrder, PlaceOrder):
        result = await ask(world, command(msgspec.structs.replace(ticket, **changes)))
        assert not result.ok
        assert sentence in result.text


async def test_price_and_size_are_rounded_to_what_the_exchange_takes(world, ticket):
    odd = msgspec.structs.replace(
        ticket,
        order_type=OrderType.LIMIT,
        price=ticket.stop_loss * Decimal("1.0100001"),
        quantity=Decimal("0.50999999"),
    )
    seen = await preview(world, odd)
    instrument = world.desk.instruments[ETH]
    assert seen.price % instrument.tick_size == 0
    assert seen.quantity % instrument.quantity_step == 0
    assert seen.quantity <= odd.quantity


async def test_a_limit_order_rests_and_comes_back_after_a_restart(world, ticket):
    low = (ticket.stop_loss * Decimal("1.01")).quantize(Decimal("0.01"))
    resting = msgspec.structs.replace(ticket, order_type=OrderType.LIMIT, price=low)
    assert (await ask(world, PlaceOrder(resting))).ok
    await world.settled()
    await world.stop()
    await world.start([], autostart=False)
    orders = [
        item.record.order
        for item in world.engine.records.backlog(100)
        if isinstance(item.record, OrderRecord)
    ]
    assert [(order.symbol, order.bot_id) for order in orders] == [(ETH, "")]


async def test_reduce_only_ends_a_position_and_never_opens_one(world, ticket):
    await ask(world, PlaceOrder(ticket))
    await world.settled()
    exit_ticket = msgspec.structs.replace(
        ticket, ticket_id="2", side=Side.SELL, reduce_only=True, stop_loss=None, take_profit=None
    )
    seen = await preview(world, exit_ticket)
    assert (seen.refusal, seen.margin) == ("", 0)
    assert (await ask(world, PlaceOrder(exit_ticket))).ok
    await world.settled()
    assert world.held() == {}


async def test_real_money_needs_the_traders_word(world, ticket):
    world.desk.mode = AccountMode.LIVE
    result = await ask(world, PlaceOrder(ticket))
    assert (result.ok, result.text) == (False, "This account trades real money: confirm the order.")


async def test_the_liquidation_price_is_where_equity_meets_the_maintenance_margin(world, ticket):
    large = msgspec.structs.replace(ticket, quantity=Decimal(20), stop_loss=None, take_profit=None)
    seen = await preview(world, large)
    assert seen.liquidation_price is not None
    equity = world.desk.capital.figures().equity
    left = equity + 20 * (seen.liquidation_price - seen.price)
    assert abs(left - 20 * seen.liquidation_price * Decimal("0.005")) < Decimal("0.01")
    small = msgspec.structs.replace(ticket, quantity=Decimal("0.5"))
    assert (await preview(world, small)).liquidation_price is None
